"""Type guards for untyped data, such as parsed JSON and YAML and botocore's responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Check whether *value* is a mapping of anything."""
    return isinstance(value, (dict, Mapping))  # dict first: the abstract class's check is slow


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Check whether *value* is a list or a tuple of anything."""
    return isinstance(value, list | tuple)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Check whether *value* is a list of anything."""
    return isinstance(value, list)


def describe_object(value: object) -> str:
    """Format what an argument is, for a message that must not quote it.

    >>> describe_object(len), describe_object(int), describe_object(3)
    ('the function len', 'the class int', 'a value of type int')
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = getattr(value, "__name__", None) if callable(value) else None
    return f"the function {name}" if isinstance(name, str) else f"a value of type {type(value).__name__}"
