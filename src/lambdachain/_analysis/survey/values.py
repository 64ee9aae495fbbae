"""The abstract values that expressions evaluate to.

A result (``Values``) is the tuple of all values that an expression may have at run time, without duplicates. Values
are immutable and hashable, because they are keys and members of sets. ``Unresolved`` represents any value that the
text of the code does not determine, with the reason for a message.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from .results import DeclaredContract, Resolution, RoutedQueue
from .scopes import Scope


class _HashedOnce:
    """A value whose hash is kept: it may hold hundreds of others."""

    __slots__ = ("_hash",)
    __match_args__: tuple[str, ...]
    _hash: int

    def get_hash(self) -> int:
        """Return the hash, computed from all fields when it is asked for first."""
        try:
            return self._hash
        except AttributeError:
            found = hash(tuple(getattr(self, name) for name in self.__match_args__))
            object.__setattr__(self, "_hash", found)
            return found


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, a number, a boolean or ``None``."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class CollectionValue(_HashedOnce):
    """The items of a list, tuple or set, or the values of a mapping with unknown keys.

    Attributes:
        items: The items of all positions.
        ordered: The values of each position, where they are known: what ``*args`` of a function holds.
    """

    items: tuple[Value, ...]
    ordered: tuple[Values, ...] | None = None

    __hash__ = _HashedOnce.get_hash


@dataclass(frozen=True, slots=True)
class MappingValue(_HashedOnce):
    """A mapping whose keys are known strings; several values for a key are alternatives.

    Attributes:
        entries: The entries.
        is_step: Whether these are only the entries that one statement adds to a mapping.
        certain: The keys of entries that are set after all that is unknown of the mapping.
    """

    entries: tuple[tuple[str, tuple[Value, ...]], ...]
    is_step: bool = False
    certain: frozenset[str] = frozenset()

    __hash__ = _HashedOnce.get_hash

    def get(self, key: str) -> tuple[Value, ...] | None:
        """Return the values at *key*, or ``None``."""
        return next((values for name, values in self.entries if name == key), None)


@dataclass(frozen=True, slots=True)
class ExternalName:
    """Something that is not in the code, by its qualified name: ``lambdachain.Contract``, ``os.environ``."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module in the code."""

    scope: Scope


# Frames compare by identity, because they are parts of values and keys: the evaluator creates equal ones once.
@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One call of a function: what its parameters hold.

    Attributes:
        scope: The function; of an object of a data class, the class.
        arguments: The values of each parameter.
        outer: The frame of the enclosing function, for a closure.
        created: The class of the object that the function initializes, for ``__init__``.
        depth: The number of calls in which it is nested.
    """

    scope: Scope
    arguments: Mapping[str, Values]
    outer: Frame | None
    created: Scope | None
    depth: int


@dataclass(frozen=True, slots=True)
class Arguments(_HashedOnce):
    """What a call passes.

    Attributes:
        positional: The values of each position.
        keywords: The values of each keyword.
        has_unknown_positions: Whether an unresolved ``*items`` may fill more positions.
        has_unknown_keywords: Whether an unresolved ``**options`` may have more keywords.
    """

    positional: tuple[Values, ...] = ()
    keywords: tuple[tuple[str, Values], ...] = ()
    has_unknown_positions: bool = False
    has_unknown_keywords: bool = False

    __hash__ = _HashedOnce.get_hash


@dataclass(frozen=True, slots=True)
class FunctionValue(_HashedOnce):
    """A function in the code.

    Attributes:
        scope: The function.
        contract: The contract, of a handler that ``remote`` made of the function.
        frame: The frame of the enclosing function, whose names a closure reads.
        receiver: The object or class of a bound method.
        partial: The arguments that ``functools.partial`` has added.
    """

    scope: Scope
    contract: DeclaredContract | None = None
    frame: Frame | None = None
    receiver: InstanceValue | ClassValue | None = None
    partial: Arguments = Arguments()

    __hash__ = _HashedOnce.get_hash


@dataclass(frozen=True, slots=True)
class ClassValue:
    """A class in the code."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class InstanceValue:
    """An object of a class in the code.

    Attributes:
        scope: The class.
        frame: The call of ``__init__`` that created it, if it is known.
        calls: The calls of its methods by the function that created it, if no other code has it: each with whether
            it certainly comes before what is evaluated, which the calls after it may replace.
    """

    scope: Scope
    frame: Frame | None = None
    calls: tuple[tuple[Frame, bool], ...] | None = None


