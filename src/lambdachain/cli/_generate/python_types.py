"""The Python types that datamodel-code-generator cannot know from JSON Schema alone.

Each is a placeholder in the schema that the generator reads (``customTypePath``), and is replaced in what it writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping, is_sequence

from .definitions import JsonSchema, map_schemas

PLACEHOLDERS: Final = "lambdachain_placeholders"
"""The module that placeholders seem to come from."""

KEYED_DICT: Final = "KeyedDict"
"""The placeholder of a dict whose keys are not strings: ``tuple[KeyedDict, K, V]`` becomes ``dict[K, V]``."""

REVEAL_SECRET: Final = "reveal_secret"  # noqa: S105 - the name of a function
"""The function that a module needs if it has secrets."""

_EXTENSION: Final = "x-lambdachain"
_TEMPORAL: Final = {"date-time": "dt.datetime", "date": "dt.date", "time": "dt.time", "duration": "dt.timedelta"}
_LIMITS: Final = ("gt", "ge", "lt", "le", "multiple_of")
_JSON_LIMITS: Final = {
    "exclusiveMinimum": "gt",
    "minimum": "ge",
    "exclusiveMaximum": "lt",
    "maximum": "le",
    "multipleOf": "multiple_of",
}
_ARRAY_LIMITS: Final = {"minItems": "min_length", "maxItems": "max_length"}
_STRING_LIMITS: Final = {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_STRING_CHANGES: Final = {"strip": "strip_whitespace", "lower": "to_lower", "upper": "to_upper"}
_DATETIMES: Final = {
    "aware": "AwareDatetime",
    "naive": "NaiveDatetime",
    "past": "PastDatetime",
    "future": "FutureDatetime",
}
_DATES: Final = {"past": "PastDate", "future": "FutureDate"}
_HTTP: Final = ["http", "https"]
_LOST: Final = {
    "checks": "checked by {} in the callee",
    "opaque": "written by {}, whose type is not in the schema",
    "names": "also read from other names: {}",
    "unit": "written in {}",
}
_NO_TYPE: Final = {"base64url": "bytes in base64url: encode them yourself", "hex": "bytes in hex: encode them yourself"}


class PythonTypes:
    """The types that stand for placeholders, and notes about what a schema says and Python's types cannot."""

    def __init__(self) -> None:
        self.expressions: dict[str, str] = {}
        self.notes: list[str] = []

    def replace_in(self, schema: JsonSchema, where: str) -> JsonSchema:
        """Return a schema with placeholders in place of the types that have to be replaced.

        Args:
            schema: A schema in the terms of draft 2020-12.
            where: The name of the type, for notes.
        """

        def change(inner: JsonSchema) -> JsonSchema:
            self._note_losses(inner, where)
            return self._replace(inner, where)

        # An enumeration that has a name is an Enum; the others are Literal.
        return schema if "enum" in schema else map_schemas(schema, change)

    def _replace(self, schema: JsonSchema, where: str) -> JsonSchema:
        schema = self._close_tuple(_join_decimals(schema), where)
        keys = schema.get(_EXTENSION, {}).get("keys") if is_mapping(schema.get(_EXTENSION)) else None
        names: JsonSchema = schema.get("propertyNames", {})
        if keys is not None or (names and "$ref" not in names):
            return self._replace_keyed_dict(schema, keys or names)
        if schema.get("type") == "array" and "prefixItems" not in schema and not {*_ARRAY_LIMITS}.isdisjoint(schema):
            return self._annotate_array(schema)
        expression = to_python_type(schema)
        kept = {key: value for key, value in schema.items() if key in ("default", "description")}
        return {**kept, "customTypePath": self._add(expression)} if expression else schema

    def _replace_keyed_dict(self, schema: JsonSchema, keys: JsonSchema) -> JsonSchema:
        values = schema.get("additionalProperties", {})
        self.expressions[KEYED_DICT] = KEYED_DICT
        items = [{"customTypePath": f"{PLACEHOLDERS}.{KEYED_DICT}"}, keys, values]
        kept = {key: value for key, value in schema.items() if key in ("default", "description")}
        return {**kept, "type": "array", "prefixItems": items, "minItems": 3, "maxItems": 3}

    def _close_tuple(self, schema: JsonSchema, where: str) -> JsonSchema:
        """Return the schema of a tuple whose last elements are not optional: Python's types have no such tuple."""
        items = schema.get("prefixItems", [])
        if not items or schema.get("maxItems") != len(items) or schema.get("minItems", 0) >= len(items):
            return schema
        self.notes.append(f"{where}: a tuple is always complete; by the schema, its last elements may be left out")
        return {**schema, "minItems": len(items)}

    def _annotate_array(self, schema: JsonSchema) -> JsonSchema:
        """Return a schema of ``tuple[Placeholder, X]``, which becomes ``Annotated[X, Field(...)]``.

        The generator would write a class for an array with limits inside another.
        """
        limits = _to_arguments(schema, _ARRAY_LIMITS)
        bare = {key: value for key, value in schema.items() if key not in _ARRAY_LIMITS}
        placeholder = {"customTypePath": self._add(f"Field({limits})")}
        kept: JsonSchema = {key: bare.pop(key) for key in ("default", "description") if key in bare}
        return {**kept, "type": "array", "prefixItems": [placeholder, bare], "minItems": 2, "maxItems": 2}

    def _add(self, expression: str) -> str:
        name = next((name for name, known in self.expressions.items() if known == expression), None)
        if name is None:
            name = f"Placeholder{len(self.expressions)}"
            self.expressions[name] = expression
        return f"{PLACEHOLDERS}.{name}"

    def _note_losses(self, schema: JsonSchema, where: str) -> None:
        extensions = schema.get(_EXTENSION)
        for keyword, text in _LOST.items():
            if is_mapping(extensions) and keyword in extensions:
                self.notes.append(f"{where}: {text.format(_join(extensions[keyword]))}")
        if schema.get("type") == "string" and (lost := _NO_TYPE.get(schema.get("format", ""))):
            self.notes.append(f"{where}: {lost}")


