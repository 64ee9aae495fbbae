"""The way of a payload: a value to JSON bytes and back, straight through pydantic-core.

The only module that validates or serialises. What does not fit is a ``MisfitError``, which says where and why and
never holds the value; who calls decides what it amounts to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from ._errors import ContractError, ErrorDetail, describe_details
from ._schema import declared_names, is_mapping, is_sequence, may_hold_float, not_json, reads_like_json

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter, ValidationError

Loc = tuple[str | int, ...]

_WITHHELD: Final = "refused by a rule whose message repeats the input (withheld)"
_MAX_DETAILS: Final = 50
UNDECLARED: Final = ("extra_forbidden", "unexpected_keyword_argument")
_WORDED_BY_USERS: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid"})
_TOO_DEEP: Final = ErrorDetail(loc=(), type="not_json", msg="It is nested too deeply")
_SAID_BY_PYDANTIC: Final = (
    ("Circular reference", "It contains itself, or is nested too deeply"),
    ("Maximum serialization depth", "It is nested too deeply"),
    ("surrogates not allowed", "Its text has a lone surrogate, which no UTF-8 can carry"),
)
_UNKNOWN_TYPE: Final = re.compile(r"Unable to serialize unknown type: <class '([\w.<>]+)'>")


class MisfitError(Exception):
    """A value does not fit its declared type; ``details`` say where, never what the value is."""

    def __init__(self, details: Sequence[ErrorDetail]) -> None:
        super().__init__(describe_details(details))
        self.details = tuple(details)


def codec_of(form: object) -> Codec:
    """Give the codec of a type; one a type for the life of the process."""
    try:
        # str | date equals date | str, but reads differently: the text tells them apart.
        return _codec_of(form, "" if isinstance(form, type) else repr(form))
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

    Models and dataclasses whose schema pydantic has built already cost nothing here; others build theirs now. A type
    that names one which is defined later is let through: it is built at the first call.

    Raises:
        ContractError: pydantic cannot handle *form*, or a part of it has no JSON form.
    """
    built = form.__dict__.get("__pydantic_core_schema__") if isinstance(form, type) else None
    is_put_off = hasattr(built, "rebuild")
    try:
        part = not_json(codec_of(form).schema if built is None or is_put_off else built)
    except NotYetDefinedError:
        return
    if part:
        raise ContractError(f"{role} {type_name(form)} cannot be JSON: it contains {part}")


class NotYetDefinedError(ContractError):
    """A type names another that does not exist yet."""


class Codec:
    """Encodes and decodes one type; its validator is built when first needed."""

    def __init__(self, form: object) -> None:
        self._form = form

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
        from pydantic_core import SchemaError

        try:
            adapter = TypeAdapter[Any](cast("Any", self._form))
            adapter.core_schema.get("type")  # builds what pydantic has put off
        except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError, ValueError) as exc:
            is_late = getattr(exc, "code", None) in ("class-not-fully-defined", "undefined-annotation")
            error = NotYetDefinedError if is_late else ContractError
            raise error(f"pydantic cannot handle {type_name(self._form)}: {exc}") from exc
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
            details = self._not_finite(checked, data)
            if not details:
                return data
        raise MisfitError(details)

    def dump(self, value: object) -> JsonValue:
        """Turn *value* into what its JSON says, for an encoder that is not ours.

        Raises:
            MisfitError: As ``encode``.
        """
        from pydantic_core import from_json

        data = self.encode(value)
        try:
            return cast("JsonValue", from_json(data))
        except ValueError:
            details = [_TOO_DEEP]
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
        """Validate an *event* that somebody else has decoded from JSON, or made a model of.

        Raises:
            MisfitError: The event is not of the type.
        """
        from pydantic import ValidationError

        text = None if self._reads_like_json else _as_text(event)
        if text is None:
            return self.check(event)
        try:
            return self._adapter.validate_json(text)
        except ValidationError as exc:
            details = self._details(exc, event)
        raise MisfitError(details)

    def check(self, value: object) -> Any:
        """Validate a *value* of this program, no JSON.

        Raises:
            MisfitError: The value is not of the type.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(value)
        except ValidationError as exc:
            details = self._details(exc, value)
        raise MisfitError(details)

    def _why_not(self, exc: ValueError, value: object) -> list[ErrorDetail]:
        from pydantic import ValidationError

        if isinstance(exc, ValidationError):
            return self._details(exc, value)
        if unknown := _UNKNOWN_TYPE.search(str(exc)):
            return [ErrorDetail(loc=(), type="not_json", msg=f"JSON has no form for {unknown[1]}")]
        said = next((msg for sign, msg in _SAID_BY_PYDANTIC if sign in str(exc)), None)
        if said is not None:
            return [ErrorDetail(loc=(), type="not_json", msg=said)]
        return self._misfits(value) or [
            ErrorDetail(loc=(), type="not_json", msg=f"It does not serialise as {type_name(self._form)}")
        ]

    def _misfits(self, value: object) -> list[ErrorDetail]:
        """Find what is wrong in an object that never was validated: pydantic's serialiser does not say where."""
        from pydantic import ValidationError

        try:
            self._adapter.validate_python(self._adapter.dump_python(value, by_alias=True, warnings=False))
            self._adapter.validate_json(self._adapter.dump_json(value, by_alias=True, warnings=False), strict=True)
        except ValidationError as exc:
            return self._details(exc, value)
        except (AttributeError, LookupError, TypeError, ValueError):
            pass  # a user's validator met what it never should
        return []

    def _details(self, exc: ValidationError, value: object) -> list[ErrorDetail]:
        declared = declared_names(self.schema)
        return [
            ErrorDetail(
                loc=_without_keys(error["loc"], value, declared, names_field=error["type"] in UNDECLARED),
                type=error["type"],
                msg=_without_input(error["type"], error["msg"], error["input"]),
            )
            for error in exc.errors(include_url=False, include_context=False)[:_MAX_DETAILS]
        ]

    def _not_finite(self, value: object, data: bytes) -> list[ErrorDetail]:
        if not self._may_hold_nan or not any(sign in data for sign in (b"null", b"NaN", b"Infinity")):
            return []
        declared = declared_names(self.schema)
        dumped = self._adapter.dump_python(value, by_alias=True, warnings=False)
        return [
            ErrorDetail(
                loc=_without_keys(loc, dumped, declared), type="finite_number", msg="JSON has no NaN and no infinity"
            )
            for loc in islice(_non_finite(dumped, json.loads(data)), _MAX_DETAILS)
        ]


