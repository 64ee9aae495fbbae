"""Detach botocore's clients from the parent of a forked process: two processes must never share a connection.

Two processes on one connection read each other's responses, and TLS breaks for both. botocore has no API for this, so
its connection pools are replaced by new ones, created as its own HTTP session creates them.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import Any, cast


def replace_connections(client: Any) -> bool:
    """Replace a client's connection pools with empty ones; idle connections in the old ones are closed.

    Returns:
        Whether this version of botocore lets its pools be replaced.
    """
    return replace_pools(getattr(getattr(client, "_endpoint", None), "http_session", None))


def replace_pools(session: Any) -> bool:
    """Detach one of botocore's HTTP sessions; see ``replace_connections``."""
    manager: Any = getattr(session, "_manager", None)
    make: Any = getattr(session, "_get_pool_manager_kwargs", None)
    proxies: Any = getattr(session, "_proxy_managers", None)
    if not hasattr(manager, "pool_classes_by_scheme") or make is None or not isinstance(proxies, dict):
        return False
    fresh = type(manager)(**make())
    fresh.pool_classes_by_scheme = manager.pool_classes_by_scheme
    session._manager, session._proxy_managers = fresh, {}  # noqa: SLF001 - botocore has no public API for it
    for old in (manager, *cast("dict[str, Any]", proxies).values()):
        _abandon(old)
    return True


def has_connections(client: Any) -> bool:
    """Check whether a client has been used: its pools then hold connections that were opened before."""
    session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    pools: Any = getattr(getattr(session, "_manager", None), "pools", None)
    return bool(getattr(session, "_proxy_managers", None)) or (pools is not None and len(pools) > 0)


def detach_credentials(credentials: Any) -> None:
    """Replace the lock of refreshable credentials, and their connections to where they are fetched from.

    A thread that exists only in the parent may hold the lock; botocore keeps the connection to a container's or an
    instance's metadata service.
    """
    if not hasattr(credentials, "_refresh_lock"):
        return
    asyncio: Any = sys.modules.get("asyncio")  # not imported: a program without event loops need not load it
    kind: Any = threading.Lock
    if asyncio is not None and isinstance(credentials._refresh_lock, asyncio.Lock):  # noqa: SLF001 - as above
        kind = asyncio.Lock
    credentials._refresh_lock = kind()  # noqa: SLF001 - as above
    for holder in _holders(getattr(credentials, "_refresh_using", None)):
        replace_pools(getattr(holder, "_session", None))
        detach_credentials(getattr(holder, "_source_credentials", None))


def detach_client(client: Any) -> bool:
    """Detach a client and its credentials from the parent process; see ``replace_connections`` for what it returns."""
    detach_credentials(getattr(getattr(client, "_request_signer", None), "_credentials", None))
    return replace_connections(client)


def _holders(refresh: Any) -> list[Any]:
    """Return what may hold connections of a function that refreshes credentials: its object, closure and fetchers."""
    cells: tuple[Any, ...] = getattr(refresh, "__closure__", None) or ()
    with suppress(ValueError):  # an empty cell
        found = [getattr(refresh, "__self__", None), refresh, *(cell.cell_contents for cell in cells)]
        return [*found, *(getattr(one, name, None) for one in found for name in ("_fetcher", "_role_fetcher"))]
    return []


def _abandon(manager: Any) -> None:
    """Close the idle connections in *manager* without taking a lock: a thread of the parent may hold it."""
    pools: Any = getattr(getattr(manager, "pools", None), "_container", {})
    for pool in list(pools.values()):
        queue: Any = getattr(pool, "pool", None)
        if not hasattr(queue, "queue"):
            continue
        waiting = [connection for connection in queue.queue if connection is not None]
        queue.__init__(queue.maxsize)  # with a new lock: the old one may be held for ever
        for connection in waiting:
            connection.close()