def to_python_type(schema: JsonSchema) -> str | None:
    """Return the Python type of a schema, as an expression; ``None`` where datamodel-code-generator knows it.

    >>> to_python_type({"type": "string", "format": "decimal", "x-lambdachain": {"places": "2"}})
    'Annotated[Decimal, Field(decimal_places=2)]'
    """
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    kinds: dict[Any, Callable[[JsonSchema], str | None]] = {
        "string": _to_string_type,
        "integer": _to_number,
        "number": _to_number,
    }
    convert = kinds.get(schema["type"]) if isinstance(schema.get("type"), str) else None
    return convert(schema) if convert else None


def _to_string_type(schema: JsonSchema) -> str | None:
    form = schema.get("format")
    extensions: JsonSchema = schema.get(_EXTENSION) or {}
    if form in ("decimal", "fraction"):
        return _to_decimal(extensions, form.capitalize())
    if form in _TEMPORAL:
        return _to_temporal(form, extensions)
    if form == "uri":
        return _to_url(schema, extensions)
    if form == "password":
        limits = _to_arguments(schema, {key: name for key, name in _STRING_LIMITS.items() if key != "pattern"})
        serializer = f'PlainSerializer({REVEAL_SECRET}, return_type=str, when_used="json")'
        return _annotate("SecretStr", *([f"Field({limits})"] if limits else []), serializer)
    return _to_text(schema, extensions) if form is None else None


