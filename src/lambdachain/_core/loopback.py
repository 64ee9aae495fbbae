"""Which hosts are this machine: one rule for the network guard of tests, the local endpoint and the command line."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Check whether *host* is this machine, without a name server: an address of the loopback network, or a name
    reserved for it (RFC 6761).

    Forms of an address that only some resolvers understand, such as ``127.1`` or ``2130706433``, are not.

    >>> [is_loopback(host) for host in ("127.0.0.1", "[::1]", "localhost", "localhost.example.com")]
    [True, True, True, False]
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        address = ip_address(host)
    except ValueError:
        name = host.lower().removesuffix(".")
        return name.isascii() and (name == "localhost" or name.endswith(".localhost"))
    return _without_mapping(address).is_loopback


def get_host(url: str) -> str:
    """Return the host of a URL; "" where URL parsers disagree about it, and it could be any."""
    if "\\" in url or any(character.isspace() or not character.isprintable() for character in url):
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _without_mapping(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
