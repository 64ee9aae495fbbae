"""Every transport, with the same functions behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from lambdachain import (
    BotoTransport,
    FunctionNotFoundError,
    FunctionTimeoutError,
    HttpTransport,
    InProcessTransport,
    LambdaClient,
    Transport,
)
from lambdachain._transports.transport_override import override_transport
from lambdachain.local import LocalFunction
from tests.conformance import conformance_functions as functions
from tests.support.async_as_sync import ASYNC_TRANSPORTS, client_over
from tests.support.endpoint_transports import call_from_event_loop, make_awaited, serve_and_connect


@dataclass(frozen=True)
class DeployedFunction:
    """A function with its configuration for every transport."""

    name: str
    handler: str
    timeout: float = 20.0
    reserved_concurrency: int | None = None
    tenant_isolation: bool = False

    @property
    def function(self) -> Any:
        return getattr(functions, self.handler)


DEPLOYED: Final = [
    DeployedFunction("place", "place_order"),
    DeployedFunction("relay", "relay_order"),
    DeployedFunction("metadata", "report_metadata"),
    DeployedFunction("echo", "echo"),
    DeployedFunction("describe", "describe"),
    DeployedFunction("describe-tenant", "describe", tenant_isolation=True),
    DeployedFunction("fail", "fail"),
    DeployedFunction("leave", "leave"),
    DeployedFunction("answer-a-set", "answer_a_set"),
    DeployedFunction("answer-nan", "answer_nan"),
    DeployedFunction("answer-large", "answer_large"),
    DeployedFunction("oversleep", "oversleep", timeout=1.0),
    DeployedFunction("parked", "echo", reserved_concurrency=0),
]


@contextmanager
def on_the_endpoint(make: Callable[..., Transport]) -> Iterator[Transport]:
    """Serve the functions in processes of the real runtime client, and call them over HTTP."""
    here = Path(__file__).parent
    served = [
        LocalFunction(
            deployed.name,
            f"conformance_functions.{deployed.handler}",
            directory=here,
            timeout=deployed.timeout,
            reserved_concurrency=deployed.reserved_concurrency,
            tenant_isolation=deployed.tenant_isolation,
        )
        for deployed in DEPLOYED
    ]
    with serve_and_connect(served, make) as transport:
        yield transport


@contextmanager
def in_process() -> Iterator[Transport]:
    """Run the functions in this process."""
    with InProcessTransport() as system:
        for deployed in DEPLOYED:
            system.add(
                deployed.name,
                deployed.function,
                timeout=deployed.timeout,
                reserved_concurrency=deployed.reserved_concurrency,
                tenant_isolation=deployed.tenant_isolation,
            )
        yield system


@contextmanager
def stub() -> Iterator[Transport]:
    """Script the functions: by their own code, or by the steps of a stub that correspond to it."""
    from lambdachain.testing import StubTransport

    scripted = StubTransport()
    for deployed in DEPLOYED:
        on = scripted.on(deployed.name, optional=True)
        if deployed.reserved_concurrency == 0:
            on.throttles(reason="ReservedFunctionConcurrentInvocationLimitExceeded")
        elif deployed.name == "oversleep":
            on.raises(FunctionTimeoutError)
        else:
            on.accepts().runs(deployed.function)
    scripted.on("echo", qualifier="gone", optional=True).raises(FunctionNotFoundError)
    scripted.on("gone", optional=True).raises(FunctionNotFoundError)
    with override_transport(scripted):
        yield scripted


TRANSPORTS: Final[dict[str, Callable[[], AbstractContextManager[Transport]]]] = {
    "boto3 on the endpoint": partial(on_the_endpoint, BotoTransport),
    "http on the endpoint": partial(on_the_endpoint, HttpTransport),
    "in process": in_process,
    "stub": stub,
    **{f"{name} on the endpoint": partial(on_the_endpoint, partial(make_awaited, name)) for name in ASYNC_TRANSPORTS},
    "async in process": partial(call_from_event_loop, in_process),
    "async stub": partial(call_from_event_loop, stub),
}


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """Return each transport in turn."""
    with ExitStack() as stack:
        yield stack.enter_context(TRANSPORTS[request.param]())


@pytest.fixture
def client(transport: Transport) -> LambdaClient:
    """A client over the transport."""
    return client_over(transport)
