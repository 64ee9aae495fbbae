"""A stand-in for Lambda's endpoint that answers DryRuns as AWS was recorded to: allowed, denied, not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:{}"


def _answer(name: str, qualifier: str | None) -> tuple[int, str, dict[str, str]]:
    address = f"{name}:{qualifier}" if qualifier else name
    if name.startswith("Denied"):
        told = (
            "User: arn:aws:sts::123456789012:assumed-role/caller/session is not authorized to perform: "
            f"lambda:InvokeFunction on resource: {ARN.format(address)} because no identity-based policy allows the "
            "lambda:InvokeFunction action"
        )
        return 403, "AccessDeniedException", {"Message": told}
    if name.startswith("Missing") or qualifier == "gone":
        return (
            404,
            "ResourceNotFoundException",
            {"Message": f"Function not found: {ARN.format(address)}", "Type": "User"},
        )
    if name.startswith("Throttled"):
        return 429, "TooManyRequestsException", {"message": "Rate Exceeded.", "Reason": "CallerRateLimitExceeded"}
    return 204, "", {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        name = unquote(parts.path.split("/")[3])
        qualifier = parts.query.partition("Qualifier=")[2] or None
        self.seen.append((name, self.headers["X-Amz-Invocation-Type"]))
        status, code, told = _answer(name, qualifier)
        body = json.dumps(told).encode() if status != 204 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        pass


@contextmanager
def answering() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Give the endpoint's address, and the requests that have come: the function, and how it was called."""
    seen: list[tuple[str, str]] = []
    handler = type("Handler", (_Handler,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()
