"""Protection against requests from web pages (CSRF, DNS rebinding): checks ``Host``, ``Origin`` and ``Referer``.

A browser lets any page on the Internet send requests to this machine, and names the page in headers that the page
cannot change. A page whose own name is made to resolve to this machine (DNS rebinding) can read the responses too; it
is recognized by that name in ``Host``. Programs send no ``Origin``, and the endpoint's own address as ``Host``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple, TypeAlias

from lambdachain._core.loopback import is_loopback

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?:[/?#].*)?", re.ASCII | re.DOTALL)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_QUOTED: Final = 80

_Address: TypeAlias = IPv4Address | IPv6Address
Fields: TypeAlias = Mapping[str, Sequence[str]]
"""The values of each header by its lower-case name: a header may occur more than once."""

CHECKED_HEADERS: Final = ("host", "origin", "referer", "sec-fetch-site")


class Authority(NamedTuple):
    """A host, in lower case and without a trailing dot, and its port, if there is one."""

    host: str
    port: int | None


class HostCheck:
    """The hosts for which an endpoint accepts requests: loopback, its own address, and the allowed hosts.

    Args:
        host: The configured address to listen on. If that is every address of the machine (``0.0.0.0``, ``::``), any IP
            address is accepted as ``Host``: only a name can be rebound by somebody else.
        address: The address of the listening socket.
        allowed: Additional names and addresses.
    """

    def __init__(self, host: str, address: str, allowed: Iterable[str]) -> None:
        self._hosts = {each for each in (parse_host(host), parse_host(address), *map(parse_host, allowed)) if each}
        self._everywhere = any((ip := _ip(each)) is not None and ip.is_unspecified for each in (host, address))

    def rejection_reason(self, target: str, fields: Fields, *, origins: Collection[str] | None = None) -> str | None:
        """Return why a request is rejected, or ``None`` if it is accepted.

        Args:
            target: The target in the request line, which may be an absolute URL.
            fields: Its headers among `CHECKED_HEADERS`.
            origins: For what browsers are meant to call: the origins, besides loopback, whose pages may call it. A page
                on loopback may then be of another site, as ``localhost`` is for ``127.0.0.1``.
        """
        # All of them are checked: nothing says which one a client meant.
        hosts = [*fields.get("host", ()), *_parse_target_authority(target)]
        for host in hosts:
            if not self._allows(parse_authority(host)):
                return f"its Host {_quote(host)} is not loopback, and not in allowed_hosts"
        # A page that the endpoint's own address serves may call it: by the same host and port.
        own = {parse_authority(host) for host in hosts}
        for name in ("origin", "referer"):
            for value in fields.get(name, ()):
                if not _is_ours(value, own) and _to_origin(value) not in (origins or ()):
                    return f"it comes from a web page: its {name.capitalize()} is {_quote(value)}"
        # With one of these, the page is known by now, and was accepted.
        is_known = origins is not None and (fields.get("origin") or fields.get("referer"))
        if not is_known and any("cross-site" in value.lower() for value in fields.get("sec-fetch-site", ())):
            return "it comes from a web page: its Sec-Fetch-Site is 'cross-site'"
        return None

    def _allows(self, authority: Authority | None) -> bool:
        if authority is None:
            return False
        host = authority.host
        return is_loopback(host) or host in self._hosts or (self._everywhere and _ip(host) is not None)


def parse_host(text: str) -> str | None:
    """Normalize a configured host for comparison; return ``None`` if it is not a valid host.

    >>> parse_host("Host.Docker.Internal."), parse_host("[::1]"), parse_host("http://name"), parse_host("name:80")
    ('host.docker.internal', '::1', None, None)
    """
    name = text.strip().lower().removeprefix("[").removesuffix("]").removesuffix(".")
    ip = _ip(name)
    if ip is not None:
        return str(ip)
    return name if _NAME.fullmatch(name) else None


@lru_cache(maxsize=256)
def parse_authority(text: str) -> Authority | None:
    """Parse a ``Host`` header; return ``None`` if it is not ``host`` or ``host:port``.

    >>> parse_authority("LocalHost.:9001"), parse_authority("[::1]"), parse_authority("user@localhost")
    (Authority(host='localhost', port=9001), Authority(host='::1', port=None), None)
    """
    match = _AUTHORITY.fullmatch(text.strip().lower())
    if match is None:
        return None
    host, port = match["host"], int(match["port"]) if match["port"] else None
    if host.startswith("["):
        ip = _ip(host[1:-1])
        return None if ip is None else Authority(str(ip), port)
    name = host.removesuffix(".")
    return Authority(name, port) if _NAME.fullmatch(name) else None


def _is_ours(origin: str, own: Iterable[Authority | None]) -> bool:
    """Check whether a page's origin or URL is on loopback or on the endpoint itself."""
    match = _URL.fullmatch(origin.strip().lower())
    if match is None or match["scheme"] not in _DEFAULT_PORTS:
        return False
    authority = parse_authority(match["authority"])
    if authority is None:
        return False
    default = _DEFAULT_PORTS[match["scheme"]]
    return is_loopback(authority.host) or any(_is_same_authority(authority, each, default) for each in own)


def _to_origin(url: str) -> str | None:
    """Return the origin of a page's URL, as ``Origin`` has it."""
    match = _URL.fullmatch(url.strip().lower())
    return None if match is None else f"{match['scheme']}://{match['authority']}"


def _is_same_authority(one: Authority, other: Authority | None, default: int) -> bool:
    return other is not None and one.host == other.host and (one.port or default) == (other.port or default)


def _parse_target_authority(target: str) -> list[str]:
    """Return the authority of an absolute URL as a target, which takes precedence over ``Host``."""
    match = _URL.fullmatch(target.lower())
    return [] if match is None else [match["authority"]]


@lru_cache(maxsize=256)
def _ip(host: str) -> _Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _quote(value: str) -> str:
    """Quote untrusted text: truncated, and without characters that a terminal would execute."""
    return ascii(value if len(value) <= _MAX_QUOTED else f"{value[:_MAX_QUOTED]}...")
