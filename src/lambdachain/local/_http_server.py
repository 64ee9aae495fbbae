"""An HTTP API or a function URL at an address of its own: requests to events, what a function returns to responses."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from lambdachain._core.invocation import InvocationType
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.delivery import Delivery, InvocationResult, InvokeRequest
from lambdachain._lambda_api.invoke_api import get_trace_header
from lambdachain._lambda_api.limits import MAX_REQUEST
from lambdachain._lambda_api.proxy_events import HttpRequest
from lambdachain._lambda_api.proxy_responses import HttpResponse, MalformedProxyResponseError
from lambdachain._lambda_api.responses import ApiError

from . import _http_responses as http_responses
from ._aiohttp_server import AiohttpServer, read_body
from ._function_registry import FunctionRegistry
from ._host_check import CHECKED_HEADERS, HostCheck
from ._http_api import LocalHttpApi, LocalHttpAuthorizer, LocalHttpRoute
from ._http_authorizers import (
    AUTHORIZER_TIMEOUTS,
    NotAuthorizedError,
    add_authorizer,
    judge,
    to_authorizer_event,
)
from ._http_cors import add_cors_headers, answer_preflight, explicit_origins
from ._http_events import to_event
from ._http_responses import MAX_HTTP_BODY, to_http_response
from ._http_routes import MatchedRoute, match_route
from ._http_stream import PreludeParser
from ._invocations import LocalInvocation, invocation_from_ending, invocation_from_error
from ._sandbox import Sink

_LOGGER: Final = logging.getLogger("lambdachain.local")
# Headers that concern one connection only: neither AWS nor any other gateway passes them on.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "te", "transfer-encoding", "upgrade"})


class HttpServer(AiohttpServer):
    """Serves one API on *listener*, inside ``async with``."""

    def __init__(
        self,
        api: LocalHttpApi,
        registry: FunctionRegistry,
        listener: socket.socket,
        *,
        hosts: HostCheck,
        location: AwsLocation,
        report: Callable[[LocalInvocation], None],
    ) -> None:
        super().__init__(listener)
        self.api = api
        self._registry = registry
        self._hosts = hosts
        self._location = location
        self._report = report
        # Invocations that run on after their request has timed out, as on AWS.
        self._invocations: set[asyncio.Task[InvocationResult]] = set()

    async def __aexit__(self, *exc_info: object) -> None:
        await super().__aexit__(*exc_info)
        for task in self._invocations:
            task.cancel()
        await asyncio.gather(*self._invocations, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        # One API for the whole request: a reload may replace it in the meantime.
        api = self.api
        if reason := self._find_rejection(api, request):
            _LOGGER.warning("refused a request to %s: %s", api.name, reason)
            await read_body(request, 0)
            return _to_aiohttp(http_responses.page_refused(reason))
        body = await read_body(request, MAX_HTTP_BODY)
        received = _to_request(request, body.content)
        if (preflight := answer_preflight(api, received)) is not None:
            return _to_aiohttp(preflight)
        if body.size > MAX_HTTP_BODY:
            return _respond(api, received, http_responses.request_too_large())
        route = match_route(api, received.method, received.path)
        if route is None:
            return _respond(api, received, http_responses.no_route(api.kind))
        return await self._serve(api, request, received, route)

    def _find_rejection(self, api: LocalHttpApi, request: web.Request) -> str | None:
        fields = {name: values for name in CHECKED_HEADERS if (values := request.headers.getall(name, ()))}
        return self._hosts.rejection_reason(request.raw_path, fields, origins=explicit_origins(api))

    async def _serve(
        self, api: LocalHttpApi, request: web.Request, received: HttpRequest, route: MatchedRoute
    ) -> web.StreamResponse:
        event = to_event(api, received, route, self._location.account_id)
        try:
            await self._authorize(api, received, route, event)
        except NotAuthorizedError as exc:
            _LOGGER.warning("%s: rejected %s: %s", api.name, route.key, exc)
            return _respond(api, received, http_responses.request_rejected(api.kind, exc.rejection))
        payload = json.dumps(event, ensure_ascii=False).encode(errors="replace")
        if len(payload) > MAX_REQUEST:
            return _respond(api, received, http_responses.request_too_large())
        invoke = self._to_invoke(received, route.target, payload)
        if api.stream:
            stream = _StreamedResponse(api, request, received)
            response = await self._invoke(api, invoke, route, stream.send)
            return await stream.complete(response)
        response = await self._invoke(api, invoke, route)
        if isinstance(response, InvocationResult):
            response = _convert_result(api, route, received, response)
        return _respond(api, received, response)

    async def _authorize(
        self, api: LocalHttpApi, received: HttpRequest, route: MatchedRoute, event: dict[str, Any]
    ) -> None:
        """Run the authorizer of a route, and add to the event what it returns.

        Raises:
            NotAuthorizedError: The request does not pass.
        """
        if route.target.authorizer is None:
            return
        authorizer = api.authorizers[route.target.authorizer]
        authorizer_event, arn = to_authorizer_event(authorizer, api, received, route, self._location)
        payload = json.dumps(authorizer_event, ensure_ascii=False).encode(errors="replace")
        invoke = self._to_invoke(replace(received, request_id=str(uuid.uuid4())), authorizer, payload)
        try:
            result = await self._wait_for_result(invoke, AUTHORIZER_TIMEOUTS[api.kind])
        except TimeoutError:
            raise NotAuthorizedError("failed", f"the authorizer {authorizer.function} did not respond") from None
        except ApiError as exc:
            self._report(invocation_from_error(invoke, exc, None))
            raise NotAuthorizedError("failed", f"the authorizer {authorizer.function} cannot run: {exc}") from None
        add_authorizer(event, api, judge(api, authorizer, result, arn))

    def _to_invoke(
        self, received: HttpRequest, target: LocalHttpRoute | LocalHttpAuthorizer, payload: bytes
    ) -> InvokeRequest:
        arn = str(self._location.arn(target.function, target.qualifier))
        delivery = Delivery(received.request_id, arn, received.header("x-amzn-trace-id") or "", payload)
        return InvokeRequest(target.function, target.qualifier, InvocationType.REQUEST_RESPONSE, False, delivery)  # noqa: FBT003

    async def _invoke(
        self, api: LocalHttpApi, invoke: InvokeRequest, route: MatchedRoute, sink: Sink | None = None
    ) -> InvocationResult | HttpResponse:
        """Run the function; return its result, or without a result the response of the API."""
        try:
            result = await self._wait_for_result(invoke, api.timeout(route.target), sink)
        except TimeoutError:
            _LOGGER.warning("%s: %s did not respond within the API's timeout", api.name, invoke.function)
            return http_responses.integration_timed_out(api.kind)
        except ApiError as exc:
            self._report(invocation_from_error(invoke, exc, None))
            return http_responses.invocation_rejected(api.kind, exc.response.status)
        return http_responses.function_failed(api.kind) if result.failed else result

    async def _wait_for_result(
        self, invoke: InvokeRequest, seconds: float, sink: Sink | None = None
    ) -> InvocationResult:
        """Run a function, which runs on after a `TimeoutError`."""
        task = asyncio.create_task(self._run(invoke, sink))
        self._invocations.add(task)
        task.add_done_callback(self._invocations.discard)
        try:
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            task.add_done_callback(_retrieve_exception)
            raise

    async def _run(self, invoke: InvokeRequest, sink: Sink | None) -> InvocationResult:
        accepted = self._registry.accept(invoke.delivery)
        try:
            result = await accepted.run(sink=sink)
        except OSError as exc:
            raise responses.sandbox_not_started(str(exc)) from exc
        self._report(invocation_from_ending(invoke, accepted.version, result, None))
        return result


def _convert_result(
    api: LocalHttpApi, route: MatchedRoute, received: HttpRequest, result: InvocationResult
) -> HttpResponse:
    try:
        return to_http_response(api, route, result.body, received)
    except MalformedProxyResponseError as exc:
        _LOGGER.warning("%s: the response of %s is malformed: %s", api.name, route.target.function, exc)
        return http_responses.function_failed(api.kind)


def _to_request(request: web.Request, body: bytes) -> HttpRequest:
    client = request.remote or "127.0.0.1"
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
    forwarded = {
        "X-Forwarded-For": ", ".join([*request.headers.getall("X-Forwarded-For", ()), client]),
        "X-Forwarded-Port": str(_get_port(request)),
        "X-Forwarded-Proto": "http",
        "X-Amzn-Trace-Id": get_trace_header(request.headers),
    }
    added = {name.lower() for name in forwarded}
    return HttpRequest(
        method=request.method.upper(),
        path=request.rel_url.raw_path,
        query=request.rel_url.raw_query_string,
        headers=[*((name, value) for name, value in headers if name.lower() not in added), *forwarded.items()],
        body=body,
        source_ip=client,
        request_id=str(uuid.uuid4()),
        arrived_at=time.time(),
        protocol=f"HTTP/{request.version.major}.{request.version.minor}",
    )


def _get_port(request: web.Request) -> int:
    address: Any = request.transport.get_extra_info("sockname") if request.transport else None
    return int(address[1]) if address else 0


def _respond(api: LocalHttpApi, received: HttpRequest, response: HttpResponse) -> web.Response:
    return _to_aiohttp(add_cors_headers(api, received, response), received.request_id)


def _to_aiohttp(response: HttpResponse, request_id: str | None = None) -> web.Response:
    return web.Response(status=response.status, body=response.body, headers=_headers(response, request_id))


def _headers(response: HttpResponse, request_id: str | None) -> CIMultiDict[str]:
    headers = CIMultiDict(response.headers)
    if request_id is not None:
        headers.setdefault("x-amzn-RequestId", request_id)
    return headers


def _retrieve_exception(task: asyncio.Task[InvocationResult]) -> None:
    # asyncio logs an exception that nobody has looked at.
    if not task.cancelled():
        task.exception()


class _StreamedResponse:
    """A response in parts. The function keeps running if the client disconnects, as on AWS."""

    def __init__(self, api: LocalHttpApi, request: web.Request, received: HttpRequest) -> None:
        self._api = api
        self._request = request
        self._received = received
        self._parser = PreludeParser()
        self._response: web.StreamResponse | None = None
        self._problem: MalformedProxyResponseError | None = None

    async def send(self, payload: bytes) -> None:
        """Send a part; the first parts may be metadata."""
        if self._problem is not None:
            return
        try:
            head, body = self._parser.feed(payload)
        except MalformedProxyResponseError as exc:
            self._problem = exc
            return
        await self._write(head, body)

    async def complete(self, result: InvocationResult | HttpResponse) -> web.StreamResponse:
        """End the response; one that failed in the middle is cut off, so that no client takes it for complete."""
        failure = result if isinstance(result, HttpResponse) else None
        if self._problem is not None:
            _LOGGER.warning("%s: the streamed response is malformed: %s", self._api.name, self._problem)
            failure = http_responses.function_failed(self._api.kind)
        if failure is not None and self._response is None:
            return _respond(self._api, self._received, failure)
        if failure is not None:
            if self._request.transport is not None:
                self._request.transport.abort()
        else:
            await self._write(*self._parser.finish())
        if self._response is None:
            raise RuntimeError("a stream that has ended has a head")
        with suppress(ConnectionError):
            await self._response.write_eof()
        return self._response

    async def _write(self, head: HttpResponse | None, body: bytes) -> None:
        with suppress(ConnectionError):
            if head is not None:
                head = add_cors_headers(self._api, self._received, head)
                headers: Mapping[str, str] = _headers(head, self._received.request_id)
                self._response = web.StreamResponse(status=head.status, headers=headers)
                await self._response.prepare(self._request)
            if body and self._response is not None:
                await self._response.write(body)
