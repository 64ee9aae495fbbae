"""Unusual handlers, run by the real runtime client and in a test's process."""

from __future__ import annotations

import asyncio
import contextlib


class OutsideError(BaseException):
    """Not an ``Exception``."""


def half_a_character(event, context):
    """Raise an error whose text cannot be encoded."""
    raise ValueError("half \ud800")


def half_in_a_group(event, context):
    """Raise an exception group whose text cannot be encoded."""
    raise ExceptionGroup("half \udfff", [ValueError()])


def half_in_an_answer(event, context):
    """Return text that cannot be encoded."""
    return "half \ud800"


def half_in_a_key(event, context):
    """Return a key that is not valid in JSON, with text that cannot be encoded."""
    return {"\ud800": {1}}


def outside(event, context):
    """Raise what is not an ``Exception``."""
    raise OutsideError("mine")


def generator_exit(event, context):
    """Raise what ends generators."""
    raise GeneratorExit


def cancelled(event, context):
    """Raise what ends tasks."""
    raise asyncio.CancelledError


def base_group(event, context):
    """Raise a group that is not an ``Exception``."""
    raise BaseExceptionGroup("group", [OutsideError(), ValueError()])


def exits(event, context):
    """End the process."""
    raise SystemExit(event)


def no_text(event, context):
    """Raise an exception whose str() fails."""

    class Mute(Exception):
        def __str__(self):
            return 5  # noqa: PLE0307 - what the test is about

    raise Mute


def takes_none():
    """Accept no argument."""


def takes_three(event, context, more):
    """Require one argument too many."""


def takes_a_keyword(event, context, *, key):
    """Require a keyword argument that is never passed."""


class Callable:
    """Can be called, with nothing."""

    def __call__(self):
        """Accept no argument."""


instance = Callable()


def loop(event, context):
    """Use the thread's event loop, as code of before ``asyncio.run`` does."""
    found = asyncio.get_event_loop()
    return [found.is_running(), found.is_closed(), found.run_until_complete(asyncio.sleep(0, event))]


def same_loop(event, context):
    """Return whether the thread's event loop is that of the last invocation."""
    found = asyncio.get_event_loop()
    seen = getattr(same_loop, "seen", None)
    same_loop.seen = found
    return seen is found


def closed_loop(event, context):
    """Close the thread's event loop, as scripts do at their end, and use a new one."""
    asyncio.get_event_loop().close()
    asyncio.set_event_loop(asyncio.new_event_loop())
    with contextlib.closing(asyncio.get_event_loop()) as found:
        return found.run_until_complete(asyncio.sleep(0, event))


def loop_of_a_library(event, context):
    """Make a future outside any loop, as libraries do that keep one for later."""
    return asyncio.gather().get_loop() is asyncio.get_event_loop()
