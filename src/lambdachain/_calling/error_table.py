"""The table of errors: for each, its class, whether the function ran, and whether the call may be retried.

Sources: the errors that botocore's service model declares for ``Invoke``, AWS's "Common errors" page of the Lambda API,
the error types of Lambda's runtime interface emulator and of the runtimes' own clients.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from lambdachain._core.errors import (
    AccessDeniedError,
    CallError,
    ConnectError,
    CredentialsError,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    InvalidRequestError,
    RecursiveInvocationError,
    RequestTooLargeError,
    ResponseTooLargeError,
    ServiceError,
    ThrottledError,
)


class Retryability(Enum):
    """When the call may be retried."""

    SAFE = "always: the function did not run"
    REFRESH = "once, with fresh credentials"
    IDEMPOTENT = "if the call is idempotent: the function may have run"
    NEVER = "never: the function ran, or would fail again"


class ErrorRule(NamedTuple):
    """The row of one error: its class, whether the function ran, whether to retry."""

    error: type[CallError]
    execution: Execution
    retry: Retryability


def _did_not_run(error: type[CallError], retry: Retryability = Retryability.NEVER) -> ErrorRule:
    return ErrorRule(error, Execution.NOT_EXECUTED, retry)


_THROTTLED: Final = _did_not_run(ThrottledError, Retryability.SAFE)
_NOT_READY: Final = _did_not_run(FunctionNotReadyError, Retryability.SAFE)
_MISCONFIGURED: Final = _did_not_run(FunctionMisconfiguredError)
_REFUSED: Final = _did_not_run(InvalidRequestError)
_DENIED: Final = _did_not_run(AccessDeniedError)
_CREDENTIALS: Final = _did_not_run(CredentialsError)
_NOT_FOUND: Final = _did_not_run(FunctionNotFoundError)
_TOO_LARGE: Final = _did_not_run(RequestTooLargeError)
_MAY_HAVE_RUN: Final = ErrorRule(ServiceError, Execution.UNKNOWN, Retryability.IDEMPOTENT)

SERVICE_ERRORS: Final[dict[str, ErrorRule]] = {
    "TooManyRequestsException": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "Throttling": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    # Only a higher quota helps, so it is not retried, unlike other throttles.
    "ServiceQuotaExceededException": _did_not_run(ThrottledError),
    "ENINotReadyException": _NOT_READY,
    # EC2 throttled Lambda while it set up the network interface; no quota of the caller is involved.
    "EC2ThrottledException": _NOT_READY,
    "EC2UnexpectedException": _NOT_READY,
    "EFSMountConnectivityException": _NOT_READY,
    "EFSMountTimeoutException": _NOT_READY,
    "S3FilesMountConnectivityException": _NOT_READY,
    "S3FilesMountTimeoutException": _NOT_READY,
    "SnapStartTimeoutException": _NOT_READY,
    "SnapStartNotReadyException": _NOT_READY,
    "ResourceNotReadyException": _NOT_READY,
    "ResourceConflictException": _NOT_READY,
    "CodeArtifactUserPendingException": _NOT_READY,
    "CodeArtifactUserDeletedException": _NOT_READY,
    "ENILimitReachedException": _NOT_READY,
    "SubnetIPAddressLimitReachedException": _NOT_READY,
    "EFSMountFailureException": _MISCONFIGURED,
    "S3FilesMountFailureException": _MISCONFIGURED,
    "SnapStartException": _MISCONFIGURED,
    "SnapStartRegenerationFailureException": _MISCONFIGURED,
    "CodeArtifactUserFailedException": _MISCONFIGURED,
    "RuntimeAliasDeletedException": _MISCONFIGURED,
    "RuntimeVersionDeletedException": _MISCONFIGURED,
    "KMSAccessDeniedException": _MISCONFIGURED,
    "KMSDisabledException": _MISCONFIGURED,
    "KMSInvalidStateException": _MISCONFIGURED,
    "KMSNotFoundException": _MISCONFIGURED,
    "EC2AccessDeniedException": _MISCONFIGURED,
    "InvalidSecurityGroupIDException": _MISCONFIGURED,
    "InvalidSubnetIDException": _MISCONFIGURED,
    "InvalidRuntimeException": _MISCONFIGURED,
    "InvalidZipFileException": _MISCONFIGURED,
    "ServiceException": _MAY_HAVE_RUN,
    "EFSIOException": _MAY_HAVE_RUN,
    "InternalFailure": _MAY_HAVE_RUN,
    "ServiceUnavailable": _MAY_HAVE_RUN,
    "ServiceUnavailableException": _MAY_HAVE_RUN,
    "RequestAbortedException": _MAY_HAVE_RUN,
    "RequestTimeoutException": _did_not_run(ConnectError, Retryability.SAFE),  # the request did not arrive completely
    "RecursiveInvocationException": _did_not_run(RecursiveInvocationError),
    "RequestTooLargeException": _TOO_LARGE,
    "SerializedRequestEntityTooLargeException": _TOO_LARGE,
    "RequestEntityTooLargeException": _TOO_LARGE,
    "RequestEntityTooLarge": _TOO_LARGE,
    "UnsupportedMediaTypeException": _REFUSED,
    "InvalidRequestContentException": _REFUSED,
    "InvalidParameterValueException": _REFUSED,
    "ModeNotSupportedException": _REFUSED,
    "DurableExecutionAlreadyStartedException": _REFUSED,
    "ValidationException": _REFUSED,
    "ValidationError": _REFUSED,
    "MalformedHttpRequestException": _REFUSED,
    "ResourceNotFoundException": _NOT_FOUND,
    "NoPublishedVersionException": _NOT_FOUND,
    "UnknownOperationException": _REFUSED,
    # Of SendMessage, for events that go through a queue of SQS.
    "RequestThrottled": _THROTTLED,
    "KmsThrottled": _THROTTLED,
    "KmsAccessDenied": _MISCONFIGURED,
    "KmsDisabled": _MISCONFIGURED,
    "KmsInvalidKeyUsage": _MISCONFIGURED,
    "KmsInvalidState": _MISCONFIGURED,
    "KmsNotFound": _MISCONFIGURED,
    "KmsOptInRequired": _MISCONFIGURED,
    "QueueDoesNotExist": _NOT_FOUND,
    "NonExistentQueue": _NOT_FOUND,
    "InvalidAddress": _REFUSED,
    "InvalidMessageContents": _REFUSED,
    "InvalidSecurity": _REFUSED,
    "UnsupportedOperation": _REFUSED,
    "AccessDeniedException": _DENIED,
    "AccessDenied": _DENIED,
    "NotAuthorized": _DENIED,
    "OptInRequired": _DENIED,
    "ExpiredTokenException": _did_not_run(CredentialsError, Retryability.REFRESH),
    "ExpiredToken": _did_not_run(CredentialsError, Retryability.REFRESH),
    "RequestExpired": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "IncompleteSignature": _CREDENTIALS,
    "IncompleteSignatureException": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "MissingAuthenticationToken": _CREDENTIALS,
    "MissingAuthenticationTokenException": _CREDENTIALS,
}

_BY_STATUS: Final[dict[int, ErrorRule]] = {
    401: _DENIED,
    403: _DENIED,
    404: _NOT_FOUND,
    408: _MAY_HAVE_RUN,
    413: _TOO_LARGE,
    429: _THROTTLED,
}


def rule_for_service_error(code: str | None, status: int) -> ErrorRule:
    """Look up a service error by its code; if the code is new or missing, by the HTTP status."""
    known = SERVICE_ERRORS.get(code or "") or _BY_STATUS.get(status)
    return known or (_MAY_HAVE_RUN if status >= 500 else _REFUSED)


# With these statuses, a proxy rejects a request without forwarding it, so the function did not run.
_NOT_FORWARDED: Final = (407, 413, 429)


def rule_for_foreign_response(code: str | None, status: int) -> ErrorRule:
    """Classify an error response of a proxy or the like, which does not know about the function or its permissions."""
    return rule_for_service_error(code, status) if status in _NOT_FORWARDED else _MAY_HAVE_RUN


_INIT_ERRORS: Final = frozenset(
    {
        "Runtime.ImportModuleError",
        "Runtime.HandlerNotFound",
        "Runtime.MalformedHandlerName",
        "Runtime.UserCodeSyntaxError",
        "Runtime.BuiltInModuleConflict",
        "Runtime.InvalidEntrypoint",
        "Runtime.InvalidWorkingDir",
        "Runtime.InvalidTaskConfig",
        "Runtime.InitError",
        "Runtime.BeforeSnapshotError",
        "Runtime.AfterRestoreError",
        "BadFunctionCode",
        "Runtime.BadFunctionCode",
    }
)

_CRASHED: Final = ErrorRule(FunctionCrashedError, Execution.EXECUTED, Retryability.NEVER)
_TIMED_OUT: Final = ErrorRule(FunctionTimeoutError, Execution.EXECUTED, Retryability.NEVER)
_UNREADABLE: Final = ErrorRule(FunctionError, Execution.NOT_EXECUTED, Retryability.NEVER)
_SANDBOX_FAILED: Final = ErrorRule(FunctionError, Execution.UNKNOWN, Retryability.IDEMPOTENT)

FUNCTION_ERRORS: Final[dict[str, ErrorRule]] = {
    "Sandbox.Timedout": _TIMED_OUT,
    "Sandbox.Timeout": _TIMED_OUT,
    "Runtime.InvokeTimeout": _TIMED_OUT,
    "Runtime.ExitError": _CRASHED,
    "Runtime.OutOfMemory": _CRASHED,
    "Runtime.NodeJsExit": _CRASHED,
    "Extension.InitError": _CRASHED,
    "Extension.ExitError": _CRASHED,
    "Extension.Crash": _CRASHED,
    "Extension.LaunchError": _CRASHED,
    "Function.ResponseSizeTooLarge": ErrorRule(ResponseTooLargeError, Execution.EXECUTED, Retryability.NEVER),
    # The runtime could not parse the event, so it did not call the handler.
    "Runtime.UnmarshalError": _UNREADABLE,
    "Runtime.LambdaContextUnmarshalError": _UNREADABLE,
    "Sandbox.Failure": _SANDBOX_FAILED,
    "Runtime.Unavailable": _SANDBOX_FAILED,
    "Runtime.Unknown": _SANDBOX_FAILED,
    **dict.fromkeys(_INIT_ERRORS, ErrorRule(FunctionInitError, Execution.NOT_EXECUTED, Retryability.NEVER)),
}

PLAIN_FUNCTION_ERROR: Final = ErrorRule(FunctionError, Execution.EXECUTED, Retryability.NEVER)
