"""Every transport, with the same functions behind it, and an interceptor that writes down what it sees."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from lambdachain import (
    BotoTransport,
    HttpTransport,
    InProcessTransport,
    Interceptor,
    LambdaClient,
    OutgoingCall,
    Transport,
)
from lambdachain._transports.async_adapter import to_async_transport
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.testing import StubTransport
from tests.interceptors import intercepted_functions as functions
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, client_over

HANDLERS: Final = {
    "order": "handle_order",
    "order-async": "handle_order_async",
    "plain": "handle_plain",
    "wrong": "answer_text",
}


class Recorder(Interceptor):
    """Writes down what it sees of each call."""

    def __init__(self, name: str = "recorder", **metadata: str) -> None:
        self.name = name
        self.steps: list[str] = []
        self.calls: list[OutgoingCall] = []
        self.errors: list[BaseException] = []
        self.metadata = metadata

    @contextmanager
    def calling(self, call: OutgoingCall) -> Generator[None]:
        self.steps.append(f"{self.name} enters")
        self.calls.append(call)
        call.metadata.update(self.metadata)
        try:
            yield
        except BaseException as error:
            self.steps.append(f"{self.name} sees {type(error).__name__}")
            self.errors.append(error)
            raise
        self.steps.append(f"{self.name} leaves")


@contextmanager
def on_the_endpoint(make: Callable[..., Transport]) -> Generator[Transport]:
    """Serve the functions in processes of the real runtime client."""
    here = Path(__file__).parent
    served = [
        LocalFunction(name, f"intercepted_functions.{handler}", directory=here, timeout=20.0)
        for name, handler in HANDLERS.items()
    ]
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    with LocalEndpoint(served) as endpoint:
        transport = make(session=session, endpoint_url=endpoint.url)
        yield transport
        transport.close()


@contextmanager
def awaited_on_the_endpoint(name: str) -> Generator[Transport]:
    """Serve the functions, and call them from an event loop."""

    def make(*, session: boto3.Session, endpoint_url: str) -> Any:
        return AwaitedTransport(ASYNC_TRANSPORTS[name](region=session.region_name, endpoint_url=endpoint_url))

    with on_the_endpoint(make) as transport:
        yield transport


@contextmanager
def in_process() -> Generator[Transport]:
    """Run the functions in this process."""
    system = InProcessTransport(timeout=20.0)
    for name, handler in HANDLERS.items():
        system.add(name, getattr(functions, handler))
    yield system


@contextmanager
def stub() -> Generator[Transport]:
    """Script the functions by their own code."""
    scripted = StubTransport()
    for name, handler in HANDLERS.items():
        scripted.on(name, optional=True).accepts().runs(getattr(functions, handler))
    yield scripted


@contextmanager
def awaited(make: Callable[[], AbstractContextManager[Transport]]) -> Generator[Transport]:
    """Call a blocking transport from an event loop."""
    with make() as transport:
        yield AwaitedTransport(to_async_transport(transport))


TRANSPORTS: Final[dict[str, Callable[[], AbstractContextManager[Transport]]]] = {
    "boto3": partial(on_the_endpoint, BotoTransport),
    "http": partial(on_the_endpoint, HttpTransport),
    "in process": in_process,
    "stub": stub,
    **{name: partial(awaited_on_the_endpoint, name) for name in ASYNC_TRANSPORTS},
    "async in process": partial(awaited, in_process),
    "async stub": partial(awaited, stub),
}


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """Return each transport in turn."""
    with ExitStack() as stack:
        yield stack.enter_context(TRANSPORTS[request.param]())


@pytest.fixture
def recorder() -> Recorder:
    """An interceptor that adds a text to each call."""
    return Recorder(tenant="acme")


@pytest.fixture
def client(transport: Transport, recorder: Recorder) -> LambdaClient:
    """A client over the transport, with the recorder."""
    return client_over(transport, interceptors=[recorder])
