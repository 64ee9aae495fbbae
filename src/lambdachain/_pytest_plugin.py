"""The pytest plugin: fixtures that stand in for AWS, and no test that calls AWS by accident.

pytest loads it wherever lambdachain is installed, so it loads next to nothing itself: what a fixture needs is imported
when a test asks for the fixture.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack, cast

import pytest

from ._core.errors import LambdaChainError
from ._transports.transport_override import StubError, network_guard, override_transport, transport_override

if TYPE_CHECKING:
    from random import Random

    from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation
    from lambdachain.testing import InProcessTransport, LambdaContext, StubTransport

_ALLOW: Final = "allow_real_invokes"
_OURS: Final = "lambdachain"
_SECTION: Final = "lambdachain calls"
_MOST_LINES: Final = 50
_REMEMBERING: Final = (
    "lambdachain._calling.retry_budget",
    "lambdachain._core.clock",
    "lambdachain._fan_out.concurrency_limit",
)

# Between our frames and the wire; and what catches errors on a test's behalf.
_BELOW: Final = frozenset(
    {"asyncio", "boto3", "botocore", "concurrent", "contextlib", "http", "tenacity", "threading", "urllib3"}
)
_EXPECTING: Final = frozenset({"_pytest", "unittest"})


class _EndpointSettings(TypedDict, total=False):
    host: str
    port: int
    account_id: str
    region: str
    queue: str | Path | None
    clock: Literal["real", "virtual"]
    services: Mapping[str, str] | None
    observer: Callable[[LocalInvocation], None] | None
    random: Random | None


_was_closed: Final = pytest.StashKey[bool]()
_outcomes: Final = pytest.StashKey[set[str]]()
_stood_in: Final = pytest.StashKey[object]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option of the configuration file."""
    parser.addini(
        f"lambdachain_{_ALLOW}",
        "lambdachain: let every test call functions on AWS itself (default: false; one test: the marker)",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Close the guard, before the first module of tests is imported."""
    config.addinivalue_line("markers", f"{_ALLOW}: let this test call functions on AWS itself (lambdachain)")
    config.stash[_was_closed] = network_guard.closed
    network_guard.closed = not config.getini(f"lambdachain_{_ALLOW}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the guard as it was: pytest may run inside a program, or inside a test."""
    network_guard.closed = config.stash.get(_was_closed, network_guard.closed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the guard for a test that says so, its own fixtures included."""
    closed = network_guard.closed
    network_guard.closed = closed and item.get_closest_marker(_ALLOW) is None
    try:
        return (yield)
    finally:
        network_guard.closed = closed


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin anew, also where a plugin runs a test again: no failure of an earlier test stops this one's retries.

    Nor does a throttle of an earlier one slow down its maps, or time that was skipped there end a context of both.
    """
    item.stash[_outcomes] = set()
    for name in _REMEMBERING:
        module = sys.modules.get(name)
        if module is not None:
            module.forget()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failure by the user's own lines and the calls that came."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        call.excinfo = _cut(call.excinfo)
    report = yield
    if call.when == "call":
        item.stash.setdefault(_outcomes, set()).add(report.outcome)
    standing = item.stash.get(_stood_in, None) if call.when == "teardown" else transport_override()
    item.stash[_stood_in] = None if call.when == "teardown" else standing
    if report.failed and (calls := _described(standing)):
        report.sections.append((_SECTION, calls))
    return report


@pytest.fixture
def lambda_stub(request: pytest.FixtureRequest) -> Generator[StubTransport]:
    """Describe what functions answer, and look at what they were asked; nothing is sent to AWS.

    Takes the calls of every client that would send to AWS, in all threads:

        def test_order_is_charged(lambda_stub: StubTransport) -> None:
            charges = lambda_stub.on(charge).returns(ChargeResponse(charge_id="c-1"))
            assert handler.local(Order(id="o-1", cents=500)).ok
            assert charges.calls[0].request == ChargeRequest(order_id="o-1", cents=500)

    Strict both ways: a call that nothing was said about fails the test, even if the code under test catches the error,
    and so does something said that no call asked for. A test that expects UnstubbedCallError catches it itself.
    """
    from lambdachain.testing import StubTransport

    stub = StubTransport()
    with override_transport(stub):
        yield stub
    if request.node.stash.get(_outcomes, set()) == {"passed"}:
        _check(stub, request.node)


@pytest.fixture
def lambda_inprocess() -> Generator[InProcessTransport]:
    """Run real handlers in this process with Lambda's semantics; the test says which.

    Takes the calls of every client that would send to AWS, in all threads, and those of the handlers among each other:

        def test_system(lambda_inprocess: InProcessTransport) -> None:
            lambda_inprocess.add(orders.handler)
            lambda_inprocess.add(billing.handler)
            assert LambdaClient().call(orders.handler, Order(id="o-1", cents=500)).ok
    """
    from lambdachain.testing import InProcessTransport

    with InProcessTransport() as system:
        yield system


@pytest.fixture
def lambda_endpoint() -> Generator[Callable[..., LocalEndpoint]]:
    """Serve functions in processes of the real runtime client, over HTTP; needs lambdachain[local].

    A callable: each call starts a LocalEndpoint, which takes the calls of every client that would send to AWS, and, by
    AWS_ENDPOINT_URL_LAMBDA, of plain boto3 in the test. The last one started is the one that takes them; all are
    stopped at the end.

        def test_as_deployed(lambda_endpoint: Callable[..., LocalEndpoint]) -> None:
            lambda_endpoint(LocalFunction("billing-charge", "app.handler", directory="billing"))
            assert LambdaClient().call(charge, ChargeRequest(order_id="o-1", cents=500)).charge_id

    Keywords are those of LocalEndpoint.
    """
    try:
        from lambdachain.local import LocalEndpoint
    except ImportError as missing:
        pytest.fail(f"the fixture lambda_endpoint: {missing}", pytrace=False)

    with ExitStack() as running:

        def start(*functions: LocalFunction, **settings: Unpack[_EndpointSettings]) -> LocalEndpoint:
            endpoint = running.enter_context(LocalEndpoint(functions, **settings))
            running.enter_context(_every_client_on(endpoint))
            return endpoint

        yield start


@pytest.fixture
def lambda_context() -> LambdaContext:
    """Return the context that Lambda gives a handler, with Lambda's defaults: 128 MB, and 3 seconds that run from now.

    For other values make one: LambdaContext("orders", timeout=30).
    """
    from lambdachain.testing import LambdaContext

    return LambdaContext()


@contextmanager
def _every_client_on(endpoint: LocalEndpoint) -> Generator[None]:
    """Have lambdachain's clients and plain boto3 call *endpoint*: with credentials that are none, and by no proxy."""
    import boto3
    from botocore.config import Config

    from ._core.arn import FunctionArn
    from ._transports.boto.transport import BotoTransport

    region = FunctionArn.parse(endpoint.arn("function")).region
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=region)  # noqa: S106
    transport = BotoTransport(session=session, endpoint_url=endpoint.url, config=Config(proxies={}))
    with pytest.MonkeyPatch.context() as environment, override_transport(transport):
        environment.setenv("AWS_ENDPOINT_URL_LAMBDA", endpoint.url)
        yield
    transport.close()


def _check(stub: StubTransport, item: pytest.Item) -> None:
    """Fail a test that passed, but not by what it said."""
    for error in stub.unstubbed:
        if not _is_caught_by(item, error.__traceback__):
            error.add_note("Raised again at the end of the test, because something else than the test caught it.")
            raise error
    try:
        stub.verify()
    except StubError as unused:
        words = f"{type(unused).__name__}: {unused}"
    else:
        return
    pytest.fail(words, pytrace=False)


def _is_caught_by(item: pytest.Item, traceback: TracebackType | None) -> bool:
    """Check whether the test itself caught an error: the outermost frame of a traceback is where it was caught."""
    if traceback is None:  # unittest's assertRaises takes it away
        return True
    path = Path(traceback.tb_frame.f_code.co_filename)
    tests = {item.path, *_file_of(getattr(item, "obj", None))}
    return path in tests or path.name == "conftest.py" or _package(traceback) in _EXPECTING


def _file_of(function: object) -> list[Path]:
    """Return the file of a test function: another than its item's where the class of a test is inherited."""
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return [Path(code.co_filename)] if code is not None else []


def _cut(failure: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Remove our frames, and those below them, out of the traceback of an error of ours."""
    kept = list(_users(failure.tb))
    if not isinstance(failure.value, LambdaChainError) or all(map(_is_pytests, kept)):
        return failure
    if isinstance(failure.value, StubError):
        _drop_inner_context(failure.value)
    traceback: TracebackType | None = None
    for entry in reversed(kept):
        traceback = TracebackType(traceback, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    # pytest goes back to the real one where it cuts off its own frames, so that filtering its copy is not enough
    cut = (failure.type, failure.value, cast("TracebackType", traceback))
    return pytest.ExceptionInfo[BaseException].from_exc_info(cut)


def _drop_inner_context(error: StubError) -> None:
    """Leave out what a transport made of the error on its way: nothing that the user's code had a part in."""
    inner = error.__context__
    if inner is not None and not any(_users(inner.__traceback__)):
        error.__suppress_context__ = True


def _users(entry: TracebackType | None) -> Iterator[TracebackType]:
    is_inside = False
    while entry is not None:
        package = _package(entry)
        is_inside = package == _OURS or (is_inside and package in _BELOW)
        if not is_inside:
            yield entry
        entry = entry.tb_next


def _is_pytests(entry: TracebackType) -> bool:
    return _package(entry) in ("_pytest", "pluggy")


def _package(entry: TracebackType) -> str:
    """Return the top-level package of a frame."""
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _described(transport: object) -> str:
    """Write the calls that a stand-in took, the last of them if they are many."""
    describe = getattr(transport, "describe", None)
    lines = str(describe()).splitlines() if callable(describe) else []
    more = len(lines) - _MOST_LINES
    return "\n".join([f"... {more} before", *lines[-_MOST_LINES:]] if more > 0 else lines)
