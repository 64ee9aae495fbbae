/** The methods of console in the format of Lambda's log: time, request id, level and message in one line. */

import { format } from "node:util";

const LEVELS = { trace: "TRACE", debug: "DEBUG", info: "INFO", log: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

/** Patch every method of console; `requestId()` returns the id of the current invocation. */
export function patchConsole(requestId) {
  for (const [method, level] of Object.entries(LEVELS)) {
    console[method] = (...values) => {
      const line = `${new Date().toISOString()}\t${requestId()}\t${level}\t${format(...values)}`;
      process.stdout.write(line.replaceAll("\n", "\r") + "\n");
    };
  }
}
