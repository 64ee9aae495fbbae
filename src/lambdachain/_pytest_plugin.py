"""The pytest plugin: fixtures that take the place of AWS, and a guard that stops tests from calling AWS by accident.

pytest loads it wherever lambdachain is installed, so it imports next to nothing: a fixture imports what it needs when a
test requests it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Unpack, cast

import pytest

from ._core.errors import LambdaChainError
from ._transports.transport_override import StubError, network_guard, override_transport, transport_override

if TYPE_CHECKING:
    from lambdachain.local import LocalEndpoint, LocalFunction
    from lambdachain.testing import InProcessTransport, LambdaContext, LambdaEndpoint, StubTransport
    from lambdachain.testing._endpoint_fixture import EndpointArguments

_ALLOW: Final = "allow_real_invokes"
_PACKAGE: Final = "lambdachain"
_SECTION: Final = "lambdachain calls"
_MAX_LINES: Final = 50
_STATEFUL_MODULES: Final = (
    "lambdachain._calling.retry_budget",
    "lambdachain._core.clock",
    "lambdachain._fan_out.concurrency_limit",
)

# Packages whose frames appear below ours in a traceback; and packages that catch errors on behalf of a test.
_LOWER_PACKAGES: Final = frozenset(
    {"asyncio", "boto3", "botocore", "concurrent", "contextlib", "http", "tenacity", "threading", "urllib3"}
)
_CATCHING: Final = frozenset({"_pytest", "unittest"})


_was_closed: Final = pytest.StashKey[bool]()
_outcomes: Final = pytest.StashKey[set[str]]()
_transport: Final = pytest.StashKey[object]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(
        f"lambdachain_{_ALLOW}",
        "lambdachain: allow every test to call functions on AWS (default: false; one test: the marker)",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Close the network guard before the first test module is imported."""
    config.addinivalue_line("markers", f"{_ALLOW}: allow this test to call functions on AWS (lambdachain)")
    config.stash[_was_closed] = network_guard.closed
    network_guard.closed = not config.getini(f"lambdachain_{_ALLOW}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Restore the guard: pytest may run inside a program, or inside a test."""
    network_guard.closed = config.stash.get(_was_closed, network_guard.closed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the guard for a test with the marker, including its fixtures."""
    closed = network_guard.closed
    network_guard.closed = closed and item.get_closest_marker(_ALLOW) is None
    try:
        return (yield)
    finally:
        network_guard.closed = closed


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reset process-wide state before each test, and each rerun of a test.

    Otherwise failures of an earlier test would use up this one's retry budget, its throttles would slow down maps, and
    the time that it skipped would be missing in contexts that both use.
    """
    item.stash[_outcomes] = set()
    for name in _STATEFUL_MODULES:
        # A module that is not imported has no state to reset, and importing it would cost time.
        module = sys.modules.get(name)
        if module is not None:
            module.forget()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shorten the traceback of a failure to the user's own frames, and add a section with the calls."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        call.excinfo = _shorten(call.excinfo)
    report = yield
    if call.when == "call":
        item.stash.setdefault(_outcomes, set()).add(report.outcome)
    # At teardown the fixture has removed its transport already, so the one of the call phase is kept for it.
    transport = item.stash.get(_transport, None) if call.when == "teardown" else transport_override()
    item.stash[_transport] = None if call.when == "teardown" else transport
    if report.failed and (calls := _describe_calls(transport)):
        report.sections.append((_SECTION, calls))
    return report


@pytest.fixture
def lambda_stub(request: pytest.FixtureRequest) -> Generator[StubTransport]:
    """Script the responses of functions, and check their requests; nothing is sent to AWS.

    Receives the calls of every client that would send to AWS, in all threads:

        def test_order_is_charged(lambda_stub: StubTransport) -> None:
            charges = lambda_stub.on(charge).returns(ChargeResponse(charge_id="c-1"))
            assert handler.local(Order(id="o-1", cents=500)).ok
            assert charges.calls[0].request == ChargeRequest(order_id="o-1", cents=500)

    Strict both ways: a call without a stub fails the test, even if the code under test catches the error, and so does a
    stub that no call has used. A test that expects UnstubbedCallError catches it itself.
    """
    from lambdachain.testing import StubTransport

    stub = StubTransport()
    with override_transport(stub):
        yield stub
    # A test that failed or was skipped did not get to use all its stubs.
    if request.node.stash.get(_outcomes, set()) == {"passed"}:
        _check_stub(stub, request.node)


@pytest.fixture
def lambda_inprocess() -> Generator[InProcessTransport]:
    """Run real handlers in this process with Lambda's semantics; the test adds them.

    Receives the calls of every client that would send to AWS, in all threads, and the calls between handlers:

        def test_system(lambda_inprocess: InProcessTransport) -> None:
            lambda_inprocess.add(orders.handler)
            lambda_inprocess.add(billing.handler)
            assert LambdaClient().call(orders.handler, Order(id="o-1", cents=500)).ok
    """
    from lambdachain.testing import InProcessTransport

    with InProcessTransport() as system:
        yield system


@pytest.fixture
def lambda_endpoint() -> Generator[LambdaEndpoint]:
    """Serve functions in processes of the real runtime client, over HTTP; needs lambdachain[local].

    A callable: each call starts a LocalEndpoint, which receives the calls of every client that would send to AWS, and,
    by AWS_ENDPOINT_URL_LAMBDA, of plain boto3 in the test. The endpoint started last receives them; all are stopped at
    the end of the test.

        def test_as_deployed(lambda_endpoint: LambdaEndpoint) -> None:
            lambda_endpoint(LocalFunction("billing-charge", "app.handler", directory="billing"))
            assert LambdaClient().call(charge, ChargeRequest(order_id="o-1", cents=500)).charge_id

    The keyword arguments are those of LocalEndpoint.
    """
    try:
        from lambdachain.local import LocalEndpoint
    except ImportError as missing:
        pytest.fail(f"the fixture lambda_endpoint: {missing}", pytrace=False)

    with ExitStack() as running:

        def start(*functions: LocalFunction, **settings: Unpack[EndpointArguments]) -> LocalEndpoint:
            endpoint = running.enter_context(LocalEndpoint(functions, **settings))
            running.enter_context(_redirect_clients_to(endpoint))
            return endpoint

        yield start


@pytest.fixture
def lambda_context() -> LambdaContext:
    """Return a fake of the context that Lambda passes to a handler, with Lambda's defaults: 128 MB, 3 seconds from now.

    For other values create one: LambdaContext("orders", timeout=30).
    """
    from lambdachain.testing import LambdaContext

    return LambdaContext()


@contextmanager
def _redirect_clients_to(endpoint: LocalEndpoint) -> Generator[None]:
    """Make lambdachain's clients and plain boto3 call *endpoint*, with dummy credentials and without a proxy."""
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


def _check_stub(stub: StubTransport, item: pytest.Item) -> None:
    """Fail a test that passed in spite of an unexpected call or an unused stub."""
    for error in stub.unstubbed:
        # A call from code that swallows exceptions has to fail the test, but an expected one must not.
        if not _is_caught_by(item, error.__traceback__):
            error.add_note("Raised again at the end of the test, because the code under test caught it.")
            raise error
    try:
        stub.verify()
    except StubError as unused:
        message = f"{type(unused).__name__}: {unused}"
    else:
        return
    pytest.fail(message, pytrace=False)


def _is_caught_by(item: pytest.Item, traceback: TracebackType | None) -> bool:
    """Check whether the test itself caught an error: the outermost frame of its traceback is the one that caught it."""
    if traceback is None:  # unittest's assertRaises removes it
        return True
    path = Path(traceback.tb_frame.f_code.co_filename)
    tests = {item.path, *_find_file(getattr(item, "obj", None))}
    return path in tests or path.name == "conftest.py" or _package(traceback) in _CATCHING


def _find_file(function: object) -> list[Path]:
    """Return the file of a test function; it is not that of the item if the test class is inherited."""
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return [Path(code.co_filename)] if code is not None else []


def _shorten(failure: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Remove our frames, and those below them, from the traceback of an error of ours."""
    frames = list(_user_frames(failure.tb))
    if not isinstance(failure.value, LambdaChainError) or all(map(_is_pytest_frame, frames)):
        return failure
    if isinstance(failure.value, StubError):
        _drop_inner_context(failure.value)
    traceback: TracebackType | None = None
    # A traceback is a linked list from the outermost frame inwards, so it is rebuilt from the inside.
    for entry in reversed(frames):
        traceback = TracebackType(traceback, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    # pytest reads the real traceback again when it removes its own frames: filtering its copy is not enough.
    cut = (failure.type, failure.value, cast("TracebackType", traceback))
    return pytest.ExceptionInfo[BaseException].from_exc_info(cut)


def _drop_inner_context(error: StubError) -> None:
    """Hide the context that a transport added to the error, if no code of the user took part in it."""
    inner = error.__context__
    if inner is not None and not any(_user_frames(inner.__traceback__)):
        error.__suppress_context__ = True


def _user_frames(entry: TracebackType | None) -> Iterator[TracebackType]:
    # A frame of the standard library or of botocore is ours only below a frame of ours.
    is_inside = False
    while entry is not None:
        package = _package(entry)
        is_inside = package == _PACKAGE or (is_inside and package in _LOWER_PACKAGES)
        if not is_inside:
            yield entry
        entry = entry.tb_next


def _is_pytest_frame(entry: TracebackType) -> bool:
    return _package(entry) in ("_pytest", "pluggy")


def _package(entry: TracebackType) -> str:
    """Return the top-level package of a frame."""
    return str(entry.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _describe_calls(transport: object) -> str:
    """Return the calls that a transport has recorded; if there are many, the last ones."""
    describe = getattr(transport, "describe", None)
    lines = str(describe()).splitlines() if callable(describe) else []
    more = len(lines) - _MAX_LINES
    return "\n".join([f"... {more} earlier calls", *lines[-_MAX_LINES:]] if more > 0 else lines)
