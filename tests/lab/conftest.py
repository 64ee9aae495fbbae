"""Plain and TLS laboratories, and clients that send everything to them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from lambdachain import BotoTransport, HttpTransport, LambdaClient, RetryPolicy
from tests.support.async_as_sync import ASYNC_TRANSPORTS, AwaitedTransport, client_over, session_for
from tests.support.certificates import write_self_signed
from tests.support.faults import SUCCESS
from tests.support.laboratory import Laboratory

QUICK = RetryPolicy(initial_delay=0.0002, budget=None)
SECRET = "secret-canary-access-key"


TRANSPORTS: dict[str, Any] = {"boto3": BotoTransport, "http": HttpTransport, **ASYNC_TRANSPORTS}


def create_client(over: str, url: str, certificate: object = None, policy: RetryPolicy = QUICK) -> LambdaClient:
    """Create a client that sends *over* a transport to *url*, and trusts *certificate* if there is one."""
    session = session_for(over)
    session.set_credentials("AKIATESTTESTTESTTEST", SECRET)
    if certificate is not None:
        session.set_config_variable("ca_bundle", str(certificate))
    transport = TRANSPORTS[over](session=session, region="eu-west-1", endpoint_url=url)
    return client_over(AwaitedTransport(transport) if over in ASYNC_TRANSPORTS else transport, retry=policy)


def warm_up(client: LambdaClient, laboratory: Laboratory) -> LambdaClient:
    """Make a first call: on a busy machine its imports take longer than the timeouts of the tests."""
    laboratory.play(SUCCESS)
    client.call("f", None)
    return client


@pytest.fixture(scope="session", params=TRANSPORTS)
def over(request: pytest.FixtureRequest) -> str:
    """Each transport in turn: the same must hold for all."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Laboratory]:
    """The laboratory of all tests; each plays its own faults."""
    with Laboratory() as running:
        yield running


@pytest.fixture(scope="session")
def client(laboratory: Laboratory, over: str) -> Iterator[LambdaClient]:
    """A client of the laboratory, with one connection pool for all tests."""
    with create_client(over, laboratory.url) as made:
        yield warm_up(made, laboratory)


@pytest.fixture(scope="session")
def tls_laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A laboratory that speaks TLS with a self-signed certificate."""
    with Laboratory(write_self_signed(tmp_path_factory.mktemp("tls") / "server.pem")) as running:
        yield running


@pytest.fixture(scope="session")
def tls_client(tls_laboratory: Laboratory, over: str) -> Iterator[LambdaClient]:
    """A client of the TLS laboratory that trusts its certificate."""
    with create_client(over, tls_laboratory.url, tls_laboratory.certificate) as made:
        yield warm_up(made, tls_laboratory)


@pytest.fixture(scope="session")
def connect(over: str) -> Any:
    """Create a client that sends to a URL; see ``create_client``."""
    return partial(create_client, over)
