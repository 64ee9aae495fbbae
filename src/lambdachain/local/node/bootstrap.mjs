/**
 * A Node.js runtime client for where npm's aws-lambda-ric is not installed: `_HANDLER=app.handler node bootstrap.mjs`.
 *
 * It does what aws-lambda-ric 3.3.0 was seen to do, and the tests compare the two. Left out: logs in JSON
 * (AWS_LAMBDA_LOG_FORMAT), log levels (AWS_LAMBDA_LOG_LEVEL), and the report for X-Ray beside an error.
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

/** Runs one invocation after the other; the handler is a method of it, as traces on Lambda show. */
class Runtime {
  constructor(handler) {
    this.handler = handler;
  }

  async serve({ headers, event }) {
    requestId = headers["lambda-runtime-aws-request-id"];
    setTraceId(headers["lambda-runtime-trace-id"]);
    const context = makeContext(headers);
    await (this.handler[STREAMING] ? this.#answerStreaming(event, context) : this.#answerWhole(event, context));
  }

  async #answerWhole(event, context) {
    const { result, error } = await this.#outcome(event, context);
    const answer = isNothing(error) ? asJson(result) : { error };
    if ("json" in answer) return api.respond(requestId, answer.json);
    const thrown = readable(answer.error);
    console.error("Invoke Error", toLogLine(thrown));
    return api.fail(requestId, thrown);
  }

  /** Wait for what the handler says first: by its promise, its callback, its context, or by leaving nothing to do. */
  #outcome(event, context) {
    return new Promise((resolve) => {
      let isSaid = false;
      const first = (say) => (...words) => {
        if (!isSaid) say(...words);
        isSaid = true;
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

  async #answerStreaming(event, context) {
    const { stream, receipt } = api.stream(requestId, this.handler[HIGH_WATER_MARK]);
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
    await receipt;
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

function asJson(result) {
  try {
    const json = JSON.stringify(result === undefined ? null : result);
    // What has no JSON, such as a function, is refused with these words by the part of aws-lambda-ric that sends.
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

// Not awaited here: an await at the top that is never done ends the process before it can say that it is idle.
main().catch((error) => die("Uncaught Exception", error, 129));
