// Call a function: { value } is what it answered, { error } what it raised; everything else is thrown.

/**
 * @typedef {{ errorType: string, errorMessage: string }} FunctionError
 */

/**
 * @template Value
 * @typedef {{ value: Value, error?: undefined } | { value?: undefined, error: FunctionError }} Answer
 */

const sdk = await import("@aws-sdk/client-lambda").catch(() => undefined);

export const through = sdk ? "@aws-sdk/client-lambda" : "fetch";

// At module scope: kept from one invocation to the next. The SDK finds the endpoint in AWS_ENDPOINT_URL_LAMBDA; on AWS
// there is none, and it calls AWS. Tried once: a second try may run the function twice.
const client = sdk && new sdk.LambdaClient({ maxAttempts: 1 });

/**
 * @param {string} name
 * @param {unknown} payload
 * @returns {Promise<Answer<any>>}
 */
export async function invoke(name, payload) {
  const answer = sdk && client ? await invokeBySdk(sdk, client, name, payload) : await invokeByFetch(name, payload);
  const decoded = JSON.parse(answer.body);
  return answer.failed ? { error: decoded } : { value: decoded };
}

/**
 * @param {typeof import("@aws-sdk/client-lambda")} sdk
 * @param {import("@aws-sdk/client-lambda").LambdaClient} client
 * @param {string} name
 * @param {unknown} payload
 */
async function invokeBySdk(sdk, client, name, payload) {
  const command = new sdk.InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload) });
  const { FunctionError, Payload } = await client.send(command);
  return { body: new TextDecoder().decode(Payload), failed: FunctionError !== undefined };
}

/**
 * Send what the SDK sends, but for the signature, which a local endpoint does not check: for where npm has installed nothing.
 *
 * @param {string} name
 * @param {unknown} payload
 */
async function invokeByFetch(name, payload) {
  const url = `${process.env.AWS_ENDPOINT_URL_LAMBDA}/2015-03-31/functions/${name}/invocations`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify(payload) });
  if (!response.ok) throw new Error(`${response.headers.get("x-amzn-errortype")}: ${await response.text()}`);
  return { body: await response.text(), failed: response.headers.has("x-amz-function-error") };
}
