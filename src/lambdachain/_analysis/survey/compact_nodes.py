"""Syntax trees in a third of the memory.

Python keeps the attributes of each node in a dictionary, which takes far more memory than the attributes. The nodes
here have slots instead. Each is an object of a subclass of the class in ``ast``, with the same name, so that patterns,
visitors and ``ast.unparse`` treat them alike.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from lambdachain._core.type_guards import is_list

Node = TypeVar("Node", bound=ast.AST)

# Hardly any node has one of these; a node without takes the ``None`` of its class.
_RARE: Final = frozenset({"kind", "type_comment"})
_PLACE: Final = ("lineno", "col_offset", "end_lineno", "end_col_offset")
# Python has one object of each of these for all trees.
_SHARED: Final = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


def _create_compact(kind: type[ast.AST]) -> type[ast.AST]:
    places = _PLACE if hasattr(kind, _PLACE[-1]) else ()
    slots = tuple(name for name in (*kind._fields, *places) if name not in _RARE)
    return type(kind.__name__, (kind,), {"__slots__": slots, "__module__": kind.__module__})


_COMPACT_CLASSES: Final[Mapping[type[ast.AST], type[ast.AST]]] = {
    kind: _create_compact(kind)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST) and kind._fields and not issubclass(kind, _SHARED)
}


def to_compact_class(kind: type[Node]) -> type[Node]:
    """Return the class of the nodes that stand for those of a class in ``ast``; any other class as it is."""
    return cast("type[Node]", _COMPACT_CLASSES.get(kind, kind))


def to_compact(tree: Node) -> Node:
    """Return a copy of a syntax tree that takes less memory.

    Raises:
        RecursionError: It is nested too deeply.
    """
    return cast("Node", _copy(tree, {}))


def _copy(node: Any, lines: dict[int, int]) -> Any:
    kind = _COMPACT_CLASSES.get(type(node))  # pyright: ignore[reportUnknownArgumentType]
    if kind is None:
        return node
    copy = kind.__new__(kind)
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            setattr(copy, name, _copy(value, lines))
        elif is_list(value):
            setattr(copy, name, [_copy(one, lines) for one in value])
        elif type(value) is int:  # not a bool, which equals a number
            setattr(copy, name, lines.setdefault(value, value))
        elif value is not None or name not in _RARE:
            setattr(copy, name, value)
    return copy
