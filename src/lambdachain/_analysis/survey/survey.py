"""Surveying code bases: their contracts, their handlers, and who calls whom."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from types import MappingProxyType
from typing import Final

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError

from . import known_functions
from .classes import is_client_class
from .evaluation import ExpressionEvaluator
from .project import Project
from .reachability import find_uses
from .results import (
    MODE_BY_METHOD,
    UNCHANGED_NAME,
    CallMode,
    CallSite,
    DeclaredContract,
    DeclaredHandler,
    Resolution,
    Survey,
    UnresolvedCall,
)
from .scopes import Scope, keyword
from .sources import Source
from .syntax import CLIENTS, evaluate_keywords
from .values import (
    BoundFunctionValue,
    ClientValue,
    Constant,
    ContractValue,
    ExternalName,
    FunctionValue,
    InstanceValue,
    Unresolved,
    Value,
    Values,
    string_constants,
    unresolved_reasons,
)

_BOTO_MODES: Final = {"RequestResponse": CallMode.SYNC, "Event": CallMode.EVENT, "DryRun": CallMode.DRY_RUN}


def survey(sources: Iterable[Source], environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Find the contracts, handlers and calls in some files.

    Args:
        sources: The files, of one or several code bases.
        environment: What is known of the environment variables that the code will run with.
    """
    return survey_project(Project(sources), environment)


