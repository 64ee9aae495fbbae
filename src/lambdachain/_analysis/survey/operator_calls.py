"""Write the functions that ``operator`` makes as the lambdas that they are short for.

``methodcaller("invoke", FunctionName="charge")`` becomes
``lambda methodcaller: methodcaller.invoke(FunctionName="charge")``, a call that the survey finds and follows like any
other. The parameter has the name that stands in the code, so that a message which quotes the call shows what to search
for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Final


def expand_operator_calls(tree: ast.Module) -> ast.Module:
    """Replace the calls of ``methodcaller``, ``attrgetter`` and ``itemgetter`` in a tree, which is changed.

    >>> tree = ast.parse("from operator import attrgetter; sort(key=attrgetter('name'))")
    >>> ast.unparse(expand_operator_calls(tree).body[1])
    'sort(key=lambda attrgetter: attrgetter.name)'
    """
    names = dict(_find_names(tree))
    return _OperatorExpander(names).visit(tree) if names else tree


def _find_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each expression of a function of ``operator`` in a file, as its text, with the function's own name."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="operator", level=0):
                for alias in node.names:
                    found = _BODIES if alias.name == "*" else {alias.name} & _BODIES.keys()
                    yield from ((alias.asname or name, name) for name in found)
            case ast.Import():
                modules = [alias.asname or alias.name for alias in node.names if alias.name == "operator"]
                yield from ((f"{module}.{name}", name) for module in modules for name in _BODIES)
            case _:
                continue


class _OperatorExpander(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        made = node.func
        self.generic_visit(node)
        if isinstance(made, ast.Call) and node.func is not made and len(node.args) == 1 and not node.keywords:
            # Called where it is made, with what has the method.
            found: ast.expr | None = _BODIES[self._names[_format_name(made.func)]](made, node.args[0])
        else:
            found = self._make_lambda(node)
        return node if found is None else ast.fix_missing_locations(ast.copy_location(found, node))

    def _make_lambda(self, node: ast.Call) -> ast.expr | None:
        name = self._names.get(_format_name(node.func))
        if name is None or not node.args or isinstance(node.args[0], ast.Starred):
            return None
        parameters = ast.arguments([], [ast.arg(name, None)], None, [], [], None, [])
        return ast.Lambda(parameters, _BODIES[name](node, ast.Name(name, ast.Load())))


def _format_name(function: ast.expr) -> str:
    match function:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(module), name):
            return f"{module}.{name}"
        case _:
            return ""


def _call_method(node: ast.Call, receiver: ast.expr) -> ast.expr:
    return ast.Call(_read_attribute(node.args[0], receiver), node.args[1:], node.keywords)


def _get_attributes(node: ast.Call, receiver: ast.expr) -> ast.expr:
    return _join([_read_attribute(argument, receiver) for argument in node.args])


def _get_items(node: ast.Call, receiver: ast.expr) -> ast.expr:
    return _join([ast.Subscript(receiver, argument, ast.Load()) for argument in node.args])


def _read_attribute(name: ast.expr, receiver: ast.expr) -> ast.expr:
    """Return the attribute of a name, which may have dots; by ``getattr`` if the name is not a literal."""
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        return ast.Call(ast.Name("getattr", ast.Load()), [receiver, name], [])
    for part in name.value.split("."):
        receiver = ast.Attribute(receiver, part, ast.Load())
    return receiver


def _join(values: list[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else ast.Tuple(values, ast.Load())


_BODIES: Final[Mapping[str, Callable[[ast.Call, ast.expr], ast.expr]]] = {
    "methodcaller": _call_method,
    "attrgetter": _get_attributes,
    "itemgetter": _get_items,
}
