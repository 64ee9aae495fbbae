"""What a statement assigns to a name or attribute: by itself, as a part of a tuple, or as the target of a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .scopes import LoopItem, LoopTarget, Scope


def sets(statement: ast.stmt, text: str) -> bool:
    """Check whether a statement sets a name or attribute, alone or as a part of what it assigns to."""
    match statement:
        case ast.Assign(targets=targets):
            return any(ast.unparse(part) == text for target in targets for part in _get_parts(target))
        case ast.AnnAssign(target=target, value=ast.expr()):
            return ast.unparse(target) == text
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=ast.BinOp()):
            return name == text
        case ast.For(target=target) | ast.AsyncFor(target=target):
            return any(isinstance(one, ast.Name) and one.id == text for one in ast.walk(target))
        case _:
            return False


def get_set_value(statement: ast.stmt, text: str, scope: Scope) -> ast.expr | None:
    """Return what a statement sets a name to; the target of a loop, to the item of the round."""
    match statement:
        case ast.For(target=target) | ast.AsyncFor(target=target):
            return _get_item(target, text, scope)
        case ast.Assign(targets=targets, value=value):
            return next((part for one in targets if (part := _get_part(one, value, text, scope)) is not None), None)
        case _:
            return getattr(statement, "value", None)


def _get_part(target: ast.expr, value: ast.expr, text: str, scope: Scope) -> ast.expr | None:
    """Return what ``target = value`` assigns to one name or attribute, which may be a part of the target."""
    match target, value:
        case (ast.Tuple(elts=targets), ast.Tuple(elts=values)) if len(targets) == len(values):
            parts = (_get_part(*pair, text, scope) for pair in zip(targets, values, strict=True))
            return next((one for one in parts if one is not None), None)
        case ((ast.Tuple() | ast.List()), _):
            return _get_item(target, text, scope)
        case _:
            return value if ast.unparse(target) == text else None


def _get_item(target: ast.expr, name: str, scope: Scope) -> ast.expr | None:
    """Return what a name in the target of a loop, or in a tuple that is assigned to, holds."""
    bindings = (binding for binding, _ in scope.bindings.get(name, ()))
    found = (one for one in bindings if isinstance(one, LoopTarget) and one.loop.target is target)
    return next((LoopItem(one) for one in found), None)


def _get_parts(target: ast.expr) -> Iterator[ast.expr]:
    match target:
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            yield from (part for one in targets for part in _get_parts(one))
        case ast.Starred(value=value):
            yield value
        case _:
            yield target
