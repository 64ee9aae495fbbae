"""Measurements of the endpoint, of AWS's emulator and of the runtime client alone, in turn in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from cost.figures import Rounds, in_turn

from . import servers
from .bare_runtime import BareRuntime

OURS, EMULATOR, BARE, CLIENT = "lambdachain serve", "AWS's emulator", "awslambdaric alone", "boto3 alone"
RegionalSenders = dict[str, Callable[[], float]]
PAYLOAD: Final = b'{"order": 1}'
SECONDS: Final = 0.5
CALLERS: Final = (1, 16)
FUNCTIONS: Final = 50


class Effort(NamedTuple):
    """How much is measured: cold starts, warm calls, calls at the same time."""

    cold: int
    warm: int
    together: int


class Measured(NamedTuple):
    """Everything that was measured.

    Attributes:
        cold: Seconds from a function's first call to its answer; of the runtime client alone, from the start of its
            process to its first result.
        warm: Seconds of a call through boto3; of the runtime client alone, from an invocation handed to it to its
            result; of boto3 alone, with a server that responds immediately.
        together: Seconds until calls at the same time were all answered: the first time, which starts the processes,
            and again. ``None`` for what does not survive it.
        start: Seconds until ``serve`` accepts connections, with many functions.
        cpu: CPU seconds of the endpoint's process for a warm call, by the number of concurrent callers.
        memory: MB that the process of the endpoint has and had at most: before the first call, after all, with as many
            functions running as there were calls at the same time.
    """

    cold: Rounds
    warm: Rounds
    together: Mapping[str, tuple[float, float] | None]
    start: Sequence[float]
    cpu: Mapping[int, float]
    memory: Mapping[str, Mapping[str, float]]


def measure(python: str, emulator: Path | None, effort: Effort) -> Measured:
    """Measure everything; without *emulator*, everything else."""
    with servers.endpoint(python, effort.cold, max(effort.together, *CALLERS)) as server:
        idle = servers.memory(server)
        cold = _cold(python, emulator, server, effort.cold)
        warm = _warm(python, emulator, server, effort.warm)
        cpu = {callers: _cpu(server, callers, effort.warm) for callers in CALLERS}
        together: dict[str, tuple[float, float] | None] = {OURS: _together(server, servers.WAIT, effort.together)}
        if emulator is not None:
            together[EMULATOR] = _call_emulator_together(python, emulator, 2)
        memory = {"before the first call": idle, "after all calls": servers.memory(server)}
    start = [servers.start(python, FUNCTIONS) for _ in range(min(effort.cold, 10))]
    return Measured(cold, warm, together, start, cpu, memory)


def _cold(python: str, emulator: Path | None, server: servers.Server, rounds: int) -> Rounds:
    calling = servers.client(server)
    names = map(servers.COLD.format, range(rounds))
    _call(calling, servers.WARM, PAYLOAD)  # so that only the function is cold
    variants: RegionalSenders = {
        OURS: lambda: _seconds(lambda: _call(calling, next(names), PAYLOAD)),
        BARE: lambda: _cold_alone(python),
    }
    if emulator is not None:
        variants[EMULATOR] = lambda: _cold_there(python, emulator)
    return _by_turns(variants, rounds)


def _cold_there(python: str, emulator: Path) -> float:
    with servers.emulator(python, emulator) as server:
        calling = servers.client(server)
        with suppress(ClientError):  # so that only the function is cold: there is no function of this name
            _call(calling, servers.WARM, PAYLOAD)
        return _seconds(lambda: _call(calling, servers.EMULATED, PAYLOAD))


def _cold_alone(python: str) -> float:
    begun = time.perf_counter()
    with BareRuntime(python) as runtime:
        runtime.invoke(PAYLOAD)
        return time.perf_counter() - begun


def _warm(python: str, emulator: Path | None, server: servers.Server, rounds: int) -> Rounds:
    with ExitStack() as running:
        nobody = servers.client(running.enter_context(servers.minimal_server(python)))
        alone = running.enter_context(BareRuntime(python))
        here = servers.client(server)
        variants: RegionalSenders = {
            OURS: lambda: _seconds(lambda: _call(here, servers.WARM, PAYLOAD)),
            BARE: lambda: _warm_alone(alone),
            CLIENT: lambda: _seconds(lambda: _call(nobody, servers.WARM, PAYLOAD)),
        }
        if emulator is not None:
            there = servers.client(running.enter_context(servers.emulator(python, emulator)))
            variants[EMULATOR] = lambda: _seconds(lambda: _call(there, servers.EMULATED, PAYLOAD))
        _by_turns(variants, 20)
        return _by_turns(variants, rounds)


def _warm_alone(runtime: BareRuntime) -> float:
    runtime.await_ready()
    seconds = _seconds(lambda: runtime.invoke(PAYLOAD))
    runtime.accept()
    return seconds


def _cpu(server: servers.Server, callers: int, calls: int) -> float:
    calling = servers.client(server, callers)
    with ThreadPoolExecutor(callers) as threads:
        call: Callable[[object], bytes] = lambda _: _call(calling, servers.WARM, PAYLOAD)  # noqa: E731
        list(threads.map(call, range(2 * callers)))  # so that each caller has a process
        begun = servers.cpu(server)
        list(threads.map(call, range(calls)))
    return (servers.cpu(server) - begun) / calls


def _together(server: servers.Server, name: str, number: int) -> tuple[float, float]:
    calling = servers.client(server, number)

    def all_of_them() -> None:
        with ThreadPoolExecutor(number) as threads:
            answers = threads.map(lambda _: _call(calling, name, str(SECONDS).encode()), range(number))
            if list(answers) != [str(SECONDS).encode()] * number:
                raise RuntimeError("a call was not answered as it should")

    return _seconds(all_of_them), _seconds(all_of_them)


def _call_emulator_together(python: str, emulator: Path, number: int) -> tuple[float, float] | None:
    """Call the emulator a few times at the same time; ``None`` if that ends it."""
    with servers.emulator(python, emulator, "echo.wait") as server:
        try:
            return _together(server, servers.EMULATED, number)
        except (BotoCoreError, ClientError):
            return None


def _by_turns(variants: RegionalSenders, rounds: int) -> Rounds:
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    for position in range(rounds):
        for variant in in_turn(list(variants), position):
            found[variant].append(variants[variant]())
    return found


def _call(calling: Any, name: str, payload: bytes) -> bytes:
    answer: bytes = calling.invoke(FunctionName=name, Payload=payload)["Payload"].read()
    return answer


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
