"""Lambda's API over HTTP: Invoke, InvokeWithResponseStream, and the operations that describe functions."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

from lambdachain._core.invocation import InvocationType
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.addressing import resolve_function
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.configuration import configuration_response, function_list_response, function_response
from lambdachain._lambda_api.delivery import InvocationResult, InvokeRequest
from lambdachain._lambda_api.invoke_api import (
    check_stream_type,
    invocation_response,
    permitted_response,
    queued_response,
    read_invoke,
)
from lambdachain._lambda_api.limits import MAX_HEADERS, MAX_REQUEST
from lambdachain._lambda_api.operations import Operation, parse_operation
from lambdachain._lambda_api.responses import ApiError, ApiResponse
from lambdachain._lambda_api.stream_events import CONTENT_TYPE, invoke_complete, payload_chunk

from ._credentials import find_caller
from ._event_delivery import EventDelivery
from ._function_registry import FunctionRegistry
from ._host_check import CHECKED_HEADERS, HostCheck
from ._http1_connection import HttpConnection
from ._http1_parser import Request
from ._http1_server import Http1Server, http_date
from ._invocations import LocalInvocation, invocation_from_bad_request, invocation_from_ending, invocation_from_error
from ._sandbox import Sink
from ._served_function import AcceptedInvocation

_LOGGER: Final = logging.getLogger("lambdachain.local")


class ApiCall(NamedTuple):
    """A call of Lambda's API: the operation, the function in the path, still percent-encoded, and the query."""

    operation: Operation
    function: str
    query: Mapping[str, Sequence[str]]

    def parameter(self, name: str) -> str | None:
        """Return the first value of a parameter of the query."""
        return self.query.get(name, (None,))[0]


class InvokeServer(Http1Server):
    """Serves the functions of a registry on *listener*, inside ``async with``."""

    def __init__(
        self,
        registry: FunctionRegistry,
        events: EventDelivery,
        listener: socket.socket,
        *,
        hosts: HostCheck,
        location: AwsLocation,
        report: Callable[[LocalInvocation], None],
    ) -> None:
        super().__init__(listener)
        self._registry = registry
        self._events = events
        self._hosts = hosts
        self._location = location
        self._report = report

    async def _handle(self, http: HttpConnection, request: Request) -> None:
        headers = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": "application/json", "Date": http_date()}
        try:
            self._refuse_web_pages(request)
            _check_head(request)
            call = _parse_api_call(request)
            if call.operation in (Operation.INVOKE, Operation.INVOKE_STREAM):
                response = await self._invoke(http, request, call, headers)
            else:
                response = self._describe(call)
        except ApiError as exc:
            response = exc.response
        if response is not None:
            # A client that is still sending its body reads the response only once the body has been taken.
            await http.read_body(0)
            await http.respond(response.status, response.body, {**headers, **response.headers})

    def _refuse_web_pages(self, request: Request) -> None:
        fields = {name: values for name in CHECKED_HEADERS if (values := request.headers.getall(name, ()))}
        reason = self._hosts.rejection_reason(request.target, fields)
        if reason is not None:
            _LOGGER.warning("rejected a request: %s", reason)
            raise responses.request_rejected(reason)

    def _describe(self, call: ApiCall) -> ApiResponse:
        if call.operation is Operation.LIST_FUNCTIONS:
            versions = call.parameter("FunctionVersion") == "ALL"
            return function_list_response(self._registry.describe_all(versions=versions))
        has_code = call.operation is Operation.GET_FUNCTION
        arn = resolve_function(
            unquote(call.function),
            call.parameter("Qualifier"),
            self._location,
            self._registry.qualifiers,
            unqualified=None,
            action="GetFunction" if has_code else "GetFunctionConfiguration",
        )
        described = self._registry.describe(arn.name, arn.qualifier)
        return function_response(described) if has_code else configuration_response(described)

    async def _invoke(
        self, http: HttpConnection, request: Request, call: ApiCall, headers: dict[str, str]
    ) -> ApiResponse | None:
        """Invoke a function; return the response, or ``None`` if it has been streamed."""
        caller = find_caller(request.headers.get("Authorization"), self._registry.qualifiers)
        try:
            invoke = read_invoke(
                call.function,
                call.parameter("Qualifier"),
                request.headers,
                await http.read_body(MAX_REQUEST),
                request_id=headers["x-amzn-RequestId"],
                location=self._location,
                functions=self._registry.qualifiers,
            )
        except ApiError as exc:
            self._report(invocation_from_bad_request(call.function, headers["x-amzn-RequestId"], exc, caller))
            raise
        try:
            self._registry.check(invoke.delivery)
            if call.operation is Operation.INVOKE_STREAM:
                check_stream_type(request.headers)
            # Concurrency does not matter for these: an event is throttled when it is delivered, a dry run never.
            if invoke.invocation_type is InvocationType.EVENT:
                self._events.fire(invoke.delivery, caller)
                return queued_response()
            if invoke.invocation_type is InvocationType.DRY_RUN:
                self._report(invocation_from_ending(invoke, None, None, caller))
                return permitted_response()
            accepted = self._registry.accept(invoke.delivery)
            headers["X-Amzn-Trace-Id"] = accepted.delivery.trace_id
            if call.operation is Operation.INVOKE:
                return await self._call(invoke, accepted, caller)
            await self._stream(http, invoke, accepted, caller, headers)
        except ApiError as exc:
            self._report(invocation_from_error(invoke, exc, caller))
            raise
        return None

    async def _call(self, invoke: InvokeRequest, accepted: AcceptedInvocation, caller: str | None) -> ApiResponse:
        ending = await self._run(invoke, accepted, caller)
        return invocation_response(ending, log_tail=invoke.log_tail, version=accepted.version)

    async def _stream(
        self,
        http: HttpConnection,
        invoke: InvokeRequest,
        accepted: AcceptedInvocation,
        caller: str | None,
        headers: dict[str, str],
    ) -> None:
        stream = _StreamingResponse(
            http, {**headers, "Content-Type": CONTENT_TYPE, "X-Amz-Executed-Version": accepted.version}
        )
        ending = await self._run(invoke, accepted, caller, stream.send)
        await stream.complete(ending, log_tail=invoke.log_tail)

    async def _run(
        self, invoke: InvokeRequest, accepted: AcceptedInvocation, caller: str | None, sink: Sink | None = None
    ) -> InvocationResult:
        try:
            ending = await accepted.run(log_tail=invoke.log_tail, sink=sink)
        except OSError as exc:
            raise responses.sandbox_not_started(str(exc)) from exc
        self._report(invocation_from_ending(invoke, accepted.version, ending, caller))
        return ending


