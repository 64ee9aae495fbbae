"""One execution environment: a process of the runtime client, and the Runtime API that it polls."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lambdachain._core import clock
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._lambda_api.delivery import Body, Delivery, InvocationResult
from lambdachain._lambda_api.limits import INIT_TIMEOUT, MAX_RESPONSE, MAX_STREAM
from lambdachain._lambda_api.log import report, start

from ._function_config import LocalFunction
from ._memory_limit import MemoryMonitor, peak_memory
from ._orphan_guard import OrphanGuard, kill_group
from ._runtime_api import Exited, InitFailed, Raised, Ready, Returned, RuntimeApi, RuntimeEvent, Streamed, Streaming
from ._runtimes import runtime_for, start_command
from ._sandbox_environment import sandbox_environment
from ._sandbox_output import SandboxOutput

# Seconds to wait for a killed process, which ends immediately unless it is blocked in the kernel.
_KILL_TIMEOUT: Final = 5.0

Sink: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Receives each part of a streamed response as soon as it arrives."""


@dataclass(frozen=True, slots=True)
class SandboxResources:
    """What all sandboxes of an endpoint share.

    Attributes:
        location: The account and region of the endpoint.
        orphan_guard: Kills the process groups that are left if the endpoint is killed.
        variables: Environment variables with the addresses of the endpoint and its services.
        execution_limit: Held while an invocation runs; limits the concurrent invocations of all functions.
    """

    location: AwsLocation
    orphan_guard: OrphanGuard
    variables: Mapping[str, str]
    execution_limit: asyncio.Semaphore


class SandboxGoneError(Exception):
    """The process ended while it was idle: the invocation was not delivered, and may be sent to another one."""


@dataclass(frozen=True, slots=True)
class InvocationOutcome:
    """The result of an invocation, and whether its sandbox can run another one."""

    body: bytes = field(repr=False)
    failed: bool
    is_reusable: bool
    log: str = ""


