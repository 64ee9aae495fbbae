"""Build the call graph of one or several code bases: functions, and the calls between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lambdachain._analysis.survey.results import CallMode, CallSite, CodeUnit, DeclaredContract, SourceLocation, Survey
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
    """

    name: str
    is_function: bool = True
    location: SourceLocation | None = None
    idempotent: bool | None = None
    errors: tuple[str, ...] = ()
    is_here: bool = False


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
    calls: tuple[CallSite, ...]

    @property
    def location(self) -> SourceLocation:
        """The location of the first call."""
        return self.calls[0].location


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


def build_graph(survey: Survey, entries: Mapping[str, CodeUnit] = MappingProxyType({})) -> Graph:
    """Return the graph of a survey, without ``can_invoke``, which runs no function.

    Args:
        survey: The calls and handlers.
        entries: Handlers without a decorator, from a template: the code by the function's name.
    """
    starts: dict[str, list[CodeUnit]] = {}
    for handler in survey.handlers:
        starts.setdefault(function_name(handler.contract.function), []).append(handler.unit)
    for name, unit in entries.items():
        # A handler with a decorator has the name of its contract, which callers use.
        if not any(unit in units for units in starts.values()):
            starts.setdefault(name, []).append(unit)
    edges = sorted(_build_edges(survey, starts), key=lambda edge: (edge.caller, edge.callee, edge.mode))
    return Graph(tuple(_build_nodes(survey, starts, edges)), tuple(edges))


def function_name(function: str) -> str:
    """Return the function name in a name, partial ARN or ARN."""
    return parse_target(function).name


def _build_edges(survey: Survey, starts: Mapping[str, Iterable[CodeUnit]]) -> Iterator[Edge]:
    found: dict[tuple[str, str, CallMode], list[CallSite]] = {}
    inside: set[CodeUnit] = set()
    for name, units in starts.items():
        reached = frozenset[CodeUnit]().union(*map(survey.reachable_units, units))
        inside |= reached
        for call in survey.calls:
            if call.unit in reached and call.mode is not CallMode.DRY_RUN:
                found.setdefault((name, function_name(call.function), call.mode), []).append(call)
    # What no handler can reach is a script, a test, or code of a function whose handler is not known.
    outside = [call for call in survey.calls if call.unit not in inside and call.mode is not CallMode.DRY_RUN]
    names = _get_short_names(call.location.file for call in outside)
    for call in outside:
        found.setdefault((names[call.location.file], function_name(call.function), call.mode), []).append(call)
    for (caller, callee, mode), calls in found.items():
        yield Edge(caller, callee, mode, tuple(calls))


def _get_short_names(files: Iterable[str]) -> dict[str, str]:
    """Return the name of each file without its directory, unless two files have the same one."""
    each = set(files)
    times = Counter(Path(file).name for file in each)
    return {file: Path(file).name if times[Path(file).name] == 1 else file for file in each}


def _build_nodes(survey: Survey, starts: Mapping[str, list[CodeUnit]], edges: Iterable[Edge]) -> Iterator[Node]:
    contracts = _group_contracts(survey)
    named = {*starts, *contracts, *(edge.callee for edge in edges)}
    for name in sorted(named):
        declared = contracts.get(name, [])
        place = survey.units[starts[name][0]] if name in starts else declared[0].location if declared else None
        errors = tuple(sorted({error for contract in declared for error in contract.errors}))
        yield Node(name, True, place, get_idempotency(declared), errors, name in starts)  # noqa: FBT003 - it is a function
    for name in sorted({edge.caller for edge in edges} - named):
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
