"""How many calls may be in flight: doubled, halved, and grown again, as a pure function of what becomes of calls."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._fan_out.concurrency_limit import INITIAL, ConcurrencyLimit, Permit


def _enter_all(limit: ConcurrencyLimit, now: float = 0.0) -> list[Permit]:
    """Let in as many as are let in."""
    permits: list[Permit] = []
    while (permit := limit.acquire(now, own_in_flight=len(permits))) is not None:
        permits.append(permit)
    return permits


def _round(limit: ConcurrencyLimit, *, capacity: int = 1_000_000, now: float = 0.0) -> int:
    """Let a function of *capacity* answer one round of calls; tell how many were in flight."""
    permits = _enter_all(limit, now)
    for permit in permits[:capacity]:
        limit.record_success(permit)
    for permit in permits[capacity:]:
        limit.record_throttle(permit, now, None)
    return len(permits)


def test_it_starts_modestly():
    """A function of which nothing is known gets few calls at once."""
    assert len(_enter_all(ConcurrencyLimit())) == INITIAL


def test_it_doubles_each_round_until_the_first_throttle():
    """A capacity of hundreds is found in a few rounds."""
    limit = ConcurrencyLimit()

    assert [_round(limit) for _ in range(4)] == [INITIAL, 2 * INITIAL, 4 * INITIAL, 8 * INITIAL]


def test_room_that_is_never_asked_for_is_not_found():
    """A map that needs three at a time leaves the limit where it is, however long it runs."""
    limit = ConcurrencyLimit()
    for _ in range(1000):
        permits = [limit.acquire(0.0, own_in_flight=own_in_flight) for own_in_flight in range(3)]
        for permit in permits:
            assert permit is not None
            limit.record_success(permit)

    assert limit.limit == INITIAL


def test_a_round_of_throttles_halves_it_once():
    """Thirty calls that are refused together say one thing, not thirty."""
    limit = ConcurrencyLimit()
    for _ in range(3):
        _round(limit)
    permits = _enter_all(limit)
    for permit in permits:
        limit.record_throttle(permit, 0.0, None)

    assert limit.limit == len(permits) // 2


def test_after_a_throttle_it_grows_by_a_fixed_step_a_round():
    """From half of what was too much, it takes rounds, not one leap, to be back there."""
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
def test_it_settles_around_the_capacity(capacity: int):
    """It swings between half of the capacity and a step above it, and never collapses."""
    limit = ConcurrencyLimit()
    for _ in range(60):
        _round(limit, capacity=capacity)
    seen = [_round(limit, capacity=capacity) for _ in range(60)]

    assert min(seen) >= max(1, capacity // 2)
    assert max(seen) <= capacity * 1.15 + 2
    assert sum(seen) / len(seen) >= 0.6 * capacity


def test_retry_after_is_obeyed():
    """Nothing is let in before the time that Lambda asked for, not even a first call."""
    limit = ConcurrencyLimit()
    permit = limit.acquire(100.0, own_in_flight=0)
    assert permit is not None
    limit.record_throttle(permit, 100.0, 2.5)

    assert limit.acquire(102.4, own_in_flight=0) is None
    assert limit.pause_left(102.0) == 0.5
    assert limit.acquire(102.5, own_in_flight=0) is not None
    assert limit.pause_left(103.0) == 0.0


def test_who_has_nothing_in_flight_is_let_in():
    """Two maps of one function, one inside the other, cannot lock each other out."""
    limit = ConcurrencyLimit()
    _enter_all(limit)

    assert limit.acquire(0.0, own_in_flight=1) is None
    assert limit.acquire(0.0, own_in_flight=0) is not None


def test_throttles_that_leave_nothing_to_halve_are_answered_with_pauses():
    """Who is let in beyond a limit of 1, because it has nothing else in flight, does not try and try again."""
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


def test_a_call_that_failed_otherwise_changes_nothing():
    """A lost connection says nothing about capacity."""
    limit = ConcurrencyLimit()
    for permit in _enter_all(limit):
        limit.release(permit)

    assert (limit.limit, limit.in_flight) == (INITIAL, 0)


@given(st.lists(st.sampled_from(["acquire", "ok", "throttle", "release"]), max_size=300))
def test_whatever_happens_at_least_one_may_fly_and_the_count_is_right(events: list[str]):
    """The limit never falls below 1, and in flight is what was let in and has not ended."""
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
