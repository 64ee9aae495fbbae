"""Fixtures of the tests with the libraries that lambdachain works with; `make integrations` installs those."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.trace_collector import TraceCollector


@pytest.fixture(scope="session")
def collector() -> Iterator[TraceCollector]:
    """A server that receives spans as OpenTelemetry's collector does, over OTLP."""
    with TraceCollector() as running:
        yield running
