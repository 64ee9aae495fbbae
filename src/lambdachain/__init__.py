"""Typed function-to-function calls on AWS Lambda: safe to retry, cheap, testable without AWS.

Importing this package loads neither boto3, botocore, tenacity nor asyncio: each comes where it is first needed.
"""

from ._arn import FunctionArn, FunctionName, Qualifier, parse_target
from ._attempts import Hook
from ._boto import BotoTransport
from ._budget import RetryBudget
from ._client import LambdaClient, RemoteFunction
from ._contract import Contract
from ._errors import (
    AccessDeniedError,
    Attempt,
    CallError,
    CallTimeoutError,
    ConnectError,
    ConnectionLostError,
    ContractError,
    CredentialsError,
    DeadlineExceededError,
    ErrorDetail,
    Execution,
    FunctionCrashedError,
    FunctionError,
    FunctionInitError,
    FunctionMisconfiguredError,
    FunctionNotFoundError,
    FunctionNotReadyError,
    FunctionTimeoutError,
    InvalidArnError,
    InvalidRequestError,
    LambdaChainError,
    NotInvokedError,
    OutcomeUnknownError,
    RecursiveInvocationError,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    ResponseTooLargeError,
    ServiceError,
    ThrottledError,
)
from ._handler import RemoteHandler, remote
from ._invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress, Transport, Trouble
from ._options import CallOptions
from ._remote_error import RemoteError
from ._results import InvokeResult, Permission, PermissionReason, Receipt
from ._retry import RetryPolicy, safe_to_retry
from ._scope import CurrentInvocation, current_invocation, invocation_scope
from ._version import __version__

__all__ = [
    "AccessDeniedError",
    "Attempt",
    "BotoTransport",
    "CallError",
    "CallOptions",
    "CallTimeoutError",
    "ConnectError",
    "ConnectionLostError",
    "Contract",
    "ContractError",
    "CredentialsError",
    "CurrentInvocation",
    "DeadlineExceededError",
    "ErrorDetail",
    "Execution",
    "FunctionArn",
    "FunctionCrashedError",
    "FunctionError",
    "FunctionInitError",
    "FunctionMisconfiguredError",
    "FunctionName",
    "FunctionNotFoundError",
    "FunctionNotReadyError",
    "FunctionTimeoutError",
    "Hook",
    "InvalidArnError",
    "InvalidRequestError",
    "Invocation",
    "InvocationType",
    "InvokeResult",
    "LambdaChainError",
    "LambdaClient",
    "NoAnswerError",
    "NotInvokedError",
    "Outcome",
    "OutcomeUnknownError",
    "Permission",
    "PermissionReason",
    "Progress",
    "Qualifier",
    "Receipt",
    "RecursiveInvocationError",
    "RemoteError",
    "RemoteFunction",
    "RemoteHandler",
    "RequestRejectedError",
    "RequestTooLargeError",
    "ResponseError",
    "ResponseTooLargeError",
    "RetryBudget",
    "RetryPolicy",
    "ServiceError",
    "ThrottledError",
    "Transport",
    "Trouble",
    "__version__",
    "current_invocation",
    "invocation_scope",
    "parse_target",
    "remote",
    "safe_to_retry",
]
