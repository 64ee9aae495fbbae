"""What the error names of Step Functions mean: whether the function ran, and whether a retry is safe.

Sources: "Handling errors in Step Functions workflows"
(https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html) and "Handle Lambda service
exceptions" (https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html). An error of Lambda
itself is reported as ``Lambda.`` and its name, one of the function as the ``errorType`` that the function sent. What
each of these means is looked up in the table that decides for this package's own clients.
"""

from __future__ import annotations

import re
from typing import Final

from lambdachain._calling.error_table import (
    FUNCTION_ERRORS,
    PLAIN_FUNCTION_ERROR,
    SERVICE_ERRORS,
    ErrorRule,
    Retryability,
    rule_for_service_error,
)
from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    Execution,
    FunctionError,
    OutcomeUnknownError,
    ServiceError,
)

LAMBDA_PREFIX: Final = "Lambda."
STATES_PREFIX: Final = "States."


def _may_have_run(error: type[CallError]) -> ErrorRule:
    return ErrorRule(error, Execution.UNKNOWN, Retryability.IDEMPOTENT)


# Exceptions of the AWS SDK for Java, in which Step Functions is written. The first two are its names, in versions 1 and
# 2, for errors of Lambda that it does not know, such as a 500 without a name.
_SDK_ERRORS: Final = {
    "AWSLambdaException": _may_have_run(ServiceError),
    "LambdaException": _may_have_run(ServiceError),
    "SdkClientException": _may_have_run(ConnectionLostError),
    "ClientExecutionTimeoutException": _may_have_run(CallTimeoutError),
    # A function that sent no errorType: it timed out, ran out of memory or crashed, or its process never started.
    "Unknown": _may_have_run(FunctionError),
}

_STATES_ERRORS: Final = {
    "States.Timeout": _may_have_run(CallTimeoutError),
    "States.HeartbeatTimeout": _may_have_run(CallTimeoutError),
    "States.TaskFailed": _may_have_run(OutcomeUnknownError),
    "States.Permissions": ErrorRule(AccessDeniedError, Execution.NOT_EXECUTED, Retryability.NEVER),
}
# Input or output of a state, which is too large or does not fit a path: before the function ran, or after.
_OTHER_STATES_ERROR: Final = ErrorRule(OutcomeUnknownError, Execution.UNKNOWN, Retryability.NEVER)

# A function that used up its time: it ran, but so it may have where Step Functions says no more than Lambda.Unknown.
_TIMED_OUT: Final = ("Sandbox.Timedout",)

# These match many errors; States.TaskFailed all but States.Timeout.
WILDCARDS: Final = ("States.ALL", "States.TaskFailed")


def _to_java_spelling(code: str) -> str:
    """Return the name that version 2 of the SDK for Java has for an error.

    >>> _to_java_spelling("EFSIOException"), _to_java_spelling("SubnetIPAddressLimitReachedException")
    ('EfsIoException', 'SubnetIpAddressLimitReachedException')
    """
    return re.sub(r"(EC2|EFS|ENI|IO|IP|KMS)(?=[A-Z])", lambda found: found[0].capitalize(), code)


_ORIGINAL_SPELLING: Final = {_to_java_spelling(code): code for code in SERVICE_ERRORS}


def find_rule(name: str) -> ErrorRule:
    """Return what an error name means: the class of the error, whether the function ran, whether to retry."""
    if name.startswith(LAMBDA_PREFIX):
        code = name.removeprefix(LAMBDA_PREFIX)
        # A name that no table has is not known to have been raised before the function ran.
        known = _SDK_ERRORS.get(code) or SERVICE_ERRORS.get(_ORIGINAL_SPELLING.get(code, code))
        return known or rule_for_service_error(None, 500)
    if name.startswith(STATES_PREFIX):
        return _STATES_ERRORS.get(name, _OTHER_STATES_ERROR)
    return FUNCTION_ERRORS.get(name, PLAIN_FUNCTION_ERROR)


def to_service_code(name: str) -> str | None:
    """Return the code of Lambda's error in a name; ``None`` if the error is not one that Lambda itself reported."""
    code = name.removeprefix(LAMBDA_PREFIX)
    return None if code == name or code in _SDK_ERRORS else _ORIGINAL_SPELLING.get(code, code)


def may_run_twice(name: str) -> bool:
    """Check whether a retry after this error may run a function that has run already; also for wildcards."""
    return name in WILDCARDS or find_rule(name).execution is not Execution.NOT_EXECUTED


def _get_service_names(retryability: Retryability) -> list[str]:
    """Return Lambda's errors with this retryability, in both spellings."""
    # Names without "Exception" are not exceptions of Lambda's client.
    codes = [code for code, rule in SERVICE_ERRORS.items() if rule.retry is retryability and code.endswith("Exception")]
    return [LAMBDA_PREFIX + name for code in codes for name in dict.fromkeys((code, _to_java_spelling(code)))]


# In a fixed order, so that the same contract always leads to the same definition.
DID_NOT_RUN: Final = tuple(_get_service_names(Retryability.SAFE))
MAY_HAVE_RUN: Final = (
    *(LAMBDA_PREFIX + code for code in _SDK_ERRORS),
    *_get_service_names(Retryability.IDEMPOTENT),
    "States.Timeout",
    *_TIMED_OUT,
    *(name for name, rule in FUNCTION_ERRORS.items() if rule.retry is Retryability.IDEMPOTENT),
)
