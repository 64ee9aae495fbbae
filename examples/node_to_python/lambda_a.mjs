// LambdaA, in Node.js: quotes a price that the Python function works out. Handler setting: lambda_a.handler.

import { invoke, through } from "./invoke.mjs";

export const handler = async (order) => {
  const answer = await invoke("QuotePrice", { product: order.product, quantity: order.quantity });
  if (answer.error === undefined) {
    return { text: `${order.quantity} x ${order.product}: ${answer.value.total}`, through };
  }
  if (answer.error.errorType === "UnknownProduct") {
    // A declared error's fields are the JSON of its errorMessage.
    const { product } = JSON.parse(answer.error.errorMessage);
    return { text: `no ${product} here`, through };
  }
  throw new Error(`QuotePrice failed: ${answer.error.errorType}`);
};
