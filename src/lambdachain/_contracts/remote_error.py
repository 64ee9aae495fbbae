"""Domain errors: declared once, raised in the callee, caught as the same class in the caller."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import MISSING, field, fields, make_dataclass
from functools import partial
from types import FrameType
from typing import Any, Final, Self, Unpack, dataclass_transform, get_type_hints
from weakref import WeakKeyDictionary

from lambdachain._core.errors import ContractError, FunctionError, FunctionErrorFacts
from lambdachain._json.codec import codec_of
from lambdachain._json.payload_validation import PayloadValidationError

from .annotations import own_annotations


@dataclass_transform(kw_only_default=True)
class RemoteError(FunctionError):
    """Base of the errors that a contract declares.

    Annotate the fields, as in a dataclass; construct by keyword. On the wire it is an ordinary Lambda error whose
    ``errorType`` is the class name and whose ``errorMessage`` is the fields as JSON, so CloudWatch, Step Functions'
    ``Catch`` and callers in other languages can read it. Whatever stands in a field is meant to be seen there.

    >>> class CardDeclined(RemoteError):
    ...     reason: str
    ...     retry_after_days: int | None = None
    >>> CardDeclined(reason="limit")
    CardDeclined(reason='limit', retry_after_days=None)
    >>> str(CardDeclined(reason="limit"))
    '{"reason":"limit","retry_after_days":null}'

    Raises:
        ContractError: When the class is made: a field would hide an attribute of ``FunctionError``.
        TypeError: When an error is made: a field is missing, unknown, or of the wrong type.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hidden = sorted(name for name in _annotated(cls) if hasattr(RemoteError, name) or name in _OWN_ATTRIBUTES)
        if hidden:
            raise ContractError(f"{cls.__name__}.{hidden[0]} hides an attribute of every call error: rename the field")
        _LOCAL_NAMES[cls] = _names_beside(inspect.currentframe(), cls)

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.__dict__.update(_checked(type(self), fields))

    @classmethod
    def received(cls, wire: str, **facts: Unpack[FunctionErrorFacts]) -> Self | None:
        """Make the error that a callee raised, from its ``errorMessage``; ``None`` if that is not this class's form."""
        try:
            carried = codec_of(carrier_of(cls)).decode(wire.encode())
        except (PayloadValidationError, UnicodeEncodeError):
            return None
        error = cls.__new__(cls)
        FunctionError.__init__(error, **facts)
        error.__dict__.update(_values(carried))
        return error

    def __str__(self) -> str:
        carrier = carrier_of(type(self))
        try:
            from lambdachain._core.text import json_printable

            return json_printable(codec_of(carrier).encode(carrier(**self._fields())).decode())
        except PayloadValidationError as exc:
            # A runtime asks for this text while it reports the error: raising here would end the process.
            return f"{carrier.__name__} was given a field that does not fit: {exc}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields().items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteError) and type(other) is type(self) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash((type(self), str(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).__new__, (type(self),), self.__dict__

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _names(type(self))}


_CARRIERS: Final[WeakKeyDictionary[type, type[Any]]] = WeakKeyDictionary()
_LOCAL_NAMES: Final[WeakKeyDictionary[type, Mapping[str, Any]]] = WeakKeyDictionary()
_OWN_ATTRIBUTES: Final = frozenset((*vars(FunctionError()), "__notes__"))


def _checked(cls: type[RemoteError], given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(given.keys() - set(_names(cls)))
    if unknown:
        known = ", ".join(_names(cls)) or "none"
        raise ContractError(f"{cls.__name__} has no field {unknown[0]!r}; it has {known}")
    codec = codec_of(carrier_of(cls))
    codec.check_form(cls.__name__)
    try:
        return _values(codec.check_written(given))
    except PayloadValidationError as exc:
        raise ContractError(f"{cls.__name__}: {exc}") from None


def _values(carried: object) -> dict[str, Any]:
    return dict(vars(carried))


def _names(cls: type[RemoteError]) -> list[str]:
    return [field.name for field in fields(carrier_of(cls))]


def carrier_of(cls: type[RemoteError]) -> type[Any]:
    """Return the dataclass that has the fields and nothing else: whatever they are called, they hide nothing in it."""
    if cls not in _CARRIERS:
        _CARRIERS[cls] = _build_carrier(cls)
    return _CARRIERS[cls]


def _build_carrier(cls: type[RemoteError]) -> type[Any]:
    lineage = [base for base in reversed(cls.__mro__) if issubclass(base, RemoteError) and base is not RemoteError]
    local_names = {name: value for base in lineage for name, value in _LOCAL_NAMES.get(base, {}).items()}
    try:
        hints = get_type_hints(cls, localns=local_names, include_extras=True)
    except NameError as exc:
        raise ContractError(f"{cls.__name__}: the type of a field cannot be found: {exc}") from exc
    slots = {name: (name, hints[name], _default(cls, name)) for base in lineage for name in _annotated(base)}
    return make_dataclass(cls.__name__, slots.values(), kw_only=True)


def _default(cls: type[RemoteError], name: str) -> Any:
    from pydantic.fields import FieldInfo

    default = getattr(cls, name, MISSING)
    if default is MISSING or isinstance(default, FieldInfo):
        return field(default=default)
    return field(default_factory=partial(deepcopy, default))


def _annotated(cls: type) -> list[str]:
    return [name for name, form in own_annotations(cls).items() if "ClassVar" not in str(form)]


def _names_beside(frame: FrameType | None, cls: type) -> Mapping[str, Any]:
    """Keep what the annotations name of the scope that a class is defined in: it cannot be looked up later."""
    beside = frame.f_back if frame is not None else None
    if beside is None or beside.f_locals is beside.f_globals:
        return {}
    forms = [form for form in own_annotations(cls).values() if isinstance(form, str)]
    named = {name for form in forms for name in compile(form, "<annotation>", "eval").co_names}
    return {name: beside.f_locals[name] for name in named.intersection(beside.f_locals)}


RemoteError.__module__ = "lambdachain"
