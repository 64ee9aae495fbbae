"""Yield results in the order of their payloads, or as they complete."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ReorderBuffer(Generic[T]):
    """Holds results until it is their turn.

    >>> reorder_buffer = ReorderBuffer[str](ordered=True)
    >>> reorder_buffer.put(1, "b")
    >>> reorder_buffer.pop() is None
    True
    >>> reorder_buffer.put(0, "a")
    >>> reorder_buffer.pop(), reorder_buffer.pop(), reorder_buffer.pop()
    ('a', 'b', None)
    """

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._waiting: dict[int, T] = {}
        self._ready: deque[T] = deque()
        self._next = 0

    def put(self, number: int, result: T) -> None:
        """Store the result of payload *number*, counted from 0."""
        if not self._ordered:
            self._ready.append(result)
        elif number != self._next:
            self._waiting[number] = result
        else:
            self._ready.append(result)
            self._next += 1
            while self._next in self._waiting:
                self._ready.append(self._waiting.pop(self._next))
                self._next += 1

    def pop(self) -> T | None:
        """Return the next result; ``None`` if it is not there yet."""
        return self._ready.popleft() if self._ready else None

    @property
    def has_next(self) -> bool:
        """Whether the next result is there."""
        return bool(self._ready)

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting)
