"""The measurements as the generated section of ``docs/performance-local.md``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from cost.figures import medians, ratios

from .measure import BARE, CLIENT, EMULATOR, FUNCTIONS, OURS, SECONDS, Measured

Lines = Iterable[str]


class Goal(NamedTuple):
    """A figure to reach."""

    what: str
    most: float
    found: float
    unit: str = ""


def goals(measured: Measured, together: int) -> list[Goal]:
    """Compare the measurements with the goals."""
    first, _ = measured.together[OURS] or (float("nan"),) * 2
    most = max(figures["most"] for figures in measured.memory.values())
    return [
        Goal("cold start of a function, against the runtime client alone", 2.0, ratios(measured.cold, BARE)[OURS]),
        Goal(
            "added to a warm call, beyond runtime client and boto3", 0.5, _overhead(measured, OURS, CLIENT) * 1e3, " ms"
        ),
        Goal(f"start of {FUNCTIONS} functions", 0.6, median(measured.start), " s"),
        Goal(f"{together} calls at the same time, of {SECONDS:g} s each, the first time", 5.0, first, " s"),
        Goal("memory of the endpoint's process, at most", 80.0, most, " MB"),
    ]


def page(measured: Measured, together: int, facts: Sequence[str]) -> Lines:
    """Generate the tables, goals first."""
    yield from facts
    yield from ("", "### Goals", "", "| what | goal | measured |", "|---|--:|--:|")
    for goal in goals(measured, together):
        yield f"| {goal.what} | ≤ {goal.most:g}{goal.unit} | {_bold_if_missed(goal)}{goal.unit} |"
    yield from ("", "### Cold start", "", "| | ratio | ms |", "|---|--:|--:|")
    against = ratios(measured.cold, BARE)
    for variant, seconds in medians(measured.cold).items():
        yield f"| {variant} | {against[variant]:.2f} | {seconds * 1e3:.0f} |"
    yield from ("", "### A warm call", "")
    yield "| | ms | beyond the runtime client, ms | beyond boto3 too, ms |"
    yield "|---|--:|--:|--:|"
    for variant, seconds in medians(measured.warm).items():
        calls = variant in {OURS, EMULATOR}
        added = (
            [f"{_overhead(measured, variant) * 1e3:.2f}", f"{_overhead(measured, variant, CLIENT) * 1e3:.2f}"]
            if calls
            else ["", ""]
        )
        yield f"| {variant} | {seconds * 1e3:.2f} | {' | '.join(added)} |"
    yield from ("", "### CPU time of the endpoint's process for a warm call", "", "| callers | ms |", "|---|--:|")
    for callers, seconds in measured.cpu.items():
        yield f"| {callers} | {seconds * 1e3:.2f} |"
    yield from ("", f"### Calls at the same time, of {SECONDS:g} s each", "")
    yield "| | calls | the first time, s | again, s |"
    yield "|---|--:|--:|--:|"
    for variant, taken in measured.together.items():
        number, cells = (
            together if variant == OURS else 2,
            [f"{each:.2f}" for each in taken] if taken else ["it ends", ""],
        )
        yield f"| {variant} | {number} | {' | '.join(cells)} |"
    yield from ("", "### Memory of the endpoint's process", "", "| | now, MB | at most, MB |", "|---|--:|--:|")
    for when, figures in measured.memory.items():
        yield f"| {when} | {figures['now']:.0f} | {figures['most']:.0f} |"


def _overhead(measured: Measured, variant: str, *others: str) -> float:
    """Return how much longer a warm call takes than the runtime client and *others*: the median of all rounds."""
    taken_off = [sum(each) for each in zip(*(measured.warm[other] for other in (BARE, *others)), strict=True)]
    added: float = median(value - other for value, other in zip(measured.warm[variant], taken_off, strict=True))
    return added


def _bold_if_missed(goal: Goal) -> str:
    text = f"{goal.found:.0f}" if goal.most > 10 else f"{goal.found:.2f}"
    return text if goal.found <= goal.most else f"**{text}**"
