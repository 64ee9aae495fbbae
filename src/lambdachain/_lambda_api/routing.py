"""Which version an alias leads to. Pure: the draw comes from outside."""

from __future__ import annotations

from collections.abc import Mapping


def routed_version(version: str, weights: Mapping[str, float], draw: float) -> str:
    """Choose the version that a call of an alias runs.

    >>> routed_version("1", {"2": 0.1}, draw=0.05), routed_version("1", {"2": 0.1}, draw=0.5)
    ('2', '1')

    Args:
        version: The alias's own version.
        weights: Other versions and the share of the calls that each gets.
        draw: A number from 0 up to, and not including, 1.
    """
    for other, weight in weights.items():
        if draw < weight:
            return other
        draw -= weight
    return version
