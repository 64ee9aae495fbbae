"""Scripted responses: success, throttle, denial, timeout, crash; only what Lambda itself would send."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._contracts.s3_offload import encode_reference, put_payload
from lambdachain._core import clock
from lambdachain._core.arn import parse_target
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._json.codec import codec_for, type_name
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.delivery import InvocationResult
from lambdachain._lambda_api.invoke_api import invocation_response, queued_response
from lambdachain._lambda_api.limits import MAX_RESPONSE
from lambdachain._lambda_api.responses import ApiResponse
from lambdachain._transports.transport_override import StubError, transport_override

from ._addresses import version_for
from ._received_requests import ReceivedRequest
from ._runtime import FunctionConfig, Handler, platform_log, run, to_report

Reply = Callable[[ReceivedRequest, Any], ApiResponse]
"""Maps a request, as received and as decoded by the contract, to a response; raises RefusedError or NoAnswerError."""

# The longest timeout of a Lambda function, and how long the transports wait for one that runs into it.
_MAX_TIMEOUT: Final = 900.0
_MAX_WAIT: Final = 910.0
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def reply_with_value(contract: Contract[Any, Any], value: object) -> Reply:
    """Respond with *value*.

    Raises:
        StubError: *value* is not a valid response by the contract.
    """
    body = _encode_response(contract, value)
    return lambda received, _: _respond_with(contract, received, body)


def reply_by_running(contract: Contract[Any, Any], function: Callable[..., Any]) -> Reply:
    """Respond with the result of a handler, invoked as by Lambda, or of a function of the request."""
    if _is_handler(function):
        return _reply_by_handler(function)

    def reply(received: ReceivedRequest, request: Any) -> ApiResponse:
        try:
            value = function(request)
            value = _run_coroutine(value) if inspect.iscoroutine(value) else value
        except AssertionError:  # an assertion of the test itself
            raise
        except Exception as exc:  # noqa: BLE001 - as the runtime client: any exception is a function error
            return function_error(received, to_report(exc, received.delivery.request_id))
        return _respond_with(contract, received, _encode_response(contract, value))

    return reply


def accept_event(_received: ReceivedRequest, _request: Any) -> ApiResponse:
    """Respond as to an event: 202, nothing runs."""
    return queued_response()


def reply_throttled(reason: str | None, retry_after: int | None) -> Reply:
    """Throttle, with Lambda's *reason* and ``Retry-After`` in seconds."""

    def reply(_received: ReceivedRequest, _request: Any) -> ApiResponse:
        raise responses.throttled(reason or "ConcurrentInvocationLimitExceeded", retry_after)

    return reply


def reply_denied(received: ReceivedRequest, _request: Any) -> ApiResponse:
    """Deny access."""
    raise responses.denied(received.arn, received.location.account_id)


def reply_timed_out(received: ReceivedRequest, _request: Any) -> ApiResponse:
    """Send no response until the caller times out; the time is skipped."""
    clock.skip(_MAX_WAIT if received.timeout is None else received.timeout)
    raise NoAnswerError("timed out waiting for the response", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT)


def reply_crashed(received: ReceivedRequest, _request: Any) -> ApiResponse:
    """Respond as if the function's process had exited before it responded."""
    return function_error(received, responses.exited(received.delivery.request_id, 1))


def function_error(received: ReceivedRequest, report: bytes) -> ApiResponse:
    """Respond with a function error."""
    return function_response(received, report, has_failed=True)


def function_response(received: ReceivedRequest, body: bytes, *, has_failed: bool = False) -> ApiResponse:
    """Respond with the result of the function, a success or an error."""
    config = _config_for(received)
    # The log needs a duration; a scripted response has none of its own.
    ending = InvocationResult(body, has_failed, platform_log(received.delivery, config, 0.001))
    return invocation_response(ending, log_tail=received.log_tail, version=config.version)


def _respond_with(contract: Contract[Any, Any], received: ReceivedRequest, body: bytes) -> ApiResponse:
    offload, metadata = contract.offload, received.metadata()
    # The callee offloads its response only if the caller has declared that it can read it from S3.
    if offload is not None and metadata is not None and metadata.offload and offload.takes(len(body)):
        body = encode_reference(put_payload(offload, body, transport_override()))
    if len(body) > MAX_RESPONSE:
        return function_error(received, responses.response_too_large())
    return function_response(received, body)


def _is_handler(function: object) -> bool:
    return callable(function) and (isinstance(_unwrap(function), HasContract) or _takes_context(function))


def _unwrap(function: Callable[..., Any]) -> object:
    """Return the handler made by ``remote`` inside decorators, else the innermost function."""
    return inspect.unwrap(function, stop=lambda one: isinstance(one, HasContract))


def _takes_context(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    # A handler has two required positional parameters, event and context; a function of the request has one.
    return len([one for one in parameters if one.default is one.empty and one.kind in _POSITIONAL]) > 1


def _reply_by_handler(handler: Handler) -> Reply:
    def reply(received: ReceivedRequest, _request: Any) -> ApiResponse:
        config = _config_for(received)
        ending = run(handler, received.delivery, config, caller_timeout=received.timeout)
        return invocation_response(ending, log_tail=received.log_tail, version=config.version)

    return reply


def _run_coroutine(coroutine: Any) -> Any:
    """Run a coroutine to completion, in a thread of its own: the test's event loop may be blocked waiting for it.

    It runs in a copy of this context, so that the stub also takes the calls that it makes.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()


def _encode_response(contract: Contract[Any, Any], value: object) -> bytes:
    try:
        return codec_for(contract.response).encode(value)
    except PayloadValidationError as exc:
        message = f"the stub of {contract.function} does not return a valid {type_name(contract.response)}: {exc}"
    raise StubError(message)


def _config_for(received: ReceivedRequest) -> FunctionConfig:
    called = parse_target(received.arn)
    return FunctionConfig(name=called.name, timeout=_MAX_TIMEOUT, version=version_for(called.qualifier))
