"""Typed function-to-function calls on AWS Lambda: safe to retry, cheap, testable without AWS.

Importing this package loads none of its modules: each name is looked up where it is first asked for, so a function pays
for what it uses. Type checkers read the same list in ``__init__.pyi``.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = {
    "_arn": ("FunctionArn", "FunctionName", "Qualifier", "parse_target"),
    "_async_attempts": ("AsyncHook",),
    "_async_boto.transport": ("AsyncBotoTransport",),
    "_async_client": ("AsyncLambdaClient",),
    "_async_remote_function": ("AsyncRemoteFunction",),
    "_async_http": ("AsyncHttpTransport",),
    "_attempts": ("Hook",),
    "_boto.transport": ("BotoTransport",),
    "_budget": ("RetryBudget",),
    "_client": ("LambdaClient",),
    "_contract": ("Contract",),
    "_errors": (
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
    "_handler": ("RemoteHandler", "remote"),
    "_http": ("HttpTransport",),
    "_invocation": (
        "AsyncTransport",
        "Invocation",
        "InvocationType",
        "NoAnswerError",
        "Outcome",
        "Progress",
        "Transport",
        "Trouble",
    ),
    "_fan_out.manner": ("MapOptions", "MapProgress"),
    "_offload": ("OffloadError", "S3Offload"),
    "_options": ("CallOptions",),
    "_remote_error": ("RemoteError",),
    "_receipts": ("Permission", "PermissionReason", "Receipt"),
    "_remote_function": ("RemoteFunction",),
    "_results": ("InvokeResult",),
    "_retry": ("RetryPolicy", "safe_to_retry"),
    "_scope": ("CurrentInvocation", "current_invocation", "invocation_scope"),
    "_version": ("__version__",),
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
