"""Typed function-to-function calls on AWS Lambda: safe to retry, cheap, testable without AWS.

Importing this package loads none of its modules: each name is looked up where it is first asked for, so a function pays
for what it uses. Type checkers read the same list in ``__init__.pyi``.
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
    "_core.errors": (
        "AccessDeniedError",
        "Attempt",
        "CallError",
        "CallTimeoutError",
        "ConnectError",
        "ConnectionLostError",
        "ContractError",
        "CredentialsError",
        "DeadlineExceededError",
        "ErrorDetail",
        "Execution",
        "FunctionCrashedError",
        "FunctionError",
        "FunctionInitError",
        "FunctionMisconfiguredError",
        "FunctionNotFoundError",
        "FunctionNotReadyError",
        "FunctionTimeoutError",
        "InvalidArnError",
        "InvalidRequestError",
        "LambdaChainError",
        "NotInvokedError",
        "OutcomeUnknownError",
        "RecursiveInvocationError",
        "RequestRejectedError",
        "RequestTooLargeError",
        "ResponseError",
        "ResponseTooLargeError",
        "ServiceError",
        "ThrottledError",
    ),
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
    "_calling.options": ("CallOptions",),
    "_contracts.remote_error": ("RemoteError",),
    "_core.receipts": ("Permission", "PermissionReason", "Receipt"),
    "_client.remote_function": ("RemoteFunction",),
    "_core.results": ("InvokeResult",),
    "_calling.retry": ("RetryPolicy", "safe_to_retry"),
    "_core.current_invocation": ("CurrentInvocation", "current_invocation", "invocation_scope"),
    "_core.version": ("__version__",),
    "testing": ("InProcessTransport",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [*sorted(_HOMES)]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll] - __init__.pyi has it


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
