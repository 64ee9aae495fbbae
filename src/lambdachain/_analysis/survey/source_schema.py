"""JSON Schemas of types, read from source: pydantic models, dataclasses, enums and Python's own types.

A part that is not supported makes the whole schema unresolved, with a reason: a wrong schema would be worse than none.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from lambdachain._json.json_schema import EXTENSION_KEYWORD

from .evaluator import Evaluator
from .model_fields import LIMITS, ModelField, UnsupportedTypeError, is_enum, read_enum_values, read_model_fields
from .results import SourceSchema
from .scopes import Scope
from .syntax import unwrap_annotation
from .values import ClassValue, Constant, ExternalName

_PLAIN: Final[Mapping[str, dict[str, Any]]] = {
    "builtins.str": {"type": "string"},
    "builtins.int": {"type": "integer"},
    "builtins.float": {"type": "number"},
    "builtins.bool": {"type": "boolean"},
    "builtins.bytes": {"type": "string", "format": "binary"},
    "builtins.dict": {"type": "object", "additionalProperties": True},
    "builtins.list": {"type": "array", "items": {}},
    "builtins.object": {},
    "typing.Any": {},
    "pydantic.JsonValue": {},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "string", "format": "duration"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
}
_LISTS: Final = frozenset({"list", "Sequence", "Iterable", "Collection"})
_SETS: Final = frozenset({"set", "frozenset"})
_MAPPINGS: Final = frozenset({"dict", "Mapping", "MutableMapping"})
_LIMITS: Final[Mapping[str, str]] = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_SIZES: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_DECIMAL_MARKS: Final = {
    **{name: name for name in ("gt", "ge", "lt", "le", "multiple_of")},
    "max_digits": "digits",
    "decimal_places": "places",
}

_DESCRIPTIONS: Final = ("title", "description", "examples")

_Schema = dict[str, Any]


def read_source_schema(evaluator: Evaluator, expr: ast.expr, scope: Scope) -> SourceSchema:
    """Return the schemas of the type that *expr* names in *scope*: as it is sent, and as it is read."""
    try:
        return SourceSchema(
            sent=_SchemaBuilder(evaluator, reading=False).build(expr, scope),
            read=_SchemaBuilder(evaluator, reading=True).build(expr, scope),
        )
    except UnsupportedTypeError as exc:
        return SourceSchema(None, None, f"{scope.locate(expr)}: {exc}")


def _parse_literal(part: ast.expr) -> Any:
    """Return a value of ``Literal[...]``: a string, a number, possibly negative, a boolean or ``None``."""
    try:
        return ast.literal_eval(part)
    except ValueError:
        raise UnsupportedTypeError(f"the type Literal[{ast.unparse(part)}] is not supported") from None


class _SchemaBuilder:
    """Builds one schema: of what is read, or of what is sent."""

    def __init__(self, evaluator: Evaluator, *, reading: bool) -> None:
        self._evaluator = evaluator
        self._reading = reading
        self._defs: dict[str, _Schema] = {}

    def build(self, expr: ast.expr, scope: Scope) -> _Schema:
        """Return the schema of a type, with the definitions that it refers to."""
        schema = self._build_type(expr, scope)
        return {**schema, "$defs": self._defs} if self._defs else schema

    def _build_type(self, expr: ast.expr, scope: Scope) -> _Schema:
        match expr:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str()):
                return self._build_type(unwrap_annotation(expr), scope)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._build_union([left, right], scope)
            case ast.Subscript(value=outer, slice=inner):
                return self._build_generic(outer, inner, scope)
            case ast.Name() | ast.Attribute():
                return self._build_named(expr, scope)
            case _:
                raise UnsupportedTypeError(f"the type {ast.unparse(expr)} is not supported")

    def _build_union(self, options: list[ast.expr], scope: Scope) -> _Schema:
        schemas: list[_Schema] = []
        for option in options:
            schema = self._build_type(option, scope)
            schemas += schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
        return {"anyOf": schemas}

    def _build_named(self, expr: ast.expr, scope: Scope) -> _Schema:
        match self._evaluator.evaluate(expr, scope):
            case (ExternalName("decimal.Decimal"),):
                return self._build_decimal({})
            case (ExternalName(name),) if name in _PLAIN:
                return dict(_PLAIN[name])
            case (ClassValue(inner),):
                return self._build_class(inner)
            case _:
                raise UnsupportedTypeError(f"the type {ast.unparse(expr)} is not supported")

    def _build_generic(self, outer: ast.expr, inner: ast.expr, scope: Scope) -> _Schema:  # noqa: PLR0911 - a table
        name = ast.unparse(outer).rsplit(".", 1)[-1]
        parts = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if name == "Optional":
            return self._build_union([inner, ast.Constant(None)], scope)
        if name == "Union":
            return self._build_union(parts, scope)
        if name == "Literal":
            return {"enum": [_parse_literal(part) for part in parts]}
        if name == "Annotated":
            return self._add_limits(self._build_type(parts[0], scope), self._read_metadata(parts[1:], scope))
        if name in _LISTS:
            return {"type": "array", "items": self._build_type(inner, scope)}
        if name in _SETS:
            return {"type": "array", "items": self._build_type(inner, scope), "uniqueItems": True}
        if name in _MAPPINGS:
            return {"type": "object", "additionalProperties": self._build_type(parts[-1], scope)}
        if name == "tuple":
            return self._build_tuple(parts, scope)
        raise UnsupportedTypeError(f"the type {ast.unparse(outer)}[...] is not supported")

    def _read_metadata(self, parts: list[ast.expr], scope: Scope) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in parts:
            if not (isinstance(part, ast.Call) and ast.unparse(part.func).rsplit(".", 1)[-1] == "Field"):
                raise UnsupportedTypeError(f"{ast.unparse(part)} in Annotated is not supported")
            for one in part.keywords:
                if one.arg not in (*LIMITS, *_DESCRIPTIONS):
                    raise UnsupportedTypeError(f"{ast.unparse(one)} in Annotated is not supported")
            found |= {one.arg: self._get_constant(one.value, scope) for one in part.keywords if one.arg is not None}
        return found

    def _get_constant(self, expr: ast.expr, scope: Scope) -> Any:
        match self._evaluator.evaluate(expr, scope):
            case (Constant(value),):
                return value
            case _:
                return None

    def _build_tuple(self, parts: list[ast.expr], scope: Scope) -> _Schema:
        if len(parts) == 2 and isinstance(parts[1], ast.Constant) and parts[1].value is ...:
            return {"type": "array", "items": self._build_type(parts[0], scope)}
        schemas = [self._build_type(part, scope) for part in parts]
        return {"type": "array", "prefixItems": schemas, "minItems": len(parts), "maxItems": len(parts)}

    def _build_class(self, scope: Scope) -> _Schema:
        name = f"{scope.source.file}:{scope.name}".replace("/", ".")
        if name not in self._defs:
            self._defs[name] = {}  # a class may refer to itself
            self._defs[name] = self._build_enum(scope) if is_enum(self._evaluator, scope) else self._build_object(scope)
        return {"$ref": f"#/$defs/{name}"}

    def _build_enum(self, scope: Scope) -> _Schema:
        return {"title": scope.name, "enum": read_enum_values(self._evaluator, scope)}

    def _build_object(self, scope: Scope) -> _Schema:
        properties: dict[str, _Schema] = {}
        required: list[str] = []
        model = read_model_fields(self._evaluator, scope)
        for field in model.fields:
            name = field.read_as if self._reading else field.sent_as
            properties[name] = self._build_field(field)
            if field.required or not self._reading:  # pydantic serializes defaults, too
                required.append(name)
        schema: _Schema = {"type": "object", "title": scope.name, "properties": properties, "required": required}
        if model.forbids_extra and self._reading:
            schema["additionalProperties"] = False
        return schema

    def _build_field(self, field: ModelField) -> _Schema:
        return self._add_limits(self._build_type(field.annotation, field.scope), field.limits)

    def _add_limits(self, schema: _Schema, limits: Mapping[str, Any]) -> _Schema:
        stated = {name: value for name, value in limits.items() if value is not None}
        if not stated:
            return schema
        if schema == self._build_decimal({}):
            return self._build_decimal(stated)
        if "anyOf" in schema:  # limits of ``int | None`` apply to int
            members = [one if one == {"type": "null"} else self._add_limits(one, stated) for one in schema["anyOf"]]
            return {"anyOf": members}
        found = {_LIMITS[name]: value for name, value in stated.items() if name in _LIMITS}
        if sizes := _SIZES.get(schema.get("type", "")):
            pairs = zip(("min_length", "max_length"), sizes, strict=True)
            found |= {size: stated[name] for name, size in pairs if name in stated}
        return {**schema, **found}

    def _build_decimal(self, limits: Mapping[str, Any]) -> _Schema:
        """Return the schema of a decimal, which is sent as a string and read from a string or number."""
        marks = {mark: str(limits[name]) for name, mark in _DECIMAL_MARKS.items() if name in limits}
        text: _Schema = {"type": "string", "format": "decimal", **({EXTENSION_KEYWORD: marks} if marks else {})}
        if not self._reading:
            return text
        bounds = {_LIMITS[name]: float(limits[name]) for name in ("gt", "ge", "lt", "le") if name in limits}
        return {"anyOf": [{"type": "number", **bounds, EXTENSION_KEYWORD: {"decimal": True, **marks}}, text]}
