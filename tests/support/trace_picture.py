"""Draw a trace as an SVG: a bar for each span, from its start to its end, below the bar of its parent.

Bars begin and end in the order of the spans' events, not at their times, so that the picture is always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 760
_BAR: Final = 26
_GAP: Final = 8
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1b1f24}.client{fill:#cfe3ff;stroke:#3b73c4}"
    ".server{fill:#d5f0d8;stroke:#3a8a48}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.client{fill:#1d3557}.server{fill:#1f3d26}}"
)


class Bar(NamedTuple):
    """One span of a trace.

    Attributes:
        span_id: Its id.
        parent_id: The id of its parent; "" if it has none.
        kind: ``CLIENT`` or ``SERVER``.
        name: Its name.
    """

    span_id: str
    parent_id: str
    kind: str
    name: str


def draw_trace(bars: Iterable[Bar]) -> str:
    """Return the picture of a trace in which every span has at most one child."""
    ordered = _sort_by_parent(list(bars))
    step = _WIDTH / (2 * len(ordered) + 1)
    height = len(ordered) * (_BAR + _GAP) + _GAP
    rows = [_draw_bar(bar, row, step) for row, bar in enumerate(ordered)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    title = f"<title>A trace of {len(ordered)} spans</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *rows, "</svg>", ""])


def _sort_by_parent(bars: Sequence[Bar]) -> list[Bar]:
    by_parent = {bar.parent_id: bar for bar in bars}
    [first] = [bar for bar in bars if bar.parent_id not in {one.span_id for one in bars}]
    ordered = [first]
    while ordered[-1].span_id in by_parent:
        ordered.append(by_parent[ordered[-1].span_id])
    return ordered


def _draw_bar(bar: Bar, row: int, step: float) -> str:
    x, y = row * step, _GAP + row * (_BAR + _GAP)
    size = f'width="{_WIDTH - 2 * x - 1:.0f}" height="{_BAR}" rx="4"'
    rectangle = f'<rect class="{bar.kind.lower()}" x="{x:.0f}" y="{y}" {size}/>'
    return f'{rectangle}<text x="{x + 8:.0f}" y="{y + 17}">{escape(bar.kind)} {escape(bar.name)}</text>'
