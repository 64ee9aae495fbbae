"""Every transport, with the same functions behind it, and an interceptor that writes down what it sees."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

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
from lambdachain.local import LocalFunction
from lambdachain.testing import StubTransport
from tests.interceptors import intercepted_functions as functions
from tests.support.async_as_sync import ASYNC_TRANSPORTS, client_over
from tests.support.endpoint_transports import call_from_event_loop, make_awaited, serve_and_connect

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
    with serve_and_connect(served, make) as transport:
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


TRANSPORTS: Final[dict[str, Callable[[], AbstractContextManager[Transport]]]] = {
    "boto3": partial(on_the_endpoint, BotoTransport),
    "http": partial(on_the_endpoint, HttpTransport),
    "in process": in_process,
    "stub": stub,
    **{name: partial(on_the_endpoint, partial(make_awaited, name)) for name in ASYNC_TRANSPORTS},
    "async in process": partial(call_from_event_loop, in_process),
    "async stub": partial(call_from_event_loop, stub),
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
