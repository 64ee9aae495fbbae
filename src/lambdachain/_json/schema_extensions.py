"""The contents of ``x-lambdachain`` in a JSON Schema: rules for values that it cannot express.

The names that a field is looked up by, the bounds of decimals and dates, the user's functions that may reject a value.
Pure functions over pydantic's core schemas.
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


def iter_extensions(node: Schema, config: Schema, mode: Mode) -> Iterator[tuple[str, Any]]:
    """Yield what the JSON Schema of one node cannot express, as names and values under ``x-lambdachain``.

    Args:
        node: A core schema.
        config: The config of the nearest model around it.
        mode: ``validation`` for what is read, ``serialization`` for what is written.
    """
    kind = node["type"]
    if kind in ("int", "float", "datetime") and (node.get("strict", config.get("strict"))):
        yield "strict", True
    if kind in _BOUNDED:
        yield from _iter_limits(node, config, mode)
    elif kind in _FIELDS and mode == "validation":
        yield from _iter_lookup_names(node, config)
    elif kind == "str":
        yield from _iter_string_changes(node, config)
    elif kind in ("url", "multi-host-url"):
        yield from ((name, node[name]) for name in ("allowed_schemes", "host_required") if node.get(name))
    yield from _iter_checks(node)


def _iter_limits(node: Schema, config: Schema, mode: Mode) -> Iterator[tuple[str, Any]]:
    for name, keyword in _LIMITS.items():
        if node.get(name) is not None:
            yield keyword, node[name] if name == "tz_constraint" else _format_limit(node[name])
    if mode == "serialization" and node["type"] not in ("decimal", "fraction"):
        unit = config.get("ser_json_temporal", "iso8601")
        if unit == "iso8601" and node["type"] == "timedelta" and config.get("ser_json_timedelta") == "float":
            unit = "seconds"
        if unit != "iso8601":
            yield "unit", unit


def _format_limit(limit: Any) -> str:
    if hasattr(limit, "total_seconds"):
        return str(limit.total_seconds())
    return limit.isoformat() if hasattr(limit, "isoformat") else str(limit)


def _iter_lookup_names(node: Schema, config: Schema) -> Iterator[tuple[str, Any]]:
    """Yield the names or paths that fields are looked up by, for fields that have more than one or an unusual one."""
    fields = node["fields"]
    named = fields.items() if is_mapping(fields) else ((field["name"], field) for field in fields)
    values = {
        name: locations
        for name, locations in (_get_locations(*field, config) for field in named)
        if locations != [name]
    }
    if values:
        yield "names", values


def get_lookup_locations(name: str, field: Schema, config: Schema) -> list[str | list[str | int]]:
    """List the keys or paths that a field is looked up by; the first that is there counts."""
    return _get_locations(name, field, config)[1]


def _get_locations(name: str, field: Schema, config: Schema) -> tuple[str, list[str | list[str | int]]]:
    alias = field.get("validation_alias")
    if alias is None:
        return name, [name]
    paths = [alias] if isinstance(alias, str) or not is_sequence(alias[0]) else list(alias)
    locations: list[str | list[str | int]] = [_to_location(path) for path in paths]
    shown = next((location for location in locations if isinstance(location, str)), name)
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    if not config.get("validate_by_alias", True):
        locations = []
    return shown, [*locations, name] if by_name and name not in locations else locations


def _to_location(path: Any) -> str | list[str | int]:
    if isinstance(path, str):
        return path
    return path[0] if len(path) == 1 and isinstance(path[0], str) else list(path)


def _iter_string_changes(node: Schema, config: Schema) -> Iterator[tuple[str, Any]]:
    for keyword, name in (("strip", "strip_whitespace"), ("lower", "to_lower"), ("upper", "to_upper")):
        if node.get(name, config.get(f"str_{name}")):
            yield keyword, True
    if node.get("coerce_numbers_to_str", config.get("coerce_numbers_to_str")):
        yield "numbers", True


def _iter_checks(node: Schema) -> Iterator[tuple[str, Any]]:
    """Yield the names of the user's functions that may reject a value."""
    names: list[str | None] = []
    if node["type"] in _FUNCTIONS:
        names.append(get_function_name(node["function"]["function"]))
    if node["type"] == "tagged-union" and callable(node["discriminator"]):
        names.append(get_function_name(node["discriminator"]))
    if node["type"] in ("model", "dataclass"):
        names += _iter_hooks(node)
    values = [name for name in names if name]
    if values:
        yield "checks", values


def _iter_hooks(node: Schema) -> Iterator[str]:
    post_init = node.get("post_init")
    if post_init is True:
        yield "__post_init__"
    elif isinstance(post_init, str):
        # pydantic itself sets this one, for private attributes.
        hook = getattr(node["cls"], post_init, None)
        if getattr(hook, "__name__", "") != "init_private_attributes":
            yield post_init
    if node.get("custom_init"):
        yield "__init__"


def get_function_name(function: Any) -> str | None:
    """Return the name of a user's function; ``None`` for pydantic's own, which only read a type."""
    arguments: Mapping[str, Any] = {}
    # pydantic checks the limits of a type that it cannot check natively by a partial of its own function.
    if isinstance(function, partial):
        arguments, function = function.keywords, cast("Any", function.func)  # pyright: ignore[reportUnknownMemberType]
    module = str(getattr(function, "__module__", None) or type(function).__module__)
    name = str(getattr(function, "__name__", type(function).__name__))
    if module.split(".", maxsplit=1)[0] in _OWN_READERS:
        bounds = ", ".join(f"{key}={_format_limit(value)}" for key, value in arguments.items() if key in _BOUND_BY)
        predicate = _get_predicate_name(function)
        return predicate or (f"{name}({bounds})" if bounds else None)
    return name


def _get_predicate_name(function: Any) -> str | None:
    """Return the name of the function in an ``annotated_types.Predicate``, which pydantic wraps in its own."""
    if not str(getattr(function, "__module__", "")).endswith("_known_annotated_metadata"):
        return None
    cells = getattr(function, "__closure__", None) or ()
    inner = (getattr(cell.cell_contents, "func", None) for cell in cells)
    return next((str(getattr(found, "__name__", type(found).__name__)) for found in inner if found), None)
