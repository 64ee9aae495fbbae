/** A client of Lambda's Runtime API: get the next invocation, send its response whole or as a stream, report errors. */

import http from "node:http";

import { InvalidStreamingOperation, toReport } from "./errors.mjs";

const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const WITH_PRELUDE = "application/vnd.awslambda.http-integration-response";

// An agent's idle connection does not keep the event loop alive, so `beforeExit` shows when the handler is done.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** The Runtime API at `host:port` or `host:port/path`. */
export class RuntimeApi {
  constructor(address) {
    const { hostname, port, pathname } = new URL(`http://${address}`);
    [this.hostname, this.port, this.path] = [hostname, port, pathname.replace(/\/$/, "")];
  }

  /** Wait for the next invocation; return its headers, in lower case, and its event as JSON. */
  async next() {
    const { status, headers, body } = await readResponse(this.#request("GET", "invocation/next").end());
    if (status !== 200) throw new Error(`Failed to get the next invocation: status ${status}`);
    return { headers, event: body };
  }

  async respond(requestId, json) {
    await this.#post(`invocation/${encodeURIComponent(requestId)}/response`, json);
  }

  async fail(requestId, thrown) {
    await this.#post(`invocation/${encodeURIComponent(requestId)}/error`, JSON.stringify(toReport(thrown)));
  }

  async failToStart(thrown) {
    const report = toReport(thrown);
    await this.#post("init/error", JSON.stringify(report), { [ERROR_TYPE]: report.errorType });
  }

  /** Start a streaming response; return the stream and a promise of Lambda's acknowledgement. */
  stream(requestId, highWaterMark) {
    const request = this.#request("POST", `invocation/${encodeURIComponent(requestId)}/response`, {
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      Trailer: [ERROR_TYPE, ERROR_BODY],
      "Content-Type": "application/octet-stream",
    }, { highWaterMark });
    return { stream: toResponseStream(request), acknowledged: readResponse(request) };
  }

  #request(method, path, headers = {}, options = {}) {
    const target = { hostname: this.hostname, port: this.port, path: `${this.path}/2018-06-01/runtime/${path}` };
    return http.request({ ...target, ...options, method, headers, agent });
  }

  async #post(path, body, headers = {}) {
    await readResponse(this.#request("POST", path, { "Content-Type": "application/json", ...headers }).end(body));
  }
}

/** End a stream with an error. Earlier parts have been sent already, so the error goes into the trailers. */
export function failStream(stream, thrown) {
  const report = toReport(thrown);
  const body = Buffer.from(JSON.stringify(report)).toString("base64");
  stream.addTrailers({ [ERROR_TYPE]: report.errorType, [ERROR_BODY]: body });
  stream.end();
}

/** Implementation of `awslambda.HttpResponseStream`: the status and headers of an HTTP response precede its body. */
export const HttpResponseStream = {
  from(stream, prelude) {
    stream.setContentType(WITH_PRELUDE);
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8));
    };
    return stream;
  },
};

function toResponseStream(request) {
  const write = request.write.bind(request);
  let isStarted = false;
  request.setContentType = (type) => {
    if (isStarted) throw new InvalidStreamingOperation("Cannot set content-type, too late.");
    request.setHeader("Content-Type", type);
  };
  request.write = (chunk, ...rest) => {
    if (!isStarted) request._onBeforeFirstWrite?.((prelude) => write(prelude));
    isStarted = true;
    const isRaw = typeof chunk === "string" || chunk instanceof Uint8Array;
    return write(isRaw ? chunk : JSON.stringify(chunk), ...rest);
  };
  return request;
}

function readResponse(request) {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      response.on("error", reject);
    });
  });
}
