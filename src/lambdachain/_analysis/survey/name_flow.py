"""Which names may refer to something, by the text alone: so that only code that may matter is evaluated.

Evaluating all of a large code base takes minutes, and most of it neither calls a Lambda function nor leads to a call.
What a name refers to is followed here through assignments, imports, parameters, results and attributes, without
evaluating any of them. The answer is a superset: an attribute is known by its name only, whatever object it is read
from, and the arguments of a call reach every function of that name. Whoever asks evaluates what is found.

A ``Place`` holds values: a variable, an attribute, a function or class itself, the result of calling one of these, an
argument of a call. Values flow from place to place; ``NameFlow.add`` follows the flows from some places on.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from .boto3_calls import METHODS
from .decorations import find_decorator_names, get_decorator_name
from .evaluator import Evaluator
from .name_patterns import find_name_patterns
from .objects import has_parameters
from .project import Project
from .results import CodeUnit
from .scopes import (
    Assignment,
    Binding,
    Definition,
    Import,
    LoopTarget,
    Parameter,
    Scope,
    get_arguments,
    get_parameters,
    is_receiver,
    last_name,
)
from .syntax import DEFINITIONS, get_alternatives
from .values import EXPRESSION_EFFORT, string_constants

# A variable is known by the id of its list of bindings, an attribute by its name, a function or class by its scope.
Place: TypeAlias = int | str | Scope | tuple[Hashable, ...]

# What units with ``getattr(module, name)`` read: anything that has a name.
DYNAMIC: Final = ("getattr",)
# What comes from an installed package, whose text is read only when it is evaluated.
INSTALLED: Final = ("installed",)
# The scopes whose names are not attributes of anything.
_LOCAL: Final = ("function", "lambda")
# What the value of another value is read by: the attributes of a member of an enum.
_VALUES: Final = ("value", "_value_")
_WORD: Final = re.compile(r"\w+")
# These are followed, as calls of them may have another name.
_BUILTINS: Final = frozenset(dir(builtins)) - {"getattr", "__import__"}


class _Argument(NamedTuple):
    """The place of an argument, by the last name of what is called."""

    function: str
    position: int | str


class NameFlow:
    """The flows of values between the places of a project.

    Args:
        project: The files.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._flows: dict[Place, list[Place]] = {}
        self._readers: dict[Place, dict[CodeUnit, None]] = {}
        # By a name, the names of what may be the same or a subclass of it.
        self._other_names: dict[str, dict[str, None]] = {}
        # The classes with fields, by the names that creating an object of one may have.
        self._with_fields: dict[str, list[Scope]] = {}
        # The names that calls of functions with parameters may have.
        self._functions: set[str] = set()
        # The attributes by which the values are read that an object was created with, without a class in the code.
        self._value_names = {*_VALUES}
        self._dynamic: dict[ast.Call, Scope] = {}
        self._interned: dict[Place, Place] = {}
        scopes = list(project.scopes())
        self._lambdas = {id(scope.node): scope for scope in scopes if scope.kind == "lambda"}
        for scope in scopes:
            self._index_other_names(scope)
        for name, classes in list(self._with_fields.items()):
            for other in self._find_names(name)[1:]:
                self._with_fields.setdefault(other, []).extend(classes)
        for scope in scopes:
            if scope.kind == "function" and has_parameters(scope):
                self._functions.update(self._find_call_names(scope))
        for call, _ in project.find_calls("SimpleNamespace"):
            self._value_names.update(keyword.arg for keyword in call.keywords if keyword.arg is not None)
        for scope in scopes:
            self._index(scope)
        if project.is_passed_as_value("getattr"):
            self._index_renamed_getattr(scopes)

    def get_readers(self, place: Place) -> Iterable[CodeUnit]:
        """Return the units that read a place itself."""
        return self._readers.get(place, ())

    def find_readers(self, starts: Iterable[Place]) -> tuple[set[Place], dict[CodeUnit, None]]:
        """Return the places that values of *starts* may reach, and the units that read one of them."""
        places: set[Place] = set()
        return places, dict.fromkeys(unit for unit, _ in self.add(starts, places))

    def find_uses(self, names: Iterable[str]) -> tuple[set[Place], dict[CodeUnit, None]]:
        """Return the places of what libraries have by some names, and of what calling it returns; and their readers."""
        listed = list(names)
        return self.find_readers([*listed, *map(self._get_result, listed), INSTALLED])

    def add(self, starts: Iterable[Place], places: set[Place]) -> Iterator[tuple[CodeUnit, Place]]:
        """Add *starts* to *places*, with all that their values may reach; yield who reads a new one, with the place."""
        pending = list(starts)
        while pending:
            place = pending.pop()
            if place not in places:
                places.add(place)
                yield from ((unit, place) for unit in self._readers.get(place, ()))
                pending += self._flows.get(place, ())

    def forget(self) -> None:
        """Free the flows, half of the memory of a survey; ``may_hold`` needs none of them."""
        self._flows.clear()
        self._readers.clear()

    @property
    def flows(self) -> Mapping[Place, Sequence[Place]]:
        """The places to which the values of each place flow directly."""
        return self._flows

    # Expressions

    def find_sources(self, expr: ast.AST, scope: Scope) -> Iterator[Place]:
        """Yield the places whose values may be the value of an expression, or in it."""
        match expr:
            case ast.Name(id=name):
                if (place := _find_variable(name, scope)) is not None:
                    yield place
            case ast.Attribute(value=value, attr=name):
                yield name
                # An object that is created with a value has it in some attribute.
                if not is_receiver(value, scope):
                    yield from self.find_sources(value, scope)
            case ast.Call():
                yield from self._find_result(expr, scope)
            case ast.Lambda():
                yield self._lambdas.get(id(expr), scope)
            case ast.Constant():
                return
            case _:
                for child in ast.iter_child_nodes(expr):
                    yield from self.find_sources(child, scope)

    def _find_results(self, expr: ast.AST, scope: Scope) -> Iterator[Place]:
        """Yield the places whose values may be what calling the value of an expression returns."""
        match expr:
            case ast.Name(id=name):
                if (place := _find_variable(name, scope)) is not None:
                    yield self._get_result(place)
            case ast.Attribute(value=value, attr=name):
                yield self._get_result(name)
                # ``handlers.get(kind)`` and ``operator.attrgetter``-like methods return what is in the object.
                yield from self.find_sources(value, scope)
            case ast.Call():
                yield from self._find_result(expr, scope)
                for argument in get_arguments(expr):
                    yield from self._find_results(argument, scope)
            case ast.Lambda():
                inner = self._lambdas.get(id(expr), scope)
                yield from self.find_sources(expr.body, inner)
                yield from self._find_results(expr.body, inner)
            case ast.Constant():
                return
            case _:
                for child in ast.iter_child_nodes(expr):
                    yield from self._find_results(child, scope)

    def _find_result(self, call: ast.Call, scope: Scope) -> Iterator[Place]:
        yield from self._find_results(call.func, scope)
        # What is returned may be an argument, or an object that holds it.
        for argument in get_arguments(call):
            yield from self.find_sources(argument, scope)
        if self._project.may_be_getattr(call):
            place = self.find_named(call)
            yield from (place, self._get_result(place))

    def find_named(self, call: ast.Call) -> Place:
        """Return the place of what ``getattr`` returns."""
        match call.args[1]:
            case ast.Constant(value=str(name)):
                return name
            case _:
                return (*DYNAMIC, id(call))

    def link_dynamic(self, evaluator: Evaluator) -> None:
        """Add what the names in ``getattr(module, name)`` refer to.

        Names with a constant part are all that match it, as evaluating the others takes long: ``f"visit_{kind}"``.
        """
        for call, scope in self._dynamic.items():
            patterns = find_name_patterns(call.args[1], scope)
            if patterns:
                names = [name for name in self._names if any(one.fullmatch(name) for one in patterns)]
            else:
                with evaluator.limit_effort(EXPRESSION_EFFORT):
                    names = [*string_constants(evaluator.evaluate(call.args[1], scope))]
            for name in names:
                self._link(name, self.find_named(call))

    @cached_property
    def _names(self) -> Sequence[str]:
        """The names of all attributes that something in the code, or a method of boto3's client, may be."""
        found: dict[str, None] = dict.fromkeys(METHODS)
        for scope in self._project.scopes():
            named = (*scope.attributes, *scope.fields, *(target.attr for target, _ in scope.attribute_assignments))
            found.update(dict.fromkeys(named if scope.kind in _LOCAL else (*scope.bindings, *named)))
        return list(found)

    def _index_renamed_getattr(self, scopes: Sequence[Scope]) -> None:
        """Index the calls of what ``getattr`` is passed to or stored in; they may return ``getattr`` themselves."""
        found = True
        while found:
            found = False
            places, _ = self.find_readers(["getattr"])
            for scope in scopes:
                if new := {call for call in scope.calls if self._is_renamed_getattr(call, scope, places)}:
                    self._project.renamed_getattr_calls |= new
                    for one in scope.module.walk():
                        self._index(one)
                    found = True

    def _is_renamed_getattr(self, call: ast.Call, scope: Scope, places: set[Place]) -> bool:
        is_known = len(call.args) < 2 or self._project.may_be_getattr(call)
        return not is_known and self.may_hold(call.func, scope, places)

    # Flows

    def _index_other_names(self, scope: Scope) -> None:
        if scope.fields:
            self._with_fields.setdefault(scope.short_name, []).append(scope)
        for base in scope.node.bases if isinstance(scope.node, ast.ClassDef) else ():
            expr = base.value if isinstance(base, ast.Subscript) else base
            # A base that is computed may be any class: its name is the empty one.
            self._other_names.setdefault(last_name(expr), {})[scope.short_name] = None
        for name, bindings in scope.bindings.items():
            for binding, _ in bindings:
                if isinstance(binding, Assignment) and not isinstance(binding.expr, ast.Call | ast.Constant):
                    for alternative in get_alternatives(binding.expr):
                        if isinstance(alternative, ast.Name | ast.Attribute):
                            self._other_names.setdefault(last_name(alternative), {})[name] = None

    def _index(self, scope: Scope) -> None:
        self._index_bindings(scope)
        for call in scope.calls:
            self._index_call(call, scope)
        if scope.kind in _LOCAL:
            self._index_function(scope)
        for base in scope.node.bases if isinstance(scope.node, ast.ClassDef) else ():
            self._add_flow(base, scope.parent or scope, scope)
        self._index_readers(scope)

    def _index_bindings(self, scope: Scope) -> None:
        for name, bindings in scope.bindings.items():
            if scope.kind not in _LOCAL:
                self._link(id(bindings), name)
            for binding, home in bindings:
                self._index_binding(binding, home, id(bindings))
        for name, bindings in scope.attributes.items():
            for binding, home in bindings:
                self._index_binding(binding, home, name)
        for name, annotation in scope.fields.items():
            self._add_annotation(annotation, scope, name)
        for target, value in scope.attribute_assignments:
            self._add_flow(value, scope, target.attr)

    def find_read_places(self, scope: Scope) -> Iterator[tuple[Place, ast.expr]]:
        """Yield the places that the values of expressions in a scope may be from, each with the expression."""
        for load in scope.loads:
            if isinstance(load, ast.Attribute) and load.attr not in self._value_names:
                # What the object itself holds is read where it is.
                yield load.attr, load
            else:
                yield from ((place, load) for place in self.find_sources(load, scope))
        for call in scope.calls:
            if not isinstance(call.func, ast.Name | ast.Attribute):
                yield from ((place, call.func) for place in self.find_sources(call.func, scope))
            if self._project.may_be_getattr(call):
                named = self.find_named(call)
                yield (named if isinstance(named, str) else DYNAMIC), call
        if isinstance(scope.node, DEFINITIONS) and scope.parent is not None:
            for expr in scope.node.decorator_list:
                for place in (*self.find_sources(expr, scope.parent), *self._find_results(expr, scope.parent)):
                    yield place, expr

    def _index_readers(self, scope: Scope) -> None:
        """Index what a scope reads by itself, and what may be in that: ``handlers.get(kind)`` is in ``handlers``."""
        places = [place for place, _ in self.find_read_places(scope)]
        results = (place for call in scope.calls for place in self._find_results(call.func, scope))
        unit = scope.unit
        for place in (*places, *results):
            self._readers.setdefault(place, {})[unit] = None

    def may_hold(self, expr: ast.expr, scope: Scope, places: Container[Place]) -> bool:
        """Check whether the value of an expression may be from some places, or in one that is."""
        return any(place in places for place in self.find_sources(expr, scope))

    def _index_binding(self, binding: Binding, home: Scope, place: Place) -> None:
        match binding:
            case Assignment(expr):
                self._add_flow(expr, home, place)
            case LoopTarget(loop):
                self._add_flow(loop.iterable, home, place)
            case Definition(inner):
                self._add_flows([inner], place)
                # An object of a class counts as the class.
                self._add_flows([inner if inner.kind == "class" else self._get_result(inner)], self._get_result(place))
            case Import(module, name):
                self._link(name or module.rpartition(".")[2], place)
                found = self._project.find_module(module, home.source) if self._project.may_use_lambdachain() else None
                if found is not None and found.source.file not in self._project.modules:
                    self._add_flows([INSTALLED], place)
                    self._add_flows([INSTALLED], self._get_result(place))
            case Parameter(annotation=ast.expr() as annotation):
                self._add_annotation(annotation, home, place)
            case _:
                return

    def _index_call(self, call: ast.Call, scope: Scope) -> None:
        name = last_name(call.func)
        passed: list[tuple[int | str, ast.expr]] = [*enumerate(call.args)]
        passed += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg is not None]
        for position, argument in passed if name in self._functions else ():
            self._add_flow(argument, scope, self._intern(_Argument(name, position)))
        if name in self._with_fields:
            self._index_creation(call, scope, self._with_fields[name])
        if self._project.may_be_getattr(call) and not isinstance(self.find_named(call), str):
            self._dynamic[call] = scope

    def _index_creation(self, call: ast.Call, scope: Scope, classes: Iterable[Scope]) -> None:
        """Add what a call may set fields to; which field a position means depends on the bases, too."""
        for keyword in call.keywords:
            if keyword.arg is not None:
                self._add_flow(keyword.value, scope, keyword.arg)
        if call.args:
            fields = dict.fromkeys(name for one in classes for name in one.fields)
            for argument in call.args:
                for field in fields:
                    self._add_flow(argument, scope, field)

    def _index_function(self, scope: Scope) -> None:
        for expr in scope.returns:
            self._add_flow(expr, scope, self._get_result(scope))
            self._add_flows(self._find_results(expr, scope), self._get_result(scope))
        self._index_parameters(scope)
        if not isinstance(scope.node, DEFINITIONS) or scope.parent is None:
            return
        if scope.node.returns is not None:
            self._add_annotation(scope.node.returns, scope.parent, self._get_result(scope))
        for expr in scope.node.decorator_list:
            self._add_flow(expr, scope.parent, scope)
            self._add_flows([scope], self._intern(_Argument(f"@{get_decorator_name(expr)}", 0)))
            # A property is read without being called.
            self._add_flows([self._get_result(scope)], scope)

    def _index_parameters(self, scope: Scope) -> None:
        parameters = get_parameters(scope.node)
        positional = [one.arg for one in [*parameters.posonlyargs, *parameters.args]]
        named = [one.arg for one in parameters.kwonlyargs]
        for expr, name in zip(reversed(parameters.defaults), reversed(positional), strict=False):
            self._add_flow(expr, scope.parent or scope, id(scope.bindings[name]))
        for default, name in zip(parameters.kw_defaults, named, strict=True):
            if default is not None:
                self._add_flow(default, scope.parent or scope, id(scope.bindings[name]))
        for function in self._find_call_names(scope):
            for position, name in enumerate(positional):
                self._link(self._intern(_Argument(function, position)), id(scope.bindings[name]))
                if scope.owner is not None and position:
                    self._link(self._intern(_Argument(function, position - 1)), id(scope.bindings[name]))
            for name in (*positional, *named):
                self._link(self._intern(_Argument(function, name)), id(scope.bindings[name]))
        if scope.owner is not None and positional:
            # The object that a method runs on, or its class.
            self._add_flows([scope.owner], id(scope.bindings[positional[0]]))

    def _find_call_names(self, scope: Scope) -> list[str]:
        """Return the names that calls of a function may have; of ``__init__``, those of the class and subclasses."""
        if scope.owner is None or scope.short_name != "__init__":
            kept = [f"@{other}" for one in find_decorator_names(scope) for other in self._find_names(one)]
            return [*self._find_names(scope.short_name), *kept]
        names = self._find_names(scope.owner.short_name)
        return list(dict.fromkeys(["__init__", "cls", *names, *self._other_names.get("", ())]))

    def _find_names(self, name: str) -> list[str]:
        """Return a name with the names of subclasses, and the names that these are imported under."""
        found = {name: None}
        pending = [name]
        for one in pending:
            for other in (*self._other_names.get(one, ()), *self._project.find_aliases(one)):
                if other not in found:
                    found[other] = None
                    pending.append(other)
        return pending

    def _add_flow(self, expr: ast.expr, scope: Scope, place: Place) -> None:
        self._add_flows(self.find_sources(expr, scope), place)
        self._add_flows(self._find_results(expr, scope), self._get_result(place))

    def _add_annotation(self, annotation: ast.expr, scope: Scope, place: Place) -> None:
        """Add that a value may be an object of a class that its annotation names."""
        for node in ast.walk(annotation):
            match node:
                case ast.Constant(value=str(text)):
                    self._add_flows(_WORD.findall(text), place)
                case ast.Name():
                    self._add_flows(self.find_sources(node, scope), place)
                case ast.Attribute(attr=name):
                    self._add_flows([name], place)
                case _:
                    continue

    def _get_result(self, place: Place) -> Place:
        """Return the place of what calling something returns."""
        return self._intern(("result", place))

    def _intern(self, place: Place) -> Place:
        return self._interned.setdefault(place, place)

    def _add_flows(self, sources: Iterable[Place], place: Place) -> None:
        for source in sources:
            self._flows.setdefault(source, []).append(place)

    def _link(self, source: Place, place: Place) -> None:
        self._add_flows([source], place)
        self._add_flows([self._get_result(source)], self._get_result(place))


def _find_variable(name: str, scope: Scope) -> Place | None:
    """Return the place of a name; ``None`` for one of Python's own, which holds nothing of the code."""
    if bindings := scope.lookup(name):
        return id(bindings)
    # It may come from ``from module import *``: then it is known by its name, as an attribute is.
    return None if name in _BUILTINS and not scope.lookup("*") else name
