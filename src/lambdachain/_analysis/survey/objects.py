"""Objects of classes in the code: what their creation passes, and the methods that are bound to them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from . import classes
from .arguments import bind_arguments, evaluate_arguments
from .evaluator import Evaluator
from .scopes import Assignment, Binding, Scope, get_parameters
from .values import (
    UNRESOLVED,
    Arguments,
    ClassValue,
    Constant,
    Frame,
    FunctionValue,
    InstanceValue,
    MappingValue,
    Value,
    Values,
    union,
)

# How many calls deep a constructor hands its arguments to constructors of bases and to methods of its own.
_MAX_NESTED: Final = 4


def has_parameters(scope: Scope) -> bool:
    """Check whether a function has parameters."""
    arguments = get_parameters(scope.node)
    return bool(arguments.posonlyargs or arguments.args or arguments.kwonlyargs or arguments.vararg or arguments.kwarg)


def bind_methods(receiver: InstanceValue | ClassValue, values: Values) -> Values:
    """Bind the methods among *values* to the object or class that they are read from."""
    return tuple(_bind_method(receiver, one) if isinstance(one, FunctionValue) else one for one in values)


def _bind_method(receiver: InstanceValue | ClassValue, function: FunctionValue) -> FunctionValue:
    kind = classes.get_receiver_type(function.scope)
    if kind is None or function.receiver is not None:
        return function
    if isinstance(receiver, kind):
        return replace(function, receiver=receiver)
    # An instance passes its class to a class method; a class passes nothing to an ordinary method.
    return replace(function, receiver=ClassValue(receiver.scope)) if kind is ClassValue else function


def bind_receiver(evaluator: Evaluator, function: FunctionValue, call: ast.Call, scope: Scope) -> FunctionValue:
    """Bind a method whose object is not known to any object of its class, unless the call passes one explicitly."""
    kind = classes.get_receiver_type(function.scope)
    if kind is None or function.receiver is not None or function.scope.owner is None:
        return function
    if isinstance(call.func, ast.Attribute) and kind is InstanceValue:
        receivers = evaluator.evaluate(call.func.value, scope)
        if any(isinstance(one, ClassValue) for one in receivers):
            return function
    return replace(function, receiver=kind(function.scope.owner))


def create_instance(evaluator: Evaluator, created: Scope, call: ast.Call, scope: Scope) -> InstanceValue:
    """Return the object that a call of a class creates, with what it passes to ``__init__`` or to the fields."""
    if not evaluator.follows_calls:
        return InstanceValue(created)
    constructor = classes.find_constructor(evaluator, created)
    if constructor is not None:
        function = FunctionValue(constructor, receiver=InstanceValue(created))
        bound = bind_arguments(evaluator, function, evaluate_arguments(evaluator, call, scope))
        return InstanceValue(created, evaluator.create_frame(function, bound, created))
    # Without fields, too: the frame tells an object of exactly this class from one that may be of a subclass.
    fields = classes.evaluate_passed_fields(evaluator, created, call, scope)
    return InstanceValue(created, evaluator.create_frame(FunctionValue(created), fields))


def copy_instance(evaluator: Evaluator, value: Value, changed: Arguments) -> Value:
    """Return what ``dataclasses.replace(value, **changed)`` is: an object with some other fields."""
    if not isinstance(value, InstanceValue) or (value.frame is not None and value.frame.created is not None):
        return UNRESOLVED[0]
    kept: Mapping[str, Values] = {} if value.frame is None else value.frame.arguments
    hidden = _list_fields(evaluator, value) if changed.has_unknown_keywords else ()
    fields = {**kept, **dict.fromkeys(hidden, UNRESOLVED), **dict(changed.keywords)}
    return InstanceValue(value.scope, evaluator.create_frame(FunctionValue(value.scope), fields))


def to_fields(evaluator: Evaluator, value: Value, *, without_none: bool = False) -> Value:
    """Return what ``dataclasses.asdict(value)`` is: the fields of an object of a data class by name."""
    if not isinstance(value, InstanceValue) or not classes.is_data_class(evaluator, value.scope):
        return UNRESOLVED[0]
    found = {name: evaluator.evaluate_attribute(value, name) for name in _list_fields(evaluator, value)}
    is_left_out = (Constant(None),) if without_none else None
    return MappingValue(tuple((name, values) for name, values in found.items() if values != is_left_out))


def _list_fields(evaluator: Evaluator, value: InstanceValue) -> list[str]:
    homes = reversed(classes.get_lineage(evaluator, value.scope))
    return list(dict.fromkeys(name for home in homes for name in home.fields))


def get_created_field(frame: Frame, name: str) -> Values:
    """Return what a field of a data class was created with."""
    return frame.arguments.get(name, ()) if frame.created is None else ()


def evaluate_assigned(evaluator: Evaluator, instance: InstanceValue, assignment: tuple[Binding, Scope]) -> Values:
    """Return what an assignment to ``self.name`` assigns: in the constructor, what the creation passes to it."""
    binding, home = assignment
    is_created = instance.frame is not None and instance.frame.created is not None
    if instance.frame is None or not (is_created or instance.calls is not None):
        return evaluator.evaluate_binding(binding, home)
    frames = list(_find_constructing(evaluator, instance.frame, _MAX_NESTED)) if is_created else []
    inside = [frame for frame in frames if frame.scope is home]
    is_constructor = home.name.endswith(".__init__")
    if not inside and is_constructor:
        return ()  # the constructor of another class
    found = [_evaluate_in(evaluator, frame, binding, home) for frame in inside]
    known = {one.scope for one in (*frames, *(frame for frame, _ in instance.calls or ()))}
    if not is_constructor and may_be_called_elsewhere(evaluator, instance, home, known):
        found.append(evaluator.evaluate_binding(binding, home))
    return union(found)


def may_be_called_elsewhere(evaluator: Evaluator, instance: InstanceValue, home: Scope, known: set[Scope]) -> bool:
    """Check whether other code than some functions may call a method of an object."""
    if classes.is_setter(home):
        # An assignment to an object that no other code has is one of its calls.
        return instance.calls is None and any(one not in known for one in _find_assigning(evaluator, home))
    callers = [caller for _, caller in evaluator.project.find_calls(home.short_name) if caller not in known]
    if instance.calls is None:
        return bool(callers) or home not in known
    # Only the methods that are known to run on the object have it; those that they call as usual are known, too.
    is_called = any(one in known for caller in callers for one in _get_enclosing(caller))
    is_passed = any(home.short_name in get_kept_attributes(one) for one in known)
    return home not in known and (is_called or is_passed)


def _find_assigning(evaluator: Evaluator, setter: Scope) -> Iterator[Scope]:
    """Yield the functions that assign an attribute of the name of a setter."""
    yield from (scope for _, _, scope in evaluator.project.find_attribute_assignments(setter.short_name))
    assigned = [] if setter.owner is None else setter.owner.attributes.get(setter.short_name, [])
    yield from (home for _, home in assigned)


def get_kept_attributes(scope: Scope) -> set[str]:
    """Return the names of the attributes that a function reads without calling them."""
    called = {id(call.func) for call in scope.calls}
    return {load.attr for load in scope.loads if isinstance(load, ast.Attribute) and id(load) not in called}


def _get_enclosing(scope: Scope) -> Iterator[Scope]:
    yield scope
    if scope.parent is not None:
        yield from _get_enclosing(scope.parent)


def _evaluate_in(evaluator: Evaluator, frame: Frame, binding: Binding, home: Scope) -> Values:
    with evaluator.in_frame(frame):
        return evaluator.evaluate_binding(binding, home)


def _find_constructing(evaluator: Evaluator, frame: Frame, depth: int) -> Iterator[Frame]:
    """Yield the frames of a constructor, and of the base's constructors and the methods that it calls."""
    yield frame
    if depth == 0:
        return
    with evaluator.in_frame(frame):
        first = next(iter(frame.scope.bindings), "self")
        calls = [*frame.scope.calls, *(call for _, call in find_set_properties(first, frame.scope))]
        inner = [one for call in calls for one in _find_called_methods(evaluator, call, frame)]
    for one in inner:
        yield from _find_constructing(evaluator, one, depth - 1)


