"""The concurrency limit: doubled, halved, and grown again, as a pure function of the ends of calls."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._fan_out.concurrency_limit import INITIAL, ConcurrencyLimit, Permit


def _acquire_all(limit: ConcurrencyLimit, now: float = 0.0) -> list[Permit]:
    """Acquire as many permits as there are."""
    permits: list[Permit] = []
    while (permit := limit.acquire(now, own_in_flight=len(permits))) is not None:
        permits.append(permit)
    return permits


def _round(limit: ConcurrencyLimit, *, capacity: int = 1_000_000, now: float = 0.0) -> int:
    """Simulate a round of calls to a function of *capacity*; return how many were in flight."""
    permits = _acquire_all(limit, now)
    for permit in permits[:capacity]:
        limit.record_success(permit)
    for permit in permits[capacity:]:
        limit.record_throttle(permit, now, None)
    return len(permits)


def test_it_starts_low():
    """A function that nothing is known about gets few calls."""
    assert len(_acquire_all(ConcurrencyLimit())) == INITIAL


def test_it_doubles_each_round_until_the_first_throttle():
    """A capacity of hundreds is found in a few rounds."""
    limit = ConcurrencyLimit()

    assert [_round(limit) for _ in range(4)] == [INITIAL, 2 * INITIAL, 4 * INITIAL, 8 * INITIAL]


def test_unused_capacity_does_not_raise_the_limit():
    """A map that needs three calls in flight leaves the limit where it is, however long it runs."""
    limit = ConcurrencyLimit()
    for _ in range(1000):
        permits = [limit.acquire(0.0, own_in_flight=own_in_flight) for own_in_flight in range(3)]
        for permit in permits:
            assert permit is not None
            limit.record_success(permit)

    assert limit.limit == INITIAL


def test_a_round_of_throttles_halves_it_once():
    """Thirty calls that are throttled together say one thing, not thirty."""
    limit = ConcurrencyLimit()
    for _ in range(3):
        _round(limit)
    permits = _acquire_all(limit)
    for permit in permits:
        limit.record_throttle(permit, 0.0, None)

    assert limit.limit == len(permits) // 2


def test_after_a_throttle_it_grows_by_a_fixed_step_a_round():
    """It takes several rounds to get back from half of the limit that was too high."""
    limit = ConcurrencyLimit()
    while _round(limit, capacity=100) <= 100:
        pass
    limits = []
    for _ in range(4):
        limits.append(limit.limit)
        _round(limit, capacity=100)
    steps = [after - before for before, after in pairwise(limits)]

    assert limits[0] == 80
    assert all(0 < step <= 12 for step in steps)


@pytest.mark.parametrize("capacity", [1, 2, 7, 50, 333, 1000])
def test_it_stays_close_to_the_capacity(capacity: int):
    """Between half of the capacity and a step above it; it never collapses."""
    limit = ConcurrencyLimit()
    for _ in range(60):
        _round(limit, capacity=capacity)
    seen = [_round(limit, capacity=capacity) for _ in range(60)]

    assert min(seen) >= max(1, capacity // 2)
    assert max(seen) <= capacity * 1.15 + 2
    assert sum(seen) / len(seen) >= 0.6 * capacity


def test_retry_after_is_obeyed():
    """There is no permit before the time that Lambda asked for, not even for a first call."""
    limit = ConcurrencyLimit()
    permit = limit.acquire(100.0, own_in_flight=0)
    assert permit is not None
    limit.record_throttle(permit, 100.0, 2.5)

    assert limit.acquire(102.4, own_in_flight=0) is None
    assert limit.pause_left(102.0) == 0.5
    assert limit.acquire(102.5, own_in_flight=0) is not None
    assert limit.pause_left(103.0) == 0.0


def test_a_map_with_nothing_in_flight_gets_a_permit():
    """Two maps of one function, one inside the other, cannot deadlock."""
    limit = ConcurrencyLimit()
    _acquire_all(limit)

    assert limit.acquire(0.0, own_in_flight=1) is None
    assert limit.acquire(0.0, own_in_flight=0) is not None


def test_throttles_at_a_limit_of_one_are_answered_with_pauses():
    """A map that gets a permit beyond the limit, because it has nothing in flight, does not retry in a tight loop."""
    limit, now = ConcurrencyLimit(), 0.0
    while limit.limit > 1:
        permit = limit.acquire(now, own_in_flight=0)
        assert permit is not None
        limit.record_throttle(permit, now, None)
    limit.acquire(now, own_in_flight=0)
    pauses = []
    for _ in range(9):
        now += limit.pause_left(now)
        permit = limit.acquire(now, own_in_flight=0)
        assert permit is not None
        assert not permit.is_only_call
        limit.record_throttle(permit, now, None)
        pauses.append(round(limit.pause_left(now), 6))

    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]


def test_other_failures_do_not_change_the_limit():
    """A lost connection says nothing about capacity."""
    limit = ConcurrencyLimit()
    for permit in _acquire_all(limit):
        limit.release(permit)

    assert (limit.limit, limit.in_flight) == (INITIAL, 0)


@given(st.lists(st.sampled_from(["acquire", "ok", "throttle", "release"]), max_size=300))
def test_the_limit_is_at_least_one_and_the_count_is_right(events: list[str]):
    """In any sequence: in flight is what acquired a permit and has not ended."""
    limit, permits = ConcurrencyLimit(), list[Permit]()
    for event in events:
        if event == "acquire":
            permit = limit.acquire(0.0, own_in_flight=len(permits))
            permits += [permit] if permit else []
        elif permits:
            permit = permits.pop(0)
            if event == "ok":
                limit.record_success(permit)
            elif event == "throttle":
                limit.record_throttle(permit, 0.0, None)
            else:
                limit.release(permit)
        assert limit.limit >= 1
        assert limit.in_flight == len(permits)
