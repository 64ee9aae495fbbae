"""Build the scopes of a file: one pass over its syntax tree.

It records bindings, calls, names that are read, and values that are returned. Nothing is evaluated here: an expression
is kept as its syntax node, with the scope in which to look up its names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from .compact_nodes import to_compact
from .imports import resolve_import
from .namespaces import WORDS, bind_own_module, expand_namespaces
from .operator_calls import expand_operator_calls
from .overwriting import find_overwritten, to_conditions
from .scopes import (
    AddedEntries,
    Assignment,
    Binding,
    Branch,
    Definition,
    Import,
    Loop,
    LoopItem,
    LoopTarget,
    OpaqueBinding,
    OpaqueExpression,
    Parameter,
    Scope,
    ScopeKind,
    Span,
)
from .sources import Source

_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def read_scopes(source: Source) -> Scope:
    """Parse a file and return the scope of its module.

    Raises:
        SyntaxError: The text is not valid Python for the running interpreter.
        ValueError: The text has null bytes.
    """
    parsed = ast.parse(source.text, source.file)
    if source.mentions("operator"):
        parsed = expand_operator_calls(parsed)
    if has_namespaces := any(map(source.mentions, WORDS)):
        parsed = expand_namespaces(parsed)
    tree = to_compact(parsed)
    module = Scope(source, tree, "module", "", None)
    builder = ScopeBuilder(module)
    builder.visit_all(tree.body)
    if has_namespaces and (namespace := bind_own_module(module)) is not None:
        builder.visit(to_compact(namespace))
    builder.note_comprehensions()
    return module


class ScopeBuilder(ast.NodeVisitor):
    """Fills one scope; creates another builder for each scope inside."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        # The names that comprehensions read, where these are what their own targets hold.
        self._in_comprehensions: dict[ast.expr, LoopTarget] = {}

    def visit_all(self, body: Iterable[ast.AST]) -> None:
        for node in body:
            self.visit(node)

    def visit_body(self, body: Sequence[ast.stmt]) -> None:
        """Visit the statements of a block."""
        for position, node in enumerate(body):
            if isinstance(node, ast.If) and self.scope.kind == "function":
                self._add_branch(node, body[position + 1 :])
            self.visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._add_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._add_function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_all([*node.args.defaults, *filter(None, node.args.kw_defaults)])
        inner = self._add_child(node, "lambda", f"{self.scope.name}<lambda>")
        self._bind_parameters(node.args, inner)
        inner.returns.append(node.body)
        ScopeBuilder(inner).visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all([*node.decorator_list, *node.bases, *node.keywords])
        inner = self._add_child(node, "class", _qualify(self.scope, node.name))
        self._bind(node.name, Definition(inner))
        ScopeBuilder(inner).visit_all(node.body)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        # Lambda imports a module and never runs it as a script, so this body belongs to no function.
        if self.scope.kind == "module" and "__main__" in ast.unparse(node.test):
            ScopeBuilder(self._add_child(node, "main", "__main__")).visit_all(node.body)
        else:
            self.visit_body(node.body)
        self.visit_body(node.orelse)

    def _add_branch(self, node: ast.If, rest: Sequence[ast.stmt]) -> None:
        """Record what does not run in either case; behind a branch that leaves the block, that is the rest of it."""
        dead_if_true, dead_if_false = _get_spans(node.orelse), _get_spans(node.body)
        if isinstance(node.body[-1], _LEAVING):
            dead_if_true += _get_spans(rest)
        if node.orelse and isinstance(node.orelse[-1], _LEAVING):
            dead_if_false += _get_spans(rest)
        self.scope.branches.append(Branch(node.test, dead_if_true, dead_if_false))

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.scope.conditions.append(node.test)
        self.scope.branches.append(Branch(node.test, _get_spans([node.orelse]), _get_spans([node.body])))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for position, value in enumerate(node.values[:-1], 1):
            rest = _get_spans(node.values[position:])
            is_or = isinstance(node.op, ast.Or)
            self.scope.branches.append(Branch(value, rest if is_or else [], [] if is_or else rest))
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        self.visit_all(node.items)
        self.visit_body(node.body)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self.visit_all(node.items)
        self.visit_body(node.body)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.visit_body(node.body)
        self.visit_body(node.orelse)

    def visit_Try(self, node: ast.Try) -> None:
        self.visit_body(node.body)
        self.visit_all(node.handlers)
        self.visit_body(node.orelse)
        self.visit_body(node.finalbody)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind_target(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if (
            self.scope.kind == "class"
            and isinstance(node.target, ast.Name)
            and "ClassVar" not in ast.unparse(node.annotation)
        ):
            self.scope.fields[node.target.id] = node.annotation
        if node.value is not None:
            self.visit(node.value)
            self._bind_target(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self.visit(node.target)
        match node.target, node.op:
            # ``names += [...]`` adds elements, ``options |= {...}`` entries; ``name += "-suffix"`` makes a new value.
            case ast.Name(id=name), _ if isinstance(node.value, ast.List | ast.Tuple | ast.Set):
                self._bind(name, Assignment(node.value))
            case ast.Name(), ast.BitOr():
                entries = AddedEntries([None], [node.value])
                self.scope.mutations.append((node.target, ast.copy_location(entries, node)))
            case ast.Name(), ast.Add() if self.scope.kind in ("function", "module"):
                self._bind_augmented(node, node.target)
            case ast.Attribute(value=ast.Name(id=receiver)) as target, _:
                self._record_attribute(target, receiver, OpaqueExpression("it is changed in place"))
            case _:
                self._bind_opaque(node.target, "it is changed in place")

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind_target(node.target, node.value)

    def visit_For(self, node: ast.For) -> None:
        self._bind_loop_target(node.target, node.iter)
        self.visit_body(node.body)
        self.visit_body(node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._bind_loop_target(node.target, node.iter)
        self.visit_body(node.body)
        self.visit_body(node.orelse)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._visit_comprehension(node.generators, [node.elt])

    visit_SetComp = visit_GeneratorExp = visit_ListComp  # noqa: N815 - the names that ast.NodeVisitor looks for

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node.generators, [node.key, node.value])

    def _visit_comprehension(self, generators: Iterable[ast.comprehension], results: Iterable[ast.expr]) -> None:
        own: dict[str, LoopTarget] = {}
        for one in generators:
            self._visit_with_own(own, [one.iter])
            loop = Loop(one.target, one.iter, is_comprehension=True)
            own |= {target.name.id: target for target in self._bind_parts(loop)}
            self._visit_with_own(own, one.ifs)
        self._visit_with_own(own, results)

    def _visit_with_own(self, own: Mapping[str, LoopTarget], exprs: Iterable[ast.expr]) -> None:
        before = len(self.scope.loads)
        self.visit_all(exprs)
        for load in self.scope.loads[before:] if own else ():
            if isinstance(load, ast.Name) and load.id in own:
                # Those of a comprehension inside are noted before.
                self._in_comprehensions.setdefault(load, own[load.id])

    def note_comprehensions(self) -> None:
        """Note what names hold in comprehensions, where they mean something else in the rest of the scope."""
        for load, target in self._in_comprehensions.items():
            if len(self.scope.bindings.get(target.name.id, ())) > 1:
                self.scope.overwritten[load] = LoopItem(target)

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._bind_target(node.optional_vars, node.context_expr)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, OpaqueBinding("it is an exception"))
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, OpaqueBinding("it is captured by a match pattern"))
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
            # ``import a.b`` binds ``a``; ``import a.b as c`` binds ``c`` to the module ``a.b``.
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

    # What a generator yields counts as returned: a fixture or context manager yields the object that it is for.
    def visit_Yield(self, node: ast.Yield) -> None:
        self.scope.is_generator = True
        if node.value is not None:
            self.scope.returns.append(node.value)
            self.visit(node.value)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self.scope.is_generator = True
        self.visit(node.value)
        # Each item of the other generator is yielded in turn.
        target = ast.copy_location(ast.Name("_", ast.Store()), node)
        item = LoopItem(LoopTarget(Loop(target, node.value), target))
        self.scope.returns.append(ast.copy_location(item, node))

    def visit_Call(self, node: ast.Call) -> None:
        self.scope.calls.append(node)
        if isinstance(node.func, ast.Attribute) and (added := _get_added(node.func.attr, node)) is not None:
            self.scope.mutations.append((node.func.value, ast.copy_location(added, node)))
        match node.func:
            case ast.Attribute(value=ast.Name(id=name), attr="pop"):
                self.scope.shrunk.append(name)
            case _:
                pass
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                self.scope.shrunk.append(target.value.id)
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        branch: ast.stmt = to_conditions(node.subject, node.cases)
        while isinstance(branch, ast.If) and self.scope.kind == "function":
            self._add_branch(branch, ())
            branch = branch.orelse[0] if branch.orelse else ast.Pass()
        self.visit(node.subject)
        for case in node.cases:
            self.visit(case.pattern)
            if case.guard is not None:
                self.visit(case.guard)
            self.visit_body(case.body)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.scope.loads.append(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self.scope.loads.append(node)
        self.visit(node.value)

    def _add_child(self, node: ast.AST, kind: ScopeKind, name: str) -> Scope:
        return Scope(self.scope.source, node, kind, name, self.scope)

    def _add_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Decorators and defaults are evaluated in the enclosing scope, the body is not.
        self.visit_all([*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)])
        inner = self._add_child(node, "function", _qualify(self.scope, node.name))
        self._bind(node.name, Definition(inner))
        self._bind_parameters(node.args, inner)
        builder = ScopeBuilder(inner)
        builder.visit_body(node.body)
        inner.overwritten = find_overwritten(inner)
        builder.note_comprehensions()

    def _bind_parameters(self, args: ast.arguments, inner: Scope) -> None:
        for position, arg in enumerate([*args.posonlyargs, *args.args]):
            inner.bindings[arg.arg] = [(Parameter(arg.arg, arg.annotation, position), inner)]
        for arg in args.kwonlyargs:
            inner.bindings[arg.arg] = [(Parameter(arg.arg, arg.annotation, None), inner)]
        for rest in filter(None, (args.vararg, args.kwarg)):
            inner.bindings[rest.arg] = [(Parameter(rest.arg, None, None, collects_rest=True), inner)]

    def _bind_loop_target(self, target: ast.expr, over: ast.expr) -> None:
        self.visit(over)
        self._bind_parts(Loop(target, over))

    def _bind_parts(self, loop: Loop) -> list[LoopTarget]:
        self.scope.loops.append(loop)
        self.visit(loop.target)  # it may have calls: ``for totals[find(x)] in rounds``
        names = [one for one in ast.walk(loop.target) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
        targets = [LoopTarget(loop, name) for name in names]
        for target in targets:
            self._bind(target.name.id, target)
        return targets

    def _bind_target(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, Assignment(value))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            self._record_attribute(target, target.value.id, value)
        elif isinstance(target, ast.Attribute):
            self.visit(target.value)
            self.scope.attribute_assignments.append((target, value))
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for element, its_value in zip(target.elts, value.elts, strict=True):
                self._bind_target(element, its_value)
        elif isinstance(target, ast.Subscript):
            self.visit(target.slice)
            entry = AddedEntries([target.slice], [value])
            self.scope.mutations.append((target.value, ast.copy_location(entry, target)))
        else:
            self._bind_parts(Loop(target, value, is_unpacking=True))

    def _record_attribute(self, target: ast.Attribute, receiver: str, value: ast.expr) -> None:
        # In a method, the first parameter is the object, by any name; a function outside of a class may
        # set attributes of anything.
        first = self.scope.bindings.get(receiver, [(OpaqueBinding(""), self.scope)])[0][0]
        if self.scope.owner is not None and isinstance(first, Parameter) and first.position == 0:
            self.scope.owner.attributes.setdefault(target.attr, []).append((Assignment(value), self.scope))
        else:
            self.scope.attribute_assignments.append((target, value))

    def _bind_augmented(self, node: ast.AugAssign, target: ast.Name) -> None:
        if self.scope.kind == "function":
            before = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            self.visit(before)
            self.scope.augmented.append(before)
            node.value = ast.copy_location(ast.BinOp(before, node.op, node.value), node)
            self._bind(target.id, Assignment(node.value))
            return
        bindings = self.scope.bindings.get(target.id, ())
        is_unconditional = isinstance(self.scope.node, ast.Module) and node in self.scope.node.body
        if is_unconditional and len(bindings) == 1 and isinstance(binding := bindings[0][0], Assignment):
            # What functions read is the value at the end of the module.
            value = ast.copy_location(ast.BinOp(binding.expr, node.op, node.value), node)
            self.scope.bindings[target.id] = [(Assignment(value), self.scope)]
        else:
            self._bind_opaque(target, "it is changed in place")

    def _bind_opaque(self, target: ast.expr, why: str) -> None:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bind(node.id, OpaqueBinding(why))

    def _bind(self, name: str, binding: Binding) -> None:
        scope = self.scope.outer_names.get(name, self.scope)
        scope.bindings.setdefault(name, []).append((binding, self.scope))


def _get_spans(body: Sequence[ast.stmt | ast.expr]) -> list[Span]:
    if not body:
        return []
    first, last = body[0], body[-1]
    end = (last.end_lineno or last.lineno, last.end_col_offset or last.col_offset)
    return [((first.lineno, first.col_offset), end)]


def _get_added(method: str, call: ast.Call) -> ast.expr | None:
    """Return what a call adds to a list, set or mapping, as a collection; ``None`` if it adds nothing."""
    if method == "update" and call.keywords:
        keys = [None if one.arg is None else ast.Constant(one.arg) for one in call.keywords]
        return AddedEntries([*(None for _ in call.args), *keys], [*call.args, *(one.value for one in call.keywords)])
    match method, call.args:
        case (("append" | "appendleft" | "add"), [item]):
            return ast.List([item], ast.Load())
        case "insert", [_, item]:
            return ast.List([item], ast.Load())
        case (("extend" | "update"), [items]):
            return AddedEntries([None], [items]) if isinstance(items, ast.Dict) else items
        case "setdefault", [key, value]:
            return AddedEntries([key], [value])
        case _:
            return None


def _qualify(scope: Scope, name: str) -> str:
    return f"{scope.name}.{name}" if scope.name and scope.kind != "main" else name
