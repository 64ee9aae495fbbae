"""Follow calls from where code starts to where it calls a Lambda function, with the arguments that each call passes.

A *path step* is a function and a ``Frame``. The same helper that two handlers call with two names is two steps, so each
handler reaches only its own name. A step is computed once, whoever reaches it: equal calls share a frame. Functions
that cannot reach a call of a Lambda function are not followed. A function that takes too long to follow, with the
arguments of each of its calls, leads from then on to all that it uses, whatever is passed to that.

A function that is used other than by calling it may be called from anywhere with anything: its parameters are
unresolved there, unless the function that it is passed to is known to pass arguments on (``pool.submit``).
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from . import classes
from .arguments import bind_arguments, bind_unknown, evaluate_arguments, get_each, get_items
from .branches import find_alternatives, find_dead_code, passes_several
from .call_sites import CallFinder
from .decorations import find_kept, keeps_argument
from .effort import EffortBudgets
from .evaluator import Evaluator
from .objects import bind_methods, bind_receiver
from .open_calls import OpenCallFinder
from .reachability import Mention, find_decorators, find_handler_mentions, find_mentions
from .relevance import Relevance
from .results import CallSite, CodeUnit, SourceLocation, UnresolvedCall
from .scopes import Scope, get_keyword, last_name
from .syntax import DEFINITIONS
from .values import (
    Arguments,
    ClassValue,
    ExternalName,
    Frame,
    FunctionValue,
    InstanceValue,
    MappingValue,
    Unresolved,
)

Found: TypeAlias = CallSite | UnresolvedCall

# Functions that pass the arguments after a function on to it, and those that call it for each item of iterables.
_PASS_ON: Final = frozenset({
    "submit", "to_thread", "run_in_executor", "run_sync", "start_soon", "call_soon", "call_soon_threadsafe",
    "call_later", "call_at", "add_callback", "apply", "add_task", "run", "spawn",
})  # fmt: skip
_MAP: Final = frozenset({"map", "imap", "imap_unordered"})
_START: Final = frozenset({"Thread", "Process", "Timer"})
_PASSED_ON: Final = "it is the parameter {!r} of %s, which is passed on as a value"


class PathStep(NamedTuple):
    """Code that runs: a function in a frame, or a module.

    Attributes:
        scope: The function or module.
        frame: The arguments of the function.
        is_by_name: Whether it is a method of an unresolved object, of which no more than the name is known.
        is_open: Whether its arguments are not followed: they may be anything.
    """

    scope: Scope
    frame: Frame | None
    is_by_name: bool = False
    is_open: bool = False


class CallPaths:
    """Finds which calls of Lambda functions some code may reach, and with which values.

    Args:
        evaluator: Evaluates what is called, and with what.
        finder: Finds the calls of Lambda functions in a scope.
        relevant: The units from which a call can be reached.
        open_calls: Finds the calls in code whose arguments are not followed.
        unfollowed: What any code may reach, because the search for the relevant units was given up.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        finder: CallFinder,
        relevant: Relevance,
        open_calls: OpenCallFinder,
        unfollowed: Sequence[UnresolvedCall],
    ) -> None:
        self._evaluator = evaluator
        self._finder = finder
        self._scopes = evaluator.project.scopes_by_unit
        self._relevant = relevant
        self._open_calls = open_calls
        self._unfollowed = unfollowed
        self._following = EffortBudgets(evaluator)
        self._finding = EffortBudgets(evaluator)
        self._found: dict[PathStep, tuple[Found, ...]] = {}
        self._calls: dict[CodeUnit, tuple[Found, ...]] = {}
        # The next steps of each, with the place of the call that leads there.
        self._next: dict[PathStep, Mapping[PathStep, SourceLocation | None]] = {}

    def find_calls(self, start: CodeUnit) -> tuple[Found, ...]:
        """Return the calls that may run when *start* runs, with the values that they have then."""
        if start not in self._calls:
            self._calls[start] = self._find_calls(start)
        return (*self._calls[start], *self._unfollowed)

    def _find_calls(self, start: CodeUnit) -> tuple[Found, ...]:
        bodies = self._get_bodies(start)
        module = bodies[0].module if bodies else self._evaluator.project.modules.get(start.file)
        if module is None:
            return ()
        starts = [PathStep(scope, None) for scope in bodies] or [
            self._enter_handler(mention) for mention in find_handler_mentions(self._evaluator, start)
        ]
        if self._relevant.find_for(module).isdisjoint({start, module.unit, *(step.scope.unit for step in starts)}):
            return ()
        return self._find_in_steps(self.walk(starts, module))

    def _find_in_steps(self, steps: Mapping[PathStep, SourceLocation | None]) -> tuple[Found, ...]:
        return tuple(
            dict.fromkeys(
                replace(found, reached_from=place) if place is not None and place != found.location else found
                for step, place in steps.items()
                for found in self._find_in_step(step)
            )
        )

    def find_roots(self) -> list[CodeUnit]:
        """Return the units at which code starts that no other code in sight calls; together they reach every call."""
        units = [unit for unit, scopes in self._scopes.items() if unit in self._relevant.find_for(scopes[0].module)]
        # What has no caller comes first, so that a helper is reached with what its callers pass.
        units.sort(key=lambda unit: bool(unit.name) and self._may_be_called(unit))
        roots: list[CodeUnit] = []
        reached: set[CodeUnit] = set()
        for unit in units:
            if unit not in reached:
                roots.append(unit)
                bodies = self._get_bodies(unit)
                steps = self.walk([PathStep(scope, None) for scope in bodies], bodies[0].module)
                self._calls[unit] = self._find_in_steps(steps)
                reached |= {step.scope.unit for step in steps}
        return roots

    def walk(self, starts: Sequence[PathStep], module: Scope) -> Mapping[PathStep, SourceLocation | None]:
        """Return the steps that may run when code of a module starts, each with the place of the call that leads there.

        The place is in the code that starts. The starts are included, without a place.
        """
        reached: dict[PathStep, SourceLocation | None] = {}
        pending: list[tuple[PathStep, SourceLocation | None]] = [(start, None) for start in starts]
        # An object comes from code that imports its class, so others do not have the method that is called by name.
        imported = self._evaluator.project.find_imported(module)
        relevant = self._relevant.find_for(module)
        while pending:
            step, place = pending.pop()
            if step not in reached and not (step.is_by_name and step.scope.module not in imported):
                reached[step] = place
                following = self._find_next(step).items()
                pending += [(one, place or called) for one, called in following if one.scope.unit in relevant]
        return reached

    def _get_bodies(self, unit: CodeUnit) -> list[Scope]:
        """Return the scopes that a unit starts with: not the lambdas and class bodies inside, which belong to it."""
        scopes = self._scopes.get(unit, [])
        return [scope for scope in scopes if scope.parent is None or scope.parent.unit != unit]

    def _may_be_called(self, unit: CodeUnit) -> bool:
        project = self._evaluator.project
        return any(
            project.is_passed_as_value(scope.short_name)
            or scope.short_name.startswith("__")  # Python calls it
            or any(map(keeps_argument, (one.scope for one in find_decorators(self._evaluator, scope))))
            or any(
                caller.unit != unit
                for name in classes.get_call_names(self._evaluator, scope)
                for _, caller in project.find_calls(name)
            )
            for scope in self._get_bodies(unit)
        )

    def _find_in_step(self, step: PathStep) -> tuple[Found, ...]:
        if step not in self._found:
            found = None if step.is_open else self._find_with_arguments(step)
            if found is None:
                found = self._open_calls.find(self._get_own_scopes(step.scope), is_reached=not step.is_open)
            self._found[step] = tuple(dict.fromkeys(found))
        return self._found[step]

    def _find_with_arguments(self, step: PathStep) -> list[Found] | None:
        """Return the calls in a step; ``None`` if it takes too long to tell what they call."""
        with self._finding.spend(step.scope):
            found = self._find_in_frame(step.scope, step.frame)
            # Several calls in one place are what several names and modes make in every combination.
            several = {line for line, count in Counter(one.location for one in found).items() if count > 1}
            if several:
                calls = [one for one in self._get_own_calls(step.scope) if step.scope.locate(one) in several]
                frames = find_alternatives(self._evaluator, step.scope, step.frame, calls)
                found = [one for frame in frames for one in self._find_in_frame(step.scope, frame)]
            return found if self._evaluator.effort_left > 0 else None

    def _find_in_frame(self, scope: Scope, frame: Frame | None) -> list[Found]:
        with self._evaluator.in_frame(frame):
            return [found for one in self._get_own_scopes(scope) for found in self._finder.find_in_scope(one)]

    def _find_next(self, step: PathStep) -> Mapping[PathStep, SourceLocation | None]:
        if step not in self._next:
            steps = None if step.is_open else self._follow(step)
            found = self._find_used(step.scope) if steps is None else reversed(steps)
            # Of several places that lead to a step, the first one is enough to find it.
            self._next[step] = {one: place for one, place in found if one.scope.unit in self._relevant}
        return self._next[step]

    def _follow(self, step: PathStep) -> list[tuple[PathStep, SourceLocation | None]] | None:
        """Return the next steps, with what is passed to each; ``None`` if that takes too long."""
        with self._following.spend(step.scope), self._evaluator.in_frame(step.frame):
            if self._evaluator.effort_left <= 0:
                return None
            steps = [one for scope in self._get_own_scopes(step.scope) for one in self._find_next_in(scope, step)]
            if step.frame is None:
                steps += [(one, None) for one in self._enter_decorators(FunctionValue(step.scope), None)]
            return steps if self._evaluator.effort_left > 0 else None

    def _find_used(self, scope: Scope) -> Iterator[tuple[PathStep, None]]:
        """Yield all that a scope may lead to, whatever is passed to it and by it."""
        for unit, is_by_name in {scope.module.unit: False, **self._relevant.find_used(scope.unit)}.items():
            for body in self._get_bodies(unit):
                yield PathStep(body, None, is_by_name, is_open=body.kind == "function"), None

    def _get_own_calls(self, scope: Scope) -> Iterator[ast.Call]:
        for one in self._get_own_scopes(scope):
            yield from one.calls

    def _get_own_scopes(self, scope: Scope) -> Iterator[Scope]:
        """Yield a scope with the lambdas and class bodies in it, which run as parts of it.

        A lambda that is called with known arguments is a step of its own.
        """
        yield scope
        called = set(self._find_called_lambdas(scope)) if any(one.kind == "lambda" for one in scope.children) else ()
        for child in scope.children:
            if child.kind in ("lambda", "class") and id(child.node) not in called:
                yield from self._get_own_scopes(child)

    def _find_called_lambdas(self, scope: Scope) -> Iterator[int]:
        for call in scope.calls:
            if isinstance(call.func, ast.Lambda):
                yield id(call.func)
            passed = [*enumerate(call.args), *((None, keyword.value) for keyword in call.keywords)]
            for position, expr in passed:
                if isinstance(expr, ast.Lambda) and (
                    self._is_followed_inside(call, scope) or self._get_passed_on(call, position, scope) is not None
                ):
                    yield id(expr)

    def _find_next_in(self, scope: Scope, start: PathStep) -> Iterator[tuple[PathStep, SourceLocation | None]]:
        is_dead = find_dead_code(self._evaluator, scope)
        followed = {id(load) for load in scope.loads if is_dead(load)}
        calls = [call for call in scope.calls if not is_dead(call)]
        for call in calls:
            steps = [*self._follow_call(call, scope, followed), *self._follow_passed(call, scope, followed)]
            if any(one.scope.unit in self._relevant and passes_several(one.frame) for one in steps):
                frames = find_alternatives(self._evaluator, start.scope, start.frame, [call])
                steps = [one for frame in frames for one in self._follow_in_frame(call, scope, frame)]
            yield from ((one, scope.locate(call)) for one in steps)
        # A function that returns a function of its own runs it only when the result is called.
        followed |= {id(expr) for expr in scope.returns if scope.kind == "function" and self._is_closure(expr, scope)}
        if any(True for _ in self._evaluator.project.find_decorations(scope)):
            followed |= {id(expr) for expr in find_kept(scope)}
        for mention in find_mentions(self._evaluator, scope, followed):
            if mention.scope.unit in self._relevant:
                yield self._enter_mentioned(mention), None
            elif mention.scope.module.unit in self._relevant and not mention.is_by_name:
                # Of what runs there, only the module matters, which is imported before.
                yield PathStep(mention.scope.module, None), None

    def _follow_in_frame(self, call: ast.Call, scope: Scope, frame: Frame | None) -> list[PathStep]:
        with self._evaluator.in_frame(frame):
            if find_dead_code(self._evaluator, scope)(call):
                return []
            return [*self._follow_call(call, scope, set()), *self._follow_passed(call, scope, set())]

    def _follow_call(self, call: ast.Call, scope: Scope, followed: set[int]) -> Iterator[PathStep]:  # noqa: C901 - a table
        """Yield what a call runs: a function, or the constructor of a class."""
        for value in self._evaluator.evaluate(call.func, scope):
            match value:
                case FunctionValue():
                    followed.add(id(call.func))
                    function = bind_receiver(self._evaluator, value, call, scope)
                    if function.scope.unit in self._relevant:
                        yield from self._enter(function, evaluate_arguments(self._evaluator, call, scope))
                case ClassValue(created):
                    yield from self._follow_creation(created, call, scope)
                case InstanceValue() if called := self._find_called(value):
                    followed.add(id(call.func))
                    for function in called:
                        yield from self._enter(function, evaluate_arguments(self._evaluator, call, scope))
                case Unresolved() if isinstance(call.func, ast.Attribute):
                    followed.add(id(call.func))
                    for method in classes.find_methods_by_name(self._evaluator, call.func, scope):
                        if method.unit in self._relevant and _fits(call, method):
                            function = bind_receiver(self._evaluator, FunctionValue(method), call, scope)
                            for step in self._enter(function, evaluate_arguments(self._evaluator, call, scope)):
                                yield step._replace(is_by_name=True)
                case _:
                    pass

    def _find_called(self, instance: InstanceValue) -> list[FunctionValue]:
        """Return what a call of an object runs: the nearest ``__call__`` of its classes."""
        for home in classes.get_lineage(self._evaluator, instance.scope):
            values = bind_methods(instance, self._evaluator.evaluate_class_name(home, "__call__"))
            if found := [one for one in values if isinstance(one, FunctionValue)]:
                return [one for one in found if one.scope.unit in self._relevant]
        return []

    def _follow_creation(self, created: Scope, call: ast.Call, scope: Scope) -> Iterator[PathStep]:
        for value in self._evaluator.evaluate(call, scope):
            if isinstance(value, InstanceValue) and value.scope is created and value.frame is not None:
                if value.frame.created is not None:
                    yield PathStep(value.frame.scope, value.frame)
                for name in ("__post_init__", "__attrs_post_init__"):
                    for method in bind_methods(value, self._evaluator.evaluate_class_name(created, name)):
                        if isinstance(method, FunctionValue):
                            yield from self._enter(method, Arguments())

    def _follow_passed(self, call: ast.Call, scope: Scope, followed: set[int]) -> Iterator[PathStep]:
        """Yield the functions that a call passes to another, which calls them."""
        passed = [*enumerate(call.args), *((None, keyword.value) for keyword in call.keywords)]
        for position, expr in passed:
            if isinstance(expr, ast.Constant | ast.JoinedStr | ast.Dict | ast.List | ast.Tuple):
                continue
            functions = [one for one in self._evaluator.evaluate(expr, scope) if isinstance(one, FunctionValue)]
            if not functions or self._is_partial(call, scope):
                followed |= {id(expr)} if functions else set()
                continue
            arguments = self._get_passed_on(call, position, scope)
            for function in functions:
                # A function in the code that takes the function calls it itself, which is followed there.
                if arguments is not None:
                    followed.add(id(expr))
                    yield from self._enter(function, arguments)
                elif self._is_followed_inside(call, scope):
                    followed.add(id(expr))
                elif isinstance(expr, ast.Call):
                    yield self._enter_unknown(function)

    def _is_partial(self, call: ast.Call, scope: Scope) -> bool:
        return ExternalName("functools.partial") in self._evaluator.evaluate(call.func, scope)

    def _is_followed_inside(self, call: ast.Call, scope: Scope) -> bool:
        values = self._evaluator.evaluate(call.func, scope)
        return bool(values) and all(isinstance(one, FunctionValue) and one.contract is None for one in values)

    def _get_passed_on(self, call: ast.Call, position: int | None, scope: Scope) -> Arguments | None:
        """Return the arguments with which a known function calls the function that is passed to it."""
        name = last_name(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
        evaluator = self._evaluator
        if name in _START:
            args = get_keyword(call, "args") or _get_next(call, position)
            options = get_keyword(call, "kwargs")
            found = Arguments() if args is None else get_items(evaluator.evaluate(args, scope))
            values = () if options is None else evaluator.evaluate(options, scope)
            if any(not isinstance(one, MappingValue) for one in values):
                return Arguments(found.positional, (), found.has_unknown_positions, has_unknown_keywords=True)
            keywords = tuple(entry for one in values if isinstance(one, MappingValue) for entry in one.entries)
            return Arguments(found.positional, keywords, found.has_unknown_positions)
        if position is None or self._is_followed_inside(call, scope):
            return None
        if name in _PASS_ON:
            return evaluate_arguments(evaluator, call, scope, position + 1)
        if name in _MAP:
            return get_each([evaluator.evaluate(one, scope) for one in call.args[position + 1 :]])
        return None

    def _is_closure(self, expr: ast.expr, scope: Scope) -> bool:
        values = self._evaluator.evaluate(expr, scope) if isinstance(expr, ast.Name) else ()
        return bool(values) and all(isinstance(one, FunctionValue) and one.scope.parent is scope for one in values)

    def _enter(self, function: FunctionValue, arguments: Arguments) -> Iterator[PathStep]:
        frame = self._evaluator.create_frame(function, bind_arguments(self._evaluator, function, arguments))
        yield PathStep(function.scope, frame)
        yield from self._enter_decorators(function, arguments)

    def _enter_decorators(self, function: FunctionValue, arguments: Arguments | None) -> Iterator[PathStep]:
        """Yield the functions that decorators in the code put in place of a function; they call it."""
        for decorator in find_decorators(self._evaluator, function.scope):
            given = bind_arguments(self._evaluator, decorator, Arguments(((function,),)))
            for value in self._evaluator.evaluate_call(decorator, given):
                if isinstance(value, FunctionValue) and value.scope is not function.scope:
                    if arguments is None:
                        yield self._enter_unknown(value)
                    else:
                        receiver = () if function.receiver is None else ((function.receiver,),)
                        passed = Arguments(
                            (*receiver, *arguments.positional),
                            arguments.keywords,
                            arguments.has_unknown_positions,
                            arguments.has_unknown_keywords,
                        )
                        bound = bind_arguments(self._evaluator, value, passed)
                        yield PathStep(value.scope, self._evaluator.create_frame(value, bound))

    def _enter_handler(self, mention: Mention) -> PathStep:
        # A plain function is what it is in its own file; a method or a closure runs with its object or frame.
        is_plain = mention.function is None or mention.function == FunctionValue(mention.scope)
        return PathStep(mention.scope, None) if is_plain else self._enter_mentioned(mention)

    def _enter_mentioned(self, mention: Mention) -> PathStep:
        if mention.function is None:
            return PathStep(mention.scope, None)
        return self._enter_unknown(mention.function)._replace(is_by_name=mention.is_by_name)

    def _enter_unknown(self, function: FunctionValue) -> PathStep:
        why = _PASSED_ON % function.scope.name
        bound = bind_unknown(self._evaluator, function, why)
        return PathStep(function.scope, self._evaluator.create_frame(function, bound))


def _get_next(call: ast.Call, position: int | None) -> ast.expr | None:
    return call.args[position + 1] if position is not None and position + 1 < len(call.args) else None


def _fits(call: ast.Call, method: Scope) -> bool:
    """Check whether a method takes the number of arguments that a call passes."""
    arguments = method.node.args if isinstance(method.node, DEFINITIONS) else None
    if arguments is None or arguments.vararg is not None or any(isinstance(one, ast.Starred) for one in call.args):
        return True
    names = {one.arg for one in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    takes = len(arguments.posonlyargs) + len(arguments.args)
    fits_keywords = arguments.kwarg is not None or all(one.arg is None or one.arg in names for one in call.keywords)
    return len(call.args) <= takes and fits_keywords
