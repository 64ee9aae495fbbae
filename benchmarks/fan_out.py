"""Many calls from one process, compared with boto3 in threads and aiobotocore: the second half of ``make bench``.

Each variant is measured in processes of its own, one after another, several times; the medians are compared. The
server responds after 50 ms, over TLS. ``--quick`` measures two variants once, with few calls in flight, as a test.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any, Final

from cost.environment import Environment, run_server
from marked_sections import replace

HERE: Final = Path(__file__).parent
ALL, GOALS = "measured", "fan-out"
"""The marks of a page for all figures, and for goals and plot only."""
DELAY: Final = 0.05
BOTO, AIO, MAP, ASYNC_MAP = "boto3, threads", "aiobotocore", "map", "async map"
InFlightCounts = Mapping[str, Sequence[int]]
FULL: Final[InFlightCounts] = {
    BOTO: (25, 50, 100),
    AIO: (50, 100, 200, 500),
    MAP: (50, 100, 200, 500, 2000),
    ASYNC_MAP: (50, 100, 200, 500, 2000),
}
QUICK: Final[InFlightCounts] = {MAP: (100,), ASYNC_MAP: (100,)}
PAYLOADS: Final = 1_000_000
# A map opens its connections as they are wanted: the last of 500 at the eleven thousandth call.
CALLS: Final = 12_000

Figures = dict[str, float]
Measured = dict[tuple[str, int], Figures]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the interpreter that is measured")
    parser.add_argument("--write", type=Path, help="the page whose figures to replace")
    parser.add_argument("--goals", type=Path, help="a page whose goals to replace")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="measure little, to test the benchmark")
    arguments = parser.parse_args(argv)
    repetitions = 1 if arguments.quick else arguments.repetitions
    with prepare(arguments.python) as environment:
        measured = measure(environment, QUICK if arguments.quick else FULL, repetitions)
        held = memory(environment, PAYLOADS // 200 if arguments.quick else PAYLOADS)
    section = to_section(measured, held)
    print(section)
    if arguments.goals is not None:
        replace(arguments.goals, GOALS, "\n".join(summary(measured, held)))
    if arguments.write is not None:
        replace(arguments.write, ALL, section)
        draw(measured, arguments.write.parent / "performance" / "fan-out.svg")


def prepare(python: str) -> AbstractContextManager[Environment]:
    """Run the server; its key is one that is cheap to sign with, because the server shares the machine."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return run_server(python, [str(HERE / "fan_out_server.py")], [DELAY], ec.generate_private_key(ec.SECP256R1()))


def measure(environment: Environment, counts: InFlightCounts, repetitions: int, calls: int = CALLS) -> Measured:
    """Measure every variant in turn, and return the medians."""
    runs: dict[tuple[str, int], list[Figures]] = {}
    for _ in range(repetitions):
        for variant, numbers in counts.items():
            for in_flight in numbers:
                figures = _run_probe(environment, "fan_out_probe.py", variant, in_flight, calls)
                if figures is not None:
                    runs.setdefault((variant, in_flight), []).append(figures)
    return {key: {name: median(run[name] for run in taken) for name in taken[0]} for key, taken in runs.items()}


def memory(environment: Environment, payloads: int) -> dict[str, list[float]]:
    """Send many payloads through a map; return the memory of each kind of map at each tenth of the payloads, in MB."""
    held: dict[str, list[float]] = _run_probe(environment, "fan_out_memory.py", "--payloads", payloads)
    return held