@dataclass(frozen=True, slots=True)
class SuperValue:
    """``super()`` in a method of a class in the code, with the object or class that the method is bound to."""

    scope: Scope
    receiver: InstanceValue | ClassValue | None = None


@dataclass(frozen=True, slots=True)
class ContractValue:
    """An object of ``Contract``."""

    contract: DeclaredContract


@dataclass(frozen=True, slots=True)
class DecoratorValue:
    """The result of ``remote(...)``; *make* returns the contract for the function that it decorates."""

    make: Callable[[FunctionValue], DeclaredContract]


@dataclass(frozen=True, slots=True)
class ClientValue:
    """A client; *resolution* is ``None`` if the call that created it is not in sight."""

    resolution: Resolution | None


@dataclass(frozen=True, slots=True)
class QueueRouteValue:
    """A ``QueueRoute`` of ``lambdachain.sqs``."""

    queue: RoutedQueue


@dataclass(frozen=True, slots=True)
class QueueTransportValue:
    """An ``SqsTransport``, with the queues of its routes."""

    queues: tuple[RoutedQueue, ...]


@dataclass(frozen=True, slots=True)
class BoundFunctionValue:
    """The function object that ``bind`` returns.

    Attributes:
        contract: Its contract.
        address: The address that replaces the contract's own.
        resolution: The resolver of the client.
        options: The options of all of its calls.
    """

    contract: DeclaredContract
    address: str | None
    resolution: Resolution | None
    options: MappingValue


@dataclass(frozen=True, slots=True)
class ResolverValue:
    """A resolver of ``lambdachain.resolvers``, as passed to ``LambdaClient(resolve=...)``."""

    resolution: Resolution


@dataclass(frozen=True, slots=True)
class PartialValue:
    """A method of boto3's client with keyword arguments: ``functools.partial(client.invoke, FunctionName=...)``."""

    method: ExternalName
    keywords: MappingValue


@dataclass(frozen=True, slots=True)
class EnumMemberValue:
    """A member of an enum that is not a string itself; *values* is what its ``value`` may be."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CallersValue:
    """The calls of all functions of one name; no expression has it, but the names depend on it like on values.

    Attributes:
        by_function: The calls of each function with their scopes, and how many parameters a call passes implicitly.
    """

    by_function: Mapping[Scope, Sequence[tuple[ast.Call, Scope, int]]]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A value that the text of the code does not determine.

    Attributes:
        why: The reason; completes a message.
        variable: The environment variable that holds the value, if it is the value of one.
    """

    why: str
    variable: str = ""


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
    | QueueRouteValue
    | QueueTransportValue
    | BoundFunctionValue
    | ResolverValue
    | PartialValue
    | EnumMemberValue
    | CallersValue
    | Unresolved
)
Values: TypeAlias = tuple[Value, ...]

# No text of a program begins with this, so a key that is not a string is mistaken for none.
_NOT_A_STRING: Final = "\0"
# Some 15 seconds; the largest code bases of a single team that were tried take a third of it.
MAX_EFFORT: Final = 400_000
# Some 0.2 seconds, for one of many expressions; hardly any takes a tenth of it.
EXPRESSION_EFFORT: Final = 5_000
_TOO_MANY_WAYS: Final = Unresolved("too many ways lead there to follow each of them")
UNFINISHED: Final[Values] = (_TOO_MANY_WAYS,)
UNRESOLVED: Final[Values] = (Unresolved("it is computed at run time"),)


