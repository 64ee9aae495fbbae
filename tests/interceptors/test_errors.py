"""Nothing is swallowed, nothing is shown, and what cannot work is refused where it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import MagicMock

import pytest

import lambdachain
from lambdachain import (
    AsyncLambdaClient,
    Contract,
    ContractError,
    FunctionError,
    HandledInvocation,
    InProcessTransport,
    Interceptor,
    Invocation,
    LambdaClient,
    Outcome,
    OutgoingCall,
    RequestRejectedError,
    RequestTooLargeError,
    ResponseError,
    ServiceError,
    remote,
)
from lambdachain.testing import LambdaContext, StubTransport
from tests.interceptors.conftest import Recorder

double = Contract("double", request=int, response=int)
SECRET = "hunter2"


class Around(Interceptor):
    """Runs functions before, at an exception, and after."""

    def __init__(
        self,
        before: Callable[[Any], object] = lambda _: None,
        catch: Callable[[BaseException], object] | None = None,
        after: Callable[[Any], object] = lambda _: None,
    ) -> None:
        self.before, self.catch, self.after = before, catch, after

    @contextmanager
    def _around(self, seen: Any) -> Generator[None]:
        self.before(seen)
        try:
            yield
        except BaseException as error:
            if self.catch is None:
                raise
            self.catch(error)
        else:
            self.after(seen)

    def calling(self, call: OutgoingCall) -> Any:
        return self._around(call)

    def handling(self, invocation: HandledInvocation) -> Any:
        return self._around(invocation)


def raising(error: BaseException) -> Callable[[Any], object]:
    """Return a function that raises."""

    def fail(_: Any) -> object:
        raise error

    return fail


USES: dict[str, Callable[[LambdaClient], Any]] = {
    "call": lambda client: client.call(double, 1),
    "fire": lambda client: client.fire(double, 1),
    "can_invoke": lambda client: client.can_invoke(double),
    "map": lambda client: [*client.map(double, [1])],
    "stream": lambda client: [*client.stream(double, 1)],
}
EVERY = pytest.mark.parametrize("use", USES)
ERRORS = pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()], ids=["Exception", "interrupt"])


@contextmanager
def stubbed() -> Generator[StubTransport]:
    """Stub the function; the test may not come to call it."""
    stub = StubTransport()
    stub.on(double, optional=True).accepts().runs(lambda number: number * 2)
    yield stub


@EVERY
@ERRORS
def test_an_error_before_the_call_passes_and_nothing_is_sent(use: str, error: BaseException):
    """Interceptors outside see it, interceptors inside are not entered."""
    outer, inner = Recorder(), Recorder()
    with stubbed() as stub, pytest.raises(type(error)) as raised:
        USES[use](LambdaClient(stub, interceptors=[outer, Around(before=raising(error)), inner]))

    assert raised.value is error
    assert outer.errors == [error]
    assert inner.calls == []
    assert stub.calls == ()


@EVERY
@ERRORS
def test_an_error_after_the_call_passes(use: str, error: BaseException):
    """The call has been made; its result is lost with the error."""
    with stubbed() as stub, pytest.raises(type(error)) as raised:
        USES[use](LambdaClient(stub, interceptors=[Around(after=raising(error))]))

    assert raised.value is error


@pytest.mark.parametrize("use", ["call", "map", "stream"])
def test_an_error_may_be_replaced(use: str):
    """As by any context manager; the call's own error is its context."""
    replaced = LookupError("mine")
    client = LambdaClient(interceptors=[Around(catch=raising(replaced))])
    with StubTransport() as stub:
        stub.on(double).raises(RuntimeError("theirs"))
        with pytest.raises(LookupError) as raised:
            USES[use](client)

    assert raised.value is replaced
    assert isinstance(replaced.__context__, FunctionError)


@pytest.mark.parametrize("use", ["call", "map", "stream"])
def test_an_error_cannot_be_swallowed(use: str):
    """A call has no result to return in its place; the message names the interceptor and the error."""
    outer = Recorder()
    client = LambdaClient(interceptors=[outer, Around(catch=lambda _: None)])
    with StubTransport() as stub:
        stub.on(double).raises(RuntimeError("theirs"))
        with pytest.raises(RuntimeError, match=r"Around.calling swallowed FunctionError") as raised:
            USES[use](client)

    assert isinstance(raised.value.__cause__, FunctionError)
    assert outer.errors == [raised.value]


def twice(number: int) -> int:
    """Return the double."""
    return number * 2


