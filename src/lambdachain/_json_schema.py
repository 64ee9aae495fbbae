"""The JSON Schema of a type, with what JSON Schema has no words for in one keyword of its own.

pydantic describes what a value looks like; whether one side can read what another writes depends on more: how a field
may also be called, bounds of decimals and dates, which validators have a say. That stands under ``x-lambdachain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from ._schema import Schema, is_mapping, is_sequence

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema as _Base
else:
    _Base = object

Mode = Literal["validation", "serialization"]
JsonSchema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MARKS: Final = "x-lambdachain"

_DICTS: Final = frozenset({"dict", "frozendict", "ordered-dict", "counter"})
_FIELDS: Final = frozenset({"model-fields", "typed-dict", "dataclass-args"})
_FUNCTIONS: Final = frozenset({"function-before", "function-after", "function-wrap", "function-plain"})
_BOUNDED: Final = frozenset({"decimal", "date", "time", "datetime", "timedelta", "fraction"})
_BOUNDS: Final = {"gt": "gt", "ge": "ge", "lt": "lt", "le": "le", "multiple_of": "multiple_of"}
_LIMITS: Final = {**_BOUNDS, "max_digits": "digits", "decimal_places": "places", "now_op": "now"}
_OWN_READERS: Final = frozenset({"pydantic", "pydantic_core", "collections", "ipaddress", "pathlib"})
_BYTES_FORMAT: Final = {"utf8": "binary", "base64": "base64url", "hex": "hex"}


def json_schema_of(core: object, mode: Mode) -> JsonSchema:
    """Describe what is written (``serialization``), or what is read (``validation``), as JSON Schema 2020-12.

    Args:
        core: pydantic's core schema of the type.
        mode: Which of the two.
    """
    described = _generator()(by_alias=True).generate(cast("Any", core), mode=mode)
    return cast("JsonSchema", _in_order(described))


@cache
def _generator() -> type[_Base]:
    """Make the class when it is first needed: importing pydantic takes longer than all of us."""
    from pydantic.json_schema import GenerateJsonSchema

    return cast("type[_Base]", type("MarkedJsonSchema", (_Marked, GenerateJsonSchema), {}))


class _Marked(_Base):
    """pydantic's generator, which also says what JSON Schema cannot."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._core_configs: list[Schema] = [{}]
        super().__init__(*args, **kwargs)

    def build_schema_type_to_method(self) -> Any:
        methods = cast("Mapping[str, Callable[[Any], JsonSchema]]", super().build_schema_type_to_method())
        return {kind: partial(self._described, method) for kind, method in methods.items()}

    def ser_schema(self, schema: Any) -> JsonSchema | None:
        described = super().ser_schema(schema)
        if described is None and schema["type"] in ("function-plain", "function-wrap"):
            name = _function_name(schema["function"])
            return {MARKS: {"opaque": name}} if name else None
        return described

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:  # noqa: ARG002
        function = schema.get("function")
        name = _function_name(function["function"]) if is_mapping(function) else None
        return {MARKS: {"opaque": name or schema["type"]}}

    def field_is_present(self, field: Any) -> bool:
        is_elsewhere = field.get("init_only") if self.mode == "serialization" else field.get("init") is False
        return not is_elsewhere and super().field_is_present(field)

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001
        """Say that a field with a default is written always, which pydantic leaves open."""
        if self.mode == "validation":
            return super().field_is_required(field, total)
        is_written = bool(field.get("required", total)) if field["type"] == "typed-dict-field" else True
        return is_written and "serialization_exclude_if" not in field and not _may_be_missing(field["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Leave out titles that repeat a field's name."""
        return False

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(_ordered(dft))

    def _described(self, method: Callable[[Any], JsonSchema], node: Schema) -> JsonSchema:
        config = node.get("config")
        self._core_configs.append(config if is_mapping(config) else self._core_configs[-1])
        try:
            described = method(node)
            if node["type"] in _DICTS:
                return self._with_keys(described, node)
            return _with_marks(described, node, self._core_configs[-1], self.mode)
        finally:
            self._core_configs.pop()

    def _with_keys(self, described: JsonSchema, node: Schema) -> JsonSchema:
        """Describe a mapping's keys in one place, and those that JSON has as text without being text too."""
        for values in described.pop("patternProperties", {}).values():
            described["additionalProperties"] = values
        described.pop("propertyNames", None)
        keys = self.generate_inner(node["keys_schema"]) if "keys_schema" in node else {}
        keys = {name: value for name, value in keys.items() if name != "title"}
        if keys in ({}, {"type": "string"}):
            return described
        if self._is_text(keys):
            return {**described, "propertyNames": keys}
        return marked(described, {"keys": keys})

    def _is_text(self, keys: JsonSchema) -> bool:
        try:
            resolved = self.resolve_ref_schema(keys)
        except RuntimeError:  # a definition that is still being made
            return False
        values = resolved.get("enum", ())
        return resolved.get("type") == "string" or bool(values and all(isinstance(value, str) for value in values))


def marked(described: JsonSchema, marks: Mapping[str, Any]) -> JsonSchema:
    """Add to what JSON Schema has no words for; what is listed there already stays."""
    if not marks:
        return described
    known: Mapping[str, Any] = described.get(MARKS, {})
    checks = [*marks.get("checks", ()), *known.get("checks", ())]
    merged = {**known, **marks, **({"checks": checks} if checks else {})}
    return {**described, MARKS: merged}


def _with_marks(described: JsonSchema, node: Schema, config: Schema, mode: Mode) -> JsonSchema:
    kind = node["type"]
    if kind == "bytes":
        encoding = config.get("ser_json_bytes" if mode == "serialization" else "val_json_bytes", "utf8")
        described = {**described, "format": _BYTES_FORMAT.get(encoding, encoding)}
    if mode == "serialization" and config.get("polymorphic_serialization") and kind in ("model", "dataclass"):
        described = {"additionalProperties": True, **described}
    marks = dict(_marks(node, config, mode))
    if kind in ("decimal", "fraction"):
        return _decimal(described, kind, marks)
    return marked(described, marks)


def _decimal(described: JsonSchema, kind: str, marks: Schema) -> JsonSchema:
    """Name the text of a decimal as such, and hold a number that stands for one to the same limits."""
    if "anyOf" in described:
        return {**described, "anyOf": [_decimal(form, kind, marks) for form in described["anyOf"]]}
    is_text = described["type"] == "string"
    return marked({**described, "format": kind} if is_text else described, marks if is_text else {**marks, kind: True})


def _marks(node: Schema, config: Schema, mode: Mode) -> Iterator[tuple[str, Any]]:
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
            yield mark, _as_text(node[name])
    if "tz_constraint" in node:
        yield "timezone", node["tz_constraint"]
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
    """Say under which names, or where, a field is read, if JSON Schema's one name for it does not tell."""
    fields = node["fields"]
    named = fields.items() if is_mapping(fields) else ((field["name"], field) for field in fields)
    told = {name: places for name, places in (_places(*field, config) for field in named) if places != [name]}
    if told:
        yield "names", told


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
    return cast("str", path[0]) if len(path) == 1 and isinstance(path[0], str) else list(path)


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
        names.append(_function_name(node["function"]["function"]))
    if node["type"] == "tagged-union" and callable(node["discriminator"]):
        names.append(_function_name(node["discriminator"]))
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


def _function_name(function: Any) -> str | None:
    """Name a user's function; ``None`` for pydantic's own, which read a type and refuse nothing else."""
    arguments: Mapping[str, Any] = {}
    if isinstance(function, partial):
        arguments, function = function.keywords, cast("Any", function.func)  # pyright: ignore[reportUnknownMemberType]
    home = str(getattr(function, "__module__", None) or type(function).__module__)
    name = str(getattr(function, "__name__", type(function).__name__))
    if home.split(".")[0] in _OWN_READERS:
        bounds = ", ".join(f"{key}={_as_text(value)}" for key, value in arguments.items() if key in _BOUND_BY)
        predicate = _predicate(function)
        return predicate or (f"{name}({bounds})" if bounds else None)
    return name


_BOUND_BY: Final = frozenset({*_BOUNDS, "max_length", "min_length", "max_digits", "decimal_places", "maxlen"})


def _predicate(function: Any) -> str | None:
    """Name the function of an ``annotated_types.Predicate``, which pydantic wraps in one of its own."""
    if not str(getattr(function, "__module__", "")).endswith("_known_annotated_metadata"):
        return None
    cells = getattr(function, "__closure__", None) or ()
    inner = (getattr(cell.cell_contents, "func", None) for cell in cells)
    return next((str(getattr(found, "__name__", type(found).__name__)) for found in inner if found), None)


def _may_be_missing(schema: Any) -> bool:
    """Tell whether a field may hold pydantic's MISSING, and so not be written."""
    default = schema.get("default") if is_mapping(schema) else None
    return type(default).__name__ in ("Sentinel", "sentinel") and "MISSING" in repr(cast("object", default))


def _ordered(value: Any) -> Any:
    """Give sets an order of their own: that of their elements changes from process to process."""
    if isinstance(value, set | frozenset):
        elements = cast("set[Any]", value)
        return sorted((_ordered(element) for element in elements), key=repr)
    if type(value) in (list, tuple):
        return [_ordered(inner) for inner in value]
    if type(value) is dict:
        return {key: _ordered(inner) for key, inner in cast("dict[Any, Any]", value).items()}
    if hasattr(value, "__pydantic_serializer__") or hasattr(value, "__dataclass_fields__"):
        from pydantic import TypeAdapter

        plain = TypeAdapter[Any](type(value)).dump_python(value, by_alias=True)
        return _ordered(plain) if _has_set(plain) else value
    return value


def _has_set(value: Any) -> bool:
    inner = value.values() if is_mapping(value) else value if is_sequence(value) else ()
    return isinstance(value, set | frozenset) or any(_has_set(part) for part in inner)


def _in_order(value: Any, key: str = "") -> Any:
    """Sort what has no order of its own; fields stand as their author wrote them."""
    if key in _DATA:
        return value
    if is_mapping(value):
        # The name of a property may be any word: below "properties" it says nothing of what it holds.
        return {name: _in_order(inner, "" if key == "properties" else name) for name, inner in value.items()}
    if is_sequence(value):
        return sorted(value) if key == "required" else [_in_order(inner) for inner in value]
    return value


_DATA: Final = frozenset({"default", "const", "enum", "examples"})
