"""The results of a survey: plain values, each with file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import takewhile
from typing import Final, NamedTuple

from lambdachain._core.escaping import printable
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
    """How a call asks Lambda to run the function; ``UNDECIDED`` if its InvocationType is computed at run time."""

    SYNC = "call"
    EVENT = "fire"
    STREAM = "stream"
    DRY_RUN = "can_invoke"
    UNDECIDED = "undecided"

    @property
    def waits(self) -> bool:
        """Whether the caller certainly waits for the function's response."""
        return self in (CallMode.SYNC, CallMode.STREAM)


# The methods of clients, bound functions and handlers that send a request to Lambda.
MODE_BY_METHOD: Final[Mapping[str, CallMode]] = {
    "call": CallMode.SYNC,
    "invoke": CallMode.SYNC,
    "map": CallMode.SYNC,
    "fire": CallMode.EVENT,
    "fire_map": CallMode.EVENT,
    "stream": CallMode.STREAM,
    "can_invoke": CallMode.DRY_RUN,
}


# ``invoke`` of the durable SDK's context, which suspends the caller: it is not billed, and its timeout does not run.
DURABLE_INVOKE: Final = "context.invoke"

# A helper that everything calls has a reason for each caller; three show what kind they are.
_MAX_REASONS: Final = 3


class CodeUnit(NamedTuple):
    """Code that runs as a whole: a function or method or, without a name, what importing a module runs."""

    file: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}" if self.name else self.file


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """The JSON Schemas of a type, as far as its source determines them.

    Attributes:
        sent: The schema of what is serialized from this type; ``None`` if it is unresolved.
        read: The schema of what is accepted for this type; ``None`` if it is unresolved.
        why: Why it is unresolved; empty if it is not.
    """

    sent: Schema | None
    read: Schema | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredContract:
    """A contract that the code declares.

    Attributes:
        function: The function's name or ARN, without a qualifier.
        qualifier: The version or alias that calls go to.
        idempotent: Whether it is declared idempotent; ``None`` if that is decided at run time.
        errors: The names of the declared errors.
        offloads: Whether large payloads go through S3.
        location: The file and line of the declaration.
        base: The code base that it is in.
        schemas: Functions that read the types of ``request`` and ``response``.
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
    """A handler: the function in the code that Lambda runs for a contract.

    Attributes:
        contract: Its contract.
        unit: The function.
        handler_setting: Lambda's ``Handler`` setting, relative to the file's directory: ``app.handler``.
        location: The file and line of the function.
    """

    contract: DeclaredContract
    unit: CodeUnit
    handler_setting: str
    location: SourceLocation


@dataclass(frozen=True, slots=True)
class RoutedQueue:
    """The SQS queue that the events of a contract go to, in place of Lambda's own.

    Attributes:
        function: The contract's name; empty if it is unresolved.
        url: The queue's URL; ``None`` if it is unresolved.
        why: Why one of them is.
    """

    function: str
    url: str | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a client turns a contract's name into the deployed one, and where it sends events.

    Attributes:
        resolve: Returns the deployed name, or raises `UnresolvedError`; ``None`` leaves names unchanged.
        description: What resolutions are compared by: two clients with equal descriptions resolve names alike.
        queues: The queues of its transport.
    """

    resolve: Callable[[str], str] | None = field(compare=False)
    description: str
    queues: tuple[RoutedQueue, ...] = ()


UNCHANGED_NAME: Final = Resolution(None, "")


