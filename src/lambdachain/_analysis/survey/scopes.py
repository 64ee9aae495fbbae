"""The scopes of a file, after Python's own rules of names, and the bindings in them.

A ``Scope`` is a module, function, lambda or class body. It records what its own statements do, in no order: the survey
does not follow control flow, so a name that is bound twice may be either. ``scope_builder`` fills the scopes;
``evaluation`` reads them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .results import CodeUnit, SourceLocation
from .sources import Source

ScopeKind: TypeAlias = Literal["module", "main", "function", "lambda", "class"]


# The bindings compare by identity (eq=False): two assignments of equal expressions are still two bindings.
@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A name is the value of an expression."""

    expr: ast.expr


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop or comprehension: its target, a name or a tuple of names, takes each item of *iterable* in turn.

    Attributes:
        target: The target.
        iterable: What it goes over.
        is_unpacking: Whether it is an assignment to a tuple of names: *iterable* itself is what the target takes.
        is_comprehension: Whether it is one of a comprehension, outside of which its names mean something else.
    """

    target: ast.expr
    iterable: ast.expr
    is_unpacking: bool = False
    is_comprehension: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LoopTarget:
    """A name is the target of a loop, or in its target: one of the items, or a part of one."""

    loop: Loop
    name: ast.Name


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """A name comes from a module, or (without *name*) is the module."""

    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A name is a function or a class."""

    scope: Scope


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A name is a parameter of the scope's function.

    Attributes:
        name: The name.
        annotation: Its annotation.
        position: Its position; ``None`` for one that is keyword-only, ``*args`` and ``**kwargs``.
        collects_rest: Whether it is ``*args`` or ``**kwargs``.
    """

    name: str
    annotation: ast.expr | None
    position: int | None
    collects_rest: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OpaqueBinding:
    """A name is bound to something that the survey does not follow; *why* goes into the message."""

    why: str


Span: TypeAlias = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Branch:
    """An ``if``: what does not run where its condition is true or false, as positions in the file."""

    test: ast.expr
    dead_if_true: list[Span]
    dead_if_false: list[Span]


class OpaqueExpression(ast.expr):
    """Stands in a syntax tree for a value that the survey does not follow; *why* goes into the message."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class AddedEntries(ast.Dict):
    """Stands in a syntax tree for the entries that one statement adds to a mapping."""


class FilledMapping(ast.Dict):
    """Stands in a syntax tree for a mapping to which a function adds others, of which any may be unknown."""


class LoopItem(ast.expr):
    """Stands in a syntax tree for what a name holds in a round of its loop."""

    def __init__(self, target: LoopTarget) -> None:
        super().__init__()
        self.target = target


