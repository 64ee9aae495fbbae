"""Evaluate expressions without running them, as far as the text of the code determines them.

The model:

- The result is always a *set of possible values* (``values.Values``), never one guess. ``charge if late else mail`` is
  both contracts; a name that is bound in two places is what either place binds it to. Control flow is ignored: every
  statement may run, in any order.
- What the text does not determine is an ``Unresolved`` value with a reason, and stays in the set next to the values
  that are known. So a caller can use what is known and report the rest. Nothing is silently left out.
- Calls of functions in the code evaluate to what their ``return`` statements may evaluate to; parameters to what the
  calls in the code pass (``parameters``). Functions outside of the code are ``ExternalName`` values;
  ``known_functions`` has models of those of lambdachain, boto3 and a few of Python's. Any other call is unresolved.
- Names and functions may depend on each other in cycles, so each expression is computed once and a cycle yields the
  smallest set that is consistent (``memo``).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any, Final

from . import attributes, classes, known_functions
from .memo import RecursiveMemo
from .parameters import evaluate_parameter
from .project import Project
from .results import SourceSchema
from .scopes import (
    Assignment,
    Binding,
    Definition,
    Import,
    LoopTarget,
    OpaqueBinding,
    Parameter,
    Scope,
    get_parameters,
)
from .source_schema import read_source_schema
from .syntax import CLIENTS, DEFINITIONS, unwrap_annotation
from .values import (
    UNRESOLVED,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    DecoratorValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    Unresolved,
    Value,
    Values,
    get_elements,
    merge_mappings,
    union,
    unresolved_reasons,
)

# Four names of a dozen values each make 20,736 strings, which nobody grants one by one; more would fill the memory.
_MAX_STRINGS: Final = 10_000


class ExpressionEvaluator:
    """Evaluates expressions of a project, each once.

    Args:
        project: The files.
        environment: The environment variables that are known.
    """

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = environment
        self._memo = RecursiveMemo[Values]((), UNRESOLVED)
        self._arguments: dict[tuple[Scope, str], Values] = {}
        self._base_classes: dict[Scope, list[Scope]] = {}
        self._by_node_type: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
            ast.Attribute: self._evaluate_attribute_node,
            ast.Await: lambda node, scope: self.evaluate(node.value, scope),
            ast.BinOp: self._evaluate_operation,
            ast.BoolOp: lambda node, scope: self._evaluate_any(node.values, scope),
            ast.Call: lambda node, scope: known_functions.evaluate_call(self, node, scope),
            ast.Constant: self._evaluate_constant,
            ast.Dict: self._evaluate_dict,
            ast.IfExp: lambda node, scope: self._evaluate_any((node.body, node.orelse), scope),
            ast.JoinedStr: self._evaluate_f_string,
            ast.Lambda: self._evaluate_lambda,
            ast.List: self._evaluate_collection,
            ast.Name: lambda node, scope: self.evaluate_name(node.id, scope),
            ast.NamedExpr: lambda node, scope: self.evaluate(node.value, scope),
            ast.Set: self._evaluate_collection,
            ast.Subscript: self._evaluate_subscript,
            ast.Tuple: self._evaluate_collection,
        }

    # Names

    def evaluate(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, written in *scope*, may evaluate to."""
        compute = self._by_node_type.get(type(expr))
        # The key is the node, not its id: the memo keeps the node alive, so that no other node gets the same id.
        return UNRESOLVED if compute is None else self._memo.get_or_compute(expr, lambda: compute(expr, scope))

    def evaluate_name(self, name: str, scope: Scope) -> Values:
        """Return what a name may be in *scope*."""
        bindings = scope.lookup(name) or list(self._find_star_imports(name, scope))
        if not bindings:
            return (ExternalName(f"builtins.{name}"),)
        # The list of bindings lives as long as its scope, so its id identifies the name wherever it is read.
        key = (id(bindings), name) if scope.lookup(name) else (scope, f"*{name}")
        return self._memo.get_or_compute(key, lambda: union(self.evaluate_binding(*one) for one in bindings))

    def _find_star_imports(self, name: str, scope: Scope) -> Iterator[tuple[Binding, Scope]]:
        """Yield the bindings of a name in the modules of ``from module import *``."""
        for binding, home in scope.lookup("*"):
            module = self.project.find_module(binding.module, home.source) if isinstance(binding, Import) else None
            if module is not None and name != "*":
                yield from module.lookup(name)

    def evaluate_binding(self, binding: Binding, scope: Scope) -> Values:
        """Return what a binding may bind its name to."""
        match binding:
            case Assignment(expr):
                return self.evaluate(expr, scope)
            case LoopTarget(expr):
                return get_elements(self.evaluate(expr, scope))
            case Import(module, name):
                return self._evaluate_import(module, name, scope)
            case Definition(inner):
                return self._evaluate_definition(inner)
            case Parameter():
                return self._arguments.get((scope, binding.name)) or evaluate_parameter(self, binding, scope)
            case OpaqueBinding(why):
                return (Unresolved(why),)

    def _evaluate_import(self, module: str, name: str | None, scope: Scope) -> Values:
        home = self.project.find_module(module, scope.source)
        if name is None:
            return (ExternalName(module),) if home is None else (ModuleValue(home),)
        if home is not None and name in home.bindings:
            return self.evaluate_name(name, home)
        submodule = self.project.find_module(f"{module}.{name}" if module else name, scope.source)
        if submodule is not None:
            return (ModuleValue(submodule),)
        return (ExternalName(f"{module}.{name}"),) if home is None else UNRESOLVED

    def _evaluate_definition(self, scope: Scope) -> Values:
        """Return a class or function; ``@remote`` makes a handler of it, other decorators are ignored."""
        if scope.kind == "class":
            return (ClassValue(scope),)
        function = FunctionValue(scope)
        for expr in reversed(scope.node.decorator_list if isinstance(scope.node, DEFINITIONS) else []):
            for decorator in self.evaluate(expr, scope.parent or scope):
                if isinstance(decorator, DecoratorValue):
                    function = FunctionValue(scope, decorator.make(FunctionValue(scope)))
        return (function,)

    # Functions and classes

    def evaluate_return(self, scope: Scope) -> Values:
        """Return what a function may return; if that is unresolved, what its annotation reveals of it."""
        returned = self._evaluate_any(scope.returns, scope)
        if not returned or unresolved_reasons(returned):
            annotation = getattr(scope.node, "returns", None)
            return self.evaluate_annotation(annotation, scope.parent) or returned or UNRESOLVED
        return returned

    def apply_to_string(self, scope: Scope, text: str) -> Values:
        """Return what a function of one parameter may return for *text*."""
        arguments = get_parameters(scope.node)
        names = [arg.arg for arg in [*arguments.posonlyargs, *arguments.args]]
        if len(names) != 1 or not scope.returns:
            return UNRESOLVED
        # The results hold for this argument only, so they go into a memo of their own.
        before, self._memo = self._memo, RecursiveMemo[Values]((), UNRESOLVED)
        self._arguments[scope, names[0]] = (Constant(text),)
        try:
            return self._evaluate_any(scope.returns, scope)
        finally:
            del self._arguments[scope, names[0]]
            self._memo = before

    def evaluate_annotation(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation reveals of a value: a client, or an object of a class in the code."""
        if annotation is None or scope is None:
            return ()
        for value in self.evaluate(unwrap_annotation(annotation), scope):
            if isinstance(value, ExternalName) and value.name in CLIENTS:
                return (ClientValue(None),)
            if isinstance(value, ClassValue):
                return (InstanceValue(value.scope),)
        return ()

    def evaluate_class_name(self, scope: Scope, name: str) -> Values:
        """Return what the body of a class binds a name to."""
        return union(self.evaluate_binding(*one) for one in scope.bindings.get(name, ()))

    def base_classes(self, scope: Scope) -> list[Scope]:
        """Return the direct base classes that are in the code."""
        if scope not in self._base_classes:
            # A class whose base depends on the class itself would recurse without end; it has no base meanwhile.
            self._base_classes[scope] = []
            bases = classes.evaluate_bases(self, scope)
            self._base_classes[scope] = [value.scope for value in bases if isinstance(value, ClassValue)]
        return self._base_classes[scope]

    def read_schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the JSON Schemas of the type that *expr* names; see ``read_source_schema``."""
        return read_source_schema(self, expr, scope)

    # Attributes

    def evaluate_attribute(self, value: Value, name: str) -> Values:
        """Return what ``value.name`` may be; see ``attributes.evaluate_attribute``."""
        return attributes.evaluate_attribute(self, value, name)

    def find_getattr_calls(self, scope: Scope) -> Iterator[tuple[ast.Call, str | None]]:
        """Yield the calls ``getattr(something, name)``, with the name if it is known."""
        for call in scope.calls:
            if (
                len(call.args) > 1
                and self.project.may_mean("getattr", call.func)
                and ExternalName("builtins.getattr") in self.evaluate(call.func, scope)
            ):
                yield call, self.evaluate_string(call.args[1], scope)

    def _evaluate_attribute_node(self, node: ast.Attribute, scope: Scope) -> Values:
        return union(
            attributes.find_submodule(self, value, node.attr, scope) or self.evaluate_attribute(value, node.attr)
            for value in self.evaluate(node.value, scope)
        )

    def _evaluate_subscript(self, node: ast.Subscript, scope: Scope) -> Values:
        return union(
            known_functions.evaluate_item(self, value, node.slice, scope)
            for value in merge_mappings(self.evaluate(node.value, scope))
        )

    # Literals and operators

    def evaluate_string(self, expr: ast.expr, scope: Scope) -> str | None:
        """Return the only string that an expression may evaluate to, or ``None``."""
        match self.evaluate(expr, scope):
            case (Constant(str(text)),):
                return text
            case _:
                return None

    def _evaluate_any(self, exprs: Iterable[ast.expr], scope: Scope) -> Values:
        return union(self.evaluate(expr, scope) for expr in exprs)

    def _evaluate_constant(self, node: ast.Constant, _scope: Scope) -> Values:
        value = node.value
        return (Constant(value),) if isinstance(value, str | int | float) or value is None else UNRESOLVED

    def _evaluate_collection(self, node: Any, scope: Scope) -> Values:
        items = (
            get_elements(self.evaluate(item.value, scope))
            if isinstance(item, ast.Starred)
            else self.evaluate(item, scope)
            for item in node.elts
        )
        return (CollectionValue(union(items)),)

    def _evaluate_dict(self, node: ast.Dict, scope: Scope) -> Values:
        entries: list[tuple[str, Values]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            text = self.evaluate_string(key, scope) if key is not None else None
            if text is None:  # an unknown key or ``**other``: only the values are known, not where they are
                return (CollectionValue(self._evaluate_any(node.values, scope)),)
            entries.append((text, self.evaluate(value, scope)))
        return (MappingValue(tuple(entries)),)

    def _evaluate_f_string(self, node: ast.JoinedStr, scope: Scope) -> Values:
        parts = [
            self._evaluate_placeholder(part, scope)
            if isinstance(part, ast.FormattedValue)
            else self.evaluate(part, scope)
            for part in node.values
        ]
        return _concatenate(parts)

    def _evaluate_placeholder(self, part: ast.FormattedValue, scope: Scope) -> Values:
        # ``{x}`` and ``{x!s}`` insert the string itself; ``{x:02d}`` and ``{x!r}`` another one.
        is_plain = part.format_spec is None and part.conversion in (-1, ord("s"))
        return self.evaluate(part.value, scope) if is_plain else UNRESOLVED

    def _evaluate_operation(self, node: ast.BinOp, scope: Scope) -> Values:
        if not isinstance(node.op, ast.Add):
            return UNRESOLVED
        sides = [self.evaluate(node.left, scope), self.evaluate(node.right, scope)]
        operands = [value for values in sides for value in values]
        if all(isinstance(value, CollectionValue) for value in operands):
            return (CollectionValue(union(get_elements(values) for values in sides)),)
        if any(isinstance(value, Constant) and not isinstance(value.value, str) for value in operands):
            return UNRESOLVED  # numbers are added, not concatenated
        return _concatenate(sides)

    def _evaluate_lambda(self, node: ast.Lambda, scope: Scope) -> Values:
        return tuple(FunctionValue(child) for child in scope.children if child.node is node)


def _concatenate(parts: Iterable[Values]) -> Values:
    """Join strings in every combination; if one part is unresolved, so is the whole, for the same reasons."""
    listed = [tuple(part) for part in parts]
    unresolved = union(tuple(Unresolved(why) for why in unresolved_reasons(part)) for part in listed)
    known = [[str(value.value) for value in part if isinstance(value, Constant)] for part in listed]
    if unresolved or any(len(strings) != len(part) for strings, part in zip(known, listed, strict=True)):
        return unresolved or UNRESOLVED
    combinations = prod(map(len, known))
    if combinations > _MAX_STRINGS:
        return (Unresolved(f"it may be any of {combinations:,} strings"),)
    return tuple(Constant("".join(chosen)) for chosen in product(*known))
