"""Call functions that are web apps through httpx: its requests become events, over Invoke and without an API in front.

It needs the extra ``lambdachain[httpx]``. The function is called as API Gateway or a function URL would call it, so it
can be written with FastAPI and Mangum, the resolvers of Powertools, Flask and an adapter, or by hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from lambdachain._core.extras import explain_missing

try:
    import httpx
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.httpx", "httpx", "httpx")) from exc

from lambdachain._calling.options import CallOptions
from lambdachain._client.async_client import AsyncLambdaClient
from lambdachain._client.client import LambdaClient
from lambdachain._contracts.contract import Contract
from lambdachain._core.arn import Address
from lambdachain._core.errors import (
    CallError,
    CallTimeoutError,
    ContractError,
    DeadlineExceededError,
    InvalidRequestError,
    NotInvokedError,
    OutcomeUnknownError,
    RequestTooLargeError,
    ResponseError,
)
from lambdachain._core.invocation import MAX_REQUEST_BYTES, JsonText
from lambdachain._core.metadata import new_id
from lambdachain._core.results import InvokeResult
from lambdachain._lambda_api.proxy_events import HttpRequest, PayloadFormat, ProxyIntegration, to_proxy_event
from lambdachain._lambda_api.proxy_responses import (
    HOP_BY_HOP,
    HttpResponse,
    MalformedProxyResponseError,
    parse_proxy_response,
    without_hop_by_hop,
)

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["IDEMPOTENT_METHODS", "SAFE_METHODS", "AsyncInvokeTransport", "InvokeError", "InvokeTransport"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The methods of RFC 9110 that ask for no change, section 9.2.1."""

IDEMPOTENT_METHODS: Final = SAFE_METHODS | {"PUT", "DELETE"}
"""The methods of RFC 9110 whose repetition has the effect of one request, section 9.2.2."""

_PAYLOAD_FORMATS: Final = ("1.0", "2.0")
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
# One value for all requests would be wrong for each of these, and httpx has its own setting for the timeout.
_NOT_FOR_ALL_REQUESTS: Final[Mapping[str, str]] = {
    "timeout": "httpx.Client(timeout=...)",
    "idempotency_key": "the header Idempotency-Key of a request",
    "durable_name": "a LambdaClient, since the name is for one execution",
}
# The first match counts. A ConnectError is raised only where the function did not run, as httpx's users expect of it.
_HTTPX_ERRORS: Final[tuple[tuple[type[CallError], type[httpx.TransportError]], ...]] = (
    (DeadlineExceededError, httpx.ConnectTimeout),
    (InvalidRequestError, httpx.LocalProtocolError),
    (RequestTooLargeError, httpx.LocalProtocolError),
    (NotInvokedError, httpx.ConnectError),
    (CallTimeoutError, httpx.ReadTimeout),
    (OutcomeUnknownError, httpx.ReadError),
    (CallError, httpx.RemoteProtocolError),
)


class InvokeError(CallError, httpx.TransportError):
    """The request got no HTTP response: a ``CallError`` that is an error of httpx, too.

    Each error that is raised has two classes: lambdachain's, such as ``ThrottledError``, and the one of httpx that
    promises as much about the request: ``ConnectError`` or ``ConnectTimeout`` (the function did not run),
    ``LocalProtocolError`` (the request cannot be sent), ``ReadTimeout`` or ``ReadError`` (it may have run), and
    ``RemoteProtocolError`` (it ran, and did not return a response).
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Without httpx's request, whose headers and body may be secret. The class is made at run time: pickle cannot
        # find it by its name.
        state = {name: value for name, value in vars(self).items() if name != "_request"}
        bases: tuple[Any, ...] = type(self).__mro__
        kind = next(base for base in bases if not issubclass(base, InvokeError))
        return _restore_error, (kind, self.args, state)


class InvokeTransport(httpx.BaseTransport):
    """Send the requests of an ``httpx.Client`` to one function, whatever host their URL names.

    A request whose outcome is unknown is sent again only if its method is one of *retry_methods* or it has the header
    ``Idempotency-Key``. The timeout of a request is httpx's read timeout, all attempts included. Closing the
    ``httpx.Client`` does not close *client*.

    >>> def handler(event, context):
    ...     return {"statusCode": 200, "body": "You asked for " + event["rawPath"]}
    >>> from lambdachain import InProcessTransport, LambdaClient
    >>> client = LambdaClient(InProcessTransport({"orders-api": handler}))
    >>> app = httpx.Client(transport=InvokeTransport(client, "orders-api"), base_url="https://orders-api")
    >>> app.get("/orders/5").text
    'You asked for /orders/5'

    Args:
        client: The client that calls the function.
        function: Its name or ARN, with or without qualifier; it is not resolved.
        payload_format: The format of the events: ``2.0``, as of HTTP APIs and function URLs, or ``1.0``, as of REST
            APIs.
        retry_methods: The methods that may run twice: ``SAFE_METHODS`` by default. Any request that provably did not
            run may be sent again.
        options: The options of each call, such as ``retry`` and ``log_tail``; see ``LambdaClient.bind``.

    Raises:
        ContractError: An argument is not valid.
        InvalidArnError: *function* is not a name or ARN.
    """

    def __init__(
        self,
        client: LambdaClient,
        function: Address,
        *,
        payload_format: PayloadFormat = "2.0",
        retry_methods: Collection[str] = SAFE_METHODS,
        **options: Unpack[CallOptions],
    ) -> None:
        _check_arguments(client, LambdaClient, payload_format, options)
        self._app = _WebApp(function, payload_format, retry_methods)
        self._once, self._repeatable = (client.bind(each, function, **options) for each in self._app.contracts)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Call the function with *request* as its event; return its response.

        Raises:
            InvokeError: There is no response; the error is one of httpx's, too.
        """
        try:
            body = self._app.new_body()
            # Not request.read(): it would read a body of any size before the size is checked.
            for chunk in cast("httpx.SyncByteStream", request.stream):
                body.add(chunk)
            call = self._app.prepare(request, body.content)
            function = self._repeatable if call.may_run_twice else self._once
            result = function.with_options(**call.options).invoke(call.event)
            return self._app.to_response(call, result)
        except CallError as exc:
            raise _to_httpx_error(exc) from exc.__cause__

    def __repr__(self) -> str:
        return f"InvokeTransport({self._app.function!r})"


