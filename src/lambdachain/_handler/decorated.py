"""Handlers under other decorators."""

from __future__ import annotations

from typing import Any, Final

_PUBLIC: Final = ("contract", "local", "call", "invoke", "fire", "map", "can_invoke", "bind")


def keep_under_decorators(handler: Any) -> None:
    """Have a function that ``functools.wraps`` makes of a handler keep what the handler can do.

    Decorators of Lambda handlers, such as those of Powertools, return a plain function and copy the ``__dict__`` of
    what they decorate into it.
    """
    handler.__dict__.update({name: getattr(handler, name) for name in _PUBLIC})
