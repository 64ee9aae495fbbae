"""Why a value could not be encoded: loaded only where one could not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lambdachain._core.errors import ErrorDetail

from .payload_validation import details_of

if TYPE_CHECKING:
    from .core_schema import Built

_SAID_BY_PYDANTIC: Final = (
    ("Circular reference", "It contains itself, or is nested too deeply"),
    ("Maximum serialization depth", "It is nested too deeply"),
    ("surrogates not allowed", "Its text has a lone surrogate, which no UTF-8 can carry"),
)
_UNKNOWN_TYPE: Final = r"Unable to serialize unknown type: <class '([\w.<>]+)'>"


def why_not(exc: ValueError, value: object, built: Built) -> list[ErrorDetail]:
    """Return what is wrong with a *value* whose encoding raised *exc*; nothing where that cannot be found out."""
    from pydantic_core import ValidationError

    if isinstance(exc, ValidationError):
        return details_of(exc, value, built.schema)
    if unknown := re.search(_UNKNOWN_TYPE, str(exc)):
        return [ErrorDetail(loc=(), type="not_json", msg=f"JSON has no form for {unknown[1]}")]
    said = next((msg for sign, msg in _SAID_BY_PYDANTIC if sign in str(exc)), None)
    if said is not None:
        return [ErrorDetail(loc=(), type="not_json", msg=said)]
    return _misfits(value, built)


def _misfits(value: object, built: Built) -> list[ErrorDetail]:
    """Find what is wrong in an object that was never validated: pydantic's serializer does not say where."""
    from pydantic_core import ValidationError

    _, validator, serializer = built
    try:
        validator.validate_python(serializer.to_python(value, by_alias=True, warnings=False))
        validator.validate_json(serializer.to_json(value, by_alias=True, warnings=False), strict=True)
    except ValidationError as exc:
        return details_of(exc, value, built.schema)
    except (AttributeError, LookupError, TypeError, ValueError):
        pass  # a user's validator met what it never should
    return []
