"""An extension of Griffe's: examples in docstrings become code blocks, which Markdown would show as quotations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_PROMPT = re.compile(r"^(?P<indent> *)>>> ")
_FLAG = re.compile(r" *# doctest: \+\w+(?:, *\+\w+)*$")


def fence_doctests(text: str) -> str:
    """Return a docstring with each example, from its prompt to the next blank line, in a fence."""
    return "\n".join(_fence(text.split("\n")))


def _fence(lines: list[str]) -> Iterator[str]:
    indent: str | None = None
    for line in lines:
        if indent is None and (found := _PROMPT.match(line)):
            indent = found["indent"]
            yield f"{indent}```pycon"
        if indent is not None and not line.strip():
            yield f"{indent}```"
            indent = None
        yield _FLAG.sub("", line) if indent is not None else line
    if indent is not None:
        yield f"{indent}```"


class DoctestFences(griffe.Extension):
    """Fences the examples in every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the examples in one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = fence_doctests(obj.docstring.value)
