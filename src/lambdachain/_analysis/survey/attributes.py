"""What ``value.name`` may be, for each kind of value.

An attribute of an object may come from the class, its bases, a subclass, an assignment to ``self.name`` in a method, or
one from outside (``settings.client = ...``). All of them are possible values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from . import classes
from .arguments import bind_arguments
from .boto3_calls import evaluate_method
from .evaluator import Evaluator
from .installed_constants import evaluate_external
from .object_calls import evaluate_set_attribute
from .objects import bind_methods, evaluate_assigned, get_created_field
from .results import DeclaredContract
from .scopes import Scope
from .values import (
    UNRESOLVED,
    Arguments,
    ClassValue,
    Constant,
    ContractValue,
    EnumMemberValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    SuperValue,
    Unresolved,
    Value,
    Values,
    union,
)


def evaluate_attribute(evaluator: Evaluator, value: Value, name: str) -> Values:  # noqa: C901, PLR0911 - a table
    """Return what ``value.name`` may be."""
    if found := _evaluate_enum(evaluator, value, name):
        return found
    match value:
        case ExternalName(qualified):
            return evaluate_external(evaluator, f"{qualified}.{name}")
        case ModuleValue(scope):
            bound = evaluator.evaluate_name(name, scope) if name in scope.bindings else ()
            return union([bound, find_outside_assignments(evaluator, [scope], name)]) or UNRESOLVED
        case ClassValue(scope):
            return bind_methods(value, _evaluate_on_class(evaluator, scope, name))
        case InstanceValue():
            return _evaluate_on_instance(evaluator, value, name)
        case SuperValue():
            return _evaluate_on_super(evaluator, value, name)
        case FunctionValue(contract=DeclaredContract() as contract) if name == "contract":
            return (ContractValue(contract),)
        case ContractValue(contract) if name == "contract":
            return (value,)
        case ContractValue(contract) if name == "function":
            return (Constant(contract.function),)
        case Unresolved():
            return (value, *evaluate_method(name))
        case MappingValue():  # that of ``SimpleNamespace(name=...)``
            return value.get(name) or UNRESOLVED
        case _:
            return UNRESOLVED


def find_submodule(evaluator: Evaluator, value: Value, name: str, scope: Scope) -> Values:
    """Return the module ``shop.names`` for ``shop``: ``import shop.names`` binds only ``shop``."""
    match value:
        case ExternalName(package):
            found = evaluator.project.find_module(f"{package}.{name}", scope.source)
        case ModuleValue(package) if name not in package.bindings and package.source.is_package:
            qualified = "." + ".".join([*package.source.parts, name])
            found = evaluator.project.find_module(qualified, package.source)
        case _:
            found = None
    return () if found is None else (ModuleValue(found),)


def find_properties(evaluator: Evaluator, node: ast.Attribute, scope: Scope) -> Iterator[FunctionValue]:
    """Yield the properties that run when an attribute is read."""
    for value in evaluator.evaluate(node.value, scope):
        if isinstance(value, InstanceValue | SuperValue):
            for home in evaluator.project.get_family(value.scope, evaluator.base_classes):
                found = evaluator.evaluate_class_name(home, node.attr)
                receiver = value if isinstance(value, InstanceValue) else value.receiver
                yield from _get_properties(found if receiver is None else bind_methods(receiver, found))


def _get_properties(values: Values) -> Iterator[FunctionValue]:
    for value in values:
        if isinstance(value, FunctionValue) and classes.is_property(value.scope):
            yield value


def _evaluate_on_class(evaluator: Evaluator, scope: Scope, name: str) -> Values:
    homes = evaluator.project.get_family(scope, evaluator.base_classes)
    found = [_evaluate_member(evaluator, home, name) for home in homes]
    return union([*found, find_outside_assignments(evaluator, homes, name)]) or UNRESOLVED


def _evaluate_enum(evaluator: Evaluator, value: Value, name: str) -> Values:
    """Return what an attribute of an enum or its members may be; nothing for any other value."""
    match value, name:
        case ClassValue(scope), _ if classes.is_enum(evaluator, scope):
            return _evaluate_on_enum(evaluator, scope, name)
        case EnumMemberValue(values=values), ("value" | "_value_"):
            return values
        case EnumMemberValue(member), "name":
            return (Constant(member),)
        # Of all strings, only the members of an enum of strings have this attribute.
        case Constant(str()), ("value" | "_value_"):
            return (value,)
        case InstanceValue(scope), ("value" | "_value_") if classes.is_enum(evaluator, scope):
            return _evaluate_enum_values(evaluator, scope)
        case _:
            return ()


def _evaluate_on_enum(evaluator: Evaluator, scope: Scope, name: str) -> Values:
    """Return the member of an enum, or what else its class has by that name."""
    found = _evaluate_on_class(evaluator, scope, name)
    if name not in scope.bindings:
        return found
    if classes.is_string_enum(evaluator, scope):
        return tuple(Constant(name.lower()) if value == classes.AUTO else value for value in found)
    return union((value,) if isinstance(value, FunctionValue) else (EnumMemberValue(name, found),) for value in found)


def _evaluate_enum_values(evaluator: Evaluator, scope: Scope) -> Values:
    """Return what the value of any member may be: which member it is, is not known."""
    # Names of a class body that begin with an underscore are not members.
    members = [name for name in scope.bindings if not name.startswith("_")]
    values = union(evaluator.evaluate_class_name(scope, name) for name in members)
    return tuple(value for value in values if not isinstance(value, FunctionValue)) or UNRESOLVED


def _evaluate_on_instance(evaluator: Evaluator, instance: InstanceValue, name: str) -> Values:
    scope = instance.scope
    if instance.frame is not None and (field := get_created_field(instance.frame, name)):
        homes = classes.get_lineage(evaluator, scope)
        return union([field, find_outside_assignments(evaluator, homes, name)])
    if stored := _evaluate_property(evaluator, instance, name):
        return stored
    homes = evaluator.project.get_family(scope, evaluator.base_classes)
    in_calls, is_certain = evaluate_set_attribute(evaluator, instance, name)
    if is_certain:
        return in_calls
    if instance.frame is not None:
        # The class of an object whose creation is in sight is known exactly: it is no subclass.
        homes = classes.get_lineage(evaluator, scope)
    field = classes.evaluate_field(evaluator, scope, name)
    # The value of a field in the class body is its default, which evaluate_field has taken account of.
    in_body = union(
        evaluator.evaluate_class_name(home, name) if not field or name not in home.fields else () for home in homes
    )
    if instance.frame is not None:
        # The nearest class that defines a name hides those of its bases.
        in_body = (
            next(filter(None, (evaluator.evaluate_class_name(home, name) for home in homes)), ()) if in_body else ()
        )
    read = union(_read_property(evaluator, value, instance) for value in bind_methods(instance, in_body))
    on_self = union(
        evaluate_assigned(evaluator, instance, one) for home in homes for one in home.attributes.get(name, ())
    )
    outside = find_outside_assignments(evaluator, homes, name)
    return union([in_calls, field, read, on_self, outside]) or UNRESOLVED


def _evaluate_on_super(evaluator: Evaluator, value: SuperValue, name: str) -> Values:
    for home in classes.get_lineage(evaluator, value.scope)[1:]:
        if found := _evaluate_member(evaluator, home, name):
            return found if value.receiver is None else bind_methods(value.receiver, found)
    return UNRESOLVED


def _evaluate_member(evaluator: Evaluator, home: Scope, name: str) -> Values:
    on_self = (evaluator.evaluate_binding(*one) for one in home.attributes.get(name, ()))
    return union([evaluator.evaluate_class_name(home, name), *on_self])


def find_outside_assignments(evaluator: Evaluator, homes: list[Scope], name: str) -> Values:
    """Return what other code assigns to an attribute of an object, a class or a module."""
    return union(
        evaluator.evaluate(expr, scope)
        for receiver, expr, scope in evaluator.project.find_attribute_assignments(name)
        if any(
            isinstance(one, InstanceValue | ClassValue | ModuleValue) and one.scope in homes
            for one in evaluator.evaluate(receiver, scope)
        )
    )


def _evaluate_property(evaluator: Evaluator, instance: InstanceValue, name: str) -> Values:
    """Return what a property with a setter reads, which depends on what the setter stores; nothing for the others."""
    setters = [one for one in evaluator.project.find_methods(name) if classes.is_setter(one)]
    if not setters:
        return ()
    lineage = classes.get_lineage(evaluator, instance.scope)
    homes = lineage if instance.frame else evaluator.project.get_family(instance.scope, evaluator.base_classes)
    if not any(one.owner in homes for one in setters):
        return ()
    found = [values for home in homes if (values := evaluator.evaluate_class_name(home, name))]
    nearest = bind_methods(instance, union(found[:1] if instance.frame else found))
    return union(_read_property(evaluator, value, instance) for value in nearest) or UNRESOLVED


def _read_property(evaluator: Evaluator, value: Value, instance: InstanceValue) -> Values:
    if isinstance(value, FunctionValue) and classes.is_property(value.scope):
        if instance.frame is None:
            return evaluator.evaluate_return(value.scope)
        return evaluator.evaluate_call(value, bind_arguments(evaluator, value, Arguments()))
    return () if isinstance(value, FunctionValue) and classes.is_setter(value.scope) else (value,)
