/** Errors as a runtime client reports them: type, message and stack trace. */

import { types } from "node:util";

/** The report for an error whose properties cannot be read. */
const UNREADABLE = {
  errorType: "handled",
  errorMessage:
    "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
};

// The name is set on the prototype, so that the first line of the stack trace has it too.
function platformError(kind) {
  const PlatformError = class extends Error {};
  PlatformError.prototype.name = `Runtime.${kind}`;
  return PlatformError;
}

export const HandlerNotFound = platformError("HandlerNotFound");
export const ImportModuleError = platformError("ImportModuleError");
export const InvalidStreamingOperation = platformError("InvalidStreamingOperation");
export const MalformedHandlerName = platformError("MalformedHandlerName");
export const UnhandledPromiseRejection = platformError("UnhandledPromiseRejection");
export const UserCodeSyntaxError = platformError("UserCodeSyntaxError");

/** Return what was thrown or, if that cannot be converted to a string, the error of the conversion. */
export function readable(thrown) {
  try {
    return new Error(thrown) && thrown;
  } catch (reason) {
    return reason;
  }
}

/** Convert anything that a handler throws to the body of an error report. */
export function toReport(thrown) {
  try {
    if (!isError(thrown)) {
      return { errorType: typeof thrown, errorMessage: thrown.toString(), trace: [] };
    }
    return {
      errorType: printable(thrown.name),
      errorMessage: printable(thrown.message),
      trace: printable(thrown.stack).split("\n"),
    };
  } catch {
    return UNREADABLE;
  }
}

/** Format an error as one line of the log: every field of it and of its causes. */
export function toLogLine(thrown) {
  const error = thrown instanceof Error ? thrown : new Error(thrown);
  try {
    return "\t" + JSON.stringify(error, (_, value) => (value instanceof Error ? withFields(value) : value));
  } catch {
    return "\t" + JSON.stringify(toReport(error));
  }
}

function withFields(error) {
  const fields = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  return typeof error.stack === "string" ? { ...fields, stack: error.stack.split("\n") } : fields;
}

// An error of another realm, such as a test runner's, is not an instance of this realm's Error.
function isError(thrown) {
  const looksLikeOne = [thrown?.name, thrown?.message, thrown?.stack].every((text) => text && typeof text === "string");
  return types.isNativeError(thrown) || looksLikeOne;
}

function printable(text) {
  return text?.replaceAll("\x7F", "%7F");
}
