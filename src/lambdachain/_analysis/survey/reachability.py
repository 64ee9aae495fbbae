"""Which code may run when other code runs: the uses between functions, methods and modules.

A unit uses everything that its text mentions: a function that is named may be called, a class may be instantiated.
This errs on the side of too many uses, because a call that is missed would be a permission that is missing.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from . import classes
from .attributes import find_properties
from .evaluator import Evaluator
from .objects import bind_methods
from .results import MODE_BY_METHOD, CodeUnit
from .scopes import Assignment, Import, Scope, last_name
from .syntax import DEFINITIONS
from .values import (
    ClassValue,
    CollectionValue,
    DecoratorValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    ModuleValue,
    Unresolved,
    Value,
)

# Decorators that do not register the function. Any other may (a route, a task), so that code outside runs it.
_PASSIVE_DECORATORS: Final = (
    *("builtins.property", "builtins.staticmethod", "builtins.classmethod", "abc.", "contextlib.", "dataclasses."),
    *("functools.", "typing.", "lambdachain.", "tenacity.", "backoff.", "stamina.", "retrying.", "cachetools."),
    # Tools of agents, which only the agents have that are given them.
    *("strands.tool", "langchain.tools.", "langchain_core.tools.", "agents.function_tool", "smolagents.tool"),
    *("crewai.tools.", "llama_index.core.tools.", "agent_framework.tool"),
)


# Decorators of Powertools, whose objects are created in ways that are not followed.
_PASSIVE_METHODS: Final = frozenset({
    "inject_lambda_context", "capture_lambda_handler", "capture_method", "log_metrics", "event_source", "idempotent",
    "idempotent_function", "validator", "event_parser", "lambda_handler_decorator", "data_class",
})  # fmt: skip


_STANDARD_LIBRARY: Final = frozenset({*sys.stdlib_module_names, "builtins"})


def find_uses(evaluator: Evaluator) -> Mapping[CodeUnit, frozenset[CodeUnit]]:
    """Return which units each unit may run: computed for a unit when it is asked for, and once."""
    return _Uses(evaluator)


class _Uses(Mapping[CodeUnit, frozenset[CodeUnit]]):
    """The uses of each unit.

    Most units of a large code base are not reached from any function that is asked about, and to evaluate everything
    that they mention takes much longer than all the rest.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._found: dict[CodeUnit, frozenset[CodeUnit]] = {}
        self._scopes = evaluator.project.scopes_by_unit

    def __getitem__(self, unit: CodeUnit) -> frozenset[CodeUnit]:
        if unit not in self._found:
            self._found[unit] = frozenset(self._find(unit)) - {unit}
        return self._found[unit]

    def __iter__(self) -> Iterator[CodeUnit]:
        return iter(self._scopes)

    def __len__(self) -> int:
        return len(self._scopes)

    def _find(self, unit: CodeUnit) -> Iterator[CodeUnit]:
        if unit not in self._scopes:
            yield from (mention.scope.unit for mention in find_handler_mentions(self._evaluator, unit))
        for scope in self._scopes.get(unit, ()):
            yield from (mention.scope.unit for mention in find_mentions(self._evaluator, scope))


class Mention(NamedTuple):
    """Code that other code mentions, so that it may run.

    Attributes:
        scope: The function or module.
        function: The function, bound as it is mentioned.
        is_by_name: Whether no more than the name of a method is known: the object is unresolved.
    """

    scope: Scope
    function: FunctionValue | None = None
    is_by_name: bool = False


def find_handler_mentions(evaluator: Evaluator, unit: CodeUnit) -> list[Mention]:
    """Return what Lambda runs for a handler that its file imports or assigns: ``handler = Mangum(app)``.

    That is the module, and the functions that the name refers to as far as they are in the code. Nothing is returned
    for a name that the module does not bind, or that is imported from elsewhere: the code of that is not known.
    """
    module = evaluator.project.modules.get(unit.file)
    bindings = () if module is None else module.bindings.get(unit.name, ())
    if module is None or not bindings:
        return []
    found: list[Mention] = []
    for value in evaluator.evaluate_name(unit.name, module):
        match value:
            case FunctionValue(scope):
                found.append(Mention(scope, value))
            case InstanceValue(scope):
                called = bind_methods(value, evaluator.evaluate_class_name(scope, "__call__"))
                found += (Mention(one.scope, one) for one in called if isinstance(one, FunctionValue))
            case _:
                # A wrapper from a library is given the functions when the module is imported.
                continue
    is_imported = all(isinstance(binding, Import) for binding, _ in bindings)
    return [Mention(module), *found] if found or not is_imported else []


