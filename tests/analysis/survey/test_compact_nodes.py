"""Syntax trees with slots are those of Python in every respect but their size."""

from __future__ import annotations

import ast
import inspect
import tracemalloc
from collections.abc import Callable

import pytest

from lambdachain._analysis.survey import call_paths, evaluation, name_flow, scope_builder
from lambdachain._analysis.survey.compact_nodes import to_compact, to_compact_class

MODULES = (call_paths, evaluation, name_flow, scope_builder)
SYNTAX = '''
from __future__ import annotations
import a.b as c
from . import d

@e(1)
class F(G, metaclass=H):
    """Text."""
    x: int = 1

async def f(a, /, b=2, *c, d=True, **e) -> u"type":
    async with g() as h, i:
        async for (j, *k) in l:
            await m(j, *k, n=o, **p)
    return [q for q in r if q if not q] + [*s] + {t: 1, **u}["v"][1:2:3]

def g():
    global h
    try:
        assert 1 < 2 <= 3, f"{a!r:>{b}}"
        del x.y[0]
        yield (z := lambda: ...)
    except* (A, B) as e:
        raise C from e
    else:
        x += 1.0 if True and 1 or None else 2j
    finally:
        while True:
            break

match x:
    case {"a": [1, *rest], **other} | F(2, b=None) as all if all:
        pass
'''


def _describe(node: ast.AST) -> tuple[str, list[object]]:
    found = [getattr(node, name, None) for name in (*node._fields, *node._attributes)]
    # Equal numbers of several types are several values: 1, 1.0 and True.
    return type(node).__name__, [
        type(one).__name__ if isinstance(one, ast.AST) else _describe_value(one) for one in found
    ]


def _describe_value(value: object) -> str:
    return f"{len(value)} nodes" if isinstance(value, list) else repr(value)


@pytest.mark.parametrize("text", [SYNTAX, *map(inspect.getsource, MODULES)])
def test_a_compact_tree_equals_the_original(text: str) -> None:
    """Every node has the same fields and the same place."""
    tree = ast.parse(text)
    compact = to_compact(ast.parse(text))

    assert list(map(_describe, ast.walk(compact))) == list(map(_describe, ast.walk(tree)))
    assert ast.unparse(compact) == ast.unparse(tree)


def test_a_compact_node_is_one_of_the_class_in_ast():
    """Patterns match it, and ``True`` does not become the equal 1."""
    statement = to_compact(ast.parse("send(True, 1)")).body[0]

    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="send"), args=[ast.Constant(value=flag), ast.Constant(value=1)])):
            assert flag is True
        case _:
            pytest.fail(ast.dump(statement))
    assert type(statement) is to_compact_class(ast.Expr)


def test_a_class_that_is_not_of_ast_stays_as_it_is():
    """The survey has nodes of its own."""

    class Mark(ast.expr):
        pass

    assert to_compact_class(Mark) is Mark


def _measure(build: Callable[[], ast.AST]) -> int:
    tracemalloc.start()
    try:
        tree = build()
        size, _ = tracemalloc.get_traced_memory()
        del tree
        return size
    finally:
        tracemalloc.stop()


def test_a_compact_tree_takes_less_than_half_the_memory():
    """Trees are most of what a survey of a large code base needs."""
    text = inspect.getsource(evaluation)
    ast.parse(text)  # what Python allocates once
    plain = _measure(lambda: ast.parse(text))

    assert _measure(lambda: to_compact(ast.parse(text))) < plain / 2
