"""Which code may run when other code does: what a function's own text mentions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from . import classes
from .evaluation import Evaluation
from .results import MODES, CodeUnit
from .scopes import Imported, Scope
from .values import Class, Decorator, Function, Instance, Library, Many, Module, Table, Unknown, Value

# Decorators that leave a function to those who call it; any other may register it, so that its module runs it.
_QUIET: Final = (
    *("builtins.property", "builtins.staticmethod", "builtins.classmethod", "abc.", "contextlib.", "dataclasses."),
    *("functools.", "typing.", "lambdachain."),
)


def uses_of(evaluation: Evaluation) -> Mapping[CodeUnit, frozenset[CodeUnit]]:
    """Describe which units each unit uses: too many rather than too few."""
    found: dict[CodeUnit, set[CodeUnit]] = {}
    for scope in evaluation.project.scopes():
        used = found.setdefault(scope.unit, set())
        used |= set(_mentioned(evaluation, scope))
        if scope.kind == "function":
            used.add(scope.module.unit)
            if _is_registered(evaluation, scope):
                found.setdefault(scope.module.unit, set()).add(scope.unit)
    return {unit: frozenset(used - {unit}) for unit, used in found.items()}


def _mentioned(evaluation: Evaluation, scope: Scope) -> Iterator[CodeUnit]:
    loads: Iterable[ast.expr] = scope.loads
    if scope.kind in ("module", "class"):
        # What a module only names for others does not run when it is imported; what it calls does, or may.
        loads = [
            node for call in scope.calls for node in (call.func, *call.args) if not _is_ours(evaluation, call, scope)
        ]
        yield from (unit for unit in _imported(evaluation, scope))
    yield from _by_getattr(evaluation, scope)
    targets = {id(node) for call in scope.calls for node in _targets(call)}
    for load in loads:
        if isinstance(load, ast.Attribute):
            yield from (getter.unit for getter in evaluation.getters(load, scope))
        if isinstance(load, ast.Name | ast.Attribute):
            for value in evaluation.values(load, scope):
                if not (id(load) in targets and isinstance(value, Function) and value.contract is not None):
                    yield from _units(evaluation, value, load)


def _by_getattr(evaluation: Evaluation, scope: Scope) -> Iterator[CodeUnit]:
    """Yield what ``getattr(steps, name)`` may give: that method or function, or any where the name is not told."""
    for call, name in evaluation.asked_by_name(scope):
        for value in evaluation.values(call.args[0], scope):
            if name is not None:
                yield from (unit for one in evaluation.attribute(value, name) for unit in _units(evaluation, one, call))
            elif isinstance(value, Class | Instance | Module):
                homes = [value.scope] if isinstance(value, Module) else classes.lineage(evaluation, value.scope)
                yield from (one.unit for home in homes for one in home.children if one.kind == "function")


def _targets(call: ast.Call) -> Iterator[ast.expr]:
    """Yield what stands for a function at Lambda: ``charge`` in ``charge.call(x)`` and ``client.fire(charge, x)``."""
    for index, node in enumerate([call.func, *call.args]):
        if isinstance(node, ast.Attribute) and node.attr in (*MODES, "bind"):
            yield node.value
            yield from call.args[index : index + 1]


def _is_ours(evaluation: Evaluation, call: ast.Call, scope: Scope) -> bool:
    found = evaluation.values(call.func, scope) if isinstance(call.func, ast.Name | ast.Attribute | ast.Call) else ()
    return any(
        isinstance(value, Decorator) or (isinstance(value, Library) and value.name.startswith("lambdachain."))
        for value in found
    )


def _imported(evaluation: Evaluation, scope: Scope) -> Iterator[CodeUnit]:
    for bindings in scope.bindings.values():
        for binding, home in bindings:
            if isinstance(binding, Imported):
                found = evaluation.project.module(binding.module, home.source)
                yield from () if found is None else (found.unit,)


def _units(evaluation: Evaluation, value: Value, load: ast.expr) -> Iterator[CodeUnit]:
    match value:
        case Function(scope) | Module(scope):
            yield scope.unit
        case Class(scope) | Instance(scope):
            is_any = classes.may_call_any_method(evaluation, scope)
            methods = (child for home in classes.lineage(evaluation, scope) for child in home.children)
            yield from (one.unit for one in methods if one.kind == "function" and (is_any or _is_special(one)))
        case Many() | Table():
            for item in _all_in(value):
                yield from _units(evaluation, item, load)
        case Unknown() if isinstance(load, ast.Attribute):
            # a method of something that is not followed: any that is called so
            yield from (method.unit for method in evaluation.project.methods(load.attr))
        case _:
            return


def _all_in(value: Many | Table) -> Iterator[Value]:
    yield from value.items if isinstance(value, Many) else (item for _, values in value.entries for item in values)


def _is_special(scope: Scope) -> bool:
    return scope.name.endswith("__")


def _is_registered(evaluation: Evaluation, scope: Scope) -> bool:
    if not isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    for decorator in scope.node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        for value in evaluation.values(function, scope.parent or scope):
            if not isinstance(value, Function) and not (isinstance(value, Library) and value.name.startswith(_QUIET)):
                return not isinstance(value, Decorator)
    return False
