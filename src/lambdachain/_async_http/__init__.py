"""The lean way to Lambda for event loops: the requests, signatures and answers of ``_http``, awaited.

TLS is spoken on the socket itself, which the loop only watches, because that was measured: with 500 calls in flight,
asyncio's own TLS costs as much CPU, but 176 MB where this takes 48 (it keeps 256 KB for each connection), resumes no
session, and does not tell whether a byte of a request went out. aiohttp, which stands on it, costs twice the CPU.
"""

from .transport import AsyncHttpTransport as AsyncHttpTransport
