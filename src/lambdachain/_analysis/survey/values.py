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
class Many:
    """What a list, a tuple, a set or the values of a mapping hold, in no order."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are texts."""

    entries: tuple[tuple[str, tuple[Value, ...]], ...]

    def get(self, key: str) -> tuple[Value, ...] | None:
        """Return what is at *key*."""
        return next((values for name, values in self.entries if name == key), None)


@dataclass(frozen=True, slots=True)
class Library:
    """Something that is not among the files, by its whole name: ``lambdachain.Contract``, ``os.environ``."""

    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """A module among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Function:
    """A function among the files; with *contract*, a handler that ``remote`` has made of it."""

    scope: Scope
    contract: DeclaredContract | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """A class among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class among the files."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Super:
    """An object of a class among the files, as its bases see it: ``super()``."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Contracted:
    """A contract."""

    contract: DeclaredContract


@dataclass(frozen=True, slots=True)
class Decorator:
    """What ``remote(...)`` gives: it makes a handler of a function."""

    make: Callable[[Function], DeclaredContract]


@dataclass(frozen=True, slots=True)
class Client:
    """A client; *resolution* is ``None`` where its own making is not seen."""

    resolution: Resolution | None


@dataclass(frozen=True, slots=True)
class Bound:
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
    options: Table


@dataclass(frozen=True, slots=True)
class Resolver:
    """What ``LambdaClient(resolve=...)`` takes."""

    resolution: Resolution


@dataclass(frozen=True, slots=True)
class Unknown:
    """The text does not tell."""

    why: str


Value: TypeAlias = (
    Constant
    | Many
    | Table
    | Library
    | Module
    | Function
    | Class
    | Instance
    | Super
    | Contracted
    | Decorator
    | Client
    | Bound
    | Resolver
    | Unknown
)
Values: TypeAlias = tuple[Value, ...]

NOT_FOLLOWED: Final[Values] = (Unknown("it is worked out at run time"),)


def union(several: Iterable[Iterable[Value]]) -> Values:
    """Return what any of *several* may be, each once."""
    return tuple(dict.fromkeys(value for values in several for value in values))


def merged(values: Iterable[Value]) -> Values:
    """Accept several mappings for one that has the entries of each."""
    listed = tuple(values)
    tables = [value for value in listed if isinstance(value, Table)]
    if len(tables) < 2 and not (tables and any(isinstance(value, Many) for value in listed)):
        return listed
    keys = dict.fromkeys(key for table in tables for key, _ in table.entries)
    table = Table(tuple((key, union(table.get(key) or () for table in tables)) for key in keys))
    return (*([table] if keys else ()), *(value for value in listed if not isinstance(value, Table)))


def texts(values: Iterable[Value]) -> tuple[str, ...]:
    """Return the texts among *values*."""
    return tuple(value.value for value in values if isinstance(value, Constant) and isinstance(value.value, str))


def unknowns(values: Iterable[Value]) -> tuple[str, ...]:
    """Return what is not told among *values*."""
    return tuple(value.why for value in values if isinstance(value, Unknown))


def held(values: Iterable[Value]) -> Values:
    """Yield what a loop over *values* gives."""

    def each(value: Value) -> Iterator[Value]:
        match value:
            case Many(items):
                yield from items
            case Table(entries):
                yield from (Constant(key) for key, _ in entries)
            case _:
                yield from NOT_FOLLOWED

    return union(each(value) for value in values)
