/**
 * A Node.js runtime client, used if npm's aws-lambda-ric is not installed: `_HANDLER=app.handler node bootstrap.mjs`.
 *
 * It behaves as aws-lambda-ric 3.3.0 was observed to, and the tests compare the two. Not implemented: logs in JSON
 * (AWS_LAMBDA_LOG_FORMAT), log levels (AWS_LAMBDA_LOG_LEVEL), and the X-Ray report of an error.
 */

import { patchConsole } from "./console.mjs";
import { readable, toLogLine, UnhandledPromiseRejection } from "./errors.mjs";
import { loadHandler } from "./handler.mjs";
import { failStream, HttpResponseStream, RuntimeApi } from "./runtime_api.mjs";

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");

const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
let requestId;
let whenIdle = () => {};

async function main() {
  patchConsole(() => requestId);
  process.on("beforeExit", () => whenIdle());
  process.on("uncaughtException", (error) => die("Uncaught Exception", error, 129));
  process.on("unhandledRejection", (reason, promise) => {
    die("Unhandled Promise Rejection", Object.assign(new UnhandledPromiseRejection(reason), { reason, promise }), 128);
  });
  globalThis.awslambda = { streamifyResponse, HttpResponseStream };
  const runtime = new Runtime(await loadHandler(process.cwd(), process.argv[2] ?? process.env._HANDLER));
  for (;;) {
    await runtime.serve(await api.next());
  }
}

async function die(title, error, status) {
  console.error(title, toLogLine(error));
  try {
    await (requestId === undefined ? api.failToStart(error) : api.fail(requestId, error));
  } finally {
    process.exit(status);
  }
}

function streamifyResponse(handler, options) {
  return Object.assign(handler, { [STREAMING]: "response", [HIGH_WATER_MARK]: options?.highWaterMark });
}

/** Runs one invocation after another. The handler is called as its method, as stack traces on Lambda show. */
class Runtime {
  constructor(handler) {
    this.handler = handler;
  }

  async serve({ headers, event }) {
    requestId = headers["lambda-runtime-aws-request-id"];
    setTraceId(headers["lambda-runtime-trace-id"]);
    const context = makeContext(headers);
    await (this.handler[STREAMING] ? this.#respondStreaming(event, context) : this.#respondBuffered(event, context));
  }

  async #respondBuffered(event, context) {
    const { result, error } = await this.#outcome(event, context);
    const response = isNothing(error) ? serialize(result) : { error };
    if ("json" in response) return api.respond(requestId, response.json);
    const thrown = readable(response.error);
    console.error("Invoke Error", toLogLine(thrown));
    return api.fail(requestId, thrown);
  }

  /** Wait for the first outcome: of the promise, the callback or the context, or an event loop with nothing left to do. */
  #outcome(event, context) {
    return new Promise((resolve) => {
      let isSettled = false;
      const first = (settle) => (...results) => {
        if (!isSettled) settle(...results);
        isSettled = true;
      };
      const done = first((error, result) => resolve({ error, result }));
      const callback = first((error, result) => {
        if (isNothing(error) && context.callbackWaitsForEmptyEventLoop) whenIdle = () => resolve({ result });
        else resolve({ error, result });
      });
      const succeed = (result) => done(null, result);
      const fail = (error) => done(error ?? "handled");
      Object.assign(context, { done, succeed, fail });
      whenIdle = () => resolve({ result: null });
      try {
        const returned = this.handler(JSON.parse(event), context, callback);
        if (isPromise(returned)) returned.then(succeed, fail);
      } catch (error) {
        callback(error);
      }
    });
  }

  async #respondStreaming(event, context) {
    const { stream, acknowledged } = api.stream(requestId, this.handler[HIGH_WATER_MARK]);
    whenIdle = () => {};
    try {
      const returned = this.handler(JSON.parse(event), stream, context);
      if (!isPromise(returned)) throw "Streaming does not support non-async handlers.";
      if ((await returned) !== undefined) console.warn("Streaming handlers ignore return values.");
    } catch (error) {
      const thrown = readable(error);
      console.error("Invoke Error", toLogLine(thrown));
      failStream(stream, thrown);
    }
    await acknowledged;
    if (context.callbackWaitsForEmptyEventLoop) await new Promise((resolve) => (whenIdle = resolve));
  }
}

function setTraceId(traceId) {
  if (traceId === undefined) delete process.env._X_AMZN_TRACE_ID;
  else process.env._X_AMZN_TRACE_ID = traceId;
}

function makeContext(headers) {
  const json = (header) => (headers[header] === undefined ? undefined : JSON.parse(headers[header]));
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: json("lambda-runtime-client-context"),
    identity: json("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: requestId,
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function serialize(result) {
  try {
    const json = JSON.stringify(result === undefined ? null : result);
    // A value without JSON, such as a function: this is the error of aws-lambda-ric's native addon.
    return json === undefined ? { error: new TypeError("Wrong arguments") } : { json };
  } catch {
    return { error: new Error("Unable to stringify response body") };
  }
}

function isNothing(value) {
  return value === undefined || value === null;
}

function isPromise(value) {
  return typeof value?.then === "function";
}

// Not awaited: Node.js ends a process whose top-level await is pending with an idle event loop, before `beforeExit`.
main().catch((error) => die("Uncaught Exception", error, 129));
