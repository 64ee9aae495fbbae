"""The options of a call and the arguments of a client, validated before anything is sent."""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final, TypedDict

from lambdachain._core.arn import FunctionArn, parse_target
from lambdachain._core.errors import ContractError, DeadlineExceededError, InvalidRequestError
from lambdachain._core.invocation import InvocationType
from lambdachain._core.metadata import LONGEST_TIMEOUT, MAX_ID_CHARACTERS, is_plain_text
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.argument_checks import (
    CO_COROUTINE,
    CO_GENERATORS,
    check_transport,
    code_flags,
    describe_kind,
    is_async,
)

from .retry import RetryPolicy
from .retry_budget import RetryBudget

_TENANT_ID: Final = r"[a-zA-Z0-9._:/=+\-@ ]{1,256}"
_TEXTS: Final = ("idempotency_key", "qualifier", "tenant_id", "durable_name")
_DURABLE_NAME: Final = r"[a-zA-Z0-9_-]{1,64}"


class CallOptions(TypedDict, total=False):
    """The options of one call, which clients and bound functions take as keywords.

    ``timeout``: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
    ``retry``: A ``RetryPolicy``, in place of the client's.
    ``idempotency_key``: Lets the callee recognize a repetition; a call that may have run is then retried, too.
    ``qualifier``: A version or alias, in place of the contract's.
    ``tenant_id``: The tenant, for a function with tenant isolation.
    ``durable_name``: The name of a durable execution, which Lambda runs only once.
    ``client_context``: Texts for the callee's ``context.client_context.custom``.
    ``log_tail``: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
    """

    timeout: float | timedelta | None
    retry: RetryPolicy | None
    idempotency_key: str | None
    qualifier: str | None
    tenant_id: str | None
    durable_name: str | None
    client_context: Mapping[str, str] | None
    log_tail: bool


class ConstructorSignature:
    """``__signature__`` of a client's class: for FastAPI, every argument of the constructor has its default.

    ``Depends(LambdaClient)`` would make query parameters of them, or fail: they are not types of requests.
    """

    def __get__(self, client: object, owner: type[Any]) -> Any:
        fastapi: Any = sys.modules.get("fastapi.params")  # not imported: where it asks, it is loaded
        # A subclass with a constructor of its own has the signature of that.
        own = next((kind for kind in owner.__mro__ if "__init__" in vars(kind)), None)
        if client is not None or fastapi is None or own is None or "__signature__" not in vars(own):
            raise AttributeError("__signature__")
        import inspect
        from typing import get_type_hints

        from lambdachain import Interceptor  # the clients import it for type checkers only

        constructor = vars(own)["__init__"]
        hints = get_type_hints(constructor, localns={"Interceptor": Interceptor})
        _, *parameters = inspect.signature(constructor).parameters.values()
        annotated = [
            one.replace(annotation=Annotated[hints[one.name], fastapi.Depends(partial(_get, one.default))])
            for one in parameters
        ]
        return inspect.Signature(annotated)


def _get(value: object) -> object:
    return value


def check_names(options: Mapping[str, Any]) -> None:
    """Raise for an option that does not exist: a misspelled keyword would be ignored silently."""
    if not options.keys() <= CallOptions.__optional_keys__:
        unknown = min(options.keys() - CallOptions.__optional_keys__)
        raise ContractError(f"unknown option {unknown!r}; the options are {', '.join(CallOptions.__annotations__)}")
    check_retry(options.get("retry"))


def check_bound_options(options: Mapping[str, Any], function: Any = None) -> None:
    """Raise for options, or an address, that later calls could not use.

    Raises:
        ContractError: An option does not exist, or its value is not valid.
        InvalidArnError: *function* is not a name or ARN.
    """
    check_names(options)
    _check_seconds(options.get("timeout"))
    for name in _TEXTS:
        value = options.get(name)
        if value is not None and not isinstance(value, str):
            raise ContractError(f"{name} must be text, not {describe_kind(value)}")
    custom = options.get("client_context")
    if custom is not None and not _maps_text(custom):
        raise ContractError("client_context must map str to str, for callees in any language")
    if function is not None and not isinstance(function, FunctionArn):
        parse_target(function)


