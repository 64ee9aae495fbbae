"""What a survey finds: plain values, each with the place where it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from lambdachain._core.text import printable
from lambdachain._json.core_schema import Schema


class SourceLocation(NamedTuple):
    """A line in a file.

    >>> str(SourceLocation("orders/app.py", 12))
    'orders/app.py:12'
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}"


class CallMode(StrEnum):
    """How a function is called."""

    SYNC = "call"
    EVENT = "fire"
    STREAM = "stream"
    DRY_RUN = "can_invoke"

    @property
    def waits(self) -> bool:
        """Whether the caller waits for what the function answers."""
        return self in (CallMode.SYNC, CallMode.STREAM)


# The methods of clients and bound functions that send something to Lambda.
MODE_BY_METHOD: Final[Mapping[str, CallMode]] = {
    "call": CallMode.SYNC,
    "invoke": CallMode.SYNC,
    "map": CallMode.SYNC,
    "fire": CallMode.EVENT,
    "fire_map": CallMode.EVENT,
    "stream": CallMode.STREAM,
    "can_invoke": CallMode.DRY_RUN,
}


class CodeUnit(NamedTuple):
    """A piece of code that runs as one: a function or method, or (with no name) what a module does when imported."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}" if self.name else self.file


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """A type, as far as the syntax tree tells.

    Attributes:
        sent: The JSON Schema of what is written as this type; ``None`` where the text does not tell.
        read: The JSON Schema of what is accepted as this type.
        why: What cannot be told.
    """

    sent: Schema | None
    read: Schema | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredContract:
    """A contract as the code declares it.

    Attributes:
        function: The function's name or ARN, without a qualifier.
        qualifier: The version or alias that calls go to.
        idempotent: Whether it says so; ``None`` where that is decided at run time.
        errors: The names of the declared errors.
        offloads: Whether large payloads go through S3.
        location: Where it is declared.
        base: The code base that it is in.
        forms: The types of ``request``, ``response`` and each error, worked out when asked for.
    """

    function: str
    qualifier: str | None
    idempotent: bool | None
    errors: tuple[str, ...]
    offloads: bool
    location: SourceLocation
    base: str
    schemas: Mapping[str, Callable[[], SourceSchema]] = field(compare=False, repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class DeclaredHandler:
    """A handler: the function that Lambda runs for a contract.

    Attributes:
        contract: Its contract.
        unit: The function.
        setting: What Lambda's handler setting would be, from the file's own directory: ``app.handler``.
        location: Where it is.
    """

    contract: DeclaredContract
    unit: CodeUnit
    handler_setting: str
    location: SourceLocation


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a client finds the deployed name: ``None`` takes the name as it is.

    Attributes:
        resolve: From the contract's name to the deployed one; raises `UnresolvedError` where the text does not tell.
        words: What it is called.
    """

    resolve: Callable[[str], str] | None = field(compare=False)
    words: str


UNCHANGED_NAME: Final = Resolution(None, "")


class UnresolvedError(Exception):
    """The text of the code does not tell; the message says what is missing, and what to do."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A place where a function is called.

    Attributes:
        location: Where.
        unit: The code that calls.
        verb: The method: ``call``, ``fire_map``, ...
        mode: What that is to Lambda.
        function: What is called: the contract's own name, or the address that is given for it.
        is_explicit_address: Whether *function* replaces the address of the contract: no resolver applies to it.
        qualifier: The version or alias.
        resolution: How the client finds the deployed name.
        contract: The contract, where there is one.
        timeout: The seconds that the call gives itself, where they are stated.
    """

    location: SourceLocation
    unit: CodeUnit
    method: str
    mode: CallMode
    function: str
    is_explicit_address: bool
    qualifier: str | None
    resolution: Resolution
    contract: DeclaredContract | None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class UnresolvedCall:
    """Something that cannot be decided from the text of the code."""

    location: SourceLocation
    unit: CodeUnit
    why: str

    def __str__(self) -> str:
        return f"{self.location}: {self.why}"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in one or several code bases.

    Attributes:
        contracts: The contracts, by place.
        handlers: The handlers that are decorated with ``remote``.
        calls: The calls, by place.
        unresolved: What the text does not tell: never empty in silence.
        uses: Which units a unit uses.
        units: Every unit, with its place.
    """

    contracts: tuple[DeclaredContract, ...]
    handlers: tuple[DeclaredHandler, ...]
    calls: tuple[CallSite, ...]
    unresolved: tuple[UnresolvedCall, ...]
    uses: Mapping[CodeUnit, frozenset[CodeUnit]]
    units: Mapping[CodeUnit, SourceLocation]

    def reachable_units(self, start: CodeUnit) -> frozenset[CodeUnit]:
        """Return all code that may run when *start* does, itself among it."""
        seen = {start}
        left = [start]
        while left:
            fresh = self.uses.get(left.pop(), frozenset()) - seen
            seen |= fresh
            left += fresh
        return frozenset(seen)

    def reachable_from(self, starts: Iterable[CodeUnit]) -> Survey:
        """Narrow the calls, and what is undecided, to what may run when one of *starts* does."""
        reached = frozenset[CodeUnit]().union(*map(self.reachable_units, starts))
        calls = tuple(call for call in self.calls if call.unit in reached)
        undecided = tuple(one for one in self.unresolved if one.unit in reached or not one.unit.file)
        return Survey(self.contracts, self.handlers, calls, undecided, self.uses, self.units)

    def find_handlers(self, name: str) -> Iterator[DeclaredHandler]:
        """Return the handlers of a function."""
        return (handler for handler in self.handlers if handler.contract.function == name)
