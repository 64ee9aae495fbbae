"""Evaluate operations on strings: ``%``, ``format``, ``join``, ``replace`` and the like.

Each yields the string for every combination of its operands. Where one operand is unresolved, so is the result, for
the same reason.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from string import Formatter
from typing import Any, Final

from .evaluator import Evaluator
from .scopes import Scope
from .values import (
    UNRESOLVED,
    CollectionValue,
    Constant,
    MappingValue,
    Unresolved,
    Value,
    Values,
    union,
    unresolved_reasons,
)

# Four names of a dozen values each make 20,736 strings, which nobody grants one by one; more would fill the memory.
_MAX_STRINGS: Final = 10_000
_MAX_NAME: Final = 64
# Methods of strings that take and return strings only.
_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    name: getattr(str, name)
    for name in (
        *("replace", "strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "casefold"),
        *("removeprefix", "removesuffix"),
    )
}
# Any other conversion (%05d, %r) writes something else than the value itself.
_PERCENT: Final = re.compile(r"%(?:\((\w+)\))?([sd%])")


def combine(parts: Sequence[Values], make: Callable[..., str]) -> Values:
    """Return *make* of every combination of constants; what it rejects is unresolved."""
    unresolved = union(tuple(Unresolved(why) for why in unresolved_reasons(part)) for part in parts)
    known = [[value.value for value in part if isinstance(value, Constant)] for part in parts]
    if unresolved or any(len(constants) != len(part) for constants, part in zip(known, parts, strict=True)):
        return unresolved or UNRESOLVED
    combinations = prod(map(len, known))
    if combinations > _MAX_STRINGS:
        return (Unresolved(f"it may be any of {combinations:,} strings"),)
    try:
        return union((Constant(make(*chosen)),) for chosen in product(*known))
    except (TypeError, ValueError, LookupError):
        return UNRESOLVED


def evaluate_slice(evaluator: Evaluator, value: Value, key: ast.Slice, scope: Scope) -> Values:
    """Return what ``text[first:last]`` may be; the name of a function has at most 64 characters."""
    bounds = [None if one is None else _get_index(evaluator.evaluate(one, scope)) for one in (key.lower, key.upper)]
    is_known = key.step is None and all(
        (one is None) == (bound is None) for one, bound in zip((key.lower, key.upper), bounds, strict=True)
    )
    match value:
        case Constant(str(text)) if is_known:
            return (Constant(text[slice(*bounds)]),)
        case Unresolved() if is_known and key.lower is None and (bounds[1] or 0) >= _MAX_NAME:
            return (value,)
        case Unresolved(why):
            return (Unresolved(why),)
        case _:
            return UNRESOLVED


def _get_index(values: Values) -> int | None:
    match values:
        case (Constant(int(number)),):
            return number
        case _:
            return None


def concatenate(parts: Iterable[Values]) -> Values:
    """Join strings in every combination."""
    return combine([tuple(part) for part in parts], lambda *chosen: "".join(map(str, chosen)))


def evaluate_string_method(evaluator: Evaluator, receiver: Constant, node: ast.Call, scope: Scope) -> Values:
    """Return what a method of a string may return; nothing for a method without a model."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    arguments = [evaluator.evaluate(argument, scope) for argument in node.args]
    keywords = {keyword.arg or "": evaluator.evaluate(keyword.value, scope) for keyword in node.keywords}
    if any(isinstance(argument, ast.Starred) for argument in node.args) or "" in keywords:
        return UNRESOLVED if name in ("format", "join", *_METHODS) else ()
    match name:
        case "format":
            return _format(receiver, arguments, keywords)
        case "join" if len(node.args) == 1:
            return _join(evaluator, receiver, node.args[0], scope)
        case "split" | "rsplit" if not keywords:
            return _split(receiver, name, arguments)
        case _ if name in _METHODS and not keywords:
            return combine([(receiver,), *arguments], _METHODS[name])
        case _:
            return ()


def evaluate_percent(evaluator: Evaluator, node: ast.BinOp, scope: Scope) -> Values:
    """Return what ``"%s-%s" % (a, b)`` may be."""
    match node.right:
        case ast.Tuple(elts=elements):
            operands, names = [evaluator.evaluate(one, scope) for one in elements], None
        case expr:
            right = evaluator.evaluate(expr, scope)
            mapping = next((one for one in right if isinstance(one, MappingValue)), None)
            names = None if mapping is None else [name for name, _ in mapping.entries]
            operands = [right] if mapping is None else [values for _, values in mapping.entries]

    def make(template: Any, *chosen: Any) -> str:
        # The left side may be a number: then this is arithmetic.
        if not isinstance(template, str) or "%" in _PERCENT.sub("", template):
            raise ValueError
        return template % (chosen if names is None else dict(zip(names, chosen, strict=True)))

    return combine([evaluator.evaluate(node.left, scope), *operands], make)


def _format(receiver: Constant, arguments: Sequence[Values], keywords: Mapping[str, Values]) -> Values:
    def make(template: Any, *chosen: Any) -> str:
        # A width could make a string of any length, an attribute is not a constant.
        for _, field, spec, conversion in Formatter().parse(template):
            if spec or conversion not in (None, "", "s") or not re.fullmatch(r"\w*", field or ""):
                raise ValueError
        named = dict(zip(keywords, chosen[len(arguments) :], strict=True))
        return str(template.format(*chosen[: len(arguments)], **named))

    return combine([(receiver,), *arguments, *keywords.values()], make)


def _split(receiver: Constant, method: str, arguments: Sequence[Values]) -> Values:
    """Return the list that a string is split into."""
    known = [one[0].value for one in arguments if len(one) == 1 and isinstance(one[0], Constant)]
    if len(known) != len(arguments):
        return UNRESOLVED
    try:
        parts = [Constant(part) for part in getattr(str(receiver.value), method)(*known)]
    except (TypeError, ValueError):
        return UNRESOLVED
    return (CollectionValue(tuple(dict.fromkeys(parts)), tuple((part,) for part in parts)),)


def _join(evaluator: Evaluator, separator: Constant, items: ast.expr, scope: Scope) -> Values:
    match evaluator.evaluate(items, scope):
        case (CollectionValue(ordered=tuple(parts)),):
            pass
        case _:
            return UNRESOLVED

    def make(text: Any, *chosen: Any) -> str:
        return str(text).join(chosen)

    return combine([(separator,), *parts], make)


def evaluate_negative(evaluator: Evaluator, node: ast.UnaryOp, scope: Scope) -> Values:
    """Return what ``-number`` may be, as in ``parts[-1]``."""
    match node.op, evaluator.evaluate(node.operand, scope):
        case ast.USub(), (Constant(int(number)),):
            return (Constant(-number),)
        case _:
            return UNRESOLVED
