"""``map`` and ``fire_map`` of an async client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

from lambdachain._fan_out.async_driver import Begun, fan_out
from lambdachain._fan_out.options import check_payloads

from .map import Errand, connections_of

Payloads = Iterable[Any] | AsyncIterable[Any]


def mapped(errand: Errand, payloads: Payloads) -> AsyncGenerator[Any, None]:
    """Send each payload, and give what comes of it; nothing is sent before the first result is asked for.

    Raises:
        ContractError: *payloads* are none.
    """
    check_payloads(payloads, asynchronous=True)

    def begin() -> Begun:
        transport = errand.caller.carrier(errand.callee)
        batch = errand.batch(payloads, connections_of(transport))
        return Begun(batch, transport, _begun(payloads), errand.over(transport).prepare)

    return fan_out(begin, errand.caller.hooks, on_progress=errand.manner.on_progress)


def _begun(payloads: Payloads) -> Iterator[Any] | AsyncIterator[Any]:
    return aiter(payloads) if isinstance(payloads, AsyncIterable) else iter(payloads)
