"""Find what a name or attribute was certainly set to by the statements before it.

The survey ignores control flow, with this exception: ``settings.target = os.environ["TARGET"]`` in the same function,
run before each time that ``settings.target`` is read there, leaves no other value possible.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from .scopes import Assignment, Parameter, Scope

_Assigning: TypeAlias = ast.Assign | ast.AnnAssign
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def find_overwritten(scope: Scope) -> dict[ast.expr, ast.expr]:
    """Return the names and attributes that a function reads after it has set them, each with the only possible value.

    Runs when all statements of the function have been visited, those of functions inside included.
    """
    if not isinstance(scope.node, _FUNCTIONS):
        return {}
    names = {name for name, bindings in scope.bindings.items() if len(bindings) > 1}
    attributes = {target.attr for target, _ in scope.attribute_assignments}
    reads = [
        load for load in scope.loads if (load.id in names if isinstance(load, ast.Name) else load.attr in attributes)
    ]
    if not reads:
        return {}
    statements = list(_walk_own(scope.node.body))
    # What is added to a list or mapping in place is one of its values, too.
    mutated = {ast.unparse(target) for one in scope.walk() for target, _ in one.mutations}
    body = scope.node.body
    found = ((read, _find_value(read, scope, body, statements)) for read in reads if ast.unparse(read) not in mutated)
    return {read: value for read, value in found if value is not None}


def _find_value(
    node: ast.Name | ast.Attribute, scope: Scope, body: list[ast.stmt], statements: Iterable[ast.stmt]
) -> ast.expr | None:
    """Return the only expression that *node* may have been set to; ``None`` if other values are possible."""
    text = ast.unparse(node)
    assigning = [one for one in statements if _sets(one, text)]
    if isinstance(node, ast.Name) and len(assigning) != _count_assignments(node, scope):
        return None  # it is also set by an import, a loop, ``global`` in another function, or changed in place
    last = _find_last(body, node, text)
    if last is None:
        return None
    others = [one for one in assigning if one is not last and _position(one) > _position(last)]
    # A later assignment in a loop holds for the next round, one in between may hold already.
    in_loop = any(isinstance(one, _LOOPS) for one in statements)
    if any(in_loop or _position(one) < _position(node) for one in others):
        return None
    return last.value


def _count_assignments(node: ast.Name, scope: Scope) -> int:
    """Count the bindings of a name; -1 if one of them is neither an assignment nor a parameter."""
    bindings = [binding for binding, _ in scope.bindings[node.id]]
    if not all(isinstance(one, Assignment | Parameter) for one in bindings):
        return -1
    return sum(isinstance(one, Assignment) for one in bindings)


def _find_last(body: Iterable[ast.stmt], node: ast.expr, text: str) -> _Assigning | None:
    """Return the last statement that always runs before *node*, and sets it."""
    last: _Assigning | None = None
    for statement in body:
        if any(one is node for one in ast.walk(statement)):
            inner = (_find_last(block, node, text) for block in _get_blocks(statement))
            return next((one for one in inner if one is not None), last)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _sets(statement, text):
            last = statement
    return None


def _get_blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield from [block] if (block := getattr(statement, name, None)) else []
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield part.body


def _walk_own(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a function, without those of functions inside."""
    for statement in body:
        yield statement
        if not isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            for block in _get_blocks(statement):
                yield from _walk_own(block)


def _sets(statement: ast.stmt, text: str) -> bool:
    match statement:
        case ast.Assign(targets=targets):
            return any(ast.unparse(target) == text for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr()):
            return ast.unparse(target) == text
        case _:
            return False


def _position(node: ast.stmt | ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset
