"""An invocation has the same result as under the real runtime client, which is the oracle."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import json
import os
import runpy
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from lambdachain import NoAnswerError, Progress, remote
from lambdachain._core.invocation import Trouble
from lambdachain._lambda_api.delivery import Delivery, InvocationResult
from lambdachain._lambda_api.limits import MAX_RESPONSE
from lambdachain.testing import StubError, _marshal, _sandboxes
from lambdachain.testing._runtime import FunctionConfig, run, to_report

ARN = "arn:aws:lambda:us-east-1:123456789012:function:probe"
REQUEST_ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"
Handler = Callable[[Any, Any], Any]


class Outer:
    class NestedError(Exception):
        """Reported by its own name only."""


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def delivery(payload: bytes = b'{"n": 1}', client_context: str | None = None) -> Delivery:
    """Build an invocation as a function receives it."""
    return Delivery(REQUEST_ID, ARN, "Root=1-2-3", payload, client_context)


def run_here(handler: Handler, payload: bytes = b'{"n": 1}', client_context: str | None = None) -> InvocationResult:
    """Run a handler with this package."""
    return run(handler, delivery(payload, client_context), FunctionConfig("probe", timeout=60), caller_timeout=None)


class RuntimeClient:
    """Collects what the real runtime client would post."""

    def __init__(self) -> None:
        self.marshaller = LambdaMarshaller()
        self.posted: tuple[bool, Any] | None = None

    def post_invocation_error(self, _id: str, error: str, *_: object) -> None:
        self.posted = (True, json.loads(error))

    def post_invocation_result(self, _id: str, result: str | bytes, *_: object) -> None:
        self.posted = (False, result)


def oracle(handler: Handler, payload: bytes = b'{"n": 1}', client_context: str | None = None) -> tuple[bool, Any]:
    """Run a handler under the real runtime client's code: whether it failed, and the report or the body."""
    client = RuntimeClient()
    deadline = int(time.time() * 1000) + 5000
    bootstrap.handle_event_request(
        client, handler, REQUEST_ID, payload, "application/json", client_context, None, ARN, deadline, None,
        bootstrap.StandardLogSink(),
    )  # fmt: skip
    assert client.posted is not None
    return client.posted


def raising(error: BaseException) -> Handler:
    """Make a handler that raises an error, as if for the first time."""

    def handler(event: Any, context: Any) -> NoReturn:
        raise error.with_traceback(None)

    return handler


def raise_chained(event: Any, context: Any) -> None:
    """Raise an error from another."""
    try:
        raise KeyError("first")
    except KeyError as exc:
        raise ValueError("second") from exc


def deep(event: Any, context: Any) -> Any:
    """Recurse without end."""
    return deep(event, context)


def deeply_nested(event: Any, context: Any) -> Any:
    """Return more levels than can be serialized."""
    value: list[Any] = []
    for _ in range(50_000):
        value = [value]
    return value


@remote("probe")
def strict(number: int) -> int:
    """A handler with a contract."""
    return number


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(raising(ValueError("plain")), id="an error"),
        pytest.param(raising(ValueError()), id="no text"),
        pytest.param(raising(ValueError({"a": 1}, 2)), id="several arguments"),
        pytest.param(raising(KeyError("missing")), id="quotes of a KeyError"),
        pytest.param(raising(OSError(2, "No such file", "x.txt")), id="an OSError"),
        pytest.param(raising(Outer.NestedError("inner")), id="a nested class"),
        pytest.param(raising(ValueError("é \U0001f680 \u2028 \x00")), id="beyond ASCII"),
        pytest.param(raising(ExceptionGroup("two", [ValueError(1), KeyError(2)])), id="a group"),
        pytest.param(raising(AssertionError("a handler's own")), id="an assertion"),
        pytest.param(raising(StopIteration(3)), id="a StopIteration"),
        pytest.param(raising(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")), id="an encoding error of its own"),
        pytest.param(raise_chained, id="a cause"),
        pytest.param(strict, id="a request that its contract refuses"),
        pytest.param(lambda *_: {1, 2}, id="a set"),
        pytest.param(lambda *_: {(1,): 2}, id="a tuple as a key"),
        pytest.param(lambda *_: object(), id="an object"),
    ],
)
def test_a_failure_is_reported_as_by_the_runtime_client(handler: Handler):
    """Class, message, id and stack trace."""
    ending = run_here(handler)

    assert (ending.failed, json.loads(ending.body)) == (True, oracle(handler)[1])


@pytest.mark.parametrize("handler", [lambda: None, lambda *_, key: key, 5], ids=["arity", "keyword", "no function"])
def test_a_handler_that_cannot_be_called_has_the_runtimes_own_frame(handler: Any):
    """The runtime client has no other frame to report."""
    assert json.loads(run_here(handler).body) == oracle(handler)[1]


def test_a_handler_in_a_module_called_bootstrap(tmp_path: Path):
    """The runtime client removes frames of any file of that name, as long as others follow."""
    path = tmp_path / "bootstrap.py"
    path.write_text(
        "def direct(event, context):\n    raise LookupError(1)\ndef outward(event, context):\n    int('x', 99)\n"
    )
    module = runpy.run_path(str(path))

    for name in ("direct", "outward"):
        ours, theirs = json.loads(run_here(module[name]).body), oracle(module[name])[1]
        assert ours["stackTrace"][-1] == theirs["stackTrace"][-1]


@pytest.mark.parametrize("handler", [deep, deeply_nested])
def test_too_deep_a_recursion_is_an_error_like_any_other(handler: Handler):
    """Depth and stack trace differ from thread to thread."""
    ours, theirs = json.loads(run_here(handler).body), oracle(handler)[1]

    assert ours["errorType"] == theirs["errorType"]
    assert "maximum recursion depth exceeded" in ours["errorMessage"]
    assert "maximum recursion depth exceeded" in theirs["errorMessage"]


@pytest.mark.parametrize(
    "answer", [None, 0, "", {"a": [1.5, "é"]}, [float("nan")], b'{"raw": 1}', b"\xff no JSON", True, (1, 2)]
)
def test_a_result_is_serialized_as_by_the_runtime_client(answer: object, monkeypatch: pytest.MonkeyPatch):
    """Bytes are sent unchanged. From Python 3.12 on, the client escapes no letters: it asks Lambda's variable."""
    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_python3.{sys.version_info[1]}")
    ending = run_here(lambda *_: answer)
    _, body = oracle(lambda *_: answer)

    assert (ending.failed, ending.body) == (False, body if isinstance(body, bytes) else body.encode())


@pytest.mark.parametrize("client_context", [None, "", "{}", "null", '{"custom": {"a": "1"}, "client": {}}'])
def test_a_handler_gets_the_client_context(client_context: str | None):
    """In its context."""

    def handler(event: Any, context: Any) -> Any:
        sent = context.client_context
        return [event, None if sent is None else [sent.custom, sent.env, type(sent.client).__name__]]

    assert (
        run_here(handler, client_context=client_context).body.decode()
        == oracle(handler, client_context=client_context)[1]
    )


@pytest.mark.parametrize("client_context", ["no JSON", "[1]", "3", '"text"', '{"client": 3}'])
def test_an_invalid_client_context_fails_before_the_handler(client_context: str):
    """With the runtime client's class and message; the stack trace differs."""
    ours = json.loads(run_here(lambda *_: "ran", client_context=client_context).body)
    theirs = oracle(lambda *_: "ran", client_context=client_context)[1]

    assert {**ours, "stackTrace": 0} == {**theirs, "stackTrace": 0}


class Outside(BaseException):
    """Not an ``Exception``."""


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        UnreadableError(),
        asyncio.CancelledError(),
        GeneratorExit(),
        Outside("mine"),
        BaseExceptionGroup("two", [Outside(), ValueError()]),
    ],
)
def test_an_exception_that_the_runtime_client_does_not_catch_ends_its_process(error: BaseException):
    """The real client does not catch it either."""
    with pytest.raises(BaseException):  # noqa: B017 - whatever it is
        oracle(raising(error))

    status = error.code if isinstance(error, SystemExit) else 1
    assert json.loads(run_here(raising(error)).body) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: Runtime exited with error: exit status {status}",
    }


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "Runtime exited without providing a reason"),
        (0, "Runtime exited without providing a reason"),
        (True, "Runtime exited with error: exit status 1"),
        ("a reason", "Runtime exited with error: exit status 1"),
        (-1, "Runtime exited with error: exit status 255"),
        (256, "Runtime exited without providing a reason"),
        (2**70, "Runtime exited with error: exit status 255"),
    ],
)
def test_an_exit_has_the_status_that_the_system_sees(code: Any, words: str):
    """One byte; 1 for anything but a number."""
    ending = run_here(raising(SystemExit(code)))

    assert ending.failed
    assert json.loads(ending.body)["errorMessage"] == f"RequestId: {REQUEST_ID} Error: {words}"


