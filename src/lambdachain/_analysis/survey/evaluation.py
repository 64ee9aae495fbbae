"""Working out what an expression may be, as far as the text of the code tells."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any, Final

from . import classes, known_functions
from .memo import Memory
from .project import Project
from .results import DeclaredContract, SourceSchema
from .scopes import Assigned, Binding, Defined, Element, Imported, Opaque, Parameter, Scope, parameters_of
from .source_schema import source_schema_of
from .syntax import CLIENTS, DEFINITIONS
from .syntax import annotation as unquoted
from .values import (
    NOT_FOLLOWED,
    Class,
    Client,
    Constant,
    Contracted,
    Decorator,
    Function,
    Instance,
    Library,
    Many,
    Module,
    Super,
    Table,
    Unknown,
    Value,
    Values,
    held,
    merged,
    union,
    unknowns,
)

_MOST_TEXTS: Final = 10_000


class Evaluation:
    """Works out expressions of a project; each once.

    Args:
        project: The files.
        environment: What is known of environment variables.
    """

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = environment
        self._memory = Memory[Values]((), NOT_FOLLOWED)
        self._given: dict[tuple[Scope, str], Values] = {}
        self._bases_of: dict[Scope, list[Scope]] = {}
        self._kinds: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
            ast.Attribute: self._attribute,
            ast.Await: lambda node, scope: self.values(node.value, scope),
            ast.BinOp: self._operation,
            ast.BoolOp: lambda node, scope: union(self.values(one, scope) for one in node.values),
            ast.Call: lambda node, scope: known_functions.called(self, node, scope),
            ast.Constant: self._constant,
            ast.Dict: self._dict,
            ast.IfExp: lambda node, scope: union(self.values(one, scope) for one in (node.body, node.orelse)),
            ast.JoinedStr: self._joined,
            ast.Lambda: self._lambda,
            ast.List: self._several,
            ast.Name: lambda node, scope: self.named(node.id, scope),
            ast.NamedExpr: lambda node, scope: self.values(node.value, scope),
            ast.Set: self._several,
            ast.Subscript: self._subscript,
            ast.Tuple: self._several,
        }

    def values(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, which stands in *scope*, may be."""
        work = self._kinds.get(type(expr))
        # By the node, which the memory keeps alive: the id of one that is gone is soon another's.
        return NOT_FOLLOWED if work is None else self._memory.once(expr, lambda: work(expr, scope))

    def named(self, name: str, scope: Scope) -> Values:
        """Return what a name may be in *scope*."""
        bindings = scope.lookup(name) or list(self._starred(name, scope))
        if not bindings:
            return (Library(f"builtins.{name}"),)
        key = (id(bindings), name) if scope.lookup(name) else (scope, f"*{name}")
        return self._memory.once(key, lambda: union(self._bound(binding, home) for binding, home in bindings))

    def _starred(self, name: str, scope: Scope) -> Iterator[tuple[Binding, Scope]]:
        """Yield what a name is in the modules that all names are imported from."""
        for binding, home in scope.lookup("*"):
            module = self.project.module(binding.module, home.source) if isinstance(binding, Imported) else None
            if module is not None and name != "*":
                yield from module.lookup(name)

    def applied(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter gives for *text*."""
        arguments = parameters_of(scope.node)
        names = [arg.arg for arg in [*arguments.posonlyargs, *arguments.args]]
        if len(names) != 1 or not scope.returns:
            return NOT_FOLLOWED
        before, self._memory = self._memory, Memory[Values]((), NOT_FOLLOWED)
        self._given[scope, names[0]] = (Constant(text),)
        try:
            return union(self.values(expr, scope) for expr in scope.returns)
        finally:
            del self._given[scope, names[0]]
            self._memory = before

    def defined(self, scope: Scope) -> Values:
        """Return what a function or class is once its decorators have had their say."""
        if scope.kind == "class":
            return (Class(scope),)
        found: Value = Function(scope)
        for expr in reversed(scope.node.decorator_list if isinstance(scope.node, DEFINITIONS) else []):
            for decorator in self.values(expr, scope.parent or scope):
                if isinstance(decorator, Decorator):
                    found = Function(scope, decorator.make(Function(scope)))
        return (found,)

    def schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the schema of the type that *expr* names; see ``source_schema_of``."""
        return source_schema_of(self, expr, scope)

    def _bound(self, binding: Binding, scope: Scope) -> Values:
        match binding:
            case Assigned(expr):
                return self.values(expr, scope)
            case Element(expr):
                return held(self.values(expr, scope))
            case Imported(module, name):
                return self._imported(module, name, scope)
            case Defined(inner):
                return self.defined(inner)
            case Parameter():
                return self._given.get((scope, binding.name)) or self._parameter(binding, scope)
            case Opaque(why):
                return (Unknown(why),)

    def _imported(self, module: str, name: str | None, scope: Scope) -> Values:
        if name is None:
            found = self.project.module(module, scope.source)
            return (Library(module),) if found is None else (Module(found),)
        home = self.project.module(module, scope.source)
        if home is not None and name in home.bindings:
            return self.named(name, home)
        inner = self.project.module(f"{module}.{name}" if module else name, scope.source)
        if inner is not None:
            return (Module(inner),)
        return (Library(f"{module}.{name}"),) if home is None else NOT_FOLLOWED

    def _parameter(self, parameter: Parameter, scope: Scope) -> Values:
        """A parameter is what its callers give; where none is seen, what its annotation says of it."""
        receiver = classes.receiver_of(scope)
        if receiver is not None and scope.owner is not None and parameter.position == 0:
            return (receiver(scope.owner),)
        annotated = self.annotated(parameter.annotation, scope.parent)
        given = union(self._arguments(parameter, scope))
        if not given or (annotated and unknowns(given)):
            return annotated or (Unknown(f"it is the parameter {parameter.name!r} of {scope.name}"),)
        return given

    def annotated(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation says of a value: a client, or an object of a class in the code."""
        if annotation is None or scope is None:
            return ()
        for value in self.values(unquoted(annotation), scope):
            if isinstance(value, Library) and value.name in CLIENTS:
                return (Client(None),)
            if isinstance(value, Class):
                return (Instance(value.scope),)
        return ()

    def _arguments(self, parameter: Parameter, scope: Scope) -> Iterator[Values]:
        """Yield what each call that is seen passes for a parameter; one that escapes may be called with anything."""
        for name in classes.called_by(self, scope):
            for call, caller in self.project.calls_of(name):
                shift = self._shift(call, caller, scope)
                if shift is not None:
                    position = None if parameter.position is None else parameter.position - shift
                    yield self._argument(call, caller, parameter, position, scope)
        if self.project.escapes(scope.last):
            yield (Unknown(f"it is the parameter {parameter.name!r} of {scope.name}, which is passed on as a value"),)

    def _shift(self, call: ast.Call, caller: Scope, scope: Scope) -> int | None:
        """Count the parameters that come before a call's arguments; ``None`` if the call is of something else."""
        receiver = classes.receiver_of(scope)
        for value in self.values(call.func, caller):
            if isinstance(value, Function) and value.scope is scope:
                is_through_class = isinstance(call.func, ast.Attribute) and any(
                    isinstance(one, Class) for one in self.values(call.func.value, caller)
                )
                return 0 if receiver is None or (receiver is Instance and is_through_class) else 1
            if isinstance(value, Class) and classes.constructor_of(self, value.scope) is scope:
                return 1
        return None

    def _argument(
        self, call: ast.Call, caller: Scope, parameter: Parameter, position: int | None, scope: Scope
    ) -> Values:
        for one in call.keywords:
            if one.arg == parameter.name:
                return self.values(one.value, caller)
        if position is not None and any(isinstance(one, ast.Starred) for one in call.args[: position + 1]):
            return NOT_FOLLOWED
        if position is not None and position < len(call.args):
            return self.values(call.args[position], caller)
        if any(one.arg is None for one in call.keywords):
            return NOT_FOLLOWED
        default = _default(scope, parameter.name)
        return NOT_FOLLOWED if default is None else self.values(default, scope.parent or scope)

    def _constant(self, node: ast.Constant, _scope: Scope) -> Values:
        value = node.value
        return (Constant(value),) if isinstance(value, str | int | float) or value is None else NOT_FOLLOWED

    def _several(self, node: Any, scope: Scope) -> Values:
        parts = (
            held(self.values(one.value, scope)) if isinstance(one, ast.Starred) else self.values(one, scope)
            for one in node.elts
        )
        return (Many(union(parts)),)

    def _dict(self, node: ast.Dict, scope: Scope) -> Values:
        entries: list[tuple[str, Values]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            text = self.text(key, scope) if key is not None else None
            if text is None:
                return (Many(union(self.values(one, scope) for one in node.values)),)
            entries.append((text, self.values(value, scope)))
        return (Table(tuple(entries)),)

    def text(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the one text that an expression is, or ``None``."""
        match self.values(expr, scope):
            case (Constant(str(text)),):
                return text
            case _:
                return None

    def _joined(self, node: ast.JoinedStr, scope: Scope) -> Values:
        parts = [
            self._formatted(part, scope) if isinstance(part, ast.FormattedValue) else self.values(part, scope)
            for part in node.values
        ]
        return _concatenated(parts)

    def _formatted(self, part: ast.FormattedValue, scope: Scope) -> Values:
        is_plain = part.format_spec is None and part.conversion in (-1, ord("s"))
        return self.values(part.value, scope) if is_plain else NOT_FOLLOWED

    def _operation(self, node: ast.BinOp, scope: Scope) -> Values:
        if not isinstance(node.op, ast.Add):
            return NOT_FOLLOWED
        sides = [self.values(node.left, scope), self.values(node.right, scope)]
        if all(isinstance(value, Many) for values in sides for value in values):
            return (Many(union(held(values) for values in sides)),)
        if any(
            isinstance(value, Constant) and not isinstance(value.value, str) for values in sides for value in values
        ):
            return NOT_FOLLOWED  # a sum of numbers is no text
        return _concatenated(sides)

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Values:
        return tuple(Function(child) for child in scope.children if child.node is node)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Values:
        return union(
            known_functions.item(self, value, node.slice, scope) for value in merged(self.values(node.value, scope))
        )

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Values:
        return union(
            self._submodule(value, node.attr, scope) or self.attribute(value, node.attr)
            for value in self.values(node.value, scope)
        )

    def _submodule(self, value: Value, name: str, scope: Scope) -> Values:
        """Return a module of a package: ``shop.names``, which ``import shop.names`` binds no name of its own to."""
        match value:
            case Library(package):
                found = self.project.module(f"{package}.{name}", scope.source)
            case Module(package) if name not in package.bindings and package.source.is_package:
                found = self.project.module("." + ".".join([*package.source.parts, name]), package.source)
            case _:
                found = None
        return () if found is None else (Module(found),)

    def attribute(self, value: Value, name: str) -> Values:  # noqa: PLR0911 - a table
        """Return what ``value.name`` may be."""
        match value:
            case Library(whole):
                return (Library(f"{whole}.{name}"),)
            case Module(scope):
                found = self.named(name, scope) if name in scope.bindings else ()
                return union([found, self._set([scope], name)]) or NOT_FOLLOWED
            case Class(scope):
                return self._member(scope, name)
            case Instance(scope):
                return self._of_object(scope, name)
            case Super(scope):
                return self._inherited(scope, name)
            case Function(contract=DeclaredContract() as contract) if name == "contract":
                return (Contracted(contract),)
            case Contracted(contract) if name == "contract":
                return (value,)
            case Contracted(contract) if name == "function":
                return (Constant(contract.function),)
            case Unknown():
                return (value,)
            case _:
                return NOT_FOLLOWED

    def _member(self, scope: Scope, name: str) -> Values:
        """What a class has by a name, itself or its bases or those below it."""
        homes = self.project.family(scope, self.bases)
        return union([*(self._had(home, name) for home in homes), self._set(homes, name)]) or NOT_FOLLOWED

    def _of_object(self, scope: Scope, name: str) -> Values:
        """What an object of a class has: a property is read, and a field holds what it was made with."""
        homes = self.project.family(scope, self.bases)
        field = classes.field_of(self, scope, name)
        had = union(self.declared(home, name) if not field or name not in home.fields else () for home in homes)
        kept = union(self._bound(*one) for home in homes for one in home.attributes.get(name, ()))
        read = union(self._read(value) for value in had)
        return union([field, read, kept, self._set(homes, name)]) or NOT_FOLLOWED

    def _set(self, homes: list[Scope], name: str) -> Values:
        """Return what an attribute is set to from outside: of an object, a class or a module."""
        return union(
            self.values(expr, scope)
            for of, expr, scope in self.project.settings(name)
            if any(isinstance(one, Instance | Class | Module) and one.scope in homes for one in self.values(of, scope))
        )

    def _read(self, value: Value) -> Values:
        is_read = isinstance(value, Function) and classes.is_property(value.scope)
        return self.returned(value.scope) if is_read and isinstance(value, Function) else (value,)

    def asked_by_name(self, scope: Scope) -> Iterator[tuple[ast.Call, str | None]]:
        """Yield the calls ``getattr(something, name)``, with the name where it is told."""
        for call in scope.calls:
            if len(call.args) > 1 and Library("builtins.getattr") in self.values(call.func, scope):
                yield call, self.text(call.args[1], scope)

    def getters(self, node: ast.Attribute, scope: Scope) -> Iterator[Scope]:
        """Yield the properties that are called where an attribute is read."""
        for value in self.values(node.value, scope):
            if isinstance(value, Instance | Super):
                for home in self.project.family(value.scope, self.bases):
                    found = self.declared(home, node.attr)
                    yield from (
                        one.scope for one in found if isinstance(one, Function) and classes.is_property(one.scope)
                    )

    def _inherited(self, scope: Scope, name: str) -> Values:
        for home in classes.lineage(self, scope)[1:]:
            if found := self._had(home, name):
                return found
        return NOT_FOLLOWED

    def _had(self, home: Scope, name: str) -> Values:
        return union([self.declared(home, name), *(self._bound(*one) for one in home.attributes.get(name, ()))])

    def declared(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        return union(self._bound(*one) for one in scope.bindings.get(name, ()))

    def returned(self, scope: Scope) -> Values:
        """Return what a function returns; where that is not followed, what its annotation says of it."""
        found = union(self.values(expr, scope) for expr in scope.returns)
        if not found or unknowns(found):
            return self.annotated(getattr(scope.node, "returns", None), scope.parent) or found or NOT_FOLLOWED
        return found

    def bases(self, scope: Scope) -> list[Scope]:
        """Return what a class is built of, as far as it is in the code."""
        if scope not in self._bases_of:
            self._bases_of[scope] = []  # while it is worked out
            self._bases_of[scope] = [value.scope for value in classes.bases(self, scope) if isinstance(value, Class)]
        return self._bases_of[scope]


def _default(scope: Scope, name: str) -> ast.expr | None:
    arguments = parameters_of(scope.node)
    positional = [*arguments.posonlyargs, *arguments.args]
    by_position = zip(reversed(positional), reversed(arguments.defaults), strict=False)
    by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return next((default for arg, default in [*by_position, *by_keyword] if arg.arg == name), None)


def _concatenated(parts: Iterable[Values]) -> Values:
    """Join texts, in every combination; what is not known of one is not known of the whole."""
    listed = [tuple(part) for part in parts]
    missing = union(tuple(Unknown(why) for why in unknowns(part)) for part in listed)
    known = [[str(value.value) for value in part if isinstance(value, Constant)] for part in listed]
    if missing or any(len(texts) != len(part) for texts, part in zip(known, listed, strict=True)):
        return missing or NOT_FOLLOWED
    combinations = prod(map(len, known))
    if combinations > _MOST_TEXTS:
        return (Unknown(f"it may be any of {combinations:,} texts"),)
    return tuple(Constant("".join(chosen)) for chosen in product(*known))
