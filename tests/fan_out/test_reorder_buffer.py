"""The order in which results are yielded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdachain._fan_out.reorder_buffer import ReorderBuffer


@given(st.permutations(range(20)))
def test_an_ordered_buffer_yields_the_order_of_the_payloads(order: list[int]):
    """In any order of completion, 0, 1, 2 are yielded, each not too early."""
    buffer, yielded = ReorderBuffer[int](ordered=True), list[int]()
    for number in order:
        buffer.put(number, number)
        while (result := buffer.pop()) is not None:
            yielded.append(result)
        assert yielded == list(range(len(yielded)))

    assert yielded == list(range(20))
    assert len(buffer) == 0


@given(st.permutations(range(20)))
def test_an_unordered_buffer_yields_results_as_they_come(order: list[int]):
    """First in, first out."""
    buffer = ReorderBuffer[int](ordered=False)
    for number in order:
        buffer.put(number, number)

    assert len(buffer) == 20
    assert [buffer.pop() for _ in order] == order
