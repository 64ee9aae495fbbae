"""Describe a schema in a few words, for messages."""

from __future__ import annotations

import json
from typing import Any, Final

from lambdachain._core.type_guards import is_sequence

from .ranges import read_range
from .schema_node import SchemaNode

_MAX_VALUES: Final = 8
_LIMITS: Final = {
    "minLength": "at least {} long",
    "maxLength": "at most {} long",
    "pattern": "matching {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
}
_EXTENSIONS: Final = {
    "multiple_of": "a multiple of {}",
    "digits": "at most {} digits",
    "places": "at most {} decimal places",
    "now": "in the {}",
    "timezone": "timezone {}",
    "unit": "in {}",
    "allowed_schemes": "scheme {}",
}


def describe_schema(part: SchemaNode, depth: int = 3) -> str:
    """Return a description of a schema: ``integer (≥ 1)``, ``"a" or "b"``, ``array of Item``, ``string or null``."""
    if part.opaque is not None:
        return f"the result of {part.opaque}"
    if part.values is not None:
        return format_values(part.values) if part.values else "nothing"
    if part.alternatives:
        return _join_alternatives(list(dict.fromkeys(_shorten(member, depth) for member in part.alternatives)))
    if not part.type:
        return "anything"
    limits = _describe_limits(part)
    kind = _describe_type(part, depth)
    return f"{kind} ({', '.join(limits)})" if limits else kind


def format_values(values: tuple[Any, ...]) -> str:
    """Return values as JSON, as an enumeration."""
    shown = [json.dumps(value, ensure_ascii=False) for value in values[:_MAX_VALUES]]
    return _join_alternatives([*shown, f"{len(values) - _MAX_VALUES} more"] if len(values) > _MAX_VALUES else shown)


def _join_alternatives(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _describe_type(part: SchemaNode, depth: int) -> str:
    if part.type == "array":
        return _describe_array(part, depth)
    if part.type == "object":
        title = part.node.get("title")
        if title or part.properties or part.additional_written is None:
            return f"object {title}" if title else "object"
        return (
            "object" if part.additional_written.is_anything else f"object of {_shorten(part.additional_written, depth)}"
        )
    return str(part.node.get("format", part.type))


def _describe_array(part: SchemaNode, depth: int) -> str:
    if part.prefix_items:
        more = ", ..." if "items" in part.node else ""
        return f"array [{', '.join(_shorten(inner, depth) for inner in part.prefix_items)}{more}]"
    element = part.element(0)
    return "array" if element.is_anything else f"array of {_shorten(element, depth)}"


def _shorten(part: SchemaNode, depth: int) -> str:
    title = part.node.get("title")
    if title:
        return str(title)
    # Types may contain themselves, so stop somewhere.
    return describe_schema(part, depth - 1) if depth else "..."


def _describe_limits(part: SchemaNode) -> list[str]:
    limits = [_describe_range(part)] if _describe_range(part) else []
    limits += [words.format(part.node[name]) for name, words in _LIMITS.items() if _is_relevant(part, name)]
    for name, words in _EXTENSIONS.items():
        if name in part.extensions:
            value = part.extensions[name]
            limits.append(words.format(" or ".join(value) if is_sequence(value) else value))
    return limits


def _is_relevant(part: SchemaNode, name: str) -> bool:
    """Check whether to mention a limit: the number of items of a tuple follows from its items."""
    return name in part.node and not (part.prefix_items and name in ("minItems", "maxItems"))


def _describe_range(part: SchemaNode) -> str:
    if part.type not in ("integer", "number", "string"):
        return ""
    try:
        return str(read_range(part))
    except (ValueError, TypeError):
        return ""
