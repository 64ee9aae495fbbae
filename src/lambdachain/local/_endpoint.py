"""`LocalEndpoint`: a thread with an event loop that serves functions until the endpoint is closed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, closing
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lambdachain._lambda_api.aws_location import LATEST, AwsLocation

from ._concurrency_limit import default_concurrency
from ._endpoint_settings import ClockKind, EndpointSettings, check_arguments, parse_allowed_hosts
from ._event_clock import EventClock
from ._event_delivery import EventDelivery
from ._event_destinations import DestinationSender, check_destinations
from ._event_queue import EventQueue
from ._function_config import LocalFunction, index_by_name, with_absolute_directories
from ._function_registry import FunctionRegistry
from ._host_check import HostCheck
from ._http_api import LocalHttpApi, index_http_apis
from ._invocations import LocalInvocation, Observer
from ._invoke_server import InvokeServer
from ._orphan_guard import OrphanGuard
from ._runtimes import runtime_for
from ._sandbox import SandboxResources

if TYPE_CHECKING:
    from ._http_server import HttpServer

Result = TypeVar("Result")


class LocalEndpoint:
    """Lambda's Invoke API for functions on this machine, over HTTP; signatures are not checked.

    Each function runs in its own processes of the real ``awslambdaric``, one invocation at a time in each; idle
    processes are reused. Their SDKs call this endpoint (``AWS_ENDPOINT_URL_LAMBDA``), and no process outlives it. Their
    output goes to the logger ``lambdachain.local`` at level INFO.

    Asynchronous events are queued, run in the background, and retried according to the function's `EventConfig`.

    ::

        with LocalEndpoint([LocalFunction("orders", "app.handler", directory="orders")]) as endpoint:
            client = boto3.client("lambda", endpoint_url=endpoint.url, region_name="us-east-1")

    Args:
        functions: The functions to serve.
        host: The address to listen on. There is no authentication: every program that can reach the address can run the
            functions. A web page cannot, unless this machine serves it.
        port: The port, or 0 for a free one.
        account_id: The account in the functions' ARNs.
        region: The region in the functions' ARNs.
        queue: A file for the queue of events, so that no event is lost when the endpoint ends, even if it is killed. By
            default the queue is in memory and is lost with the endpoint.
        clock: With ``virtual``, the queue of events waits for `advance` and `deliver` instead of for minutes. Timeouts
            remain in real time.
        services: The addresses of the services for destinations, by boto3's name: ``sqs``, ``sns``, ``events``. The
            SDKs of the functions are configured to call them too.
        allowed_hosts: Names that clients may send as ``Host`` besides loopback and *host*, such as
            ``host.docker.internal``. A request with any other name, as a web page may send it, is rejected.
        observer: Called with each completed invocation, in the endpoint's own thread.
        random: The random generator that chooses the version of an alias with routing.
        concurrency: Maximum number of concurrent invocations of all functions. Further calls are throttled (429,
            ``ConcurrentInvocationLimitExceeded``), and events wait for their next delivery. The default is what the
            machine can run: 25 per CPU, at most one per 128 MB of memory, and at least 50.
        http: HTTP APIs and function URLs for browsers and other HTTP clients, each at an address of its own; see
            `http_url`.

    Raises:
        ValueError: The functions or the HTTP APIs cannot be served, or the account or region is not valid in an ARN;
            the message says which.
    """

    def __init__(
        self,
        functions: Iterable[LocalFunction],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        account_id: str = "123456789012",
        region: str = "us-east-1",
        queue: str | Path | None = None,
        clock: ClockKind = "real",
        services: Mapping[str, str] | None = None,
        allowed_hosts: Iterable[str] = (),
        observer: Observer | None = None,
        random: Random | None = None,
        concurrency: int | None = None,
        http: Iterable[LocalHttpApi] = (),
    ) -> None:
        check_arguments(host=host, port=port, queue=queue, services=services, observer=observer, random=random)
        self._functions = index_by_name(functions)
        self._http = index_http_apis(http, self._functions)
        self._settings = EndpointSettings(
            queue=None if queue is None else Path(queue),
            clock=clock,
            services=dict(services or {}),
            observer=observer,
            concurrency=default_concurrency() if concurrency is None else concurrency,
            allowed_hosts=parse_allowed_hosts(allowed_hosts),
            random=random or Random(),  # noqa: S311 - chooses between versions, not secrets
        )
        self._host = host
        self._port = port
        self._location = AwsLocation(account_id, region)
        self._check(self._functions)
        self._url: str | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._registry: FunctionRegistry | None = None
        self._events: EventDelivery | None = None
        self._http_urls: dict[str, str] = {}
        self._http_servers: dict[str, HttpServer] = {}

    @property
    def url(self) -> str:
        """The address of the endpoint, ``http://host:port``.

        Raises:
            RuntimeError: The endpoint is not running.
        """
        if self._url is None:
            raise RuntimeError("the endpoint is not running: use it in a with statement, or call start() first")
        return self._url

    def arn(self, name: str) -> str:
        """Return the ARN of a function of this endpoint, without a qualifier."""
        return str(self._location.arn(name))

    def http_url(self, name: str) -> str:
        """Return the address of an HTTP API or a function URL, ``http://host:port``.

        Args:
            name: The name of the `LocalHttpApi`.

        Raises:
            KeyError: There is no HTTP API of that name.
            RuntimeError: The endpoint is not running.
        """
        if name not in self._http:
            raise KeyError(f"there is no HTTP API {name!r}")
        if name not in self._http_urls:
            raise RuntimeError("the endpoint is not running: use it in a with statement, or call start() first")
        return self._http_urls[name]

    def start(self) -> Self:
        """Start serving; processes start with the calls that need them.

        Raises:
            OSError: The endpoint cannot listen on the address; the message names it.
            RuntimeError: The endpoint is already running.
        """
        if self._thread is not None:
            raise RuntimeError(f"the endpoint is already running, at {self.url}")
        # Listen before the thread starts: the port is known immediately, and early connections wait in the backlog.
        listeners = _listen_all(self._host, [self._port, *(api.port for api in self._http.values())])
        listener = listeners[0]
        self._url = _format_url(listener)
        self._http_urls = dict(zip(self._http, map(_format_url, listeners[1:]), strict=True))
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listeners, self._url, started), name="lambdachain.local", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._thread.join()
            self._thread = self._url = None
            self._http_urls = {}
            raise
        return self

    def close(self) -> None:
        """Stop serving and kill every process; calls in flight lose their connection. Closing again does nothing."""
        if self._thread is None or self._loop is None or self._closing is None:
            return
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._thread = self._loop = self._closing = self._url = None
        self._http_urls = {}

    def replace(self, function: LocalFunction) -> None:
        """Replace the function of the same name: invocations in flight finish in their old processes, later calls use
        new ones.

        Raises:
            KeyError: There is no function of that name.
            ValueError: The function cannot be served; the old one is kept.
        """
        function = with_absolute_directories(function)
        # Together with the others: the destinations of its events may be functions here.
        self._check({**self._functions, function.name: function})
        if function.name not in self._functions:
            raise KeyError(f"cannot replace function {function.name!r}: there is no function of this name")
        self._functions[function.name] = function
        if self._registry is not None:
            self._run_in_loop(self._registry.replace(function))

    def add(self, function: LocalFunction) -> None:
        """Serve one more function.

        Raises:
            ValueError: The function cannot be served, or there is already one of that name.
        """
        function = with_absolute_directories(function)
        if function.name in self._functions:
            raise ValueError(f"function {function.name!r} already exists: use replace()")
        self._check({**self._functions, function.name: function})
        self._functions[function.name] = function
        if self._registry is not None:
            self._run_in_loop(self._registry.add(function))

    def replace_http(self, api: LocalHttpApi) -> None:
        """Replace the HTTP API of the same name, at the same address; requests in flight keep the old one.

        Raises:
            KeyError: There is no HTTP API of that name.
            ValueError: It has a route to something that is not a function here.
        """
        if api.name not in self._http:
            raise KeyError(f"cannot replace HTTP API {api.name!r}: there is no HTTP API of this name")
        index_http_apis([api], self._functions)
        self._http[api.name] = api
        if self._loop is not None:
            self._run_in_loop(self._set_http(api))

    def advance(self, seconds: float) -> int:
        """Advance the clock of the event queue by *seconds*, and wait until every due event has been delivered.

        Returns:
            The number of deliveries since the last call of this or of `deliver`.

        Raises:
            RuntimeError: The endpoint's clock is real, or it is not running.
        """
        return self._advance(seconds)

    def deliver(self) -> int:
        """Deliver every event with all its retries, and advance the clock of the event queue as far as that takes.

        Returns:
            The number of deliveries since the last call of this or of `advance`.

        Raises:
            RuntimeError: The endpoint's clock is real, or it is not running.
        """
        return self._advance(None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalEndpoint({', '.join(self._functions)}: {self._url or 'not running'})"

    def _check(self, functions: Mapping[str, LocalFunction]) -> None:
        for function in functions.values():
            for version in (LATEST, *function.versions):
                runtime_for(function.as_published(version))
        check_destinations(functions, self._location, self._settings.services)

    def _advance(self, seconds: float | None) -> int:
        if self._settings.clock != "virtual":
            raise RuntimeError("the endpoint's clock is real: pass clock='virtual' to LocalEndpoint to advance it")
        if self._events is None:
            raise RuntimeError("the endpoint is not running: use it in a with statement, or call start() first")
        return self._run_in_loop(self._events.advance(seconds))

    def _run_in_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            raise RuntimeError("the endpoint is not running")
        if threading.current_thread() is self._thread:
            # Otherwise Python would warn that the coroutine was never awaited.
            work.close()
            raise RuntimeError(
                "this would deadlock: it waits for the endpoint's thread, and was called in it, as by an observer"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _set_http(self, api: LocalHttpApi) -> None:
        self._http_servers[api.name].api = api

    def _run(self, listeners: Sequence[socket.socket], url: str, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(listeners, url, started))
        except OSError as exc:
            if started.done():
                raise
            started.set_exception(exc)
        finally:
            for listener in listeners:
                listener.close()
            if not started.done():
                started.set_exception(
                    RuntimeError("the endpoint could not start; the traceback of its thread has the reason")
                )

    async def _serve(self, listeners: Sequence[socket.socket], url: str, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        settings, location = self._settings, self._location
        with closing(EventQueue(settings.queue)) as queue, closing(OrphanGuard()) as orphan_guard:
            variables = {"AWS_ENDPOINT_URL_LAMBDA": url, **settings.variables}
            resources = SandboxResources(location, orphan_guard, variables, asyncio.Semaphore(settings.concurrency))
            registry = FunctionRegistry(self._functions, resources, settings.random)
            # Timeouts of functions use the system's clock even if this one is virtual: processes run in real time.
            clock = EventClock(is_virtual=settings.clock == "virtual")
            targets = DestinationSender(settings.services, location)
            events = EventDelivery(queue, registry, clock, targets, self._report, concurrency=settings.concurrency)
            listener = listeners[0]
            hosts = HostCheck(self._host, listener.getsockname()[0], settings.allowed_hosts)
            # Exited in reverse order: reject requests, cancel deliveries, then kill the processes.
            async with (
                registry,
                events,
                InvokeServer(registry, events, listener, hosts=hosts, location=location, report=self._report),
                AsyncExitStack() as http_servers,
            ):
                for api, http_listener in zip(self._http.values(), listeners[1:], strict=True):
                    # Imported here: aiohttp is a third of the time that an endpoint without HTTP APIs takes to start.
                    from ._http_server import HttpServer

                    server = HttpServer(
                        api, registry, http_listener, hosts=hosts, location=location, report=self._report
                    )
                    self._http_servers[api.name] = await http_servers.enter_async_context(server)
                self._registry, self._events = registry, events
                started.set_result(None)
                await self._closing.wait()
                self._registry = self._events = None

    def _report(self, invocation: LocalInvocation) -> None:
        if self._settings.observer is not None:
            # call_soon: an exception of the observer must not fail the call that it observes
            asyncio.get_running_loop().call_soon(self._settings.observer, invocation)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise OSError(exc.errno, f"cannot listen on {host}:{port}: {exc.strerror}") from None


def _listen_all(host: str, ports: Iterable[int]) -> list[socket.socket]:
    with ExitStack() as opened:
        listeners = [opened.enter_context(closing(_listen(host, port))) for port in ports]
        opened.pop_all()
    return listeners


def _format_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


LocalEndpoint.__module__ = "lambdachain.local"
