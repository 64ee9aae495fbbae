"""The garbage collector is paused while a large payload is decoded, and is restored afterwards."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator

import pytest

from lambdachain._json.codec import codec_for
from lambdachain._json.gc_paused import WORTH_PAUSING, gc_paused
from lambdachain._json.payload_validation import PayloadValidationError


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


def _is_on(_: object) -> bool:
    return gc.isenabled()


@pytest.mark.parametrize(("size", "on_inside"), [(WORTH_PAUSING - 1, True), (WORTH_PAUSING, False)])
def test_it_is_paused_for_large_payloads(size: int, on_inside: bool) -> None:
    """For a small payload, a pause is not worth its cost."""
    gc.enable()

    assert on_inside is gc_paused(size, _is_on, None)
    assert gc.isenabled()


def test_a_disabled_collector_stays_disabled() -> None:
    """The code that disabled it decides when to enable it."""
    gc.disable()

    assert not gc_paused(WORTH_PAUSING, _is_on, None)
    assert not gc.isenabled()


def test_it_is_enabled_again_after_an_error() -> None:
    """Even if decoding fails."""
    gc.enable()

    with pytest.raises(ValueError, match="not json"):
        gc_paused(WORTH_PAUSING, int, "not json")
    assert gc.isenabled()
    assert not gc_paused(WORTH_PAUSING, _is_on, None)


def test_a_nested_pause_does_not_end_the_outer_one() -> None:
    """A validator that decodes something itself does not end the pause that it runs in."""
    gc.enable()

    def nested(_: object) -> tuple[bool, bool]:
        return gc_paused(WORTH_PAUSING, _is_on, None), gc.isenabled()

    assert (False, False) == gc_paused(WORTH_PAUSING, nested, None)
    assert gc.isenabled()


def test_another_thread_does_not_prolong_a_pause() -> None:
    """Threads that decode one after the other do not keep the collector from running."""
    gc.enable()
    begun, may_end = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        begun.set()
        may_end.wait(30)

    def beside(_: object) -> bool:
        other.start()
        begun.wait(30)
        return gc.isenabled()

    other = threading.Thread(target=gc_paused, args=(WORTH_PAUSING, wait, None))
    inside = gc_paused(WORTH_PAUSING, beside, None)
    after = gc.isenabled()
    may_end.set()
    other.join()

    assert (False, True, True) == (inside, after, gc.isenabled())


def test_decoding_leaves_the_collector_enabled() -> None:
    """With a value or an error, for every way of decoding."""
    gc.enable()
    numbers = list(range(WORTH_PAUSING))
    data = json.dumps(numbers).encode()

    assert numbers == codec_for(list[int]).decode(data) == codec_for(list[int]).dump(numbers)
    assert gc.isenabled()
    with pytest.raises(PayloadValidationError):
        codec_for(list[str]).decode(data)
    assert gc.isenabled()
