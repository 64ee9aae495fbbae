"""Lambda's API over HTTP: Invoke, InvokeWithResponseStream, and the operations that describe functions."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

from aiohttp import web

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

from ._aiohttp_server import AiohttpServer, read_body
from ._credentials import find_caller
from ._event_delivery import EventDelivery
from ._function_registry import FunctionRegistry
from ._host_check import CHECKED_HEADERS, HostCheck
from ._invocations import LocalInvocation, invocation_from_bad_request, invocation_from_ending, invocation_from_error
from ._sandbox import Sink
from ._served_function import AcceptedInvocation

_LOGGER: Final = logging.getLogger("lambdachain.local")


class InvokeServer(AiohttpServer):
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

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Type": "application/json"}
        try:
            self._refuse_web_pages(request)
            _check_head(request)
            operation, target = parse_operation(request.method, request.rel_url.raw_path)
            if operation in (Operation.INVOKE, Operation.INVOKE_STREAM):
                response = await self._invoke(request, operation, target, headers)
            else:
                response = self._describe(request, operation, target)
        except ApiError as exc:
            # A client that is still sending its body reads the response only once the body has been taken.
            await read_body(request, 0)
            response = exc.response
        if isinstance(response, web.StreamResponse):
            return response
        return web.Response(status=response.status, body=response.body, headers={**headers, **response.headers})

    def _refuse_web_pages(self, request: web.Request) -> None:
        fields = {name: values for name in CHECKED_HEADERS if (values := request.headers.getall(name, ()))}
        reason = self._hosts.rejection_reason(request.raw_path, fields)
        if reason is not None:
            _LOGGER.warning("rejected a request: %s", reason)
            raise responses.request_rejected(reason)

    def _describe(self, request: web.Request, operation: Operation, target: str) -> ApiResponse:
        if operation is Operation.LIST_FUNCTIONS:
            return function_list_response(
                self._registry.describe_all(versions=request.query.get("FunctionVersion") == "ALL")
            )
        qualifier = request.query.get("Qualifier")
        action = "GetFunction" if operation is Operation.GET_FUNCTION else "GetFunctionConfiguration"
        arn = resolve_function(
            unquote(target), qualifier, self._location, self._registry.qualifiers, unqualified=None, action=action
        )
        described = self._registry.describe(arn.name, arn.qualifier)
        return (
            function_response(described) if operation is Operation.GET_FUNCTION else configuration_response(described)
        )

    async def _invoke(
        self, request: web.Request, operation: Operation, target: str, headers: dict[str, str]
    ) -> ApiResponse | web.StreamResponse:
        caller = find_caller(request.headers.get("Authorization"), self._registry.qualifiers)
        try:
            invoke = await self._parse_invoke(request, target, headers["x-amzn-RequestId"])
        except ApiError as exc:
            self._report(invocation_from_bad_request(target, headers["x-amzn-RequestId"], exc, caller))
            raise
        try:
            self._registry.check(invoke.delivery)
            if operation is Operation.INVOKE_STREAM:
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
            if operation is Operation.INVOKE:
                return await self._call(invoke, accepted, caller)
            return await self._stream(request, invoke, accepted, caller, headers)
        except ApiError as exc:
            self._report(invocation_from_error(invoke, exc, caller))
            raise

    async def _parse_invoke(self, request: web.Request, target: str, request_id: str) -> InvokeRequest:
        body = await read_body(request, MAX_REQUEST)
        return read_invoke(
            target,
            request.query.get("Qualifier"),
            request.headers,
            body,
            request_id=request_id,
            location=self._location,
            functions=self._registry.qualifiers,
        )

    async def _call(self, invoke: InvokeRequest, accepted: AcceptedInvocation, caller: str | None) -> ApiResponse:
        ending = await self._run(invoke, accepted, caller)
        return invocation_response(ending, log_tail=invoke.log_tail, version=accepted.version)

    async def _stream(
        self,
        request: web.Request,
        invoke: InvokeRequest,
        accepted: AcceptedInvocation,
        caller: str | None,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        stream = _StreamingResponse(
            request, {**headers, "Content-Type": CONTENT_TYPE, "X-Amz-Executed-Version": accepted.version}
        )
        ending = await self._run(invoke, accepted, caller, stream.send)
        return await stream.complete(ending, log_tail=invoke.log_tail)

    async def _run(
        self, invoke: InvokeRequest, accepted: AcceptedInvocation, caller: str | None, sink: Sink | None = None
    ) -> InvocationResult:
        try:
            ending = await accepted.run(log_tail=invoke.log_tail, sink=sink)
        except OSError as exc:
            raise responses.sandbox_not_started(str(exc)) from exc
        self._report(invocation_from_ending(invoke, accepted.version, ending, caller))
        return ending


def _check_head(request: web.Request) -> None:
    """Raise if the request line and headers are too long in total, as on Lambda; aiohttp limits each separately."""
    size = (
        len(request.method) + len(request.raw_path) + sum(len(name) + len(text) for name, text in request.raw_headers)
    )
    if size > MAX_HEADERS:
        raise responses.head_too_large(size)


class _StreamingResponse:
    """The response of a streaming invocation. The function keeps running if the client disconnects, as on Lambda."""

    def __init__(self, request: web.Request, headers: dict[str, str]) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=headers)

    async def send(self, payload: bytes) -> None:
        """Send a part of the payload."""
        if payload:
            await self._write(payload_chunk(payload))

    async def complete(self, ending: InvocationResult, *, log_tail: bool) -> web.StreamResponse:
        """Send the last event of the stream, which reports success or failure."""
        code = "Unhandled" if ending.failed else None
        details = ending.body.decode(errors="replace") if ending.failed else None
        await self._write(invoke_complete(code, details, ending.log_tail if log_tail else None))
        with suppress(ConnectionError):
            await self._response.write_eof()
        return self._response

    async def _write(self, message: bytes) -> None:
        with suppress(ConnectionError):
            if not self._response.prepared:
                await self._response.prepare(self._request)
            await self._response.write(message)
