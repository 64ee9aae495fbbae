"""``dataclass(frozen=True)`` for the classes that a cold start loads: the same, but without code made for each class.

The standard library compiles six methods for every class: 3 to 6 million instructions, ten times all else that a class
costs. Here, all classes share their methods. ``dataclasses.fields``, ``replace`` and ``asdict``, ``match`` statements,
pickles, signatures and type checkers see no difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")


def _share_methods(*, frozen: Literal[True], **_own: bool) -> Callable[[type[T]], type[T]]:
    """Return a decorator; methods that a class defines itself stay, as ``init=False`` also tells type checkers."""

    def decorate(cls: type[T]) -> type[T]:
        made: Any = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
        made.__dataclass_params__.frozen = frozen  # where a subclass is a dataclass, the standard library reads it
        made.__get_compared__ = attrgetter(*(field.name for field in dataclasses.fields(made) if field.compare))
        for name, method in _SHARED.items():
            if name not in vars(cls):
                setattr(cls, name, method)
        return cls

    return decorate


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _share_methods


def _init(self: Any, /, *args: object, **keywords: object) -> None:
    given = dict(zip(self.__match_args__, args, strict=False)) | keywords
    fields = self.__dataclass_fields__
    values = {name: given.get(name, field.default) for name, field in fields.items()}
    is_lacking = any(value is dataclasses.MISSING for value in values.values())
    if is_lacking or len(given) < len(args) + len(keywords) or not given.keys() <= fields.keys():
        _raise_for_arguments(type(self), args, keywords)
    object.__setattr__(self, "__dict__", values)  # past the guard of a frozen class
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _raise_for_arguments(cls: Any, args: tuple[object, ...], keywords: dict[str, object]) -> None:
    try:
        _make_signature(cls).bind(*args, **keywords)
    except TypeError as exc:
        raise TypeError(f"{cls.__qualname__}(): {exc}") from None


def _make_signature(cls: Any) -> Any:
    from inspect import Parameter, Signature

    parameters = [
        Parameter(
            field.name,
            Parameter.POSITIONAL_OR_KEYWORD,
            default=Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=field.type,
        )
        for field in dataclasses.fields(cls)
    ]
    return Signature(parameters, return_annotation=None)


class _ConstructorSignature:
    """``__signature__`` of a class, made where it is asked for; a subclass with another constructor has its own."""

    def __get__(self, instance: object, owner: Any) -> Any:
        if instance is not None or owner.__init__ is not _init:
            raise AttributeError("__signature__")
        return _make_signature(owner)


def _repr(self: Any) -> str:
    shown = [f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> bool:
    return self.__get_compared__(self) == self.__get_compared__(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(self.__get_compared__(self))


def _setattr(self: Any, name: str, value: object) -> None:
    _check_not_frozen(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    _check_not_frozen(self, name, "delete")
    object.__delattr__(self, name)


def _check_not_frozen(self: Any, name: str, action: str) -> None:
    # A subclass that is not a dataclass may have attributes of its own.
    if "__dataclass_fields__" in vars(self.__class__) or name in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot {action} field {name!r}")


_SHARED: Final[dict[str, object]] = {
    "__init__": _init,
    "__signature__": _ConstructorSignature(),
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
}
