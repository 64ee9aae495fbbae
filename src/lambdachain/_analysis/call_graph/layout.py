"""A layered drawing: callers on the left, what they call to their right, few crossings (after Sugiyama)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Link = tuple[str, str]

_SWEEPS: Final = 12
# How wide a row of nodes may be that are connected to nothing.
_ROW: Final = 640


@dataclass(frozen=True, slots=True)
class Box:
    """How much room a node takes."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is.

    Attributes:
        boxes: The upper left corner of each node.
        paths: The points that each link goes through, from the caller's edge to the callee's.
        width: The whole width.
        height: The whole height.
    """

    boxes: Mapping[str, tuple[float, float]]
    paths: Mapping[Link, tuple[tuple[float, float], ...]]
    width: float
    height: float


def lay_out(sizes: Mapping[str, Box], links: Sequence[Link], *, gap: float = 22, lane: float = 90) -> Layout:
    """Place nodes and links; connected ones together, the groups below each other.

    Args:
        sizes: The nodes.
        links: Who calls whom; a node that calls itself is not a link.
        gap: The room between nodes below each other.
        lane: The room between columns.
    """
    boxes: dict[str, tuple[float, float]] = {}
    paths: dict[Link, tuple[tuple[float, float], ...]] = {}
    width = top = 0.0
    links = [link for link in dict.fromkeys(links) if link[0] != link[1]]
    groups = _groups(sizes, links)
    for group in (group for group in groups if len(group) > 1):
        own = [link for link in links if link[0] in group]
        part = _Group({name: sizes[name] for name in sizes if name in group}, own, gap, lane)
        boxes |= {name: (x, y + top) for name, (x, y) in part.boxes.items()}
        paths |= {link: tuple((x, y + top) for x, y in points) for link, points in part.paths.items()}
        width, top = max(width, part.width), top + part.height + gap
    alone = [name for group in groups for name in group if len(group) == 1]
    rows = _rows({name: sizes[name] for name in alone}, max(width, _ROW), gap, top)
    boxes |= rows
    width = max([width, *(x + sizes[name].width for name, (x, _) in rows.items())])
    height = max([top - gap, *(y + sizes[name].height for name, (_, y) in rows.items())])
    return Layout(boxes, paths, width, max(0.0, height))


def _rows(sizes: Mapping[str, Box], width: float, gap: float, top: float) -> dict[str, tuple[float, float]]:
    """Set what is connected to nothing side by side, like words in lines."""
    placed: dict[str, tuple[float, float]] = {}
    x, y, height = 0.0, top, 0.0
    for name, size in sizes.items():
        if x and x + size.width > width:
            x, y, height = 0.0, y + height + gap, 0.0
        placed[name] = (x, y)
        x, height = x + size.width + gap, max(height, size.height)
    return placed


def _groups(names: Iterable[str], links: Sequence[Link]) -> list[set[str]]:
    """Find what is connected; the largest group first, then by name."""
    group_of = {name: {name} for name in names}
    for caller, callee in links:
        if group_of[caller] is not group_of[callee]:
            joined = group_of[caller] | group_of[callee]
            for name in joined:
                group_of[name] = joined
    distinct = {id(group): group for group in group_of.values()}.values()
    return sorted(distinct, key=lambda group: (-len(group), min(group)))


class _Group:
    """One connected part."""

    def __init__(self, sizes: Mapping[str, Box], links: Sequence[Link], gap: float, lane: float) -> None:
        self._sizes = dict(sizes)
        self._gap = gap
        forward = _without_circles(sizes, links)
        columns = _columns(sizes, [link for link, _ in forward.values()])
        chains = {link: self._chain(way, columns) for link, (way, _) in forward.items()}
        self._order = self._ordered(columns, chains.values())
        self.boxes, self.width, self.height = self._placed(lane, chains.values())
        self.paths = {link: self._way(chain if not forward[link][1] else chain[::-1]) for link, chain in chains.items()}
        self.boxes = {name: corner for name, corner in self.boxes.items() if name in sizes}

    def _chain(self, link: Link, columns: dict[str, int]) -> list[str]:
        """Put a bend into each column that a long link passes."""
        start, end = link
        bends = [f"{start}\n{end}\n{column}" for column in range(columns[start] + 1, columns[end])]
        for column, bend in enumerate(bends, columns[start] + 1):
            columns[bend] = column
            self._sizes[bend] = Box(0, 0)
        return [start, *bends, end]

    def _ordered(self, columns: Mapping[str, int], chains: Iterable[list[str]]) -> list[list[str]]:
        """Order each column by where its neighbours are, to and fro, and keep the order with the fewest crossings."""
        steps = [step for chain in chains for step in pairwise(chain)]
        order = [[name for name in columns if columns[name] == column] for column in range(max(columns.values()) + 1)]
        best, fewest = order, _crossings(order, steps)
        for sweep in range(_SWEEPS):
            order = _swept(order, steps, to_right=sweep % 2 == 0)
            count = _crossings(order, steps)
            if count < fewest:
                best, fewest = order, count
        return best

    def _placed(self, lane: float, chains: Iterable[list[str]]) -> tuple[dict[str, tuple[float, float]], float, float]:
        middles = self._middles([step for chain in chains for step in pairwise(chain)])
        least = min(middles[name] - self._sizes[name].height / 2 for name in middles)
        boxes: dict[str, tuple[float, float]] = {}
        x = height = 0.0
        for column in self._order:
            width = max(self._sizes[name].width for name in column)
            for name in column:
                top = middles[name] - self._sizes[name].height / 2 - least
                boxes[name] = (x, top)
                height = max(height, top + self._sizes[name].height)
            x += width + lane
        return boxes, x - lane, height

    def _middles(self, steps: Sequence[Link]) -> dict[str, float]:
        """Return each node the height at which its neighbours are, without overlapping."""
        middles: dict[str, float] = {}
        for column in self._order:
            self._spread(column, dict.fromkeys(column, 0.0), middles)
        for sweep in range(_SWEEPS):
            columns = self._order if sweep % 2 == 0 else self._order[::-1]
            for column in columns:
                wanted = {name: _mean(_neighbours(name, steps), middles) for name in column}
                self._spread(column, wanted, middles)
        return middles

    def _spread(self, column: list[str], wanted: Mapping[str, float], middles: dict[str, float]) -> None:
        """Put a column's nodes where they want to be, in order, and as a whole neither above nor below that."""
        at = float("-inf")
        for name in column:
            half = self._sizes[name].height / 2
            middles[name] = max(wanted[name], at + half)
            at = middles[name] + half + self._gap
        drift = sum(middles[name] - wanted[name] for name in column) / len(column)
        for name in column:
            middles[name] -= drift

    def _way(self, chain: list[str]) -> tuple[tuple[float, float], ...]:
        """Go from the near edge of the first node to the near edge of the last."""
        points: list[tuple[float, float]] = []
        forward = self.boxes[chain[-1]][0] > self.boxes[chain[0]][0]
        for index, name in enumerate(chain):
            (x, y), size = self.boxes[name], self._sizes[name]
            leaves_right = forward == (index == 0)
            points.append((x + (size.width if leaves_right else 0), y + size.height / 2))
        return tuple(points)


