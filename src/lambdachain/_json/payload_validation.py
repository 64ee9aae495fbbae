"""What may be said of a value that does not fit: where, which rule and in words; never what the value is.

Not even in the names: the keys of a mapping are data, and a validator's own words may repeat what it was given.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from lambdachain._core.errors import ErrorDetail, describe_details
from lambdachain._core.type_guards import is_mapping, is_sequence

from .core_schema import declared_names

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .undeclared_fields import Finder

Loc = tuple[str | int, ...]

_MAX_DETAILS: Final = 50
_WITHHELD: Final = "refused by a rule whose message repeats the input (withheld)"
UNDECLARED: Final = ("extra_forbidden", "unexpected_keyword_argument")
_OTHER_CLASS: Final = frozenset(
    f"{what}_type"
    for what in (
        *("model", "model_attributes", "dataclass", "dataclass_exact", "dict", "mapping", "list", "tuple", "set"),
        *("frozen_set", "iterable", "string", "bytes", "int", "float", "decimal", "bool", "date", "datetime", "time"),
        *("time_delta", "uuid", "url"),
    )
) | {"is_instance_of", "dataclass_exact_type", "none_required"}
_WORDED_BY_USERS: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid"})


class PayloadValidationError(Exception):
    """A value does not fit its declared type; ``details`` say where, never what the value is."""

    def __init__(self, details: Sequence[ErrorDetail]) -> None:
        super().__init__(describe_details(details))
        self.details = tuple(details)


class Undeclared:
    """Refuses what only a subclass has; where no class has a subclass, it looks no closer.

    Args:
        schema: The core schema of the type.
        records: The classes in it that are written by their own fields only; none to look at every value.
    """

    def __init__(self, schema: object, records: tuple[type, ...]) -> None:
        self._schema = schema
        self._records = records

    @cached_property
    def _find(self) -> Finder:
        from .undeclared_fields import finder_of

        return finder_of(self._schema)

    def __call__(self, value: object, _data: bytes) -> list[ErrorDetail]:
        """List what would not be sent."""
        for record in self._records:
            if type.__subclasses__(record):
                break
        else:
            if self._records:
                return []
        return list(self._find(value, ()))


def details_of(exc: ValidationError, value: object, schema: object) -> list[ErrorDetail]:
    """Describe what pydantic found wrong with *value*."""
    declared = declared_names(schema)
    return [
        ErrorDetail(
            loc=_without_keys(error["loc"], value, declared, names_field=error["type"] in UNDECLARED),
            type=error["type"],
            msg=_without_input(error["type"], error["msg"], error["input"]) + _given(error["type"], error["input"]),
        )
        for error in exc.errors(include_url=False, include_context=False)[:_MAX_DETAILS]
    ]


def _given(rule: str, value: object) -> str:
    """Name the class of a model or dataclass that was given in the place of something else."""
    kind = type(value)
    is_model = hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__dataclass_fields__")
    return f", not {kind.__module__}.{kind.__qualname__}" if is_model and rule in _OTHER_CLASS else ""


def not_finite(dumped: object, written: object, schema: object) -> list[ErrorDetail]:
    """Describe where a value, as *dumped*, has a number that its JSON, read as *written*, could not carry."""
    declared = declared_names(schema)
    return [
        ErrorDetail(
            loc=_without_keys(loc, dumped, declared), type="finite_number", msg="JSON has no NaN and no infinity"
        )
        for loc in islice(_non_finite(dumped, written), _MAX_DETAILS)
    ]


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
    """Yield the text of everything inside *value*, however deep it is and even if it contains itself."""
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
