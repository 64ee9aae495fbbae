"""Build the call graph of one or several code bases: functions, and the calls between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lambdachain._analysis.survey.results import (
    CallMode,
    CallSite,
    CodeUnit,
    DeclaredContract,
    SourceLocation,
    Survey,
    UnresolvedCall,
)
from lambdachain._core.arn import parse_target


@dataclass(frozen=True, slots=True)
class Node:
    """A Lambda function, or code outside of Lambda that calls one.

    Attributes:
        name: The function's name; of code outside, the file's.
        is_function: Whether it is a function.
        location: The handler, or else the contract; ``None`` if the code has neither.
        idempotent: Whether it is declared idempotent; ``None`` if no contract declares it.
        errors: The errors that it declares.
        is_here: Whether its handler is in the code.
        is_resolved: Whether the name is that of a function; otherwise it is what the name depends on: ``$TARGET`` for
            an environment variable, or ``?``.
    """

    name: str
    is_function: bool = True
    location: SourceLocation | None = None
    idempotent: bool | None = None
    errors: tuple[str, ...] = ()
    is_here: bool = False
    is_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """The calls of one function by another with one mode.

    Attributes:
        caller: The name of the node that calls.
        callee: The name of the function that is called.
        mode: How.
        calls: Every place.
    """

    caller: str
    callee: str
    mode: CallMode
    calls: tuple[CallSite | UnresolvedCall, ...]

    @property
    def location(self) -> SourceLocation:
        """Where the caller has the first call, or calls the helper that has it."""
        return self.calls[0].reached_from or self.calls[0].location

    @property
    def keeps_running(self) -> bool:
        """Whether the caller runs, and is billed, while it waits for a response."""
        return self.mode.waits and not all(isinstance(call, CallSite) and call.suspends for call in self.calls)


@dataclass(frozen=True, slots=True)
class Graph:
    """Functions and other callers, and the calls between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node(self, name: str) -> Node:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def functions_only(self) -> Graph:
        """Return the graph without code outside of Lambda."""
        inside = {node.name for node in self.nodes if node.is_function}
        edges = tuple(edge for edge in self.edges if edge.caller in inside)
        return Graph(tuple(node for node in self.nodes if node.is_function), edges)


@dataclass(frozen=True, slots=True)
class FunctionEnvironment:
    """The environment variables of a function, as far as its template sets them.

    Attributes:
        survey: The survey of the code with these variables.
        labels: What the variables hold whose values are not known before the deployment: ``import shared-name``.
    """

    survey: Survey
    labels: Mapping[str, str]


def build_graph(
    survey: Survey,
    entries: Mapping[str, CodeUnit] = MappingProxyType({}),
    environments: Mapping[str, FunctionEnvironment] = MappingProxyType({}),
    deployed: Mapping[str, str] = MappingProxyType({}),
) -> Graph:
    """Return the graph of a survey, without ``can_invoke``, which runs no function.

    Args:
        survey: The calls and handlers.
        entries: Handlers without a decorator, from a template: the code by the function's name.
        environments: The environments of functions, by the function's name.
        deployed: The names in the graph of functions that are deployed under another one.
    """
    starts: dict[str, list[CodeUnit]] = {}
    for handler in survey.handlers:
        starts.setdefault(function_name(handler.contract.function), []).append(handler.unit)
    decorated = {handler.unit for handler in survey.handlers}
    for name, unit in entries.items():
        # A handler with a decorator has the name of its contract, which callers use. Any other may be that of several
        # functions, each with variables of its own.
        if unit not in decorated:
            starts.setdefault(name, []).append(unit)
    builder = _EdgeBuilder(survey, starts, environments, deployed)
    edges = sorted(builder.build(), key=lambda edge: (edge.caller, edge.callee, edge.mode))
    return Graph(tuple(_build_nodes(survey, starts, edges)), tuple(edges))


def function_name(function: str) -> str:
    """Return the function name in a name, partial ARN or ARN."""
    return parse_target(function).name


