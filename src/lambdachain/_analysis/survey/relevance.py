"""Find the code from which a call of a Lambda function can be reached, without evaluating any other.

The search goes backwards, from the calls to what uses them. ``NameFlow`` lists the units that may use one, and only
those are evaluated. So code that calls nothing costs no more than reading it, however much there is of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import boto3_calls, classes
from .call_sites import CallFinder
from .evaluator import Evaluator
from .name_flow import DYNAMIC, INSTALLED, NameFlow, Place
from .reachability import find_decorators, find_mentions
from .results import MODE_BY_METHOD, CodeUnit
from .scopes import Scope


def find_relevant_units(evaluator: Evaluator, finder: CallFinder, flow: NameFlow) -> frozenset[CodeUnit]:
    """Return the units from which a call of a Lambda function can be reached.

    Every function uses its module, which is imported before the function runs. That alone does not make a function
    relevant: modules are followed from where code starts.
    """
    return frozenset(_Search(evaluator, flow).run(finder))


class _Search:
    def __init__(self, evaluator: Evaluator, flow: NameFlow) -> None:
        self._evaluator = evaluator
        self._project = evaluator.project
        self._flow = flow
        self._scopes = self._project.scopes_by_unit
        self._relevant: dict[CodeUnit, None] = {}
        self._places: set[Place] = set()
        # The units that have been evaluated, and by each unit those that use it.
        self._evaluated: set[CodeUnit] = set()
        self._users: dict[CodeUnit, dict[CodeUnit, None]] = {}
        self._subclasses: dict[Scope, list[Scope]] = {}

    def run(self, finder: CallFinder) -> Iterable[CodeUnit]:
        pending = [unit for unit in self._find_possible_callers() if any(map(finder.has_calls, self._scopes[unit]))]
        while pending:
            unit = pending.pop()
            if unit in self._relevant:
                continue
            self._relevant[unit] = None
            pending += self._find_certain_users(unit)
            for candidate in self._find_possible_users(unit):
                if candidate not in self._evaluated:
                    self._evaluated.add(candidate)
                    used = set(self._find_used(candidate))
                    for one in used:
                        self._users.setdefault(one, {})[candidate] = None
                    if not used.isdisjoint(self._relevant):
                        pending.append(candidate)
            pending += self._users.get(unit, ())
        return self._relevant

    def _find_possible_callers(self) -> dict[CodeUnit, None]:
        """Return the units that read a method of a client, or what may be one."""
        methods = (*boto3_calls.METHODS, *(MODE_BY_METHOD if self._project.may_use_lambdachain() else ()))
        return self._flow.find_readers([*methods, DYNAMIC, INSTALLED])[1]

    def _find_certain_users(self, unit: CodeUnit) -> Iterator[CodeUnit]:
        """Yield the modules that import a module, and what a nested function is in: it runs what that returns."""
        for scope in self._scopes[unit]:
            if scope.kind == "module":
                yield from self._project.find_importers(scope)
            elif scope.kind == "function" and scope.parent is not None and scope.parent.unit.name:
                yield scope.parent.unit

    def _find_possible_users(self, unit: CodeUnit) -> Iterator[CodeUnit]:
        for scope in self._scopes[unit]:
            # A decorator may register the function, so that what encloses it makes it run.
            if scope.kind == "function" and scope.parent is not None and getattr(scope.node, "decorator_list", None):
                yield scope.parent.unit
        yield from self._flow.add([*self._find_starts(unit), DYNAMIC, INSTALLED], self._places)

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
                    subclasses = self._find_subclasses(scope.owner)
                    yield from (one for one in subclasses if classes.may_call_any_method(self._evaluator, one))

    def _find_subclasses(self, scope: Scope) -> list[Scope]:
        if scope not in self._subclasses:
            places, _ = self._flow.find_readers([scope])
            self._subclasses[scope] = [one for one in places if isinstance(one, Scope) and one.kind == "class"]
        return self._subclasses[scope]

    def _find_used(self, unit: CodeUnit) -> Iterator[CodeUnit]:
        """Yield the units that a unit uses, in ways that a path from some start may follow."""
        for scope in self._scopes[unit]:
            yield from (decorator.scope.unit for decorator in find_decorators(self._evaluator, scope))
            for mention in find_mentions(self._evaluator, scope):
                is_own_module = mention.function is None and mention.scope is scope.module
                if not is_own_module and (
                    not mention.is_by_name or self._project.share_importer(scope.module, mention.scope.module)
                ):
                    yield mention.scope.unit
