"""What will not go well: cycles, chains, timeouts, events that must not come twice, types that do not match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from lambdachain._analysis.survey.results import CallMode, SourceLocation

from .graph import Edge, Graph

MAX_WAITING_CALLS: Final = 2


class WarningKind(StrEnum):
    """What a warning is about."""

    CYCLE = "cycle"
    CHAIN = "chain"
    TIMEOUT = "timeout"
    FIRED = "fired"
    TYPES = "types"


@dataclass(frozen=True, slots=True)
class GraphWarning:
    """One warning.

    Attributes:
        kind: What it is about.
        location: Where.
        text: What will not go well, and what to do.
        edges: The calls that it is about, as caller and callee.
    """

    kind: WarningKind
    location: SourceLocation
    text: str
    edges: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.location}: {self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class ConfiguredTimeout:
    """How long an invocation of a function may take, and where that is written."""

    seconds: float
    spot: str


def find_warnings(graph: Graph, timeouts: Mapping[str, ConfiguredTimeout]) -> list[GraphWarning]:
    """Find what the graph itself tells, ordered by place.

    Args:
        graph: Who calls whom.
        timeouts: The functions' timeouts, as far as templates tell.
    """
    found = [*_cycles(graph), *_chains(graph), *_misfits(graph, timeouts), *_fired(graph)]
    return sorted(found, key=lambda warned: (warned.location, warned.kind))


def _cycles(graph: Graph) -> Iterator[GraphWarning]:
    """One for each group of functions that call each other in a circle: the shortest circle through its first call."""
    targets = _targets(graph.edges)
    for group in find_cycles(targets):
        edges = sorted(
            (edge for edge in graph.edges if {edge.caller, edge.callee} <= group), key=lambda one: one.location
        )
        first = edges[0]
        way = [first.caller, *_way(targets, first.callee, first.caller, group)]
        told = "Lambda stops such a chain after about 16 rounds; have one of them not call on"
        yield GraphWarning(WarningKind.CYCLE, first.location, f"{' -> '.join(way)}: {told}", _steps(way))


def _chains(graph: Graph) -> Iterator[GraphWarning]:
    """One for each function that no other waits for: the longest chain of calls that wait, if it is too long."""
    waiting = [edge for edge in graph.functions_only().edges if edge.mode.waits]
    targets = _targets(waiting)
    around = frozenset[str]().union(*find_cycles(targets))
    targets = {caller: [one for one in callees if one not in around] for caller, callees in targets.items()}
    called = {edge.callee for edge in waiting}
    for start in sorted(targets.keys() - called - around):
        way = _longest(targets, start)
        if len(way) - 1 > MAX_WAITING_CALLS:
            place = next(edge.location for edge in waiting if (edge.caller, edge.callee) == (way[0], way[1]))
            told = f"{len(way) - 1} calls wait for each other, and all are billed while the last one works"
            advice = "fire, or let Step Functions lead"
            yield GraphWarning(WarningKind.CHAIN, place, f"{' -> '.join(way)}: {told}: {advice}", _steps(way))


def _misfits(graph: Graph, timeouts: Mapping[str, ConfiguredTimeout]) -> Iterator[GraphWarning]:
    for edge in graph.edges:
        mine, its = timeouts.get(edge.caller), timeouts.get(edge.callee)
        if mine is None or its is None or not edge.mode.waits or its.seconds < mine.seconds:
            continue
        if all(call.timeout is not None and call.timeout < mine.seconds for call in edge.calls):
            continue  # each call says itself how long it waits
        told = (
            f"{edge.callee} may take {its.seconds:g} s ({its.spot}), {edge.caller}, which waits for it, has "
            f"{mine.seconds:g} s ({mine.spot}): give the caller more, the callee less, or the call a timeout="
        )
        yield GraphWarning(WarningKind.TIMEOUT, edge.location, told, ((edge.caller, edge.callee),))


def _fired(graph: Graph) -> Iterator[GraphWarning]:
    for edge in graph.edges:
        if edge.mode is CallMode.EVENT and graph.node(edge.callee).idempotent is False:
            told = f"{edge.callee} is fired and not declared idempotent: Lambda delivers an event at least once"
            advice = "make it bear that and say Contract(..., idempotent=True), or call it"
            yield GraphWarning(WarningKind.FIRED, edge.location, f"{told}: {advice}", ((edge.caller, edge.callee),))


def find_cycles(targets: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """Find the groups in which each reaches every other, and itself.

    >>> [sorted(circle) for circle in find_cycles({"a": ["b"], "b": ["a", "c"], "c": []})]
    [['a', 'b']]
    """
    reach = {name: _reached(targets, name) for name in targets}
    found = {frozenset(other for other in reach[name] if name in reach.get(other, ())) for name in targets}
    return sorted((group for group in found if group), key=sorted)


def _reached(targets: Mapping[str, Sequence[str]], start: str) -> frozenset[str]:
    """Return all that is called from *start* on, in one step or more."""
    seen: set[str] = set()
    left = list(targets.get(start, ()))
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += targets.get(name, ())
    return frozenset(seen)


def _targets(edges: Iterable[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in edges:
        found.setdefault(edge.caller, [])
        if edge.callee not in found[edge.caller]:
            found[edge.caller].append(edge.callee)
    return found


def _way(targets: Mapping[str, Sequence[str]], start: str, end: str, group: frozenset[str]) -> list[str]:
    """Return the shortest way from *start* to *end* within *group*."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        if way[-1] == end:
            return way
        for name in targets.get(way[-1], ()):
            if name in group and (name not in seen or name == end):
                seen.add(name)
                ways.append([*way, name])
    return [start, end]


def _longest(targets: Mapping[str, Sequence[str]], start: str) -> list[str]:
    """Return the longest way from *start*; there are no circles in *targets*."""
    ways = [_longest(targets, name) for name in targets.get(start, ())]
    return [start, *(max(ways, key=len) if ways else ())]


def _steps(way: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pairwise(way))