@pytest.mark.parametrize("handler", [raising(ValueError("\ud800")), lambda *_: "\ud800"])
def test_an_unescaped_lone_surrogate_ends_the_process(monkeypatch: pytest.MonkeyPatch, handler: Handler):
    """From Python 3.12 on the runtime client sends UTF-8, and encodes outside its try block."""
    monkeypatch.setitem(_marshal.to_json.__kwdefaults__, "escapes", False)

    assert json.loads(run_here(handler).body)["errorType"] == "Runtime.ExitError"


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        StubError("not allowed"),
        pytest.fail.Exception("no"),
        pytest.skip.Exception("not here"),
        BaseExceptionGroup("in a task group", [ValueError(), pytest.fail.Exception("no")]),
        BaseExceptionGroup("stopped", [BaseExceptionGroup("in it", [KeyboardInterrupt()])]),
    ],
)
def test_exceptions_for_the_test_reach_it(error: BaseException):
    """The same exception object, although a runtime would report it."""
    with pytest.raises(type(error)) as raised:
        run_here(raising(error))

    assert raised.value is error


def test_a_payload_is_the_handlers_own():
    """Changes of the event do not reach the caller."""
    sent = b'{"list": [1]}'
    seen = json.loads(run_here(lambda event, _: event["list"].append(2) or event, sent).body)

    assert (sent, seen) == (b'{"list": [1]}', {"list": [1, 2]})


@pytest.mark.parametrize(("size", "failed"), [(MAX_RESPONSE, False), (MAX_RESPONSE + 1, True)])
def test_a_response_has_a_size_limit(size: int, failed: bool):
    """6 MB and 100 bytes."""
    ending = run_here(lambda *_: b" " * size)

    assert ending.failed is failed
    assert failed is (b"Function.ResponseSizeTooLarge" in ending.body)


def test_a_handler_that_times_out():
    """With Lambda's message; the thread runs on, and its result is ignored."""
    release, ended = threading.Event(), threading.Event()

    def handler(event: Any, context: Any) -> None:
        release.wait(5)
        ended.set()

    ending = run(handler, delivery(), FunctionConfig("probe", timeout=0.02), caller_timeout=None)
    release.set()

    assert ended.wait(5)
    assert json.loads(ending.body) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {REQUEST_ID} Error: Task timed out after 0.02 seconds",
    }


def test_a_timeout_of_the_caller():
    """There is no response, and the handler runs on."""
    release, ended = threading.Event(), threading.Event()
    with pytest.raises(NoAnswerError) as late:
        run(
            lambda *_: release.wait(5),
            delivery(),
            FunctionConfig("probe", timeout=5),
            caller_timeout=0.02,
            ended=ended.set,
        )

    assert (late.value.progress, late.value.trouble) == (Progress.PERHAPS_SENT, Trouble.TIMEOUT)
    assert not ended.is_set()
    release.set()
    assert ended.wait(5)


def test_a_caller_that_waits_longer_gets_the_functions_timeout():
    """The caller's timeout and the function's are independent."""
    release = threading.Event()
    ending = run(lambda *_: release.wait(5), delivery(), FunctionConfig("probe", timeout=0.02), caller_timeout=60)
    release.set()

    assert b"Sandbox.Timedout" in ending.body


def test_a_handler_does_not_see_context_variables_of_its_caller():
    """On Lambda it is another process."""
    variable = contextvars.ContextVar("variable", default="fresh")
    variable.set("the caller's")

    def handler(event: Any, context: Any) -> str:
        seen = variable.get()
        variable.set("the handler's")
        return seen

    assert [run_here(handler).body, run_here(handler).body] == [b'"fresh"', b'"fresh"']
    assert variable.get() == "the caller's"


