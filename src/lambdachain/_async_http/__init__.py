"""The lean way to Lambda for event loops: the requests, signatures and answers of ``_http``, awaited.

TLS is spoken on the socket itself, which the loop only watches, because that was measured: asyncio's own TLS (and so
aiohttp, which stands on it) costs two to three times as much in CPU for a call and 256 KB for each connection, resumes
no sessions, and does not tell whether a byte of a request went out.
"""

from .transport import AsyncHttpTransport as AsyncHttpTransport