class Misused(Interceptor):
    """Yields as often as it is told to, around calls and handlers, or returns no context manager."""

    def __init__(self, times: int | None) -> None:
        self.times = times

    @contextmanager
    def _around(self) -> Generator[None]:
        for _ in range(self.times or 0):
            yield

    def calling(self, _call: OutgoingCall) -> Any:
        return None if self.times is None else self._around()

    def handling(self, _invocation: HandledInvocation) -> Any:
        return None if self.times is None else self._around()


MISUSES = pytest.mark.parametrize(
    ("times", "message"),
    [
        (0, "must yield exactly once: generator didn't yield"),
        (2, "must yield exactly once: generator didn't stop"),
        (None, "must return a context manager, not NoneType: decorate it with @contextmanager"),
    ],
)


@EVERY
@MISUSES
def test_misuse_names_the_interceptor(use: str, times: int | None, message: str):
    """Also where it stands inside others, which see the same error."""
    outer = Recorder()
    with stubbed() as stub, pytest.raises((RuntimeError, ContractError)) as raised:
        USES[use](LambdaClient(stub, interceptors=[outer, Misused(times)]))

    assert str(raised.value) == f"Misused.calling {message}"
    assert outer.errors == [raised.value]


@MISUSES
def test_misuse_around_a_handler_names_the_interceptor(times: int | None, message: str):
    """As around a call."""
    handler = remote(double, interceptors=[Misused(times)])(twice)
    with pytest.raises((RuntimeError, ContractError)) as raised:
        handler(21, LambdaContext())

    assert str(raised.value) == f"Misused.handling {message}"


def test_a_handler_cannot_swallow_either():
    """Lambda has to see the failure."""

    @remote(double, interceptors=[Around(catch=lambda _: None)])
    def handler(number: int) -> int:
        raise LookupError(number)

    with pytest.raises(RuntimeError, match=r"Around.handling swallowed LookupError"):
        handler(1, None)


def test_handlers_see_refused_requests_and_responses():
    """Validation is inside; so is what the function returns."""
    errors: list[BaseException] = []

    def note(error: BaseException) -> None:
        errors.append(error)
        raise error

    @remote(double, interceptors=[Around(catch=note)])
    def handler(number: int) -> int:
        return "no number" if number else number  # type: ignore[return-value] # pyright: ignore[reportReturnType]

    with pytest.raises(RequestRejectedError):
        handler("x", None)
    with pytest.raises(ResponseError):
        handler(1, None)

    assert [type(error) for error in errors] == [RequestRejectedError, ResponseError]


def test_a_request_can_be_read_before_it_is_handled():
    """It is validated then, once; the context is Lambda's."""
    seen: list[Any] = []
    parsed: list[int] = []

    @remote(
        double, interceptors=[Around(before=lambda invocation: seen.append((invocation.request, invocation.context)))]
    )
    def handler(number: int) -> int:
        parsed.append(number)
        return number * 2

    context = LambdaContext()
    assert handler(1, context) == 2
    assert (seen, parsed) == ([(1, context)], [1])
    with pytest.raises(RequestRejectedError):
        handler("x", context)


def test_a_result_is_there_only_after_a_success():
    """Before, asking for it is a mistake."""
    asked: list[str] = []

    def ask(seen: Any) -> None:
        asked.append(str(getattr(seen, "result", "not yet")))

    @remote(double, interceptors=[Around(before=ask, after=ask)])
    def handler(number: int) -> int:
        return number * 2

    client = LambdaClient(InProcessTransport({double: handler}), interceptors=[Around(before=ask, after=ask)])
    assert client.call(double, 1) == 2
    assert asked == ["not yet", "not yet", "2", "2"]


def test_a_cancelled_call_is_cancelled_inside():
    """The cancellation passes unchanged."""
    recorder = Recorder()

    class Waits:
        """A transport whose response never comes."""

        async def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:  # noqa: ASYNC109
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError(invocation, timeout)

        async def close(self) -> None:
            """No-op."""

    async def cancel() -> None:
        task = asyncio.create_task(AsyncLambdaClient(Waits(), interceptors=[recorder]).call(double, 1))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asked = asyncio.Event()
    asyncio.run(cancel())

    assert [type(error) for error in recorder.errors] == [asyncio.CancelledError]


