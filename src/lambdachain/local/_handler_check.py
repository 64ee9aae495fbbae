"""Trying whether a function's handler loads, in the real runtime client, before anybody calls it."""

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
from ._runtimes import runtime_of, start_command
from ._sandbox_environment import sandbox_environment

_AT_A_TIME: Final = 2
_IMPORT_OF: Final = re.compile(r"^Unable to import module '[^']*': ")
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+)')


async def try_handlers(
    functions: Iterable[LocalFunction], place: AwsLocation, url: str, tell: Callable[[LocalFunction, str], None]
) -> None:
    """Load each handler once, in a process that is then ended.

    Args:
        functions: The functions.
        place: The account and region they are told of.
        url: The endpoint they are told of.
        tell: Called with each function whose handler does not load, and with why, in one line.
    """
    slots = asyncio.Semaphore(_AT_A_TIME)
    network_guard = OrphanGuard()

    async def attempt(function: LocalFunction) -> None:
        async with slots:
            failure = await _failure(function, place, url, network_guard)
        if failure is not None:
            tell(function, failure)

    try:
        async with asyncio.TaskGroup() as attempts:
            for function in functions:
                attempts.create_task(attempt(function))
    finally:
        network_guard.close()


async def _failure(function: LocalFunction, place: AwsLocation, url: str, network_guard: OrphanGuard) -> str | None:
    api, runtime = RuntimeApi(function.name), runtime_of(function)
    address = await api.open(with_path=runtime.takes_path(function))
    try:
        process = await asyncio.create_subprocess_exec(
            *start_command(function),
            cwd=function.directory,
            env=sandbox_environment(
                function, LATEST, place=place, variables={"AWS_ENDPOINT_URL_LAMBDA": url}, runtime_api=address
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as exc:
        await api.close()
        return f"its process does not start: {exc}"
    api.serve_process(process.pid)
    network_guard.watch(process.pid)
    exit_told = asyncio.create_task(_tell_exit(api, process))
    try:
        return await _verdict(api, function)
    finally:
        kill_group(process.pid)
        await exit_told
        network_guard.release(process.pid)
        await api.close()


async def _tell_exit(api: RuntimeApi, process: asyncio.subprocess.Process) -> None:
    api.events.put_nowait(Exited(await process.wait()))


async def _verdict(api: RuntimeApi, function: LocalFunction) -> str | None:
    seconds = max(INIT_TIMEOUT, function.timeout)
    try:
        event = await asyncio.wait_for(api.events.get(), seconds)
    except TimeoutError:
        return f"its module takes more than {seconds:g} seconds to load"
    match event:
        case Ready():
            return None
        case InitFailed(body):
            return describe(body.content, Path(function.directory))
        case Exited(status):
            return f"its process ends with status {status} while the module loads"
        case _:
            return None


def describe(report: bytes, directory: Path) -> str:
    r"""Put what a runtime client reports of a failed start into one line.

    >>> describe(b'{"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named \\"x\\""}', Path("."))
    'No module named "x" (Runtime.ImportModuleError)'

    Args:
        report: The report, as JSON.
        directory: The function's code: the last line of it that the failure came through is told.
    """
    try:
        told: Any = json.loads(report)
    except (ValueError, RecursionError):
        told = None
    if not is_mapping(told):
        return "its module does not load"
    message = _IMPORT_OF.sub("", " ".join(str(told.get("errorMessage") or "").split()))
    frames = _FRAME.findall("".join(map(str, told.get("stackTrace") or ())))
    own = [f", {Path(file).name}:{line}" for file, line in frames if Path(file).is_relative_to(directory)]
    return f"{message} ({told.get('errorType')}{own[-1] if own else ''})".strip()
