"""Patterns of syntax that several modules look for: keyword arguments behind ``**``, wrapped annotations."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from .evaluator import Evaluator
from .scopes import FilledMapping, Scope, last_name
from .values import Constant, MappingValue, Unresolved, Values, union

CLIENTS: Final = frozenset({"lambdachain.LambdaClient", "lambdachain.AsyncLambdaClient"})
DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_REPLACEABLE: Final = frozenset({"InvocationType", "Qualifier", "qualifier"})
_QUALIFIER: Final = {"qualifier": "a qualifier"}


def evaluate_keywords(
    evaluator: Evaluator, node: ast.Call, scope: Scope, may_be_hidden: Mapping[str, str] = _QUALIFIER
) -> MappingValue:
    """Return the keyword arguments of a call.

    Args:
        evaluator: Evaluates the arguments.
        node: The call.
        scope: Where the call is written.
        may_be_hidden: The keywords that matter to the caller, with words for a message. If ``**options`` is unresolved
            it may contain any of them, so each that is not passed explicitly is unresolved, too.
    """
    entries: dict[str, Values] = {}
    for keyword in node.keywords:
        if keyword.arg is not None:
            entries[keyword.arg] = evaluator.evaluate(keyword.value, scope)
            continue
        values = evaluator.evaluate(keyword.value, scope)
        mappings = [value for value in values if isinstance(value, MappingValue)]
        hidden = _hide(entries, keyword, may_be_hidden) if len(mappings) < len(values) else {}
        certain = frozenset[str]().union(*(one.certain for one in mappings))
        # What is unknown may replace an entry, so how a function is called is not assumed; which one still tells much.
        replaced = {name: why for name, why in hidden.items() if name in _REPLACEABLE - certain}
        entries |= {**hidden, **_join_mappings(mappings), **replaced}
    return MappingValue(tuple(entries.items()))


def _join_mappings(mappings: Sequence[MappingValue]) -> dict[str, Values]:
    """Return the entries of mappings that are alternatives, and of the steps in which one is filled.

    An entry that one of several alternatives does not have counts as ``None`` there, unless a step adds it.
    """
    missing: Values = (Constant(None),)
    found: dict[str, Values] = {}
    for name in dict.fromkeys(name for one in mappings for name, _ in one.entries):
        having = [one for one in mappings if one.get(name) is not None]
        is_missing = not any(one.is_step for one in having) and any(
            one not in having and not one.is_step for one in mappings
        )
        found[name] = union([*(one.get(name) or () for one in having), missing if is_missing else ()])
    return found


def evaluate_filled_mapping(evaluator: Evaluator, node: FilledMapping, scope: Scope) -> Values:
    """Return what a mapping holds to which others were added.

    If one of those is unknown, what is known is a step in which the mapping is filled, and so is each of the others.
    """
    filled = evaluator.evaluate(ast.Dict(node.keys, node.values), scope)
    if isinstance(filled[0], MappingValue):
        return filled
    entries = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
    known = ast.Dict([key for key, _ in entries], [value for _, value in entries])
    added = [value for key, value in zip(node.keys, node.values, strict=True) if key is None]
    steps = [(known, node.keys[0] is None), *((one, True) for one in added)]
    last = max(position for position, key in enumerate(node.keys) if key is None)
    certain = frozenset(str(key.value) for key in node.keys[last:] if isinstance(key, ast.Constant))
    return union(
        [replace(value, is_step=is_step, certain=certain) if isinstance(value, MappingValue) else value]
        for expr, is_step in steps
        for value in evaluator.evaluate(expr, scope)
    )


def _hide(entries: Mapping[str, Values], keyword: ast.keyword, may_be_hidden: Mapping[str, str]) -> dict[str, Values]:
    source = ast.unparse(keyword.value)
    return {
        name: (Unresolved(f"{words} may be in **{source}"),)
        for name, words in may_be_hidden.items()
        if name not in entries
    }


def unwrap_annotation(expr: ast.expr) -> ast.expr:
    """Return ``X`` for ``"X"``, ``X | None``, ``Optional[X]`` and ``Annotated[X, ...]``."""
    match expr:
        case ast.Constant(value=str(text)):
            try:
                return unwrap_annotation(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return expr
        case ast.BinOp(left=one, right=ast.Constant(value=None)) | ast.BinOp(left=ast.Constant(value=None), right=one):
            return unwrap_annotation(one)
        case ast.Subscript(value=outer, slice=inner) if last_name(outer) in ("Annotated", "Optional"):
            return unwrap_annotation(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
        case _:
            return expr


def get_alternatives(expr: ast.expr) -> Iterator[ast.expr]:
    """Yield an expression, and those inside that may be its value."""
    yield expr
    match expr:
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*get_alternatives(body), *get_alternatives(orelse))
        case ast.BoolOp(values=values):
            yield from (one for value in values for one in get_alternatives(value))
        case _:
            return
