"""Layered graph layout (after Sugiyama): callers to the left of their callees, with few crossings.

Each connected component goes through the usual steps: reverse the links that close a cycle, assign columns, split
links across several columns by dummy nodes, order the columns, assign vertical positions. Sizes are in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Link = tuple[str, str]

_SWEEPS: Final = 12
# The width of a row of nodes without links.
_ROW_WIDTH: Final = 640


@dataclass(frozen=True, slots=True)
class Box:
    """The size of a node."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of nodes and links.

    Attributes:
        boxes: The upper left corner of each node.
        paths: The points of each link, from the edge of the caller to the edge of the callee.
        width: The total width.
        height: The total height.
    """

    boxes: Mapping[str, tuple[float, float]]
    paths: Mapping[Link, tuple[tuple[float, float], ...]]
    width: float
    height: float


def lay_out(sizes: Mapping[str, Box], links: Sequence[Link], *, gap: float = 22, lane: float = 90) -> Layout:
    """Return the positions of nodes and links: connected components below each other, single nodes in rows.

    Args:
        sizes: The size of each node.
        links: Pairs of caller and callee; links of a node to itself are ignored.
        gap: The vertical space between nodes.
        lane: The space between columns.
    """
    boxes: dict[str, tuple[float, float]] = {}
    paths: dict[Link, tuple[tuple[float, float], ...]] = {}
    width = top = 0.0
    links = [link for link in dict.fromkeys(links) if link[0] != link[1]]
    groups = _find_components(sizes, links)
    for group in (group for group in groups if len(group) > 1):
        own = [link for link in links if link[0] in group]
        component = _Component({name: sizes[name] for name in sizes if name in group}, own, gap, lane)
        boxes |= {name: (x, y + top) for name, (x, y) in component.boxes.items()}
        paths |= {link: tuple((x, y + top) for x, y in points) for link, points in component.paths.items()}
        width, top = max(width, component.width), top + component.height + gap
    alone = [name for group in groups for name in group if len(group) == 1]
    rows = _place_in_rows({name: sizes[name] for name in alone}, max(width, _ROW_WIDTH), gap, top)
    boxes |= rows
    width = max([width, *(x + sizes[name].width for name, (x, _) in rows.items())])
    height = max([top - gap, *(y + sizes[name].height for name, (_, y) in rows.items())])
    return Layout(boxes, paths, width, max(0.0, height))


def _place_in_rows(sizes: Mapping[str, Box], width: float, gap: float, top: float) -> dict[str, tuple[float, float]]:
    """Place nodes without links side by side, and wrap them like words."""
    placed: dict[str, tuple[float, float]] = {}
    x, y, height = 0.0, top, 0.0
    for name, size in sizes.items():
        if x and x + size.width > width:
            x, y, height = 0.0, y + height + gap, 0.0
        placed[name] = (x, y)
        x, height = x + size.width + gap, max(height, size.height)
    return placed


def _find_components(names: Iterable[str], links: Sequence[Link]) -> list[set[str]]:
    """Return the connected components; the largest first, then by name."""
    group_of = {name: {name} for name in names}
    for caller, callee in links:
        if group_of[caller] is not group_of[callee]:
            joined = group_of[caller] | group_of[callee]
            for name in joined:
                group_of[name] = joined
    distinct = {id(group): group for group in group_of.values()}.values()
    return sorted(distinct, key=lambda group: (-len(group), min(group)))


class _Component:
    """The layout of one connected component."""

    def __init__(self, sizes: Mapping[str, Box], links: Sequence[Link], gap: float, lane: float) -> None:
        self._sizes = dict(sizes)
        self._gap = gap
        forward = _reverse_cycles(sizes, links)
        columns = _assign_columns(sizes, [link for link, _ in forward.values()])
        chains = {link: self._insert_dummies(way, columns) for link, (way, _) in forward.items()}
        # Dummies have columns of their own from here on, so order and positions treat them like nodes.
        self._order = self._order_columns(columns, chains.values())
        self.boxes, self.width, self.height = self._place(lane, chains.values())
        self.paths = {
            link: self._get_path(chain if not forward[link][1] else chain[::-1]) for link, chain in chains.items()
        }
        # The dummies are needed for the paths only.
        self.boxes = {name: corner for name, corner in self.boxes.items() if name in sizes}

    def _insert_dummies(self, link: Link, columns: dict[str, int]) -> list[str]:
        """Insert a dummy node into each column that a link passes."""
        start, end = link
        # No function name has a line break, so the names of dummies are unique.
        dummies = [f"{start}\n{end}\n{column}" for column in range(columns[start] + 1, columns[end])]
        for column, dummy in enumerate(dummies, columns[start] + 1):
            columns[dummy] = column
            self._sizes[dummy] = Box(0, 0)
        return [start, *dummies, end]

    def _order_columns(self, columns: Mapping[str, int], chains: Iterable[list[str]]) -> list[list[str]]:
        """Sort each column by the mean position of its neighbors, sweeping in both directions; keep the best order."""
        steps = [step for chain in chains for step in pairwise(chain)]
        order = [[name for name in columns if columns[name] == column] for column in range(max(columns.values()) + 1)]
        best, fewest = order, _count_crossings(order, steps)
        for sweep in range(_SWEEPS):
            order = _sort_columns(order, steps, to_right=sweep % 2 == 0)
            count = _count_crossings(order, steps)
            if count < fewest:
                best, fewest = order, count
        return best

    def _place(self, lane: float, chains: Iterable[list[str]]) -> tuple[dict[str, tuple[float, float]], float, float]:
        middles = self._align_middles([step for chain in chains for step in pairwise(chain)])
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

    def _align_middles(self, steps: Sequence[Link]) -> dict[str, float]:
        """Return the vertical middle of each node: as close to its neighbors as possible without overlapping."""
        middles: dict[str, float] = {}
        for column in self._order:
            self._spread(column, dict.fromkeys(column, 0.0), middles)
        for sweep in range(_SWEEPS):
            columns = self._order if sweep % 2 == 0 else self._order[::-1]
            for column in columns:
                wanted = {name: _mean(_get_neighbors(name, steps), middles) for name in column}
                self._spread(column, wanted, middles)
        return middles

    def _spread(self, column: list[str], wanted: Mapping[str, float], middles: dict[str, float]) -> None:
        """Place the nodes of a column near their desired positions, in order and without overlapping.

        Pushing nodes down moves the column as a whole; subtracting the mean shift moves it back.
        """
        at = float("-inf")
        for name in column:
            half = self._sizes[name].height / 2
            middles[name] = max(wanted[name], at + half)
            at = middles[name] + half + self._gap
        drift = sum(middles[name] - wanted[name] for name in column) / len(column)
        for name in column:
            middles[name] -= drift

    def _get_path(self, chain: list[str]) -> tuple[tuple[float, float], ...]:
        """Return the points from the facing edge of the first node to that of the last."""
        points: list[tuple[float, float]] = []
        forward = self.boxes[chain[-1]][0] > self.boxes[chain[0]][0]
        for index, name in enumerate(chain):
            (x, y), size = self.boxes[name], self._sizes[name]
            leaves_right = forward == (index == 0)
            points.append((x + (size.width if leaves_right else 0), y + size.height / 2))
        return tuple(points)


def _reverse_cycles(names: Iterable[str], links: Sequence[Link]) -> dict[Link, tuple[Link, bool]]:
    """Reverse the links that close a cycle; the flag marks the links that were reversed."""
    done: set[str] = set()
    path: list[str] = []
    found: dict[Link, tuple[Link, bool]] = {}

    def visit(name: str) -> None:
        path.append(name)
        for link in links:
            if link[0] == name:
                closes = link[1] in path
                found[link] = ((link[1], link[0]) if closes else link, closes)
                if not closes and link[1] not in done:
                    visit(link[1])
        path.pop()
        done.add(name)

    # From nodes that nothing calls, so that the links of a path from there keep their direction.
    called = {callee for _, callee in links}
    for name in sorted(names, key=lambda name: (name in called, name)):
        if name not in done:
            visit(name)
    return found


def _assign_columns(names: Iterable[str], links: Sequence[Link]) -> dict[str, int]:
    """Assign each node a column to the right of all its callers; place outermost callers next to their callees."""
    columns = dict.fromkeys(names, 0)
    # As many rounds as there are nodes: the longest path cannot be longer.
    for _ in columns:
        for caller, callee in links:
            columns[callee] = max(columns[callee], columns[caller] + 1)
    called = {callee for _, callee in links}
    for name in columns:
        ahead = [columns[callee] for caller, callee in links if caller == name]
        if name not in called and ahead:
            columns[name] = min(ahead) - 1
    return columns


def _sort_columns(order: list[list[str]], steps: Sequence[Link], *, to_right: bool) -> list[list[str]]:
    swept = [list(column) for column in order]
    for index in range(1, len(swept)) if to_right else range(len(swept) - 2, -1, -1):
        fixed = {name: float(row) for row, name in enumerate(swept[index - 1 if to_right else index + 1])}
        rows = {name: float(row) for row, name in enumerate(swept[index])}
        means = {
            name: _mean([one for one in _get_neighbors(name, steps) if one in fixed], fixed, rows[name])
            for name in rows
        }
        swept[index].sort(key=lambda name, means=means: means[name])  # type: ignore[misc]  # its default is bound now
    return swept


def _get_neighbors(name: str, steps: Sequence[Link]) -> list[str]:
    return [end for start, end in steps if start == name] + [start for start, end in steps if end == name]


def _mean(names: Sequence[str], at: Mapping[str, float], otherwise: float = 0.0) -> float:
    known = [at[name] for name in names if name in at]
    return sum(known) / len(known) if known else otherwise


def _count_crossings(order: Sequence[Sequence[str]], steps: Sequence[Link]) -> int:
    row = {name: index for column in order for index, name in enumerate(column)}
    column_of = {name: index for index, column in enumerate(order) for name in column}
    count = 0
    for index, (start, end) in enumerate(steps):
        for other_start, other_end in steps[index + 1 :]:
            if column_of[start] == column_of[other_start]:
                # Two links cross if their ends are in opposite order.
                count += (row[start] - row[other_start]) * (row[end] - row[other_end]) < 0
    return count