def find_mentions(  # noqa: C901 - a list of what runs
    evaluator: Evaluator,
    scope: Scope,
    skipped: Container[int] = (),
    may_matter: Callable[[ast.AST], bool] = lambda _: True,
) -> Iterator[Mention]:
    """Yield what the text of a scope mentions.

    Args:
        evaluator: Evaluates what the text refers to.
        scope: The scope.
        skipped: The ids of expressions that are followed otherwise; the properties that they read are not.
        may_matter: Checks whether the caller needs what an expression mentions, or (of the definition of a function)
            whether it is registered by decorators; no other is evaluated.
    """
    loads: Iterable[ast.expr] = filter(may_matter, scope.loads)
    if scope.kind in ("module", "class"):
        # Importing a module runs its calls, with their arguments, but not the functions that it only names.
        loads = (
            node
            for call in scope.calls
            for node in (call.func, *call.args, *_find_given(evaluator, call, scope))
            if may_matter(node) and not _is_library_call(evaluator, call, scope)
        )
    yield from _find_imported(evaluator, scope)
    if scope.kind == "function":
        # Lambda imports the module before it runs a function of it.
        yield Mention(scope.module)
    for child in scope.children if scope.kind in ("module", "class") else ():
        if child.kind == "function" and may_matter(child.node) and _is_registered(evaluator, child):
            yield Mention(child, FunctionValue(child))
    if any(evaluator.project.may_be_getattr(call) and may_matter(call) for call in scope.calls):
        yield from _find_by_getattr(evaluator, scope)
    called = [call for call in scope.calls if id(call.func) not in skipped and may_matter(call.func)]
    yield from _find_called_objects(evaluator, scope, called)
    # By identity: equal nodes at other places may be ordinary uses of the handler.
    targets = {id(node) for call in scope.calls for node in _get_remote_targets(call)}
    kept = {id(call.func) for call in _find_kept_objects(scope)}
    # To read an attribute of an object does not call the object.
    receivers = {id(load.value) for load in scope.loads if isinstance(load, ast.Attribute)}
    for load in loads:
        if isinstance(load, ast.Attribute):
            yield from (Mention(one.scope, one) for one in find_properties(evaluator, load, scope))
        if isinstance(load, ast.Name | ast.Attribute) and id(load) not in skipped:
            for value in evaluator.evaluate(load, scope):
                if id(load) in targets and isinstance(value, FunctionValue) and value.contract is not None:
                    continue
                is_kept = id(load) in (kept if isinstance(value, ClassValue) else receivers)
                for one in _get_mentioned(evaluator, value, load, scope):
                    if not (is_kept and one.scope.short_name == "__call__"):
                        yield one


def _find_called_objects(evaluator: Evaluator, scope: Scope, calls: Iterable[ast.Call]) -> Iterator[Mention]:
    """Yield the ``__call__`` of each object that is called."""
    for call in calls:
        for value in evaluator.evaluate(call.func, scope):
            if isinstance(value, InstanceValue):
                functions = (child for home in classes.get_lineage(evaluator, value.scope) for child in home.children)
                called = next((one for one in functions if one.short_name == "__call__"), None)
                yield from () if called is None else (_bind(value, called),)


