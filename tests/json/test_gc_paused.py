"""The garbage collector pauses while a large payload becomes objects, and is as it was afterwards."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator

import pytest

from lambdachain._json.codec import codec_of
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
def test_it_pauses_for_what_is_large(size: int, on_inside: bool) -> None:
    """A small payload makes no difference worth the trouble."""
    gc.enable()

    assert on_inside is gc_paused(size, _is_on, None)
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    """Whoever has switched it off decides when it comes back."""
    gc.disable()

    assert not gc_paused(WORTH_PAUSING, _is_on, None)
    assert not gc.isenabled()


def test_it_is_back_after_an_error() -> None:
    """What could not be made changes nothing."""
    gc.enable()

    with pytest.raises(ValueError, match="not json"):
        gc_paused(WORTH_PAUSING, int, "not json")
    assert gc.isenabled()
    assert not gc_paused(WORTH_PAUSING, _is_on, None)


def test_a_pause_within_a_pause_leaves_the_outer_one_alone() -> None:
    """A validator that decodes something itself does not end the pause it runs in."""
    gc.enable()

    def nested(_: object) -> tuple[bool, bool]:
        return gc_paused(WORTH_PAUSING, _is_on, None), gc.isenabled()

    assert (False, False) == gc_paused(WORTH_PAUSING, nested, None)
    assert gc.isenabled()


def test_another_thread_does_not_prolong_a_pause() -> None:
    """Threads that decode all the time, one beside the other, do not keep the collector from its work."""
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


def test_decoding_a_large_answer_leaves_the_collector_on() -> None:
    """A value or a misfit, by every way that decodes."""
    gc.enable()
    numbers = list(range(WORTH_PAUSING))
    data = json.dumps(numbers).encode()

    assert numbers == codec_of(list[int]).decode(data) == codec_of(list[int]).dump(numbers)
    assert gc.isenabled()
    with pytest.raises(PayloadValidationError):
        codec_of(list[str]).decode(data)
    assert gc.isenabled()