class _EdgeBuilder:
    """Builds the edges: those of each function, and those of code that no function runs."""

    def __init__(
        self,
        survey: Survey,
        starts: Mapping[str, Iterable[CodeUnit]],
        environments: Mapping[str, FunctionEnvironment],
        deployed: Mapping[str, str],
    ) -> None:
        self._survey = survey
        self._starts = starts
        self._environments = environments
        self._deployed = deployed
        self._found: dict[tuple[str, str, CallMode], dict[CallSite | UnresolvedCall, None]] = {}
        self._seen: set[tuple[SourceLocation, str]] = set()

    def build(self) -> Iterator[Edge]:
        inside: set[CodeUnit] = set()
        for name, units in self._starts.items():
            environment = self._environments.get(name, FunctionEnvironment(self._survey, {}))
            for unit in units:
                inside |= self._survey.reachable_units(unit)
                for call in environment.survey.find_calls(unit):
                    self._add(name, call, environment.labels)
        self._add_outside(inside)
        for (caller, callee, mode), calls in self._found.items():
            yield Edge(
                caller,
                callee,
                mode,
                tuple(sorted(calls, key=lambda call: (call.reached_from or call.location, call.location))),
            )

    def _add_outside(self, inside: set[CodeUnit]) -> None:
        """Add the calls of scripts, tests, and functions whose handler is not known."""
        outside = {
            root: list(self._find_unseen(root) if root in inside else self._survey.find_calls(root))
            for root in self._survey.roots
        }
        names = _get_short_names(root.file for root, calls in outside.items() if calls)
        for root, calls in outside.items():
            for call in calls:
                self._add(names[root.file], call, {})

    def _find_unseen(self, root: CodeUnit) -> Iterator[CallSite | UnresolvedCall]:
        """Yield what a function may run, but was not found to call: it is still reported, as code of its file."""
        calls = self._survey.find_calls(root)
        # With a function's own variables, a call that is unresolved without them has been found under another name,
        # which is then called in place of a default: ``os.environ.get("TARGET") or "usual"``.
        depending = {call.location for call in calls if _get_callee(call).startswith("$")}
        for call in calls:
            callee = _get_callee(call)
            known = "" if _is_label(callee) or call.location in depending else callee
            if (call.location, known) not in self._seen:
                yield call

    def _add(self, caller: str, call: CallSite | UnresolvedCall, labels: Mapping[str, str]) -> None:
        if call.mode is None or call.mode is CallMode.DRY_RUN:
            return
        callee = _get_callee(call)
        self._seen |= {(call.location, callee), (call.location, "")}
        name = labels.get(callee.removeprefix("$"), callee) if _is_label(callee) else callee
        self._found.setdefault((caller, self._deployed.get(name, name), call.mode), {})[call] = None


def _get_callee(call: CallSite | UnresolvedCall) -> str:
    """Return the name of a function, or what stands for one that is not resolved."""
    if isinstance(call, CallSite):
        return function_name(call.function)
    return call.callee if _is_label(call.callee) else function_name(call.callee)


def _is_label(name: str) -> bool:
    """Check whether a name stands for one that is not resolved; no function's name has such characters."""
    return name == "?" or name.startswith("$") or " " in name


def _get_short_names(files: Iterable[str]) -> dict[str, str]:
    """Return the name of each file without its directory, unless two files have the same one."""
    each = set(files)
    times = Counter(Path(file).name for file in each)
    return {file: Path(file).name if times[Path(file).name] == 1 else file for file in each}


def _build_nodes(survey: Survey, starts: Mapping[str, list[CodeUnit]], edges: Iterable[Edge]) -> Iterator[Node]:
    contracts = _group_contracts(survey)
    listed = list(edges)
    resolved = {edge.callee for edge in listed if any(isinstance(call, CallSite) for call in edge.calls)}
    named = {*starts, *contracts, *(edge.callee for edge in listed)}
    for name in sorted(named):
        declared = contracts.get(name, [])
        place = declared[0].location if declared else None
        place = survey.locate_handler(starts[name][0]) if name in starts else place
        errors = tuple(sorted({error for contract in declared for error in contract.errors}))
        is_resolved = name in starts or name in contracts or name in resolved or not _is_label(name)
        yield Node(name, True, place, get_idempotency(declared), errors, name in starts, is_resolved)  # noqa: FBT003 - it is a function
    for name in sorted({edge.caller for edge in listed} - named):
        yield Node(name, is_function=False)


def _group_contracts(survey: Survey) -> dict[str, list[DeclaredContract]]:
    """Return the contracts of each function; those of its handlers come first and take precedence."""
    found: dict[str, list[DeclaredContract]] = {}
    for contract in [*(handler.contract for handler in survey.handlers), *survey.contracts]:
        listed = found.setdefault(function_name(contract.function), [])
        if contract not in listed:
            listed.append(contract)
    return found


def get_idempotency(contracts: Iterable[DeclaredContract]) -> bool | None:
    """Return whether a function is declared idempotent, according to its first contract."""
    return next((contract.idempotent for contract in contracts), None)
