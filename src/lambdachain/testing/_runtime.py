"""One invocation as Python's runtime client for Lambda performs it, but in this process.

The handler runs in a thread of its own, so that a coroutine handler can run while the test's event loop is blocked, and
a timeout can be enforced. A thread cannot be stopped: after a timeout the handler runs on until it ends by itself.
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
from lambdachain._lambda_api import log, responses
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.delivery import Delivery, InvocationResult
from lambdachain._lambda_api.limits import MAX_LOG_TAIL, MAX_RESPONSE
from lambdachain._transports.transport_override import StubError, override_transport_in_context, transport_override

from ._lambda_context import LambdaContext
from ._marshal import to_json
from ._recursion import current_chain, use_chain
from ._sandboxes import sandbox_for

Handler = Callable[[Any, Any], Any]
_THIS_PACKAGE: Final = str(Path(__file__).parent)
# Packages whose exceptions end a test although they are not subclasses of ``Exception``, such as pytest's outcomes.
_FRAMEWORKS: Final = frozenset({"_pytest", "hypothesis", "pytest"})
# The line of the runtime client that calls a handler, as it appears in stack traces, and the client's path on AWS.
_CALL: Final = "response = request_handler(event, lambda_context)"
_CLIENT: Final = "/var/runtime/awslambdaric/bootstrap.py"
_CALL_LINE: Final = 178


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """The configuration of a function: timeout in seconds, memory in MB, version."""

    name: str
    timeout: float = 3.0
    memory: int = 128
    version: str = LATEST


class _Result(NamedTuple):
    body: bytes
    failed: bool = False


class _RuntimeClientError(Exception):
    """An error that the runtime client itself reports, with its name for it in *error_type*."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def run(
    handler: Handler,
    delivery: Delivery,
    config: FunctionConfig,
    *,
    caller_timeout: float | None,
    ended: Callable[[], None] = lambda: None,
) -> InvocationResult:
    """Run a handler for one invocation, until it returns or times out.

    As in a process of its own, it does not see the context variables of its caller, except the transport override.

    Args:
        handler: The function of event and context.
        delivery: The invocation.
        config: The configuration of the function.
        caller_timeout: Seconds that the caller waits; ``None`` for no limit.
        ended: Called when the handler has ended, even after a timeout.

    Raises:
        NoAnswerError: The caller timed out first; the handler runs on.
        StubError: The handler made a call that the test does not allow; the test has to see it.
        BaseException: An exception for the test framework, such as an outcome of pytest.
    """
    began = clock.SystemClock.monotonic()
    done: SimpleQueue[_Result | BaseException] = SimpleQueue()
    sandbox = sandbox_for(handler, config.name)
    work = _isolate(handler, delivery, config, ended)
    # An empty context: a function on AWS does not see the context variables of its caller either.
    sandbox.start(lambda: partial(done.put, Context().run(work)))
    wait = config.timeout if caller_timeout is None else min(config.timeout, caller_timeout)
    try:
        result = done.get(timeout=wait)
    except Empty:
        # Whichever limit was shorter has passed: the caller's leaves the handler running, the function's ends it.
        if caller_timeout is not None and caller_timeout < config.timeout:
            raise NoAnswerError(
                "timed out waiting for the response", progress=Progress.PERHAPS_SENT, trouble=Trouble.TIMEOUT
            ) from None
        # Lambda does not reuse the environment of an invocation that timed out.
        sandbox.end()
        result = _Result(responses.timed_out(delivery.request_id, config.timeout), failed=True)
    if isinstance(result, BaseException):
        raise result
    # Lambda checks the size after the handler has returned, so its effects stay.
    if len(result.body) > MAX_RESPONSE:
        result = _Result(responses.response_too_large(), failed=True)
    return InvocationResult(
        result.body, result.failed, platform_log(delivery, config, clock.SystemClock.monotonic() - began)
    )


def _isolate(
    handler: Handler, delivery: Delivery, config: FunctionConfig, ended: Callable[[], None]
) -> Callable[[], _Result | BaseException]:
    # Read here, in the caller's context; the handler's thread starts with an empty one.
    transport, chain = transport_override(), current_chain()

    def work() -> _Result | BaseException:
        try:
            with use_chain(chain), override_transport_in_context(transport) if transport else nullcontext():
                return _run_to_result(handler, delivery, config)
        finally:
            ended()

    return work


def _run_to_result(handler: Handler, delivery: Delivery, config: FunctionConfig) -> _Result | BaseException:
    """Invoke the handler; report it if the process would exit; return an exception if it is for the test."""
    try:
        return _invoke_handler(handler, delivery, config)
    except StubError as exc:
        return exc
    except SystemExit as exc:
        status = _exit_status(exc.code)
    except BaseException as exc:  # noqa: BLE001 - the caller raises it
        if _is_for_test(exc):
            return exc
        status = 1
    return _Result(responses.exited(delivery.request_id, status), failed=True)


