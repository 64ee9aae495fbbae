"""The names that an expression may be, by the constant parts of its text: ``f"visit_{kind}"``, ``"on_" + event``."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Final

from .scopes import Assignment, Scope

# With fewer characters that are known, too many names match.
_MIN_KNOWN: Final = 4
_PLACEHOLDER: Final = re.compile(r"%[sd]|{[^{}]*}")


def find_name_patterns(expr: ast.expr, scope: Scope) -> Sequence[re.Pattern[str]]:
    """Return patterns, one of which each name that an expression may be matches; nothing if that is not known.

    Args:
        expr: The expression.
        scope: Where it is written; a variable is what is assigned to it there.
    """
    bindings = scope.bindings.get(expr.id, ()) if isinstance(expr, ast.Name) else ()
    assigned = [binding.expr for binding, _ in bindings if isinstance(binding, Assignment)]
    if len(assigned) < len(bindings):
        return ()
    parts = [_find_parts(one) for one in assigned or [expr]]
    if any(sum(map(len, filter(None, one))) < _MIN_KNOWN for one in parts):
        return ()
    return [re.compile("".join(".*" if part is None else re.escape(part) for part in one), re.DOTALL) for one in parts]


def _find_parts(expr: ast.expr) -> list[str | None]:
    """Return the constant parts of a string, with ``None`` for what is between them."""
    match expr:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [part for one in values for part in _find_parts(one)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*_find_parts(left), *_find_parts(right)]
        case (
            ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod())
            | ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"))
        ):
            known = _PLACEHOLDER.split(text)
            # What is left is escaped, or formatted in another way.
            is_split = not any(mark in part for part in known for mark in "%{}")
            return [part for one in known for part in (one, None)][:-1] if is_split else [None]
        case _:
            return [None]
