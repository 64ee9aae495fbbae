// What handlers do, one way each: test_runtimes.py says what comes of it.
"use strict";

const { setTimeout: sleep } = require("node:timers/promises");

class OutOfStock extends Error {
  constructor(message, available) {
    super(message);
    this.name = "OutOfStock";
    this.available = available;
  }
}

let calls = 0;

exports.echo = async (event) => event;
exports.nothing = async () => {};
exports.counts = async () => ++calls;
exports.unicode = async () => "grüß dich 🎉 \u2028";
exports.oddities = async () => ({ a: undefined, b: [undefined], c: NaN, d: new Date(0) });
exports.nested = { handler: async () => "nested" };
exports.notAFunction = 7;

exports.thenable = () => ({ then: (resolve) => resolve("then") });
exports.promiseAndCallback = async (event, context, callback) => {
  callback(null, "callback");
  return "promise";
};
exports.failsLater = async () => {
  setTimeout(() => {
    throw new Error("nobody hears of it");
  }, 10);
  return "answered";
};
exports.methods = new (class {
  async handler() {
    return this === exports.methods ? "its own" : "the runtime's";
  }
})();

exports.describe = async (event, context) => ({
  name: context.functionName,
  version: context.functionVersion,
  memory: context.memoryLimitInMB,
  arn: context.invokedFunctionArn,
  client: context.clientContext,
  identity: context.identity,
  group: context.logGroupName,
  stream: context.logStreamName === process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  remaining: context.getRemainingTimeInMillis() > 0,
  requestId: context.awsRequestId.length,
  traceId: process.env._X_AMZN_TRACE_ID.slice(0, 5),
  runtime: process.env.AWS_EXECUTION_ENV,
});

exports.byCallback = (event, context, callback) => {
  setTimeout(() => callback(null, { called: event }), 5);
};
exports.byCallbackAtOnce = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60_000);
  callback(null, "at once");
};
exports.byCallbackWhenIdle = (event, context, callback) => {
  callback(null, "when idle");
  setTimeout(() => console.log("after the callback"), 20);
};
exports.byCallbackTwice = (event, context, callback) => {
  callback(null, "first");
  callback(new Error("second"));
};
exports.byDone = (event, context) => context.done(null, "done");
exports.bySucceed = (event, context) => context.succeed("succeeded");
exports.byFail = (event, context) => context.fail(new TypeError("failed"));
exports.byFailWithNothing = (event, context) => context.fail();
exports.silent = () => {};

exports.callbackError = (event, context, callback) => callback(new RangeError("called back"));
exports.callbackText = (event, context, callback) => callback("only text");
exports.throws = () => {
  throw new OutOfStock("none left", 0);
};
exports.rejects = async () => {
  await sleep(1);
  throw new OutOfStock("none left", 0);
};
exports.rejectsText = () => Promise.reject("text");
exports.rejectsNothing = () => Promise.reject();
exports.rejectsObject = () => Promise.reject({ code: 7 });
exports.rejectsUnreadable = () => Promise.reject(Object.create(null));
exports.causes = async () => {
  throw new Error("outer", { cause: new Error("inner") });
};
exports.circular = async () => {
  const loop = {};
  loop.loop = loop;
  return loop;
};
exports.bigint = async () => 10n;
exports.returnsFunction = async () => () => {};
exports.returnsUnwritable = async () => ({
  toJSON() {
    throw new Error("no JSON");
  },
});
exports.throwsNumber = async () => {
  throw 42;
};
exports.aggregates = async () => {
  throw new AggregateError([new Error("one")], "several");
};
exports.deletes = async () => {
  throw new Error("a\x7Fb");
};

exports.uncaught = () => {
  setTimeout(() => {
    throw new Error("in a timer");
  }, 1);
};
exports.unhandled = async () => {
  Promise.reject(new Error("nobody waits"));
  await sleep(50);
};
exports.exits = async () => process.exit(3);
exports.logs = async () => {
  console.log("a", { b: 1 }, "%s", "c");
  console.warn("two\nlines");
  console.error("e");
  console.debug("d");
  console.info("%d%%", 5);
  console.trace("t");
};

exports.streams = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("one,");
  await sleep(5);
  stream.write({ two: 2 });
  stream.end();
});
exports.streamsHttp = awslambda.streamifyResponse(async (event, stream) => {
  const answer = awslambda.HttpResponseStream.from(stream, { statusCode: 418 });
  answer.write("tea");
  answer.end();
});
exports.streamsAndFails = awslambda.streamifyResponse(async (event, stream) => {
  stream.write("one,");
  await sleep(20);
  throw new OutOfStock("none left", 0);
});
exports.failsToStream = awslambda.streamifyResponse(async () => {
  throw new OutOfStock("none left", 0);
});
exports.streamsAtOnce = awslambda.streamifyResponse((event, stream) => stream.write("one,"));
