"""Typed function-to-function calls on AWS Lambda: safe to retry, cheap, testable without AWS.

Importing this package loads none of its modules: each name is imported when it is first used, so a function pays only
for what it uses. Type checkers read the same names in ``__init__.pyi``. The errors are listed in ``_core/errors.py``.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = {
    "_core.arn": ("FunctionArn", "FunctionName", "Qualifier", "parse_target"),
    "_calling.async_attempts": ("AsyncHook",),
    "_transports.boto.async_transport": ("AsyncBotoTransport",),
    "_client.async_client": ("AsyncLambdaClient",),
    "_client.async_remote_function": ("AsyncRemoteFunction",),
    "_transports.http.async_transport": ("AsyncHttpTransport",),
    "_calling.attempts": ("Hook",),
    "_transports.boto.transport": ("BotoTransport",),
    "_calling.retry_budget": ("RetryBudget",),
    "_client.client": ("LambdaClient",),
    "_contracts.contract": ("Contract",),
    "_core.errors": ("Attempt", "ErrorDetail", "Execution"),  # and all its errors, see __getattr__
    "_handler.handler": ("RemoteHandler", "remote"),
    "_transports.http.transport": ("HttpTransport",),
    "_core.invocation": (
        "AsyncTransport",
        "Invocation",
        "InvocationType",
        "NoAnswerError",
        "Outcome",
        "Progress",
        "Transport",
        "Trouble",
    ),
    "_fan_out.options": ("MapOptions", "MapProgress"),
    "_contracts.s3_offload": ("OffloadError", "S3Offload"),
    "_calling.attempt_recorder": ("CallAttempt",),
    "_calling.interceptors": ("HandledInvocation", "Interceptor", "OutgoingCall", "StreamResult"),
    "_client.registration": ("use",),
    "_calling.options": ("CallOptions",),
    "_contracts.remote_error": ("RemoteError",),
    "_core.receipts": ("Permission", "PermissionReason", "Receipt"),
    "_client.remote_function": ("RemoteFunction",),
    "_core.results": ("InvokeResult",),
    "_calling.retry": ("RetryPolicy", "is_callee_down", "safe_to_retry"),
    "_core.current_invocation": ("CurrentInvocation", "current_invocation", "invocation_scope"),
    "_core.version": ("__version__",),
    "_transports.streaming": (
        "AsyncResponseStream",
        "AsyncStreamingTransport",
        "ResponseStream",
        "StreamEnd",
        "StreamingTransport",
    ),
    "_transports.async_transport_wrapper": ("AsyncTransportWrapper",),
    "_transports.transport_wrapper": ("TransportWrapper",),
    "testing": ("InProcessTransport",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__all__":
        value: object = __dir__()
    elif name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name.endswith("Error") and name in (errors := import_module("._core.errors", __name__)).__all__:
        # Errors are listed in _core.errors only, which is not imported before an error (or __all__) is asked for.
        value = getattr(errors, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_HOMES, *import_module("._core.errors", __name__).__all__])
