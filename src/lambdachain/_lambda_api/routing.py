"""Weighted aliases: which version an invocation of an alias runs. Pure: the random draw is a parameter."""

from __future__ import annotations

from collections.abc import Mapping


def choose_version(version: str, weights: Mapping[str, float], draw: float) -> str:
    """Choose the version that an invocation of an alias runs.

    >>> choose_version("1", {"2": 0.1}, draw=0.05), choose_version("1", {"2": 0.1}, draw=0.5)
    ('2', '1')

    Args:
        version: The alias's own version.
        weights: Other versions, each with its share of the invocations.
        draw: A random number from 0 up to, but not including, 1.
    """
    for other, weight in weights.items():
        if draw < weight:
            return other
        # The next version's share of the range begins where this one's ends.
        draw -= weight
    return version