class PassedArgument(ast.expr):
    """Stands in a syntax tree for what a parameter holds before any statement of the function has run."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.parameter = parameter


Binding: TypeAlias = Assignment | LoopTarget | Import | Definition | Parameter | OpaqueBinding


class Scope:
    """A module, function, lambda or class, with the names that it binds and what its own statements do.

    Attributes:
        source: The file.
        node: The syntax node that opens the scope.
        kind: What it is; ``main`` is the body of ``if __name__ == "__main__"``, which importing does not run.
        name: The qualified name within the file: ``Gateway.send``; empty for the module.
        parent: The enclosing scope.
        children: The scopes inside.
        bindings: The names that it binds, each binding with the scope in which to evaluate its expression:
            ``global`` and ``nonlocal`` bind a name elsewhere than where the expression is.
        attributes: Of a class, what its methods assign to attributes of ``self`` or ``cls``.
        fields: Of a class, the annotated names: the fields of a dataclass or model.
        mutations: Values added to a collection in place, as (collection, list or dict of what is added).
        attribute_assignments: Assignments to attributes of anything but ``self``, as (target, value).
        calls: The calls.
        loads: The names and attributes that are read.
        returns: What it returns or yields.
        overwritten: Names and attributes that are read after they were set, each with the only possible value.
        is_generator: Whether it yields.
        shrunk: The names of mappings from which entries are removed.
        augmented: Names that are read by ``name += value``.
        loops: The loops and comprehensions.
        branches: The statements ``if``.
        conditions: The conditions that decide what a value is, one for each such value.
        outer_names: The names declared ``global`` or ``nonlocal``, with the scope that they are bound in.
        unit: The code that runs as one: a lambda runs with what encloses it, a class body with its module.
    """

    __slots__ = (
        "attribute_assignments", "attributes", "augmented", "bindings", "branches", "calls", "children", "conditions",
        "fields", "is_generator", "kind", "loads", "loops", "mutations", "name", "node", "outer_names", "overwritten",
        "parent", "returns", "shrunk", "source", "unit",
    )  # fmt: skip

    def __init__(self, source: Source, node: ast.AST, kind: ScopeKind, name: str, parent: Scope | None) -> None:
        self.source = source
        self.node = node
        self.kind = kind
        self.name = name
        self.parent = parent
        self.children: list[Scope] = []
        self.bindings: dict[str, list[tuple[Binding, Scope]]] = {}
        self.attributes: dict[str, list[tuple[Binding, Scope]]] = {}
        self.fields: dict[str, ast.expr] = {}
        self.mutations: list[tuple[ast.expr, ast.expr]] = []
        self.attribute_assignments: list[tuple[ast.Attribute, ast.expr]] = []
        self.calls: list[ast.Call] = []
        self.loads: list[ast.Name | ast.Attribute] = []
        self.returns: list[ast.expr] = []
        self.is_generator = False
        self.shrunk: list[str] = []
        self.augmented: list[ast.Name] = []
        self.loops: list[Loop] = []
        self.branches: list[Branch] = []
        self.conditions: list[ast.expr] = []
        self.outer_names: dict[str, Scope] = {}
        self.overwritten: dict[ast.expr, ast.expr] = {}
        self.unit = CodeUnit(source.file, name)
        if parent is not None:
            parent.children.append(self)
            if kind in ("lambda", "class"):
                self.unit = parent.unit

    @property
    def short_name(self) -> str:
        """The last part of the qualified name."""
        return self.name.rsplit(".", 1)[-1]

    @property
    def module(self) -> Scope:
        """The module's scope."""
        return self if self.parent is None else self.parent.module

    @property
    def owner(self) -> Scope | None:
        """The class that the function is a method of."""
        return self.parent if self.parent is not None and self.parent.kind == "class" else None

    def locate(self, node: ast.AST) -> SourceLocation:
        """Return the file and line of a node."""
        return SourceLocation(self.source.file, getattr(node, "lineno", 1))

    def walk(self) -> Iterator[Scope]:
        """Yield the scope and all scopes inside."""
        yield self
        for child in self.children:
            yield from child.walk()

    def lookup(self, name: str) -> list[tuple[Binding, Scope]]:
        """Return all bindings of a name in the nearest scope that has any."""
        scope: Scope | None = self
        while scope is not None:
            # As in Python, the names of a class body are not visible in its methods.
            if name in scope.bindings and (scope.kind != "class" or scope is self):
                return scope.bindings[name]
            scope = scope.parent
        return []


def last_name(expr: ast.expr) -> str:
    """Return ``c`` for the expression ``a.b.c``; an empty string for one that is not a name."""
    match expr:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def get_keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return a keyword argument of a call."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def get_arguments(call: ast.Call) -> list[ast.expr]:
    """Return what a call passes, by position or by keyword."""
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def get_parameters(function: Any) -> ast.arguments:
    """Return the parameters of a function or lambda."""
    arguments: ast.arguments = function.args
    return arguments


def is_receiver(expr: ast.expr, scope: Scope) -> bool:
    """Check whether an expression is the object or class that a method runs on."""
    bindings = scope.lookup(expr.id) if isinstance(expr, ast.Name) else []
    return len(bindings) == 1 and any(
        isinstance(binding, Parameter) and binding.position == 0 and home.owner is not None
        for binding, home in bindings
    )
