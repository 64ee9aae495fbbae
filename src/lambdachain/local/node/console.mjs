/** console.log and its kin, written as Lambda's log has them: time, request id, level, message, in one line. */

import { format } from "node:util";

const LEVELS = { trace: "TRACE", debug: "DEBUG", info: "INFO", log: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

/** Let every method of console write so; `requestId()` tells whose invocation it is. */
export function patchConsole(requestId) {
  for (const [method, level] of Object.entries(LEVELS)) {
    console[method] = (...words) => {
      const line = `${new Date().toISOString()}\t${requestId()}\t${level}\t${format(...words)}`;
      process.stdout.write(line.replaceAll("\n", "\r") + "\n");
    };
  }
}
