"""Statistics of the measurements, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

Rounds = Mapping[str, Sequence[float]]
"""What each name took, round by round: position by position they were measured one right after the other."""


def medians(rounds: Rounds) -> dict[str, float]:
    """Return the median of each."""
    return {name: median(values) for name, values in rounds.items()}


def ratios(rounds: Rounds, base: str) -> dict[str, float]:
    """Return the medians of the ratios to *base*, pair by pair: noise in a round affects both."""
    return {
        name: median(value / reference for value, reference in zip(values, rounds[base], strict=True))
        for name, values in rounds.items()
    }


def above(rounds: Rounds, bare: str) -> Rounds:
    """Subtract, pair by pair, the values of *bare*."""
    return {
        name: [value - least for value, least in zip(values, rounds[bare], strict=True)]
        for name, values in rounds.items()
        if name != bare
    }


def in_turn(names: Sequence[str], position: int) -> list[str]:
    """Order the names for one round: each round starts with another one, so that no variant always follows the same."""
    start = position % len(names)
    return [*names[start:], *names[:start]]
