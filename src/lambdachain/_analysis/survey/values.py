"""What an expression may be at run time: every value that its text allows, or that the text does not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from .results import DeclaredContract, Resolution
from .scopes import Scope


@dataclass(frozen=True, slots=True)
class Constant:
    """A text, a number, a truth value or ``None``."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class CollectionValue:
    """What a list, a tuple, a set or the values of a mapping hold, in no order."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class MappingValue:
    """A mapping whose keys are texts."""

    entries: tuple[tuple[str, tuple[Value, ...]], ...]

    def get(self, key: str) -> tuple[Value, ...] | None:
        """Return what is at *key*."""
        return next((values for name, values in self.entries if name == key), None)


@dataclass(frozen=True, slots=True)
class ExternalName:
    """Something that is not among the files, by its whole name: ``lambdachain.Contract``, ``os.environ``."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function among the files; with *contract*, a handler that ``remote`` has made of it."""

    scope: Scope
    contract: DeclaredContract | None = None


@dataclass(frozen=True, slots=True)
class ClassValue:
    """A class among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class InstanceValue:
    """An object of a class among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class SuperValue:
    """An object of a class among the files, as its bases see it: ``super()``."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class ContractValue:
    """A contract."""

    contract: DeclaredContract


@dataclass(frozen=True, slots=True)
class DecoratorValue:
    """What ``remote(...)`` gives: it makes a handler of a function."""

    make: Callable[[FunctionValue], DeclaredContract]


@dataclass(frozen=True, slots=True)
class ClientValue:
    """A client; *resolution* is ``None`` where its own making is not seen."""

    resolution: Resolution | None


@dataclass(frozen=True, slots=True)
class BoundFunctionValue:
    """A function object: what ``bind`` gives.

    Attributes:
        contract: Its contract.
        address: The address given in place of the contract's own.
        resolution: The client's.
        options: The options for all of its calls.
    """

    contract: DeclaredContract
    address: str | None
    resolution: Resolution | None
    options: MappingValue


@dataclass(frozen=True, slots=True)
class ResolverValue:
    """What ``LambdaClient(resolve=...)`` takes."""

    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Unresolved:
    """The text does not tell."""

    why: str


Value: TypeAlias = (
    Constant
    | CollectionValue
    | MappingValue
    | ExternalName
    | ModuleValue
    | FunctionValue
    | ClassValue
    | InstanceValue
    | SuperValue
    | ContractValue
    | DecoratorValue
    | ClientValue
    | BoundFunctionValue
    | ResolverValue
    | Unresolved
)
Values: TypeAlias = tuple[Value, ...]

UNRESOLVED: Final[Values] = (Unresolved("it is worked out at run time"),)


def union(several: Iterable[Iterable[Value]]) -> Values:
    """Return what any of *several* may be, each once."""
    return tuple(dict.fromkeys(value for values in several for value in values))


def merge_mappings(values: Iterable[Value]) -> Values:
    """Accept several mappings for one that has the entries of each."""
    listed = tuple(values)
    tables = [value for value in listed if isinstance(value, MappingValue)]
    if len(tables) < 2 and not (tables and any(isinstance(value, CollectionValue) for value in listed)):
        return listed
    keys = dict.fromkeys(key for table in tables for key, _ in table.entries)
    table = MappingValue(tuple((key, union(table.get(key) or () for table in tables)) for key in keys))
    return (*([table] if keys else ()), *(value for value in listed if not isinstance(value, MappingValue)))


def string_constants(values: Iterable[Value]) -> tuple[str, ...]:
    """Return the texts among *values*."""
    return tuple(value.value for value in values if isinstance(value, Constant) and isinstance(value.value, str))


def unresolved_reasons(values: Iterable[Value]) -> tuple[str, ...]:
    """Return what is not told among *values*."""
    return tuple(value.why for value in values if isinstance(value, Unresolved))


def get_elements(values: Iterable[Value]) -> Values:
    """Yield what a loop over *values* gives."""

    def each(value: Value) -> Iterator[Value]:
        match value:
            case CollectionValue(items):
                yield from items
            case MappingValue(entries):
                yield from (Constant(key) for key, _ in entries)
            case _:
                yield from UNRESOLVED

    return union(each(value) for value in values)
