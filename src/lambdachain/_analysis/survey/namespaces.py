"""Write the ways to look up a module's own names as one: a name that holds a dictionary of them.

``globals()[name]`` becomes what ``STEPS[name]`` is where ``STEPS = {"charge": charge, "refund": refund}`` stands in the
module. The names that are made up here are the source that they stand for, so that no other name is the same, and
messages show what to search for.
"""

from __future__ import annotations

import ast
import sys
from contextlib import suppress
from typing import Final, cast

from .scopes import Import, Scope

# A file without any of these words has nothing to expand.
WORDS: Final = ("globals", "locals", "vars", "modules", "import_module", "__import__", "eval", "exec")
NAMESPACE: Final = "globals()"
OWN_MODULE: Final = "sys.modules[__name__]"

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def expand_namespaces(tree: ast.Module) -> ast.Module:
    """Replace the expressions for the module itself and for its names by two names, in a tree which is changed.

    A call of ``eval`` or ``exec`` with the source of an expression becomes that expression.

    >>> ast.unparse(expand_namespaces(ast.parse("vars(sys.modules[__name__])[step](order)")))
    'globals()[step](order)'
    """
    return cast("ast.Module", _NamespaceExpander().visit(tree))


def bind_own_module(module: Scope) -> ast.Assign | None:
    """Bind the names that the code of a module reads since it was expanded; return the assignment of the dictionary."""
    read = {load.id for scope in module.walk() for load in scope.loads if isinstance(load, ast.Name)}
    if OWN_MODULE in read:
        module.bindings[OWN_MODULE] = [(Import("." + ".".join(module.source.parts), None), module)]
    return _create_namespace(module) if NAMESPACE in read else None


def _is_from_python(name: str, module: Scope) -> bool:
    imported = [binding.module for binding, _ in module.bindings[name] if isinstance(binding, Import)]
    return any(one.partition(".")[0] in sys.stdlib_module_names for one in imported)


def _create_namespace(module: Scope) -> ast.Assign:
    # What Python's own library has runs nothing of this code by itself.
    names = [name for name in module.bindings if name != OWN_MODULE and not _is_from_python(name, module)]
    entries = ast.Dict([ast.Constant(name) for name in names], [_name(name) for name in names])
    assignment = ast.Assign([ast.Name(NAMESPACE, ast.Store())], entries, lineno=1, col_offset=0)
    return ast.fix_missing_locations(assignment)


class _NamespaceExpander(ast.NodeTransformer):
    def __init__(self) -> None:
        self._is_nested = False

    def visit(self, node: ast.AST) -> ast.AST:
        before = self._is_nested
        self._is_nested = before or isinstance(node, _FUNCTIONS)
        self.generic_visit(node)
        self._is_nested = before
        found = self._expand(node)
        return node if found is None else ast.fix_missing_locations(ast.copy_location(found, node))

    def _expand(self, node: ast.AST) -> ast.expr | None:
        match node:
            case ast.Call(ast.Name("vars" | "locals"), [], []) if not self._is_nested:
                return _name(NAMESPACE)
            case (
                ast.Call(ast.Name("globals"), [], [])
                | ast.Call(ast.Name("vars"), [ast.Name("sys.modules[__name__]")])
                | ast.Attribute(ast.Name("sys.modules[__name__]"), "__dict__")
            ):
                return _name(NAMESPACE)
            case ast.Subscript(ast.Name("globals()"), ast.Constant(str(name)), ast.Load()) | ast.Call(
                ast.Attribute(ast.Name("globals()"), "get"), [ast.Constant(str(name))]
            ):
                return ast.Attribute(_name(OWN_MODULE), name, ast.Load())
            case ast.Call(ast.Name("eval" | "exec"), [ast.Constant(str(text)), *_]):
                return _parse(text, node)
            case _:
                return _expand_of_library(node)


def _expand_of_library(node: ast.AST) -> ast.expr | None:
    """Expand what ``sys``, ``importlib`` and ``inspect`` have for the names of a module."""
    match node:
        case ast.Call(function, [ast.Name("sys.modules[__name__]"), *_]) if _is_named(function, "getmembers"):
            return ast.Call(ast.Attribute(_name(NAMESPACE), "items", ast.Load()), [], [])
        case ast.Call(function, [ast.Name("__name__")]) if _is_named(function, "import_module", "__import__"):
            return _name(OWN_MODULE)
        case ast.Subscript(modules, key, ast.Load()) | ast.Call(ast.Attribute(modules, "get"), [key]) if _is_named(
            modules, "modules"
        ):
            return _find_module(key)
        case _:
            return None


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _is_named(expr: ast.expr, *names: str) -> bool:
    """Check whether an expression is one of some names, alone or after that of a module."""
    match expr:
        case ast.Name(name) | ast.Attribute(ast.Name("sys" | "importlib" | "inspect"), name):
            return name in names
        case _:
            return False


def _find_module(key: ast.expr) -> ast.expr | None:
    """Return what ``sys.modules[key]`` is, if the key is in sight."""
    match key:
        case ast.Name("__name__"):
            return _name(OWN_MODULE)
        case ast.Constant(str()):
            return ast.Call(_name("__import__"), [key], [])
        case _:
            return None


def _parse(text: str, place: ast.expr) -> ast.expr | None:
    """Return the expression that a text is, located where it is inserted; nothing for any other text."""
    with suppress(SyntaxError, ValueError):
        expr = ast.parse(text.strip(), mode="eval").body
        for part in ast.walk(expr):
            ast.copy_location(part, place)
        return expr
    return None