def _to_text(schema: JsonSchema, extensions: JsonSchema) -> str | None:
    changes = [f"{name}=True" for keyword, name in _STRING_CHANGES.items() if extensions.get(keyword)]
    limits = _to_arguments(schema, _STRING_LIMITS)
    arguments = [*changes, *([limits] if limits else [])]
    coerced = ["Field(coerce_numbers_to_str=True)"] if extensions.get("numbers") else []
    metadata = [f"{'StringConstraints' if changes else 'Field'}({', '.join(arguments)})"] if arguments else []
    return _annotate("str", *coerced, *metadata) if coerced or metadata else None


def _to_number(schema: JsonSchema) -> str | None:
    if _is_decimal_number(schema):
        return None
    extensions: JsonSchema = schema.get(_EXTENSION) or {}
    limits = _to_arguments(schema, _JSON_LIMITS)
    arguments = [*(["strict=True"] if extensions.get("strict") else []), *([limits] if limits else [])]
    name = "int" if schema["type"] == "integer" else "float"
    return _annotate(name, f"Field({', '.join(arguments)})") if arguments else None


def _to_decimal(extensions: JsonSchema, name: str) -> str:
    limits = [f"{limit}={name}({str(extensions[limit])!r})" for limit in _LIMITS if limit in extensions]
    digits = {"digits": "max_digits", "places": "decimal_places"}
    limits += [f"{argument}={int(extensions[key])}" for key, argument in digits.items() if key in extensions]
    return _annotate(name, *([f"Field({', '.join(limits)})"] if limits else []))


def _to_temporal(form: str, extensions: JsonSchema) -> str:
    name = _TEMPORAL[form]
    known = {"date-time": _DATETIMES, "date": _DATES}.get(form, {})
    precise = known.get(extensions.get("timezone", "")) or known.get(extensions.get("now", ""))
    arguments = ["strict=True"] if extensions.get("strict") else []
    arguments += [f"{limit}={_to_moment(name, extensions[limit])}" for limit in _LIMITS if limit in extensions]
    return _annotate(precise or name, *([f"Field({', '.join(arguments)})"] if arguments else []))


def _to_moment(name: str, limit: str) -> str:
    return f"dt.timedelta(seconds={float(limit)!r})" if name == "dt.timedelta" else f"{name}.fromisoformat({limit!r})"


def _to_url(schema: JsonSchema, extensions: JsonSchema) -> str:
    schemes = extensions.get("allowed_schemes")
    if schemes == _HTTP and schema.get("maxLength") == 2083:
        return "HttpUrl"
    arguments = [f"max_length={schema['maxLength']!r}"] if "maxLength" in schema else []
    arguments += [f"allowed_schemes={schemes!r}"] if schemes else []
    arguments += ["host_required=True"] if extensions.get("host_required") else []
    return _annotate("AnyUrl", *([f"UrlConstraints({', '.join(arguments)})"] if arguments else []))


def _to_arguments(schema: JsonSchema, names: dict[str, str]) -> str:
    return ", ".join(f"{name}={schema[key]!r}" for key, name in names.items() if key in schema)


def _annotate(name: str, *metadata: str) -> str:
    return f"Annotated[{', '.join([name, *metadata])}]" if metadata else name


def _join_decimals(schema: JsonSchema) -> JsonSchema:
    """Return a schema whose decimals, a number or a string where they are read, are one alternative."""
    options = schema.get("anyOf")
    if not options:
        return schema
    rest = [option for option in options if not _is_decimal_number(option)]
    if len(rest) == len(options):
        return schema
    return (
        {**schema, "anyOf": rest} if len(rest) > 1 else {**{k: v for k, v in schema.items() if k != "anyOf"}, **rest[0]}
    )


def _is_decimal_number(schema: JsonSchema) -> bool:
    extensions = schema.get(_EXTENSION)
    return is_mapping(extensions) and bool(extensions.get("decimal") or extensions.get("fraction"))


def _join(value: Any) -> str:
    if is_mapping(value):
        return ", ".join(value)
    return ", ".join(str(part) for part in value) if is_sequence(value) else str(value)
