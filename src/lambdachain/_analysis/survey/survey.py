"""Survey code bases: their contracts, their handlers, and the calls between functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from .call_sites import evaluate_callee, find_calls
from .evaluation import ExpressionEvaluator
from .evaluator import Evaluator
from .project import Project
from .reachability import find_uses
from .results import CallSite, DeclaredContract, DeclaredHandler, Survey, UnresolvedCall, merge_by_site
from .scopes import Scope
from .source_text import format_expression
from .sources import Source
from .values import ContractValue, ExternalName, FunctionValue, unresolved_reasons


def survey(sources: Iterable[Source], environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Find the contracts, handlers and calls in some files.

    Args:
        sources: The files, of one or several code bases.
        environment: The environment variables that the code will run with, as far as they are known.
    """
    return survey_project(Project(sources), environment)


def survey_project(project: Project, environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Like ``survey``, for files that have been parsed: to survey them with several environments in turn."""
    evaluator = ExpressionEvaluator(project, environment)
    scopes = list(project.scopes())
    calls = find_calls(evaluator, scopes)
    # Whether an expression is a contract or a handler is known only when it has been evaluated, and in code that calls
    # functions with boto3 alone, none is.
    scopes_with_contracts = scopes if project.mentions("lambdachain") else []
    handlers = list(_find_handlers(evaluator, scopes_with_contracts))
    contracts = {*_find_contracts(evaluator, scopes_with_contracts), *(handler.contract for handler in handlers)}
    unresolved = merge_by_site(
        [
            *project.unreadable,
            *(call for call in calls if isinstance(call, UnresolvedCall)),
            *_find_unresolved_handlers(evaluator, scopes_with_contracts),
        ]
    )
    return Survey(
        tuple(sorted(contracts, key=lambda contract: contract.location)),
        tuple(sorted(handlers, key=lambda handler: handler.location)),
        tuple(sorted((call for call in calls if isinstance(call, CallSite)), key=lambda call: call.location)),
        unresolved,
        find_uses(evaluator),
        {scope.unit: scope.locate(scope.node) for scope in scopes if scope.kind != "lambda"},
    )


def _find_contracts(evaluator: Evaluator, scopes: Sequence[Scope]) -> Iterator[DeclaredContract]:
    """Yield the contracts that ``Contract(...)`` declares."""
    for scope in scopes:
        for call in scope.calls:
            if ExternalName("lambdachain.Contract") in evaluate_callee(evaluator, call, scope):
                for value in evaluator.evaluate(call, scope):
                    if isinstance(value, ContractValue):
                        yield value.contract


def _find_handlers(evaluator: Evaluator, scopes: Sequence[Scope]) -> Iterator[DeclaredHandler]:
    """Yield the handlers at the top level of a module: Lambda cannot find others."""
    for module in (scope for scope in scopes if scope.kind == "module"):
        for name in module.bindings:
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