def check_retry(retry: Any) -> None:
    """Raise for a *retry* that is not a ``RetryPolicy``; the message has the one that was probably meant."""
    if retry is None or isinstance(retry, RetryPolicy):
        return
    # Other libraries take a number of retries or attempts here; the message has the policy for it.
    remedy = "RetryPolicy()"
    if isinstance(retry, int) and retry is not True:
        remedy = f"RetryPolicy(max_attempts={retry:d})" if retry > 0 else "RetryPolicy.never()"
    elif retry == RetryPolicy.never:
        remedy = "RetryPolicy.never()"
    elif isinstance(retry, RetryBudget):
        remedy = "RetryPolicy(budget=budget)"
    raise ContractError(f"retry must be a RetryPolicy, not {describe_kind(retry)}: retry={remedy}")


def check_client(
    transport: Any,
    timeout: Any,
    retry: Any,
    resolve: Any,
    hooks: Any,
    *,
    region: Any,
    blocking: bool,
) -> None:
    """Raise for arguments that a client cannot use.

    Raises:
        ContractError: An argument is not valid; the message says what to pass instead.
    """
    if transport is not None:
        _check_transport(transport, blocking=blocking)
    _check_seconds(timeout)
    check_retry(retry)
    if resolve is not None:
        _check_resolver(resolve)
    _check_hooks(hooks, blocking=blocking)
    if region is not None:
        _check_region(region, transport)


def _check_transport(transport: Any, *, blocking: bool) -> None:
    name, client = describe_kind(transport), "LambdaClient" if blocking else "AsyncLambdaClient"
    # Before the look at send(), which a class has, too.
    if isinstance(transport, type) and hasattr(transport, "send"):
        raise ContractError(f"transport is the class {transport.__name__}: pass an instance, {transport.__name__}()")
    send = getattr(transport, "send", None)
    if callable(send):
        if blocking and is_async(send):
            raise ContractError(
                f"{name} is for event loops: use AsyncLambdaClient({name}(...)), or a blocking transport"
            )
        return
    if hasattr(getattr(transport, "meta", None), "service_model"):
        remedy = f"it is a boto3 client: use {client}(BotoTransport(client))"
    elif hasattr(transport, "get_credentials"):
        remedy = f"it is a session: use {client}(BotoTransport(session=session))"
    else:
        remedy = "it needs send() and close(), as BotoTransport and HttpTransport have"
        if isinstance(transport, str):
            remedy += "; BotoTransport(region=...) and BotoTransport(endpoint_url=...) take a string"
    raise ContractError(f"{name} is not a transport; {remedy}")


def _check_region(region: Any, transport: Any) -> None:
    check_transport(region, None, None)
    if transport is not None:
        raise ContractError(
            "region is for the transport that the client makes, but a transport was passed: pass the region to that, "
            f"such as BotoTransport(region={region!r})"
        )


