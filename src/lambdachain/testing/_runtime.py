"""What Python's runtime client for Lambda does with one invocation, done in this process.

The handler runs in a thread of its own: a coroutine handler may run while the test's event loop does, and one that
takes too long can be given up. A thread cannot be stopped, so what was given up ends by itself.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from contextvars import Context
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from itertools import dropwhile
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, cast

from lambdachain._core import clock
from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._lambda_api import log
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.delivery import Delivery, Ending
from lambdachain._lambda_api.limits import MAX_LOG_TAIL, MAX_RESPONSE
from lambdachain._transports.transport_override import StubError, override_transport_in_context, transport_override

from ._lambda_context import LambdaContext
from ._marshal import to_json
from ._recursion import current_chain, within
from ._sandboxes import sandbox_for

Handler = Callable[[Any, Any], Any]
_HERE: Final = str(Path(__file__).parent)
# Test frameworks that end a test with exceptions which are not an ``Exception``.
_FRAMEWORKS: Final = frozenset({"_pytest", "hypothesis", "pytest"})
# The call of a handler in the runtime client, as a stack shows it, and where AWS's images keep the client.
_CALL: Final = "response = request_handler(event, lambda_context)"
_CLIENT: Final = "/var/runtime/awslambdaric/bootstrap.py"
_CALL_LINE: Final = 178


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


class _FaultError(Exception):
    """What the runtime client itself finds fault with: *error_type* is its name for it."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def run(
    handler: Handler,
    delivery: Delivery,
    settings: Settings,
    *,
    patience: float | None,
    ended: Callable[[], None] = lambda: None,
) -> Ending:
    """Run a handler on one invocation, to its end or to the end of its time.

    It sees no context variable of its caller, as in a process of its own, but for what stands in for AWS.

    Args:
        handler: What Lambda calls.
        delivery: The invocation.
        settings: How the function is deployed.
        patience: Seconds that the caller waits; ``None`` for as long as it takes.
        ended: Called when the handler has ended, even if nobody waits for it any more.

    Raises:
        NoAnswerError: The caller's patience ended first; the handler goes on.
        StubError: A call inside the handler was one that the test does not allow: it is the test's to know.
        BaseException: What is not the handler's to raise, such as pytest's own outcomes.
    """
    began = clock.System.monotonic()
    done: SimpleQueue[_Result | BaseException] = SimpleQueue()
    sandbox = sandbox_for(handler, settings.name)
    work = _isolated(handler, delivery, settings, ended)
    sandbox.start(lambda: partial(done.put, Context().run(work)))
    wait = settings.timeout if patience is None else min(settings.timeout, patience)
    try:
        result = done.get(timeout=wait)
    except Empty:
        if patience is not None and patience < settings.timeout:
            raise NoAnswerError("no answer in time", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT) from None
        sandbox.end()
        result = _Result(answers.timed_out(delivery.request_id, settings.timeout), failed=True)
    if isinstance(result, BaseException):
        raise result
    if len(result.body) > MAX_RESPONSE:
        result = _Result(answers.response_too_large(), failed=True)
    return Ending(result.body, result.failed, platform_log(delivery, settings, clock.System.monotonic() - began))


def _isolated(
    handler: Handler, delivery: Delivery, settings: Settings, ended: Callable[[], None]
) -> Callable[[], _Result | BaseException]:
    transport, chain = transport_override(), current_chain()

    def work() -> _Result | BaseException:
        try:
            with within(chain), override_transport_in_context(transport) if transport else nullcontext():
                return _survived(handler, delivery, settings)
        finally:
            ended()

    return work


def _survived(handler: Handler, delivery: Delivery, settings: Settings) -> _Result | BaseException:
    """Handle, and tell it if the function's process would not survive; give what is the test's to raise."""
    try:
        return _handled(handler, delivery, settings)
    except StubError as exc:
        return exc
    except SystemExit as exc:
        status = _status(exc.code)
    except BaseException as exc:  # noqa: BLE001 - it is raised again where the call was made
        if _is_the_tests(exc):
            return exc
        status = 1
    return _Result(answers.exited(delivery.request_id, status), failed=True)