class AsyncInvokeTransport(httpx.AsyncBaseTransport):
    """Send the requests of an ``httpx.AsyncClient`` to one function; see ``InvokeTransport``."""

    def __init__(
        self,
        client: AsyncLambdaClient,
        function: Address,
        *,
        payload_format: PayloadFormat = "2.0",
        retry_methods: Collection[str] = SAFE_METHODS,
        **options: Unpack[CallOptions],
    ) -> None:
        _check_arguments(client, AsyncLambdaClient, payload_format, options)
        self._app = _WebApp(function, payload_format, retry_methods)
        self._once, self._repeatable = (client.bind(each, function, **options) for each in self._app.contracts)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call the function with *request* as its event; return its response; see ``InvokeTransport``."""
        try:
            body = self._app.new_body()
            async for chunk in cast("httpx.AsyncByteStream", request.stream):
                body.add(chunk)
            call = self._app.prepare(request, body.content)
            function = self._repeatable if call.may_run_twice else self._once
            result = await function.with_options(**call.options).invoke(call.event)
            return self._app.to_response(call, result)
        except CallError as exc:
            raise _to_httpx_error(exc) from exc.__cause__

    def __repr__(self) -> str:
        return f"AsyncInvokeTransport({self._app.function!r})"


class _AppCall(NamedTuple):
    """A request, ready to be sent as an event."""

    integration: ProxyIntegration
    request: HttpRequest
    event: JsonText
    may_run_twice: bool
    options: CallOptions


class _RequestBody:
    """The body of a request, as it is read; a body that no event can hold is not read to its end."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_REQUEST_BYTES:
            limit = f"Lambda accepts events of at most {MAX_REQUEST_BYTES:,} bytes, in which a binary body is base64"
            remedy = "upload it to S3, and send where it is"
            raise RequestTooLargeError(
                f"the body of the request is too large: {limit}; {remedy}", function=self._function
            )

    @property
    def content(self) -> bytes:
        return b"".join(self._chunks)


class _WebApp:
    """A function that is a web app: requests to events, and results to responses, without I/O."""

    def __init__(self, function: Address, payload_format: PayloadFormat, retry_methods: Collection[str]) -> None:
        self.function = str(function)
        self._payload_format: PayloadFormat = payload_format
        # A text is a collection of its letters.
        if isinstance(retry_methods, str):
            raise ContractError(f"retry_methods must be a list of methods: retry_methods=[{retry_methods!r}]")
        self._retry_methods = frozenset(method.upper() for method in retry_methods)

    @property
    def contracts(self) -> tuple[Contract[JsonText, JsonText], Contract[JsonText, JsonText]]:
        """The contract of requests that may run once only, and of those that may run twice."""
        once, repeatable = (
            Contract(self.function, request=JsonText, response=JsonText, idempotent=idempotent)
            for idempotent in (False, True)
        )
        return once, repeatable

    def new_body(self) -> _RequestBody:
        return _RequestBody(self.function)

    def prepare(self, request: httpx.Request, body: bytes) -> _AppCall:
        received = _to_http_request(request, body)
        integration = ProxyIntegration(
            kind="rest" if self._payload_format == "1.0" else "url",
            payload_format=self._payload_format,
            api_id="lambdachain",
            account_id="anonymous",
            # Percent-encoded in both formats: the adapters decode it, and decoding it twice would change a "%25".
            path=received.path,
            route_key="$default" if self._payload_format == "2.0" else f"{received.method} /{{proxy+}}",
            path_parameters={} if self._payload_format == "2.0" else {"proxy": received.path.removeprefix("/")},
        )
        event = json.dumps(to_proxy_event(integration, received), ensure_ascii=False, separators=(",", ":"))
        options: CallOptions = {}
        timeout = request.extensions.get("timeout", {}).get("read")
        if timeout is not None:
            if timeout <= 0:  # no setting of a LambdaClient, but httpx accepts it: every request times out
                raise DeadlineExceededError("httpx's read timeout leaves no time for the call", function=self.function)
            options["timeout"] = timeout
        key = request.headers.get("idempotency-key")
        if key is not None:
            options["idempotency_key"] = key
        may_run_twice = received.method in self._retry_methods
        return _AppCall(integration, received, JsonText(event.encode()), may_run_twice, options)

    def to_response(self, call: _AppCall, result: InvokeResult[JsonText]) -> httpx.Response:
        try:
            response = parse_proxy_response(call.integration, result.value, call.request)
        except MalformedProxyResponseError as exc:
            error = ResponseError(
                f"the function did not return an HTTP response in payload format {self._payload_format}: {exc}",
                function=self.function,
                request_id=result.request_id,
            )
            error.attempts, error.elapsed = result.attempts, result.duration
            raise error from None
        return _to_httpx_response(response, call.request.method, result)


