"""Decorators in the code that keep what they decorate: ``ROUTES[name] = function``, for other code to call it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .scopes import Definition, Parameter, Scope, last_name


def get_decorator_name(decorator: ast.expr) -> str:
    """Return ``route`` for ``@route`` and ``@app.route("/")``."""
    return last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)


def find_decorator_names(scope: Scope) -> Iterator[str]:
    """Yield the names by which a function that keeps what it decorates is used: its own, or that of what returns it."""
    if not keeps_argument(scope):
        return
    yield scope.short_name
    if scope.parent is not None and scope.parent.kind == "function":
        yield scope.parent.short_name


def keeps_argument(scope: Scope) -> bool:
    """Check whether a function adds one of its arguments, or a function inside that may call it, to a collection."""
    return any(True for _, added in scope.mutations for _ in _find_own(added, scope))


def find_kept(scope: Scope) -> Iterator[ast.expr]:
    """Yield where a decorator only keeps or returns what it decorates, and the collection: that does not run it."""
    if keeps_argument(scope):
        yield from (target for target, _ in scope.mutations)
        for expr in (*scope.returns, *(added for _, added in scope.mutations)):
            yield from _find_own(expr, scope)


def _find_own(expr: ast.expr, scope: Scope) -> Iterator[ast.Name]:
    """Yield the arguments of a function, and the functions inside, that a value or collection consists of."""
    match expr:
        case ast.Name(id=name):
            bindings = (binding for binding, _ in scope.bindings.get(name, ()))
            yield from [expr] if any(isinstance(one, Parameter | Definition) for one in bindings) else []
        case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            yield from (name for item in items for name in _find_own(item, scope))
        case _:
            return
