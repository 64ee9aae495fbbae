"""The order in which results leave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdachain._fan_out.reorder_buffer import ReorderBuffer


@given(st.permutations(range(20)))
def test_an_ordered_window_gives_the_order_of_the_payloads(order: list[int]):
    """Whatever comes first, what leaves is 0, 1, 2, and nothing leaves early."""
    window, left = ReorderBuffer[int](ordered=True), list[int]()
    for number in order:
        window.put(number, number)
        while (result := window.pop()) is not None:
            left.append(result)
        assert left == list(range(len(left)))

    assert left == list(range(20))
    assert len(window) == 0


@given(st.permutations(range(20)))
def test_a_window_without_order_gives_what_comes_as_it_comes(order: list[int]):
    """First in, first out."""
    window = ReorderBuffer[int](ordered=False)
    for number in order:
        window.put(number, number)

    assert len(window) == 20
    assert [window.pop() for _ in order] == order