class UnresolvedError(Exception):
    """The text of the code does not determine a name; the message has the reason and what to do."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call of a function, with its target.

    Attributes:
        location: The file and line of the call.
        unit: The code that it is in.
        method: The method: ``call``, ``fire_map``, ...
        mode: How Lambda is asked to run the function.
        function: The contract's own name, or the address that replaces it.
        is_explicit_address: Whether *function* replaces the address of the contract: no resolver applies to it.
        qualifier: The version or alias.
        resolution: How the client turns the name into the deployed one.
        contract: The contract, if there is one.
        timeout: The ``timeout=`` of the call in seconds, if it is a constant.
        why_undecided: Why *mode* is ``UNDECIDED``, as a message for the user; empty for any other mode.
        reached_from: Where the code that starts calls the helper that has the call; ``None`` if it has the call itself.
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
    why_undecided: str = ""
    reached_from: SourceLocation | None = field(default=None, compare=False)

    @property
    def suspends(self) -> bool:
        """Whether the caller is suspended until there is a response, instead of running on."""
        return self.method == DURABLE_INVOKE


@dataclass(frozen=True, slots=True)
class UnresolvedCall:
    """A call, handler or file that the survey could not resolve.

    Attributes:
        location: The file and line.
        unit: The code that it is in.
        why: A message for the user.
        callee: Of a call, what is known of the function: its name if something else is unresolved, ``$NAME`` if the
            environment variable *NAME* holds it, otherwise ``?``. Empty for a handler or a file.
        mode: How a call asks Lambda to run the function.
        reached_from: As of a ``CallSite``.
    """

    location: SourceLocation
    unit: CodeUnit
    why: str
    callee: str = ""
    mode: CallMode | None = None
    reached_from: SourceLocation | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.location}: {self.why}"


def describe_location(call: CallSite | UnresolvedCall) -> str:
    """Return where a caller has a call: its own line, and that of the helper which has the call."""
    return f"{call.reached_from} (through {call.location})" if call.reached_from else str(call.location)


def explain_undecided(call: CallSite) -> UnresolvedCall:
    """Return the message for a call whose function is known, but not its mode."""
    return UnresolvedCall(call.location, call.unit, call.why_undecided, call.function, call.mode)


def merge_by_site(unresolved: Iterable[UnresolvedCall]) -> tuple[UnresolvedCall, ...]:
    """Return one entry for each call, by location: a target with three possible values may have three reasons.

    >>> site = SourceLocation("app.py", 3), CodeUnit("app.py", "send")
    >>> [one] = merge_by_site(
    ...     UnresolvedCall(*site, f"cannot resolve the target of call(x): {why}")
    ...     for why in ("it is computed at run time", "it is the parameter 'x' of send")
    ... )
    >>> str(one)
    "app.py:3: cannot resolve the target of call(x): it is computed at run time; it is the parameter 'x' of send"
    """
    by_site: dict[tuple[SourceLocation, CodeUnit, str], list[UnresolvedCall]] = {}
    for one in unresolved:
        # Two calls on one line differ in their source, which precedes the reason.
        subject = one.why.partition(": ")[0]
        by_site.setdefault((one.location, one.unit, subject), []).append(one)
    merged = [_merge_reasons(each) for each in by_site.values()]
    return tuple(sorted(merged, key=lambda one: (one.location, one.why)))


def _merge_reasons(calls: Sequence[UnresolvedCall]) -> UnresolvedCall:
    reasons = sorted({call.why for call in calls})
    if len(reasons) == 1:
        return calls[0]
    # What they have in common ends with the source of the call, which may itself contain a colon. Between the first and
    # the last in alphabetical order, all others have it in common too.
    pairs = zip(reasons[0], reasons[-1], strict=False)
    subject = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    subject = subject[: subject.rfind(": ") + 2]
    listed = [reason.removeprefix(subject) for reason in reasons[:_MAX_REASONS]]
    if len(reasons) > _MAX_REASONS:
        listed.append(f"and {len(reasons) - _MAX_REASONS} more reasons")
    return replace(calls[0], why=f"{subject}{'; '.join(listed)}")


@dataclass(frozen=True, slots=True)
class Survey:
    """The results of surveying one or several code bases.

    Attributes:
        contracts: The contracts, by location.
        handlers: The handlers decorated with ``remote``, by location.
        calls: The calls, by location.
        unresolved: The calls that could not be resolved, by location; the survey leaves out no call silently.
        uses: Which units each unit may run, whatever is passed to it.
        units: Every unit, with its location.
        roots: The units that no other code calls; all calls are reached from one of them.
        find_calls: Returns the calls that may run when a unit runs, with the arguments that are passed on the way.
        find_calls_with: Returns ``find_calls`` for other environment variables.
        locate_handler: Returns where the code of a handler is, by its file and its name in it, which may be an
            assignment or an import instead of a function; ``None`` if it is not in the code.
    """

    contracts: tuple[DeclaredContract, ...]
    handlers: tuple[DeclaredHandler, ...]
    calls: tuple[CallSite, ...]
    unresolved: tuple[UnresolvedCall, ...]
    uses: Mapping[CodeUnit, frozenset[CodeUnit]]
    units: Mapping[CodeUnit, SourceLocation]
    roots: tuple[CodeUnit, ...] = ()
    find_calls: Callable[[CodeUnit], tuple[CallSite | UnresolvedCall, ...]] = field(
        compare=False, repr=False, default=lambda _: ()
    )
    find_calls_with: Callable[[Mapping[str, str]], Callable[[CodeUnit], tuple[CallSite | UnresolvedCall, ...]]] = field(
        compare=False, repr=False, default=lambda _: lambda _: ()
    )
    locate_handler: Callable[[CodeUnit], SourceLocation | None] = field(
        compare=False, repr=False, default=lambda _: None
    )

    def in_environment(self, environment: Mapping[str, str]) -> Survey:
        """Return the survey for code that runs with other environment variables.

        Only ``find_calls`` and ``reachable_from`` take account of them: *calls* and *unresolved* stay.
        """
        return replace(self, find_calls=self.find_calls_with(environment))

    def reachable_units(self, start: CodeUnit) -> frozenset[CodeUnit]:
        """Return all units that may run when *start* runs, including itself."""
        seen = {start}
        pending = [start]
        while pending:
            new = self.uses.get(pending.pop(), frozenset()) - seen
            seen |= new
            pending += new
        return frozenset(seen)

    def reachable_from(self, starts: Iterable[CodeUnit]) -> Survey:
        """Return the survey with only the calls that may run when one of *starts* runs, as they run then."""
        listed = list(starts)
        found = dict.fromkeys(call for start in listed for call in self.find_calls(start))
        calls = (call for call in found if isinstance(call, CallSite))
        # A file that could not be parsed belongs to no unit. It may contain calls, so it stays.
        whole = (one for one in self.unresolved if not one.unit.file)
        unresolved = dict.fromkeys([*whole, *(call for call in found if isinstance(call, UnresolvedCall))])
        return replace(
            self,
            calls=tuple(sorted(calls, key=lambda call: call.location)),
            unresolved=tuple(sorted(unresolved, key=lambda one: one.location)),
        )

    @property
    def undecided_modes(self) -> tuple[UnresolvedCall, ...]:
        """The calls whose function is known, but not whether they wait for it."""
        return tuple(explain_undecided(call) for call in self.calls if call.mode is CallMode.UNDECIDED)

    def find_handlers(self, name: str) -> Iterator[DeclaredHandler]:
        """Return the handlers of a function, by its name in the contract."""
        return (handler for handler in self.handlers if handler.contract.function == name)
