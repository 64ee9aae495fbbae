"""The measurements as the generated section of ``docs/performance.md``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from .callees import DECORATED, PLAIN
from .figures import Rounds, above, medians, ratios
from .variants import BASE, OURS, OURS_BOTO, OURS_BOTO_UNTYPED, OURS_BOUND, TYPED_BASE, USUAL_BASE

Lines = Iterable[str]
Counted = Mapping[str, tuple[float, float]]
AGAINST = "against boto3 + json"


class Measured(NamedTuple):
    """Everything that was measured.

    Attributes:
        cold: By number of further models: CPU seconds of whole processes, a bare interpreter's taken off.
        memory: KiB that import, client and first call add to a bare interpreter.
        warm: By size, CPU seconds of a call.
        peak: By size, KiB that a process held at most, a bare interpreter's taken off.
        callee: By size, CPU seconds that handling an event takes.
        instructions: Of a cold start, and of one further call; ``None`` where they were not counted.
    """

    cold: Mapping[int, Rounds]
    memory: Rounds
    warm: Mapping[str, Rounds]
    peak: Mapping[str, Mapping[str, float]]
    callee: Mapping[str, Rounds]
    instructions: Counted | None


class Goal(NamedTuple):
    """A goal and the measured figure: CPU time or memory, and instructions if they were counted.

    Attributes:
        what: What is measured.
        most: The goal for CPU time or memory.
        found: The figure.
        most_counted: The goal for instructions; ``None`` without one.
        counted: Their figure; ``None`` if they were not counted.
        unit: Of goal and figure; a ratio has none.
    """

    what: str
    most: float
    found: float
    most_counted: float | None = None
    counted: float | None = None
    unit: str = ""


def goals(measured: Measured) -> list[Goal]:
    """Compare the measurements with the goals."""
    cold, memory = measured.cold[0], measured.memory
    small, middle, large = list(measured.warm)[:3]
    callee = medians(above(measured.callee[small], PLAIN))
    typed, usual = (ratios(measured.warm[large], base)[OURS] for base in (TYPED_BASE, USUAL_BASE))
    typed_cold, lean = ratios(cold, TYPED_BASE), ratios(measured.warm[small], BASE)
    start, call = (_instruction_ratio(measured.instructions, step) for step in (0, 1))
    return [
        Goal(f"cold start, typed, {AGAINST}", 0.52, ratios(cold, BASE)[OURS], 0.52, start(OURS, BASE)),
        Goal("cold start, typed, against boto3 + pydantic", 0.38, typed_cold[OURS], 0.38, start(OURS, TYPED_BASE)),
        Goal(f"warm call, {small}, {AGAINST}", 0.15, lean[OURS], 0.115, call(OURS, BASE)),
        Goal(f"warm call through bind, {small}, {AGAINST}", 0.15, lean[OURS_BOUND], 0.105, call(OURS_BOUND, BASE)),
        Goal(f"warm call, {middle}, {AGAINST}", 0.28, ratios(measured.warm[middle], BASE)[OURS]),
        Goal(f"warm call, {large}, against boto3 + pydantic", 0.80, typed),
        Goal(f"warm call, {large}, against boto3 + pydantic, the usual way", 0.45, usual),
        Goal("memory, against boto3 + pydantic", 0.55, ratios(memory, TYPED_BASE)[OURS]),
        Goal(f"BotoTransport, typed, {small}, {AGAINST}", 1.00, lean[OURS_BOTO], 0.90, call(OURS_BOTO, BASE)),
        Goal(
            f"BotoTransport, untyped, {small}, {AGAINST}",
            1.00,
            lean[OURS_BOTO_UNTYPED],
            0.90,
            call(OURS_BOTO_UNTYPED, BASE),
        ),
        Goal(f"callee, {small}: added to a plain handler", 18.0, callee[DECORATED] * 1e6, unit=" µs"),
    ]


def _instruction_ratio(instructions: Counted | None, step: int) -> Callable[[str, str], float | None]:
    """Return the ratio of two variants by instructions: of their cold start, step 0, or of one further call, step 1."""
    return lambda variant, base: instructions[variant][step] / instructions[base][step] if instructions else None


def page(measured: Measured, facts: Sequence[str]) -> Lines:
    """Generate the tables: what a user gains, the details, and the goals."""
    yield from _gains(measured)
    yield from ("", *facts)
    yield from _section("Cold start", "cold", _cold(measured))
    yield from _section("A warm call over TLS", "warm", _warm(measured))
    yield from _section("The callee's side", "callee", _callee(measured))
    yield from _section("Memory", "memory", _memory(measured))
    yield from (
        "",
        "### Goals",
        "",
        "| what | goal | measured | goal, instructions | counted |",
        "|---|--:|--:|--:|--:|",
    )
    yield from map(_goal_row, goals(measured))


def _gains(measured: Measured) -> Lines:
    """Generate what a function with two models pays: with boto3 and pydantic, the usual way, and with lambdachain."""
    small, _, large = list(measured.warm)[:3]
    figures: list[tuple[str, Mapping[str, float], float, str]] = [
        ("a cold start: imports, models, client, first call", medians(measured.cold[0]), 1e3, "ms"),
        (f"a warm call, {small}", medians(measured.warm[small]), 1e6, "µs"),
        (f"a warm call, {large}", medians(measured.warm[large]), 1e3, "ms"),
        ("memory after the first call", medians(measured.memory), 1 / 1024, "MB"),
    ]
    yield from ("| CPU time and memory of | boto3 and pydantic | lambdachain | saved |", "|---|--:|--:|--:|")
    for what, found, unit, name in figures:
        theirs, ours = found[USUAL_BASE], found[OURS]
        yield f"| {what} | {theirs * unit:,.0f} {name} | {ours * unit:,.0f} {name} | {1 - ours / theirs:.0%} |"


def _goal_row(goal: Goal) -> str:
    found = f"{_bold_if_missed(goal.found, goal.most, goal.unit)}{goal.unit}"
    most_counted = "" if goal.most_counted is None else f"≤ {goal.most_counted:g}"
    counted = "" if goal.counted is None else _bold_if_missed(goal.counted, goal.most_counted or math.inf)
    return f"| {goal.what} | ≤ {goal.most:g}{goal.unit} | {found} | {most_counted} | {counted} |"


def _bold_if_missed(found: float, most: float, unit: str = "") -> str:
    text = f"{found:.1f}" if unit else f"{found:.3f}"
    return text if found <= most else f"**{text}**"


def _section(title: str, plot: str, table: Lines) -> Lines:
    yield from ("", f"### {title}", "", f"![{title}](performance/{plot}.svg)", "")
    yield from table


def _cold(measured: Measured) -> Lines:
    numbers = list(measured.cold)
    base = measured.cold[0]
    further = " | ".join(f"{number} more models, ms" for number in numbers[1:])
    yield f"| whole process | ratio | CPU, ms | instructions, M | {further} |"
    yield f"|---|--:|--:|--:|{'--:|' * (len(numbers) - 1)}"
    for name in base:
        more = [_milli(medians(measured.cold[n]).get(name)) for n in numbers[1:]]
        counted = measured.instructions and f"{measured.instructions[name][0] / 1e6:,.0f}"
        row = (name, f"{ratios(base, BASE)[name]:.2f}", _milli(medians(base)[name]), counted or "", *more)
        yield f"| {' | '.join(row)} |"


def _warm(measured: Measured) -> Lines:
    sizes = list(measured.warm)
    yield f"| call | {' | '.join(f'{size}, ratio | {size}, µs' for size in sizes)} | instructions, {sizes[0]}, k |"
    yield f"|---|{'--:|' * (2 * len(sizes) + 1)}"
    for name in measured.warm[sizes[0]]:
        cells = [
            cell
            for size in sizes
            for cell in (
                f"{ratios(measured.warm[size], BASE)[name]:.2f}",
                f"{medians(measured.warm[size])[name] * 1e6:,.0f}",
            )
        ]
        counted = f"{measured.instructions[name][1] / 1e3:,.0f}" if measured.instructions else ""
        yield f"| {' | '.join((name, *cells, counted))} |"


def _callee(measured: Measured) -> Lines:
    sizes = list(measured.callee)
    yield f"| handler | {' | '.join(f'{size}, µs added' for size in sizes)} |"
    yield f"|---|{'--:|' * len(sizes)}"
    added = {size: medians(above(rounds, PLAIN)) for size, rounds in measured.callee.items()}
    for name in added[sizes[0]]:
        yield f"| {name} | {' | '.join(f'{added[size][name] * 1e6:,.1f}' for size in sizes)} |"


def _memory(measured: Measured) -> Lines:
    sizes = list(measured.peak)
    yield f"| process | ratio | after the first call, MB | {' | '.join(f'most, {size}, MB' for size in sizes)} |"
    yield f"|---|--:|--:|{'--:|' * len(sizes)}"
    for name in measured.memory:
        peaks = [f"{measured.peak[size][name] / 1024:.1f}" for size in sizes]
        first = f"{medians(measured.memory)[name] / 1024:.1f}"
        yield f"| {' | '.join((name, f'{ratios(measured.memory, BASE)[name]:.2f}', first, *peaks))} |"


def _milli(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:,.0f}"
