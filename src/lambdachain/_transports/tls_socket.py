"""TLS sockets that are closed when TLS fails to start: CPython leaves some of them to the garbage collector.

``wrap_socket`` takes the descriptor away from its argument. If the peer has just reset the connection, or if the
handshake ends with something else than an ``OSError`` (an interrupt, a framework's timeout), it raises without
closing the new socket, to which nobody else has a reference.
"""

from __future__ import annotations

import errno
import ssl
from typing import Any


class ClosingSSLSocket(ssl.SSLSocket):
    """A TLS socket that closes itself if its connection or its handshake fails."""

    def getpeername(self) -> Any:
        """Return the peer's address; without one, close: ``wrap_socket`` asks for it first of all."""
        try:
            return super().getpeername()
        except OSError as exc:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the connection was reset before the TLS handshake") from exc

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as SSLSocket
        """Perform the handshake; if it is interrupted, close."""
        try:
            super().do_handshake(block)
        except (OSError, ValueError):  # wrap_socket closes it; a non-blocking caller waits and retries
            raise
        except BaseException:
            self.close()
            raise


def is_open(sock: object) -> bool:
    """Check whether what there is to read on an idle socket is TLS's own, such as session tickets; it is then read.

    A server of TLS 1.3 sends tickets after the handshake. They look like data until something reads them, and stay
    unread on a connection that was opened before there is a request for it.
    """
    if not isinstance(sock, ssl.SSLSocket):
        return False
    timeout = sock.gettimeout()
    try:
        sock.settimeout(0.0)
        sock.recv(1)
    except ssl.SSLWantReadError:
        sock.settimeout(timeout)
        return True
    except (OSError, ValueError):
        return False
    return False  # the end of the connection, or data that no request has asked for


def close_failed_sockets(context: object) -> None:
    """Have a context create such sockets; one with another library's class is left as it is."""
    kind: Any = getattr(context, "sslsocket_class", None)
    if isinstance(context, ssl.SSLContext) and isinstance(kind, type) and issubclass(ClosingSSLSocket, kind):
        context.sslsocket_class = ClosingSSLSocket
