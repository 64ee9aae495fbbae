"""Detach botocore clients from the process that theirs is a copy of: two must never share a connection.

Two processes on one connection read each other's answers, and a TLS connection breaks for both. botocore has no word
for starting over, so its connection pools are replaced as its own HTTP session makes them.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import Any, cast


def replace_connections(client: Any) -> bool:
    """Replace a client's connection pools with empty ones; what waits in the old ones is closed without a word on it.

    Returns:
        Whether this botocore lets its pools be replaced.
    """
    return replace_pools(getattr(getattr(client, "_endpoint", None), "http_session", None))


def replace_pools(session: Any) -> bool:
    """Detach one of botocore's HTTP sessions."""
    manager: Any = getattr(session, "_manager", None)
    make: Any = getattr(session, "_get_pool_manager_kwargs", None)
    proxies: Any = getattr(session, "_proxy_managers", None)
    if not hasattr(manager, "pool_classes_by_scheme") or make is None or not isinstance(proxies, dict):
        return False
    fresh = type(manager)(**make())
    fresh.pool_classes_by_scheme = manager.pool_classes_by_scheme
    session._manager, session._proxy_managers = fresh, {}  # noqa: SLF001 - botocore has no public word for it
    for old in (manager, *cast("dict[str, Any]", proxies).values()):
        _abandon(old)
    return True


def has_connections(client: Any) -> bool:
    """Check whether a client has been used: its pools then hold connections that were made elsewhere."""
    session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    pools: Any = getattr(getattr(session, "_manager", None), "pools", None)
    return bool(getattr(session, "_proxy_managers", None)) or (pools is not None and len(pools) > 0)


def detach_credentials(credentials: Any) -> None:
    """Replace the lock of credentials that are renewed in time, and their connections to where they come from.

    A thread that has stayed with the parent may hold the lock; botocore keeps the connection to a container's or a
    machine's metadata.
    """
    if not hasattr(credentials, "_refresh_lock"):
        return
    asyncio: Any = sys.modules.get("asyncio")  # which a program without event loops need not load
    kind: Any = threading.Lock
    if asyncio is not None and isinstance(credentials._refresh_lock, asyncio.Lock):  # noqa: SLF001 - as above
        kind = asyncio.Lock
    credentials._refresh_lock = kind()  # noqa: SLF001 - as above
    for holder in _holders(getattr(credentials, "_refresh_using", None)):
        replace_pools(getattr(holder, "_session", None))
        detach_credentials(getattr(holder, "_source_credentials", None))


def detach_client(client: Any) -> bool:
    """Detach a client, and its credentials, from another process; see ``replace_connections`` for what it returns."""
    detach_credentials(getattr(getattr(client, "_request_signer", None), "_credentials", None))
    return replace_connections(client)


def _holders(refresh: Any) -> list[Any]:
    """List what a function that renews credentials may keep a connection in: its object or closure, their fetchers."""
    cells: tuple[Any, ...] = getattr(refresh, "__closure__", None) or ()
    with suppress(ValueError):  # a cell that is empty
        found = [getattr(refresh, "__self__", None), refresh, *(cell.cell_contents for cell in cells)]
        return [*found, *(getattr(one, name, None) for one in found for name in ("_fetcher", "_role_fetcher"))]
    return []


def _abandon(manager: Any) -> None:
    """Close the connections that wait in *manager*, without a lock: a thread that has stayed behind may hold any."""
    pools: Any = getattr(getattr(manager, "pools", None), "_container", {})
    for pool in list(pools.values()):
        queue: Any = getattr(pool, "pool", None)
        if not hasattr(queue, "queue"):
            continue
        waiting = [connection for connection in queue.queue if connection is not None]
        queue.__init__(queue.maxsize)
        for connection in waiting:
            connection.close()
