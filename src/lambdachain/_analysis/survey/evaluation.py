"""Working out what an expression may be, as far as the text of the code tells."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any, Final

from . import classes, known_functions
from .memo import RecursiveMemo
from .project import Project
from .results import DeclaredContract, SourceSchema
from .scopes import Assignment, Binding, Definition, Import, LoopTarget, OpaqueBinding, Parameter, Scope, get_parameters
from .source_schema import read_source_schema
from .syntax import CLIENTS, DEFINITIONS
from .syntax import annotation as unquoted
from .values import (
    UNRESOLVED,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    ContractValue,
    DecoratorValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    SuperValue,
    Unresolved,
    Value,
    Values,
    get_elements,
    merge_mappings,
    union,
    unresolved_reasons,
)

_MOST_TEXTS: Final = 10_000


class ExpressionEvaluator:
    """Works out expressions of a project; each once.

    Args:
        project: The files.
        environment: What is known of environment variables.
    """

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = environment
        self._memory = RecursiveMemo[Values]((), UNRESOLVED)
        self._given: dict[tuple[Scope, str], Values] = {}
        self._base_classes: dict[Scope, list[Scope]] = {}
        self._kinds: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
            ast.Attribute: self._attribute,
            ast.Await: lambda node, scope: self.evaluate(node.value, scope),
            ast.BinOp: self._operation,
            ast.BoolOp: lambda node, scope: union(self.evaluate(one, scope) for one in node.values),
            ast.Call: lambda node, scope: known_functions.called(self, node, scope),
            ast.Constant: self._constant,
            ast.Dict: self._dict,
            ast.IfExp: lambda node, scope: union(self.evaluate(one, scope) for one in (node.body, node.orelse)),
            ast.JoinedStr: self._joined,
            ast.Lambda: self._lambda,
            ast.List: self._several,
            ast.Name: lambda node, scope: self.evaluate_name(node.id, scope),
            ast.NamedExpr: lambda node, scope: self.evaluate(node.value, scope),
            ast.Set: self._several,
            ast.Subscript: self._subscript,
            ast.Tuple: self._several,
        }

    def evaluate(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, which stands in *scope*, may be."""
        work = self._kinds.get(type(expr))
        # By the node, which the memory keeps alive: the id of one that is gone is soon another's.
        return UNRESOLVED if work is None else self._memory.get_or_compute(expr, lambda: work(expr, scope))

    def evaluate_name(self, name: str, scope: Scope) -> Values:
        """Return what a name may be in *scope*."""
        bindings = scope.lookup(name) or list(self._starred(name, scope))
        if not bindings:
            return (ExternalName(f"builtins.{name}"),)
        key = (id(bindings), name) if scope.lookup(name) else (scope, f"*{name}")
        return self._memory.get_or_compute(key, lambda: union(self._bound(binding, home) for binding, home in bindings))

    def _starred(self, name: str, scope: Scope) -> Iterator[tuple[Binding, Scope]]:
        """Yield what a name is in the modules that all names are imported from."""
        for binding, home in scope.lookup("*"):
            module = self.project.find_module(binding.module, home.source) if isinstance(binding, Import) else None
            if module is not None and name != "*":
                yield from module.lookup(name)

    def apply_to_string(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter gives for *text*."""
        arguments = get_parameters(scope.node)
        names = [arg.arg for arg in [*arguments.posonlyargs, *arguments.args]]
        if len(names) != 1 or not scope.returns:
            return UNRESOLVED
        before, self._memory = self._memory, RecursiveMemo[Values]((), UNRESOLVED)
        self._given[scope, names[0]] = (Constant(text),)
        try:
            return union(self.evaluate(expr, scope) for expr in scope.returns)
        finally:
            del self._given[scope, names[0]]
            self._memory = before

    def evaluate_definition(self, scope: Scope) -> Values:
        """Return what a function or class is once its decorators have had their say."""
        if scope.kind == "class":
            return (ClassValue(scope),)
        found: Value = FunctionValue(scope)
        for expr in reversed(scope.node.decorator_list if isinstance(scope.node, DEFINITIONS) else []):
            for decorator in self.evaluate(expr, scope.parent or scope):
                if isinstance(decorator, DecoratorValue):
                    found = FunctionValue(scope, decorator.make(FunctionValue(scope)))
        return (found,)

    def read_schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the schema of the type that *expr* names; see ``read_source_schema``."""
        return read_source_schema(self, expr, scope)

    def _bound(self, binding: Binding, scope: Scope) -> Values:
        match binding:
            case Assignment(expr):
                return self.evaluate(expr, scope)
            case LoopTarget(expr):
                return get_elements(self.evaluate(expr, scope))
            case Import(module, name):
                return self._imported(module, name, scope)
            case Definition(inner):
                return self.evaluate_definition(inner)
            case Parameter():
                return self._given.get((scope, binding.name)) or self._parameter(binding, scope)
            case OpaqueBinding(why):
                return (Unresolved(why),)

    def _imported(self, module: str, name: str | None, scope: Scope) -> Values:
        if name is None:
            found = self.project.find_module(module, scope.source)
            return (ExternalName(module),) if found is None else (ModuleValue(found),)
        home = self.project.find_module(module, scope.source)
        if home is not None and name in home.bindings:
            return self.evaluate_name(name, home)
        inner = self.project.find_module(f"{module}.{name}" if module else name, scope.source)
        if inner is not None:
            return (ModuleValue(inner),)
        return (ExternalName(f"{module}.{name}"),) if home is None else UNRESOLVED

    def _parameter(self, parameter: Parameter, scope: Scope) -> Values:
        """A parameter is what its callers give; where none is seen, what its annotation says of it."""
        receiver = classes.get_receiver_type(scope)
        if receiver is not None and scope.owner is not None and parameter.position == 0:
            return (receiver(scope.owner),)
        annotated = self.evaluate_annotation(parameter.annotation, scope.parent)
        given = union(self._arguments(parameter, scope))
        if not given or (annotated and unresolved_reasons(given)):
            return annotated or (Unresolved(f"it is the parameter {parameter.name!r} of {scope.name}"),)
        return given

    def evaluate_annotation(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation says of a value: a client, or an object of a class in the code."""
        if annotation is None or scope is None:
            return ()
        for value in self.evaluate(unquoted(annotation), scope):
            if isinstance(value, ExternalName) and value.name in CLIENTS:
                return (ClientValue(None),)
            if isinstance(value, ClassValue):
                return (InstanceValue(value.scope),)
        return ()

    def _arguments(self, parameter: Parameter, scope: Scope) -> Iterator[Values]:
        """Yield what each call that is seen passes for a parameter; one that escapes may be called with anything."""
        for name in classes.get_call_names(self, scope):
            for call, caller in self.project.find_calls(name):
                shift = self._shift(call, caller, scope)
                if shift is not None:
                    position = None if parameter.position is None else parameter.position - shift
                    yield self._argument(call, caller, parameter, position, scope)
        if self.project.is_passed_as_value(scope.short_name):
            yield (
                Unresolved(f"it is the parameter {parameter.name!r} of {scope.name}, which is passed on as a value"),
            )

    def _shift(self, call: ast.Call, caller: Scope, scope: Scope) -> int | None:
        """Count the parameters that come before a call's arguments; ``None`` if the call is of something else."""
        receiver = classes.get_receiver_type(scope)
        for value in self.evaluate(call.func, caller):
            if isinstance(value, FunctionValue) and value.scope is scope:
                is_through_class = isinstance(call.func, ast.Attribute) and any(
                    isinstance(one, ClassValue) for one in self.evaluate(call.func.value, caller)
                )
                return 0 if receiver is None or (receiver is InstanceValue and is_through_class) else 1
            if isinstance(value, ClassValue) and classes.find_constructor(self, value.scope) is scope:
                return 1
        return None

    def _argument(
        self, call: ast.Call, caller: Scope, parameter: Parameter, position: int | None, scope: Scope
    ) -> Values:
        for one in call.keywords:
            if one.arg == parameter.name:
                return self.evaluate(one.value, caller)
        if position is not None and any(isinstance(one, ast.Starred) for one in call.args[: position + 1]):
            return UNRESOLVED
        if position is not None and position < len(call.args):
            return self.evaluate(call.args[position], caller)
        if any(one.arg is None for one in call.keywords):
            return UNRESOLVED
        default = _default(scope, parameter.name)
        return UNRESOLVED if default is None else self.evaluate(default, scope.parent or scope)

    def _constant(self, node: ast.Constant, _scope: Scope) -> Values:
        value = node.value
        return (Constant(value),) if isinstance(value, str | int | float) or value is None else UNRESOLVED

    def _several(self, node: Any, scope: Scope) -> Values:
        parts = (
            get_elements(self.evaluate(one.value, scope)) if isinstance(one, ast.Starred) else self.evaluate(one, scope)
            for one in node.elts
        )
        return (CollectionValue(union(parts)),)

    def _dict(self, node: ast.Dict, scope: Scope) -> Values:
        entries: list[tuple[str, Values]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            text = self.evaluate_string(key, scope) if key is not None else None
            if text is None:
                return (CollectionValue(union(self.evaluate(one, scope) for one in node.values)),)
            entries.append((text, self.evaluate(value, scope)))
        return (MappingValue(tuple(entries)),)

    def evaluate_string(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the one text that an expression is, or ``None``."""
        match self.evaluate(expr, scope):
            case (Constant(str(text)),):
                return text
            case _:
                return None

    def _joined(self, node: ast.JoinedStr, scope: Scope) -> Values:
        parts = [
            self._formatted(part, scope) if isinstance(part, ast.FormattedValue) else self.evaluate(part, scope)
            for part in node.values
        ]
        return _concatenated(parts)

    def _formatted(self, part: ast.FormattedValue, scope: Scope) -> Values:
        is_plain = part.format_spec is None and part.conversion in (-1, ord("s"))
        return self.evaluate(part.value, scope) if is_plain else UNRESOLVED

    def _operation(self, node: ast.BinOp, scope: Scope) -> Values:
        if not isinstance(node.op, ast.Add):
            return UNRESOLVED
        sides = [self.evaluate(node.left, scope), self.evaluate(node.right, scope)]
        if all(isinstance(value, CollectionValue) for values in sides for value in values):
            return (CollectionValue(union(get_elements(values) for values in sides)),)
        if any(
            isinstance(value, Constant) and not isinstance(value.value, str) for values in sides for value in values
        ):
            return UNRESOLVED  # a sum of numbers is no text
        return _concatenated(sides)

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Values:
        return tuple(FunctionValue(child) for child in scope.children if child.node is node)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Values:
        return union(
            known_functions.item(self, value, node.slice, scope)
            for value in merge_mappings(self.evaluate(node.value, scope))
        )

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Values:
        return union(
            self._submodule(value, node.attr, scope) or self.evaluate_attribute(value, node.attr)
            for value in self.evaluate(node.value, scope)
        )

    def _submodule(self, value: Value, name: str, scope: Scope) -> Values:
        """Return a module of a package: ``shop.names``, which ``import shop.names`` binds no name of its own to."""
        match value:
            case ExternalName(package):
                found = self.project.find_module(f"{package}.{name}", scope.source)
            case ModuleValue(package) if name not in package.bindings and package.source.is_package:
                found = self.project.find_module("." + ".".join([*package.source.parts, name]), package.source)
            case _:
                found = None
        return () if found is None else (ModuleValue(found),)

    def evaluate_attribute(self, value: Value, name: str) -> Values:  # noqa: PLR0911 - a table
        """Return what ``value.name`` may be."""
        match value:
            case ExternalName(whole):
                return (ExternalName(f"{whole}.{name}"),)
            case ModuleValue(scope):
                found = self.evaluate_name(name, scope) if name in scope.bindings else ()
                return union([found, self._set([scope], name)]) or UNRESOLVED
            case ClassValue(scope):
                return self._member(scope, name)
            case InstanceValue(scope):
                return self._of_object(scope, name)
            case SuperValue(scope):
                return self._inherited(scope, name)
            case FunctionValue(contract=DeclaredContract() as contract) if name == "contract":
                return (ContractValue(contract),)
            case ContractValue(contract) if name == "contract":
                return (value,)
            case ContractValue(contract) if name == "function":
                return (Constant(contract.function),)
            case Unresolved():
                return (value,)
            case _:
                return UNRESOLVED

    def _member(self, scope: Scope, name: str) -> Values:
        """What a class has by a name, itself or its bases or those below it."""
        homes = self.project.get_family(scope, self.base_classes)
        return union([*(self._had(home, name) for home in homes), self._set(homes, name)]) or UNRESOLVED

    def _of_object(self, scope: Scope, name: str) -> Values:
        """What an object of a class has: a property is read, and a field holds what it was made with."""
        homes = self.project.get_family(scope, self.base_classes)
        field = classes.evaluate_field(self, scope, name)
        had = union(
            self.evaluate_class_name(home, name) if not field or name not in home.fields else () for home in homes
        )
        kept = union(self._bound(*one) for home in homes for one in home.attributes.get(name, ()))
        read = union(self._read(value) for value in had)
        return union([field, read, kept, self._set(homes, name)]) or UNRESOLVED

    def _set(self, homes: list[Scope], name: str) -> Values:
        """Return what an attribute is set to from outside: of an object, a class or a module."""
        return union(
            self.evaluate(expr, scope)
            for of, expr, scope in self.project.find_attribute_assignments(name)
            if any(
                isinstance(one, InstanceValue | ClassValue | ModuleValue) and one.scope in homes
                for one in self.evaluate(of, scope)
            )
        )

    def _read(self, value: Value) -> Values:
        is_read = isinstance(value, FunctionValue) and classes.is_property(value.scope)
        return self.evaluate_return(value.scope) if is_read and isinstance(value, FunctionValue) else (value,)

    def find_getattr_calls(self, scope: Scope) -> Iterator[tuple[ast.Call, str | None]]:
        """Yield the calls ``getattr(something, name)``, with the name where it is told."""
        for call in scope.calls:
            if len(call.args) > 1 and ExternalName("builtins.getattr") in self.evaluate(call.func, scope):
                yield call, self.evaluate_string(call.args[1], scope)

    def find_properties(self, node: ast.Attribute, scope: Scope) -> Iterator[Scope]:
        """Yield the properties that are called where an attribute is read."""
        for value in self.evaluate(node.value, scope):
            if isinstance(value, InstanceValue | SuperValue):
                for home in self.project.get_family(value.scope, self.base_classes):
                    found = self.evaluate_class_name(home, node.attr)
                    yield from (
                        one.scope for one in found if isinstance(one, FunctionValue) and classes.is_property(one.scope)
                    )

    def _inherited(self, scope: Scope, name: str) -> Values:
        for home in classes.lineage(self, scope)[1:]:
            if found := self._had(home, name):
                return found
        return UNRESOLVED

    def _had(self, home: Scope, name: str) -> Values:
        return union(
            [self.evaluate_class_name(home, name), *(self._bound(*one) for one in home.attributes.get(name, ()))]
        )

    def evaluate_class_name(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        return union(self._bound(*one) for one in scope.bindings.get(name, ()))

    def evaluate_return(self, scope: Scope) -> Values:
        """Return what a function returns; where that is not followed, what its annotation says of it."""
        found = union(self.evaluate(expr, scope) for expr in scope.returns)
        if not found or unresolved_reasons(found):
            return self.evaluate_annotation(getattr(scope.node, "returns", None), scope.parent) or found or UNRESOLVED
        return found

    def base_classes(self, scope: Scope) -> list[Scope]:
        """Return what a class is built of, as far as it is in the code."""
        if scope not in self._base_classes:
            self._base_classes[scope] = []  # while it is worked out
            self._base_classes[scope] = [
                value.scope for value in classes.evaluate_bases(self, scope) if isinstance(value, ClassValue)
            ]
        return self._base_classes[scope]


def _default(scope: Scope, name: str) -> ast.expr | None:
    arguments = get_parameters(scope.node)
    positional = [*arguments.posonlyargs, *arguments.args]
    by_position = zip(reversed(positional), reversed(arguments.defaults), strict=False)
    by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return next((default for arg, default in [*by_position, *by_keyword] if arg.arg == name), None)


def _concatenated(parts: Iterable[Values]) -> Values:
    """Join texts, in every combination; what is not known of one is not known of the whole."""
    listed = [tuple(part) for part in parts]
    missing = union(tuple(Unresolved(why) for why in unresolved_reasons(part)) for part in listed)
    known = [[str(value.value) for value in part if isinstance(value, Constant)] for part in listed]
    if missing or any(len(texts) != len(part) for texts, part in zip(known, listed, strict=True)):
        return missing or UNRESOLVED
    combinations = prod(map(len, known))
    if combinations > _MOST_TEXTS:
        return (Unresolved(f"it may be any of {combinations:,} texts"),)
    return tuple(Constant("".join(chosen)) for chosen in product(*known))
