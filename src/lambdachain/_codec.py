"""The way of a payload: a value to JSON bytes and back, straight through pydantic-core.

The only module that validates or serialises. What does not fit is a ``MisfitError``, which says where and why and
never holds the value; who calls decides what it amounts to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from ._errors import ContractError, ErrorDetail, describe_details
from ._schema import declared_names, is_mapping, is_sequence, may_hold_float, not_json, reads_like_json

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter, ValidationError

Loc = tuple[str | int, ...]

_WITHHELD: Final = "refused by a rule whose message repeats the input (withheld)"
_MAX_DETAILS: Final = 50
_WORDED_BY_USERS: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid"})
_UNKNOWN_TYPE: Final = re.compile(r"Unable to serialize unknown type: <class '([\w.<>]+)'>")


class MisfitError(Exception):
    """A value does not fit its declared type; ``details`` say where, never what the value is."""

    def __init__(self, details: Sequence[ErrorDetail]) -> None:
        super().__init__(describe_details(details))
        self.details = tuple(details)


def codec_of(form: object) -> Codec:
    """Give the codec of a type; one a type for the life of the process."""
    try:
        return _codec_of(form)
    except TypeError as exc:
        if isinstance(exc, ContractError):
            raise
        return Codec(form)  # a type with unhashable metadata, such as Annotated[int, {...}]


def type_name(form: object) -> str:
    """Name a type as its author would: ``ChargeRequest``, ``list[int]``, ``None``."""
    if isinstance(form, type) and not hasattr(form, "__args__"):
        return form.__name__
    return str(form).replace("typing.", "")


def check_json_type(form: object, role: str) -> None:
    """Refuse a type that JSON cannot carry.

    Models and dataclasses whose schema pydantic has built already cost nothing here; others build theirs now.

    Raises:
        ContractError: pydantic cannot handle *form*, or a part of it has no JSON form.
    """
    schema = getattr(form, "__pydantic_core_schema__", None) if isinstance(form, type) else codec_of(form).schema
    if schema is None:
        schema = codec_of(form).schema
    part = not_json(schema)
    if part:
        raise ContractError(f"{role} {type_name(form)} cannot be JSON: it contains {part}")


class Codec:
    """Encodes and decodes one type; its validator is built when first needed."""

    def __init__(self, form: object) -> None:
        self._form = form

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter

        try:
            adapter = TypeAdapter[Any](cast("Any", self._form))
        except (PydanticUserError, PydanticUndefinedAnnotation) as exc:
            raise ContractError(f"pydantic cannot handle {type_name(self._form)}: {exc}") from exc
        return adapter

    @cached_property
    def schema(self) -> object:
        """The core schema of the type."""
        return self._adapter.core_schema

    @cached_property
    def _may_hold_nan(self) -> bool:
        return may_hold_float(self.schema)

    @cached_property
    def _reads_like_json(self) -> bool:
        return reads_like_json(self.schema)

    def encode(self, value: object) -> bytes:
        """Write *value* as JSON, by alias.

        Raises:
            MisfitError: The value is not of the type, or has a part that JSON cannot carry (NaN, an open file).
        """
        try:
            checked = self._adapter.validate_python(value, strict=True)
            data = self._adapter.dump_json(checked, by_alias=True, warnings="error")
        except ValueError as exc:
            details = self._why_not(exc, value)
        else:
            if b"null" in data or b"NaN" in data or b"Infinity" in data:
                self._refuse_nan(checked)
            return data
        raise MisfitError(details)

    def dump(self, value: object) -> JsonValue:
        """Turn *value* into what JSON can carry, by alias, for an encoder that is not ours.

        Raises:
            MisfitError: As ``encode``.
        """
        try:
            checked = self._adapter.validate_python(value, strict=True)
            dumped = self._adapter.dump_python(checked, mode="json", by_alias=True, warnings="error")
        except ValueError as exc:
            details = self._why_not(exc, value)
        else:
            self._refuse_nan(checked)
            return cast("JsonValue", dumped)
        raise MisfitError(details)

    def decode(self, data: bytes) -> Any:
        """Read JSON; unknown fields are ignored unless the type forbids them.

        Raises:
            MisfitError: *data* is not JSON (NaN is not), or not of the type.
        """
        from pydantic import ValidationError
        from pydantic_core import from_json

        try:
            if b"NaN" in data or b"Infinity" in data:
                from_json(data, allow_inf_nan=False)
            return self._adapter.validate_json(data)
        except ValidationError as exc:
            details = self._details(exc, _json_or_none(data))
        except ValueError as exc:
            details = [ErrorDetail(loc=(), type="json_invalid", msg=f"Invalid JSON: {exc}")]
        raise MisfitError(details)

    def read(self, event: object) -> Any:
        """Validate an *event* that somebody else has decoded from JSON.

        Raises:
            MisfitError: The event is not of the type.
        """
        from pydantic import ValidationError

        try:
            if self._reads_like_json:
                return self._adapter.validate_python(event)
            return self._adapter.validate_json(json.dumps(event))
        except ValidationError as exc:
            details = self._details(exc, event)
        except (TypeError, ValueError):
            details = [ErrorDetail(loc=(), type="json_type", msg="The event should be decoded JSON")]
        raise MisfitError(details)

    def _why_not(self, exc: ValueError, value: object) -> list[ErrorDetail]:
        from pydantic import ValidationError

        if isinstance(exc, ValidationError):
            return self._details(exc, value)
        if unknown := _UNKNOWN_TYPE.search(str(exc)):
            return [ErrorDetail(loc=(), type="not_json", msg=f"JSON has no form for {unknown[1]}")]
        try:
            self._adapter.validate_python(self._adapter.dump_python(value, by_alias=True, warnings=False))
        except ValidationError as second:
            return self._details(second, value)
        except ValueError:
            pass
        return [ErrorDetail(loc=(), type="not_json", msg=f"It does not serialise as {type_name(self._form)}")]

    def _details(self, exc: ValidationError, value: object) -> list[ErrorDetail]:
        declared = declared_names(self.schema)
        return [
            ErrorDetail(
                loc=error["loc"]
                if error["type"] == "extra_forbidden"
                else _without_keys(error["loc"], value, declared),
                type=error["type"],
                msg=_without_input(error["type"], error["msg"], error["input"]),
            )
            for error in exc.errors(include_url=False, include_context=False)[:_MAX_DETAILS]
        ]

    def _refuse_nan(self, value: object) -> None:
        if not self._may_hold_nan:
            return
        declared = declared_names(self.schema)
        dumped = self._adapter.dump_python(value, by_alias=True, warnings=False)
        for loc in _non_finite(dumped):
            where = _without_keys(loc, dumped, declared)
            raise MisfitError([ErrorDetail(loc=where, type="finite_number", msg="JSON has no NaN and no infinity")])


@lru_cache(maxsize=1024)
def _codec_of(form: object) -> Codec:
    return Codec(form)


def _non_finite(value: object, loc: Loc = ()) -> Iterator[Loc]:
    if isinstance(value, float):
        if not math.isfinite(value):
            yield loc
    elif is_mapping(value):
        for key, inner in value.items():
            yield from _non_finite(inner, (*loc, key))
    elif is_sequence(value) or isinstance(value, set | frozenset):
        for position, inner in enumerate(cast("Iterable[object]", value)):
            yield from _non_finite(inner, (*loc, position))


def _without_keys(loc: Loc, value: Any, declared: frozenset[str]) -> Loc:
    """Mask the steps of *loc* that are keys of a mapping: unlike a field's name, a key is data."""
    masked: list[str | int] = []
    for step in loc:
        is_key = is_mapping(value) and step in value
        masked.append("*" if is_key and step not in declared else step)
        value = _inner(value, step)
    return tuple(masked)


def _inner(value: Any, step: str | int) -> Any:
    """Go one step into *value*; where the step is no part of it (the name of a union's member), stay."""
    if is_mapping(value):
        return value.get(step, value)
    if isinstance(step, str):
        return getattr(value, step, value)
    return value[step] if is_sequence(value) and step < len(value) else value


def _without_input(rule: str, msg: str, value: object) -> str:
    """Withhold a message that a user's validator wrote around the input."""
    echoes = _may_echo(rule) and any(len(leaf) > 1 and leaf in msg for leaf in _leaves(value))
    return _WITHHELD if echoes else msg


def _may_echo(rule: str) -> bool:
    from pydantic_core.core_schema import ErrorType

    return rule in _WORDED_BY_USERS or rule not in get_args(ErrorType)


def _leaves(value: object) -> Iterator[str]:
    if is_mapping(value):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif is_sequence(value) or isinstance(value, set | frozenset):
        for inner in cast("Iterable[object]", value):
            yield from _leaves(inner)
    else:
        yield str(value)


def _json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