def test_nothing_secret_is_shown():
    """Not in a repr of a call, an invocation, their metadata or their attempts."""
    shown: list[str] = []

    def show(seen: Any) -> None:
        shown.extend([repr(seen), str(seen), repr(seen.metadata), repr(getattr(seen, "attempts", ""))])
        shown.append(repr(getattr(seen, "options", "")))

    def begin(seen: Any) -> None:
        if isinstance(seen, OutgoingCall):
            seen.metadata["token"] = SECRET
        show(seen)

    echo = Contract("echo", request=str, response=str)
    around = Around(before=begin, after=show)

    @remote(echo, interceptors=[around])
    def handler(text: str) -> str:
        return text

    client = LambdaClient(InProcessTransport({echo: handler}), interceptors=[around])
    client.call(echo, SECRET, client_context={"password": SECRET}, idempotency_key=SECRET)

    assert "OutgoingCall(call 'echo', 1 attempts)" in shown
    assert not [text for text in shown if SECRET in text]
    assert "<metadata: token>" in shown


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("", "x", "a name is text of 1 to 255 characters"),
        ("two\nlines", "x", "a name is text"),
        ("n" * 256, "x", "a name is text"),
        (5, "x", "a name is text"),
        ("name", 5, "must be text, not int"),
        ("name", None, "must be text, not NoneType"),
        ("name", "two\nlines", "text without control characters"),
    ],
)
def test_metadata_is_text(name: Any, text: Any, message: str):
    """Refused where it is set."""

    def add(call: OutgoingCall) -> None:
        call.metadata[name] = text

    with stubbed() as stub, pytest.raises(ContractError, match=message):
        LambdaClient(stub, interceptors=[Around(before=add)]).call(double, 1)
    assert stub.calls == ()


def test_metadata_is_bounded():
    """The error names what is long, and has none of it."""

    def add(call: OutgoingCall) -> None:
        call.metadata.update({"small": "x", "large": SECRET * 400})

    recorder = Recorder()
    with (
        stubbed() as stub,
        pytest.raises(RequestTooLargeError, match=r"2,8\d\d bytes of JSON.*2,048.*large") as refused,
    ):
        LambdaClient(stub, interceptors=[recorder, Around(before=add)]).call(double, 1)

    assert SECRET not in str(refused.value)
    assert recorder.errors == [refused.value]


def test_metadata_that_leaves_no_room_for_the_client_context_is_refused():
    """Neither is dropped silently."""
    recorder = Recorder(text="x" * 2000)
    with (
        stubbed() as stub,
        pytest.raises(RequestTooLargeError, match="client_context and the metadata of interceptors"),
    ):
        LambdaClient(stub, interceptors=[recorder]).call(double, 1, client_context={"own": "y" * 1500})


def test_metadata_is_sent_with_the_call():
    """A change after that would be lost, so it raises."""

    def add(call: OutgoingCall) -> None:
        call.metadata["late"] = "x"

    with stubbed() as stub, pytest.raises(ContractError, match="change it before the yield"):
        LambdaClient(stub, interceptors=[Around(after=add)]).call(double, 1)


class NotDecorated(Interceptor):
    """Lacks @contextmanager."""

    def calling(self, call: OutgoingCall) -> Any:
        yield call


class Asynchronous(Interceptor):
    """Is for event loops only."""

    @asynccontextmanager
    async def calling(self, call: OutgoingCall) -> AsyncGenerator[None]:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        yield


class Coroutine(Interceptor):
    """Is a coroutine function."""

    async def handling(self, invocation: HandledInvocation) -> None:  # type: ignore[override] # pyright: ignore[reportIncompatibleMethodOverride]
        """Handle nothing."""


class Instrumentor:
    """As OpenTelemetry's: it registers an interceptor, and is not one."""

    def instrument(self) -> None:
        """Register it."""


WRONG: dict[str, tuple[Any, str]] = {
    "not decorated": (
        [NotDecorated()],
        "NotDecorated.calling is a generator function: decorate it with @contextmanager",
    ),
    "async": ([Asynchronous()], "Asynchronous.calling is async"),
    "coroutine": ([Coroutine()], "Coroutine.handling is async"),
    "class": ([Recorder], r"Recorder is a class: pass an instance, Recorder\(\)"),
    "mock": ([MagicMock(instrument=None)], "MagicMock is a function, not a subclass of lambdachain.Interceptor"),
    "other": ([1], "int is not a subclass of lambdachain.Interceptor"),
    "function": ([print], "builtin_function_or_method is a function, not a subclass of lambdachain.Interceptor"),
    "list in a list": ([[Recorder()]], r"list where an interceptor is expected: .* use\(\*interceptors\)"),
    "instrumentor": ([Instrumentor()], r"Instrumentor is an instrumentor, .*: call its instrument\(\) instead"),
    "one": (Recorder(), r"must be a list of interceptors, not Recorder: interceptors=\[Audit\(\)\]"),
    "none": (None, "must be a list of interceptors, not NoneType"),
    "text": ("audit", "must be a list of interceptors, not str"),
}