def _is_for_test(error: BaseException) -> bool:
    """Check whether an exception is meant for the test: an interrupt, or an outcome of the test framework.

    Any other exception that the runtime client does not catch ends the function's process on Lambda and must not reach
    the test: a CancelledError raised by a handler would cancel the test's own task.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return any(map(_is_for_test, group.exceptions))
    if isinstance(error, KeyboardInterrupt | StubError):
        return True
    origins = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not isinstance(error, Exception) and not _FRAMEWORKS.isdisjoint(origins)


def _invoke_handler(handler: Handler, delivery: Delivery, config: FunctionConfig) -> _Result:
    failed = True
    try:
        context = _context(delivery, config)
        response = handler(json.loads(delivery.payload), context)
        text = response if isinstance(response, bytes) else _marshal_or_raise(response)
        failed = False
    except StubError:
        raise
    except _RuntimeClientError as fault:
        text = _report(fault.error_type, str(fault), [], delivery.request_id)
    except Exception as exc:  # noqa: BLE001 - the runtime client reports any exception
        text = _report_exception(exc, delivery.request_id)
    # The runtime client encodes outside its try block: a lone surrogate raises there and ends its process.
    return _Result(text if isinstance(text, bytes) else text.encode(), failed)


def _context(delivery: Delivery, config: FunctionConfig) -> LambdaContext:
    return LambdaContext(
        config.name,
        timeout=config.timeout,
        memory=config.memory,
        version=config.version,
        arn=delivery.invoked_arn,
        request_id=delivery.request_id,
        client_context=_parse_client_context(delivery.client_context),
        tenant_id=delivery.tenant_id,
    )


def _parse_client_context(client_context: str | None) -> Any:
    try:
        return json.loads(client_context) if client_context else None
    except (ValueError, RecursionError) as exc:
        message = f"Unable to parse Client Context JSON: {exc}"
    raise _RuntimeClientError("Runtime.LambdaContextUnmarshalError", message)


def _marshal_or_raise(response: object) -> str:
    try:
        return to_json(response)
    except Exception as exc:  # noqa: BLE001 - as the runtime client: a result may be any object
        message = f"Unable to marshal response: {exc}"
    raise _RuntimeClientError("Runtime.MarshalError", message)


def to_report(error: BaseException, request_id: str) -> bytes:
    """Serialize an exception as the runtime client reports it: class, message, stack trace starting at the handler."""
    try:
        return _report_exception(error, request_id).encode()
    except UnicodeEncodeError:
        return responses.exited(request_id, 1)


def _report_exception(error: BaseException, request_id: str) -> str:
    return _report(type(error).__name__, str(error), _stack(error), request_id)


def _stack(error: BaseException) -> list[str]:
    """Format a stack trace as the runtime client does: without its own frames, unless there are no others."""
    frames = [
        (frame.filename, frame.lineno or 0, frame.name, frame.line)
        for frame in dropwhile(_is_own_frame, traceback.extract_tb(error.__traceback__))
    ]
    if not frames and error.__traceback__ is not None:
        frames = [(*_find_handler_call(), "handle_event_request", _CALL)]
    own = list(dropwhile(lambda frame: "/bootstrap.py" in frame[0], frames))
    return traceback.format_list(own or frames)


@cache
def _find_handler_call() -> tuple[str, int]:
    """Return path and line of the call of a handler in the installed runtime client, else in that on AWS."""
    spec = find_spec("awslambdaric")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        with suppress(OSError):
            lines = Path(folder, "bootstrap.py").read_text(encoding="utf-8").splitlines()
            if found := [number for number, line in enumerate(lines, 1) if line.strip() == _CALL]:
                return str(Path(folder, "bootstrap.py")), found[0]
    return _CLIENT, _CALL_LINE


def _is_own_frame(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_THIS_PACKAGE)


def _report(error_type: str, message: str, stack: list[str], request_id: str) -> str:
    """Serialize a report.

    Raises:
        UnicodeEncodeError: A string has a lone surrogate; the runtime client fails to log it, and its process ends.
    """
    "".join((error_type, message, *stack)).encode()  # the client logs before it reports
    return to_json({"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": stack})


def _exit_status(code: object) -> int:
    """Return the exit status of a process after ``sys.exit(code)``."""
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    # The kernel keeps the lowest 8 bits; CPython maps an int that does not fit a C long to -1, which is 255.
    return code & 0xFF if -sys.maxsize - 1 <= code <= sys.maxsize else 0xFF


def platform_log(delivery: Delivery, config: FunctionConfig, elapsed: float) -> bytes:
    """Return the platform's log lines; the handler's own output goes to that of the test."""
    first = log.start(delivery.request_id, config.version)
    return (first + log.report(delivery.request_id, elapsed, config.memory, None, None)).encode()[-MAX_LOG_TAIL:]
