"""Find the calls in code that too many ways lead to, so that what is passed to it is not followed.

What does not depend on that is found: a name that is written there, the mode, or why the name would be unresolved
whatever is passed. Everything else is reported as unresolved.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from .boto3_calls import may_have_function_name
from .call_sites import CallFinder
from .evaluator import Evaluator
from .results import MODE_BY_METHOD, CallSite, CodeUnit, UnresolvedCall
from .scopes import Scope, get_parameters
from .source_text import format_expression
from .values import EXPRESSION_EFFORT, UNFINISHED, Frame, FunctionValue, unresolved_reasons

_TOO_MANY_WAYS = unresolved_reasons(UNFINISHED)[0]


class PossibleCalls:
    """Finds the places that may call a Lambda function, by the text alone.

    Args:
        may_hold_method: Checks whether a call may be of a method of boto3's client that is kept as a value.
        may_be_client: Checks whether an expression may be something of lambdachain.
    """

    def __init__(
        self,
        may_hold_method: Callable[[ast.Call, Scope], bool],
        may_be_client: Callable[[ast.expr, Scope], bool],
    ) -> None:
        self._may_hold_method = may_hold_method
        self._may_be_client = may_be_client

    def find_in_scope(self, scope: Scope) -> Iterator[UnresolvedCall]:
        """Yield the places in a scope: like a file, each belongs to no unit, as any code may reach it."""
        for call in scope.calls:
            if may_have_function_name(call) or self._may_be_own(call, scope) or self._may_hold_method(call, scope):
                why = f"cannot tell what reaches {format_expression(call.func)}(...): {_TOO_MANY_WAYS}"
                yield UnresolvedCall(scope.locate(call), CodeUnit("", ""), why)

    def _may_be_own(self, call: ast.Call, scope: Scope) -> bool:
        """Check whether a call, or what is passed to it, may be of a method of lambdachain."""
        named = (
            one for one in (call.func, *call.args) if isinstance(one, ast.Attribute) and one.attr in MODE_BY_METHOD
        )
        return any(self._may_be_client(one.value, scope) for one in named)


class OpenCallFinder:
    """Finds calls in functions that may be called with anything.

    Args:
        evaluator: Evaluates them; it has effort left when that for following calls is spent.
        create_finder: Creates what finds the calls of Lambda functions in a scope; called when the first is looked for.
        possible: Finds the places that may call a Lambda function, for a scope that takes too long to evaluate.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        create_finder: Callable[[Evaluator], CallFinder],
        possible: PossibleCalls,
    ) -> None:
        self._evaluator = evaluator
        self._create_finder = create_finder
        self._possible = possible
        self._found: dict[tuple[Scope, bool], list[CallSite | UnresolvedCall]] = {}

    def find(self, scopes: Iterable[Scope], *, is_reached: bool) -> list[CallSite | UnresolvedCall]:
        """Return the calls in some scopes.

        Args:
            scopes: The scopes.
            is_reached: Whether they certainly run: then a call that no condition prevents is known to be made.
        """
        return [found for scope in scopes for found in self._find_once(scope, is_reached=is_reached)]

    @cached_property
    def _finder(self) -> CallFinder:
        return self._create_finder(self._evaluator)

    def _find_once(self, scope: Scope, *, is_reached: bool) -> Sequence[CallSite | UnresolvedCall]:
        key = (scope, is_reached)
        if key not in self._found:
            self._found[key] = list(self._find_in_scope(scope, is_reached=is_reached))
        return self._found[key]

    def _find_in_scope(self, scope: Scope, *, is_reached: bool) -> Iterator[CallSite | UnresolvedCall]:
        with self._evaluator.limit_effort(EXPRESSION_EFFORT), self._evaluator.in_frame(self._create_frame(scope)):
            certain = {*self._finder.find_unconditional(scope)} if is_reached else ()
            found = list(self._finder.find_in_scope(scope))
            is_complete = self._evaluator.effort_left > 0
        if not is_complete:
            # To decide which conditions hold may be what takes long.
            with self._evaluator.limit_effort(EXPRESSION_EFFORT), self._evaluator.in_frame(self._create_frame(scope)):
                found = list(self._finder.find_under_any_condition(scope))
                is_complete = self._evaluator.effort_left > 0
        yield from (one if one in certain else _leave_open(one) for one in found)
        if not is_complete:
            known = {one.location for one in found}
            yield from (one for one in self._possible.find_in_scope(scope) if one.location not in known)

    def _create_frame(self, scope: Scope | None) -> Frame | None:
        """Return a frame in which each parameter of a function, and of those around it, is unresolved."""
        while scope is not None and scope.kind != "function":
            scope = scope.parent
        if scope is None:
            return None
        function = FunctionValue(scope, frame=self._create_frame(scope.parent))
        return self._evaluator.create_frame(function, dict.fromkeys(_get_names(scope), UNFINISHED))


def _get_names(scope: Scope) -> list[str]:
    parameters = get_parameters(scope.node)
    named = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    return [one.arg for one in (*named, parameters.vararg, parameters.kwarg) if one is not None]


def _leave_open(call: CallSite | UnresolvedCall) -> UnresolvedCall:
    """Return a call of which it is not known whether the code that is asked about reaches it."""
    if isinstance(call, UnresolvedCall):
        return call
    why = f"cannot tell what reaches the call of {call.function}: {_TOO_MANY_WAYS}"
    return UnresolvedCall(call.location, call.unit, why, call.function, call.mode)
