"""Computing each thing once: in cycles the smallest result, and independent of the order of the questions."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._analysis.survey.memo import RecursiveMemo


def solve(graph: dict[int, list[int]], order: list[int]) -> dict[int, frozenset[int]]:
    """Return what each node reaches; ask in *order*."""
    memory = RecursiveMemo[frozenset[int]](frozenset(), frozenset())

    def reach_from(node: int) -> frozenset[int]:
        return memory.get_or_compute(
            node, lambda: frozenset({node}).union(*(reach_from(other) for other in graph[node]))
        )

    return {node: reach_from(node) for node in order}


@given(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=5, max_size=5), st.permutations(range(5)))
def test_the_order_of_questions_does_not_matter(edges: list[list[int]], order: list[int]):
    """Every node reaches the same nodes in any order, in graphs with any cycles."""
    graph = dict(enumerate(edges))
    expected = {node: reach(graph, node) for node in order}

    assert solve(graph, order) == expected


def reach(graph: dict[int, list[int]], start: int) -> frozenset[int]:
    """Walk a graph, without a memo."""
    seen, pending = {start}, [start]
    while pending:
        new = set(graph[pending.pop()]) - seen
        seen |= new
        pending += new
    return frozenset(seen)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_two_cycles_that_share_a_node(order: tuple[int, ...]):
    """The case that a plain cache gets wrong."""
    assert set(solve({0: [1, 2], 1: [0], 2: [0]}, list(order)).values()) == {frozenset({0, 1, 2})}


def test_a_cycle_within_a_cycle_that_is_asked_again():
    """4 is computed while 1 is, within the cycle of 3; then 2, in the same cycle, asks for 4."""
    assert solve({1: [3, 4], 2: [4], 3: [1, 2], 4: [1]}, [3, 2])[2] == frozenset({1, 2, 3, 4})


def test_a_result_beyond_the_depth_limit_is_unknown_and_not_kept():
    """A later question that is nested less deeply gets the result."""
    memory = RecursiveMemo[int](0, -1)

    def depth(node: int) -> int:
        return memory.get_or_compute(node, lambda: 0 if node == 0 else depth(node - 1))

    assert depth(1000) == -1
    assert depth(3) == 0


@pytest.mark.parametrize("is_ring", [False, True])
def test_a_web_deeper_than_the_limit_is_computed_a_bounded_number_of_times(is_ring: bool):
    """Each node of a web asks for the next ones; all are asked for in turn, from the one that leads deepest."""
    size, counted = 400, Counter[int]()
    memory = RecursiveMemo[frozenset[int]](frozenset(), frozenset())

    def reach_from(node: int) -> frozenset[int]:
        def compute() -> frozenset[int]:
            counted[node] += 1
            following = [other % size for other in (node + 1, node + 2) if is_ring or other < size]
            return frozenset({node}).union(*map(reach_from, following))

        return memory.get_or_compute(node, compute)

    for node in range(size):
        reach_from(node)

    assert len(counted) == size
    assert max(counted.values()) <= 6


def test_the_results_of_a_cycle_are_not_visited_again_for_each_new_one():
    """The number of look-ups grows with the number of results, not with its square."""
    lookups = 0

    class Key(int):
        def __hash__(self) -> int:
            nonlocal lookups
            lookups += 1
            return int(self)

    def look_up(size: int) -> int:
        nonlocal lookups
        lookups = 0
        memory = RecursiveMemo[int](0, -1)
        keys = [Key(number) for number in range(size)]

        def compute(key: Key) -> int:
            others = keys[1:] if key == 0 else keys[:1]
            return memory.get_or_compute(key, lambda: sum(map(compute, others)))

        compute(keys[0])
        return lookups

    assert look_up(2000) < 2 * look_up(1000) * 1.1


def test_a_computation_that_fails_keeps_no_results_that_depend_on_it():
    """The exception passes, and the next question is answered as if it were the first."""
    memory = RecursiveMemo[frozenset[str]](frozenset(), frozenset())
    fails = [True]

    def outer() -> frozenset[str]:
        found = memory.get_or_compute("inner", inner)
        if fails.pop():
            raise ValueError("failed")
        return found | {"outer"}

    def inner() -> frozenset[str]:
        return memory.get_or_compute("outer", outer) | {"inner"}

    with pytest.raises(ValueError, match="failed"):
        memory.get_or_compute("outer", outer)
    fails.append(False)

    assert memory.get_or_compute("inner", inner) == {"outer", "inner"}