# Deeper than configurations nest. A recursive function (an encoder) builds values that contain its own results, and
# these double with each level.
_MAX_NESTING: Final = 5
_NESTED: Final = Unresolved("it is nested too deeply")


def limit_nesting(values: Values) -> Values:
    """Replace the collections among *values* that cannot be part of another one, because they are nested too deeply."""
    if not any(isinstance(value, CollectionValue | MappingValue) for value in values):
        return values
    return tuple(dict.fromkeys(_NESTED if _is_nested(value, _MAX_NESTING) else value for value in values))


def _is_nested(value: Value, levels: int) -> bool:
    """Check whether a collection has at least so many levels."""
    match value:
        case CollectionValue(items):
            return levels == 1 or any(_is_nested(item, levels - 1) for item in items)
        case MappingValue(entries):
            return levels == 1 or any(_is_nested(item, levels - 1) for _, items in entries for item in items)
        case _:
            return False


def union(several: Iterable[Iterable[Value]]) -> Values:
    """Return all values in *several*, each once, in order."""
    found = [value for values in several for value in values]
    # Most often there is one, and to hash it may take long.
    return tuple(found if len(found) < 2 else dict.fromkeys(found))


def merge_mappings(values: Iterable[Value]) -> Values:
    """Merge all mappings among *values* into one that has the entries of each.

    A mapping that is filled step by step (``BY_KIND = {}; BY_KIND["a"] = charge``) has a binding for each step, and
    is only complete with all of them.
    """
    listed = tuple(values)
    mappings = [value for value in listed if isinstance(value, MappingValue)]
    if len(mappings) < 2 and not (mappings and any(isinstance(value, CollectionValue) for value in listed)):
        return listed
    keys = dict.fromkeys(key for mapping in mappings for key, _ in mapping.entries)
    merged = MappingValue(tuple((key, union(mapping.get(key) or () for mapping in mappings)) for key in keys))
    return (*([merged] if keys else ()), *(value for value in listed if not isinstance(value, MappingValue)))


def string_constants(values: Iterable[Value]) -> tuple[str, ...]:
    """Return the strings among *values*."""
    return tuple(value.value for value in values if isinstance(value, Constant) and isinstance(value.value, str))


def unresolved_reasons(values: Iterable[Value]) -> tuple[str, ...]:
    """Return the reasons of the unresolved values among *values*."""
    return tuple(value.why for value in values if isinstance(value, Unresolved))


def get_key(values: Values) -> str | None:
    """Return the key of an entry, if it can be only one: a string, or what stands for a member of an enum.

    >>> get_key((Constant("orders"),))
    'orders'
    """
    match values:
        case (Constant(str(text)),):
            return text
        case (Constant(int(number)),):
            return f"{_NOT_A_STRING}{number}"
        case (EnumMemberValue(name, (Constant(value), *_)),):
            return f"{_NOT_A_STRING}{name}={value}"
        case _:
            return None


def get_elements(values: Iterable[Value]) -> Values:
    """Return what a loop over *values* may assign to its target."""

    def each(value: Value) -> Iterator[Value]:
        match value:
            case CollectionValue(items):
                yield from items
            case MappingValue(entries):
                keys = [key for key, _ in entries]
                yield from (UNRESOLVED[0] if key.startswith(_NOT_A_STRING) else Constant(key) for key in keys)
            case _:
                yield from UNRESOLVED

    return union(each(value) for value in values)


def find_enclosing_frame(frame: Frame | None, scope: Scope) -> Frame | None:
    """Return the innermost frame of a function that encloses *scope*."""
    while frame is not None:
        enclosing: Scope | None = scope
        while enclosing is not None and enclosing is not frame.scope:
            enclosing = enclosing.parent
        if enclosing is not None:
            return frame
        frame = frame.outer
    return None
