"""Encode and decode payloads: from a value to JSON bytes and back, directly through pydantic-core.

The only module that validates or serializes payloads. A value that does not fit its type raises
``PayloadValidationError``, which states where and why, and never holds the value; callers translate it into an error of
the call. Secrets are in ``secret_masking``, what an error may quote of a payload in ``payload_validation``.
"""

from __future__ import annotations

import json
import re
from functools import cached_property, lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from lambdachain._core.errors import ContractError, ErrorDetail

from .core_schema import (
    CompiledType,
    NotYetDefinedError,
    PostEncodeCheck,
    SchemaTraits,
    find_compiled,
    get_float_keys,
    has_only_declared_floats,
    inspect_schema,
    is_deferred,
    validates_like_json,
    writes_nan_literals,
)
from .float_overflow_scan import may_overflow
from .gc_paused import gc_paused
from .payload_validation import PayloadValidationError, UndeclaredFieldsCheck, find_non_finite, to_error_details

if TYPE_CHECKING:
    from pydantic import JsonValue, ValidationError

_TOO_DEEP: Final = ErrorDetail(loc=(), type="not_json", msg="It is nested too deeply")
# Bytes of JSON from which walking the schema, once a type, is cheaper than scanning the payload for large numbers.
_LARGE: Final = 4096
_REPLACEMENT_CHARACTER: Final = "\ufffd".encode()
# Numbers: for a bytes object, "in" first finds out by an exception of its own that it is not a number.
_N, _I = b"NI"
# A number of 16 characters or more, or with an exponent: a float may not have all of its digits.
MAY_EXCEED_FLOAT_PRECISION: Final = rb"\d[\d.]{15}|\d[eE]-?\d{2}"


def codec_for(annotation: object) -> Codec:
    """Return the codec of a type. There is one for each type, for the life of the process."""
    try:
        # date | str and str | date are equal and hash alike, but pydantic tries their members in order: the repr
        # keeps their cache entries apart.
        return _get_codec(annotation, "" if isinstance(annotation, type) else repr(annotation))
    except TypeError as exc:
        if isinstance(exc, ContractError):  # it is a TypeError, too, but says that the type cannot be built
            raise
        return Codec(annotation)  # a type with unhashable metadata, such as Annotated[int, {...}]


def allocate_string_cache() -> None:
    """Have pydantic-core allocate its cache of short strings, 256 KB, before the first response with one does."""
    from pydantic_core import from_json

    from_json(b'["text"]')


