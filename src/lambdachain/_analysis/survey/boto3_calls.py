"""Recognize the calls of boto3's own Lambda client: ``client.invoke(FunctionName=...)``.

The method may be called where it is read, kept in a name, passed to something that calls it
(``pool.submit(client.invoke, FunctionName="charge")``), or wrapped by ``functools.partial``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .evaluator import Evaluator
from .results import DURABLE_INVOKE, CallMode
from .scopes import Assignment, Import, Scope, get_arguments, get_keyword, last_name
from .source_text import format_call, format_expression
from .syntax import evaluate_keywords, get_alternatives
from .values import (
    UNRESOLVED,
    Constant,
    ExternalName,
    FunctionValue,
    MappingValue,
    PartialValue,
    Unresolved,
    Values,
    unresolved_reasons,
)

# What boto3.client("lambda"), session.client("lambda") and aiobotocore's create_client("lambda") return.
BOTO3_LAMBDA_CLIENT: Final = ExternalName("boto3.client.lambda")
METHODS: Final = ("invoke", "invoke_with_response_stream", "invoke_async")
# An object that is unresolved, whose methods of these names may be those of a client.
_POSSIBLE_CLIENT: Final = "?"
# Packages of type stubs, each with a class LambdaClient in its own namespace.
STUBS: Final = ("mypy_boto3_lambda.", "types_boto3_lambda.", "types_aiobotocore_lambda.", "types_aioboto3_lambda.")
# The context of AWS's SDK for durable functions, whose ``invoke`` waits for the other function.
DURABLE_CONTEXT: Final = ".DurableContext"
_DURABLE_SDK: Final = "aws_durable_execution_sdk_python"
_CONTEXT_NAMES: Final = ("context", "ctx")

_MODES: Final = {"RequestResponse": CallMode.SYNC, "Event": CallMode.EVENT, "DryRun": CallMode.DRY_RUN}
_MAY_BE_HIDDEN: Final = {
    "FunctionName": "the function name",
    "Qualifier": "a qualifier",
    "InvocationType": "the InvocationType",
}
_PASSED_WITHOUT_NAME: Final = "the method is passed on without a FunctionName"
_STORED: Final = "the method is stored as a value"


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """A call of a method of boto3's client, direct or by whatever the method is passed to.

    Attributes:
        node: Where it is written.
        method: The method: ``invoke``, ``invoke_async``, ``invoke_with_response_stream``, ``context.invoke``.
        text: Its source, shortened for messages.
        parameters: The parameters of the request, as far as they are visible.
    """

    node: ast.expr
    method: str
    text: str
    parameters: Mapping[str, Values]

    @property
    def modes(self) -> Iterator[tuple[CallMode, str]]:
        """Each mode that the call may have, with the reason if it is ``UNDECIDED``."""
        if self.method == "invoke_with_response_stream":
            yield CallMode.STREAM, ""
        elif self.method == "invoke_async":
            yield CallMode.EVENT, ""
        else:
            types = self.parameters.get("InvocationType") or (Constant("RequestResponse"),)
            yield from dict.fromkeys(map(self._get_mode, types))

    def _get_mode(self, invocation_type: object) -> tuple[CallMode, str]:
        match invocation_type:
            case Constant(str(text)) if text in _MODES:
                return _MODES[text], ""
            case Constant(None):  # an entry of a mapping that only some branches add
                return CallMode.SYNC, ""
            case ExternalName(name):
                why = f"{name} is not in the code that was read"
                return CallMode.UNDECIDED, f"cannot resolve the InvocationType of {self.text}: {why}"
            case Unresolved(why):
                return CallMode.UNDECIDED, f"cannot resolve the InvocationType of {self.text}: {why}"
            case _:
                return CallMode.UNDECIDED, f"cannot resolve the InvocationType of {self.text}: it is not a valid one"


def find_invoke_calls(
    evaluator: Evaluator, scope: Scope, may_be_method: Callable[[ast.expr, Scope], bool]
) -> Iterator[InvokeCall]:
    """Yield the calls of boto3's client in a scope.

    Args:
        evaluator: Evaluates what is called, and with what.
        scope: The scope.
        may_be_method: Checks whether an expression may be a method that is kept as a value; no other is evaluated.
    """
    for call in scope.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
            yield from _find_direct(evaluator, call, call.func, scope)
        elif may_be_method(call.func, scope):
            yield from _find_renamed(evaluator, call, scope)
        if any(may_be_method(argument, scope) for argument in get_arguments(call)):
            yield from _find_passed(evaluator, call, scope)
    yield from _find_stored(evaluator, scope, may_be_method)


def may_have_function_name(call: ast.Call) -> bool:
    """Check whether a call has the name of boto3's and, in sight or in ``**options``, may have the parameter."""
    is_named = isinstance(call.func, ast.Attribute) and call.func.attr in METHODS
    return is_named and any(keyword.arg in (None, "FunctionName") for keyword in call.keywords)


def is_lambda_service(evaluator: Evaluator, node: ast.Call, scope: Scope) -> bool:
    """Check whether ``client("lambda")`` may create a client of Lambda."""
    return Constant("lambda") in evaluate_service(evaluator, node, scope)


