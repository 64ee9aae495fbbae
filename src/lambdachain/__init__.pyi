from ._calling.async_attempts import AsyncHook
from ._calling.attempts import Hook
from ._calling.options import CallOptions
from ._calling.retry import RetryPolicy, safe_to_retry
from ._calling.retry_budget import RetryBudget
from ._client.async_client import AsyncLambdaClient
from ._client.async_remote_function import AsyncRemoteFunction
from ._client.client import LambdaClient
from ._client.remote_function import RemoteFunction
from ._contracts.contract import Contract
from ._contracts.remote_error import RemoteError
from ._contracts.s3_offload import OffloadError, S3Offload
from ._core.arn import FunctionArn, FunctionName, Qualifier, parse_target
from ._core.current_invocation import CurrentInvocation, current_invocation, invocation_scope
from ._core.errors import (
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
from ._core.invocation import (
    AsyncTransport,
    Invocation,
    InvocationType,
    NoAnswerError,
    Outcome,
    Progress,
    Transport,
    Trouble,
)
from ._core.receipts import Permission, PermissionReason, Receipt
from ._core.results import InvokeResult
from ._core.version import __version__
from ._fan_out.options import MapOptions, MapProgress
from ._handler.handler import RemoteHandler, remote
from ._transports.boto.async_transport import AsyncBotoTransport
from ._transports.boto.transport import BotoTransport
from ._transports.http.async_transport import AsyncHttpTransport
from ._transports.http.transport import HttpTransport
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
