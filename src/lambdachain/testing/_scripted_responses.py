"""What a stub can say: one of Lambda's own answers, or the lack of one, and nothing that Lambda would not say."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._contracts.s3_offload import as_bytes, put_payload
from lambdachain._core import clock
from lambdachain._core.arn import parse_target
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._json.codec import codec_of, type_name
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.delivery import Ending
from lambdachain._lambda_api.invoke_api import answer_ending, answer_queued
from lambdachain._lambda_api.limits import MAX_RESPONSE
from lambdachain._lambda_api.responses import Answer
from lambdachain._transports.transport_override import StubError, transport_override

from ._addresses import version_of
from ._received_requests import Received
from ._runtime import Handler, Settings, platform_log, report_of, run

Reply = Callable[[Received, Any], Answer]
"""Answers a request, given as it came and as its callee reads it; raises RefusedError or NoAnswerError."""

# Lambda's own longest timeout, and what the transports wait beyond it.
_LONGEST: Final = 900.0
_LONGEST_WAIT: Final = 910.0
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def returning(contract: Contract[Any, Any], value: object) -> Reply:
    """Answer with *value*.

    Raises:
        StubError: It is not what the contract says that the function answers.
    """
    body = _encoded(contract, value)
    return lambda received, _: _given(contract, received, body)


def running(contract: Contract[Any, Any], function: Callable[..., Any]) -> Reply:
    """Answer with what a handler gives, called as Lambda calls it, or a function that takes the request alone."""
    if _is_handler(function):
        return _running_handler(function)

    def reply(received: Received, request: Any) -> Answer:
        try:
            value = function(request)
            value = _awaited(value) if inspect.iscoroutine(value) else value
        except AssertionError:  # the test's own
            raise
        except Exception as exc:  # noqa: BLE001 - as the runtime: whatever a function raises is its failure
            return failed(received, report_of(exc, received.delivery.request_id))
        return _given(contract, received, _encoded(contract, value))

    return reply


def queueing(_received: Received, _request: Any) -> Answer:
    """Accept an event."""
    return answer_queued()


def throttling(reason: str | None, retry_after: int | None) -> Reply:
    """Refuse for want of capacity: *reason* in Lambda's word, *retry_after* in seconds."""

    def reply(_received: Received, _request: Any) -> Answer:
        raise answers.throttled(reason or "ConcurrentInvocationLimitExceeded", retry_after)

    return reply


def denying(received: Received, _request: Any) -> Answer:
    """Refuse for want of a permission."""
    raise answers.denied(received.arn, received.place.account_id)


def timing_out(received: Received, _request: Any) -> Answer:
    """Let the caller's time pass without an answer."""
    clock.skip(_LONGEST_WAIT if received.timeout is None else received.timeout)
    raise NoAnswerError("no answer in time", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT)


def crashing(received: Received, _request: Any) -> Answer:
    """Let the function's process end before it answers."""
    return failed(received, answers.exited(received.delivery.request_id, 1))


def failed(received: Received, report: bytes) -> Answer:
    """Answer with the failure of the function."""
    return ended(received, report, has_failed=True)


def ended(received: Received, body: bytes, *, has_failed: bool = False) -> Answer:
    """Answer with what came of the function, whatever it is."""
    settings = _settings(received)
    ending = Ending(body, has_failed, platform_log(received.delivery, settings, 0.001))
    return answer_ending(ending, log_tail=received.log_tail, version=settings.version)


def _given(contract: Contract[Any, Any], received: Received, body: bytes) -> Answer:
    offload, told = contract.offload, received.told()
    if offload is not None and told is not None and told.offload and offload.takes(len(body)):
        body = as_bytes(put_payload(offload, body, transport_override()))
    return ended(received, body) if len(body) <= MAX_RESPONSE else failed(received, answers.response_too_large())


def _is_handler(function: object) -> bool:
    return isinstance(function, HasContract) or (callable(function) and _takes_context(function))


def _takes_context(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return len([one for one in parameters if one.default is one.empty and one.kind in _POSITIONAL]) > 1


def _running_handler(handler: Handler) -> Reply:
    def reply(received: Received, _request: Any) -> Answer:
        settings = _settings(received)
        ending = run(handler, received.delivery, settings, patience=received.timeout)
        return answer_ending(ending, log_tail=received.log_tail, version=settings.version)

    return reply


def _awaited(coroutine: Any) -> Any:
    """Run a coroutine to its end, in a thread of its own: the test's event loop may be waiting for it.

    In a copy of this context, so that what it calls in turn is answered by the stub, too.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def _encoded(contract: Contract[Any, Any], value: object) -> bytes:
    try:
        return codec_of(contract.response).encode(value)
    except PayloadValidationError as exc:
        told = f"{contract.function} answers {type_name(contract.response)}, and the stub's answer does not fit: {exc}"
    raise StubError(told)


def _settings(received: Received) -> Settings:
    called = parse_target(received.arn)
    return Settings(name=called.name, timeout=_LONGEST, version=version_of(called.qualifier))