@lru_cache(maxsize=1024)
def _codec_of(form: object, _order: str) -> Codec:
    return Codec(form)


def _non_finite(value: object, written: object, loc: Loc = ()) -> Iterator[Loc]:
    """Find the numbers of *value* that JSON cannot carry: *written* has ``null`` for them, or what is not JSON."""
    if written is None or isinstance(written, float):
        number = value if written is None else written
        if isinstance(number, float) and not math.isfinite(number):
            yield loc
    elif is_mapping(written):
        inside = value if is_mapping(value) and len(value) == len(written) else written
        for (key, inner), text in zip(inside.items(), written.values(), strict=True):
            yield from _non_finite(inner, text, (*loc, key))
    elif is_sequence(written):
        items = list(cast("Iterable[object]", value)) if isinstance(value, Collection) else []
        for position, text in enumerate(written):
            yield from _non_finite(items[position] if len(items) == len(written) else text, text, (*loc, position))


def _without_keys(loc: Loc, value: Any, declared: frozenset[str], *, names_field: bool = False) -> Loc:
    """Mask the steps of *loc* that are keys of a mapping: unlike a field's name, a key is data."""
    masked: list[str | int] = []
    for position, step in enumerate(loc):
        key = _key(value, step)
        is_name = step in declared or (names_field and position == len(loc) - 1)
        masked.append(step if key is None or is_name else "*")
        value = _inner(value, step if key is None else key[0])
    return tuple(masked)


def _key(value: object, step: object) -> tuple[Any] | None:
    """Find the key that pydantic shows as *step*: itself if it is text or a number, else its ``repr``."""
    if not is_mapping(value):
        return None
    return (step,) if step in value else next(((key,) for key in value if repr(key) == step), None)


def _inner(value: Any, step: Any) -> Any:
    """Go one step into *value*; where the step is no part of it (the name of a union's member), stay."""
    if is_mapping(value):
        return value.get(step, value)
    if isinstance(step, str):
        return getattr(value, step, value)
    return value[step] if is_sequence(value) and isinstance(step, int) and step < len(value) else value


def _without_input(rule: str, msg: str, value: object) -> str:
    """Withhold a message that a user's validator wrote around the input."""
    echoes = _may_echo(rule) and any(len(leaf) > 1 and leaf in msg for leaf in _leaves(value))
    return _WITHHELD if echoes else msg


def _may_echo(rule: str) -> bool:
    from pydantic_core.core_schema import ErrorType

    return rule in _WORDED_BY_USERS or rule not in get_args(ErrorType)


def _leaves(value: object) -> Iterator[str]:
    """Give the text of everything inside *value*, however deep it is and even if it contains itself."""
    rest, seen = [value], set[int]()
    while rest:
        inner = rest.pop()
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        if is_mapping(inner):
            rest += [*inner.keys(), *inner.values()]
        elif isinstance(inner, Collection) and not isinstance(inner, str | bytes | bytearray):
            rest += list(cast("Iterable[object]", inner))
        else:
            rest += list(getattr(inner, "__dict__", {}).values()) if not isinstance(inner, type) else []
            yield str(inner)


def _as_text(event: object) -> str | None:
    try:
        return json.dumps(event)
    except RecursionError:
        details = [_TOO_DEEP]
    except (TypeError, ValueError):
        return None
    raise MisfitError(details)


def _json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