def _find_kept_objects(scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls that create objects which are kept in a name or attribute, or called at once.

    What calls such an object is followed where that is, with what the object was created with.
    """
    homes = (scope, *scope.outer_names.values(), *([scope.owner] if scope.owner is not None else []))
    for home in homes:
        for bindings in (*home.bindings.values(), *home.attributes.values()):
            for binding, _ in bindings:
                if isinstance(binding, Assignment):
                    yield from _get_contained_calls(binding.expr)
    yield from (call.func for call in scope.calls if isinstance(call.func, ast.Call))


def _get_contained_calls(expr: ast.expr | None) -> Iterator[ast.Call]:
    """Yield the calls whose results are an expression, or are items of the collection that it is."""
    match expr:
        case ast.Call():
            yield expr
        case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.BoolOp(values=items):
            for item in items:
                yield from _get_contained_calls(item)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*_get_contained_calls(body), *_get_contained_calls(orelse))
        case _:
            return


def find_decorators(
    evaluator: Evaluator, scope: Scope, may_matter: Callable[[ast.AST], bool] = lambda _: True
) -> Iterator[FunctionValue]:
    """Yield the decorators of a function that are in the code: they run, and what they return may."""
    for expr in scope.node.decorator_list if isinstance(scope.node, DEFINITIONS) else ():
        for value in evaluator.evaluate(expr, scope.parent or scope) if may_matter(expr) else ():
            if isinstance(value, FunctionValue) and value.contract is None:
                yield value


def _find_by_getattr(evaluator: Evaluator, scope: Scope) -> Iterator[Mention]:
    """Yield what ``getattr(steps, name)`` may return: that method, or every method if the name is unknown."""
    for call, name in evaluator.find_getattr_calls(scope):
        for value in evaluator.evaluate(call.args[0], scope):
            if name is not None:
                yield from (
                    mention
                    for one in evaluator.evaluate_attribute(value, name)
                    for mention in _get_mentioned(evaluator, one, call, scope)
                )
            elif isinstance(value, ClassValue | InstanceValue | ModuleValue):
                homes = [value.scope] if isinstance(value, ModuleValue) else classes.get_lineage(evaluator, value.scope)
                functions = (one for home in homes for one in home.children if one.kind == "function")
                yield from (_bind(value, one) for one in functions)


def _get_remote_targets(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the targets of remote calls: ``charge`` in ``charge.call(x)`` and ``client.fire(charge, x)``.

    The handler that such a call runs, runs in another Lambda function: it is not code of the caller.
    """
    for index, node in enumerate([call.func, *call.args]):
        if isinstance(node, ast.Attribute) and node.attr in (*MODE_BY_METHOD, "bind"):
            yield node.value
            yield from call.args[index : index + 1]


def _is_library_call(evaluator: Evaluator, call: ast.Call, scope: Scope) -> bool:
    found = evaluator.evaluate(call.func, scope) if isinstance(call.func, ast.Name | ast.Attribute | ast.Call) else ()
    return any(
        isinstance(value, DecoratorValue) or (isinstance(value, ExternalName) and value.name.startswith("lambdachain."))
        for value in found
    )


def _find_given(evaluator: Evaluator, call: ast.Call, scope: Scope) -> Iterator[ast.expr]:
    """Yield what a call gives to a package by keyword or in a collection: ``Agent(tools=[weather])`` may call it.

    What is given to functions in the code is followed there, and Python's own classes only keep it.
    """
    values = evaluator.evaluate(call.func, scope) if call.keywords or call.args else ()
    if not any(_is_from_package(evaluator, value) for value in values):
        return
    for expr in (*call.args, *(keyword.value for keyword in call.keywords)):
        if not isinstance(expr, ast.Call | ast.Lambda):
            yield from (node for node in ast.walk(expr) if isinstance(node, ast.Name | ast.Attribute))


def _is_from_package(evaluator: Evaluator, function: Value) -> bool:
    match function:
        case ExternalName(name):
            return name.partition(".")[0] not in _STANDARD_LIBRARY
        case ClassValue(scope) | FunctionValue(scope):
            return not evaluator.project.get_bit(scope.module)  # read, but not of the code
        case _:
            return isinstance(function, Unresolved)


def _find_imported(evaluator: Evaluator, scope: Scope) -> Iterator[Mention]:
    for bindings in scope.bindings.values():
        for binding, home in bindings:
            if isinstance(binding, Import):
                found = evaluator.project.find_module(binding.module, home.source)
                yield from () if found is None else (Mention(found),)


def _get_mentioned(evaluator: Evaluator, value: Value, load: ast.expr, origin: Scope) -> Iterator[Mention]:
    match value:
        case FunctionValue(scope):
            yield Mention(scope, value)
        case ModuleValue(scope):
            yield Mention(scope)
        case ClassValue(scope) | InstanceValue(scope):
            runs_all = classes.may_call_any_method(evaluator, scope)
            methods = (child for home in classes.get_lineage(evaluator, scope) for child in home.children)
            for one in methods:
                if one.kind == "function" and (runs_all or _is_special(one)):
                    yield _bind(value, one)
        case CollectionValue() | MappingValue():
            for item in _get_items(value):
                yield from _get_mentioned(evaluator, item, load, origin)
        case Unresolved() if isinstance(load, ast.Attribute):
            # A method of an unresolved object: every method of that name may run.
            namesakes = classes.find_methods_by_name(evaluator, load, origin)
            yield from (Mention(one, FunctionValue(one), is_by_name=True) for one in namesakes)
        case _:
            return


def _bind(value: Value, scope: Scope) -> Mention:
    """Return the mention of a method, bound to the object or class that it is read from."""
    function = FunctionValue(scope)
    bound = bind_methods(value, (function,)) if isinstance(value, ClassValue | InstanceValue) else (function,)
    return Mention(scope, next((one for one in bound if isinstance(one, FunctionValue)), function))


def _get_items(value: CollectionValue | MappingValue) -> Iterator[Value]:
    yield from (
        value.items if isinstance(value, CollectionValue) else (item for _, values in value.entries for item in values)
    )


def _is_special(scope: Scope) -> bool:
    # Python calls ``__init__``, ``__enter__`` and the like itself, wherever an object is created or used.
    return scope.name.endswith("__")


def _is_lambda_handler(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Check whether a function has the signature of Lambda's handlers: Lambda runs it, not what its decorators do."""
    names = [one.arg.strip("_") for one in [*node.args.posonlyargs, *node.args.args]]
    return len(names) == 2 and names[0] == "event" and names[1] in ("context", "ctx")


def _is_registered(evaluator: Evaluator, scope: Scope) -> bool:
    if not isinstance(scope.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if _is_lambda_handler(scope.node):
        return False
    for decorator in scope.node.decorator_list:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        if last_name(function) in _PASSIVE_METHODS:
            continue
        for value in evaluator.evaluate(function, scope.parent or scope):
            if not isinstance(value, FunctionValue) and not (
                isinstance(value, ExternalName) and value.name.startswith(_PASSIVE_DECORATORS)
            ):
                return not isinstance(value, DecoratorValue)
    return False
