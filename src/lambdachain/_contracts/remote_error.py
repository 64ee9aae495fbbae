"""Domain errors: declared once, raised in the callee, and caught as the same class in the caller."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import MISSING, field, fields, make_dataclass
from functools import partial
from types import FrameType
from typing import Any, Final, Self, Unpack, dataclass_transform, get_type_hints
from weakref import WeakKeyDictionary

from lambdachain._core.errors import ContractError, FunctionError, FunctionErrorFacts
from lambdachain._core.type_guards import is_mapping
from lambdachain._json.codec import codec_for
from lambdachain._json.payload_validation import PayloadValidationError

from .annotations import own_annotations


@dataclass_transform(kw_only_default=True)
class RemoteError(FunctionError):
    """Base class of the errors that a contract declares.

    Annotate the fields, as in a dataclass, and pass them as keyword arguments. On the wire it is an ordinary Lambda
    error whose ``errorType`` is the class name and whose ``errorMessage`` is the fields as JSON, so CloudWatch, Step
    Functions' ``Catch`` and callers in other languages can read it. Fields are not redacted anywhere: put no secrets
    into them.

    >>> class CardDeclined(RemoteError):
    ...     reason: str
    ...     retry_after_days: int | None = None
    >>> CardDeclined(reason="limit")
    CardDeclined(reason='limit', retry_after_days=None)
    >>> str(CardDeclined(reason="limit"))
    '{"reason":"limit","retry_after_days":null}'

    Raises:
        ContractError: When the class is defined: a field would hide an attribute of ``FunctionError``.
        TypeError: When an error is created: a field is missing, unknown, or of the wrong type.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hidden = sorted(
            name for name in _get_annotated_names(cls) if hasattr(RemoteError, name) or name in _OWN_ATTRIBUTES
        )
        if hidden:
            raise ContractError(f"{cls.__name__}.{hidden[0]} hides an attribute of every call error: rename the field")
        _LOCAL_NAMES[cls] = _get_local_names(inspect.currentframe(), cls)

    def __init__(self, from_json: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        super().__init__()
        decoded = _validate_fields(type(self), fields) if from_json is None else _decode_args(self, from_json, fields)
        self.__dict__.update(decoded)

    # Task queues with a JSON result backend, such as Celery, store args, and call the class with them.
    @property
    def args(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The fields as JSON values, in one mapping; ``type(error)(*error.args)`` is an equal error."""
        try:
            return (json.loads(str(self)),)
        except ValueError:  # a field does not fit its type: see __str__
            return (str(self),)

    @classmethod
    def received(cls, wire: str, **facts: Unpack[FunctionErrorFacts]) -> Self | None:
        """Create the error that a callee raised from its ``errorMessage``; ``None`` if that does not fit this class."""
        try:
            decoded = codec_for(fields_class_for(cls)).decode(wire.encode())
        except (PayloadValidationError, UnicodeEncodeError):
            return None
        # Not cls(...): the fields are decoded already, and the facts of the call go to FunctionError.
        error = cls.__new__(cls)
        FunctionError.__init__(error, **facts)
        error.__dict__.update(_to_fields(decoded))
        return error

    def __str__(self) -> str:
        fields_class = fields_class_for(type(self))
        try:
            from lambdachain._core.escaping import json_printable

            return json_printable(codec_for(fields_class).encode(fields_class(**self._fields())).decode())
        except PayloadValidationError as exc:
            # A field was set to another type after the error was created. The runtime calls str() while it reports the
            # error, so raising here would end the process.
            return f"{fields_class.__name__} has a field that does not fit its type: {exc}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields().items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteError) and type(other) is type(self) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash((type(self), str(self)))  # not the fields: a list is not hashable

    def __reduce__(self) -> tuple[Any, ...]:
        # Not through __init__, which would validate the fields and drop what is known about the call.
        return type(self).__new__, (type(self),), self.__dict__

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _get_field_names(type(self))}


_FIELDS_CLASSES: Final[WeakKeyDictionary[type, type[Any]]] = WeakKeyDictionary()
_LOCAL_NAMES: Final[WeakKeyDictionary[type, Mapping[str, Any]]] = WeakKeyDictionary()
# Attributes of instances, which hasattr() does not find on the class; add_note() sets __notes__.
_OWN_ATTRIBUTES: Final = frozenset((*vars(FunctionError()), "__notes__"))


def _validate_fields(cls: type[RemoteError], values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(values.keys() - set(_get_field_names(cls)))
    if unknown:
        known = ", ".join(_get_field_names(cls))
        raise ContractError(f"{cls.__name__} has no field {unknown[0]!r}: it has {known or 'no fields'}")
    codec = codec_for(fields_class_for(cls))
    codec.check_type(cls.__name__)
    try:
        return _to_fields(codec.validate_for_encoding(values))
    except PayloadValidationError as exc:
        raise ContractError(f"{cls.__name__}: {exc}") from None


def _decode_args(error: RemoteError, from_json: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields from what was ``args`` of an equal error."""
    name = type(error).__name__
    if not is_mapping(from_json) or fields:
        raise ContractError(f"{name} takes keyword arguments, not positional ones: pass each field by its name")
    codec = codec_for(fields_class_for(type(error)))
    try:
        return _to_fields(codec.decode(json.dumps(from_json).encode()))
    except PayloadValidationError as exc:
        raise ContractError(f"{name}: {exc}") from None
    except (TypeError, ValueError):
        raise ContractError(f"{name}: the mapping has a value that JSON cannot represent") from None


def _to_fields(instance: object) -> dict[str, Any]:
    return dict(vars(instance))


def _get_field_names(cls: type[RemoteError]) -> list[str]:
    return [field.name for field in fields(fields_class_for(cls))]


def fields_class_for(cls: type[RemoteError]) -> type[Any]:
    """Return the dataclass that has the fields of an error and nothing else, so that no field name hides anything."""
    if cls not in _FIELDS_CLASSES:
        _FIELDS_CLASSES[cls] = _build_fields_class(cls)
    return _FIELDS_CLASSES[cls]


def _build_fields_class(cls: type[RemoteError]) -> type[Any]:
    bases = [base for base in reversed(cls.__mro__) if issubclass(base, RemoteError) and base is not RemoteError]
    local_names = {name: value for base in bases for name, value in _LOCAL_NAMES.get(base, {}).items()}
    try:
        hints = get_type_hints(cls, localns=local_names, include_extras=True)
    except NameError as exc:
        raise ContractError(f"{cls.__name__}: the annotation of a field cannot be evaluated: {exc}") from exc
    specs = {
        name: (name, hints[name], _to_dataclass_field(cls, name))
        for base in bases
        for name in _get_annotated_names(base)
    }
    return make_dataclass(cls.__name__, specs.values(), kw_only=True)


def _to_dataclass_field(cls: type[RemoteError], name: str) -> Any:
    from pydantic.fields import FieldInfo

    default = getattr(cls, name, MISSING)
    if default is MISSING or isinstance(default, FieldInfo):
        return field(default=default)
    return field(default_factory=partial(deepcopy, default))


def _get_annotated_names(cls: type) -> list[str]:
    # As text: an annotation may be a string, which cannot be evaluated before all names are defined.
    return [name for name, annotation in own_annotations(cls).items() if "ClassVar" not in str(annotation)]


def _get_local_names(frame: FrameType | None, cls: type) -> Mapping[str, Any]:
    """Return the local names that the annotations of a class use: later, they cannot be looked up."""
    scope = frame.f_back if frame is not None else None
    if scope is None or scope.f_locals is scope.f_globals:
        return {}
    texts = [text for text in own_annotations(cls).values() if isinstance(text, str)]
    named = {name for text in texts for name in compile(text, "<annotation>", "eval").co_names}
    return {name: scope.f_locals[name] for name in named.intersection(scope.f_locals)}


RemoteError.__module__ = "lambdachain"
