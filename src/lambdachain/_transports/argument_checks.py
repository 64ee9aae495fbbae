"""Check the arguments of transports, and what kind of value or function an argument is."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from lambdachain._core.errors import ContractError

# inspect's CO_COROUTINE and CO_GENERATOR | CO_ASYNC_GENERATOR: a cold start does not load inspect.
CO_COROUTINE: Final = 0x80
CO_ASYNC_GENERATOR: Final = 0x200
CO_GENERATORS: Final = 0x20 | CO_ASYNC_GENERATOR


def check_transport(region: Any, endpoint_url: Any, session: Any, config: Any = None, *, blocking: bool = True) -> None:
    """Check the arguments of a transport; values are not quoted, because a URL may have a password in it.

    Raises:
        ContractError: An argument is not valid; the message names the expected one.
    """
    for name, value, example in (
        ("region", region, "eu-west-1"),
        ("endpoint_url", endpoint_url, "http://localhost:9001"),
    ):
        if value is not None and not isinstance(value, str):
            raise ContractError(f"{name} must be text, such as {example!r}, not {describe_kind(value)}")
    if session is not None:
        _check_session(session, blocking=blocking)
    if config is not None and (isinstance(config, type) or not hasattr(config, "merge")):
        raise ContractError(f"config must be a botocore.config.Config, not {describe_kind(config)}: config=Config(...)")


def _check_session(session: Any, *, blocking: bool) -> None:
    if isinstance(session, type) or not hasattr(session, "get_credentials"):
        remedy = "session=boto3.Session(profile_name=...)"
        if hasattr(getattr(session, "meta", None), "service_model"):
            remedy = "a client is passed as BotoTransport(client)"
        raise ContractError(f"session must be a session of boto3 or botocore, not {describe_kind(session)}: {remedy}")
    if blocking and is_async(session.get_credentials):
        raise ContractError("session is aiobotocore's, for event loops: use AsyncBotoTransport(session=session)")


def is_async(function: Any) -> bool:
    """Check whether *function* is a coroutine function, or an object with an asynchronous ``__call__``."""
    return bool(code_flags(function) & CO_COROUTINE)


def code_flags(function: Any) -> int:
    """Return the flags of the code that calling *function* runs; 0 if it is not Python code."""
    while isinstance(function, partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not hasattr(function, "__code__") and not hasattr(function, "__func__"):
        function = getattr(cast("Any", type(function)), "__call__", None)  # noqa: B004 - the method itself is what counts
    method: Any = function  # pyright: ignore[reportUnknownVariableType]
    code: Any = getattr(getattr(method, "__func__", method), "__code__", None)  # pyright: ignore[reportUnknownArgumentType]
    return int(getattr(code, "co_flags", 0))


def describe_kind(value: object) -> str:
    """Format what kind of value an argument is, for a message that must not quote it."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def describe_object(value: object) -> str:
    """Format what an argument is, where a function may have been passed; otherwise as ``describe_kind``.

    >>> describe_object(len), describe_object(int), describe_object(3)
    ('the function len', 'the class int', 'a value of type int')
    """
    if isinstance(value, type):
        return describe_kind(value)
    name = getattr(value, "__name__", None) if callable(value) else None
    return f"the function {name}" if isinstance(name, str) else f"a value of type {type(value).__name__}"
