# Type checkers and IDEs read this file; Python reads __init__.py, which imports nothing until a name is used.
# "X as X" marks a name as exported. Errors are listed in _core/errors.py only.
from ._calling.async_attempts import AsyncHook as AsyncHook
from ._calling.attempts import Hook as Hook
from ._calling.attempt_recorder import CallAttempt as CallAttempt
from ._calling.interceptors import (
    HandledInvocation as HandledInvocation,
    Interceptor as Interceptor,
    OutgoingCall as OutgoingCall,
    StreamResult as StreamResult,
)
from ._calling.options import CallOptions as CallOptions
from ._calling.retry import (
    RetryPolicy as RetryPolicy,
    is_callee_down as is_callee_down,
    safe_to_retry as safe_to_retry,
)
from ._calling.retry_budget import RetryBudget as RetryBudget
from ._client.async_client import AsyncLambdaClient as AsyncLambdaClient
from ._client.async_remote_function import AsyncRemoteFunction as AsyncRemoteFunction
from ._client.client import LambdaClient as LambdaClient
from ._client.registration import use as use
from ._client.remote_function import RemoteFunction as RemoteFunction
from ._contracts.contract import Contract as Contract
from ._contracts.remote_error import RemoteError as RemoteError
from ._contracts.s3_offload import OffloadError as OffloadError, S3Offload as S3Offload
from ._core.arn import (
    FunctionArn as FunctionArn,
    FunctionName as FunctionName,
    Qualifier as Qualifier,
    parse_target as parse_target,
)
from ._core.current_invocation import (
    CurrentInvocation as CurrentInvocation,
    current_invocation as current_invocation,
    invocation_scope as invocation_scope,
)
from ._core.errors import *  # noqa: F403 - the errors that its __all__ lists
from ._core.errors import Attempt as Attempt, ErrorDetail as ErrorDetail, Execution as Execution
from ._core.invocation import (
    AsyncTransport as AsyncTransport,
    Invocation as Invocation,
    InvocationType as InvocationType,
    NoAnswerError as NoAnswerError,
    Outcome as Outcome,
    Progress as Progress,
    Transport as Transport,
    Trouble as Trouble,
)
from ._core.receipts import Permission as Permission, PermissionReason as PermissionReason, Receipt as Receipt
from ._core.results import InvokeResult as InvokeResult
from ._core.version import __version__ as __version__
from ._fan_out.options import MapOptions as MapOptions, MapProgress as MapProgress
from ._handler.handler import RemoteHandler as RemoteHandler, remote as remote
from ._transports.async_transport_wrapper import AsyncTransportWrapper as AsyncTransportWrapper
from ._transports.boto.async_transport import AsyncBotoTransport as AsyncBotoTransport
from ._transports.boto.transport import BotoTransport as BotoTransport
from ._transports.http.async_transport import AsyncHttpTransport as AsyncHttpTransport
from ._transports.http.transport import HttpTransport as HttpTransport
from ._transports.streaming import (
    AsyncResponseStream as AsyncResponseStream,
    AsyncStreamingTransport as AsyncStreamingTransport,
    ResponseStream as ResponseStream,
    StreamEnd as StreamEnd,
    StreamingTransport as StreamingTransport,
)
from ._transports.transport_wrapper import TransportWrapper as TransportWrapper
from .testing import InProcessTransport as InProcessTransport
