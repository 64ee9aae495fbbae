"""Find the code from which a call of a Lambda function can be reached, without evaluating any other.

The search goes backwards, from the calls to what uses them. ``NameFlow`` lists the units that may use one, and only
those are evaluated. So code that calls nothing costs no more than reading it, however much there is of it.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property

from . import boto3_calls, classes
from .call_sites import TOOL_FUNCTIONS, CallFinder
from .evaluator import Evaluator
from .name_flow import DYNAMIC, INSTALLED, NameFlow, Place
from .project import Project
from .reachability import find_decorators, find_mentions
from .results import MODE_BY_METHOD, CodeUnit
from .scopes import Scope, get_keyword, last_name
from .values import PartialValue


class Relevance:
    """The units from which a call of a Lambda function can be reached.

    Every function uses its module, which is imported before the function runs. That alone does not make a function
    relevant: modules are followed from where code starts.

    Args:
        project: The files.
        starts: By unit, the modules in which code may start that reaches a call through the unit.
        users: By unit, those that use it: each with whether no more than the name of a method is known of the use.
        is_complete: Whether the search for them was not given up.
    """

    def __init__(
        self,
        project: Project,
        starts: Mapping[CodeUnit, int],
        users: Mapping[CodeUnit, Mapping[CodeUnit, bool]],
        *,
        is_complete: bool,
    ) -> None:
        self.is_complete = is_complete
        self._project = project
        self._starts = starts
        self._users = users
        self._by_start: dict[int, frozenset[CodeUnit]] = {}

    def __contains__(self, unit: CodeUnit) -> bool:
        return unit in self._starts

    def find_for(self, module: Scope) -> frozenset[CodeUnit]:
        """Return the units that are relevant when code of a module starts."""
        bit = self._project.get_bit(module)
        if bit not in self._by_start:
            self._by_start[bit] = frozenset(unit for unit, bits in self._starts.items() if bits & bit)
        return self._by_start[bit]

    def may_reach_calls(self, module: Scope) -> bool:
        """Check whether a module has relevant units, or imports one that does, directly or through others."""
        bit = self._project.get_bit(module)
        return any(self._project.find_all_importers(one) & bit for one in self._modules)

    @cached_property
    def _modules(self) -> Iterable[Scope]:
        return dict.fromkeys(self._project.scopes_by_unit[unit][0].module for unit in self._starts)

    def find_used(self, unit: CodeUnit) -> Mapping[CodeUnit, bool]:
        """Return the relevant units that a unit uses, whatever is passed to it; each as in *users*."""
        return self._used.get(unit, {})

    @cached_property
    def _used(self) -> Mapping[CodeUnit, Mapping[CodeUnit, bool]]:
        found: dict[CodeUnit, dict[CodeUnit, bool]] = {}
        for used, users in self._users.items():
            for user, is_by_name in users.items() if used in self._starts else ():
                found.setdefault(user, {})[used] = is_by_name
        return found


class KeptMethods:
    """Which code may have a method of boto3's client as a value: ``send = client.invoke``.

    Args:
        evaluator: Evaluates whether a method is kept anywhere.
        flow: Follows it from there.
    """

    def __init__(self, evaluator: Evaluator, flow: NameFlow) -> None:
        self._evaluator = evaluator
        self._flow = flow
        reading = [unit for method in (*boto3_calls.METHODS, DYNAMIC) for unit in flow.get_readers(method)]
        scopes = evaluator.project.scopes_by_unit
        named, _ = flow.find_readers(boto3_calls.METHODS)
        is_kept = any(self._keeps_method(scope, named) for unit in dict.fromkeys(reading) for scope in scopes[unit])
        is_kept = is_kept or self._keeps_unresolved_method()
        self.starts = [*(boto3_calls.METHODS if is_kept else ()), DYNAMIC, INSTALLED]
        self._places, _ = flow.find_readers(self.starts)

    def may_be_method(self, expr: ast.expr, scope: Scope) -> bool:
        """Check whether the value of an expression may be a method."""
        is_method = isinstance(expr, ast.Attribute) and expr.attr in boto3_calls.METHODS
        return is_method or self._flow.may_hold(expr, scope, self._places)

    def may_hold_method(self, call: ast.Call, scope: Scope) -> bool:
        """Check whether what a call calls, or passes on, may be a method that is kept as a value."""
        passed = (call.func, *call.args, *(keyword.value for keyword in call.keywords))
        return any(self._flow.may_hold(expr, scope, self._places) for expr in passed)

    def _keeps_method(self, scope: Scope, named: Container[Place]) -> bool:
        called = {id(call.func) for call in scope.calls}
        kept = [load for load in scope.loads if last_name(load) in boto3_calls.METHODS and id(load) not in called]
        by_name = [call for call in scope.calls if self._evaluator.project.may_be_getattr(call)]
        kept_by_name = [call for call in by_name if self._flow.find_named(call) in named]
        return any(
            boto3_calls.is_method(value)
            for expr in (*kept, *kept_by_name)
            for value in self._evaluator.evaluate(expr, scope)
        )

    def _keeps_unresolved_method(self) -> bool:
        """Check whether what may be a method of an unresolved client gets a function name elsewhere than it is read."""
        scopes = list(self._evaluator.project.scopes())
        assigned = {name for scope in scopes for name in scope.attributes}
        return any(
            boto3_calls.may_be_method(value) or isinstance(value, PartialValue)
            for scope in scopes
            for call in scope.calls
            if get_keyword(call, "FunctionName") is not None
            for expr in _find_kept(call, assigned)
            for value in self._evaluator.evaluate(expr, scope)
        )


def _find_kept(call: ast.Call, assigned: Container[str]) -> Iterator[ast.expr]:
    """Yield the parts of a call that may be a method which is kept as a value; to evaluate all of them takes long."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr in assigned:
        yield call.func
    if any(isinstance(argument, ast.Attribute) and argument.attr in boto3_calls.METHODS for argument in call.args):
        yield call


