"""Survey code bases: their contracts, their handlers, and the calls between functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from .call_paths import CallPaths
from .call_sites import CallFinder, create_call_finder, evaluate_callee
from .dynamic_imports import IMPORTERS, find_unknown_code, find_unknown_imports
from .environment import OWN_NAME, may_read_own_name
from .evaluation import ExpressionEvaluator
from .evaluator import Evaluator
from .name_flow import NameFlow, Place
from .open_calls import OpenCallFinder, PossibleCalls
from .project import Project
from .reachability import find_handler_mentions, find_uses
from .relevance import KeptMethods, Relevance, find_relevant_units
from .results import (
    CallSite,
    CodeUnit,
    DeclaredContract,
    DeclaredHandler,
    SourceLocation,
    Survey,
    UnresolvedCall,
    merge_by_site,
)
from .scopes import Scope
from .source_text import format_expression
from .sources import Source
from .values import EXPRESSION_EFFORT, MAX_EFFORT, ContractValue, ExternalName, FunctionValue, unresolved_reasons

# The names of lambdachain whose calls declare something: contracts, handlers, and how clients resolve names.
_DECLARING: Final = ("Contract", "remote", "LambdaClient", "AsyncLambdaClient")


def survey(
    sources: Iterable[Source], environment: Mapping[str, str] = MappingProxyType({}), max_effort: float = MAX_EFFORT
) -> Survey:
    """Find the contracts, handlers and calls in some files.

    Args:
        sources: The files, of one or several code bases.
        environment: The environment variables that the code will run with, as far as they are known.
        max_effort: How many steps are evaluated to tell what reaches the calls, and how many to follow them. A single
            question takes fewer: see ``EffortBudgets``.
    """
    return survey_project(Project(sources), environment, max_effort)


def survey_project(
    project: Project, environment: Mapping[str, str] = MappingProxyType({}), max_effort: float = MAX_EFFORT
) -> Survey:
    """Like ``survey``, for files that have been parsed: to survey them with several environments in turn."""
    evaluator = ExpressionEvaluator(project, environment, max_effort=max_effort)
    scopes = list(project.scopes())
    uses = find_uses(evaluator)
    flow = NameFlow(project)
    # Which code is searched for calls may be too much of it; the arguments that lead to each call are followed there.
    quick = ExpressionEvaluator(project, environment, follows_calls=False, max_effort=max_effort)
    flow.link_dynamic(quick)
    # Whether an expression is a contract or a handler is known only when it has been evaluated, and in code that calls
    # functions with boto3 alone, none is.
    nothing: tuple[set[Place], dict[CodeUnit, None]] = (set(), {})
    places, declaring_units = flow.find_uses(_DECLARING) if project.may_use_lambdachain() else nothing
    declaring = [scope for scope in scopes if scope.unit in declaring_units]
    kept = KeptMethods(quick, flow)
    finder = create_call_finder(evaluator, declaring, kept.may_be_method)
    # Handlers of lambdachain are told apart by what functions return for their arguments; boto3's client needs less.
    searcher = finder if project.may_use_lambdachain() else create_call_finder(quick, declaring, kept.may_be_method)
    relevant = find_relevant_units(quick, searcher, flow, kept)
    importing, _ = flow.find_readers(IMPORTERS)
    flow.forget()
    # Before the calls are followed, which may take all of the effort.
    hidden = list(_find_unresolved_imports(evaluator, lambda expr, scope: flow.may_hold(expr, scope, importing)))
    hidden += _find_unresolved_code(evaluator, relevant)

    possible = PossibleCalls(kept.may_hold_method, lambda expr, scope: flow.may_hold(expr, scope, places))
    # If the search for what reaches the calls was given up, any code may reach each.
    searched = [] if relevant.is_complete else scopes
    unfollowed = [found for scope in searched for found in possible.find_in_scope(scope)]

    def create_finder(inner: Evaluator) -> CallFinder:
        return create_call_finder(inner, declaring, kept.may_be_method)

    def create_paths(inner: ExpressionEvaluator, finder: CallFinder) -> CallPaths:
        spare = ExpressionEvaluator(project, inner.environment, max_effort=max_effort)
        return CallPaths(inner, finder, relevant, OpenCallFinder(spare, create_finder, possible), unfollowed)

    handlers = list(_find_handlers(evaluator, places))
    contracts = {*_find_contracts(evaluator, declaring), *(handler.contract for handler in handlers)}
    paths = create_paths(evaluator, finder)
    units = {scope.unit: scope.locate(scope.node) for scope in scopes if scope.kind != "lambda"}
    roots = paths.find_roots()
    calls = list(dict.fromkeys([*(call for root in roots for call in paths.find_calls(root)), *unfollowed]))
    calls += _find_never_run(finder, [scope for scope in scopes if scope.unit in relevant], calls)
    unresolved = [*project.unreadable, *hidden, *_find_unresolved_handlers(evaluator, declaring)]
    unresolved += (call for call in calls if isinstance(call, UnresolvedCall))
    return Survey(
        tuple(sorted(contracts, key=lambda contract: contract.location)),
        tuple(sorted(handlers, key=lambda handler: handler.location)),
        tuple(sorted((call for call in calls if isinstance(call, CallSite)), key=lambda call: call.location)),
        merge_by_site(unresolved),
        uses,
        units,
        tuple(roots),
        paths.find_calls,
        _PathsByEnvironment(project, lambda inner: create_paths(inner, create_finder(inner))).find_calls_with,
        partial(_locate_handler, evaluator, units),
    )


class _PathsByEnvironment:
    """The call paths of functions, by their environment variables."""

    def __init__(self, project: Project, create: Callable[[ExpressionEvaluator], CallPaths]) -> None:
        self._project = project
        self._create = create
        # Functions with equal variables, which is most often all of a template's, share what is evaluated.
        self._paths: dict[frozenset[tuple[str, str]], CallPaths] = {}
        # Most code does not read the name of its function, which is the one variable that always differs.
        self._ignored = () if may_read_own_name(project) else (OWN_NAME,)

    def find_calls_with(
        self, environment: Mapping[str, str]
    ) -> Callable[[CodeUnit], tuple[CallSite | UnresolvedCall, ...]]:
        """Return what finds the calls of code that runs with some environment variables."""
        known = {name: value for name, value in environment.items() if name not in self._ignored}
        key = frozenset(known.items())
        if key not in self._paths:
            self._paths[key] = self._create(ExpressionEvaluator(self._project, known))
        return self._paths[key].find_calls


def _locate_handler(
    evaluator: Evaluator, units: Mapping[CodeUnit, SourceLocation], unit: CodeUnit
) -> SourceLocation | None:
    if unit in units:
        return units[unit]
    mentions = find_handler_mentions(evaluator, unit)
    return mentions[-1].scope.locate(mentions[-1].scope.node) if mentions else None


def _find_never_run(
    finder: CallFinder, scopes: Sequence[Scope], calls: Iterable[CallSite | UnresolvedCall]
) -> Iterator[UnresolvedCall]:
    """Yield the calls whose condition is false for every call in the code: code that is not in sight may fulfill it."""
    found = {call.location for call in calls}
    for scope in scopes:
        for call in finder.find_under_any_condition(scope):
            if call.location not in found:
                callee = call.function if isinstance(call, CallSite) else call.callee
                why = f"the call of {callee} runs only under a condition that no call in this code fulfills"
                yield UnresolvedCall(call.location, call.unit, why, callee, call.mode)


def _find_unresolved_imports(
    evaluator: Evaluator, may_import: Callable[[ast.expr, Scope], bool]
) -> Iterator[UnresolvedCall]:
    """Yield the imports of modules that are not known: like an unreadable file, any function may have one."""
    project = evaluator.project
    scopes = dict.fromkeys(scope for name in IMPORTERS for _, scope in project.find_calls(name))
    names = [one for name in IMPORTERS for one in (name, *project.find_aliases(name))]
    if any(map(project.is_passed_as_value, names)):
        scopes = dict.fromkeys(project.scopes())
    for scope in scopes:
        with evaluator.limit_effort(EXPRESSION_EFFORT):
            found = list(find_unknown_imports(evaluator, scope, may_import))
        for call, why in found:
            text = f"cannot resolve the module that {format_expression(call)} imports, nor what it calls: {why}"
            yield UnresolvedCall(scope.locate(call), CodeUnit("", ""), text)


def _find_unresolved_code(evaluator: Evaluator, relevant: Relevance) -> Iterator[UnresolvedCall]:
    """Yield the code in strings that is run with the names of a module from which a call can be reached."""
    for call, scope in find_unknown_code(evaluator):
        if relevant.may_reach_calls(scope.module):
            text = f"cannot resolve the code that {format_expression(call)} runs, nor what it calls"
            yield UnresolvedCall(scope.locate(call), CodeUnit("", ""), text)


def _find_contracts(evaluator: Evaluator, scopes: Sequence[Scope]) -> Iterator[DeclaredContract]:
    """Yield the contracts that ``Contract(...)`` declares."""
    for scope in scopes:
        for call in scope.calls:
            if ExternalName("lambdachain.Contract") in evaluate_callee(evaluator, call, scope):
                for value in evaluator.evaluate(call, scope):
                    if isinstance(value, ContractValue):
                        yield value.contract


def _find_handlers(evaluator: Evaluator, places: Container[Place]) -> Iterator[DeclaredHandler]:
    """Yield the handlers at the top level of a module: Lambda cannot find others.

    Args:
        evaluator: Evaluates what may be one.
        places: What may be made by ``remote``.
    """
    for module in evaluator.project.modules.values():
        for name in [name for name, bindings in module.bindings.items() if id(bindings) in places]:
            for value in evaluator.evaluate_name(name, module):
                # A handler that is imported from another module is found there.
                if isinstance(value, FunctionValue) and value.contract is not None and value.scope.module is module:
                    setting = f"{module.source.file.rsplit('/', 1)[-1].removesuffix('.py')}.{name}"
                    location = value.scope.locate(value.scope.node)
                    yield DeclaredHandler(value.contract, value.scope.unit, setting, location)
                    break


def _find_unresolved_handlers(evaluator: Evaluator, scopes: Sequence[Scope]) -> Iterator[UnresolvedCall]:
    for scope in scopes:
        for call in scope.calls:
            if ExternalName("lambdachain.remote") in evaluate_callee(evaluator, call, scope):
                for reason in unresolved_reasons(evaluator.evaluate(call, scope)):
                    why = f"cannot resolve the function name in {format_expression(call)}: {reason}"
                    yield UnresolvedCall(scope.locate(call), scope.unit, why)
