"""Powertools' idempotency, keyed by what the caller passes as ``idempotency_key``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from lambdachain import ContractError, ResponseError, current_invocation
from lambdachain._handler.signature import MISSING, HandlerSignature, read_signature
from lambdachain._json.codec import check_json_type, codec_for, type_name
from lambdachain._json.payload_validation import PayloadValidationError

# Imported where it is used: it imports boto3, which would cost the users of the other parts a cold start.
if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig
    from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer

P = ParamSpec("P")
R = TypeVar("R")


def idempotent_by_caller_key(
    *,
    persistence_store: BasePersistenceLayer,
    config: IdempotencyConfig | None = None,
    key_prefix: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a handler run once for each ``idempotency_key`` of its callers, and answer repetitions with its response.

    Stands below ``remote``. A call without a key has the one that ``event_key_jmespath`` finds in the request, as JSON;
    an empty expression takes the whole request. Keys of callers and of requests are never the same. With
    ``payload_validation_jmespath``, a key that comes with another request is refused.

    >>> from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
    >>> from lambdachain import remote
    >>> @remote("orders-place")
    ... @idempotent_by_caller_key(persistence_store=DynamoDBPersistenceLayer(table_name="idempotency"))
    ... def handler(order_id: str) -> str:
    ...     return f"placed {order_id}"

    Args:
        persistence_store: A persistence layer of Powertools' idempotency, used by this handler only.
        config: The expressions and times; its ``lambda_context`` is set for each invocation.
        key_prefix: Begins the stored keys, by default the names of the Lambda function and of the handler.

    Raises:
        ContractError: The handler is a coroutine function, which Powertools does not support, or its annotations do not
            say what it takes and returns.
    """
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig

    keyed_config = _to_config_with_key(config or IdempotencyConfig())

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = read_signature(function, inspect.currentframe())
        _check_signature(signature)
        handle = _make_idempotent(function, signature, keyed_config, persistence_store, key_prefix)
        return cast("Callable[P, R]", handle)

    return decorate


def _make_idempotent(
    function: Callable[..., Any],
    signature: HandlerSignature,
    config: IdempotencyConfig,
    persistence_store: BasePersistenceLayer,
    key_prefix: str | None,
) -> Callable[..., Any]:
    from aws_lambda_powertools.utilities.idempotency import idempotent_function

    @functools.wraps(function)
    def handle(request: Any, context: Any = None) -> Any:
        arguments = (request, context) if signature.takes_context else (request,)
        once = _Once(functools.partial(function, *arguments), signature)
        # A copy: the context is of this invocation, and another one may run in another thread.
        own = copy(config)
        if context is not None:
            # A run that Lambda stopped midway blocks its key no longer than it had.
            own.register_lambda_context(context)
        run_idempotently: Any = idempotent_function(
            functools.wraps(function)(functools.partial(once.run)),
            data_keyword_argument="keyed",
            config=own,
            persistence_store=persistence_store,
            key_prefix=key_prefix,
        )
        return once.handle(run_idempotently, request)

    handle.__dict__["__signature__"] = _with_context(inspect.signature(function), signature)
    return handle


class _Once:
    """One invocation of a handler, through Powertools: it stores JSON and returns what is stored."""

    def __init__(self, function: Callable[[], Any], signature: HandlerSignature) -> None:
        self._function = function
        self._signature = signature
        self._results: list[Any] = []

    def run(self, *, keyed: Any) -> Any:  # noqa: ARG002 - read by Powertools
        """Run the function, and return its response as JSON. One that does not fit is not stored."""
        result = self._function()
        annotation = self._signature.response
        try:
            stored = codec_for(annotation).dump(result, annotation)
        except PayloadValidationError as exc:
            error = ResponseError(
                f"the handler's response does not fit {type_name(annotation)}: {exc}", errors=exc.details
            )
        else:
            self._results.append(result)
            return stored
        raise error

    def handle(self, run_idempotently: Callable[..., Any], request: Any) -> Any:
        """Return the response of this run or of an earlier one."""
        invocation = current_invocation()
        key = invocation.idempotency_key if invocation is not None else None
        # Not the text alone: a request may have the same text as its key.
        caller = {"idempotency_key": key} if key else None
        stored = run_idempotently(keyed={"caller": caller, "request": codec_for(self._signature.request).dump(request)})
        return self._results[0] if self._results else codec_for(self._signature.response).validate_event(stored)


def _check_signature(signature: HandlerSignature) -> None:
    if signature.is_async:
        raise ContractError(f"{signature.name} is a coroutine function: Powertools' idempotency takes plain ones only")
    for role, annotation in (("request", signature.request), ("response", signature.response)):
        if annotation is MISSING:
            raise ContractError(
                f"{signature.name}: annotate its request and its return value, which are stored as JSON"
            )
        check_json_type(annotation, role)


def _with_context(shape: inspect.Signature, signature: HandlerSignature) -> inspect.Signature:
    """Return a signature that takes the context, of which Powertools needs the remaining time."""
    if signature.takes_context:
        return shape
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    return shape.replace(parameters=[next(iter(shape.parameters.values())), context])


def _to_config_with_key(config: IdempotencyConfig) -> IdempotencyConfig:
    """Return a copy whose expressions find the caller's key, or else the one in the request."""
    config = copy(config)
    in_request = f"(request | ({config.event_key_jmespath}))" if config.event_key_jmespath else "request"
    config.event_key_jmespath = f"caller || {in_request}"
    if config.payload_validation_jmespath:
        config.payload_validation_jmespath = f"request | ({config.payload_validation_jmespath})"
    return config