def test_a_coroutine_handler_keeps_its_loop():
    """It can use objects of the loop in the next invocation, even if others ran in between."""
    loops: list[asyncio.AbstractEventLoop] = []

    @remote("keeps-its-loop")
    async def handler(number: int) -> int:
        loops.append(asyncio.get_running_loop())
        return number

    @remote("other")
    async def other(number: int) -> int:
        return number

    async def main() -> list[bytes]:
        return [run_here(each, b"1").body for each in (handler, other, handler, other)]

    assert asyncio.run(main()) == [b"1"] * 4
    assert loops[0] is loops[1]
    assert not loops[0].is_closed()


def test_surplus_threads_end(monkeypatch: pytest.MonkeyPatch):
    """The last few of many handlers stay warm; a thread that ends closes its loop."""
    monkeypatch.setattr(_sandboxes, "_MAX_IDLE", 2)
    loops: list[asyncio.AbstractEventLoop] = []

    def a_handler() -> Handler:
        @remote("one-of-many")
        async def handler(number: int) -> None:
            loops.append(asyncio.get_running_loop())

        return handler

    handlers = [a_handler() for _ in range(5)]
    for handler in handlers:
        run_here(handler, b"1")
    _wait_until(lambda: [loop.is_closed() for loop in loops] == [True, True, True, False, False])

    _wait_until(lambda: len([thread for thread in threading.enumerate() if thread.name == "probe"]) == 2)


def test_a_sandbox_is_not_reused_after_a_timeout():
    """Lambda ends such an execution environment."""
    release = threading.Event()
    threads: list[int] = []

    def handler(event: Any, context: Any) -> None:
        threads.append(threading.get_ident())
        if event == "hang":
            release.wait(5)

    run(handler, delivery(b'"hang"'), FunctionConfig("probe", timeout=0.02), caller_timeout=None)
    hung = next(thread for thread in threading.enumerate() if thread.ident == threads[0])
    run_here(handler)
    release.set()
    hung.join(5)

    assert len([sandbox for sandbox in _sandboxes._idle if sandbox.handler is handler]) == 1
    assert threads[0] != threads[1]
    assert not hung.is_alive()


def test_an_idle_thread_keeps_no_objects_of_an_invocation():
    """Neither the exception of the handler nor the arguments of the invocation."""

    class LeavingError(StubError):
        pass

    class Ended:
        def __call__(self) -> None:
            pass

    kept: list[weakref.ref[Any]] = []

    def handler(event: Any, context: Any) -> None:
        error = LeavingError()
        kept.append(weakref.ref(error))
        raise error

    ended = Ended()
    kept.append(weakref.ref(ended))
    with contextlib.suppress(LeavingError):
        run(handler, delivery(), FunctionConfig("probe"), caller_timeout=None, ended=ended)
    del ended
    _wait_until(lambda: gc.collect() >= 0 and [reference() for reference in kept] == [None, None])


def test_a_thread_is_released_before_its_result_is_reported():
    """So that a caller's second invocation runs in the same thread."""
    idle: list[bool] = []
    reported = threading.Event()
    handler = object()
    sandbox = _sandboxes.sandbox_for(handler, "twice")

    def tell() -> None:
        idle.append(sandbox in _sandboxes._idle)
        reported.set()

    sandbox.start(lambda: tell)

    assert reported.wait(5)
    assert idle == [True]
    assert _sandboxes.sandbox_for(handler, "twice") is sandbox
    sandbox.end()


def test_a_forked_process_starts_threads_of_its_own():
    """Those of its parent do not exist there."""

    def handler(event: Any, context: Any) -> str:
        return "ran"

    run_here(handler)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, run_here(handler).body)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b'"ran"'


def test_the_log_has_the_platforms_lines():
    """The handler's own output goes to that of the test."""
    text = run_here(lambda *_: None).log_tail.decode()

    assert text.startswith(f"START RequestId: {REQUEST_ID} Version: $LATEST\nEND RequestId: {REQUEST_ID}\nREPORT ")


def test_an_error_that_was_never_raised_can_be_reported_too():
    """Without a stack trace."""
    assert json.loads(to_report(ValueError("x"), "r-1")) == {
        "errorMessage": "x", "errorType": "ValueError", "requestId": "r-1", "stackTrace": [],
    }  # fmt: skip


def _wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)
