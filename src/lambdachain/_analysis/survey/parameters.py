"""What a parameter may be: everything that the calls in the code pass for it.

This holds outside of any call that is followed; ``arguments`` binds what a single call passes.

A function that is used other than by calling it (stored, registered, passed on) may be called from anywhere with
anything. Then the arguments that are visible are returned together with a reason why they may not be all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from . import classes
from .arguments import get_default
from .attributes import find_outside_assignments
from .evaluator import Evaluator
from .scopes import Parameter, Scope
from .values import (
    UNRESOLVED,
    CallersValue,
    ClassValue,
    FunctionValue,
    InstanceValue,
    Unresolved,
    Values,
    union,
    unresolved_reasons,
)


def evaluate_parameter(evaluator: Evaluator, parameter: Parameter, scope: Scope) -> Values:
    """Return what callers pass for a parameter; if no call is in the code, what its annotation reveals."""
    if parameter.collects_rest:
        return (Unresolved(f"it is the parameter *{parameter.name}"),)
    receiver = classes.get_receiver_type(scope)
    if receiver is not None and scope.owner is not None and parameter.position == 0:
        return (receiver(scope.owner),)
    annotated = evaluator.evaluate_annotation(parameter.annotation, scope.parent)
    passed = union(_find_arguments(evaluator, parameter, scope))
    # An annotation ``client: LambdaClient`` is better than a set of arguments with an unresolved one in it.
    if not passed or (annotated and unresolved_reasons(passed)):
        default = _evaluate_default(evaluator, scope, parameter.name) if get_default(scope, parameter.name) else ()
        return annotated or (*default, Unresolved(f"it is the parameter {parameter.name!r} of {scope.name}"))
    return passed


def _find_arguments(evaluator: Evaluator, parameter: Parameter, scope: Scope) -> Iterator[Values]:
    if scope.owner is not None and classes.is_setter(scope):
        for binding in scope.owner.attributes.get(scope.short_name, ()):
            yield evaluator.evaluate_binding(*binding)
        yield find_outside_assignments(evaluator, [scope.owner], scope.short_name)
        return
    for name in (*classes.get_call_names(evaluator, scope), None):
        for value in _find_callers(evaluator, name, scope):
            if not isinstance(value, CallersValue):
                yield (value,)
                continue
            for call, caller, skipped in value.by_function.get(scope, ()):
                position = None if parameter.position is None else parameter.position - skipped
                passed = _evaluate_argument(evaluator, call, caller, parameter.name, position)
                yield _evaluate_default(evaluator, scope, parameter.name) if passed is None else passed
    if evaluator.project.is_passed_as_value(scope.short_name):
        yield (Unresolved(f"it is the parameter {parameter.name!r} of {scope.name}, which is passed on as a value"),)


def _find_callers(evaluator: Evaluator, name: str | None, scope: Scope) -> Values:
    """Return the calls of a name, sorted out by namesakes once for all of them and their parameters.

    Without a name, these are the uses of a function as a decorator that keeps what it decorates.
    """

    def sort_out() -> Values:
        found: dict[Scope, list[tuple[ast.Call, Scope, int]]] = {}
        project = evaluator.project
        for call, caller in project.find_decorations(scope) if name is None else project.find_calls(name):
            for function, skipped in _count_implicit_parameters(evaluator, call, caller).items():
                found.setdefault(function, []).append((call, caller, skipped))
        return (CallersValue(found),)

    return evaluator.compute_in_scope(("callers", name or scope), scope, sort_out)


def _count_implicit_parameters(evaluator: Evaluator, call: ast.Call, caller: Scope) -> Mapping[Scope, int]:
    """Return the functions that a call may call: 1 where it passes ``self`` or ``cls`` implicitly, else 0."""
    found: dict[Scope, int] = {}
    for value in evaluator.evaluate(call.func, caller):
        if isinstance(value, FunctionValue) and value.scope not in found:
            found[value.scope] = _count_for_function(evaluator, call, caller, value.scope)
        elif isinstance(value, ClassValue):
            constructor = classes.find_constructor(evaluator, value.scope)
            if constructor is not None:
                found.setdefault(constructor, 1)
    return found


def _count_for_function(evaluator: Evaluator, call: ast.Call, caller: Scope, scope: Scope) -> int:
    receiver = classes.get_receiver_type(scope)
    if receiver is None:
        return 0
    # ``Gateway.send(gateway, charge)`` passes ``self`` explicitly; a class method never does.
    is_explicit = receiver is InstanceValue and _is_called_on_class(evaluator, call, caller)
    return 0 if is_explicit else 1


def _is_called_on_class(evaluator: Evaluator, call: ast.Call, caller: Scope) -> bool:
    receivers: Values = ()
    if isinstance(call.func, ast.Attribute):
        receivers = evaluator.evaluate(call.func.value, caller)
    return any(isinstance(value, ClassValue) for value in receivers)


def _evaluate_argument(
    evaluator: Evaluator, call: ast.Call, caller: Scope, name: str, position: int | None
) -> Values | None:
    """Return what a call passes for a parameter; ``None`` if it passes nothing, so that the default holds."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return evaluator.evaluate(keyword.value, caller)
    # ``f(*items)`` may fill any position from there on, ``f(**options)`` any name.
    if position is not None and any(isinstance(argument, ast.Starred) for argument in call.args[: position + 1]):
        return UNRESOLVED
    if position is not None and position < len(call.args):
        return evaluator.evaluate(call.args[position], caller)
    return UNRESOLVED if any(keyword.arg is None for keyword in call.keywords) else None


def _evaluate_default(evaluator: Evaluator, scope: Scope, name: str) -> Values:
    default = get_default(scope, name)
    return UNRESOLVED if default is None else evaluator.evaluate(default, scope.parent or scope)