def find_set_properties(name: str, scope: Scope) -> Iterator[tuple[ast.Attribute, ast.Call]]:
    """Yield what a method assigns to attributes of its object, as calls: of the setter, where there is one."""
    if scope.owner is None or name != next(iter(scope.bindings), None):
        return
    for attribute, bindings in scope.owner.attributes.items():
        for binding, home in bindings:
            # What is added to a collection in place has no line, and runs no setter.
            if home is scope and isinstance(binding, Assignment) and hasattr(binding.expr, "lineno"):
                target = ast.copy_location(ast.Attribute(ast.Name(name), attribute, ast.Store()), binding.expr)
                yield target, ast.copy_location(ast.Call(target, [binding.expr], []), target)


def _find_called_methods(evaluator: Evaluator, call: ast.Call, frame: Frame) -> Iterator[Frame]:
    if not isinstance(call.func, ast.Attribute) or frame.created is None:
        return
    # Only methods of self, super() and a named base: evaluating what other objects are would not end.
    receiver = call.func.value
    if not isinstance(receiver, ast.Name | ast.Call):
        return
    for value in _find_methods(evaluator, call.func, frame):
        bound = bind_arguments(evaluator, value, evaluate_arguments(evaluator, call, frame.scope))
        yield evaluator.create_frame(value, bound, frame.created)


def _find_methods(evaluator: Evaluator, method: ast.Attribute, frame: Frame) -> Iterator[FunctionValue]:
    created = frame.created
    lineage = classes.get_lineage(evaluator, created) if created is not None else []
    first = next(iter(frame.scope.bindings), "self")
    is_assigned = isinstance(method.ctx, ast.Store)
    is_super = isinstance(method.value, ast.Call)
    is_self = isinstance(method.value, ast.Name) and method.value.id == first
    for home in lineage[1:] if is_super else lineage:
        for value in evaluator.evaluate_class_name(home, method.attr):
            if not isinstance(value, FunctionValue) or classes.is_setter(value.scope) != is_assigned:
                continue
            if (is_super or is_self) and created is not None:
                yield replace(value, receiver=InstanceValue(created, frame))
                return
    if not (is_super or is_self):
        named: Iterator[Value] = iter(evaluator.evaluate(method, frame.scope))
        yield from (one for one in named if isinstance(one, FunctionValue) and one.scope.owner in lineage)
