/** Lambda's Runtime API over HTTP: take an invocation, answer it whole or as a stream, report errors. */

import http from "node:http";

import { InvalidStreamingOperation, toReport } from "./errors.mjs";

const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const WITH_PRELUDE = "application/vnd.awslambda.http-integration-response";

// An idle connection of an agent does not keep the process alive, so that it can tell when the handler is done.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

/** The Runtime API at `host:port`, or below a path at `host:port/path`. */
export class RuntimeApi {
  constructor(address) {
    const { hostname, port, pathname } = new URL(`http://${address}`);
    [this.hostname, this.port, this.path] = [hostname, port, pathname.replace(/\/$/, "")];
  }

  /** Wait for the next invocation: its headers, in lower case, and its event, as JSON. */
  async next() {
    const { status, headers, body } = await received(this.#request("GET", "invocation/next").end());
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

  /** Begin an answer that is written piece by piece: the stream, and a promise of Lambda's receipt. */
  stream(requestId, highWaterMark) {
    const request = this.#request("POST", `invocation/${encodeURIComponent(requestId)}/response`, {
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      Trailer: [ERROR_TYPE, ERROR_BODY],
      "Content-Type": "application/octet-stream",
    }, { highWaterMark });
    return { stream: asResponseStream(request), receipt: received(request) };
  }

  #request(method, path, headers = {}, options = {}) {
    const target = { hostname: this.hostname, port: this.port, path: `${this.path}/2018-06-01/runtime/${path}` };
    return http.request({ ...target, ...options, method, headers, agent });
  }

  async #post(path, body, headers = {}) {
    await received(this.#request("POST", path, { "Content-Type": "application/json", ...headers }).end(body));
  }
}

/** End a stream with an error: what was written has gone already, so that it goes in the trailers. */
export function failStream(stream, thrown) {
  const report = toReport(thrown);
  const body = Buffer.from(JSON.stringify(report)).toString("base64");
  stream.addTrailers({ [ERROR_TYPE]: report.errorType, [ERROR_BODY]: body });
  stream.end();
}

/** What `awslambda.HttpResponseStream` is: status and headers of an HTTP answer go before its body. */
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

function asResponseStream(request) {
  const write = request.write.bind(request);
  let isBegun = false;
  request.setContentType = (type) => {
    if (isBegun) throw new InvalidStreamingOperation("Cannot set content-type, too late.");
    request.setHeader("Content-Type", type);
  };
  request.write = (chunk, ...rest) => {
    if (!isBegun) request._onBeforeFirstWrite?.((prelude) => write(prelude));
    isBegun = true;
    const isRaw = typeof chunk === "string" || chunk instanceof Uint8Array;
    return write(isRaw ? chunk : JSON.stringify(chunk), ...rest);
  };
  return request;
}

function received(request) {
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
