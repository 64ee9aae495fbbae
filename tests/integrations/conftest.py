"""Fixtures of the tests with the libraries that lambdachain works with; `make integrations` installs those."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.trace_collector import TraceCollector


@pytest.fixture(scope="session", autouse=True)
def _event_loop_of_imports() -> None:
    """Close the loop that Mangum makes at import: otherwise a warning about it is raised in any test."""
    asyncio.get_event_loop().close()


@pytest.fixture(autouse=True)
def main_event_loop() -> Iterator[None]:
    """Set an event loop for the main thread, and close it: Mangum makes one where there is none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session")
def collector() -> Iterator[TraceCollector]:
    """A server that receives spans as OpenTelemetry's collector does, over OTLP."""
    with TraceCollector() as running:
        yield running