REGISTER: dict[str, Callable[[Any], object]] = {
    "client": lambda interceptors: LambdaClient(interceptors=interceptors),
    "async client": lambda interceptors: AsyncLambdaClient(interceptors=interceptors),
    "contract": lambda interceptors: remote(double, interceptors=interceptors),
    "name": lambda interceptors: remote("double", interceptors=interceptors),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("where", REGISTER)
def test_what_cannot_work_is_refused(where: str, name: str):
    """Where it is registered, not at the first call."""
    interceptors, message = WRONG[name]
    with pytest.raises(ContractError, match=message):
        REGISTER[where](interceptors)


@pytest.mark.parametrize(
    ("interceptor", "message"),
    [
        ([Recorder()], r"list where an interceptor is expected: pass each one by itself, use\(\*interceptors\)"),
        ((Recorder(), Recorder()), "tuple where an interceptor"),
        ((one for one in [Recorder()]), "generator where an interceptor"),
        (Recorder, r"Recorder is a class: pass an instance, Recorder\(\)"),
        (None, "NoneType is not a subclass"),
    ],
)
def test_use_takes_each_interceptor_by_itself(interceptor: Any, message: str):
    """Not a list of them, and not their class."""
    with pytest.raises(ContractError, match=message):
        lambdachain.use(interceptor)


@pytest.mark.parametrize("name", ["contract", "function", "operation", "options", "request", "attempts", "result"])
def test_a_call_cannot_be_changed(name: str):
    """An assignment would have no effect; an attribute of the interceptor's own may be kept there."""

    def change(call: Any) -> None:
        call.started_at = 1
        with pytest.raises(
            AttributeError, match="cannot be changed" if name not in ("attempts", "result") else "setter"
        ):
            setattr(call, name, None)

    with stubbed() as stub:
        assert LambdaClient(stub, interceptors=[Around(change)]).call(double, 1) == 2


@pytest.mark.parametrize("name", ["contract", "metadata", "context"])
def test_an_invocation_cannot_be_changed(name: str):
    """As a call."""

    def change(invocation: Any) -> None:
        with pytest.raises(AttributeError, match=f"{name} cannot be changed"):
            setattr(invocation, name, None)

    @remote(double, interceptors=[Around(change)])
    def handler(number: int) -> int:
        return number * 2

    assert handler(1, LambdaContext("double")) == 2


def test_a_method_that_is_set_on_an_interceptor_counts():
    """As it does for other objects."""
    seen: list[str] = []

    @contextmanager
    def calling(call: OutgoingCall) -> Generator[None]:
        seen.append(call.function)
        yield

    interceptor = Interceptor()
    interceptor.calling = calling  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue]
    with stubbed() as stub:
        LambdaClient(stub, interceptors=[interceptor]).call(double, 1)
    assert seen == ["double"]


def test_use_refuses_it_too():
    """And registers nothing."""
    with pytest.raises(ContractError, match="decorate it with @contextmanager"):
        lambdachain.use(NotDecorated())
    with stubbed() as stub:
        assert LambdaClient(stub).call(double, 1) == 2


def test_an_interceptor_of_one_side_is_not_called_on_the_other(monkeypatch: pytest.MonkeyPatch):
    """Which side it stands on is found out once, when it is registered."""

    class Caller(Interceptor):
        """Overrides calling only."""

        @contextmanager
        def calling(self, call: OutgoingCall) -> Generator[None]:
            yield

    @remote(double, interceptors=[Caller()])
    def handler(number: int) -> int:
        return number * 2

    with lambdachain.use(Caller()):
        client = LambdaClient(InProcessTransport({double: handler}), interceptors=[Interceptor(), Caller()])
        monkeypatch.setattr(Interceptor, "calling", None)
        monkeypatch.setattr(Interceptor, "handling", None)
        assert client.call(double, 1) == 2


def test_retried_errors_are_public():
    """A failed attempt is a CallError with its execution."""
    recorder = Recorder()
    with StubTransport() as stub:
        stub.on(double).raises(ServiceError)
        with pytest.raises(ServiceError):
            LambdaClient(interceptors=[recorder]).call(double, 1)

    assert type(recorder.calls[0].attempts[0].error) is ServiceError