def _is_the_tests(error: BaseException) -> bool:
    """Check whether an exception is for whoever runs the tests: an interrupt, or a test framework's own outcome.

    Every other that the runtime client does not catch ends a process on Lambda, and nobody else's work: a cancellation
    that leaves a handler would otherwise cancel the test.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return any(map(_is_the_tests, group.exceptions))
    if isinstance(error, KeyboardInterrupt | StubError):
        return True
    origins = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not isinstance(error, Exception) and not _FRAMEWORKS.isdisjoint(origins)


def _handled(handler: Handler, delivery: Delivery, settings: Settings) -> _Result:
    failed = True
    try:
        context = _context(delivery, settings)
        answer = handler(json.loads(delivery.payload), context)
        text = answer if isinstance(answer, bytes) else _marshalled(answer)
        failed = False
    except StubError:
        raise
    except _FaultError as fault:
        text = _report(fault.error_type, str(fault), [], delivery.request_id)
    except Exception as exc:  # noqa: BLE001 - whatever a handler raises, the runtime reports
        text = _raised(exc, delivery.request_id)
    # The runtime client encodes where nothing catches what it raises: half a character ends its process.
    return _Result(text if isinstance(text, bytes) else text.encode(), failed)


def _context(delivery: Delivery, settings: Settings) -> LambdaContext:
    return LambdaContext(
        settings.name,
        timeout=settings.timeout,
        memory=settings.memory,
        version=settings.version,
        arn=delivery.invoked_arn,
        request_id=delivery.request_id,
        client_context=_told(delivery.client_context),
        tenant_id=delivery.tenant_id,
    )


def _told(client_context: str | None) -> Any:
    try:
        return json.loads(client_context) if client_context else None
    except (ValueError, RecursionError) as exc:
        message = f"Unable to parse Client Context JSON: {exc}"
    raise _FaultError("Runtime.LambdaContextUnmarshalError", message)


def _marshalled(answer: object) -> str:
    try:
        return to_json(answer)
    except Exception as exc:  # noqa: BLE001 - as the runtime client: an answer may be anything
        message = f"Unable to marshal response: {exc}"
    raise _FaultError("Runtime.MarshalError", message)


def report_of(error: BaseException, request_id: str) -> bytes:
    """Write an exception as the runtime reports it to Lambda: its class, its text, its stack from the handler on."""
    try:
        return _raised(error, request_id).encode()
    except UnicodeEncodeError:
        return answers.exited(request_id, 1)


def _raised(error: BaseException, request_id: str) -> str:
    return _report(type(error).__name__, str(error), _stack(error), request_id)


def _stack(error: BaseException) -> list[str]:
    """Format a stack as the runtime client does: without its own frames, unless there are no others."""
    frames = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in dropwhile(_is_ours, traceback.extract_tb(error.__traceback__))
    ]
    if not frames and error.__traceback__ is not None:
        frames = [(*_call_in_client(), "handle_event_request", _CALL)]
    own = list(dropwhile(lambda frame: "/bootstrap.py" in frame[0], frames))
    return traceback.format_list(own or frames)


@cache
def _call_in_client() -> tuple[str, int]:
    """Find where the runtime client calls a handler: in the one that is installed, else as AWS has it."""
    spec = find_spec("awslambdaric")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        with suppress(OSError):
            lines = Path(folder, "bootstrap.py").read_text(encoding="utf-8").splitlines()
            if found := [number for number, line in enumerate(lines, 1) if line.strip() == _CALL]:
                return str(Path(folder, "bootstrap.py")), found[0]
    return _CLIENT, _CALL_LINE


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_HERE)


def _report(error_type: str, message: str, stack: list[str], request_id: str) -> str:
    """Write a report, after it was logged.

    Raises:
        UnicodeEncodeError: A text has half a character: the runtime client cannot log it, and its process ends.
    """
    "".join((error_type, message, *stack)).encode()
    return to_json({"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": stack})


def _status(code: object) -> int:
    """Return the exit status of a process that ends with ``sys.exit(code)``."""
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    return code & 0xFF if -sys.maxsize - 1 <= code <= sys.maxsize else 0xFF


def platform_log(delivery: Delivery, settings: Settings, elapsed: float) -> bytes:
    """Write the platform's lines; what the handler printed went where the test's own output goes."""
    first = log.start(delivery.request_id, settings.version)
    return (first + log.report(delivery.request_id, elapsed, settings.memory, None, None)).encode()[-MAX_LOG_TAIL:]
