"""HTTP transports over connections of our own, blocking and asyncio: no service model, no event system.

The HTTP layer is a parser and a socket of our own for measured reasons. A warm call over ``http.client`` costs twice as
much (its header parser is ``email``'s), and importing it costs a fifth of a whole cold start; urllib3, aiohttp and
awscrt cost more in both. What was sent and received is known to the byte, which none of them reports.

The asyncio transport performs TLS on the socket itself, which the event loop only watches. With 500 calls in flight,
asyncio's own TLS costs as much CPU, but 176 MB of memory instead of 48 (it keeps 256 KB for each connection), resumes
no session, and does not report whether a byte of a request was sent. aiohttp, built on it, costs twice the CPU.
"""
