"""The Invoke API as an HTTP service, on one event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import Mapping
from typing import Final, Self

from aiohttp import web

from lambdachain._invocation import InvocationType
from lambdachain._service import answers
from lambdachain._service.answers import Answer, RefusedError
from lambdachain._service.delivery import InvokeRequest
from lambdachain._service.invoke_api import INVOKE_PATH, answer_ending, answer_permitted, answer_queued, read_invoke
from lambdachain._service.limits import MAX_REQUEST
from lambdachain._service.place import LATEST

from ._function import LocalFunction
from ._http import CONNECTION_OPTIONS, SHUTDOWN_TIMEOUT, read_body, serve
from ._pool import SandboxPool
from ._sandbox import Surroundings

_LOGGER: Final = logging.getLogger("lambdachain.local")


class InvokeService:
    """Serves *functions* on *listener* between ``async with`` and its end, which leaves no process behind."""

    def __init__(self, functions: Mapping[str, LocalFunction], listener: socket.socket, around: Surroundings) -> None:
        self._place = around.place
        self._listener = listener
        self._pools = {name: SandboxPool(function, around) for name, function in functions.items()}
        self._events: set[asyncio.Task[None]] = set()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=SHUTDOWN_TIMEOUT, **CONNECTION_OPTIONS)

    async def __aenter__(self) -> Self:
        await serve(self._runner, self._listener)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for event in self._events:
            event.cancel()
        await asyncio.gather(self._runner.cleanup(), *self._events, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in self._pools.values()))

    async def _handle(self, request: web.Request) -> web.Response:
        request_id = str(uuid.uuid4())
        headers = {"x-amzn-RequestId": request_id}
        try:
            invoke = await self._read(request, request_id)
            headers["X-Amzn-Trace-Id"] = invoke.delivery.trace_id
            answer = await self._answer(invoke)
        except RefusedError as exc:
            answer = exc.answer
        headers |= {"Content-Type": "application/json", **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _read(self, request: web.Request, request_id: str) -> InvokeRequest:
        body = await read_body(request, MAX_REQUEST)
        path = INVOKE_PATH.fullmatch(request.rel_url.raw_path)
        if path is None or request.method != "POST":
            raise answers.unknown_operation(request.method, request.rel_url.raw_path)
        return read_invoke(
            path[1],
            request.query.get("Qualifier"),
            request.headers,
            body,
            request_id=request_id,
            place=self._place,
            functions=dict.fromkeys(self._pools, (LATEST,)),
        )

    async def _answer(self, invoke: InvokeRequest) -> Answer:
        pool = self._pools[invoke.function]
        if invoke.invocation_type is InvocationType.DRY_RUN:
            return answer_permitted()
        if invoke.invocation_type is InvocationType.EVENT:
            self._queue(pool, invoke)
            return answer_queued()
        if pool.throttles:
            raise answers.throttled()
        try:
            ending = await pool.run(invoke.delivery, log_tail=invoke.log_tail)
        except OSError as exc:
            raise answers.sandbox_not_started(str(exc)) from exc
        return answer_ending(ending, log_tail=invoke.log_tail)

    def _queue(self, pool: SandboxPool, invoke: InvokeRequest) -> None:
        event = asyncio.create_task(self._run_event(pool, invoke))
        self._events.add(event)
        event.add_done_callback(self._events.discard)

    async def _run_event(self, pool: SandboxPool, invoke: InvokeRequest) -> None:
        request_id = invoke.delivery.request_id
        if pool.function.reserved_concurrency == 0:
            _LOGGER.warning("%s: event %s dropped: reserved concurrency is 0", invoke.function, request_id)
            return
        try:
            ending = await pool.run(invoke.delivery, log_tail=False)
        except OSError as exc:
            _LOGGER.warning("%s: event %s dropped: no process could be started: %s", invoke.function, request_id, exc)
            return
        if ending.failed:
            _LOGGER.warning("%s: event %s failed and is not tried again", invoke.function, request_id)