def survey_project(project: Project, environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Behave as ``survey``, of files that are read already: for several environments, one after the other."""
    evaluator = ExpressionEvaluator(project, environment)
    surveyor = _Surveyor(evaluator)
    found = surveyor.look()
    undecided = [*project.unreadable, *(one for one in found if isinstance(one, UnresolvedCall))]
    return Survey(
        tuple(sorted(surveyor.contracts(), key=lambda contract: contract.location)),
        tuple(sorted(surveyor.handlers(), key=lambda handler: handler.location)),
        tuple(sorted((one for one in found if isinstance(one, CallSite)), key=lambda call: call.location)),
        tuple(sorted(undecided, key=lambda one: one.location)),
        find_uses(evaluator),
        {scope.unit: scope.locate(scope.node) for scope in project.scopes() if scope.kind != "lambda"},
    )


class _Surveyor:
    def __init__(self, evaluator: ExpressionEvaluator) -> None:
        self._evaluator = evaluator
        self._values = evaluator.evaluate
        self._scopes = list(evaluator.project.scopes())
        self._common = self._common_resolution()

    def look(self) -> list[CallSite | UnresolvedCall]:
        """Find the calls, and what cannot be decided about them."""
        found = [one for scope in self._scopes for call in scope.calls for one in self._of_call(call, scope)]
        kept = [one for scope in self._scopes for one in self._of_kept(scope)]
        return list(dict.fromkeys([*found, *kept, *self._undecided_handlers()]))

    def contracts(self) -> Iterator[DeclaredContract]:
        """Yield every contract, each once."""
        declared = {
            value.contract
            for scope in self._scopes
            for call in scope.calls
            if any(value == ExternalName("lambdachain.Contract") for value in self._callees(call, scope))
            for value in self._values(call, scope)
            if isinstance(value, ContractValue)
        }
        yield from declared | {handler.contract for handler in self.handlers()}

    def handlers(self) -> Iterator[DeclaredHandler]:
        """Yield every handler at the top of a module: there Lambda finds it."""
        for module in self._evaluator.project.modules.values():
            for name in module.bindings:
                for value in self._evaluator.evaluate_name(name, module):
                    if isinstance(value, FunctionValue) and value.contract is not None and value.scope.module is module:
                        setting = f"{module.source.file.rsplit('/', 1)[-1].removesuffix('.py')}.{name}"
                        place = value.scope.locate(value.scope.node)
                        yield DeclaredHandler(value.contract, value.scope.unit, setting, place)
                        break

    def _callees(self, call: ast.Call, scope: Scope) -> Values:
        named = isinstance(call.func, ast.Name | ast.Attribute | ast.Subscript)
        return self._values(call.func, scope) if named else ()

    def _undecided_handlers(self) -> Iterator[UnresolvedCall]:
        for scope in self._scopes:
            for call in scope.calls:
                if any(value == ExternalName("lambdachain.remote") for value in self._callees(call, scope)):
                    for why in unresolved_reasons(self._values(call, scope)):
                        yield UnresolvedCall(
                            scope.locate(call), scope.unit, f"which function this handles is not told: {why}"
                        )

    def _common_resolution(self) -> Resolution | None:
        """A client whose making is not seen is one of those that are seen; ``None`` where those differ."""
        made = {
            value.resolution
            for scope in self._scopes
            for call in scope.calls
            if any(isinstance(one, ExternalName) and one.name in CLIENTS for one in self._callees(call, scope))
            for value in self._values(call, scope)
            if isinstance(value, ClientValue) and value.resolution is not None
        }
        return UNCHANGED_NAME if not made else made.pop() if len(made) == 1 else None

    def _of_call(self, call: ast.Call, scope: Scope) -> Iterator[CallSite | UnresolvedCall]:
        match call.func:
            case ast.Attribute(value=receiver, attr="invoke" | "invoke_with_response_stream" as verb) if (
                self._is_of_boto(call, receiver, scope)
            ):
                yield from self._of_boto(call, scope, verb)
            case ast.Attribute(attr=verb) if verb in MODE_BY_METHOD:
                yield from self._of_method(call, call.func, call.args, scope)
            case _:
                pass
        for position, argument in enumerate(call.args):
            if isinstance(argument, ast.Attribute) and argument.attr in MODE_BY_METHOD:
                yield from self._of_method(call, argument, call.args[position + 1 :], scope)

    def _of_kept(self, scope: Scope) -> Iterator[CallSite | UnresolvedCall]:
        """Methods that are kept as values: in a name, an attribute, a list, an argument that has a name."""
        given = {id(one) for call in scope.calls for one in (call.func, *call.args)}
        for load in scope.loads:
            if isinstance(load, ast.Attribute) and load.attr in MODE_BY_METHOD and id(load) not in given:
                yield from self._of_value(load, load.attr, load.value, scope)
        for call, name in self._evaluator.find_getattr_calls(scope):
            verb = name or "call"
            yield from self._of_value(call, verb, call.args[0], scope) if verb in MODE_BY_METHOD else ()

    def _of_value(
        self, node: ast.expr, verb: str, receiver: ast.expr, scope: Scope
    ) -> Iterator[CallSite | UnresolvedCall]:
        site = _Site(node, verb, MODE_BY_METHOD[verb], scope)
        kept = (Unresolved("the method is kept as a value"),)
        for one in self._values(receiver, scope):
            if isinstance(one, ClientValue | BoundFunctionValue | FunctionValue):
                yield from self._of_receiver(site, one, kept, {})

    def _of_method(
        self, call: ast.Call, method: ast.Attribute, arguments: list[ast.expr], scope: Scope
    ) -> Iterator[CallSite | UnresolvedCall]:
        """A method of a client, called with *arguments*, or passed on with them: ``submit(client.call, charge)``."""
        targets = self._values(arguments[0], scope) if arguments else ()
        options = dict(evaluate_keywords(self._evaluator, call, scope).entries)
        for receiver in self._receivers(method, targets, scope):
            site = _Site(call, method.attr, MODE_BY_METHOD[method.attr], scope)
            yield from self._of_receiver(site, receiver, targets, options)

    def _receivers(self, method: ast.Attribute, targets: Values, scope: Scope) -> Iterator[Value]:
        found = self._values(method.value, scope)
        ours = [
            one
            for one in found
            if isinstance(one, ClientValue | BoundFunctionValue) or known_functions.contract_in(one) is not None
        ]
        yield from (one for one in ours if not isinstance(one, ContractValue))
        own = any(isinstance(one, InstanceValue) and is_client_class(self._evaluator, one.scope) for one in found)
        if not ours and (own or any(isinstance(target, ContractValue) for target in targets)):
            yield ClientValue(None)

    def _of_receiver(
        self, site: _Site, receiver: Value, targets: Values, options: dict[str, Values]
    ) -> Iterator[CallSite | UnresolvedCall]:
        match receiver:
            case BoundFunctionValue(contract, address, resolution, bound):
                yield from self._sites(site, [(contract, address)], resolution, {**dict(bound.entries), **options})
            case FunctionValue(contract=DeclaredContract() as contract):
                yield from self._sites(site, [(contract, None)], UNCHANGED_NAME, options)
            case ClientValue(resolution):
                yield from self._of_client(site, targets, resolution, options)
            case _:
                return

    def _of_client(
        self, site: _Site, targets: Values, resolution: Resolution | None, options: dict[str, Values]
    ) -> Iterator[CallSite | UnresolvedCall]:
        for target in targets or (Unresolved("there is no target"),):
            contract = known_functions.contract_in(target)
            if contract is not None:
                yield from self._sites(site, [(contract, None)], resolution, options)
            elif isinstance(target, Constant) and isinstance(target.value, str):
                yield from self._sites(site, [(None, target.value)], resolution, options)
            else:
                yield site.untargeted(target)

    def _sites(
        self,
        site: _Site,
        targets: list[tuple[DeclaredContract | None, str | None]],
        resolution: Resolution | None,
        options: dict[str, Values],
    ) -> Iterator[CallSite | UnresolvedCall]:
        resolution = self._common if resolution is None else resolution
        for (contract, address), qualifier in product(targets, options.get("qualifier") or (Constant(None),)):
            if refused := _refused(address):
                yield site.undecided(refused)
            elif not isinstance(qualifier, Constant):
                yield site.undecided(*unresolved_reasons([qualifier]) or ("its qualifier is worked out at run time",))
            elif resolution is None:
                yield site.undecided("this client is passed in, and those made here resolve names differently")
            else:
                stated = str(qualifier.value) if qualifier.value is not None else None
                yield site.decided(contract, address, stated, resolution, _seconds(options.get("timeout") or ()))

    def _is_of_boto(self, call: ast.Call, receiver: ast.expr, scope: Scope) -> bool:
        """Decide by the argument's name; where that may be behind ``**``, by the client."""
        found = self._boto_options(call, scope).get("FunctionName", ())
        return bool(found) and (
            keyword(call, "FunctionName") is not None
            or not unresolved_reasons(found)
            or known_functions.BOTO in self._values(receiver, scope)
        )

    def _boto_options(self, call: ast.Call, scope: Scope) -> dict[str, Values]:
        hiding = {"FunctionName": "it", "Qualifier": "a qualifier"}
        return dict(evaluate_keywords(self._evaluator, call, scope, hiding).entries)

    def _of_boto(self, call: ast.Call, scope: Scope, verb: str) -> Iterator[CallSite | UnresolvedCall]:
        """A call of boto3's own client."""
        options = self._boto_options(call, scope)
        kinds = string_constants(options.get("InvocationType") or (Constant("RequestResponse"),))
        mode = CallMode.STREAM if verb != "invoke" else _BOTO_MODES.get(kinds[0] if kinds else "", CallMode.SYNC)
        site = _Site(call, verb, mode, scope)
        for target in options["FunctionName"]:
            if isinstance(target, Constant) and isinstance(target.value, str):
                given = {"qualifier": options["Qualifier"]} if "Qualifier" in options else {}
                yield from self._sites(site, [(None, target.value)], UNCHANGED_NAME, given)
            else:
                yield site.untargeted(target)


class _Site:
    """A call, while it is looked at."""

    def __init__(self, call: ast.expr, verb: str, mode: CallMode, scope: Scope) -> None:
        self.method = verb
        self._mode = mode
        self._place = scope.locate(call)
        self._unit = scope.unit

    def undecided(self, why: str) -> UnresolvedCall:
        return UnresolvedCall(self._place, self._unit, why)

    def untargeted(self, target: Value) -> UnresolvedCall:
        why = next(iter(unresolved_reasons([target])), "it is worked out at run time")
        return self.undecided(f"which function {self.method} is for is not told: {why}")

    def decided(
        self,
        contract: DeclaredContract | None,
        address: str | None,
        qualifier: str | None,
        resolution: Resolution,
        timeout: float | None,
    ) -> CallSite:
        is_explicit_address = contract is not None and address is not None
        function = address if address is not None else contract.function if contract is not None else ""
        return CallSite(
            self._place,
            self._unit,
            self.method,
            self._mode,
            function,
            is_explicit_address,
            qualifier,
            resolution,
            contract,
            timeout,
        )


def _refused(address: str | None) -> str:
    """Describe why an address is none that Lambda takes."""
    try:
        if address is not None:
            parse_target(address)
    except InvalidArnError as exc:
        return str(exc)
    return ""


def _seconds(values: Values) -> float | None:
    match values:
        case (Constant(int() | float() as seconds),):
            return float(seconds)
        case _:
            return None
