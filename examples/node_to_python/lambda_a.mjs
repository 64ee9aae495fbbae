// LambdaA, in Node.js: quotes a price that the Python function works out. Handler setting: lambda_a.handler.

/** @import { Answer, FunctionError } from "./invoke.mjs" */
/** @import { functionName, QuotePriceError, QuotePriceRequest, QuotePriceResponse } from "./quote_price.ts" */

import { invoke, through } from "./invoke.mjs";

/** @type {typeof functionName} */
const QUOTE_PRICE = "QuotePrice";

/** @param {QuotePriceRequest} order */
export const handler = async (order) => {
  /** @type {QuotePriceRequest} */
  const request = { product: order.product, quantity: order.quantity };
  /** @type {Answer<QuotePriceResponse>} */
  const answer = await invoke(QUOTE_PRICE, request);
  if (answer.error === undefined) {
    return { text: `${order.quantity} x ${order.product}: ${answer.value.total}`, through };
  }
  const unknown = getFields(answer.error, "UnknownProduct");
  if (unknown !== undefined) {
    return { text: `no ${unknown.product} here`, through };
  }
  throw new Error(`QuotePrice failed: ${answer.error.errorType}`);
};

/**
 * Return the fields of a declared error, which are the JSON of its errorMessage; undefined for any other error.
 *
 * @template {QuotePriceError["errorType"]} Type
 * @param {FunctionError} error
 * @param {Type} type
 * @returns {Extract<QuotePriceError, { errorType: Type }>["fields"] | undefined}
 */
function getFields(error, type) {
  return error.errorType === type ? JSON.parse(error.errorMessage) : undefined;
}