def _check_seconds(timeout: Any) -> None:
    if timeout is None:
        return
    if isinstance(timeout, timedelta):
        timeout = timeout.total_seconds()
    if not _is_number(timeout):
        raise ContractError(
            f"timeout must be seconds, a number, or a timedelta, not {describe_kind(timeout)}: timeout=30"
        )
    if timeout <= 0:
        raise ContractError(
            "timeout must be more than 0 seconds: timeout=30, or None for as long as a function may run"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - no NaN


def _check_resolver(resolve: Any) -> None:
    # resolvers.prefix, passed without calling it, is a function, too, and would return a function for each name.
    factory = getattr(resolve, "__qualname__", "")
    if getattr(resolve, "__module__", "") == "lambdachain.resolvers" and "." not in factory:
        raise ContractError(f"resolve must be what resolvers.{factory}() returns, not the function itself: call it")
    if callable(resolve) and not isinstance(resolve, type) and not is_async(resolve):
        return
    remedy = "a function that maps a contract's name to the deployed one"
    if isinstance(resolve, str):
        remedy = f"resolvers.prefix({resolve!r})"
    elif is_mapping(resolve):
        remedy = "resolvers.mapping({...})"
    raise ContractError(f"resolve must be a function, not {describe_kind(resolve)}: pass {remedy}")


def _check_hooks(hooks: Any, *, blocking: bool) -> None:
    if hooks == ():
        return
    if callable(hooks) or not isinstance(hooks, Sequence) or isinstance(hooks, str | bytes):
        raise ContractError(f"hooks must be a list of hooks, not {describe_kind(hooks)}: hooks=[hook]")
    each: tuple[Any, ...] = tuple(hooks)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for hook in each:
        if not callable(hook) or isinstance(hook, type):
            raise ContractError(f"hooks: {describe_kind(hook)} is not a function of (invocation, proceed)")
        name, flags = getattr(hook, "__qualname__", describe_kind(hook)), code_flags(hook)
        if flags & CO_GENERATORS:
            raise ContractError(f"hooks: {name} is a generator function: a hook returns what proceed() returned")
        if blocking and flags & CO_COROUTINE:
            raise ContractError(
                f"hooks: {name} is async def, which is for AsyncLambdaClient: LambdaClient needs a plain function"
            )


def to_seconds(timeout: float | timedelta | None, function: str) -> float | None:
    """Return a timeout in seconds.

    Raises:
        InvalidRequestError: It is not a number of seconds or a ``timedelta``.
        DeadlineExceededError: It is 0 or less.
    """
    if timeout is None:
        return None
    value: Any = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if not _is_number(value):
        raise InvalidRequestError("timeout must be seconds or a timedelta", function=function)
    # Infinity, or the seconds of a huge timedelta, would overflow in the timeouts of sockets and locks.
    bounded = float(max(-LONGEST_TIMEOUT, min(value, LONGEST_TIMEOUT)))
    if bounded <= 0:
        raise DeadlineExceededError(f"no time left to send it: the timeout is {bounded:g} s", function=function)
    return bounded


def validate_client_context(custom: Mapping[str, str] | None, kind: InvocationType, function: str) -> Mapping[str, str]:
    """Return the texts for the ClientContext; raise for other values, or with an event, where Lambda drops them."""
    if custom is None or kind is InvocationType.DRY_RUN:
        return {}
    if kind is InvocationType.EVENT:
        raise InvalidRequestError(
            "client_context: Lambda delivers it with call(), not with fire(): put it into the payload",
            function=function,
        )
    if not _maps_text(custom):
        raise InvalidRequestError("client_context must map str to str, for callees in any language", function=function)
    return custom


def validate_idempotency_key(key: str | None, kind: InvocationType, envelope: bool, function: str) -> str | None:  # noqa: FBT001
    """Return an idempotency key; raise if it is not valid, or cannot reach the callee, as it allows retries."""
    if key is None or kind is InvocationType.DRY_RUN:
        return None
    if not key or not is_plain_text(key):
        raise InvalidRequestError(
            f"idempotency_key must be text of 1 to {MAX_ID_CHARACTERS} characters, without control characters",
            function=function,
        )
    if kind is InvocationType.EVENT and not envelope:
        raise InvalidRequestError(
            "idempotency_key: an event has no ClientContext to carry it: declare Contract(..., envelope=True), "
            "or put it into the payload",
            function=function,
        )
    return key


def wants_log_tail(wanted: bool, kind: InvocationType, function: str) -> bool:  # noqa: FBT001 - an option passed on
    """Check whether to request the log; raise for an event, which returns none."""
    if wanted and kind is InvocationType.EVENT:
        raise InvalidRequestError("log_tail: Lambda returns the log with call(), not with fire()", function=function)
    return wanted and kind is InvocationType.REQUEST_RESPONSE


def validate_name(name: str, text: str | None, function: str) -> str | None:
    """Return a tenant id or durable name; raise for one that Lambda would reject."""
    if text is None:
        return None
    pattern = {"tenant_id": _TENANT_ID, "durable_name": _DURABLE_NAME}[name]
    untyped: Any = text
    if not (isinstance(untyped, str) and re.fullmatch(pattern, untyped)):
        raise InvalidRequestError(f"{name} must match {pattern}", function=function)
    # A header is written with str(), which of a member of class Tenant(str, Enum) is "Tenant.ACME".
    return str.__str__(text)


def _maps_text(custom: Any) -> bool:
    return is_mapping(custom) and all(isinstance(text, str) for item in custom.items() for text in item)


CallOptions.__module__ = "lambdachain"
