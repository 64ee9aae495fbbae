"""Evaluate expressions without running them, as far as the text of the code determines them.

The model:

- The result is always a *set of possible values* (``values.Values``), never one guess. ``charge if late else mail`` is
  both contracts; a name that is bound in two places is what either place binds it to. Control flow is ignored (every
  statement may run, in any order), except within a function: see ``overwriting`` and ``branches``.
- What the text does not determine is an ``Unresolved`` value with a reason, and stays in the set next to the values
  that are known. So a caller can use what is known and report the rest. Nothing is silently left out.
- Calls of functions in the code evaluate to what their ``return`` statements may evaluate to. Within the ``Frame`` of a
  call, parameters are what that call passes; without a frame, what all calls in the code pass (``parameters``).
- Functions outside of the code are ``ExternalName`` values;
  ``known_functions`` has models of those of lambdachain, boto3 and a few of Python's. Any other call is unresolved.
- Names and functions may depend on each other in cycles, so each expression is computed once and a cycle yields the
  smallest set that is consistent (``memo``).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final

from . import attributes, branches, classes, known_functions
from .boto3_calls import BOTO3_LAMBDA_CLIENT, DURABLE_CONTEXT, STUBS
from .compact_nodes import to_compact_class
from .environment import is_own_function_name, read_own_name
from .installed_constants import evaluate_external, evaluate_starred
from .memo import RecursiveMemo
from .object_calls import drop_calls, evaluate_receiver
from .parameters import evaluate_parameter
from .project import Project
from .results import SourceSchema
from .scopes import (
    AddedEntries,
    Assignment,
    Binding,
    Definition,
    FilledMapping,
    Import,
    LoopItem,
    LoopTarget,
    OpaqueBinding,
    OpaqueExpression,
    Parameter,
    PassedArgument,
    Scope,
    get_parameters,
)
from .source_schema import read_source_schema
from .string_values import concatenate, evaluate_percent
from .syntax import CLIENTS, DEFINITIONS, evaluate_filled_mapping, unwrap_annotation
from .values import (
    MAX_EFFORT,
    UNFINISHED,
    UNRESOLVED,
    ClassValue,
    ClientValue,
    CollectionValue,
    Constant,
    DecoratorValue,
    ExternalName,
    Frame,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    Unresolved,
    Value,
    Values,
    find_enclosing_frame,
    get_elements,
    get_key,
    limit_nesting,
    merge_mappings,
    union,
    unresolved_reasons,
)

_STUB_CLASS: Final = ".LambdaClient"
# Deeper than people nest the helpers around one call, and few enough that endless recursion costs little.
_MAX_CALLS: Final = 12


class ExpressionEvaluator:
    """Evaluates expressions of a project, each once.

    Args:
        project: The files.
        environment: The environment variables that are known.
        follows_calls: Whether a function returns what it does for the arguments of the call, instead of what it does
            for those of all calls. That is exact, and takes many times as long.
        max_effort: How many steps are evaluated; whatever would take more is unresolved.
    """

    def __init__(
        self,
        project: Project,
        environment: Mapping[str, str],
        *,
        follows_calls: bool = True,
        max_effort: float = MAX_EFFORT,
    ) -> None:
        self.project = project
        self.environment = environment
        self.follows_calls = follows_calls
        self._memo = RecursiveMemo[Values]((), UNRESOLVED, UNFINISHED, max_effort)
        # The call that is being evaluated. It holds for its function and what is nested in it, and for no other code.
        self._frame: Frame | None = None
        self._frames: dict[Hashable, Frame] = {}
        self._base_classes: dict[Scope, list[Scope]] = {}
        self._by_node_type: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
            ast.Attribute: self._evaluate_attribute_node,
            **dict.fromkeys((ast.Await, ast.NamedExpr), lambda node, scope: self.evaluate(node.value, scope)),
            ast.BinOp: self._evaluate_operation,
            ast.BoolOp: lambda node, scope: branches.evaluate_bool_op(self, node, scope),
            ast.Call: lambda node, scope: known_functions.evaluate_call(self, node, scope),
            ast.Constant: self._evaluate_constant,
            ast.Dict: self._evaluate_dict,
            AddedEntries: self._evaluate_dict,
            FilledMapping: lambda node, scope: evaluate_filled_mapping(self, node, scope),
            ast.IfExp: lambda node, scope: branches.evaluate_conditional(self, node, scope),
            ast.JoinedStr: self._evaluate_f_string,
            ast.Lambda: self._evaluate_lambda,
            ast.Name: self._evaluate_name_node,
            ast.Subscript: self._evaluate_subscript,
            **dict.fromkeys((ast.List, ast.Set, ast.Tuple), self._evaluate_collection),
            **dict.fromkeys(
                branches.COMPREHENSIONS, lambda node, scope: branches.evaluate_comprehension(self, node, scope)
            ),
            **dict.fromkeys((ast.Compare, ast.UnaryOp), lambda node, scope: branches.evaluate_truth(self, node, scope)),
            LoopItem: lambda node, scope: branches.evaluate_loop_target(self, node.target, scope),
            PassedArgument: lambda node, scope: self.evaluate_binding(node.parameter, scope),
            OpaqueExpression: lambda node, _: (Unresolved(node.why),),
        }
        self._by_node_type |= {to_compact_class(kind): compute for kind, compute in self._by_node_type.items()}

    @property
    def effort_left(self) -> float:
        """How many more steps the current question may take; 0 if something may be unfinished."""
        return self._memo.effort_left

    def limit_effort(self, effort: float) -> AbstractContextManager[None]:
        """Evaluate one question in at most so many steps; others may take as many again."""
        return self._memo.limit_effort(effort)

    # Names

    def evaluate(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr*, written in *scope*, may evaluate to."""
        if self._frame is None and (known := self._memo.get_complete(expr)) is not None:
            return known
        compute = self._by_node_type.get(type(expr))
        # The key is the node, not its id: the memo keeps the node alive, so that no other node gets the same id.
        return UNRESOLVED if compute is None else self.compute_in_scope(expr, scope, lambda: compute(expr, scope))

    def evaluate_certainly(self, expr: ast.expr, scope: Scope) -> Values:
        """Return what *expr* may evaluate to; nothing while it depends on a value that is being computed."""
        return self._memo.compute_certain(lambda: self.evaluate(expr, scope)) or ()

    def compute_in_scope(self, key: Hashable, scope: Scope, compute: Callable[[], Values]) -> Values:
        """Return the result of *compute*, which is called once for each frame that it may depend on."""
        if self._frame is None:
            return self._memo.get_or_compute(key, compute)
        before, self._frame = self._frame, find_enclosing_frame(self._frame, scope)
        try:
            return self._memo.get_or_compute(key if self._frame is None else (key, self._frame), compute)
        finally:
            self._frame = before

    def evaluate_name(self, name: str, scope: Scope) -> Values:
        """Return what a name may be in *scope*."""
        bindings = scope.lookup(name) or list(self._find_star_imports(name, scope))
        if not bindings:
            return evaluate_starred(self, name, scope) or (ExternalName(f"builtins.{name}"),)
        # The list of bindings lives as long as its scope, so its id identifies the name wherever it is read.
        key = (id(bindings), name) if scope.lookup(name) else (scope, f"*{name}")
        return self.compute_in_scope(key, scope, lambda: union(self.evaluate_binding(*one) for one in bindings))

    def _evaluate_name_node(self, node: ast.Name, scope: Scope) -> Values:
        if node in scope.overwritten:
            return self.evaluate(scope.overwritten[node], scope)
        return self.evaluate_name(node.id, scope)

    def _find_star_imports(self, name: str, scope: Scope) -> Iterator[tuple[Binding, Scope]]:
        """Yield the bindings of a name in the modules of ``from module import *``, and of those that they import so."""
        homes = [scope]
        for one in homes if name != "*" else ():
            for binding, home in one.lookup("*"):
                module = self.project.find_module(binding.module, home.source) if isinstance(binding, Import) else None
                if module is not None and module not in homes:
                    homes.append(module)
                    yield from module.bindings.get(name, ())

    def evaluate_binding(self, binding: Binding, scope: Scope) -> Values:
        """Return what a binding may bind its name to."""
        match binding:
            case Assignment(expr):
                return self.evaluate(expr, scope)
            case LoopTarget():
                return branches.evaluate_loop_target(self, binding, scope)
            case Import(module, name):
                return self._evaluate_import(module, name, scope)
            case Definition(inner):
                return self._evaluate_definition(inner)
            case Parameter():
                return self._evaluate_argument(binding, scope) or evaluate_parameter(self, binding, scope)
            case OpaqueBinding(why):
                return (Unresolved(why),)

    def _evaluate_argument(self, parameter: Parameter, scope: Scope) -> Values:
        """Return what the current call passes for a parameter; nothing outside of a call."""
        frame = self._frame
        while frame is not None and frame.scope is not scope:
            frame = frame.outer
        if frame is None:
            return ()
        if frame.created is not None and parameter.position == 0:
            return (InstanceValue(frame.created, frame),)
        return frame.arguments.get(parameter.name, ())

    def _evaluate_import(self, module: str, name: str | None, scope: Scope) -> Values:
        home = self.project.find_module(module, scope.source)
        if name is None:
            return (ExternalName(module),) if home is None else (ModuleValue(home),)
        if home is not None and name in home.bindings and home is not scope.module:
            return self.evaluate_name(name, home)
        submodule = self.project.find_module(f"{module}.{name}" if module else name, scope.source)
        if submodule is not None:
            return (ModuleValue(submodule),)
        if home is not None and any(True for _ in self._find_star_imports(name, home)):
            return self.evaluate_name(name, home)
        return evaluate_external(self, f"{module}.{name}") if home is None else UNRESOLVED

    def _evaluate_definition(self, scope: Scope) -> Values:
        """Return a class or function; ``@remote`` makes a handler of it, other decorators are ignored."""
        if scope.kind == "class":
            return (ClassValue(scope),)
        function = FunctionValue(scope, frame=self._get_closure(scope))
        for expr in reversed(scope.node.decorator_list if isinstance(scope.node, DEFINITIONS) else []):
            for decorator in self.evaluate(expr, scope.parent or scope):
                if isinstance(decorator, DecoratorValue):
                    function = replace(function, contract=decorator.make(FunctionValue(scope)))
        return (function,)

    # Functions and classes

    def evaluate_return(self, scope: Scope) -> Values:
        """Return what a function may return; if that is unresolved, what its annotation reveals of it."""
        returned = self._evaluate_returns(scope)
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
        with self.in_frame(self.create_frame(FunctionValue(scope), {names[0]: (Constant(text),)})):
            return self._evaluate_returns(scope)

    def _evaluate_returns(self, scope: Scope) -> Values:
        is_dead = branches.find_dead_code(self, scope)
        return self._evaluate_any((expr for expr in scope.returns if not is_dead(expr)), scope)

    def evaluate_call(self, function: FunctionValue, arguments: Mapping[str, Values]) -> Values:
        """Return what a function may return when its parameters hold *arguments*."""
        with self.in_frame(self.create_frame(function, arguments)):
            return drop_calls(self.evaluate_return(function.scope))

    def create_frame(
        self, function: FunctionValue, arguments: Mapping[str, Values], created: Scope | None = None
    ) -> Frame:
        """Return the frame of a call of a function; equal calls share one."""
        depth = 1 if self._frame is None else self._frame.depth + 1
        if depth > _MAX_CALLS:
            # A function that calls itself with other arguments each time would never end.
            arguments = dict.fromkeys(arguments, (Unresolved("it depends on more nested calls than are followed"),))
        key = (function.scope, function.frame, created, tuple(arguments.items()))
        if key not in self._frames:
            self._frames[key] = Frame(function.scope, arguments, function.frame, created, depth)
        return self._frames[key]

    def find_frame(self, scope: Scope) -> Frame | None:
        """Return the call that is being followed, as far as *scope* is in it."""
        return None if self._frame is None else find_enclosing_frame(self._frame, scope)

    def list_items(self, values: Values) -> Values:
        """Return what a loop over *values* may assign to its target."""
        return get_elements(classes.list_members(self, values))

    @contextmanager
    def in_frame(self, frame: Frame | None) -> Generator[None]:
        """Evaluate in a frame: within the function of it, parameters hold its arguments."""
        before, self._frame = self._frame, frame
        try:
            yield
        finally:
            self._frame = before

    def _get_closure(self, scope: Scope) -> Frame | None:
        """Return the frame whose names a nested function reads; ``None`` for any other."""
        return None if self._frame is None or scope.parent is None else find_enclosing_frame(self._frame, scope.parent)

    def evaluate_annotation(self, annotation: ast.expr | None, scope: Scope | None) -> Values:
        """Return what an annotation reveals of a value: a client, or an object of a class in the code."""
        if annotation is None or scope is None:
            return ()
        for value in self.evaluate(unwrap_annotation(annotation), scope):
            if isinstance(value, ExternalName) and value.name in CLIENTS:
                return (ClientValue(None),)
            if isinstance(value, ExternalName) and value.name.startswith(STUBS) and value.name.endswith(_STUB_CLASS):
                return (BOTO3_LAMBDA_CLIENT,)
            if isinstance(value, ExternalName) and value.name.endswith(DURABLE_CONTEXT):
                return (value,)
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
            with self._memo.lift_limit():  # it is kept for every question
                bases = classes.evaluate_bases(self, scope)
            self._base_classes[scope] = [value.scope for value in bases if isinstance(value, ClassValue)]
        return self._base_classes[scope]

    def read_schema(self, expr: ast.expr, scope: Scope) -> SourceSchema:
        """Return the JSON Schemas of the type that *expr* names; see ``read_source_schema``."""
        return read_source_schema(self, expr, scope)

    # Attributes

    def evaluate_attribute(self, value: Value, name: str) -> Values:
        """Return what ``value.name`` may be; see ``attributes.evaluate_attribute``."""
        # A set of many values has many attributes, so each counts.
        return attributes.evaluate_attribute(self, value, name) if self._memo.spend() else UNFINISHED

    def find_getattr_calls(self, scope: Scope) -> Iterator[tuple[ast.Call, str | None]]:
        """Yield the calls ``getattr(something, name)``, with the name if it is known."""
        for call in scope.calls:
            if self.project.may_be_getattr(call) and ExternalName("builtins.getattr") in self.evaluate(
                call.func, scope
            ):
                yield call, self.evaluate_string(call.args[1], scope)

    def _evaluate_attribute_node(self, node: ast.Attribute, scope: Scope) -> Values:
        if is_own_function_name(node):
            return read_own_name(self.environment)
        if node in scope.overwritten and not any(attributes.find_properties(self, node, scope)):
            return self.evaluate(scope.overwritten[node], scope)
        return union(
            attributes.find_submodule(self, value, node.attr, scope) or self.evaluate_attribute(value, node.attr)
            for value in evaluate_receiver(self, node, scope)
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
        starred = any(isinstance(item, ast.Starred) for item in node.elts)
        items = tuple(
            get_elements(self.evaluate(item.value, scope))
            if isinstance(item, ast.Starred)
            else limit_nesting(self.evaluate(item, scope))
            for item in node.elts
        )
        return (
            CollectionValue(union(items), items if isinstance(node, ast.List | ast.Tuple) and not starred else None),
        )

    def _evaluate_dict(self, node: ast.Dict, scope: Scope) -> Values:
        entries: dict[str, Values] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            found = limit_nesting(self.evaluate(value, scope))
            if key is None:
                merged = merge_mappings(found)
                added = dict(merged[0].entries) if len(merged) == 1 and isinstance(merged[0], MappingValue) else None
            else:
                text = get_key(self.evaluate(key, scope))
                added = None if text is None else {text: found}
            if added is None:  # an unknown key or ``**other``: only the values are known, not where they are
                return (CollectionValue(limit_nesting(self._evaluate_any(node.values, scope))),)
            entries |= added
        return (MappingValue(tuple(entries.items()), isinstance(node, AddedEntries)),)

    def _evaluate_f_string(self, node: ast.JoinedStr, scope: Scope) -> Values:
        parts = [
            self._evaluate_placeholder(part, scope)
            if isinstance(part, ast.FormattedValue)
            else self.evaluate(part, scope)
            for part in node.values
        ]
        return concatenate(parts)

    def _evaluate_placeholder(self, part: ast.FormattedValue, scope: Scope) -> Values:
        # ``{x}`` and ``{x!s}`` insert the string itself; ``{x:02d}`` and ``{x!r}`` another one.
        is_plain = part.format_spec is None and part.conversion in (-1, ord("s"))
        return self.evaluate(part.value, scope) if is_plain else UNRESOLVED

    def _evaluate_operation(self, node: ast.BinOp, scope: Scope) -> Values:
        if isinstance(node.op, ast.Mod):
            return evaluate_percent(self, node, scope)
        if isinstance(node.op, ast.BitOr):
            merged = self._evaluate_dict(ast.Dict([None, None], [node.left, node.right]), scope)
            return merged if isinstance(merged[0], MappingValue) else UNRESOLVED
        if not isinstance(node.op, ast.Add):
            return UNRESOLVED
        sides = [self.evaluate(node.left, scope), self.evaluate(node.right, scope)]
        operands = [value for values in sides for value in values]
        if all(isinstance(value, CollectionValue) for value in operands):
            return (CollectionValue(union(get_elements(values) for values in sides)),)
        if any(isinstance(value, Constant) and not isinstance(value.value, str) for value in operands):
            return UNRESOLVED  # numbers are added, not concatenated
        return concatenate(sides)

    def _evaluate_lambda(self, node: ast.Lambda, scope: Scope) -> Values:
        found = (child for child in scope.children if child.node is node)
        return tuple(FunctionValue(child, frame=self._get_closure(child)) for child in found)