def find_relevant_units(evaluator: Evaluator, finder: CallFinder, flow: NameFlow, kept: KeptMethods) -> Relevance:
    """Return the units from which a call of a Lambda function can be reached."""
    search = _Search(evaluator, flow, kept)
    starts = search.run(finder)
    return Relevance(evaluator.project, starts, search.users, is_complete=evaluator.effort_left > 0)


class _Reading:
    """The expressions of a unit by what they read, each to be evaluated once that may be relevant."""

    def __init__(self, flow: NameFlow, scopes: Iterable[Scope]) -> None:
        self._by_place: dict[Place, list[ast.expr]] = {}
        self._taken: set[int] = set()
        for scope in scopes:
            for place, expr in flow.find_read_places(scope):
                self._by_place.setdefault(place, []).append(expr)

    def take(self, places: Iterable[Place]) -> set[int]:
        """Return the ids of the expressions that read one of *places* and were not taken before."""
        found = {id(expr) for place in places for expr in self._by_place.get(place, ())} - self._taken
        self._taken |= found
        return found


class _OpenClasses:
    """The classes of which code that is not in sight may call any method, because it has one of their bases.

    Args:
        evaluator: Evaluates the bases of each class.
        flow: Tells which class may be a base that is unresolved.
    """

    def __init__(self, evaluator: Evaluator, flow: NameFlow) -> None:
        self._flow = flow
        classes_in_code = [scope for scope in evaluator.project.scopes() if scope.kind == "class"]
        self._by_base: dict[Scope, list[Scope]] = {}
        for scope in classes_in_code:
            if classes.may_call_any_method(evaluator, scope):
                for base in classes.get_lineage(evaluator, scope):
                    self._by_base.setdefault(base, []).append(scope)
        self._unresolved = [scope for scope in classes_in_code if classes.has_unresolved_base(evaluator, scope)]

    def find_subclasses(self, scope: Scope) -> dict[Scope, None]:
        """Return those of the classes that are, or may be, subclasses of a class; and itself if it is one."""
        found: dict[Place, None] = {}
        pending: list[Place] = [scope]
        while pending:
            place = pending.pop()
            if place in self._leading and place not in found:
                found[place] = None
                pending += self._flow.flows.get(place, ())
        by_flow = (one for one in self._unresolved if one in found)
        return dict.fromkeys([*self._by_base.get(scope, ()), *by_flow])

    @cached_property
    def _leading(self) -> set[Place]:
        """The places whose values may reach a class as an unresolved base: few of all places."""
        found: set[Place] = {*self._unresolved}
        # In passes, as the sources of each place would take as much memory as the flows do.
        while found and (
            new := [one for one, to in self._flow.flows.items() if one not in found and not found.isdisjoint(to)]
        ):
            found.update(new)
        return found