def _parse_api_call(request: Request) -> ApiCall:
    """Return the call that a request is.

    Raises:
        ApiError: The operation is not served.
    """
    path, _, query = request.target.partition("?")
    if not path.startswith("/"):  # an absolute URL, as clients send it to a proxy
        path = "/" + path.partition("://")[2].partition("/")[2]
    parameters = parse_qs(query, keep_blank_values=True) if query else {}
    return ApiCall(*parse_operation(request.method, path), parameters)


def _check_head(request: Request) -> None:
    """Raise if the request line and headers are too long in total, as on Lambda."""
    size = (
        len(request.method) + len(request.target) + sum(len(name) + len(text) for name, text in request.headers.items())
    )
    if size > MAX_HEADERS:
        raise responses.head_too_large(size)


class _StreamingResponse:
    """The response of a streaming invocation. The function keeps running if the client disconnects, as on Lambda."""

    def __init__(self, http: HttpConnection, headers: dict[str, str]) -> None:
        self._http = http
        self._headers = headers
        self._is_started = False

    async def send(self, payload: bytes) -> None:
        """Send a part of the payload."""
        if payload:
            await self._write(payload_chunk(payload))

    async def complete(self, ending: InvocationResult, *, log_tail: bool) -> None:
        """Send the last event of the stream, which reports success or failure."""
        code = "Unhandled" if ending.failed else None
        details = ending.body.decode(errors="replace") if ending.failed else None
        await self._write(invoke_complete(code, details, ending.log_tail if log_tail else None))
        with suppress(ConnectionError):
            await self._http.end_stream()

    async def _write(self, message: bytes) -> None:
        with suppress(ConnectionError):
            if not self._is_started:
                self._is_started = True
                await self._http.start_stream(self._headers)
            await self._http.send_part(message)
