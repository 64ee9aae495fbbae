"""What Python's runtime client for Lambda does with one invocation, done in this process.

The handler gets a thread of its own: a coroutine handler may run while the test's event loop does, and one that takes
too long can be given up. A thread cannot be stopped, so what was given up ends by itself.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from lambdachain._invocation import NoAnswerError, Progress, Trouble
from lambdachain._service import answers, log
from lambdachain._service.delivery import Delivery, Ending
from lambdachain._service.limits import MAX_LOG_TAIL, MAX_RESPONSE
from lambdachain._service.place import LATEST
from lambdachain._stand_in import StubError

from ._context import LambdaContext, read_client_context
from ._marshal import marshal

Handler = Callable[[Any, Any], Any]
_HERE: Final = __file__


@dataclass(frozen=True, slots=True)
class Settings:
    """How a function is deployed: seconds, MB, and which version it is."""

    name: str
    timeout: float = 3.0
    memory: int = 128
    version: str = LATEST


class _Result(NamedTuple):
    body: bytes
    failed: bool = False


def run(handler: Handler, delivery: Delivery, settings: Settings, *, patience: float | None) -> Ending:
    """Run a handler on one invocation, to its end or to the end of its time.

    Args:
        handler: What Lambda calls.
        delivery: The invocation.
        settings: How the function is deployed.
        patience: Seconds that the caller waits; ``None`` for as long as it takes.

    Raises:
        NoAnswerError: The caller's patience ended first; the handler goes on.
        StubError: A call inside the handler was one that the test does not allow: it is the test's to know.
        BaseException: What is not the handler's to raise, such as pytest's own outcomes.
    """
    began = time.monotonic()
    done: SimpleQueue[_Result | BaseException] = SimpleQueue()
    context = copy_context()
    threading.Thread(
        target=context.run, args=(_work, handler, delivery, settings, done), name=settings.name, daemon=True
    ).start()
    wait = settings.timeout if patience is None else min(settings.timeout, patience)
    try:
        result = done.get(timeout=wait)
    except Empty:
        if patience is not None and patience < settings.timeout:
            raise NoAnswerError("no answer in time", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT) from None
        result = _Result(answers.timed_out(delivery.request_id, settings.timeout), failed=True)
    if isinstance(result, BaseException):
        raise result
    if len(result.body) > MAX_RESPONSE:
        result = _Result(answers.response_too_large(), failed=True)
    return Ending(result.body, result.failed, platform_log(delivery, settings, time.monotonic() - began))


def _work(handler: Handler, delivery: Delivery, settings: Settings, done: SimpleQueue[_Result | BaseException]) -> None:
    try:
        done.put(_handled(handler, delivery, settings))
    except SystemExit as exc:
        done.put(_Result(answers.exited(delivery.request_id, _status(exc.code)), failed=True))
    except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
        done.put(exc)


def _handled(handler: Handler, delivery: Delivery, settings: Settings) -> _Result:
    request_id = delivery.request_id
    try:
        context = _context(delivery, settings)
    except ValueError as exc:
        return _fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {exc}", request_id)
    try:
        answer = handler(json.loads(delivery.payload), context)
    except StubError:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever a handler raises, the runtime reports
        return _raised(exc, request_id)
    try:
        return _Result(marshal(answer))
    except Exception as exc:  # noqa: BLE001 - as the runtime client: an answer may be anything
        return _fault("Runtime.MarshalError", f"Unable to marshal response: {exc}", request_id)


def _context(delivery: Delivery, settings: Settings) -> LambdaContext:
    told = delivery.client_context
    return LambdaContext(
        settings.name,
        timeout=settings.timeout,
        memory=settings.memory,
        version=settings.version,
        arn=delivery.invoked_arn,
        request_id=delivery.request_id,
        client_context=read_client_context(told) if told else None,
        tenant_id=delivery.tenant_id,
    )


def report_of(error: BaseException, request_id: str) -> bytes:
    """Write an exception as the runtime reports it to Lambda: its class, its text, its stack from the handler on."""
    frames = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != _HERE
    ]
    return _report(type(error).__name__, str(error), traceback.format_list(frames), request_id)


def _raised(error: Exception, request_id: str) -> _Result:
    return _Result(report_of(error, request_id), failed=True)


def _fault(error_type: str, message: str, request_id: str) -> _Result:
    return _Result(_report(error_type, message, [], request_id), failed=True)


def _report(error_type: str, message: str, stack: list[str], request_id: str) -> bytes:
    members = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": stack}
    return json.dumps(members).encode()


def _status(code: object) -> int:
    """Give the exit status of a process that ends with ``sys.exit(code)``."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def platform_log(delivery: Delivery, settings: Settings, elapsed: float) -> bytes:
    """Write the platform's lines; what the handler printed went where the test's own output goes."""
    first = log.start(delivery.request_id, settings.version)
    return (first + log.report(delivery.request_id, elapsed, settings.memory, None, None)).encode()[-MAX_LOG_TAIL:]
