"""TLS sockets that are closed where they do not come about: CPython leaves some of those to the garbage collector.

``wrap_socket`` takes the descriptor away from the socket that it is given, and then raises without closing what it has
where the other side has reset the connection just before, or where what ends the handshake is not an ``OSError``: an
interrupt, or a framework's timeout. Nobody else holds the new socket by then.
"""

from __future__ import annotations

import errno
import ssl
from typing import Any


class ClosingSSLSocket(ssl.SSLSocket):
    """A TLS socket that closes itself where its connection or its handshake fails."""

    def getpeername(self) -> Any:
        """Return the peer's address; without one, close: ``wrap_socket`` asks for it as soon as it has the socket."""
        try:
            return super().getpeername()
        except OSError as exc:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the connection was reset before TLS began") from exc

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as SSLSocket
        """Perform the handshake; interrupted, close."""
        try:
            super().do_handshake(block)
        except (OSError, ValueError):  # wrap_socket closes it, or whoever does not block waits and tries again
            raise
        except BaseException:
            self.close()
            raise


def close_failed_sockets(context: object) -> None:
    """Have a context make sockets that close themselves; one with a class of another library's is left as it is."""
    kind: Any = getattr(context, "sslsocket_class", None)
    if isinstance(context, ssl.SSLContext) and isinstance(kind, type) and issubclass(ClosingSSLSocket, kind):
        context.sslsocket_class = ClosingSSLSocket
