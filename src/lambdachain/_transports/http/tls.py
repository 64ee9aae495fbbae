"""Which certificate authorities to trust: one TLS context for all connections, with as few authorities as possible.

Loading a whole CA bundle takes longer than everything else in a first call. Lambda's own endpoints have certificates of
Amazon's authorities, so only those are loaded from the bundle that botocore would load; if they do not know the issuer,
the whole bundle is loaded. So nothing is trusted here that botocore would not trust.
"""

from __future__ import annotations

import os
import re
import ssl
from functools import cache
from importlib.machinery import PathFinder
from typing import Final, NamedTuple

from lambdachain._transports.tls_socket import close_failed_sockets

_AMAZON_CERTIFICATE: Final = (
    rb'# Label: "(?:Amazon|Starfield) [^\n]*\n(?:#[^\n]*\n)*(-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----)'
)

# OpenSSL's codes for "unknown issuer"; with more authorities, any other error of a certificate stays an error.
_ISSUER_UNKNOWN: Final = (2, 18, 19, 20, 21)


class TlsSession(NamedTuple):
    """A TLS session, and the context that may resume it."""

    context: ssl.SSLContext
    session: ssl.SSLSession


class TlsConfig:
    """The certificate authorities and the TLS session of one endpoint.

    Args:
        bundle: A PEM file or a hashed directory of certificate authorities, in place of botocore's.
    """

    def __init__(self, bundle: str | None = None) -> None:
        self._bundle = bundle
        self._amazon_only = bundle is None
        self._session: TlsSession | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """The context to connect with.

        Raises:
            OSError: The bundle cannot be read, or has no certificates.
        """
        if self._bundle is not None:
            return _load_context(self._bundle)
        return _load_amazon_context() if self._amazon_only else _load_full_context()

    def load_all_cas(self, context: ssl.SSLContext, error: ssl.SSLCertVerificationError) -> bool:
        """Return whether to repeat a failed handshake, with more certificate authorities than those of *asked*."""
        if error.verify_code not in _ISSUER_UNKNOWN:
            return False
        self._amazon_only = False
        return self.context is not context

    @property
    def lacks_session(self) -> bool:
        """Whether there is no session to resume yet."""
        return self._session is None

    def remember(self, session: TlsSession | None) -> None:
        """Keep a session to resume: the next connection's handshake is then half as long."""
        self._session = session

    def session_for(self, context: ssl.SSLContext) -> ssl.SSLSession | None:
        """Return the session to resume with *context*; no other context may resume it."""
        kept = self._session
        return kept.session if kept is not None and kept.context is context else None

    def forget(self) -> None:
        """Drop the session."""
        self._session = None


def find_ca_bundle() -> str | None:
    """Return the path of the CA bundle that botocore trusts, certifi's or its own, without importing either."""
    for package in ("certifi", "botocore"):
        spec = PathFinder.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            path = os.path.join(location, "cacert.pem")  # noqa: PTH118 - pathlib takes long to import
            if os.path.isfile(path):  # noqa: PTH113 - as above
                return path
    return None


def select_amazon_cas(bundle: bytes) -> list[str]:
    """Return Amazon's certificates from a bundle that has the name of each above it, as certifi's does."""
    return [match.decode() for match in re.findall(_AMAZON_CERTIFICATE, bundle)]


def _empty_context() -> ssl.SSLContext:
    # Not create_default_context(): that loads the system's authorities, which takes long.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    close_failed_sockets(context)
    return context


# Cached for the process: every transport and region shares one context for a bundle.
@cache
def _load_context(bundle: str) -> ssl.SSLContext:
    context = _empty_context()
    if os.path.isdir(bundle):  # noqa: PTH112 - pathlib takes long to import
        context.load_verify_locations(capath=bundle)
    else:
        context.load_verify_locations(cafile=bundle)
    return context


@cache
def _load_amazon_context() -> ssl.SSLContext:
    path = find_ca_bundle()
    authorities = select_amazon_cas(_read(path)) if path else []
    if not authorities:
        return _load_full_context()
    context = _empty_context()
    context.load_verify_locations(cadata="\n".join(authorities))
    return context


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes long to import
        return file.read()


@cache
def _load_full_context() -> ssl.SSLContext:
    path = find_ca_bundle()
    if path is not None:
        return _load_context(path)
    context = _empty_context()
    context.load_default_certs()
    return context