def _check_arguments(client: object, kind: type[object], payload_format: object, options: CallOptions) -> None:
    if not isinstance(client, kind):
        name = "AsyncInvokeTransport" if isinstance(client, AsyncLambdaClient) else "InvokeTransport"
        remedy = f"use {name}" if isinstance(client, LambdaClient | AsyncLambdaClient) else f"pass a {kind.__name__}"
        raise ContractError(f"the client must be a {kind.__name__}, not {type(client).__name__}: {remedy}")
    if payload_format not in _PAYLOAD_FORMATS:
        raise ContractError(f"payload_format must be '1.0' or '2.0', not {payload_format!r}")
    for name, remedy in _NOT_FOR_ALL_REQUESTS.items():
        if name in options:
            raise ContractError(f"{name} cannot be set for all requests: use {remedy}")


def _to_http_request(request: httpx.Request, body: bytes) -> HttpRequest:
    path, _, query = request.url.raw_path.partition(b"?")
    encoding = request.headers.encoding
    spellings: dict[str, str] = {}
    headers: list[tuple[str, str]] = []
    for raw_name, value in request.headers.raw:
        name = raw_name.decode("ascii")
        if name.lower() not in HOP_BY_HOP:
            # In format 1.0, two spellings of one name would be two headers.
            headers.append((spellings.setdefault(name.lower(), name), value.decode(encoding)))
    # What a gateway adds: apps build the URLs of redirects from these.
    added = {
        "X-Forwarded-Proto": request.url.scheme,
        "X-Forwarded-Port": str(request.url.port or _PORTS.get(request.url.scheme, 443)),
    }
    if body or "content-length" in request.headers:
        added["Content-Length"] = str(len(body))
    return HttpRequest(
        method=request.method,
        path=path.decode("ascii"),
        query=query.decode("ascii"),
        headers=[*headers, *((name, value) for name, value in added.items() if name.lower() not in spellings)],
        body=body,
        request_id=new_id(),
        arrived_at=time.time(),
    )


def _to_httpx_response(response: HttpResponse, method: str, result: InvokeResult[JsonText]) -> httpx.Response:
    has_body = method != "HEAD" and response.status not in (204, 304)
    body = response.body if has_body else b""
    headers = [*without_hop_by_hop(response).headers]
    # A response without a body may still state the length that it would have.
    lengths = [value for name, value in response.headers if name.lower() == "content-length"][-1:]
    headers += [("content-length", value) for value in ([str(len(body))] if has_body else lengths)]
    return httpx.Response(
        response.status,
        headers=[(name.encode("ascii"), value.encode(errors="replace")) for name, value in headers],
        # Not content=: the response would then count as read, and could not be streamed.
        stream=httpx.ByteStream(body),
        extensions={"lambda_request_id": result.request_id},
    )


def _to_httpx_error(error: CallError) -> InvokeError:
    """Return *error* as an error of both libraries."""
    return _restore_error(type(error), error.args, vars(error))


def _restore_error(kind: type[CallError], arguments: tuple[Any, ...], state: Mapping[str, Any]) -> InvokeError:
    # mypy looks for the hash of an instance: the argument is a class.
    both = _combine_classes(kind)  # type: ignore[arg-type]
    error = both.__new__(both, *arguments)
    httpx.TransportError.__init__(error, str(arguments[0]) if arguments else "")
    vars(error).update(state)
    return error


@cache
def _combine_classes(kind: type[CallError]) -> type[InvokeError]:
    """Return the class of errors that are a *kind*, and the error of httpx that promises as much."""
    theirs = next(theirs for ours, theirs in _HTTPX_ERRORS if ours in kind.__mro__)
    return type(kind.__name__, (InvokeError, kind, theirs), {"__module__": __name__, "__doc__": kind.__doc__})
