"""The graph as an SVG picture: one self-contained file for light and dark pages.

The text contains no locations, so that a picture in a repository changes only if the graph does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from lambdachain._analysis.survey.results import CallMode
from lambdachain._core.escaping import printable

from .formats import VERBS, get_notes
from .graph import Edge, Graph, Node
from .layout import Box, Layout, lay_out
from .warnings import GraphWarning

# The width of a letter of a monospaced font, relative to its size. Text cannot be measured without a renderer, and the
# letters of other fonts differ in width.
_LETTER: Final = 0.61
_NAME_SIZE: Final = 13
_NOTE_SIZE: Final = 11
_PADDING: Final = 12
_MARGIN: Final = 24
_LEGEND: Final = 42
_LOOP: Final = 26
_SHIFTS: Final = {CallMode.SYNC: -5, CallMode.STREAM: 0, CallMode.EVENT: 5, CallMode.UNDECIDED: 10}
_CLASSES: Final = {CallMode.EVENT: "fire", CallMode.UNDECIDED: "undecided"}

_STYLE: Final = """
  .paper { fill: #ffffff; }
  .function { fill: #eef3fb; stroke: #3b6fb6; }
  .elsewhere { fill: none; stroke: #3b6fb6; stroke-dasharray: 2 3; }
  .outside { fill: none; stroke: #8a8f98; }
  .unresolved { fill: none; stroke: #8a8f98; stroke-dasharray: 2 3; }
  .call { fill: none; stroke: #4a4f57; stroke-width: 1.5; }
  .fire { fill: none; stroke: #4a4f57; stroke-width: 1.5; stroke-dasharray: 6 4; }
  .warned { stroke: #c2410c; stroke-width: 2.25; }
  .head { fill: #4a4f57; } .warned-head { fill: #c2410c; }
  text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1c2024; }
  .note, .legend { fill: #60656d; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0f1419; }
    .function { fill: #16233a; stroke: #6ea0e8; }
    .elsewhere { stroke: #6ea0e8; }
    .outside, .unresolved { stroke: #8b949e; }
    .call, .fire { stroke: #b4bac2; }
    .warned { stroke: #fb923c; }
    .head { fill: #b4bac2; } .warned-head { fill: #fb923c; }
    text { fill: #e6e9ed; }
    .note, .legend { fill: #9aa2ad; }
  }
"""
# Only in pictures that need it: most code bases have no such call.
_UNDECIDED_STYLE: Final = """
  .undecided { fill: none; stroke: #4a4f57; stroke-width: 1.5; stroke-dasharray: 2 3; }
"""


def as_svg(graph: Graph, warnings: Sequence[GraphWarning] = ()) -> str:
    """Return the picture; calls that a warning is about are highlighted."""
    sizes = {node.name: _measure(node) for node in graph.nodes}
    layout = lay_out(sizes, [(edge.caller, edge.callee) for edge in graph.edges])
    loops = any(edge.caller == edge.callee for edge in graph.edges)
    edges_between = Counter(frozenset(_link(edge)) for edge in graph.edges)
    marked = {link for warning in warnings for link in warning.edges}
    has_undecided = any(edge.mode is CallMode.UNDECIDED for edge in graph.edges)
    # The second number is the width of the legend.
    width = max(layout.width + (_LOOP if loops else 0), 590 if has_undecided else 420) + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN + _LEGEND
    functions = sum(node.is_function for node in graph.nodes)
    title = f"Call graph of {functions} functions"
    edges = [
        _draw_edge(
            edge, layout, sizes, is_marked=_link(edge) in marked, is_shifted=edges_between[frozenset(_link(edge))] > 1
        )
        for edge in graph.edges
    ]
    nodes = [line for node in graph.nodes for line in _draw_node(node, layout.boxes[node.name], sizes[node.name])]
    inner = [f'<g transform="translate({_MARGIN} {_MARGIN})">', *edges, *nodes, "</g>"]
    legend = _draw_legend(height - _LEGEND + 10, has_warnings=bool(marked), has_undecided=has_undecided)
    size = f'width="{width:.0f}" height="{height:.0f}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img"'
    style = _STYLE + (_UNDECIDED_STYLE if has_undecided else "")
    paper = f'<rect class="paper" {size} rx="8"/>'
    head = [f'{opening} aria-label="{title}">', f"<title>{title}</title>", f"<style>{style}</style>"]
    return "\n".join([*head, *_define_arrowheads(), paper, *inner, *legend, "</svg>", ""])


def _link(edge: Edge) -> tuple[str, str]:
    return edge.caller, edge.callee


def _measure(node: Node) -> Box:
    lines = get_notes(node)
    widths = [len(node.name) * _LETTER * _NAME_SIZE, *(len(line) * _LETTER * _NOTE_SIZE for line in lines)]
    return Box(round(max(widths) + 2 * _PADDING), 34 + 15 * len(lines))


def _define_arrowheads() -> Iterator[str]:
    for name in ("head", "warned-head"):
        yield (
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path class="{name}" d="M0 0L8 4L0 8z"/></marker>'
        )


def _draw_node(node: Node, corner: tuple[float, float], size: Box) -> Iterator[str]:
    x, y = corner
    kind = "outside" if not node.is_function else "function" if node.is_here else "elsewhere"
    kind = kind if node.is_resolved else "unresolved"
    radius = 6 if node.is_function else size.height / 2
    where = f'x="{x:.1f}" y="{y:.1f}" width="{size.width:g}" height="{size.height:g}" rx="{radius:g}"'
    yield f'<rect class="{kind}" {where}/>'
    middle = x + size.width / 2
    yield _draw_text(node.name, middle, y + 21.5, _NAME_SIZE)
    for index, line in enumerate(get_notes(node)):
        yield _draw_text(line, middle, y + 37 + 15 * index, _NOTE_SIZE, "note")


def _draw_text(text: str, x: float, y: float, size: int, kind: str = "", *, anchor: str = "middle") -> str:
    named = f' class="{kind}"' if kind else ""
    escaped = escape(printable(text))
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escaped}</text>'


def _draw_edge(edge: Edge, layout: Layout, sizes: dict[str, Box], *, is_marked: bool, is_shifted: bool) -> str:
    kind = _CLASSES.get(edge.mode, "call")
    mark, head = (" warned", "warned-head") if is_marked else ("", "head")
    if edge.caller == edge.callee:
        path = _loop_path(layout.boxes[edge.caller], sizes[edge.caller])
    else:
        points = layout.paths[_link(edge)]
        path = _curve_path(_shift(points, edge) if is_shifted else points)
    title = escape(printable(f"{edge.caller} {VERBS[edge.mode]} {edge.callee}"))
    return f'<path class="{kind}{mark}" d="{path}" marker-end="url(#{head})"><title>{title}</title></path>'


def _shift(points: Sequence[tuple[float, float]], edge: Edge) -> list[tuple[float, float]]:
    """Shift parallel edges apart: calls from events, and one direction from the other."""
    offset = _SHIFTS[edge.mode] + (0 if edge.caller < edge.callee else _SHIFTS[CallMode.EVENT])
    return [(x, y + offset) for x, y in points]


def _curve_path(points: Sequence[tuple[float, float]]) -> str:
    x, y = points[0]
    path = f"M{x:.1f} {y:.1f}"
    for (x, y), (next_x, next_y) in pairwise(points):
        bend = (next_x - x) / 2
        path += f"C{x + bend:.1f} {y:.1f} {next_x - bend:.1f} {next_y:.1f} {next_x:.1f} {next_y:.1f}"
    return path


def _loop_path(corner: tuple[float, float], size: Box) -> str:
    x, y = corner[0] + size.width, corner[1] + size.height / 2
    return f"M{x:.1f} {y - 7:.1f}C{x + _LOOP:.1f} {y - 18:.1f} {x + _LOOP:.1f} {y + 18:.1f} {x:.1f} {y + 7:.1f}"


def _draw_legend(y: float, *, has_warnings: bool, has_undecided: bool) -> Iterable[str]:
    entries = [("call", "waits for the response"), ("fire", "does not wait")]
    entries += [("undecided", "undecided at run time")] if has_undecided else []
    entries += [("call warned", "see the warnings")] if has_warnings else []
    # SVG has no layout of its own: the width of each entry follows from the number of its letters.
    x = float(_MARGIN)
    for kind, words in entries:
        head = "warned-head" if "warned" in kind else "head"
        yield f'<path class="{kind}" d="M{x:.1f} {y + 12:.1f}h30" marker-end="url(#{head})"/>'
        yield _draw_text(words, x + 38, y + 16, _NOTE_SIZE, "legend", anchor="start")
        x += 38 + len(words) * _LETTER * _NOTE_SIZE + 24
