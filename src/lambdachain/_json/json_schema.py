"""Generate the JSON Schema of a type, with what JSON Schema cannot express under the keyword ``x-lambdachain``.

pydantic's schema describes what a value looks like. Whether one side can read what the other writes depends on more,
which ``schema_extensions`` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import Schema
from .schema_extensions import Mode, get_function_name, iter_extensions

if TYPE_CHECKING:
    from pydantic.json_schema import GenerateJsonSchema as _Base
else:
    _Base = object

JsonSchema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
EXTENSION_KEYWORD: Final = "x-lambdachain"
"""The keyword under which a schema has what JSON Schema cannot express."""

_DICTS: Final = frozenset({"dict", "frozendict", "ordered-dict", "counter"})
_URLS: Final = frozenset({"url", "multi-host-url"})
_BYTES_FORMAT: Final = {"utf8": "binary", "base64": "base64url", "hex": "hex"}


def generate_json_schema(core: object, mode: Mode) -> JsonSchema:
    """Generate the JSON Schema (draft 2020-12) of a type.

    Args:
        core: pydantic's core schema of the type.
        mode: ``validation`` for what is read, ``serialization`` for what is written.
    """
    return _generator()(by_alias=True).generate(cast("Any", core), mode=mode)


@cache
def _generator() -> type[_Base]:
    """Create the class when it is first needed: importing pydantic takes longer than importing lambdachain."""
    from pydantic.json_schema import GenerateJsonSchema

    return cast("type[_Base]", type("ExtendedJsonSchema", (_ExtendedGenerator, GenerateJsonSchema), {}))


class _ExtendedGenerator(_Base):
    """pydantic's generator, extended by ``x-lambdachain``."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._core_configs: list[Schema] = [{}]
        super().__init__(*args, **kwargs)

    def build_schema_type_to_method(self) -> Any:
        methods = cast("Mapping[str, Callable[[Any], JsonSchema]]", super().build_schema_type_to_method())
        return {kind: partial(self._describe, method) for kind, method in methods.items()}

    def generate_inner(self, schema: Any) -> JsonSchema:
        serialization_type = _get_serialization_type(schema) if self.mode == "serialization" else None
        if serialization_type == "to-string" and schema.get("schema", {}).get("type") in _URLS:
            # Without this, some releases of pydantic describe a URL as any string, since it is written by str().
            schema = {key: value for key, value in schema.items() if key != "serialization"}
        described = super().generate_inner(schema)
        return _allow_subclass_fields(described) if serialization_type == "any" else described

    def ser_schema(self, schema: Any) -> JsonSchema | None:
        described = super().ser_schema(schema)
        if described is None and schema["type"] in ("function-plain", "function-wrap"):
            name = get_function_name(schema["function"])
            return {EXTENSION_KEYWORD: {"opaque": name}} if name else None
        return described

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchema:  # noqa: ARG002
        function = schema.get("function")
        name = get_function_name(function["function"]) if is_mapping(function) else None
        return {EXTENSION_KEYWORD: {"opaque": name or schema["type"]}}

    def field_is_present(self, field: Any) -> bool:
        # A dataclass's InitVar is only read, a field with init=False only written.
        is_elsewhere = field.get("init_only") if self.mode == "serialization" else field.get("init") is False
        return not is_elsewhere and super().field_is_present(field)

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001
        """Check whether a field is always there. One with a default is always written, which pydantic leaves open."""
        if self.mode == "validation":
            return super().field_is_required(field, total)
        is_written = bool(field.get("required", total)) if field["type"] == "typed-dict-field" else True
        return is_written and "serialization_exclude_if" not in field and not _may_be_missing(field["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Omit titles that only repeat the name of a field."""
        return False

    def encode_default(self, dft: Any) -> Any:
        return super().encode_default(_sort_sets(dft))

    def _describe(self, method: Callable[[Any], JsonSchema], node: Schema) -> JsonSchema:
        # The config of a model applies to the nodes of its fields, which do not have it themselves.
        config = node.get("config")
        self._core_configs.append(config if is_mapping(config) else self._core_configs[-1])
        try:
            described = method(node)
            if node["type"] in _DICTS:
                return self._describe_keys(described, node)
            return _describe_extensions(described, node, self._core_configs[-1], self.mode)
        finally:
            self._core_configs.pop()

    def _describe_keys(self, described: JsonSchema, node: Schema) -> JsonSchema:
        """Describe the keys of a mapping: strings in ``propertyNames``, others (numbers, dates) as an extension."""
        for values in described.pop("patternProperties", {}).values():
            described["additionalProperties"] = values
        described.pop("propertyNames", None)
        keys = self.generate_inner(node["keys_schema"]) if "keys_schema" in node else {}
        keys = {name: value for name, value in keys.items() if name != "title"}
        if keys in ({}, {"type": "string"}):
            return described
        if self._is_string(keys):
            return {**described, "propertyNames": keys}
        return add_extensions(described, {"keys": keys})

    def _is_string(self, keys: JsonSchema) -> bool:
        try:
            resolved = self.resolve_ref_schema(keys)
        except RuntimeError:  # a definition that is still being generated
            return False
        values = resolved.get("enum", ())
        return resolved.get("type") == "string" or bool(values and all(isinstance(value, str) for value in values))


def add_extensions(described: JsonSchema, extensions: Mapping[str, Any]) -> JsonSchema:
    """Add *extensions* to those that a schema has already."""
    if not extensions:
        return described
    known: Mapping[str, Any] = described.get(EXTENSION_KEYWORD, {})
    checks = [*extensions.get("checks", ()), *known.get("checks", ())]
    merged = {**known, **extensions, **({"checks": checks} if checks else {})}
    return {**described, EXTENSION_KEYWORD: merged}


def _describe_extensions(described: JsonSchema, node: Schema, config: Schema, mode: Mode) -> JsonSchema:
    kind = node["type"]
    if kind == "bytes":
        encoding = config.get("ser_json_bytes" if mode == "serialization" else "val_json_bytes", "utf8")
        described = {**described, "format": _BYTES_FORMAT.get(encoding, encoding)}
    if mode == "serialization" and kind in ("model", "dataclass") and config.get("polymorphic_serialization"):
        described = _allow_subclass_fields(described)
    extensions = dict(iter_extensions(node, config, mode))
    if kind in ("decimal", "fraction"):
        return _describe_decimal(described, kind, extensions)
    return add_extensions(described, extensions)


def _get_serialization_type(node: Schema) -> str | None:
    """Return the type of the core schema that a value is written by, if it is not the one that it is read by."""
    serialization: Schema = node.get("serialization", {})
    if (
        serialization.get("type") == "function-wrap"
        and "schema" in serialization
        and get_function_name(serialization["function"]) is None
    ):
        serialization = serialization["schema"]
    return cast("str | None", serialization.get("type"))


def _allow_subclass_fields(described: JsonSchema) -> JsonSchema:
    """Allow additional properties: the fields of a subclass are written, too, though only its base is declared."""
    return {"additionalProperties": True, **described}


def _describe_decimal(described: JsonSchema, kind: str, extensions: Schema) -> JsonSchema:
    """Mark a decimal as such, whether it is a string or a number, and set the same limits for both."""
    if "anyOf" in described:
        return {**described, "anyOf": [_describe_decimal(option, kind, extensions) for option in described["anyOf"]]}
    is_text = described["type"] == "string"
    return add_extensions(
        {**described, "format": kind} if is_text else described, extensions if is_text else {**extensions, kind: True}
    )


def _may_be_missing(schema: Any) -> bool:
    """Check whether a field may hold pydantic's MISSING, in which case it is not written."""
    default = schema.get("default") if is_mapping(schema) else None
    return type(default).__name__ in ("Sentinel", "sentinel") and "MISSING" in repr(cast("object", default))


def _sort_sets(value: Any) -> Any:
    """Sort the sets in a default value: with hash randomization, their order changes from process to process."""
    if isinstance(value, set | frozenset):
        elements = cast("set[Any]", value)
        return sorted((_sort_sets(element) for element in elements), key=repr)
    if type(value) in (list, tuple):
        return [_sort_sets(inner) for inner in value]
    if type(value) is dict:
        return {key: _sort_sets(inner) for key, inner in cast("Schema", value).items()}
    if hasattr(value, "__pydantic_serializer__") or hasattr(value, "__dataclass_fields__"):
        from pydantic import TypeAdapter

        plain = TypeAdapter(cast("Any", type(value))).dump_python(value, by_alias=True)
        return _sort_sets(plain) if _has_set(plain) else value
    return value


def _has_set(value: Any) -> bool:
    inner = value.values() if is_mapping(value) else value if is_sequence(value) else ()
    return isinstance(value, set | frozenset) or any(_has_set(part) for part in inner)