def _without_circles(names: Iterable[str], links: Sequence[Link]) -> dict[Link, tuple[Link, bool]]:
    """Turn round the links that close a circle; the flag says which were turned."""
    done: set[str] = set()
    open_: list[str] = []
    found: dict[Link, tuple[Link, bool]] = {}

    def visit(name: str) -> None:
        open_.append(name)
        for link in links:
            if link[0] == name:
                closes = link[1] in open_
                found[link] = ((link[1], link[0]) if closes else link, closes)
                if not closes and link[1] not in done:
                    visit(link[1])
        open_.pop()
        done.add(name)

    called = {callee for _, callee in links}
    for name in sorted(names, key=lambda name: (name in called, name)):
        if name not in done:
            visit(name)
    return found


def _columns(names: Iterable[str], links: Sequence[Link]) -> dict[str, int]:
    """Put each node to the right of all that call it, and callers of one close to what they call."""
    columns = dict.fromkeys(names, 0)
    for _ in columns:
        for caller, callee in links:
            columns[callee] = max(columns[callee], columns[caller] + 1)
    called = {callee for _, callee in links}
    for name in columns:
        ahead = [columns[callee] for caller, callee in links if caller == name]
        if name not in called and ahead:
            columns[name] = min(ahead) - 1
    return columns


def _swept(order: list[list[str]], steps: Sequence[Link], *, to_right: bool) -> list[list[str]]:
    swept = [list(column) for column in order]
    for index in range(1, len(swept)) if to_right else range(len(swept) - 2, -1, -1):
        beside = {name: float(row) for row, name in enumerate(swept[index - 1 if to_right else index + 1])}
        rows = {name: float(row) for row, name in enumerate(swept[index])}
        means = {
            name: _mean([one for one in _neighbours(name, steps) if one in beside], beside, rows[name]) for name in rows
        }
        swept[index].sort(key=lambda name, means=means: means[name])  # type: ignore[misc]  # its default is bound now
    return swept


def _neighbours(name: str, steps: Sequence[Link]) -> list[str]:
    return [end for start, end in steps if start == name] + [start for start, end in steps if end == name]


def _mean(names: Sequence[str], at: Mapping[str, float], otherwise: float = 0.0) -> float:
    known = [at[name] for name in names if name in at]
    return sum(known) / len(known) if known else otherwise


def _crossings(order: Sequence[Sequence[str]], steps: Sequence[Link]) -> int:
    row = {name: index for column in order for index, name in enumerate(column)}
    column_of = {name: index for index, column in enumerate(order) for name in column}
    count = 0
    for index, (start, end) in enumerate(steps):
        for other_start, other_end in steps[index + 1 :]:
            if column_of[start] == column_of[other_start]:
                count += (row[start] - row[other_start]) * (row[end] - row[other_end]) < 0
    return count