class _Search:
    def __init__(self, evaluator: Evaluator, flow: NameFlow, kept: KeptMethods) -> None:
        self._evaluator = evaluator
        self._project = evaluator.project
        self._flow = flow
        self._kept = kept
        self._scopes = self._project.scopes_by_unit
        self._modules = {unit: scopes[0].module for unit, scopes in self._scopes.items()}
        self._starts: dict[CodeUnit, int] = {}
        self._places: set[Place] = set()
        self._reading: dict[CodeUnit, _Reading] = {}
        # By each unit, those that use it: whether no more than by a name.
        self.users: dict[CodeUnit, dict[CodeUnit, bool]] = {}
        self._subclasses: dict[Scope, dict[Scope, None]] = {}
        self._open_classes = _OpenClasses(evaluator, flow)

    def run(self, finder: CallFinder) -> Mapping[CodeUnit, int]:
        """Return, for each relevant unit, the modules in which code may start, as the bits of a number."""
        callers = [unit for unit in self._find_possible_callers() if any(map(finder.has_calls, self._scopes[unit]))]
        everywhere = (1 << len(self._project.modules)) - 1
        pending = [(unit, everywhere) for unit in callers]
        # When the effort is spent, whatever has been found is followed, and the survey tells that there may be more.
        while pending and self._evaluator.effort_left > 0:
            unit, starts = pending.pop()
            known = self._starts.get(unit, 0)
            if known | starts == known:
                continue
            self._starts[unit] = known | starts
            if not known:
                found = list(self._evaluate_users(unit))
                pending += [(user, self._pass_on(used, user)) for used, user in found if used in self._starts]
            pending += [(user, self._pass_on(unit, user)) for user in self.users.get(unit, ())]
        # The calls themselves are found even if not all that leads to them is.
        self._starts.update((unit, everywhere) for unit in callers if unit not in self._starts)
        return self._starts

    def _evaluate_users(self, unit: CodeUnit) -> Iterator[tuple[CodeUnit, CodeUnit]]:
        """Evaluate what may use a unit that has become relevant; yield what it uses, with itself."""
        for user in self._find_certain_users(unit):
            self.users.setdefault(unit, {})[user] = False
        for candidate, parts in self._find_possible_users(unit):
            for used in self._evaluate(candidate, parts):
                yield used, candidate

    def _pass_on(self, unit: CodeUnit, user: CodeUnit) -> int:
        """Return where code may start that reaches a unit through its user.

        Of a method of an unresolved object no more is known than that code which starts in a module has its objects
        from the modules that it imports, directly or through others.
        """
        starts = self._starts[unit]
        if not self.users[unit][user]:
            return starts
        modules = self._modules[unit], self._modules[user]
        return starts & self._project.find_all_importers(modules[0]) & self._project.find_all_importers(modules[1])

    def _find_possible_callers(self) -> dict[CodeUnit, None]:
        """Return the units that read a method of a client, or what may be one."""
        found = dict.fromkeys(unit for method in boto3_calls.METHODS for unit in self._flow.get_readers(method))
        if self._project.may_use_lambdachain():
            # Its methods are calls wherever they are read; boto3's are where they are called, whatever their name is.
            found |= dict.fromkeys(unit for method in MODE_BY_METHOD for unit in self._flow.get_readers(method))
        tools = TOOL_FUNCTIONS if self._project.may_use_lambdachain() else ()
        return found | self._flow.find_readers([*self._kept.starts, *tools])[1]

    def _find_certain_users(self, unit: CodeUnit) -> Iterator[CodeUnit]:
        """Yield the modules that import a module, and what a nested function is in: it runs what that returns."""
        for scope in self._scopes[unit]:
            if scope.kind == "module":
                yield from self._project.find_importers(scope)
            elif scope.kind == "function" and scope.parent is not None and scope.parent.unit.name:
                yield scope.parent.unit

    def _find_possible_users(self, unit: CodeUnit) -> Iterator[tuple[CodeUnit, set[int]]]:
        """Yield the units that may use a unit, with the ids of the expressions and definitions that make them."""
        found: dict[CodeUnit, set[int]] = {}
        for scope in self._scopes[unit]:
            # A decorator may register the function, so that what encloses it makes it run.
            if scope.kind == "function" and scope.parent is not None and getattr(scope.node, "decorator_list", None):
                found.setdefault(scope.parent.unit, set()).add(id(scope.node))
        places: dict[CodeUnit, list[Place]] = {}
        for reader, place in self._flow.add([*self._find_starts(unit), DYNAMIC], self._places):
            places.setdefault(reader, []).append(place)
        for reader, read in places.items():
            if reader not in self._reading:
                self._reading[reader] = _Reading(self._flow, self._scopes[reader])
            found.setdefault(reader, set()).update(self._reading[reader].take(read))
        yield from ((one, parts) for one, parts in found.items() if parts)

    def _find_starts(self, unit: CodeUnit) -> Iterator[Place]:
        for scope in self._scopes[unit]:
            if scope.kind == "module":
                yield from scope.source.parts[-1:]
            elif scope.kind in ("function", "lambda"):
                yield scope
            if scope.owner is not None and scope.kind == "function":
                if scope.name.endswith("__"):
                    yield scope.owner
                else:
                    # A library that is the base of a class may call any method of its objects.
                    yield from self._find_open_subclasses(scope.owner)

    def _find_open_subclasses(self, scope: Scope) -> Iterable[Scope]:
        if scope not in self._subclasses:
            self._subclasses[scope] = self._open_classes.find_subclasses(scope)
        return self._subclasses[scope]

    def _evaluate(self, unit: CodeUnit, parts: Container[int]) -> set[CodeUnit]:
        """Add a unit to the users of all that some parts of it use, and return that."""
        used: dict[CodeUnit, bool] = {}

        def may_matter(node: ast.AST) -> bool:
            return id(node) in parts

        for scope in self._scopes[unit]:
            for decorator in find_decorators(self._evaluator, scope, may_matter):
                used[decorator.scope.unit] = False
            for mention in find_mentions(self._evaluator, scope, may_matter=may_matter):
                if mention.function is not None or mention.scope is not scope.module:
                    used[mention.scope.unit] = used.get(mention.scope.unit, True) and mention.is_by_name
        for one, is_by_name in used.items():
            users = self.users.setdefault(one, {})
            users[unit] = users.get(unit, True) and is_by_name
        return set(used)
