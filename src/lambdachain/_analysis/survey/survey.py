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
from .classes import is_client
from .evaluation import Evaluation
from .project import Project
from .reachability import uses_of
from .results import (
    AS_IT_IS,
    MODES,
    CallSite,
    DeclaredContract,
    DeclaredHandler,
    Mode,
    Resolution,
    Survey,
    UnresolvedCall,
)
from .scopes import Scope, keyword
from .sources import Source
from .syntax import CLIENTS, options_of
from .values import (
    Bound,
    Client,
    Constant,
    Contracted,
    Function,
    Instance,
    Library,
    Unknown,
    Value,
    Values,
    texts,
    unknowns,
)

_BOTO_MODES: Final = {"RequestResponse": Mode.SYNC, "Event": Mode.FIRED, "DryRun": Mode.ASKED}


def survey(sources: Iterable[Source], environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Find the contracts, handlers and calls in some files.

    Args:
        sources: The files, of one or several code bases.
        environment: What is known of the environment variables that the code will run with.
    """
    return survey_of(Project(sources), environment)


def survey_of(project: Project, environment: Mapping[str, str] = MappingProxyType({})) -> Survey:
    """Behave as ``survey``, of files that are read already: for several environments, one after the other."""
    evaluation = Evaluation(project, environment)
    surveyor = _Surveyor(evaluation)
    found = surveyor.look()
    undecided = [*project.unread, *(one for one in found if isinstance(one, UnresolvedCall))]
    return Survey(
        tuple(sorted(surveyor.contracts(), key=lambda contract: contract.place)),
        tuple(sorted(surveyor.handlers(), key=lambda handler: handler.place)),
        tuple(sorted((one for one in found if isinstance(one, CallSite)), key=lambda call: call.place)),
        tuple(sorted(undecided, key=lambda one: one.place)),
        uses_of(evaluation),
        {scope.unit: scope.place(scope.node) for scope in project.scopes() if scope.kind != "lambda"},
    )


class _Surveyor:
    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._values = evaluation.values
        self._scopes = list(evaluation.project.scopes())
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
            if any(value == Library("lambdachain.Contract") for value in self._callees(call, scope))
            for value in self._values(call, scope)
            if isinstance(value, Contracted)
        }
        yield from declared | {handler.contract for handler in self.handlers()}

    def handlers(self) -> Iterator[DeclaredHandler]:
        """Yield every handler at the top of a module: there Lambda finds it."""
        for module in self._evaluation.project.modules.values():
            for name in module.bindings:
                for value in self._evaluation.named(name, module):
                    if isinstance(value, Function) and value.contract is not None and value.scope.module is module:
                        setting = f"{module.source.file.rsplit('/', 1)[-1].removesuffix('.py')}.{name}"
                        place = value.scope.place(value.scope.node)
                        yield DeclaredHandler(value.contract, value.scope.unit, setting, place)
                        break

    def _callees(self, call: ast.Call, scope: Scope) -> Values:
        named = isinstance(call.func, ast.Name | ast.Attribute | ast.Subscript)
        return self._values(call.func, scope) if named else ()

    def _undecided_handlers(self) -> Iterator[UnresolvedCall]:
        for scope in self._scopes:
            for call in scope.calls:
                if any(value == Library("lambdachain.remote") for value in self._callees(call, scope)):
                    for why in unknowns(self._values(call, scope)):
                        yield UnresolvedCall(
                            scope.place(call), scope.unit, f"which function this handles is not told: {why}"
                        )

    def _common_resolution(self) -> Resolution | None:
        """A client whose making is not seen is one of those that are seen; ``None`` where those differ."""
        made = {
            value.resolution
            for scope in self._scopes
            for call in scope.calls
            if any(isinstance(one, Library) and one.name in CLIENTS for one in self._callees(call, scope))
            for value in self._values(call, scope)
            if isinstance(value, Client) and value.resolution is not None
        }
        return AS_IT_IS if not made else made.pop() if len(made) == 1 else None

    def _of_call(self, call: ast.Call, scope: Scope) -> Iterator[CallSite | UnresolvedCall]:
        match call.func:
            case ast.Attribute(value=receiver, attr="invoke" | "invoke_with_response_stream" as verb) if (
                self._is_of_boto(call, receiver, scope)
            ):
                yield from self._of_boto(call, scope, verb)
            case ast.Attribute(attr=verb) if verb in MODES:
                yield from self._of_method(call, call.func, call.args, scope)
            case _:
                pass
        for position, argument in enumerate(call.args):
            if isinstance(argument, ast.Attribute) and argument.attr in MODES:
                yield from self._of_method(call, argument, call.args[position + 1 :], scope)

    def _of_kept(self, scope: Scope) -> Iterator[CallSite | UnresolvedCall]:
        """Methods that are kept as values: in a name, an attribute, a list, an argument that has a name."""
        given = {id(one) for call in scope.calls for one in (call.func, *call.args)}
        for load in scope.loads:
            if isinstance(load, ast.Attribute) and load.attr in MODES and id(load) not in given:
                yield from self._of_value(load, load.attr, load.value, scope)
        for call, name in self._evaluation.asked_by_name(scope):
            verb = name or "call"
            yield from self._of_value(call, verb, call.args[0], scope) if verb in MODES else ()

    def _of_value(
        self, node: ast.expr, verb: str, receiver: ast.expr, scope: Scope
    ) -> Iterator[CallSite | UnresolvedCall]:
        site = _Site(node, verb, MODES[verb], scope)
        kept = (Unknown("the method is kept as a value"),)
        for one in self._values(receiver, scope):
            if isinstance(one, Client | Bound | Function):
                yield from self._of_receiver(site, one, kept, {})

    def _of_method(
        self, call: ast.Call, method: ast.Attribute, arguments: list[ast.expr], scope: Scope
    ) -> Iterator[CallSite | UnresolvedCall]:
        """A method of a client, called with *arguments*, or passed on with them: ``submit(client.call, charge)``."""
        targets = self._values(arguments[0], scope) if arguments else ()
        options = dict(options_of(self._evaluation, call, scope).entries)
        for receiver in self._receivers(method, targets, scope):
            site = _Site(call, method.attr, MODES[method.attr], scope)
            yield from self._of_receiver(site, receiver, targets, options)

    def _receivers(self, method: ast.Attribute, targets: Values, scope: Scope) -> Iterator[Value]:
        found = self._values(method.value, scope)
        ours = [one for one in found if isinstance(one, Client | Bound) or known_functions.contract_in(one) is not None]
        yield from (one for one in ours if not isinstance(one, Contracted))
        own = any(isinstance(one, Instance) and is_client(self._evaluation, one.scope) for one in found)
        if not ours and (own or any(isinstance(target, Contracted) for target in targets)):
            yield Client(None)

    def _of_receiver(
        self, site: _Site, receiver: Value, targets: Values, options: dict[str, Values]
    ) -> Iterator[CallSite | UnresolvedCall]:
        match receiver:
            case Bound(contract, address, resolution, bound):
                yield from self._sites(site, [(contract, address)], resolution, {**dict(bound.entries), **options})
            case Function(contract=DeclaredContract() as contract):
                yield from self._sites(site, [(contract, None)], AS_IT_IS, options)
            case Client(resolution):
                yield from self._of_client(site, targets, resolution, options)
            case _:
                return

    def _of_client(
        self, site: _Site, targets: Values, resolution: Resolution | None, options: dict[str, Values]
    ) -> Iterator[CallSite | UnresolvedCall]:
        for target in targets or (Unknown("there is no target"),):
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
                yield site.undecided(*unknowns([qualifier]) or ("its qualifier is worked out at run time",))
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
            or not unknowns(found)
            or known_functions.BOTO in self._values(receiver, scope)
        )

    def _boto_options(self, call: ast.Call, scope: Scope) -> dict[str, Values]:
        hiding = {"FunctionName": "it", "Qualifier": "a qualifier"}
        return dict(options_of(self._evaluation, call, scope, hiding).entries)

    def _of_boto(self, call: ast.Call, scope: Scope, verb: str) -> Iterator[CallSite | UnresolvedCall]:
        """A call of boto3's own client."""
        options = self._boto_options(call, scope)
        kinds = texts(options.get("InvocationType") or (Constant("RequestResponse"),))
        mode = Mode.STREAMED if verb != "invoke" else _BOTO_MODES.get(kinds[0] if kinds else "", Mode.SYNC)
        site = _Site(call, verb, mode, scope)
        for target in options["FunctionName"]:
            if isinstance(target, Constant) and isinstance(target.value, str):
                given = {"qualifier": options["Qualifier"]} if "Qualifier" in options else {}
                yield from self._sites(site, [(None, target.value)], AS_IT_IS, given)
            else:
                yield site.untargeted(target)


class _Site:
    """A call, while it is looked at."""

    def __init__(self, call: ast.expr, verb: str, mode: Mode, scope: Scope) -> None:
        self.verb = verb
        self._mode = mode
        self._place = scope.place(call)
        self._unit = scope.unit

    def undecided(self, why: str) -> UnresolvedCall:
        return UnresolvedCall(self._place, self._unit, why)

    def untargeted(self, target: Value) -> UnresolvedCall:
        why = next(iter(unknowns([target])), "it is worked out at run time")
        return self.undecided(f"which function {self.verb} is for is not told: {why}")

    def decided(
        self,
        contract: DeclaredContract | None,
        address: str | None,
        qualifier: str | None,
        resolution: Resolution,
        timeout: float | None,
    ) -> CallSite:
        is_address = contract is not None and address is not None
        function = address if address is not None else contract.function if contract is not None else ""
        return CallSite(
            self._place,
            self._unit,
            self.verb,
            self._mode,
            function,
            is_address,
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
