"""Explain why a value could not be encoded. Imported only if one could not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lambdachain._core.errors import ErrorDetail

from .payload_validation import to_error_details

if TYPE_CHECKING:
    from .core_schema import CompiledType

# pydantic's messages quote the value, so they are replaced by ours.
_MESSAGES: Final = (
    ("Circular reference", "It contains itself, or is nested too deeply"),
    ("Maximum serialization depth", "It is nested too deeply"),
    ("surrogates not allowed", "Its text has a lone surrogate, which UTF-8 cannot encode"),
)
_UNKNOWN_TYPE: Final = r"Unable to serialize unknown type: <class '([\w.<>]+)'>"


def explain_encoding_error(exc: ValueError, value: object, built: CompiledType) -> list[ErrorDetail]:
    """Return what is wrong with a *value* whose encoding raised *exc*; empty if that cannot be determined."""
    from pydantic_core import ValidationError

    if isinstance(exc, ValidationError):
        return to_error_details(exc, value, built.schema)
    if unknown := re.search(_UNKNOWN_TYPE, str(exc)):
        return [ErrorDetail(loc=(), type="not_json", msg=f"{unknown[1]} cannot be serialized as JSON")]
    msg = next((msg for part, msg in _MESSAGES if part in str(exc)), None)
    if msg is not None:
        return [ErrorDetail(loc=(), type="not_json", msg=msg)]
    return _revalidate(value, built)


def _revalidate(value: object, built: CompiledType) -> list[ErrorDetail]:
    """Validate an object that was made without validation: pydantic's serializer does not report where it is wrong.

    The first pass finds values of a wrong type, the second those whose JSON is not read as the type.
    """
    from pydantic_core import ValidationError

    _, validator, serializer = built
    try:
        validator.validate_python(serializer.to_python(value, by_alias=True, warnings=False))
        validator.validate_json(serializer.to_json(value, by_alias=True, warnings=False), strict=True)
    except ValidationError as exc:
        return to_error_details(exc, value, built.schema)
    except (AttributeError, LookupError, TypeError, ValueError):
        pass  # a user's validator met what it never expects
    return []
