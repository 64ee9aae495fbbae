from ._arn import FunctionArn, FunctionName, Qualifier, parse_target
from ._async_attempts import AsyncHook
from ._async_boto.transport import AsyncBotoTransport
from ._async_client import AsyncLambdaClient
from ._async_http import AsyncHttpTransport
from ._async_remote_function import AsyncRemoteFunction
from ._attempts import Hook
from ._boto.transport import BotoTransport
from ._budget import RetryBudget
from ._client import LambdaClient
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
from ._fan_out.manner import MapOptions, MapProgress
from ._handler import RemoteHandler, remote
from ._http import HttpTransport
from ._invocation import (
    AsyncTransport,
    Invocation,
    InvocationType,
    NoAnswerError,
    Outcome,
    Progress,
    Transport,
    Trouble,
)
from ._offload import OffloadError, S3Offload
from ._options import CallOptions
from ._receipts import Permission, PermissionReason, Receipt
from ._remote_error import RemoteError
from ._remote_function import RemoteFunction
from ._results import InvokeResult
from ._retry import RetryPolicy, safe_to_retry
from ._scope import CurrentInvocation, current_invocation, invocation_scope
from ._version import __version__
from .testing import InProcessTransport

__all__ = [
    "AccessDeniedError",
    "AsyncBotoTransport",
    "AsyncHook",
    "AsyncHttpTransport",
    "AsyncLambdaClient",
    "AsyncRemoteFunction",
    "AsyncTransport",
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
    "HttpTransport",
    "InProcessTransport",
    "InvalidArnError",
    "InvalidRequestError",
    "Invocation",
    "InvocationType",
    "InvokeResult",
    "LambdaChainError",
    "LambdaClient",
    "MapOptions",
    "MapProgress",
    "NoAnswerError",
    "NotInvokedError",
    "OffloadError",
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
    "S3Offload",
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
