"""Type checks of public arguments, with messages that name the argument and the expected type."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple


class ArgumentType(NamedTuple):
    """The type of an argument: its Python types, and the words for them. ``bool`` does not count as a number."""

    types: tuple[type, ...]
    description: str
    optional: bool = False

    def or_none(self) -> ArgumentType:
        """Return the same type with ``None`` allowed too."""
        return self._replace(optional=True)


TEXT: Final = ArgumentType((str,), "text")
PATH: Final = ArgumentType((str, os.PathLike), "a path")
NUMBER: Final = ArgumentType((int, float), "a number")
WHOLE: Final = ArgumentType((int,), "a whole number")
FLAG: Final = ArgumentType((bool,), "True or False")
MAPPING: Final = ArgumentType((Mapping,), "a mapping")


def find_type_errors(arguments: Mapping[str, Any], types: Mapping[str, ArgumentType]) -> Iterable[str]:
    """Yield a message for each argument of the wrong type. It names the type, not the value, which may be a secret."""
    for name, expected in types.items():
        value = arguments[name]
        # bool is a subclass of int.
        is_flag = isinstance(value, bool) and bool not in expected.types
        if (is_flag or not isinstance(value, expected.types)) and not (expected.optional and value is None):
            yield f"{name} must be {expected.description}, not {describe_type(value)}"


def describe_type(value: object) -> str:
    """Return how a message names the type of a value."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