class Sandbox:
    """A process that runs the invocations of one version of a function, one at a time."""

    def __init__(
        self, function: LocalFunction, version: str, tenant_id: str | None, resources: SandboxResources
    ) -> None:
        self.tenant_id = tenant_id
        self._function = function
        self._version = version
        self._resources = resources
        self._api = RuntimeApi(function.name)
        self._output = SandboxOutput(function.name)
        self._launched_at = clock.SystemClock.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[None] | None = None
        self._served = False
        self._stopping: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it can run another invocation."""
        process = self._process
        if self._stopping is not None or process is None or process.returncode is not None:
            return False
        return not _has_ended(process.pid)

    async def start(self) -> None:
        """Start the process; it loads the handler while the first invocation waits.

        Raises:
            OSError: The machine has no process, port or memory left.
        """
        resources, runtime = self._resources, runtime_for(self._function)
        try:
            environment = sandbox_environment(
                self._function,
                self._version,
                location=resources.location,
                variables=resources.variables,
                runtime_api=await self._api.open(with_path=runtime.takes_path(self._function)),
            )
            # A session of its own: its process group is killed as a whole, and Ctrl-C in a terminal does not reach it.
            self._process = await asyncio.create_subprocess_exec(
                *start_command(self._function),
                cwd=self._function.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output.write_end,
                stderr=self._output.write_end,
                start_new_session=True,
            )
        finally:
            self._output.close_write_end()
        self._api.serve_process(self._process.pid)  # from now on the Runtime API answers this process, and no other
        resources.orphan_guard.watch(self._process.pid)
        self._exit = asyncio.create_task(self._report_exit(self._process))

    async def invoke(self, delivery: Delivery, *, log_tail: bool, sink: Sink | None = None) -> InvocationResult:
        """Run one invocation to its end.

        Args:
            delivery: The invocation.
            log_tail: Whether the caller wants the log tail, with the peak memory.
            sink: Receives the parts of the response, instead of the ending's body.

        Raises:
            SandboxGoneError: The process has ended since its last invocation.
        """
        with self._monitor_memory():
            event = await self._next_event(self._function.timeout if self._served else self._init_timeout)
            # A process that ended while idle saw nothing of this event. In the first invocation any other event is the
            # outcome: Lambda reports a failed load to the call that started the sandbox.
            if self._served and not (isinstance(event, Ready) and self.is_alive):
                await self.stop()
                raise SandboxGoneError
            delivered = clock.SystemClock.monotonic()
            init = None if self._served else delivered - self._launched_at
            self._served = True
            self._output.append_platform_line(start(delivery.request_id, self._version))
            if isinstance(event, Ready):
                event = await self._run(delivery, sink)
        outcome = to_outcome(event, delivery.request_id, self._function.timeout)
        memory = peak_memory(self._process.pid) if log_tail and self._process else None
        elapsed = clock.SystemClock.monotonic() - delivered
        if not outcome.is_reusable:
            await self.stop()
        self._output.append_platform_line(
            outcome.log + report(delivery.request_id, elapsed, self._function.memory, memory, init)
        )
        return InvocationResult(outcome.body, outcome.failed, self._output.take_tail(), elapsed, init)

    async def stop(self) -> None:
        """Kill the process and everything it started, and read its last output; completes even if cancelled."""
        # One task for all callers, shielded: a cancelled call must not leave a process behind.
        self._stopping = self._stopping or asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        if self._process is not None and self._exit is not None:
            kill_group(self._process.pid)
            await asyncio.wait({self._exit}, timeout=_KILL_TIMEOUT)
            self._resources.orphan_guard.release(self._process.pid)
        self._output.close()
        await self._api.close()

    async def _report_exit(self, process: asyncio.subprocess.Process) -> None:
        returncode = await process.wait()
        await self._api.drain()  # its last report may still be in a socket, and comes before its exit
        self._api.events.put_nowait(Exited(returncode))

    def _monitor_memory(self) -> MemoryMonitor | nullcontext[None]:
        if self._process is None:
            return nullcontext()
        pid = self._process.pid
        return MemoryMonitor(pid, self._function.memory, lambda: kill_group(pid))

    @property
    def _init_timeout(self) -> float:
        return max(INIT_TIMEOUT, self._function.timeout)

    async def _next_event(self, seconds: float) -> RuntimeEvent | None:
        # A warm sandbox has polled long before.
        if not self._api.events.empty():
            return self._api.events.get_nowait()
        try:
            async with asyncio.timeout(seconds):
                return await self._api.events.get()
        except TimeoutError:
            return None

    async def _run(self, delivery: Delivery, sink: Sink | None) -> RuntimeEvent | None:
        """Wait for the response, in one part or many; return ``None`` if the function times out."""
        deadline_ms = int((clock.SystemClock.epoch() + self._function.timeout) * 1000)
        try:
            async with asyncio.timeout(self._function.timeout):
                await self._api.deliver(delivery, deadline_ms)
                return await self._collect_response(sink)
        except TimeoutError:
            return None

    async def _collect_response(self, sink: Sink | None) -> RuntimeEvent:
        """Collect the parts of a response: pass them to *sink*, or join them into one body."""
        content = bytearray()
        size = 0
        while isinstance(event := await self._api.events.get(), Streaming):
            size += len(event.content)
            if size > (MAX_STREAM if sink else MAX_RESPONSE):  # reported as a response that is too large
                # The content does not matter any more: what counts is a size over the limit.
                return Returned(Body(b"", MAX_RESPONSE + 1))
            if sink:
                await sink(event.content)
            else:
                content += event.content
        match event:
            case Streamed(None):
                return Returned(Body(bytes(content), len(content)))
            case Streamed(bytes(error)):
                return Raised(Body(error, len(error)))
            case Returned(body) if sink and body.size <= MAX_RESPONSE:
                await sink(body.content)
                return Returned(Body(b"", 0))
            case _:
                return event


def to_outcome(event: RuntimeEvent | None, request_id: str, timeout: float) -> InvocationOutcome:
    """Convert the last event of an invocation to an outcome; ``None`` is a timeout, after *timeout* seconds."""
    match event:
        # First: the size limit applies to error reports too.
        case Returned(body) | Raised(body) | InitFailed(body) if body.size > MAX_RESPONSE:
            return InvocationOutcome(responses.response_too_large(), failed=True, is_reusable=False)
        case Returned(body):
            return InvocationOutcome(body.content, failed=False, is_reusable=True)
        case Raised(body):
            return InvocationOutcome(body.content, failed=True, is_reusable=True)
        case InitFailed(body):
            return InvocationOutcome(body.content, failed=True, is_reusable=False)
        case Exited(returncode):
            log = f"RequestId: {request_id} Error: {responses.exit_text(returncode)}\nRuntime.ExitError\n"
            return InvocationOutcome(responses.exited(request_id, returncode), failed=True, is_reusable=False, log=log)
        case _:
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            log = f"{now} {request_id} {responses.timeout_text(timeout)}\n\n"
            return InvocationOutcome(responses.timed_out(request_id, timeout), failed=True, is_reusable=False, log=log)


def _has_ended(pid: int) -> bool:
    """Check whether a child process has ended, which the event loop learns a moment later."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # asyncio has reaped it already
        return True
