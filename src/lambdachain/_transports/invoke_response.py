"""The one reader of Lambda's response to Invoke: status, headers and body become an ``Outcome``.

Every transport, and every test double of one, reads responses here, so that all of them lead to the same errors: the
request id, the executed version, the function error, the log tail, the service's error code and ``Retry-After``. It
reads what botocore's parser reads, which is the tests' oracle. How long a response may be is decided here, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from lambdachain._core.invocation import Outcome, construct
from lambdachain._core.type_guards import is_mapping

# Lambda was seen to send responses of up to 6,291,556 bytes; what is far longer does not come from Lambda.
MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024 + 64 * 1024
# Lambda's quota of a streamed response.
MAX_STREAM_BYTES: Final = 200 * 1024 * 1024

# The service's codes for credentials that have expired.
EXPIRED_CREDENTIALS: Final = ("ExpiredTokenException", "ExpiredToken")

# Each response of Lambda has at least one of these headers, and no proxy or captive portal sends any.
_LAMBDA_HEADERS: Final = frozenset(
    (
        "x-amzn-requestid",
        "x-amz-request-id",
        "x-amz-executed-version",
        "x-amz-function-error",
        "x-amzn-errortype",
    )
)

# Longer than anybody asks to wait in earnest, and short enough for a clock to add.
_MAX_RETRY_AFTER: Final = 366 * 86400.0


class MalformedResponseError(Exception):
    """The bytes are not a valid HTTP response, or the response is incomplete."""


class OversizedResponseError(MalformedResponseError):
    """The body is longer than any response that Lambda sends."""


def read_invoke_response(
    status: int, headers: Mapping[str, str], body: bytes, *, complete: bool = True, from_lambda: bool | None = None
) -> Outcome:
    """Read a response of any status.

    Args:
        status: The HTTP status.
        headers: The headers, with names in lower case.
        body: The body, read to its end.
        complete: Whether the body is known to be whole.
        from_lambda: Whether Lambda sent it; ``None`` to decide by the headers.
    """
    if status >= 300:
        return read_error(status, headers, _error_members(body), from_lambda=from_lambda)
    get = headers.get
    return construct(
        Outcome,
        status=status,
        payload=body,
        function_error=get("x-amz-function-error"),
        executed_version=get("x-amz-executed-version"),
        log_result=get("x-amz-log-result"),
        durable_execution_arn=get("x-amz-durable-execution-arn"),
        request_id=get("x-amzn-requestid") or get("x-amz-request-id"),
        complete=complete,
        from_lambda=is_from_lambda(headers) if from_lambda is None else from_lambda,
    )


def read_error(
    status: int, headers: Mapping[str, str], members: Mapping[str, str], *, from_lambda: bool | None = None
) -> Outcome:
    """Read a response of the status 300 or more, whose body has been parsed into *members*; see above for the rest."""
    code = _error_code(status, headers, members)
    # A proxy on the way does not name its errors: a code that is no status is Lambda's, even without Lambda's headers.
    is_lambdas = (is_from_lambda(headers) or not code.isdigit()) if from_lambda is None else from_lambda
    return Outcome(
        status=status,
        request_id=headers.get("x-amzn-requestid") or headers.get("x-amz-request-id"),
        error_code=code,
        error_message=members.get("message", members.get("Message", "")),
        error_reason=members.get("Reason"),
        retry_after=parse_retry_after(headers),
        from_lambda=is_lambdas,
    )


def _error_code(status: int, headers: Mapping[str, str], members: Mapping[str, str]) -> str:
    """Return the error's name from the header, or the body, or else the status; without its namespace."""
    code = headers.get("x-amzn-errortype")
    for key in ("code", "Code", "__type"):
        code = members.get(key) if code is None else code
    if code is None:
        return str(status)
    return code.partition(":")[0].rpartition("#")[2]


def _error_members(body: bytes) -> dict[str, str]:
    """Return the strings in an error's JSON; a body that is not JSON is the message, but for a page of HTML."""
    import json

    text = body.decode(errors="replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    if is_mapping(parsed):
        return {name: member for name, member in parsed.items() if isinstance(member, str)}
    return {} if text.lstrip().startswith("<html") else {"message": text}


def is_from_lambda(headers: Mapping[str, str]) -> bool:
    """Check whether a response comes from Lambda, and not from a proxy or a captive portal on the way.

    Args:
        headers: Its headers, with names in lower case.
    """
    return not _LAMBDA_HEADERS.isdisjoint(headers)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the service asks to wait; ``None`` if it does not say, or not in a known form.

    The header in milliseconds takes precedence over the one in seconds, which may also be a date. Of a duplicate
    header, which botocore's HTTP client joins by a comma, the first value counts.
    """
    for name, unit in (("x-amz-retry-after", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").partition(",")[0].strip()
        if text.isascii() and text.isdigit():
            return min(float(text) * unit, _MAX_RETRY_AFTER)
    return _seconds_until(headers.get("retry-after", ""), headers.get("date", ""))


def _seconds_until(date: str, sent: str) -> float | None:
    """Return the seconds from *sent* to *date*, in any of HTTP's three forms.

    Measured from the response's own ``Date`` where there is one: this machine's clock may be wrong.
    """
    end = _parse_http_date(date)
    if end is None:
        return None
    now = _parse_http_date(sent)
    return min(max(0.0, end - (time.time() if now is None else now)), _MAX_RETRY_AFTER)


def _parse_http_date(text: str) -> float | None:
    if ":" not in text:  # every valid form has a time of day, and the parser takes nearly anything for a date
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def oversized_message(limit: int, length: int | None = None) -> str:
    """Describe a response longer than *limit* bytes; *length* is the one it claims, if it claims one."""
    claimed = "more" if length is None else f"{length:,} bytes"
    return f"the response is too long: {claimed}, where Lambda sends at most {limit:,} bytes; the rest was not read"
