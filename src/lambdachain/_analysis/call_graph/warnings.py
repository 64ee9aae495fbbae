"""Warnings about a call graph: cycles, chains of synchronous calls, timeouts, events that are not idempotent.

``type_mismatches`` has the warnings about types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from lambdachain._analysis.survey.results import CallMode, CallSite, SourceLocation

from .graph import Edge, Graph

# How many nested synchronous calls are accepted without a warning.
MAX_WAITING_CALLS: Final = 2


class WarningKind(StrEnum):
    """The kind of a warning, as it is printed."""

    CYCLE = "cycle"
    CHAIN = "chain"
    TIMEOUT = "timeout"
    FIRED = "fired"
    TYPES = "types"


@dataclass(frozen=True, slots=True)
class GraphWarning:
    """A warning about calls.

    Attributes:
        kind: Its kind.
        location: Where.
        text: The problem, and what to do.
        edges: The calls in question, as caller and callee.
    """

    kind: WarningKind
    location: SourceLocation
    text: str
    edges: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.location}: {self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class ConfiguredTimeout:
    """The timeout of a function in seconds, and the line of the template that has it."""

    seconds: float
    location: str


def find_warnings(graph: Graph, timeouts: Mapping[str, ConfiguredTimeout]) -> list[GraphWarning]:
    """Return the warnings about a graph, by location.

    Args:
        graph: The functions and their calls.
        timeouts: The timeouts of functions, as far as templates have them.
    """
    found = [*_find_cycles(graph), *_find_chains(graph), *_find_timeouts(graph, timeouts), *_find_events(graph)]
    return sorted(found, key=lambda warning: (warning.location, warning.kind))


def _find_cycles(graph: Graph) -> Iterator[GraphWarning]:
    """Yield a warning for each group of functions in cycles: the shortest cycle through the first call of the group."""
    callees = _get_callees(graph.edges)
    for group in find_cyclic_groups(callees):
        edges = sorted(
            (edge for edge in graph.edges if {edge.caller, edge.callee} <= group), key=lambda one: one.location
        )
        first = edges[0]
        path = [first.caller, *_find_path(callees, first.callee, first.caller, group)]
        text = "the calls form a cycle, which Lambda stops after about 16 rounds: remove one of the calls"
        yield GraphWarning(WarningKind.CYCLE, first.location, f"{' -> '.join(path)}: {text}", _get_links(path))


def _find_chains(graph: Graph) -> Iterator[GraphWarning]:
    """Yield the longest chain of synchronous calls from each function that starts one, if it is too long."""
    waiting = [edge for edge in graph.functions_only().edges if edge.keeps_running]
    targets = _get_callees(waiting)
    # Functions in a cycle have a warning of their own, and no longest chain.
    cyclic = frozenset[str]().union(*find_cyclic_groups(targets))
    targets = {caller: [one for one in callees if one not in cyclic] for caller, callees in targets.items()}
    called = {edge.callee for edge in waiting}
    for start in sorted(targets.keys() - called - cyclic):
        path = _find_longest_path(targets, start)
        if len(path) - 1 > MAX_WAITING_CALLS:
            location = next(edge.location for edge in waiting if (edge.caller, edge.callee) == (path[0], path[1]))
            problem = f"{len(path) - 1} nested synchronous calls, and every caller is billed while it waits"
            advice = "use fire, or orchestrate the functions with Step Functions"
            text = f"{' -> '.join(path)}: {problem}: {advice}"
            yield GraphWarning(WarningKind.CHAIN, location, text, _get_links(path))


def _find_timeouts(graph: Graph, timeouts: Mapping[str, ConfiguredTimeout]) -> Iterator[GraphWarning]:
    for edge in graph.edges:
        own, callees = timeouts.get(edge.caller), timeouts.get(edge.callee)
        # With equal timeouts the caller, whose clock started earlier, still times out first.
        if own is None or callees is None or not edge.keeps_running or callees.seconds < own.seconds:
            continue
        limits = [call.timeout if isinstance(call, CallSite) else None for call in edge.calls]
        if all(limit is not None and limit < own.seconds for limit in limits):
            continue  # each call times out before its caller does
        text = (
            f"{edge.callee} may take {callees.seconds:g} s ({callees.location}), but its caller {edge.caller} times "
            f"out after {own.seconds:g} s ({own.location}): raise the caller's timeout, lower the callee's, or pass "
            "timeout= to the call"
        )
        yield GraphWarning(WarningKind.TIMEOUT, edge.location, text, ((edge.caller, edge.callee),))


def _find_events(graph: Graph) -> Iterator[GraphWarning]:
    for edge in graph.edges:
        if edge.mode is CallMode.EVENT and graph.node(edge.callee).idempotent is False:
            problem = f"{edge.callee} is fired but not declared idempotent, and Lambda delivers an event at least once"
            advice = "make it idempotent and declare Contract(..., idempotent=True), or use call"
            text = f"{problem}: {advice}"
            yield GraphWarning(WarningKind.FIRED, edge.location, text, ((edge.caller, edge.callee),))


def find_cyclic_groups(targets: Mapping[str, Sequence[str]]) -> list[frozenset[str]]:
    """Return the groups of functions in which each reaches every other and itself (strongly connected components).

    >>> [sorted(group) for group in find_cyclic_groups({"a": ["b"], "b": ["a", "c"], "c": []})]
    [['a', 'b']]
    """
    reach = {name: _find_reachable(targets, name) for name in targets}
    found = {frozenset(other for other in reach[name] if name in reach.get(other, ())) for name in targets}
    return sorted((group for group in found if group), key=sorted)


def _find_reachable(targets: Mapping[str, Sequence[str]], start: str) -> frozenset[str]:
    """Return all functions that *start* calls, directly or through others."""
    seen: set[str] = set()
    pending = list(targets.get(start, ()))
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += targets.get(name, ())
    return frozenset(seen)


def _get_callees(edges: Iterable[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for edge in edges:
        found.setdefault(edge.caller, [])
        if edge.callee not in found[edge.caller]:
            found[edge.caller].append(edge.callee)
    return found


def _find_path(targets: Mapping[str, Sequence[str]], start: str, end: str, group: frozenset[str]) -> list[str]:
    """Return the shortest path from *start* to *end* within *group*."""
    paths = [[start]]
    seen = {start}
    for path in paths:  # breadth first: the list grows while it is iterated
        if path[-1] == end:
            return path
        for name in targets.get(path[-1], ()):
            if name in group and (name not in seen or name == end):
                seen.add(name)
                paths.append([*path, name])
    return [start, end]


def _find_longest_path(targets: Mapping[str, Sequence[str]], start: str) -> list[str]:
    """Return the longest path from *start*; *targets* has no cycles."""
    paths = [_find_longest_path(targets, name) for name in targets.get(start, ())]
    return [start, *(max(paths, key=len) if paths else ())]


def _get_links(path: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pairwise(path))
