"""The methods that a function calls on an object that it has created: setters, and the steps of a builder.

``sender = Sender(); sender.set_target("billing"); sender.send()`` sends to billing, whatever other code sets on objects
of its own. That holds as long as no other code has the object.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from . import classes
from .arguments import bind_arguments, evaluate_arguments
from .branches import find_dead_code, is_inside, is_undecided
from .evaluator import Evaluator
from .objects import bind_methods, find_set_properties, get_kept_attributes, may_be_called_elsewhere
from .scopes import Assignment, Scope
from .values import ClassValue, Frame, FunctionValue, InstanceValue, Values, union

_MethodCall: TypeAlias = tuple[ast.Attribute, ast.Call]
# How many calls deep a setter hands its arguments to others.
_MAX_NESTED: Final = 4


def evaluate_receiver(evaluator: Evaluator, node: ast.Attribute, scope: Scope) -> Values:
    """Return what an attribute is read of: objects with the methods that are called on them."""
    values = evaluator.evaluate(node.value, scope)
    if not evaluator.follows_calls or not any(isinstance(one, InstanceValue) and one.frame for one in values):
        return values
    creation, calls = _find_creation(evaluator, node.value, scope)
    if creation is None:
        return values
    # The method that is read may itself set attributes before it reads others.
    own = [(node, call) for call in scope.calls if call.func is node and (node, call) not in calls]
    created = evaluator.evaluate(creation, scope)
    return tuple(
        replace(one, calls=tuple(_find_frames(evaluator, one, [*calls, *own], node, scope)))
        if isinstance(one, InstanceValue) and one in created
        else one
        for one in values
    )


def drop_calls(values: Values) -> Values:
    """Return what a function returns: its callers may call further methods of an object."""
    return tuple(replace(one, calls=None) if isinstance(one, InstanceValue) and one.calls else one for one in values)


def evaluate_set_attribute(evaluator: Evaluator, instance: InstanceValue, name: str) -> tuple[Values, bool]:
    """Return what the calls of an object's methods set an attribute to, and whether one certainly does."""
    if instance.calls is None:
        return (), False
    found: list[Values] = []
    homes = classes.get_lineage(evaluator, instance.scope)
    assigned = [one for home in homes for one in home.attributes.get(name, ())]
    known = {frame.scope for frame, _ in instance.calls}
    is_only_setter = not any(
        may_be_called_elsewhere(evaluator, instance, home, known)
        for _, home in assigned
        if home.short_name != "__init__"
    )
    for frame, is_certain in reversed(instance.calls):
        if frame.scope.kind == "class" and name in frame.arguments:
            found.append(frame.arguments[name])
            if is_certain and is_only_setter:
                return union(found), True
        for binding, home in assigned:
            if home is not frame.scope or not isinstance(binding, Assignment):
                continue
            with evaluator.in_frame(frame):
                if find_dead_code(evaluator, home)(binding.expr):
                    continue
                found.append(evaluator.evaluate_binding(binding, home))
                if is_certain and is_only_setter and not is_undecided(evaluator, binding.expr, home):
                    return union(found), True
    return union(found), False


def _find_creation(evaluator: Evaluator, expr: ast.expr, scope: Scope) -> tuple[ast.expr | None, Sequence[_MethodCall]]:
    """Return the call that creates an object, and those of its methods; no call if other code may have the object."""
    match expr:
        case ast.Name(id=name) if not _is_shared(evaluator, name, scope):
            match scope.bindings.get(name):
                case [(Assignment(ast.Call() as assigned), home)] if home is scope:
                    creation, calls = _find_creation(evaluator, assigned, scope)
                    return creation, [*calls, *_find_calls(name, scope)]
                case _:
                    return None, ()
        case ast.Call(func=function) if _is_class(evaluator, function, scope):
            return expr, ()
        case ast.Call(func=ast.Attribute(value=ast.Call() as inner) as function):
            creation, calls = _find_creation(evaluator, inner, scope)
            return creation, [*calls, (function, expr)]
        case _:
            return None, ()


def _is_class(evaluator: Evaluator, function: ast.expr, scope: Scope) -> bool:
    called = evaluator.evaluate(function, scope)
    return bool(called) and all(isinstance(one, ClassValue) for one in called)


