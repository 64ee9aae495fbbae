"""The way of a payload: a value to JSON bytes and back, straight through pydantic-core.

The only module that validates or serializes. What does not fit is a ``PayloadValidationError``, which says where and
why and never holds the value; the caller decides what it amounts to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

from lambdachain._core.errors import ContractError, ErrorDetail

from .core_schema import (
    Built,
    Doubt,
    Traits,
    declares_floats,
    float_keys,
    reads_like_json,
    traits_of,
    writes_nan_as_such,
)
from .float_overflow_scan import may_overflow
from .gc_paused import gc_paused
from .payload_validation import PayloadValidationError, Undeclared, details_of, not_finite

if TYPE_CHECKING:
    from pydantic import JsonValue, ValidationError
    from pydantic_core import SchemaValidator

_TOO_DEEP: Final = ErrorDetail(loc=(), type="not_json", msg="It is nested too deeply")
_WORTH_ASKING: Final = 4096
_REPLACED: Final = "\ufffd".encode()
# A float may not hold such a number.
MORE_DIGITS: Final = re.compile(rb"\d[\d.]{15}|\d[eE]-?\d{2}")


def codec_of(form: object) -> Codec:
    """Return the codec of a type; one a type for the life of the process."""
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
    """Refuse a type that JSON cannot carry, or that does not read what it writes.

    Models and dataclasses that pydantic has built already cost nothing here; those it has put off (``defer_build``, a
    name that is defined later) are let through, built and checked at the first call. Other types are built now.

    Raises:
        ContractError: pydantic cannot handle *form*, a part of it has no JSON form, or is not read as it is written.
    """
    try:
        codec = codec_of(form)
        codec.is_declared = True
        if not codec.is_put_off:
            codec.check_form(f"{role} {type_name(form)}")
    except NotYetDefinedError:
        return


class NotYetDefinedError(ContractError):
    """A type names another that does not exist yet."""


class Codec:
    """Encodes and decodes one type; its validator is built when first needed."""

    def __init__(self, form: object) -> None:
        self._form = form
        self.is_put_off = _is_put_off(form)
        self.is_declared = False

    @cached_property
    def _built(self) -> Built:
        built = _own(self._form) or _build(self._form)
        if self.is_put_off:
            _check_form(traits_of(built.schema), built.schema, type_name(self._form))
        return built

    @property
    def schema(self) -> object:
        """The core schema of the type."""
        return self._built.schema

    def check_form(self, what: str) -> None:
        """Refuse the type; see ``check_json_type``."""
        _check_form(self._traits, self.schema, what)

    @cached_property
    def _traits(self) -> Traits:
        return traits_of(self.schema)

    @cached_property
    def _doubts(self) -> tuple[Doubt, ...]:
        """What is asked of a value that has been written: nothing, of most types."""
        _, may_differ, may_mask, records, _ = self._traits
        if may_differ or may_mask:
            from .secret_masking import doubts_of

            return tuple(doubts_of(self._traits, self._built, is_declared=self.is_declared))
        return (Undeclared(self.schema, records),) if records else ()

    @cached_property
    def _signs_of_nan(self) -> tuple[bytes, ...]:
        """One of these is in the JSON of a value that has a NaN; none where none can be."""
        keys = float_keys(self.schema)
        if keys is None:
            return (b"null", b"NaN", b"Infinity")
        as_such = (b"NaN", b"Infinity") if keys and writes_nan_as_such(self.schema) else ()
        return (*(f'"{key}":null'.encode() for key in sorted(keys)), *as_such)

    @cached_property
    def _declares_floats(self) -> bool:
        return declares_floats(self.schema)

    @cached_property
    def _may_hold_floats(self) -> bool:
        return float_keys(self.schema) != frozenset()

    @cached_property
    def _reads_like_json(self) -> bool:
        return reads_like_json(self.schema)

    def encode(self, value: object, narrower: object = None) -> bytes:
        """Write *value* as JSON, by alias.

        Raises:
            MisfitError: The value is not of the type, or has a part that JSON cannot carry (NaN, an open file).
        """
        try:
            _, validator, serializer = self._built
            checked = validator.validate_python(value, strict=True)
            data = serializer.to_json(checked, by_alias=True, warnings="error")
        except ValueError as exc:
            details = self._why_not(exc, value)
        else:
            details = self._not_finite(checked, data) or self._doubted(value, data, narrower)
            if not details:
                return data
        raise PayloadValidationError(details)

    def dump(self, value: object, narrower: object = None) -> JsonValue:
        """Turn *value* into what its JSON says, for an encoder that is not ours.

        Raises:
            MisfitError: As ``encode``.
        """
        said = self._said(value, narrower) if self._declares_floats else None
        if said is not None:
            return said
        from pydantic_core import from_json

        data = self.encode(value, narrower)
        try:
            read: JsonValue = gc_paused(len(data), from_json, data)
        except ValueError:
            details = [_TOO_DEEP]
        else:
            return read
        raise PayloadValidationError(details)

    def decode(self, data: bytes) -> Any:
        """Read JSON; unknown fields are ignored unless the type forbids them.

        Raises:
            MisfitError: *data* is not JSON (NaN is not), or not of the type, or has a number beyond a float's range.
        """
        try:
            if _says_nan(data):
                _refuse_nan(data)
            value = gc_paused(len(data), self._built.validator.validate_json, data)
            if self._traits.has_decimals and MORE_DIGITS.search(data):
                value = self._with_digits(data, value)
        except _VALIDATION_ERROR() as exc:
            details = self._details(exc, _json_or_none(data))
        except ValueError as exc:
            details = [ErrorDetail(loc=(), type="json_invalid", msg=f"Invalid JSON: {exc}")]
        else:
            details = self._overflowing(value, data)
            if not details:
                return value
        raise PayloadValidationError(details)

    def read(self, event: object) -> Any:
        """Validate an *event* that somebody else has decoded from JSON, or made a model of.

        Raises:
            MisfitError: The event is not of the type, or has a number that is not finite, as ``json.loads`` makes of
                ``1e400``.
        """
        if self._may_hold_floats and _may_have_nan(event):
            self._check_finite(event)
        text = None if self._reads_like_json else _as_text(event)
        if text is None:
            return self.check(event)
        try:
            return self._built.validator.validate_json(text)
        except _VALIDATION_ERROR() as exc:
            details = self._details(exc, event)
        raise PayloadValidationError(details)

    def check(self, value: object) -> Any:
        """Validate a *value* of this program, no JSON.

        Raises:
            MisfitError: The value is not of the type.
        """
        try:
            return self._built.validator.validate_python(value)
        except _VALIDATION_ERROR() as exc:
            details = self._details(exc, value)
        raise PayloadValidationError(details)

    def check_written(self, value: object) -> Any:
        """Validate a *value* that will be written later, and ask of it what is asked of a value that has been.

        Raises:
            MisfitError: The value is not of the type, or a part of it would be lost.
        """
        checked = self.check(value)
        try:
            data = self._built.serializer.to_json(checked, by_alias=True, warnings=False)
        except ValueError:
            return checked  # whoever writes it finds out why
        details = self._doubted(checked, data)
        if details:
            raise PayloadValidationError(details)
        return checked

    def _said(self, value: object, narrower: object) -> JsonValue:
        """Dump *value* without writing and reading it; not for a type whose floats are not declared, whose NaN is lost.

        ``None`` where a trace of what no JSON can say is left (a NaN, a key's lone surrogate): the long way says why.
        """
        from pydantic_core import to_json

        _, validator, serializer = self._built
        try:
            checked = validator.validate_python(value, strict=True)
            dumped = serializer.to_python(checked, mode="json", by_alias=True, warnings="error")
            written = to_json(dumped, inf_nan_mode="constants")
        except ValueError:
            return None
        if _says_nan(written) or _REPLACED in written or self._doubted(value, written, narrower):
            return None
        said: JsonValue = dumped
        return said

    def _with_digits(self, data: bytes, value: Any) -> Any:
        from .decimal_precision import with_digits

        _, validator, serializer = self._built
        return with_digits(data, value, validator, serializer)

    def _doubted(self, value: object, data: bytes, narrower: Any = None) -> list[ErrorDetail]:
        """Ask what there is to ask of a value; that it is of a class declared as *narrower* is known to its author."""
        for doubt in self._doubts:
            details = doubt(value, data)
            if details and type(value) is narrower:
                details = [detail for detail in details if detail["loc"] or detail["type"] != "undeclared_fields"]
            if details:
                return details
        return []

    def _why_not(self, exc: ValueError, value: object) -> list[ErrorDetail]:
        from .encoding_errors import why_not

        return why_not(exc, value, self._built) or [
            ErrorDetail(loc=(), type="not_json", msg=f"It does not serialise as {type_name(self._form)}")
        ]

    def _details(self, exc: ValidationError, value: object) -> list[ErrorDetail]:
        return details_of(exc, value, self.schema)

    def _check_finite(self, event: object) -> None:
        try:
            details = not_finite(event, event, self.schema)
        except RecursionError:
            details = [_TOO_DEEP]
        if details:
            raise PayloadValidationError(details)

    def _overflowing(self, value: object, data: bytes) -> list[ErrorDetail]:
        # Small ones are looked at sooner than the schema of a type.
        if (len(data) > _WORTH_ASKING and not self._may_hold_floats) or not may_overflow(data):
            return []
        from .float_overflow import overflowing

        return overflowing(value, data, self.schema)

    def _not_finite(self, value: object, data: bytes) -> list[ErrorDetail]:
        if not self._may_tell_of_nan(data):
            return []
        without_none = self._built.serializer.to_json(value, by_alias=True, exclude_none=True, warnings=False)
        if not self._may_tell_of_nan(without_none):
            return []  # each null stood for the None of a field
        dumped = gc_paused(len(data), self._dumped, value)
        return not_finite(dumped, json.loads(data), self.schema) if _may_have_nan(dumped) else []

    def _may_tell_of_nan(self, data: bytes) -> bool:
        return any(map(data.__contains__, self._signs_of_nan))

    def _dumped(self, value: object) -> object:
        return self._built.serializer.to_python(value, by_alias=True, warnings=False)


@lru_cache(maxsize=1024)
def _codec_of(form: object, _order: str) -> Codec:
    return Codec(form)


def _is_put_off(form: object) -> bool:
    return isinstance(form, type) and vars(form).get("__pydantic_complete__") is False


def _own(form: object) -> Built | None:
    """Return what a model or dataclass has of its own: a ``TypeAdapter`` would come to the same by a longer way."""
    own: Mapping[str, Any] = vars(form) if isinstance(form, type) else {}
    if own.get("__pydantic_complete__") is not True or "__pydantic_core_schema__" not in own:
        return None
    return Built(own["__pydantic_core_schema__"], own["__pydantic_validator__"], own["__pydantic_serializer__"])


def _build(form: object) -> Built:
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
    from pydantic_core import SchemaError

    try:
        own = _own(_completed(form)) if _is_put_off(form) else None
        if own is not None:
            return own
        adapter = TypeAdapter[Any](cast("Any", form))
        adapter.core_schema.get("type")  # builds what pydantic has put off
    except (PydanticUserError, PydanticUndefinedAnnotation, SchemaError, TypeError, ValueError) as exc:
        is_late = getattr(exc, "code", None) in ("class-not-fully-defined", "undefined-annotation")
        error = NotYetDefinedError if is_late else ContractError
        raise error(f"pydantic cannot handle {type_name(form)}: {exc}") from exc
    return Built(adapter.core_schema, cast("SchemaValidator", adapter.validator), adapter.serializer)


def _completed(form: Any) -> object:
    """Have pydantic build what it has put off of a model or dataclass: where that fails, the class stays as it is."""
    from pydantic import BaseModel
    from pydantic.dataclasses import rebuild_dataclass

    rebuild = form.model_rebuild if issubclass(form, BaseModel) else partial(rebuild_dataclass, form)
    rebuild(raise_errors=False)
    return form


def _check_form(traits: Traits, schema: object, what: str) -> None:
    if traits.not_json:
        raise ContractError(f"{what} cannot be JSON: it contains {traits.not_json}")
    if traits.may_differ:
        from .round_trip import reading_of

        flaw = reading_of(schema).flaw
        if flaw is not None:
            place = f"at {flaw.path}, " if flaw.path else ""
            raise ContractError(f"{what} cannot read what it writes: {place}{flaw.why}")


def _VALIDATION_ERROR() -> type[ValidationError]:  # noqa: N802 - a class, looked up only where an error is at hand
    from pydantic_core import ValidationError

    return ValidationError


def _says_nan(data: bytes) -> bool:
    # One byte is found thirty times as fast as three.
    return (b"N" in data and b"NaN" in data) or (b"I" in data and b"Infinity" in data)


def _refuse_nan(data: bytes) -> None:
    from pydantic_core import from_json

    from_json(data, allow_inf_nan=False)


def _may_have_nan(dumped: object) -> bool:
    """Look for a NaN or infinity at the speed of pydantic-core: where it is, only a walk tells."""
    from pydantic_core import to_json

    try:
        written = to_json(dumped, inf_nan_mode="constants", bytes_mode="base64", serialize_unknown=True)
    except ValueError:
        return True
    return _says_nan(written)


def _as_text(event: object) -> str | None:
    try:
        return json.dumps(event)
    except RecursionError:
        details = [_TOO_DEEP]
    except (TypeError, ValueError):
        return None
    raise PayloadValidationError(details)


def _json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
