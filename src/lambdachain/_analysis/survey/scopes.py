"""Who binds which name: the scopes of a file, and what each does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .results import CodeUnit, SourceLocation
from .sources import Source, resolve_import

ScopeKind: TypeAlias = Literal["module", "main", "function", "lambda", "class"]
FunctionValue: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A name is the value of an expression."""

    expr: ast.expr


@dataclass(frozen=True, slots=True, eq=False)
class LoopTarget:
    """A name is one of what an expression holds: the target of a loop."""

    expr: ast.expr


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
    """A name is a parameter of the scope's function."""

    name: str
    annotation: ast.expr | None
    position: int | None


@dataclass(frozen=True, slots=True, eq=False)
class OpaqueBinding:
    """A name is something that is not followed."""

    why: str


Binding: TypeAlias = Assignment | LoopTarget | Import | Definition | Parameter | OpaqueBinding


class Scope:
    """A module, function, lambda or class, with the names that it binds and what its own statements do."""

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
        self.outer_names: dict[str, Scope] = {}
        if parent is not None:
            parent.children.append(self)

    @property
    def short_name(self) -> str:
        """Its name without what it stands in."""
        return self.name.rsplit(".", 1)[-1]

    @property
    def module(self) -> Scope:
        """The module's scope."""
        return self if self.parent is None else self.parent.module

    @property
    def unit(self) -> CodeUnit:
        """The code that runs as one: a lambda belongs to what it stands in, a class body to its module."""
        scope: Scope | None = self
        while scope is not None and scope.kind in ("lambda", "class"):
            scope = scope.parent
        return CodeUnit(self.source.file, scope.name if scope is not None and scope.kind != "module" else "")

    @property
    def owner(self) -> Scope | None:
        """The class that the function is a method of."""
        return self.parent if self.parent is not None and self.parent.kind == "class" else None

    def locate(self, node: ast.AST) -> SourceLocation:
        """Describe where a node stands."""
        return SourceLocation(self.source.file, getattr(node, "lineno", 1))

    def walk(self) -> Iterator[Scope]:
        """Yield the scope and all within it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def lookup(self, name: str) -> list[tuple[Binding, Scope]]:
        """Return what a name may be bound to: all of its bindings in the nearest scope that has any."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (scope.kind != "class" or scope is self):
                return scope.bindings[name]
            scope = scope.parent
        return []


def read_scopes(source: Source) -> Scope:
    """Read a file.

    Raises:
        SyntaxError: It is not Python of this interpreter's version.
        ValueError: It has null bytes.
    """
    tree = ast.parse(source.text, source.file)
    module = Scope(source, tree, "module", "", None)
    _Reader(module).read(tree.body)
    return module


