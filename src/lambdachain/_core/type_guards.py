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
