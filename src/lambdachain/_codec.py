"""The way of a payload: a value to JSON bytes and back, straight through pydantic-core.

The only module that validates or serialises. What does not fit is a ``MisfitError``, which says where and why and
never holds the value; who calls decides what it amounts to.
"""

from __future__ import annotations

import json
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from ._errors import ContractError, ErrorDetail
from ._misfit import MisfitError, details_of, not_finite
from ._schema import may_hold_float, not_json, reads_like_json

if TYPE_CHECKING:
    from pydantic import JsonValue, TypeAdapter, ValidationError


_TOO_DEEP: Final = ErrorDetail(loc=(), type="not_json", msg="It is nested too deeply")
_SAID_BY_PYDANTIC: Final = (
    ("Circular reference", "It contains itself, or is nested too deeply"),
    ("Maximum serialization depth", "It is nested too deeply"),
    ("surrogates not allowed", "Its text has a lone surrogate, which no UTF-8 can carry"),
)
_UNKNOWN_TYPE: Final = re.compile(r"Unable to serialize unknown type: <class '([\w.<>]+)'>")


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
        return details_of(exc, value, self.schema)

    def _not_finite(self, value: object, data: bytes) -> list[ErrorDetail]:
        if not self._may_hold_nan or not any(sign in data for sign in (b"null", b"NaN", b"Infinity")):
            return []
        dumped = self._adapter.dump_python(value, by_alias=True, warnings=False)
        return not_finite(dumped, json.loads(data), self.schema)


@lru_cache(maxsize=1024)
def _codec_of(form: object, _order: str) -> Codec:
    return Codec(form)


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
