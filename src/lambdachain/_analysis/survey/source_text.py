"""Quote source code in messages: short, on one line, and without arguments that may be payloads."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from lambdachain._core.escaping import printable

_MAX_LENGTH: Final = 60


def format_expression(expr: ast.expr) -> str:
    """Return the source of an expression, shortened.

    >>> format_expression(ast.parse("names[ 'a' ]", mode="eval").body)
    "names['a']"
    """
    text = printable(ast.unparse(expr))
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."


def format_call(function: ast.expr, arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> str:
    """Return the source of a call with the argument that names the function; the others are left out.

    >>> call = ast.parse("client.call(price, payload)", mode="eval").body
    >>> format_call(call.func, call.args, call.keywords)
    'client.call(price, ...)'
    """
    target = _format_target(arguments, keywords)
    is_all = len(arguments) + len(keywords) == (1 if target else 0)
    return f"{format_expression(function)}({target}{'' if is_all else ', ...' if target else '...'})"


def _format_target(arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> str:
    if arguments:
        return format_expression(arguments[0])
    named = next((one for one in keywords if one.arg == "FunctionName"), None)
    if named is not None:
        return f"FunctionName={format_expression(named.value)}"
    unpacked = next((one for one in keywords if one.arg is None), None)
    return "" if unpacked is None else f"**{format_expression(unpacked.value)}"