def type_name(annotation: object) -> str:
    """Format a type as its author would write it: ``ChargeRequest``, ``list[int]``, ``None``."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return "None" if annotation is NoneType else annotation.__name__
    return str(annotation).replace("typing.", "")


def check_json_type(annotation: object, role: str, *, is_read_only: bool = False) -> None:
    """Check that a type can be serialized as JSON and survives a round trip: if only read, once a value is encoded.

    Models and dataclasses that pydantic has built already cost nothing here. Those whose build it has deferred
    (``defer_build``, a name that is defined later) pass, and are built and checked at the first call. Other types are
    built now.

    Raises:
        ContractError: pydantic cannot handle *annotation*, or a part of it has no JSON form or does not round-trip.
    """
    try:
        codec = codec_for(annotation)
        codec.is_declared = True
        if not codec.is_deferred:
            codec.check_type(f"{role} {type_name(annotation)}", is_read_only=is_read_only)
    except NotYetDefinedError:
        return


class Codec:
    """Encodes and decodes one type. Its validator is built when it is first needed."""

    def __init__(self, annotation: object) -> None:
        self._annotation = annotation
        self.is_deferred = is_deferred(annotation)
        self.is_declared = False
        self._unchecked: str | None = None

    @cached_property
    def _compiled(self) -> CompiledType:
        compiled = find_compiled(self._annotation) or self._compile()
        if self.is_deferred:  # check_json_type() could not check it when the contract was made
            _check_schema(inspect_schema(compiled.schema), compiled.schema, type_name(self._annotation))
        return compiled

    def _compile(self) -> CompiledType:
        from .type_compiler import compile_type

        return compile_type(self._annotation, type_name(self._annotation))

    def build(self) -> None:
        """Build the validator now, and what the first payload would be the first to need."""
        _ = self._post_encode_checks, self._nan_markers, self._has_only_declared_floats
        _ = self._may_hold_floats, self._validates_like_json

    @property
    def schema(self) -> object:
        """The core schema that pydantic has for the type."""
        return self._compiled.schema

    def check_type(self, label: str, *, is_read_only: bool = False) -> None:
        """Check the type as ``check_json_type`` does; *label* begins the error message."""
        schema = self.schema
        if is_read_only:
            self._unchecked = label
        else:
            _check_schema(self._traits, schema, label)

    @cached_property
    def _traits(self) -> SchemaTraits:
        return inspect_schema(self.schema)

    @cached_property
    def _post_encode_checks(self) -> tuple[PostEncodeCheck, ...]:
        """Checks of a value and its JSON, for what the type alone does not show; most types need none."""
        self._check_deferred()
        traits, checks = self._traits, list[PostEncodeCheck]()
        if traits.may_hold_secrets:
            from .secret_masking import find_masked_secrets

            checks.append(find_masked_secrets)
        if traits.record_classes:
            checks.append(UndeclaredFieldsCheck(self.schema, traits.record_classes))
        if traits.may_not_round_trip and self.is_declared:
            from .round_trip import read_back_check

            checks += read_back_check(self._compiled)
        return tuple(checks)

    @cached_property
    def _nan_markers(self) -> tuple[bytes, ...]:
        """Bytes of which at least one is in the JSON of a value that holds a NaN; empty if the type has no floats."""
        keys = get_float_keys(self.schema)
        if keys is None:
            return (b"null", b"NaN", b"Infinity")
        literals = (b"NaN", b"Infinity") if keys and writes_nan_literals(self.schema) else ()
        return (*(f'"{key}":null'.encode() for key in sorted(keys)), *literals)

    @cached_property
    def _has_only_declared_floats(self) -> bool:
        return has_only_declared_floats(self.schema)

    @cached_property
    def _may_hold_floats(self) -> bool:
        return get_float_keys(self.schema) != frozenset()

    @cached_property
    def _validates_like_json(self) -> bool:
        return validates_like_json(self.schema)

    def encode(self, value: object, declared_class: object = None) -> bytes:
        """Encode *value* as JSON, by alias.

        Args:
            value: The value.
            declared_class: The class that a handler's return annotation names. If it is a subclass of the contract's
                type, its additional fields were left out on purpose.

        Raises:
            PayloadValidationError: The value is not of the type, or has a part that JSON cannot represent (NaN, an
                open file).
            ContractError: Values of the type can only be read; see ``check_json_type``.
        """
        try:
            _, validator, serializer = self._compiled
            # Strict, as type checkers are: coercing a value would hide a mistake of this program.
            checked = validator.validate_python(value, strict=True)
            # A model that was changed after validation may hold anything; by default, pydantic would only warn.
            data = serializer.to_json(checked, by_alias=True, warnings="error")
        except ValueError as exc:
            details = self._explain_encoding_error(exc, value)
        else:
            details = self._find_non_finite(checked, data) or self._run_post_encode_checks(value, data, declared_class)
            if not details:
                return data
        raise PayloadValidationError(details)

    def dump(self, value: object, declared_class: object = None) -> JsonValue:
        """Convert *value* to plain JSON values, which a runtime's own encoder serializes.

        Raises:
            PayloadValidationError: As ``encode``.
        """
        dumped = self._dump_directly(value, declared_class) if self._has_only_declared_floats else None
        if dumped is not None:
            return dumped
        from pydantic_core import from_json

        data = self.encode(value, declared_class)
        try:
            decoded: JsonValue = gc_paused(len(data), from_json, data)
        except ValueError:
            details = [_TOO_DEEP]
        else:
            return decoded
        raise PayloadValidationError(details)

    def decode(self, data: bytes) -> Any:
        """Decode JSON. Unknown fields are ignored unless the type forbids them.

        Raises:
            PayloadValidationError: *data* is not JSON (NaN is not), not of the type, or has a number beyond the range
                of a float.
        """
        try:
            if _has_nan_literal(data):  # validate_json would accept it
                _raise_for_nan(data)
            value = gc_paused(len(data), self._compiled.validator.validate_json, data)
            if self._traits.has_decimals and re.search(MAY_EXCEED_FLOAT_PRECISION, data):
                value = self._restore_decimal_digits(data, value)
        except _VALIDATION_ERROR() as exc:
            details = self._to_error_details(exc, _parse_json_or_none(data))
        except ValueError as exc:
            details = [ErrorDetail(loc=(), type="json_invalid", msg=f"Invalid JSON: {exc}")]
        else:
            details = self._find_overflows(value, data)
            if not details:
                return value
        raise PayloadValidationError(details)

    def validate_event(self, event: object) -> Any:
        """Validate an *event* that a runtime has decoded from JSON, or that a framework has made a model of.

        Raises:
            PayloadValidationError: The event is not of the type, or has a number that is not finite, as ``json.loads``
                makes of ``1e400``.
        """
        if self._may_hold_floats and _may_hold_nan(event):
            self._check_finite(event)
        # A strict date, bytes or a union's member are chosen by JSON's rules only when they come as JSON.
        text = None if self._validates_like_json else _to_json_text(event)
        if text is None:
            return self.validate(event)
        try:
            return self._compiled.validator.validate_json(text)
        except _VALIDATION_ERROR() as exc:
            details = self._to_error_details(exc, event)
        raise PayloadValidationError(details)

    def validate(self, value: object) -> Any:
        """Validate a Python *value*.

        Raises:
            PayloadValidationError: The value is not of the type.
        """
        try:
            return self._compiled.validator.validate_python(value)
        except _VALIDATION_ERROR() as exc:
            details = self._to_error_details(exc, value)
        raise PayloadValidationError(details)

    def validate_for_encoding(self, value: object) -> Any:
        """Validate a *value* that will be encoded later, with the checks that ``encode`` makes.

        Raises:
            PayloadValidationError: The value is not of the type, or a part of it would be lost.
        """
        checked = self.validate(value)
        try:
            data = self._compiled.serializer.to_json(checked, by_alias=True, warnings=False)
        except ValueError:
            return checked  # encode() will explain it
        details = self._run_post_encode_checks(checked, data)
        if details:
            raise PayloadValidationError(details)
        return checked

    def _dump_directly(self, value: object, declared_class: object) -> JsonValue:
        """Dump *value* without encoding and decoding it; ``None`` if ``encode`` has to explain what is wrong with it.

        Not for types with undeclared floats: pydantic dumps their NaN as None, so it would be lost unnoticed.
        """
        from pydantic_core import to_json

        _, validator, serializer = self._compiled
        try:
            checked = validator.validate_python(value, strict=True)
            dumped = serializer.to_python(checked, mode="json", by_alias=True, warnings="error")
            written = to_json(dumped, inf_nan_mode="constants")
        except ValueError:
            return None
        if _has_nan_literal(written) or _REPLACEMENT_CHARACTER in written:
            return None
        if self._run_post_encode_checks(value, written, declared_class):
            return None
        result: JsonValue = dumped
        return result

    def _restore_decimal_digits(self, data: bytes, value: Any) -> Any:
        from .decimal_precision import restore_decimal_digits

        _, validator, serializer = self._compiled
        return restore_decimal_digits(data, value, validator, serializer)

    def _run_post_encode_checks(self, value: object, data: bytes, declared_class: Any = None) -> list[ErrorDetail]:
        """Return what the first failing check found; undeclared fields of *declared_class* itself are expected."""
        for check in self._post_encode_checks:
            details = check(value, data)
            if details and type(value) is declared_class:
                details = [detail for detail in details if detail["loc"] or detail["type"] != "undeclared_fields"]
            if details:
                return details
        return []

    def _check_deferred(self) -> None:
        if self._unchecked is not None:
            self.check_type(self._unchecked)

    def _explain_encoding_error(self, exc: ValueError, value: object) -> list[ErrorDetail]:
        self._check_deferred()
        from .encoding_errors import explain_encoding_error

        return explain_encoding_error(exc, value, self._compiled) or [
            ErrorDetail(loc=(), type="not_json", msg=f"It cannot be serialized as {type_name(self._annotation)}")
        ]

    def _to_error_details(self, exc: ValidationError, value: object) -> list[ErrorDetail]:
        return to_error_details(exc, value, self.schema)

    def _check_finite(self, event: object) -> None:
        try:
            details = find_non_finite(event, event, self.schema)
        except RecursionError:
            details = [_TOO_DEEP]
        if details:
            raise PayloadValidationError(details)

    def _find_overflows(self, value: object, data: bytes) -> list[ErrorDetail]:
        if (len(data) > _LARGE and not self._may_hold_floats) or not may_overflow(data):
            return []
        from .float_overflow import find_overflows

        return find_overflows(value, data, self.schema)

    def _find_non_finite(self, value: object, data: bytes) -> list[ErrorDetail]:
        if not self._has_nan_marker(data):
            return []
        # Walking the value is slow, and most nulls are Nones: without them, a null can only be a NaN.
        without_none = self._compiled.serializer.to_json(value, by_alias=True, exclude_none=True, warnings=False)
        if not self._has_nan_marker(without_none):
            return []  # every null came from a None, so no float was written as null
        dumped = gc_paused(len(data), self._dump_python, value)
        return find_non_finite(dumped, json.loads(data), self.schema) if _may_hold_nan(dumped) else []

    def _has_nan_marker(self, data: bytes) -> bool:
        return any(data.find(marker) >= 0 for marker in self._nan_markers)

    def _dump_python(self, value: object) -> object:
        return self._compiled.serializer.to_python(value, by_alias=True, warnings=False)


@lru_cache(maxsize=1024)
def _get_codec(annotation: object, _order: str) -> Codec:
    return Codec(annotation)


def _check_schema(traits: SchemaTraits, schema: object, label: str) -> None:
    if traits.not_json:
        raise ContractError(f"{label} cannot be serialized as JSON: it contains {traits.not_json}")
    if traits.may_not_round_trip:
        from .round_trip import check_round_trip

        flaw = check_round_trip(schema).flaw
        if flaw is not None:
            location = f"at {flaw.path}, " if flaw.path else ""
            raise ContractError(f"{label} does not round-trip through JSON: {location}{flaw.why}")


def _VALIDATION_ERROR() -> type[ValidationError]:  # noqa: N802 - a class, looked up only once something was raised
    from pydantic_core import ValidationError

    return ValidationError


def _has_nan_literal(data: bytes) -> bool:
    # A search for one byte is a memchr, thirty times as fast as one for three.
    return (_N in data and b"NaN" in data) or (_I in data and b"Infinity" in data)


def _raise_for_nan(data: bytes) -> None:
    from pydantic_core import from_json

    from_json(data, allow_inf_nan=False)


def _may_hold_nan(dumped: object) -> bool:
    """Check whether a value may hold a NaN or infinity, at the speed of pydantic-core; only a walk finds where."""
    from pydantic_core import to_json

    try:
        # The modes keep bytes and unknown objects from ending the scan with an error.
        written = to_json(dumped, inf_nan_mode="constants", bytes_mode="base64", serialize_unknown=True)
    except ValueError:
        return True
    return _has_nan_literal(written)


def _to_json_text(event: object) -> str | None:
    try:
        return json.dumps(event)
    except RecursionError:
        details = [_TOO_DEEP]
    except (TypeError, ValueError):
        return None
    raise PayloadValidationError(details)


def _parse_json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
