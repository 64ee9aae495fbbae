"""Turn pydantic's validation errors into error details, with every part of the input redacted.

A detail has a location, the rule and a message, never the value. The keys of a mapping are data, so they are masked as
``*``; a message of a user's validator that repeats the input is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from lambdachain._core.errors import ErrorDetail, describe_details
from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import get_declared_names

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .undeclared_fields import Finder

Loc = tuple[str | int, ...]

# The details become a part of the callee's response, which has a limit.
_MAX_DETAILS: Final = 50
_REDACTED: Final = "rejected by a validator whose message repeats the input (withheld)"
UNEXPECTED_FIELD_RULES: Final = ("extra_forbidden", "unexpected_keyword_argument")
_WRONG_CLASS_RULES: Final = frozenset(
    f"{what}_type"
    for what in (
        *("model", "model_attributes", "dataclass", "dataclass_exact", "dict", "mapping", "list", "tuple", "set"),
        *("frozen_set", "iterable", "string", "bytes", "int", "float", "decimal", "bool", "date", "datetime", "time"),
        *("time_delta", "uuid", "url"),
    )
) | {"is_instance_of", "dataclass_exact_type", "none_required"}
_USER_WORDED_RULES: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid"})


class PayloadValidationError(Exception):
    """A value does not fit its declared type. ``details`` state where and why, never the value."""

    def __init__(self, details: Sequence[ErrorDetail]) -> None:
        super().__init__(describe_details(details))
        self.details = tuple(details)


class UndeclaredFieldsCheck:
    """A check for fields that only a subclass of a declared class has, and which pydantic would not write.

    Args:
        schema: The core schema of the type.
        record_classes: The models and dataclasses in it; if empty, every value is inspected.
    """

    def __init__(self, schema: object, record_classes: tuple[type, ...]) -> None:
        self._schema = schema
        self._record_classes = record_classes

    @cached_property
    def _find(self) -> Finder:
        from .undeclared_fields import build_finder

        return build_finder(self._schema)

    def __call__(self, value: object, _data: bytes) -> list[ErrorDetail]:
        """Return an error for each object with fields that would not be sent."""
        # If no class has a subclass, no value can have such fields. This is all that a typical call pays for the check.
        for record in self._record_classes:
            if type.__subclasses__(record):
                break
        else:
            if self._record_classes:
                return []
        return list(self._find(value, ()))


def to_error_details(exc: ValidationError, value: object, schema: object) -> list[ErrorDetail]:
    """Convert what pydantic found wrong with *value*, without any part of the value."""
    declared = get_declared_names(schema)
    return [
        ErrorDetail(
            loc=_mask_keys(error["loc"], value, declared, names_field=error["type"] in UNEXPECTED_FIELD_RULES),
            type=error["type"],
            msg=_redact_input(error["type"], error["msg"], error["input"])
            + _format_model_name(error["type"], error["input"]),
        )
        for error in exc.errors(include_url=False, include_context=False)[:_MAX_DETAILS]
    ]


def _format_model_name(rule: str, value: object) -> str:
    """Format the class of a model or dataclass that was passed instead of another type."""
    kind = type(value)
    is_model = hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__dataclass_fields__")
    return f", not {kind.__module__}.{kind.__qualname__}" if is_model and rule in _WRONG_CLASS_RULES else ""


def find_non_finite(dumped: object, written: object, schema: object) -> list[ErrorDetail]:
    """Return an error for each NaN and infinity in *dumped*; *written* is its JSON, decoded."""
    declared = get_declared_names(schema)
    return [
        ErrorDetail(loc=_mask_keys(loc, dumped, declared), type="finite_number", msg="JSON has no NaN and no infinity")
        for loc in islice(_iter_non_finite(dumped, written), _MAX_DETAILS)
    ]


def _iter_non_finite(value: object, written: object, loc: Loc = ()) -> Iterator[Loc]:
    """Yield the locations of NaN and infinity in *value*: *written* has ``null`` there, or a number beyond JSON."""
    if written is None or isinstance(written, float):
        number = value if written is None else written
        if isinstance(number, float) and not math.isfinite(number):
            yield loc
    elif is_mapping(written):
        inside = value if is_mapping(value) and len(value) == len(written) else written
        for (key, inner), text in zip(inside.items(), written.values(), strict=True):
            yield from _iter_non_finite(inner, text, (*loc, key))
    elif is_sequence(written):
        items = list(cast("Iterable[object]", value)) if isinstance(value, Collection) else []
        for position, text in enumerate(written):
            yield from _iter_non_finite(items[position] if len(items) == len(written) else text, text, (*loc, position))


def _mask_keys(loc: Loc, value: Any, declared: frozenset[str], *, names_field: bool = False) -> Loc:
    """Mask the steps of *loc* that are keys of a mapping: a key is data, unlike the name of a field."""
    masked: list[str | int] = []
    for position, step in enumerate(loc):
        key = _find_key(value, step)
        is_name = step in declared or (names_field and position == len(loc) - 1)
        masked.append(step if key is None or is_name else "*")
        value = _get_inner(value, step if key is None else key[0])
    return tuple(masked)


def _find_key(value: object, step: object) -> tuple[Any] | None:
    """Find the key that pydantic shows as *step*: the key itself if it is a string or a number, else its ``repr``."""
    if not is_mapping(value):
        return None
    return (step,) if step in value else next(((key,) for key in value if repr(key) == step), None)


def _get_inner(value: Any, step: Any) -> Any:
    """Return the part of *value* at *step*; *value* itself without it, as for the name of a union's member."""
    if is_mapping(value):
        return value.get(step, value)
    if isinstance(step, str):
        return getattr(value, step, value)
    return value[step] if is_sequence(value) and isinstance(step, int) and step < len(value) else value


def _redact_input(rule: str, msg: str, value: object) -> str:
    """Withhold the message of a user's validator that repeats a part of the input."""
    # A single character is in almost any message, so it does not count as a repetition.
    echoes = _may_repeat_input(rule) and any(len(leaf) > 1 and leaf in msg for leaf in _iter_leaves(value))
    return _REDACTED if echoes else msg


def _may_repeat_input(rule: str) -> bool:
    from pydantic_core.core_schema import ErrorType

    # pydantic's own messages have no input in them, except where a user's code provides a part of their text.
    return rule in _USER_WORDED_RULES or rule not in get_args(ErrorType)


def _iter_leaves(value: object) -> Iterator[str]:
    """Yield everything inside *value* as text, however deeply nested, and even if it contains itself."""
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
