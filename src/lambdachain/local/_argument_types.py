"""Whether the arguments of a declaration are of the kinds that they have to be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple


class Kind(NamedTuple):
    """What an argument has to be: its types, and the words for them. ``bool`` is no number."""

    types: tuple[type, ...]
    words: str
    optional: bool = False

    def or_none(self) -> Kind:
        """Return the same kind, where ``None`` is allowed too."""
        return self._replace(optional=True)


TEXT: Final = Kind((str,), "text")
PATH: Final = Kind((str, os.PathLike), "a path")
NUMBER: Final = Kind((int, float), "a number")
WHOLE: Final = Kind((int,), "a whole number")
FLAG: Final = Kind((bool,), "True or False")
MAPPING: Final = Kind((Mapping,), "a mapping")


def wrong_kinds(arguments: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Iterable[str]:
    """Describe each argument that is not what it has to be, by its type: a value may be a secret."""
    for name, kind in kinds.items():
        value = arguments[name]
        is_flag = isinstance(value, bool) and bool not in kind.types
        if (is_flag or not isinstance(value, kind.types)) and not (kind.optional and value is None):
            yield f"{name} must be {kind.words}, not {kind_name(value)}"


def kind_name(value: object) -> str:
    """Return how a message names what was given."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
