"""``map`` and ``fire_map`` of an async client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from lambdachain._fan_out.async_driver import MapParts, fan_out
from lambdachain._fan_out.options import check_payloads
from lambdachain._transports.async_adapter import running_loop

from .map import MapRequest, max_connections_for

Payloads = Iterable[Any] | AsyncIterable[Any]


def run_map(map_request: MapRequest, payloads: Payloads) -> AsyncGenerator[Any, None]:
    """Send each payload and yield the results; nothing is sent before the first result is requested.

    Raises:
        ContractError: *payloads* is not an iterable of payloads.
    """
    check_payloads(payloads, asynchronous=True)

    # Called by the first step of the generator: the timeout of a map runs from its first result.
    def create_parts() -> MapParts:
        running_loop()  # the map itself needs one, whatever the transport
        transport = map_request.invoker.transport_for(map_request.bound.target)
        scheduler = map_request.make_scheduler(payloads, max_connections_for(transport))
        return MapParts(scheduler, transport, _to_iterator(payloads), map_request.steps())

    return fan_out(create_parts, map_request.invoker.hooks, on_progress=map_request.settings.on_progress)


def _to_iterator(payloads: Payloads) -> Iterator[Any] | AsyncIterator[Any]:
    return aiter(payloads) if isinstance(payloads, AsyncIterable) else iter(payloads)
