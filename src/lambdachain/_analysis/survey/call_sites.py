"""Find the calls of Lambda functions, and the calls whose target, qualifier or resolver the text does not determine.

A call is recognized by its method (``call``, ``fire``, ``map`` ...) and by what may be its receiver: a client, a bound
function, a handler, or boto3's Lambda client. The method may also be passed on (``pool.submit(client.call, charge)``)
or stored (``send = client.call``). Methods of the same names on other objects (``executor.map``) are not calls.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError

from . import boto3_calls
from .branches import find_dead_code, is_undecided
from .classes import is_client_class
from .contract_values import get_contract
from .evaluator import Evaluator
from .installed import explain_missing_module
from .results import (
    MODE_BY_METHOD,
    UNCHANGED_NAME,
    CallMode,
    CallSite,
    CodeUnit,
    DeclaredContract,
    Resolution,
    SourceLocation,
    UnresolvedCall,
)
from .scopes import Scope
from .source_text import format_call, format_expression
from .syntax import CLIENTS, evaluate_keywords
from .values import (
    EXPRESSION_EFFORT,
    BoundFunctionValue,
    ClientValue,
    CollectionValue,
    Constant,
    ContractValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    MappingValue,
    Unresolved,
    Value,
    Values,
    unresolved_reasons,
)

Found = Iterator[CallSite | UnresolvedCall]

# Methods that few other objects have: with one of these, an object that is not known may be a client or handler.
OWN_METHODS: Final = frozenset({"call", "fire", "fire_map", "can_invoke"})


# Functions of lambdachain.agents that make calls possible: the positions of the client and of the contracts.
TOOL_FUNCTIONS: Final = {"run_bedrock_tool_use": (1, 2), "to_mcp_tool": (0, 1), "to_pydantic_ai_tool": (0, 1)}


def _iter_items(values: Values) -> Iterator[Value]:
    """Yield what collections and mappings hold, and other values themselves."""
    for value in values:
        match value:
            case CollectionValue(items):
                yield from items
            case MappingValue(entries):
                yield from (item for _, items in entries for item in items)
            case _:
                yield value


def evaluate_callee(evaluator: Evaluator, call: ast.Call, scope: Scope) -> Values:
    """Return what is called: the values of the expression before the parentheses."""
    is_name = isinstance(call.func, ast.Name | ast.Attribute | ast.Subscript)
    return evaluator.evaluate(call.func, scope) if is_name else ()


def _find_common_resolution(evaluator: Evaluator, scopes: Sequence[Scope]) -> Resolution | None:
    """Return how all clients created in the code resolve names; ``None`` if they do it differently.

    A client whose creation is not in sight (a parameter annotated ``LambdaClient``) is taken for one of them.
    """
    resolutions = {
        value.resolution
        for scope in scopes
        for call in scope.calls
        if any(isinstance(one, ExternalName) and one.name in CLIENTS for one in evaluate_callee(evaluator, call, scope))
        for value in evaluator.evaluate(call, scope)
        if isinstance(value, ClientValue) and value.resolution is not None
    }
    return UNCHANGED_NAME if not resolutions else resolutions.pop() if len(resolutions) == 1 else None


def create_call_finder(
    evaluator: Evaluator, scopes: Sequence[Scope], may_be_method: Callable[[ast.expr, Scope], bool]
) -> CallFinder:
    """Return what finds the calls in some scopes, which are all of the code."""
    if not evaluator.project.may_use_lambdachain():
        # To evaluate each receiver of a method named call or map takes long, and none is a client or handler.
        return CallFinder(evaluator, UNCHANGED_NAME, {}, may_be_method)
    return CallFinder(evaluator, _find_common_resolution(evaluator, scopes), MODE_BY_METHOD, may_be_method)


class CallFinder:
    """Finds calls in scopes.

    Args:
        evaluator: Evaluates receivers, targets and options.
        common_resolution: The resolver of clients whose creation is not in sight; ``None`` if it is ambiguous.
        methods: The methods of lambdachain's clients; empty if the code does not use lambdachain.
        may_be_method: Checks whether an expression may be a method of boto3's client that is kept as a value.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        common_resolution: Resolution | None,
        methods: Mapping[str, CallMode],
        may_be_method: Callable[[ast.expr, Scope], bool],
    ) -> None:
        self._evaluator = evaluator
        self._common_resolution = common_resolution
        self._methods = methods
        self._may_be_method = may_be_method

    def find_in_scope(self, scope: Scope) -> Found:
        """Yield the calls in a scope, each once, with their values in the evaluator's current frame."""
        yield from self._find(scope, find_dead_code(self._evaluator, scope))

    def find_unconditional(self, scope: Scope) -> Found:
        """Yield the calls that run whenever the code of the scope does, as far as its conditions are decided."""
        is_dead = find_dead_code(self._evaluator, scope)
        yield from self._find(scope, lambda node: is_dead(node) or is_undecided(self._evaluator, node, scope))

    def find_under_any_condition(self, scope: Scope) -> Found:
        """Yield also the calls that the current frame does not run."""
        yield from self._find(scope, lambda _node: False)

    def has_calls(self, scope: Scope) -> bool:
        """Check whether a scope may call a Lambda function.

        A call with the name and the parameter of boto3's counts, whatever its receiver is: to evaluate that takes long.
        """
        if any(map(boto3_calls.may_have_function_name, scope.calls)):
            return True
        with self._evaluator.limit_effort(EXPRESSION_EFFORT):
            found = next(iter(self.find_under_any_condition(scope)), None)
            return found is not None or self._evaluator.effort_left <= 0

    def _find(self, scope: Scope, is_dead: Callable[[ast.AST], bool]) -> Found:
        direct = [found for call in scope.calls if not is_dead(call) for found in self.find_in_call(call, scope)]
        yield from dict.fromkeys(
            [
                *self._find_boto3_calls(scope, is_dead),
                *direct,
                *self._find_stored_methods(scope, is_dead),
            ]
        )

    def find_in_call(self, call: ast.Call, scope: Scope) -> Found:
        """Yield what one call expression calls, itself or by passing a method on."""
        match call.func:
            case ast.Attribute(attr=method) if method in self._methods:
                yield from self._find_method_call(call, call.func, call.args, scope)
            case _:
                pass
        for position, argument in enumerate(call.args):
            if isinstance(argument, ast.Attribute) and argument.attr in self._methods:
                yield from self._find_method_call(call, argument, call.args[position + 1 :], scope)
        yield from self._find_tool_calls(call, scope)

    def _find_tool_calls(self, call: ast.Call, scope: Scope) -> Found:
        """Yield what a model may call: the contracts that a function of ``lambdachain.agents`` makes tools of."""
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name not in TOOL_FUNCTIONS or not self._methods:
            return
        if ExternalName(f"lambdachain.agents.{name}") not in evaluate_callee(self._evaluator, call, scope):
            return
        at_client, at_contracts = TOOL_FUNCTIONS[name]
        receivers, passed = (
            self._evaluator.evaluate(call.args[at], scope) if len(call.args) > at else ()
            for at in (at_client, at_contracts)
        )
        clients = [one for one in receivers if isinstance(one, ClientValue)] or [ClientValue(None)]
        options = dict(evaluate_keywords(self._evaluator, call, scope).entries)
        site = _Site.create(call, "call", CallMode.SYNC, scope, f"{format_expression(call.func)}(...)")
        for client in clients:
            yield from self._find_by_receiver(site, client, tuple(_iter_items(passed)), options)

    def _find_stored_methods(self, scope: Scope, is_dead: Callable[[ast.AST], bool]) -> Found:
        """Yield the methods kept as values: in a name, an attribute, a list, a keyword argument, by ``getattr``."""
        if not self._methods:
            return
        in_calls = {id(expr) for call in scope.calls for expr in (call.func, *call.args)}
        for load in scope.loads:
            if not isinstance(load, ast.Attribute) or load.attr not in MODE_BY_METHOD or id(load) in in_calls:
                continue
            if not is_dead(load):
                yield from self._find_stored_method(load, load.attr, load.value, scope)
        for call, name in self._evaluator.find_getattr_calls(scope):
            method = name or "call"  # with an unknown name it may be any of them
            if method in MODE_BY_METHOD and not is_dead(call):
                yield from self._find_stored_method(call, method, call.args[0], scope)

    def _find_stored_method(self, node: ast.expr, method: str, receiver: ast.expr, scope: Scope) -> Found:
        site = _Site.create(node, method, MODE_BY_METHOD[method], scope, format_expression(node))
        # A bound function or handler has its target; a client's method may be called with any.
        targets = (Unresolved("the method is stored as a value"),)
        for value in self._evaluator.evaluate(receiver, scope):
            if isinstance(value, ClientValue | BoundFunctionValue | FunctionValue):
                yield from self._find_by_receiver(site, value, targets, {})

    def _find_method_call(
        self, call: ast.Call, method: ast.Attribute, arguments: list[ast.expr], scope: Scope
    ) -> Found:
        targets = self._evaluator.evaluate(arguments[0], scope) if arguments else ()
        options = dict(evaluate_keywords(self._evaluator, call, scope).entries)
        receivers = list(self._get_receivers(method, targets, scope))
        missing = self._find_missing_module(method, scope) if not receivers else None
        if missing is not None:
            site = _Site.create(
                call, method.attr, MODE_BY_METHOD[method.attr], scope, f"{format_expression(method)}(...)"
            )
            why = f"{format_expression(method.value)} is imported from {missing}, {explain_missing_module(missing)}"
            yield site.unresolved(f"cannot resolve the target of {site.text}: {why}")
        for receiver in receivers:
            # The first argument of a client's method is the target; that of a bound function or handler is the payload,
            # which must not be quoted in a message.
            is_client = isinstance(receiver, ClientValue)
            text = format_call(method, arguments, call.keywords) if is_client else f"{format_expression(method)}(...)"
            site = _Site.create(call, method.attr, MODE_BY_METHOD[method.attr], scope, text)
            yield from self._find_by_receiver(site, receiver, targets, options)

    def _get_receivers(self, method: ast.Attribute, targets: Values, scope: Scope) -> Iterator[Value]:
        values = self._evaluator.evaluate(method.value, scope)
        known = [
            one for one in values if isinstance(one, ClientValue | BoundFunctionValue) or get_contract(one) is not None
        ]
        yield from (one for one in known if not isinstance(one, ContractValue))
        # ``anything.call(charge)`` is a call of lambdachain: nothing else takes a contract. So is ``self.call("name")``
        # in a subclass of the client.
        is_own = any(isinstance(one, InstanceValue) and is_client_class(self._evaluator, one.scope) for one in values)
        if not known and (is_own or any(isinstance(target, ContractValue) for target in targets)):
            yield ClientValue(None)

    def _find_missing_module(self, method: ast.Attribute, scope: Scope) -> str | None:
        """Return the module that a receiver comes from, if it may be a client or handler and was not found."""
        project = self._evaluator.project
        if method.attr not in OWN_METHODS or not project.uses_lambdachain:
            return None
        for value in self._evaluator.evaluate(method.value, scope):
            match value:
                case ExternalName(name) if "." in name and not name.startswith(("builtins.", "boto3.", "lambdachain.")):
                    module = name.rpartition(".")[0]
                    return module if project.is_missing(module) else None
                case _:
                    continue
        return None

    def _find_by_receiver(self, site: _Site, receiver: Value, targets: Values, options: dict[str, Values]) -> Found:
        match receiver:
            case BoundFunctionValue(contract, address, resolution, bound):
                merged = {**dict(bound.entries), **options}
                yield from self._make_sites(site, (contract, address), resolution, merged)
            case FunctionValue(contract=DeclaredContract() as contract):
                yield from self._make_sites(site, (contract, None), UNCHANGED_NAME, options)
            case ClientValue(resolution):
                for target in targets or (Unresolved("the call has no target"),):
                    yield from self._find_by_target(site, target, resolution, options)
            case _:
                return

    def _find_by_target(
        self, site: _Site, target: Value, resolution: Resolution | None, options: dict[str, Values]
    ) -> Found:
        contract = get_contract(target)
        if contract is not None:
            yield from self._make_sites(site, (contract, None), resolution, options)
        elif isinstance(target, Constant) and isinstance(target.value, str):
            yield from self._make_sites(site, (None, target.value), resolution, options)
        else:
            yield site.with_unresolved_target(self._explain_import(target))

    def _explain_import(self, target: Value) -> Value:
        """Return the reason why a name that is imported is unresolved: its module was not found, or is not read."""
        if not isinstance(target, ExternalName) or "." not in target.name or target.name.startswith("builtins."):
            return target
        module, _, name = target.name.rpartition(".")
        if not self._evaluator.project.is_missing(module):
            return Unresolved(f"{name} is imported from {module}, which is not read")
        return Unresolved(f"{name} is imported from {module}, {explain_missing_module(module)}")

    def _find_boto3_calls(self, scope: Scope, is_dead: Callable[[ast.AST], bool]) -> Found:
        """Yield what the calls of boto3's client in a scope call: each target in each mode."""
        for call in boto3_calls.find_invoke_calls(self._evaluator, scope, self._may_be_method):
            if is_dead(call.node):
                continue
            qualifiers = call.parameters.get("Qualifier")
            options = {"qualifier": qualifiers} if qualifiers else {}
            for mode, why in call.modes:
                site = _Site(scope.locate(call.node), scope.unit, call.method, mode, call.text, why)
                for target in call.parameters.get("FunctionName") or (Unresolved("the call has no FunctionName"),):
                    yield from self._find_by_target(site, target, UNCHANGED_NAME, options)

    def _make_sites(
        self,
        site: _Site,
        target: tuple[DeclaredContract | None, str | None],
        resolution: Resolution | None,
        options: dict[str, Values],
    ) -> Found:
        """Yield a call site for each possible qualifier, or what is unresolved about it."""
        contract, address = target
        resolution = self._common_resolution if resolution is None else resolution
        for qualifier in options.get("qualifier") or (Constant(None),):
            if problem := _check_address(address):
                yield site.unresolved(f"cannot resolve the target of {site.text}: {problem}")
            elif not isinstance(qualifier, Constant):
                why = next(iter(unresolved_reasons([qualifier])), "it is computed at run time")
                name = address if address is not None else contract.function if contract is not None else "?"
                yield site.unresolved(f"cannot resolve the qualifier of {site.text}: {why}", name)
            elif resolution is None:
                yield site.unresolved(f"cannot resolve the target of {site.text}: {_AMBIGUOUS_CLIENT}")
            else:
                text = str(qualifier.value) if qualifier.value is not None else None
                timeout = _get_seconds(options.get("timeout") or ())
                yield site.resolved(contract, address, text, resolution, timeout)


