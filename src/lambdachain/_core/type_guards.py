"""Type guards that type checkers follow through untyped data: what JSON, YAML and botocore return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Check whether *value* is a mapping, of whatever."""
    return isinstance(value, (dict, Mapping))  # a dict is one too, but the abstract class takes its time to say so


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Check whether *value* is a list or a tuple, of whatever."""
    return isinstance(value, list | tuple)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Check whether it is a list."""
    return isinstance(value, list)
