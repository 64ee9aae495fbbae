"""How code is written that this package looks for, whatever the names in it stand for."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from .evaluator import Evaluator
from .scopes import Scope, last_name
from .values import MappingValue, Unresolved, Values

CLIENTS: Final = frozenset({"lambdachain.LambdaClient", "lambdachain.AsyncLambdaClient"})
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_QUALIFIER: Final = {"qualifier": "a qualifier"}


def evaluate_keywords(
    evaluator: Evaluator, node: ast.Call, scope: Scope, hiding: Mapping[str, str] = _QUALIFIER
) -> MappingValue:
    """Return the options of a call; behind ``**`` there may be any, those among them that *hiding* has words for."""
    entries: dict[str, Values] = {}
    for one in node.keywords:
        if one.arg is not None:
            entries[one.arg] = evaluator.evaluate(one.value, scope)
            continue
        for value in evaluator.evaluate(one.value, scope):
            hidden = f"may be in **{ast.unparse(one.value)}"
            untold = {name: (Unresolved(f"{words} {hidden}"),) for name, words in hiding.items() if name not in entries}
            entries |= dict(value.entries) if isinstance(value, MappingValue) else untold
    return MappingValue(tuple(entries.items()))


def annotation(expr: ast.expr) -> ast.expr:
    """Accept ``X`` out of ``"X"``, ``X | None`` and ``Annotated[X, ...]``."""
    match expr:
        case ast.Constant(value=str(text)):
            try:
                return annotation(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return expr
        case ast.BinOp(left=one, right=ast.Constant(value=None)) | ast.BinOp(left=ast.Constant(value=None), right=one):
            return annotation(one)
        case ast.Subscript(value=outer, slice=inner) if last_name(outer) in ("Annotated", "Optional"):
            return annotation(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
        case _:
            return expr
