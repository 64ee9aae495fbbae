"""One execution environment: a process of the runtime client, and the Runtime API it works through."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambdachain._service import answers
from lambdachain._service.delivery import Delivery, Ending
from lambdachain._service.limits import INIT_TIMEOUT, MAX_RESPONSE
from lambdachain._service.log import report, start
from lambdachain._service.place import LATEST, Place

from ._environment import sandbox_environment
from ._function import LocalFunction
from ._orphan_guard import OrphanGuard, kill_group
from ._output import SandboxOutput
from ._runtime_api import Exited, InitFailed, Raised, Ready, Returned, RuntimeApi, RuntimeEvent
from ._runtimes import runtime_of

# A killed process is gone at once, unless the kernel holds it.
_KILL_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every sandbox of an endpoint shares."""

    place: Place
    url: str
    guard: OrphanGuard


class SandboxGoneError(Exception):
    """The process ended while it was idle: the invocation was not delivered, and no code has seen it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event means for the call, and whether the sandbox can take another one."""

    body: bytes
    failed: bool
    survives: bool
    log: str = ""


class Sandbox:
    """A process that serves one invocation at a time."""

    def __init__(self, function: LocalFunction, tenant_id: str | None, around: Surroundings) -> None:
        self.tenant_id = tenant_id
        self._function = function
        self._around = around
        self._api = RuntimeApi()
        self._output = SandboxOutput(function.name)
        self._launched = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[None] | None = None
        self._served = False
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Whether it may take another invocation."""
        return not self._stopped and self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process; it loads the handler while the first invocation waits.

        Raises:
            OSError: The machine has no process, port or memory left for it.
        """
        around = self._around
        try:
            environment = sandbox_environment(
                self._function, place=around.place, url=around.url, runtime_api=await self._api.open()
            )
            self._process = await asyncio.create_subprocess_exec(
                *runtime_of(self._function).command(self._function),
                cwd=self._function.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output.write_end,
                stderr=self._output.write_end,
                start_new_session=True,
            )
        finally:
            self._output.close_write_end()
        around.guard.watch(self._process.pid)
        self._exit = asyncio.create_task(self._report_exit(self._process))

    async def invoke(self, delivery: Delivery, *, log_tail: bool) -> Ending:
        """Run one invocation to its end.

        Raises:
            SandboxGoneError: The process had served before and ended since.
        """
        event = await self._next_event(self._function.timeout if self._served else self._time_to_load)
        if self._served and not (isinstance(event, Ready) and self.alive):
            await self.stop()
            raise SandboxGoneError
        delivered = time.monotonic()
        init = None if self._served else delivered - self._launched
        self._served = True
        self._output.mark(start(delivery.request_id, LATEST))
        if isinstance(event, Ready):
            self._api.deliver(delivery, int((time.time() + self._function.timeout) * 1000))
            event = await self._next_event(self._function.timeout)
        verdict = judge(event, delivery.request_id, self._function.timeout)
        memory = peak_memory(self._process.pid) if log_tail and self._process else None
        elapsed = time.monotonic() - delivered
        if not verdict.survives:
            await self.stop()
        self._output.mark(verdict.log + report(delivery.request_id, elapsed, self._function.memory, memory, init))
        return Ending(verdict.body, verdict.failed, self._output.take_tail())

    async def stop(self) -> None:
        """Kill the process and all that it started, and read the last that it printed."""
        if self._stopped:
            return
        self._stopped = True
        if self._process is not None and self._exit is not None:
            kill_group(self._process.pid)
            await asyncio.wait({self._exit}, timeout=_KILL_TIMEOUT)
            self._around.guard.release(self._process.pid)
        self._output.close()
        await self._api.close()

    async def _report_exit(self, process: asyncio.subprocess.Process) -> None:
        self._api.events.put_nowait(Exited(await process.wait()))

    @property
    def _time_to_load(self) -> float:
        return max(INIT_TIMEOUT, self._function.timeout)

    async def _next_event(self, seconds: float) -> RuntimeEvent | None:
        try:
            return await asyncio.wait_for(self._api.events.get(), seconds)
        except TimeoutError:
            return None


def judge(event: RuntimeEvent | None, request_id: str, timeout: float) -> Verdict:
    """Say what the end of an invocation means; *event* is ``None`` when its *timeout*, in seconds, has passed."""
    match event:
        case Returned(body) | Raised(body) | InitFailed(body) if body.size > MAX_RESPONSE:
            return Verdict(answers.response_too_large(), failed=True, survives=False)
        case Returned(body):
            return Verdict(body.content, failed=False, survives=True)
        case Raised(body):
            return Verdict(body.content, failed=True, survives=True)
        case InitFailed(body):
            return Verdict(body.content, failed=True, survives=False)
        case Exited(returncode):
            log = f"RequestId: {request_id} Error: {answers.exit_text(returncode)}\nRuntime.ExitError\n"
            return Verdict(answers.exited(request_id, returncode), failed=True, survives=False, log=log)
        case _:
            now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
            log = f"{now} {request_id} {answers.timeout_text(timeout)}\n\n"
            return Verdict(answers.timed_out(request_id, timeout), failed=True, survives=False, log=log)


def peak_memory(pid: int) -> int | None:
    """Give the most memory that a process has had, in MB; ``None`` where it has ended or the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    return math.ceil(int(peak[1]) / 1024) if peak else None
