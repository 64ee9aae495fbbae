"""The lean way to Lambda: no service model, no event system, and of botocore only what a program's set-up asks for.

The HTTP layer is a parser and a socket of our own, because that was measured: a warm call over ``http.client`` costs
twice what it costs here (its header parser is ``email``'s), and importing it costs a fifth of a whole cold start;
urllib3, aiohttp and awscrt cost more in both. What is sent and read is known to the byte, which none of them tells.
"""

from .transport import HttpTransport as HttpTransport