def _run_probe(environment: Environment, program: str, *arguments: object) -> Any:
    """Run a program, and return its JSON output; ``None`` if a package that it needs is not installed."""
    command = [environment.python, str(HERE / program), *map(str, arguments)]
    ran = subprocess.run(command, env=environment.variables, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if "No module named 'aiobotocore'" in ran.stderr:
        return None
    if ran.returncode:
        raise RuntimeError(f"{arguments}: {ran.stderr}")
    return json.loads(ran.stdout)


def summary(measured: Measured, held: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Format when and where it was measured, and which goals are reached."""
    now, machine = dt.datetime.now(dt.UTC).date(), f"{os.cpu_count()} cores, {platform.system()}"
    yield f"Measured by `make bench` on {now}: {machine}, CPython {platform.python_version()}; medians."
    yield ""
    yield from _goals(measured, held) if BOTO in {variant for variant, _ in measured} else ()
    yield ""
    yield "![Throughput of 1,000 calls](performance/fan-out.svg)"


def to_section(measured: Measured, held: Mapping[str, Sequence[float]]) -> str:
    """Format all figures as a section of the page."""
    return "\n".join(
        [
            *summary(measured, held),
            "",
            "| | in flight | new, calls/s | warm, calls/s | CPU of a call, warm, ms | most memory, MB | of it used |",
            "|---|--:|--:|--:|--:|--:|--:|",
            *[
                f"| {_label(variant)} | {in_flight} | {f['new']:,.0f} | {f['warm']:,.0f} | {f['cpu'] * 1e3:.2f} | "
                f"{f['memory']:.0f} | {f['used']:.0f} |"
                for (variant, in_flight), f in measured.items()
            ],
            "",
            "A million payloads through a map, over a transport that responds immediately: MB held at each tenth.",
            "",
            "| | " + " | ".join(f"{tenth}0 %" for tenth in range(1, 11)) + " |",
            "|---|" + "--:|" * 10,
            *[
                f"| {_label(variant)} | " + " | ".join(f"{mb:.1f}" for mb in mbs) + " |"
                for variant, mbs in held.items()
            ],
        ]
    )


def _goals(measured: Measured, held: Mapping[str, Sequence[float]]) -> Iterator[str]:
    threads = [figures for (variant, _), figures in measured.items() if variant == BOTO]
    best = max(threads, key=lambda figures: figures["warm"])
    ours, awaited = measured[MAP, 500], measured[ASYNC_MAP, 500]
    new, used = max(figures["new"] for figures in threads), measured[BOTO, 100]["used"]
    yield "| with 500 in flight, times what boto3 does in threads, as many as serve it best | goal | measured |"
    yield "|---|--:|--:|"
    for name, figures in ((ASYNC_MAP, awaited), (MAP, ours)):
        yield _goal(f"{name}, throughput, warm", figures["warm"] / best["warm"], least=8.0)
        yield _goal(f"{name}, throughput, connections to be opened", figures["new"] / new, least=3.0)
        yield _goal(f"{name}, CPU of a call, warm", figures["cpu"] / best["cpu"], most=0.10)
        yield _goal(f"{name}, most memory after the imports, against boto3 with 100", figures["used"] / used, most=0.55)
        many = measured[name, 2000]["warm"] / figures["warm"]
        yield _goal(f"{name}, throughput with 2,000 in flight, times that with 500", many, least=0.9)
    for variant, mbs in held.items():
        yield _goal(
            f"{variant}, a million payloads: memory at their end, against a tenth of them", mbs[-1] / mbs[0], most=1.05
        )


def _goal(what: str, ratio: float, *, least: float | None = None, most: float | None = None) -> str:
    missed = (least is not None and ratio < least) or (most is not None and ratio > most)
    goal = f"≥ {least:g}" if least is not None else f"≤ {most:g}"
    return f"| {what} | {goal} | {f'**{ratio:.2f}**' if missed else f'{ratio:.2f}'} |"


def _label(variant: str) -> str:
    return (
        f"lambdachain, `{variant}`"
        if variant == MAP
        else "lambdachain, `map`, awaited"
        if variant == ASYNC_MAP
        else variant
    )


def draw(measured: Measured, path: Path) -> None:
    """Draw throughput against calls in flight."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "lambdachain"  # the same measurements make the same file
    path.parent.mkdir(parents=True, exist_ok=True)
    figure: Any = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for variant in FULL:
        points = [(number, figures["warm"]) for (name, number), figures in measured.items() if name == variant]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=_label(variant).replace("`", ""))
    axes.set(xlabel="calls in flight", ylabel="calls a second, connections warm")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