def _is_shared(evaluator: Evaluator, name: str, scope: Scope) -> bool:
    """Check whether a variable is used for more than reading its attributes: other code may have its object."""
    if scope.kind != "function":
        return True
    receivers = {id(load.value) for load in scope.loads if isinstance(load, ast.Attribute)}
    receivers |= {id(target.value) for target, _ in scope.attribute_assignments}
    if any(isinstance(load, ast.Name) and load.id == name and id(load) not in receivers for load in scope.loads):
        return True
    methods = [method for one in get_kept_attributes(scope) for method in evaluator.project.find_methods(one)]
    if not all(classes.is_property(one) or classes.is_setter(one) for one in methods):
        return True  # ``setter = sender.set_target``
    inside = (load for child in scope.children for one in child.walk() for load in one.loads)
    return any(isinstance(load, ast.Name) and load.id == name for load in inside)


def _find_calls(name: str, scope: Scope) -> list[_MethodCall]:
    """Return the calls of an object's methods in order, with the assignments to its attributes as calls of setters."""
    found: list[_MethodCall] = []
    for call in scope.calls:
        match call.func:
            case ast.Attribute(value=ast.Name(id=receiver)) as function if receiver == name:
                found.append((function, call))
            case _:
                continue
    assigned = list(find_set_properties(name, scope))
    for target, value in scope.attribute_assignments:
        if isinstance(target.value, ast.Name) and target.value.id == name:
            assigned.append((target, ast.copy_location(ast.Call(target, [value], []), target)))
    return sorted([*found, *assigned], key=lambda one: (one[1].lineno, one[1].col_offset)) if assigned else found


def _find_frames(
    evaluator: Evaluator, instance: InstanceValue, calls: Sequence[_MethodCall], node: ast.Attribute, scope: Scope
) -> Iterator[tuple[Frame, bool]]:
    for function, call in calls:
        is_certain = function is not node and _precedes(call, node.value, scope)
        methods = _find_method(evaluator, instance, function)
        if not methods and isinstance(function.ctx, ast.Store):
            assigned = {function.attr: evaluator.evaluate(call.args[0], scope)}
            yield evaluator.create_frame(FunctionValue(instance.scope), assigned), is_certain
        for method in methods:
            bound = bind_arguments(evaluator, method, evaluate_arguments(evaluator, call, scope))
            yield from _find_nested(
                evaluator, instance, evaluator.create_frame(method, bound), _MAX_NESTED, is_certain=is_certain
            )


def _find_nested(
    evaluator: Evaluator, instance: InstanceValue, frame: Frame, depth: int, *, is_certain: bool
) -> Iterator[tuple[Frame, bool]]:
    """Yield the frame of a method, and of the methods of the same object that it calls."""
    yield frame, is_certain
    receiver = next(iter(frame.scope.bindings), "")
    inner: list[tuple[Frame, bool]] = []
    with evaluator.in_frame(frame):
        is_dead = find_dead_code(evaluator, frame.scope)
        for function, call in _find_calls(receiver, frame.scope) if depth else ():
            for method in _find_method(evaluator, instance, function) if not is_dead(call) else ():
                bound = bind_arguments(evaluator, method, evaluate_arguments(evaluator, call, frame.scope))
                is_sure = is_certain and not frame.scope.loops and not is_undecided(evaluator, call, frame.scope)
                inner.append((evaluator.create_frame(method, bound), is_sure))
    for one, is_sure in inner:
        yield from _find_nested(evaluator, instance, one, depth - 1, is_certain=is_sure)


def _precedes(call: ast.Call, expr: ast.expr, scope: Scope) -> bool:
    """Check whether a call certainly runs before an expression is evaluated."""
    if isinstance(expr, ast.Call):
        return True  # an earlier step of the same builder
    spans = [span for branch in scope.branches for span in (*branch.dead_if_true, *branch.dead_if_false)]
    is_conditional = any(is_inside(call, span) and not is_inside(expr, span) for span in spans)
    # A loop may have no rounds.
    is_before = (call.lineno, call.col_offset) < (expr.lineno, expr.col_offset)
    return is_before and not is_conditional and not scope.loops


def _find_method(evaluator: Evaluator, instance: InstanceValue, function: ast.Attribute) -> list[FunctionValue]:
    """Return the method that a call calls, or the setter that an assignment runs."""
    is_assigned = isinstance(function.ctx, ast.Store)
    for home in classes.get_lineage(evaluator, instance.scope):
        if found := bind_methods(instance, evaluator.evaluate_class_name(home, function.attr)):
            methods = (one for one in found if isinstance(one, FunctionValue))
            return [one for one in methods if classes.is_setter(one.scope) == is_assigned]
    return []
