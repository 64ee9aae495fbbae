"""The JSON Schema of a type, with what JSON Schema has no words for in one keyword of its own.

pydantic describes what a value looks like; whether one side can read what another writes depends on more. That stands
under ``x-lambdachain``; see ``_schema_marks``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema
from .schema_extensions import Mode, function_name, marks_of

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema as _Base
else:
    _Base = object

JsonSchema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MARKS: Final = "x-lambdachain"

_DICTS: Final = frozenset({"dict", "frozendict", "ordered-dict", "counter"})
_URLS: Final = frozenset({"url", "multi-host-url"})
_BYTES_FORMAT: Final = {"utf8": "binary", "base64": "base64url", "hex": "hex"}


def json_schema_of(core: object, mode: Mode) -> JsonSchema:
    """Describe what is written (``serialization``), or what is read (``validation``), as JSON Schema 2020-12.

    Args:
        core: pydantic's core schema of the type.
        mode: Which of the two.
    """
    return _generator()(by_alias=True).generate(cast("Any", core), mode=mode)


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

    def generate_inner(self, schema: Any) -> JsonSchema:
        written_as = _written_as(schema) if self.mode == "serialization" else None
        if written_as == "to-string" and schema.get("schema", {}).get("type") in _URLS:
            # It is still a URL, though some releases of pydantic say no more than that it is written by str.
            schema = {key: value for key, value in schema.items() if key != "serialization"}
        described = super().generate_inner(schema)
        return _with_subclasses(described) if written_as == "any" else described

    def ser_schema(self, schema: Any) -> JsonSchema | None:
        described = super().ser_schema(schema)
        if described is None and schema["type"] in ("function-plain", "function-wrap"):
            name = function_name(schema["function"])
            return {MARKS: {"opaque": name}} if name else None
        return described

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:  # noqa: ARG002
        function = schema.get("function")
        name = function_name(function["function"]) if is_mapping(function) else None
        return {MARKS: {"opaque": name or schema["type"]}}

    def field_is_present(self, field: Any) -> bool:
        is_elsewhere = field.get("init_only") if self.mode == "serialization" else field.get("init") is False
        return not is_elsewhere and super().field_is_present(field)

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001
        """Report that a field with a default is written always, which pydantic leaves open."""
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
    if mode == "serialization" and kind in ("model", "dataclass") and config.get("polymorphic_serialization"):
        described = _with_subclasses(described)
    marks = dict(marks_of(node, config, mode))
    if kind in ("decimal", "fraction"):
        return _decimal(described, kind, marks)
    return marked(described, marks)


def _written_as(node: Schema) -> str | None:
    """Name the type of core schema that a value is written by, if that is not the one it is read by."""
    how: Schema = node.get("serialization", {})
    if how.get("type") == "function-wrap" and "schema" in how and function_name(how["function"]) is None:
        how = how["schema"]
    return cast("str | None", how.get("type"))


def _with_subclasses(described: JsonSchema) -> JsonSchema:
    """Report that what a subclass adds is written too, though only its base is declared."""
    return {"additionalProperties": True, **described}


def _decimal(described: JsonSchema, kind: str, marks: Schema) -> JsonSchema:
    """Name the text of a decimal as such, and hold a number that stands for one to the same limits."""
    if "anyOf" in described:
        return {**described, "anyOf": [_decimal(form, kind, marks) for form in described["anyOf"]]}
    is_text = described["type"] == "string"
    return marked({**described, "format": kind} if is_text else described, marks if is_text else {**marks, kind: True})


def _may_be_missing(schema: Any) -> bool:
    """Check whether a field may hold pydantic's MISSING, and so not be written."""
    default = schema.get("default") if is_mapping(schema) else None
    return type(default).__name__ in ("Sentinel", "sentinel") and "MISSING" in repr(cast("object", default))


def _ordered(value: Any) -> Any:
    """Return sets an order of their own: that of their elements changes from process to process."""
    if isinstance(value, set | frozenset):
        elements = cast("set[Any]", value)
        return sorted((_ordered(element) for element in elements), key=repr)
    if type(value) in (list, tuple):
        return [_ordered(inner) for inner in value]
    if type(value) is dict:
        return {key: _ordered(inner) for key, inner in cast("Schema", value).items()}
    if hasattr(value, "__pydantic_serializer__") or hasattr(value, "__dataclass_fields__"):
        from pydantic import TypeAdapter

        plain = TypeAdapter(cast("Any", type(value))).dump_python(value, by_alias=True)
        return _ordered(plain) if _has_set(plain) else value
    return value


def _has_set(value: Any) -> bool:
    inner = value.values() if is_mapping(value) else value if is_sequence(value) else ()
    return isinstance(value, set | frozenset) or any(_has_set(part) for part in inner)
