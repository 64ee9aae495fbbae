"""Domain errors: declared once, raised in the callee, caught as the same class in the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, dataclass_transform, get_type_hints
from weakref import WeakKeyDictionary

from ._annotations import own_annotations
from ._codec import MisfitError, codec_of
from ._errors import ContractError, FunctionError, FunctionErrorFacts

if TYPE_CHECKING:
    from pydantic import BaseModel


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

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self.__dict__.update(_checked(type(self), fields))

    @classmethod
    def received(cls, wire: str, **facts: Unpack[FunctionErrorFacts]) -> Self | None:
        """Make the error that a callee raised, from its ``errorMessage``; ``None`` if that is not this class's form."""
        try:
            fields = codec_of(_model_of(cls)).decode(wire.encode())
        except (MisfitError, UnicodeEncodeError):
            return None
        error = cls.__new__(cls)
        FunctionError.__init__(error, **facts)
        error.__dict__.update(_values(fields))
        return error

    def __str__(self) -> str:
        model = _model_of(type(self))
        return codec_of(model).encode(model.model_construct(**self._fields())).decode()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields().items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteError) and type(other) is type(self) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash((type(self), str(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).__new__, (type(self),), self.__dict__

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _model_of(type(self)).model_fields}


_MODELS: Final[WeakKeyDictionary[type, type[BaseModel]]] = WeakKeyDictionary()
_OWN_ATTRIBUTES: Final = frozenset(vars(FunctionError()))


def _checked(cls: type[RemoteError], fields: Mapping[str, Any]) -> dict[str, Any]:
    model = _model_of(cls)
    unknown = sorted(fields.keys() - model.model_fields.keys())
    if unknown:
        known = ", ".join(model.model_fields) or "none"
        raise ContractError(f"{cls.__name__} has no field {unknown[0]!r}; it has {known}")
    try:
        return _values(codec_of(model).read(fields))
    except MisfitError as exc:
        raise ContractError(f"{cls.__name__}: {exc}") from None


def _values(model: BaseModel) -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).model_fields}


def _model_of(cls: type[RemoteError]) -> type[BaseModel]:
    if cls not in _MODELS:
        _MODELS[cls] = _build_model(cls)
    return _MODELS[cls]


def _build_model(cls: type[RemoteError]) -> type[BaseModel]:
    from pydantic import create_model

    lineage = [base for base in reversed(cls.__mro__) if issubclass(base, RemoteError) and base is not RemoteError]
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as exc:
        raise ContractError(f"{cls.__name__}: the type of a field cannot be found: {exc}") from exc
    fields: dict[str, Any] = {
        name: (hints[name], getattr(cls, name, ...)) for base in lineage for name in _annotated(base)
    }
    return create_model(cls.__name__, **fields)


def _annotated(cls: type) -> list[str]:
    return [name for name, form in own_annotations(cls).items() if "ClassVar" not in str(form)]
