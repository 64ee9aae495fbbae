"""A server in Lambda's place that responds to DryRun as AWS was recorded to: allowed, denied, function not found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

from tests.support.faults import respond
from tests.support.laboratory import Fault, Laboratory, Request
from tests.support.responses import http_response

ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:{}"


def _dry_run_response(name: str, qualifier: str | None) -> bytes:
    """Return the response for a function: its name says what is wrong with it."""
    arn = ARN.format(f"{name}:{qualifier}" if qualifier else name)
    if name.startswith("Denied"):
        message = (
            "User: arn:aws:sts::123456789012:assumed-role/caller/session is not authorized to perform: "
            f"lambda:InvokeFunction on resource: {arn} because no identity-based policy allows the "
            "lambda:InvokeFunction action"
        )
        return _error("403 Forbidden", "AccessDeniedException", Message=message)
    if name.startswith("Missing") or qualifier == "gone":
        return _error("404 Not Found", "ResourceNotFoundException", Message=f"Function not found: {arn}", Type="User")
    if name.startswith("Throttled"):
        throttle = {"message": "Rate Exceeded.", "Reason": "CallerRateLimitExceeded"}
        return _error("429 Too Many Requests", "TooManyRequestsException", **throttle)
    return http_response("204 No Content", headers={"Content-Length": None})


def _error(status: str, code: str, **body: str) -> bytes:
    return http_response(status, json.dumps(body).encode(), {"x-amzn-ErrorType": code})


def _parse_target(request: Request) -> tuple[str, str | None]:
    parts = urlsplit(request.path)
    return unquote(parts.path.split("/")[3]), parts.query.partition("Qualifier=")[2] or None


@contextmanager
def serve_dry_runs() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the server's URL and the requests so far: the function, and the invocation type."""
    seen: list[tuple[str, str]] = []

    def to_response(request: Request) -> bytes:
        name, qualifier = _parse_target(request)
        seen.append((name, request.invocation_type))
        return _dry_run_response(name, qualifier)

    with Laboratory() as laboratory:
        laboratory.play(Fault("dry run", respond(to_response)))
        yield laboratory.url, seen