_AMBIGUOUS_CLIENT: Final = (
    "the client is passed in, and the clients created in this code have different resolvers or queues"
)


@dataclass(frozen=True, slots=True)
class _Site:
    """A call while its target is being resolved; *text* is its source, shortened for messages."""

    location: SourceLocation
    unit: CodeUnit
    method: str
    mode: CallMode
    text: str
    why_undecided: str = ""

    @classmethod
    def create(cls, node: ast.expr, method: str, mode: CallMode, scope: Scope, text: str) -> _Site:
        return cls(scope.locate(node), scope.unit, method, mode, text)

    def unresolved(self, why: str, callee: str = "?") -> UnresolvedCall:
        return UnresolvedCall(self.location, self.unit, why, callee, self.mode)

    def with_unresolved_target(self, target: Value) -> UnresolvedCall:
        why = next(iter(unresolved_reasons([target])), "it is computed at run time")
        variable = target.variable if isinstance(target, Unresolved) else ""
        return self.unresolved(f"cannot resolve the target of {self.text}: {why}", f"${variable}" if variable else "?")

    def resolved(
        self,
        contract: DeclaredContract | None,
        address: str | None,
        qualifier: str | None,
        resolution: Resolution,
        timeout: float | None,
    ) -> CallSite:
        return CallSite(
            location=self.location,
            unit=self.unit,
            method=self.method,
            mode=self.mode,
            function=address if address is not None else contract.function if contract is not None else "",
            is_explicit_address=contract is not None and address is not None,
            qualifier=qualifier,
            resolution=resolution,
            contract=contract,
            timeout=timeout,
            why_undecided=self.why_undecided,
        )


def _check_address(address: str | None) -> str:
    """Return why Lambda would reject an address; an empty string for a valid one."""
    try:
        if address == "":
            return "it is empty: pass --parameter or --env with the value that it is deployed with"
        if address is not None:
            parse_target(address)
    except InvalidArnError as exc:
        return str(exc)
    return ""


def _get_seconds(values: Values) -> float | None:
    match values:
        case (Constant(int() | float() as seconds),):
            return float(seconds)
        case _:
            return None
