// Call an endpoint through the AWS SDK for JavaScript: `node call.mjs DIRECTORY ENDPOINT`, the SDK being installed in
// DIRECTORY. Each line of standard input is { command, input }; for each goes a line of what came of it to standard
// output. Bytes are { base64 }, in both directions.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [directory, endpoint] = process.argv.slice(2);
const sdk = createRequire(resolve(join(directory, "package.json")))("@aws-sdk/client-lambda");
const client = new sdk.LambdaClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

async function plain(value) {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (value?.[Symbol.asyncIterator]) {
    const events = [];
    for await (const event of value) events.push(await plain(event));
    return events;
  }
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  const pairs = Object.entries(value).map(async ([name, each]) => [name, await plain(each)]);
  return Object.fromEntries(await Promise.all(pairs));
}

async function call({ command, input }) {
  if (input.Payload) input.Payload = Buffer.from(input.Payload.base64, "base64");
  try {
    return await plain(await client.send(new sdk[command](input)));
  } catch (error) {
    const { name, message, Reason, $metadata } = error;
    return { refused: { name, message, Reason, typed: error.constructor.name }, $metadata };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await call(JSON.parse(line))));
}