def evaluate_service(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what the service of ``client(service)`` may be."""
    expr = node.args[0] if node.args else get_keyword(node, "service_name")
    return () if expr is None else evaluator.evaluate(expr, scope)


def _find_direct(evaluator: Evaluator, call: ast.Call, method: ast.Attribute, scope: Scope) -> Iterator[InvokeCall]:
    """Yield the request that a call sends itself."""
    own = _evaluate_parameters(evaluator, call, scope)
    text = format_call(call.func, call.args, call.keywords)
    if _is_invoke(evaluator, call, method, own, scope):
        yield InvokeCall(call, method.attr, text, own)
    elif _is_durable_context(evaluator, method, scope):
        name = call.args[0] if call.args else get_keyword(call, "function_name")
        parameters = {} if name is None else {"FunctionName": evaluator.evaluate(name, scope)}
        yield InvokeCall(call, DURABLE_INVOKE, text, parameters)


def _find_renamed(evaluator: Evaluator, call: ast.Call, scope: Scope) -> Iterator[InvokeCall]:
    """Yield the requests of a call of something that holds a method."""
    if methods := list(_get_methods(evaluator.evaluate(call.func, scope))):
        own = _evaluate_parameters(evaluator, call, scope)
        text = format_call(call.func, call.args, call.keywords)
        for method, keywords in methods:
            if is_method(method) or "FunctionName" in keywords or _is_named(call, own):
                yield InvokeCall(call, _get_name(method), text, {**keywords, **own})


def _evaluate_parameters(evaluator: Evaluator, call: ast.Call, scope: Scope) -> dict[str, Values]:
    # A payload may be anything, and what it is takes long to evaluate.
    keywords = [one for one in call.keywords if one.arg is None or one.arg in _MAY_BE_HIDDEN]
    entries = evaluate_keywords(evaluator, ast.Call(call.func, [], keywords), scope, _MAY_BE_HIDDEN).entries
    # No value at all is what a cycle evaluates to: it must not pass for a call without a target.
    own = {name: values or UNRESOLVED for name, values in entries}
    if "FunctionName" in own:
        own["FunctionName"] = _drop_missing(own["FunctionName"])
    return own


def _drop_missing(values: Values) -> Values:
    """Return *values* without ``None``, which stands for an entry that is added later, if there are others."""
    known = tuple(value for value in values if value != Constant(None))
    return known if any(not isinstance(value, Unresolved) for value in known) else values


def _is_invoke(
    evaluator: Evaluator, call: ast.Call, method: ast.Attribute, parameters: Mapping[str, Values], scope: Scope
) -> bool:
    """Check whether a call named ``invoke`` is boto3's.

    A client that is passed in from outside is unresolved, so the parameter ``FunctionName`` decides: no other
    ``invoke`` has it. If it may only be hidden in ``**options``, any receiver that may be a client counts.
    """
    receivers = evaluator.evaluate(method.value, scope)
    if BOTO3_LAMBDA_CLIENT in receivers:
        return True
    if "FunctionName" not in parameters or _is_followed(evaluator.evaluate(method, scope)):
        return False
    return _is_named(call, parameters) or (not call.args and any(_may_be_client(value) for value in receivers))


def _is_named(call: ast.Call, parameters: Mapping[str, Values]) -> bool:
    """Check whether a call certainly has the parameter ``FunctionName``: in sight, or in a mapping that is known."""
    names = parameters.get("FunctionName", ())
    return get_keyword(call, "FunctionName") is not None or bool(names and not unresolved_reasons(names))


def _is_durable_context(evaluator: Evaluator, method: ast.Attribute, scope: Scope) -> bool:
    """Check whether ``context.invoke(...)`` is that of the durable SDK: by its type, or by name where that is used."""
    values = evaluator.evaluate(method.value, scope)
    if any(isinstance(value, ExternalName) and value.name.endswith(DURABLE_CONTEXT) for value in values):
        return True
    is_used = any(
        isinstance(binding, Import) and binding.module.startswith(_DURABLE_SDK)
        for bindings in scope.module.bindings.values()
        for binding, _ in bindings
    )
    return is_used and last_name(method.value).endswith(_CONTEXT_NAMES)


def _may_be_client(value: object) -> bool:
    match value:
        case Unresolved():
            return True
        case ExternalName(name):
            return not name.startswith(("builtins.", "boto3.client."))
        case _:
            return False


def _is_followed(functions: Values) -> bool:
    """Check whether a callee is code that is surveyed itself: what it calls is found there."""
    return bool(functions) and all(isinstance(one, FunctionValue) for one in functions)


def _get_methods(values: Values) -> Iterator[tuple[ExternalName, Mapping[str, Values]]]:
    """Yield what may be methods of boto3's client, each with the keyword arguments that it already has."""
    for value in values:
        match value:
            case ExternalName() if may_be_method(value):
                yield value, {}
            case PartialValue(method, keywords):
                yield method, dict(keywords.entries)
            case _:
                continue


def _get_name(method: ExternalName) -> str:
    return method.name.rpartition(".")[2]


def is_method(value: object) -> bool:
    """Check whether a value is a method of boto3's client that runs a function."""
    return isinstance(value, ExternalName) and value.name in {f"{BOTO3_LAMBDA_CLIENT.name}.{one}" for one in METHODS}


def may_be_method(value: object) -> bool:
    """Check whether a value is such a method, or one of an object that is unresolved: its parameters then decide."""
    if not isinstance(value, ExternalName):
        return False
    receiver, _, name = value.name.rpartition(".")
    return name in METHODS and (receiver == BOTO3_LAMBDA_CLIENT.name or _may_be_client(ExternalName(receiver)))


def evaluate_method(name: str) -> Values:
    """Return what a method of an unresolved object may be, by its name: one of boto3's, or nothing that is known."""
    return (ExternalName(f"{_POSSIBLE_CLIENT}.{name}"),) if name in METHODS else ()


def _find_passed(evaluator: Evaluator, call: ast.Call, scope: Scope) -> Iterator[InvokeCall]:
    """Yield the requests of methods that are arguments: of ``to_thread``, ``submit``, ``Thread(target=...)``."""
    arguments = get_arguments(call)
    methods = [one for argument in arguments for one in _get_methods(evaluator.evaluate(argument, scope))]
    functions = evaluator.evaluate(call.func, scope) if methods else ()
    # What partial and getattr return is found where that is used.
    if not methods or not {ExternalName("functools.partial"), ExternalName("builtins.getattr")}.isdisjoint(functions):
        return
    own = dict(evaluate_keywords(evaluator, call, scope, {}).entries)
    parameters = own if "FunctionName" in own else _find_passed_keywords(evaluator, arguments, scope)
    for method, keywords in methods:
        if not _is_followed(functions):
            text = format_call(call.func, call.args, call.keywords)
            yield from _find_elsewhere(call, method, text, {**keywords, **parameters}, _PASSED_WITHOUT_NAME)


def _find_elsewhere(
    node: ast.expr, method: ExternalName, text: str, parameters: Mapping[str, Values], why: str
) -> Iterator[InvokeCall]:
    """Yield the request of a method that is called out of sight, with the parameters that are in sight.

    Args:
        node: Where the method is passed on or stored.
        method: The method. If its object is unresolved, only a function name tells that it is boto3's.
        text: The source of *node*.
        parameters: The parameters.
        why: Why the others are unknown.
    """
    if "FunctionName" in parameters:
        yield InvokeCall(node, _get_name(method), text, parameters)
    elif is_method(method):
        yield InvokeCall(node, _get_name(method), text, {**_to_unknown(why), **parameters})


def _to_unknown(why: str) -> dict[str, Values]:
    return dict.fromkeys(("FunctionName", "InvocationType"), (Unresolved(why),))


def _find_passed_keywords(evaluator: Evaluator, arguments: list[ast.expr], scope: Scope) -> Mapping[str, Values]:
    """Return the keyword arguments in ``kwargs={...}``, by whatever name or position they are passed."""
    for argument in arguments:
        for value in evaluator.evaluate(argument, scope):
            if isinstance(value, MappingValue) and value.get("FunctionName"):
                return dict(value.entries)
    return {}


def _find_stored(
    evaluator: Evaluator, scope: Scope, may_be_method: Callable[[ast.expr, Scope], bool]
) -> Iterator[InvokeCall]:
    """Yield the methods that are kept where the survey does not follow them: in a list, in another object."""
    followed = {id(one) for expr in _get_followed(scope) for one in get_alternatives(expr)}
    for node in (*scope.loads, *scope.calls):
        if id(node) not in followed and _is_value(node) and may_be_method(node, scope):
            for method, keywords in _get_methods(evaluator.evaluate(node, scope)):
                yield from _find_elsewhere(node, method, format_expression(node), keywords, _STORED)
    named = {id(call.func) for call in scope.calls if get_keyword(call, "FunctionName")}
    for call, name in evaluator.find_getattr_calls(scope):
        receivers = evaluator.evaluate(call.args[0], scope) if name is None else ()
        if BOTO3_LAMBDA_CLIENT in receivers or (id(call) in named and any(map(_may_be_client, receivers))):
            yield InvokeCall(call, "invoke", format_expression(call), _to_unknown(_STORED))


def _is_value(node: ast.expr) -> bool:
    # Other attributes are only methods of boto3's client if that was assigned to them.
    return not isinstance(node, ast.Call) or bool(node.args)


def _get_followed(scope: Scope) -> Iterator[ast.expr]:
    """Yield the expressions whose value is followed: what is called, passed, assigned to a name, or returned."""
    for call in scope.calls:
        yield from (call.func, *call.args, *(keyword.value for keyword in call.keywords))
    yield from scope.returns
    homes = (scope, *scope.outer_names.values(), *([scope.owner] if scope.owner is not None else []))
    for home in homes:
        for bindings in (*home.bindings.values(), *home.attributes.values()):
            yield from (binding.expr for binding, _ in bindings if isinstance(binding, Assignment))