class _Reader(ast.NodeVisitor):
    """Fills the scopes, statement by statement."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def read(self, body: Iterable[ast.AST]) -> None:
        for node in body:
            self.visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        inner = self._within(node, "lambda", f"{self.scope.name}<lambda>")
        self._parameters(node.args, inner)
        inner.returns.append(node.body)
        _Reader(inner).visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.read([*node.decorator_list, *node.bases, *node.keywords])
        inner = self._within(node, "class", _qualified(self.scope, node.name))
        self._bind(node.name, Definition(inner))
        _Reader(inner).read(node.body)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if self.scope.kind == "module" and "__main__" in ast.unparse(node.test):
            _Reader(self._within(node, "main", "__main__")).read(node.body)
        else:
            self.read(node.body)
        self.read(node.orelse)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._target(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if (
            self.scope.kind == "class"
            and isinstance(node.target, ast.Name)
            and "ClassVar" not in ast.unparse(node.annotation)
        ):
            self.scope.fields[node.target.id] = node.annotation
        if node.value is not None:
            self.visit(node.value)
            self._target(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name) and isinstance(node.value, ast.List | ast.Tuple | ast.Set):
            self._bind(node.target.id, Assignment(node.value))
        else:
            self._opaque(node.target, "it is changed where it stands")

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._target(node.target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self._loop(node.target, node.iter)
        self.read([*node.body, *node.orelse])

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._loop(node.target, node.iter)
        self.read([*node.body, *node.orelse])

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._loop(node.target, node.iter)
        self.read(node.ifs)

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._target(node.optional_vars, node.context_expr)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, OpaqueBinding("it is an exception"))
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, OpaqueBinding("it is taken out of a value by match"))
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.outer_names.update(dict.fromkeys(node.names, self.scope.module))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            scope = self.scope.parent
            while scope is not None and not (scope.kind == "function" and name in scope.bindings):
                scope = scope.parent
            if scope is not None:
                self.scope.outer_names[name] = scope

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name if alias.asname else alias.name.split(".")[0]
            self._bind(alias.asname or top, Import(top))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = resolve_import(node.module, node.level, self.scope.source)
        for alias in node.names:
            self._bind(alias.asname or alias.name, Import(module, alias.name))

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.scope.returns.append(node.value)
            self.visit(node.value)

    def visit_Yield(self, node: ast.Yield) -> None:
        if node.value is not None:
            self.scope.returns.append(node.value)
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        self.scope.calls.append(node)
        if isinstance(node.func, ast.Attribute) and (added := _added(node.func.attr, node)) is not None:
            self.scope.mutations.append((node.func.value, ast.copy_location(added, node)))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.scope.loads.append(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self.scope.loads.append(node)
        self.visit(node.value)

    def _within(self, node: ast.AST, kind: ScopeKind, name: str) -> Scope:
        return Scope(self.scope.source, node, kind, name, self.scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.read([*node.decorator_list, *node.args.defaults, *(one for one in node.args.kw_defaults if one)])
        inner = self._within(node, "function", _qualified(self.scope, node.name))
        self._bind(node.name, Definition(inner))
        self._parameters(node.args, inner)
        _Reader(inner).read(node.body)

    def _parameters(self, args: ast.arguments, inner: Scope) -> None:
        for position, arg in enumerate([*args.posonlyargs, *args.args]):
            inner.bindings[arg.arg] = [(Parameter(arg.arg, arg.annotation, position), inner)]
        for arg in args.kwonlyargs:
            inner.bindings[arg.arg] = [(Parameter(arg.arg, arg.annotation, None), inner)]
        for rest in filter(None, (args.vararg, args.kwarg)):
            inner.bindings[rest.arg] = [(OpaqueBinding(f"it is the parameter *{rest.arg}"), inner)]

    def _loop(self, target: ast.expr, over: ast.expr) -> None:
        self.visit(over)
        if isinstance(target, ast.Name):
            self._bind(target.id, LoopTarget(over))
        else:
            self._opaque(target, "it is taken apart in a loop")

    def _target(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, Assignment(value))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            self._attribute(target, target.value.id, value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._target(one, its)
        elif isinstance(target, ast.Subscript):
            self.visit(target.slice)
            entry = ast.Dict([target.slice], [value])
            self.scope.mutations.append((target.value, ast.copy_location(entry, target)))
        else:
            self._opaque(target, "it is taken out of a value")

    def _attribute(self, target: ast.Attribute, of: str, value: ast.expr) -> None:
        first = self.scope.bindings.get(of, [(OpaqueBinding(""), self.scope)])[0][0]
        if self.scope.owner is not None and isinstance(first, Parameter) and first.position == 0:
            self.scope.owner.attributes.setdefault(target.attr, []).append((Assignment(value), self.scope))
        else:
            self.scope.attribute_assignments.append((target, value))

    def _opaque(self, target: ast.expr, why: str) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bind(node.id, OpaqueBinding(why))

    def _bind(self, name: str, binding: Binding) -> None:
        scope = self.scope.outer_names.get(name, self.scope)
        scope.bindings.setdefault(name, []).append((binding, self.scope))


def _added(method: str, call: ast.Call) -> ast.expr | None:
    """Return what a method adds to a list, a set or a mapping, as one of its kind."""
    match method, call.args:
        case (("append" | "appendleft" | "add"), [one]):
            return ast.List([one], ast.Load())
        case "insert", [_, one]:
            return ast.List([one], ast.Load())
        case (("extend" | "update"), [several]):
            return several
        case "setdefault", [key, one]:
            return ast.Dict([key], [one])
        case _:
            return None


def _qualified(scope: Scope, name: str) -> str:
    return f"{scope.name}.{name}" if scope.name and scope.kind != "main" else name


def last_name(expr: ast.expr) -> str:
    """Return the last name of ``a.b.c``, or nothing."""
    match expr:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return a keyword argument of a call."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def get_parameters(function: Any) -> ast.arguments:
    """Return the parameters of a function or lambda."""
    arguments: ast.arguments = function.args
    return arguments
