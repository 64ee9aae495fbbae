"""Checks whether the handlers of functions load, in the real runtime client, before the first call."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._lambda_api.aws_location import LATEST, AwsLocation
from lambdachain._lambda_api.limits import INIT_TIMEOUT

from ._function_config import LocalFunction
from ._orphan_guard import OrphanGuard, kill_group
from ._runtime_api import Exited, InitFailed, Ready, RuntimeApi
from ._runtimes import runtime_for, start_command
from ._sandbox_environment import sandbox_environment

_CONCURRENCY: Final = 2
_IMPORT_ERROR_PREFIX: Final = re.compile(r"^Unable to import module '[^']*': ")
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+)')


async def check_handlers(
    functions: Iterable[LocalFunction],
    location: AwsLocation,
    url: str,
    on_failure: Callable[[LocalFunction, str], None],
) -> None:
    """Load each handler once, in a process that is killed afterwards.

    Args:
        functions: The functions.
        location: The account and region in their environment.
        url: The address of the endpoint in their environment.
        on_failure: Called with each function whose handler does not load, and the reason in one line.
    """
    semaphore_for = asyncio.Semaphore(_CONCURRENCY)
    orphan_guard = OrphanGuard()

    async def attempt(function: LocalFunction) -> None:
        async with semaphore_for:
            failure = await _check_handler(function, location, url, orphan_guard)
        if failure is not None:
            on_failure(function, failure)

    try:
        async with asyncio.TaskGroup() as attempts:
            for function in functions:
                attempts.create_task(attempt(function))
    finally:
        orphan_guard.close()


async def _check_handler(
    function: LocalFunction, location: AwsLocation, url: str, orphan_guard: OrphanGuard
) -> str | None:
    api, runtime = RuntimeApi(function.name), runtime_for(function)
    address = await api.open(with_path=runtime.takes_path(function))
    try:
        process = await asyncio.create_subprocess_exec(
            *start_command(function),
            cwd=function.directory,
            env=sandbox_environment(
                function, LATEST, location=location, variables={"AWS_ENDPOINT_URL_LAMBDA": url}, runtime_api=address
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as exc:
        await api.close()
        return f"its process cannot be started: {exc}"
    api.serve_process(process.pid)
    orphan_guard.watch(process.pid)
    exit_reported = asyncio.create_task(_report_exit(api, process))
    try:
        return await _wait_for_start(api, function)
    finally:
        # Released only after it has ended: until then the watchdog must know the process group.
        kill_group(process.pid)
        await exit_reported
        orphan_guard.release(process.pid)
        await api.close()


async def _report_exit(api: RuntimeApi, process: asyncio.subprocess.Process) -> None:
    api.events.put_nowait(Exited(await process.wait()))


async def _wait_for_start(api: RuntimeApi, function: LocalFunction) -> str | None:
    seconds = max(INIT_TIMEOUT, function.timeout)
    try:
        event = await asyncio.wait_for(api.events.get(), seconds)
    except TimeoutError:
        return f"loading its module takes more than {seconds:g} seconds"
    match event:
        case Ready():
            return None
        case InitFailed(body):
            return summarize_report(body.content, Path(function.directory))
        case Exited(status):
            return f"its process exits with status {status} while loading the module"
        case _:
            return None


def summarize_report(report: bytes, directory: Path) -> str:
    """Summarize a runtime client's initialization error in one line.

    >>> summarize_report(b'{"errorType": "Runtime.ImportModuleError", "errorMessage": "No module x"}', Path("."))
    'No module x (Runtime.ImportModuleError)'

    Args:
        report: The error report, as JSON.
        directory: The function's code; the last line of the traceback inside it is named.
    """
    try:
        parsed: Any = json.loads(report)
    except (ValueError, RecursionError):
        parsed = None
    if not is_mapping(parsed):
        return "its module cannot be loaded"
    message = _IMPORT_ERROR_PREFIX.sub("", " ".join(str(parsed.get("errorMessage") or "").split()))
    frames = _FRAME.findall("".join(map(str, parsed.get("stackTrace") or ())))
    own = [f", {Path(file).name}:{line}" for file, line in frames if Path(file).is_relative_to(directory)]
    return f"{message} ({parsed.get('errorType')}{own[-1] if own else ''})".strip()
