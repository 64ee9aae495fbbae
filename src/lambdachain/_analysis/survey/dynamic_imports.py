"""Which modules a call may import: by a name that is known, by the beginning of one, or any module.

What ``eval`` and ``exec`` run is as unknown as the code of any module.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from .evaluator import Evaluator
from .imports import resolve_import
from .scopes import Assignment, Scope, get_keyword
from .values import (
    UNRESOLVED,
    Constant,
    ExternalName,
    FunctionValue,
    ModuleValue,
    Unresolved,
    Value,
    Values,
    union,
    unresolved_reasons,
)

# Functions that import or run a module by its name or path.
_IMPORTING: Final = frozenset({
    "importlib.import_module", "builtins.__import__", "importlib.util.spec_from_file_location", "imp.load_source",
    "runpy.run_module", "runpy.run_path",
})  # fmt: skip
IMPORTERS: Final = tuple(sorted(name.rpartition(".")[2] for name in _IMPORTING))

# Names and operators between a call and the beginning of the name that it imports; names may form a cycle.
_MAX_DEPTH: Final = 8


def evaluate_import_module(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the modules that ``import_module(name, package)`` may return.

    Of ``import_module(f"jobs.{name}")`` these are all the modules of that package: any of them may be imported.
    """
    if not node.args:
        return UNRESOLVED
    package = node.args[1] if len(node.args) > 1 else get_keyword(node, "package")
    base = None if package is None else evaluator.evaluate_string(package, scope)
    found = union(_find_by_name(evaluator, one, base, scope) for one in evaluator.evaluate(node.args[0], scope))
    if any(isinstance(one, Unresolved) for one in found) and (
        matching := tuple(_find_by_prefix(evaluator, node.args[0], base, scope))
    ):
        return union([tuple(one for one in found if not isinstance(one, Unresolved)), matching])
    return found or UNRESOLVED


def find_unknown_imports(
    evaluator: Evaluator, scope: Scope, may_import: Callable[[ast.expr, Scope], bool]
) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls in a scope that may import any module, each with the reason why it is unknown.

    Args:
        evaluator: Evaluates what is called, and with what.
        scope: The scope.
        may_import: Checks whether an expression may be one of ``IMPORTERS``; no other is evaluated.
    """
    for call in scope.calls:
        if may_import(call.func, scope) and _is_importer(evaluator, call.func, scope):
            yield from ((call, why) for why in islice(unresolved_reasons(evaluator.evaluate(call, scope)), 1))
        elif any(may_import(one, scope) and _is_importer(evaluator, one, scope) for one in call.args):
            functions = evaluator.evaluate(call.func, scope)
            # What a function in the code imports is found there.
            if not functions or not all(isinstance(one, FunctionValue) for one in functions):
                yield call, "the function that imports is passed on as a value"


def find_unknown_code(evaluator: Evaluator) -> Iterator[tuple[ast.Call, Scope]]:
    """Yield the calls of ``eval`` and ``exec``, with their scopes; an expression in sight has replaced its call."""
    for name in ("eval", "exec"):
        for call, scope in evaluator.project.find_calls(name):
            # To evaluate what has a method of that name takes long.
            is_name = isinstance(call.func, ast.Name) and call.args
            if is_name and ExternalName(f"builtins.{name}") in evaluator.evaluate(call.func, scope):
                yield call, scope


def _is_importer(evaluator: Evaluator, function: ast.expr, scope: Scope) -> bool:
    values = evaluator.evaluate(function, scope)
    return any(isinstance(one, ExternalName) and one.name in _IMPORTING for one in values)


def _find_by_name(evaluator: Evaluator, name: Value, package: str | None, scope: Scope) -> Values:
    if not isinstance(name, Constant) or not isinstance(name.value, str):
        return (name,) if isinstance(name, Unresolved) else UNRESOLVED
    qualified = _to_absolute(name.value, package, scope)
    module = evaluator.project.find_module(qualified, scope.source)
    return (ExternalName(qualified),) if module is None else (ModuleValue(module),)


def _to_absolute(name: str, package: str | None, scope: Scope) -> str:
    level = len(name) - len(name.lstrip("."))
    if level and package is not None:
        kept = package.split(".")
        return ".".join([*kept[: len(kept) - level + 1], name[level:]])
    return resolve_import(name[level:], level, scope.source)  # ``package=__package__``


def _find_by_prefix(evaluator: Evaluator, name: ast.expr, package: str | None, scope: Scope) -> Iterator[Value]:
    prefix = _to_absolute(_read_beginning(evaluator, name, scope), package, scope).lstrip(".")
    *parents, beginning = prefix.split(".")
    for module in evaluator.project.modules.values() if parents else ():
        *around, last = module.source.parts or ("",)
        if around[-len(parents) :] == parents and last.startswith(beginning):
            yield ModuleValue(module)


def _read_beginning(evaluator: Evaluator, expr: ast.expr, scope: Scope, depth: int = _MAX_DEPTH) -> str:
    """Return the text with which a computed name begins; an empty string if it is unknown."""
    if (text := evaluator.evaluate_string(expr, scope)) is not None or depth == 0:
        return text or ""
    match expr:
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first, op=ast.Add()) | ast.FormattedValue(value=first):
            return _read_beginning(evaluator, first, scope, depth - 1)
        case ast.Name() if expr in scope.overwritten:
            return _read_beginning(evaluator, scope.overwritten[expr], scope, depth - 1)
        case ast.Name(id=name):
            match scope.lookup(name):
                case [(Assignment(assigned), home)]:
                    return _read_beginning(evaluator, assigned, home, depth - 1)
                case _:
                    return ""
        case _:
            return ""
