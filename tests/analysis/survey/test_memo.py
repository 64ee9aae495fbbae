"""Working things out once: in circles too, with the least that holds, whatever is asked for first."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._analysis.survey.memo import RecursiveMemo


def solved(graph: dict[int, list[int]], order: list[int]) -> dict[int, frozenset[int]]:
    """Give what each node reaches, asking in *order*."""
    memory = RecursiveMemo[frozenset[int]](frozenset(), frozenset())

    def reached(node: int) -> frozenset[int]:
        return memory.get_or_compute(node, lambda: frozenset({node}).union(*(reached(other) for other in graph[node])))

    return {node: reached(node) for node in order}


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=5, max_size=5), st.permutations(range(5)))
def test_what_is_asked_for_first_plays_no_part(edges: list[list[int]], order: list[int]):
    """Every node gives all that it reaches, in graphs with any circles."""
    graph = dict(enumerate(edges))
    expected = {node: reach(graph, node) for node in order}

    assert solved(graph, order) == expected


def reach(graph: dict[int, list[int]], start: int) -> frozenset[int]:
    """Walk a graph, the plain way."""
    seen, left = {start}, [start]
    while left:
        fresh = set(graph[left.pop()]) - seen
        seen |= fresh
        left += fresh
    return frozenset(seen)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_circles_that_share_a_node(order: tuple[int, ...]):
    """The case that a plain cache gets wrong."""
    assert set(solved({0: [1, 2], 1: [0], 2: [0]}, list(order)).values()) == {frozenset({0, 1, 2})}


def test_a_circle_within_a_circle_that_is_asked_again():
    """4 is worked out while 1 is, within the circle of 3; then 2, in the same circle, asks for 4."""
    assert solved({1: [3, 4], 2: [4], 3: [1, 2], 4: [1]}, [3, 2])[2] == frozenset({1, 2, 3, 4})


def test_what_lies_too_deep_is_unknown_and_not_kept():
    """A later question from nearer by gets the answer."""
    memory = RecursiveMemo[int](0, -1)

    def depth(node: int) -> int:
        return memory.get_or_compute(node, lambda: 0 if node == 0 else depth(node - 1))

    assert depth(1000) == -1
    assert depth(3) == 0
