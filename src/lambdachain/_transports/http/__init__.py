"""Transports over connections of our own, blocking and asyncio: no service model, no event system.

The HTTP layer is a parser and a socket of our own because that was measured. A warm call over ``http.client`` costs
twice what it costs here (its header parser is ``email``'s), and importing it costs a fifth of a whole cold start;
urllib3, aiohttp and awscrt cost more in both. What is sent and received is known to the byte, which none of them
reports.

The asyncio transport speaks TLS on the socket itself, which the event loop only watches, because that was measured too:
with 500 calls in flight, asyncio's own TLS costs as much CPU, but 176 MB where this takes 48 (it keeps 256 KB for each
connection), resumes no session, and does not report whether a byte of a request was sent. aiohttp, which is built on
it, costs twice the CPU.
"""
