"""What decides whether a value is read, and JSON Schema has no words for: pure functions over pydantic's core schemas.

Under which names a field is looked for, the bounds of decimals and dates, which functions of the user's have a say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, cast

from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema

Mode = Literal["validation", "serialization"]

_FIELDS: Final = frozenset({"model-fields", "typed-dict", "dataclass-args"})
_FUNCTIONS: Final = frozenset({"function-before", "function-after", "function-wrap", "function-plain"})
_BOUNDED: Final = frozenset({"decimal", "date", "time", "datetime", "timedelta", "fraction"})
_BOUNDS: Final = ("gt", "ge", "lt", "le", "multiple_of")
_LIMITS: Final = {
    **{name: name for name in _BOUNDS},
    "max_digits": "digits",
    "decimal_places": "places",
    "now_op": "now",
    "tz_constraint": "timezone",
}
_BOUND_BY: Final = frozenset({*_BOUNDS, "max_length", "min_length", "max_digits", "decimal_places", "maxlen"})
_OWN_READERS: Final = frozenset({"pydantic", "pydantic_core", "collections", "ipaddress", "pathlib"})


def marks_of(node: Schema, config: Schema, mode: Mode) -> Iterator[tuple[str, Any]]:
    """Report of one node what its JSON Schema does not, by name.

    Args:
        node: A core schema.
        config: The config of the nearest model around it.
        mode: Whether it is what is read (``validation``) or written (``serialization``).
    """
    kind = node["type"]
    if kind in ("int", "float", "datetime") and (node.get("strict", config.get("strict"))):
        yield "strict", True
    if kind in _BOUNDED:
        yield from _limits(node, config, mode)
    elif kind in _FIELDS and mode == "validation":
        yield from _names(node, config)
    elif kind == "str":
        yield from _changes_of_text(node, config)
    elif kind in ("url", "multi-host-url"):
        yield from ((name, node[name]) for name in ("allowed_schemes", "host_required") if node.get(name))
    yield from _checks(node)


def _limits(node: Schema, config: Schema, mode: Mode) -> Iterator[tuple[str, Any]]:
    for name, mark in _LIMITS.items():
        if node.get(name) is not None:
            yield mark, node[name] if name == "tz_constraint" else _as_text(node[name])
    if mode == "serialization" and node["type"] not in ("decimal", "fraction"):
        unit = config.get("ser_json_temporal", "iso8601")
        if unit == "iso8601" and node["type"] == "timedelta" and config.get("ser_json_timedelta") == "float":
            unit = "seconds"
        if unit != "iso8601":
            yield "unit", unit


def _as_text(limit: Any) -> str:
    if hasattr(limit, "total_seconds"):
        return str(limit.total_seconds())
    return limit.isoformat() if hasattr(limit, "isoformat") else str(limit)


def _names(node: Schema, config: Schema) -> Iterator[tuple[str, Any]]:
    """Report under which names, or where, a field is read, if JSON Schema's one name for it does not tell."""
    fields = node["fields"]
    named = fields.items() if is_mapping(fields) else ((field["name"], field) for field in fields)
    told = {name: places for name, places in (_places(*field, config) for field in named) if places != [name]}
    if told:
        yield "names", told


def places_of(name: str, field: Schema, config: Schema) -> list[str | list[str | int]]:
    """List under which keys, or paths, a field is looked for: the first that is there counts."""
    return _places(name, field, config)[1]


def _places(name: str, field: Schema, config: Schema) -> tuple[str, list[str | list[str | int]]]:
    alias = field.get("validation_alias")
    if alias is None:
        return name, [name]
    paths = [alias] if isinstance(alias, str) or not is_sequence(alias[0]) else list(alias)
    places: list[str | list[str | int]] = [_place(path) for path in paths]
    shown = next((place for place in places if isinstance(place, str)), name)
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    if not config.get("validate_by_alias", True):
        places = []
    return shown, [*places, name] if by_name and name not in places else places


def _place(path: Any) -> str | list[str | int]:
    if isinstance(path, str):
        return path
    return path[0] if len(path) == 1 and isinstance(path[0], str) else list(path)


def _changes_of_text(node: Schema, config: Schema) -> Iterator[tuple[str, Any]]:
    for mark, name in (("strip", "strip_whitespace"), ("lower", "to_lower"), ("upper", "to_upper")):
        if node.get(name, config.get(f"str_{name}")):
            yield mark, True
    if node.get("coerce_numbers_to_str", config.get("coerce_numbers_to_str")):
        yield "numbers", True


def _checks(node: Schema) -> Iterator[tuple[str, Any]]:
    """Name the user's own functions that may refuse a value."""
    names: list[str | None] = []
    if node["type"] in _FUNCTIONS:
        names.append(function_name(node["function"]["function"]))
    if node["type"] == "tagged-union" and callable(node["discriminator"]):
        names.append(function_name(node["discriminator"]))
    if node["type"] in ("model", "dataclass"):
        names += _hooks(node)
    told = [name for name in names if name]
    if told:
        yield "checks", told


def _hooks(node: Schema) -> Iterator[str]:
    post_init = node.get("post_init")
    if post_init is True:
        yield "__post_init__"
    elif isinstance(post_init, str):
        hook = getattr(node["cls"], post_init, None)
        if getattr(hook, "__name__", "") != "init_private_attributes":
            yield post_init
    if node.get("custom_init"):
        yield "__init__"


def function_name(function: Any) -> str | None:
    """Name a user's function; ``None`` for pydantic's own, which read a type and refuse nothing else."""
    arguments: Mapping[str, Any] = {}
    if isinstance(function, partial):
        arguments, function = function.keywords, cast("Any", function.func)  # pyright: ignore[reportUnknownMemberType]
    home = str(getattr(function, "__module__", None) or type(function).__module__)
    name = str(getattr(function, "__name__", type(function).__name__))
    if home.split(".", maxsplit=1)[0] in _OWN_READERS:
        bounds = ", ".join(f"{key}={_as_text(value)}" for key, value in arguments.items() if key in _BOUND_BY)
        predicate = _predicate(function)
        return predicate or (f"{name}({bounds})" if bounds else None)
    return name


def _predicate(function: Any) -> str | None:
    """Name the function of an ``annotated_types.Predicate``, which pydantic wraps in one of its own."""
    if not str(getattr(function, "__module__", "")).endswith("_known_annotated_metadata"):
        return None
    cells = getattr(function, "__closure__", None) or ()
    inner = (getattr(cell.cell_contents, "func", None) for cell in cells)
    return next((str(getattr(found, "__name__", type(found).__name__)) for found in inner if found), None)
