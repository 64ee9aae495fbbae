"""Values of context variables, for as long as a block runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def set_value(variable: ContextVar[T], value: T) -> Generator[None]:
    """Set a context variable inside the ``with`` block.

    >>> current = ContextVar("current", default="outside")
    >>> with set_value(current, "inside"):
    ...     current.get()
    'inside'
    >>> current.get()
    'outside'
    """
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
