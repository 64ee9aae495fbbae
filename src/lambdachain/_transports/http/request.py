"""Write an invocation as an HTTP request; names, order and encoding are those that botocore sends and signs."""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from typing import Final, NamedTuple

from lambdachain._core.invocation import MAX_TRACE_HEADER, Invocation, InvocationType, NoAnswerError, Progress, Trouble
from lambdachain._core.sent_trace import SENT_TRACE
from lambdachain._core.version import __version__

from .endpoint import Endpoint
from .signing import Signer, SigningKeys

USER_AGENT: Final = (
    f"lambdachain/{__version__} lang/python#{'.'.join(map(str, sys.version_info[:3]))} lib/lambdachain#{__version__}"
)
ROUTE: Final = ("2015-03-31", "invocations")
STREAM_ROUTE: Final = ("2021-11-15", "response-streaming-invocations")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_MAX_ADDRESSES: Final = 1024


class _Address(NamedTuple):
    """What all requests to one function share: the request line, and its part of the signature."""

    line: str
    route: str


class RequestWriter:
    """Writes requests to one endpoint, signed for one region."""

    def __init__(self, endpoint: Endpoint, region: str) -> None:
        self._authority = endpoint.authority
        self._prefix = endpoint.prefix
        self._signer = Signer(region)
        self._addresses: dict[tuple[str, str | None, tuple[str, str]], _Address] = {}
        # Headers that are not signed, as in botocore.
        self._rest = f"\r\nuser-agent: {USER_AGENT}\r\naccept-encoding: identity\r\ncontent-length: "

    def head(self, invocation: Invocation, keys: SigningKeys, now: float, *, streamed: bool = False) -> bytes:
        """Return a request without its body, which is the payload unchanged.

        Args:
            invocation: The invocation.
            keys: The credentials to sign with.
            now: Seconds since 1970.
            streamed: Request the response as an event stream.

        Raises:
            NoAnswerError: A value is not allowed in a header.
        """
        address = self._address(invocation.function_name, invocation.qualifier, STREAM_ROUTE if streamed else ROUTE)
        stamp = _format_timestamp(int(now))
        headers = _headers(invocation, self._authority, stamp, keys.token)
        # SigV4 signs a header with sequences of spaces collapsed, and sends it unchanged.
        signed = headers
        if invocation.tenant_id is not None:
            signed = {**headers, "x-amz-tenant-id": " ".join(invocation.tenant_id.split())}
        authorization = self._signer.authorization(keys, stamp, address.route, signed, invocation.payload)
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        length = len(invocation.payload)
        trace = trace_header()
        return (f"{address.line}{fields}authorization: {authorization}{self._rest}{length}\r\n{trace}\r\n").encode(
            "latin-1"
        )

    def _address(self, function: str, qualifier: str | None, route: tuple[str, str]) -> _Address:
        key = function, qualifier, route
        address = self._addresses.get(key)
        if address is None:
            # Bounded: a program may call functions, or qualifiers, without end.
            if len(self._addresses) >= _MAX_ADDRESSES:
                self._addresses.clear()
            address = self._addresses[key] = _build_address(self._prefix, function, qualifier, route)
        return address


def trace_header() -> str:
    """Return the header line with Lambda's trace of this invocation, unchanged, or with what instrumentation sends.

    A trace far longer than any of Lambda's is left out. As in botocore, Lambda's is sent only where
    ``AWS_LAMBDA_FUNCTION_NAME`` is set. Lambda's own loop detection depends on it.
    """
    trace = SENT_TRACE.get()
    if not trace and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        trace = os.environ.get("_X_AMZN_TRACE_ID", "")
    if not trace or len(trace) > MAX_TRACE_HEADER:
        return ""
    return f"x-amzn-trace-id: {trace if _fits_header(trace) else percent_encoded(trace)}\r\n"


@lru_cache(maxsize=8)
def _format_timestamp(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def percent_encoded(text: str) -> str:
    """Percent-encode *text* as a path segment or a query value."""
    data = text.encode(errors="surrogateescape")  # the environment may have bytes that are not UTF-8
    return "".join([chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in data])


def _build_address(prefix: str, function: str, qualifier: str | None, route: tuple[str, str]) -> _Address:
    version, operation = route
    path = f"{prefix}/{version}/functions/{percent_encoded(function)}/{operation}"
    query = "" if qualifier is None else f"Qualifier={percent_encoded(str(qualifier))}"
    line = f"POST {path}{'?' * bool(query)}{query} HTTP/1.1\r\n"
    return _Address(line, f"POST\n{_canonical_path(path)}\n{query}\n")


def _canonical_path(path: str) -> str:
    """Return a path as it is signed: dot segments and empty ones resolved, and percent-encoded a second time."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments).replace("%", "%25")


def _headers(invocation: Invocation, authority: str, stamp: str, token: str | None) -> dict[str, str]:
    """Return the headers that are signed, in order."""
    headers = {"host": authority}
    if invocation.client_context is not None:
        headers["x-amz-client-context"] = _validate("client context", invocation.client_context)
    headers["x-amz-date"] = stamp
    if invocation.durable_name is not None:
        headers["x-amz-durable-execution-name"] = _validate("durable name", invocation.durable_name)
    if invocation.invocation_type is not InvocationType.REQUEST_RESPONSE:  # the default of Lambda
        headers["x-amz-invocation-type"] = invocation.invocation_type
    if invocation.log_tail:
        headers["x-amz-log-type"] = "Tail"
    if token:
        headers["x-amz-security-token"] = token
    if invocation.tenant_id is not None:
        headers["x-amz-tenant-id"] = _validate("tenant id", invocation.tenant_id)
    return headers


def _validate(what: str, value: str) -> str:
    if not _fits_header(value):
        raise NoAnswerError(
            f"the {what} has a character that is not allowed in a header: only printable ASCII is",
            progress=Progress.NOTHING_SENT,
            trouble=Trouble.REQUEST,
        )
    return value


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()
