"""A fault-injecting server, and transports that send to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdachain import HttpTransport
from tests.support import faults
from tests.support.certificates import write_self_signed
from tests.support.laboratory import Laboratory


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    """A server that responds as Lambda does to a success, unless a test scripts something else."""
    with Laboratory() as running:
        running.play(faults.SUCCESS)
        yield running


@pytest.fixture
def tls_laboratory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laboratory]:
    """The same with TLS, and a trusted certificate."""
    certificate = write_self_signed(tmp_path_factory.mktemp("tls") / "server.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with Laboratory(certificate) as running:
        running.play(faults.SUCCESS)
        yield running


@pytest.fixture
def transport(laboratory: Laboratory) -> Iterator[HttpTransport]:
    """A transport that sends to that server."""
    made = HttpTransport(endpoint_url=laboratory.url)
    yield made
    made.close()
