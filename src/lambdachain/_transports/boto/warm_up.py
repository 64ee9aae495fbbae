"""Make a botocore client ready for its first request: credentials, and a connection in its pool; nothing is sent."""

from __future__ import annotations

import time
from typing import Any

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble
from lambdachain._transports.socket_options import CONNECT_TIMEOUT

from .credentials import find_credentials, raise_credentials_error


def check_credentials(client: Any) -> None:
    """Check that a client has credentials to sign with, or does not sign.

    Raises:
        NoAnswerError: It has none.
    """
    from botocore import UNSIGNED
    from botocore.exceptions import NoCredentialsError

    signer: Any = getattr(client, "_request_signer", None)
    if find_credentials(client) is None and getattr(signer, "_signature_version", UNSIGNED) is not UNSIGNED:
        raise_credentials_error(NoCredentialsError())


async def fetch_credentials(client: Any) -> None:
    """Fetch the credentials of one of aiobotocore's clients.

    Raises:
        NoAnswerError: There are none, or they cannot be fetched.
    """
    check_credentials(client)
    credentials = find_credentials(client)
    try:
        if credentials is not None:
            await credentials.get_frozen_credentials()
    except Exception as exc:  # noqa: BLE001 - from any provider of credentials; foreign ones are raised unchanged
        raise_credentials_error(exc)


def open_connection(client: Any, deadline: float) -> None:
    """Open a connection to a client's endpoint, and leave it in the pool of botocore's HTTP session.

    botocore has no API for this. No-op for a client that a proxy, a stub or another HTTP session sends for.

    Raises:
        NoAnswerError: It was not open by *deadline*, or failed.
    """
    session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
    url = str(client.meta.endpoint_url)
    manager: Any = getattr(session, "_manager", None)
    if not hasattr(manager, "connection_from_url") or session._proxy_config.proxy_url_for(url):  # noqa: SLF001 - see above
        return
    pool: Any = manager.connection_from_url(url)
    session._setup_ssl_cert(pool, url, session._verify)  # noqa: SLF001 - see above
    connection: Any = pool._get_conn()  # noqa: SLF001 - see above
    try:
        if connection.sock is None:
            _connect(connection, deadline)
    finally:
        pool._put_conn(connection)  # noqa: SLF001 - see above


def _connect(connection: Any, deadline: float) -> None:
    connection.timeout = min(max(deadline - time.monotonic(), 0.001), CONNECT_TIMEOUT)
    try:
        connection.connect()
    except Exception as exc:
        connection.close()
        reason = f"the connection failed ({type(exc).__name__})"
        raise NoAnswerError(reason, progress=Progress.NOTHING_SENT, trouble=Trouble.CONNECTION) from exc
