"""``map`` and ``fire_map`` of an async client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from lambdachain._fan_out.async_driver import MapParts, fan_out
from lambdachain._fan_out.options import check_payloads

from .map import MapRequest, connections_of

Payloads = Iterable[Any] | AsyncIterable[Any]


def mapped(map_request: MapRequest, payloads: Payloads) -> AsyncGenerator[Any, None]:
    """Send each payload, and give what comes of it; nothing is sent before the first result is asked for.

    Raises:
        ContractError: *payloads* are none.
    """
    check_payloads(payloads, asynchronous=True)

    def create_parts() -> MapParts:
        transport = map_request.caller.transport_for(map_request.callee)
        scheduler = map_request.scheduler(payloads, connections_of(transport))
        return MapParts(scheduler, transport, _to_iterator(payloads), map_request.over(transport).prepare)

    return fan_out(create_parts, map_request.caller.hooks, on_progress=map_request.manner.on_progress)


def _to_iterator(payloads: Payloads) -> Iterator[Any] | AsyncIterator[Any]:
    return aiter(payloads) if isinstance(payloads, AsyncIterable) else iter(payloads)
