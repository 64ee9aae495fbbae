"""What a handler function takes and gives back, read from its signature at import."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdachain._contracts.annotations import evaluate_annotations, own_annotations
from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError
from lambdachain._json.codec import type_name

MISSING: Final = object()
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Signature:
    """A handler function's shape; ``MISSING`` where it has no annotation, or one that cannot be evaluated here."""

    name: str
    request: Any
    response: Any
    takes_context: bool
    is_async: bool


def signature_of(function: Callable[..., Any], local_names: Mapping[str, Any]) -> Signature:
    """Read the shape of a handler function: ``f(request)`` or ``f(request, context)``.

    Raises:
        ContractError: It takes neither one nor two positional arguments, or is a method whose instance is yet to come.
    """
    if not callable(function):
        raise ContractError(f"remote decorates a function, not {type(function).__name__}")
    name = getattr(function, "__qualname__", repr(function))
    shape = inspect.signature(function)
    required = [p for p in shape.parameters.values() if p.default is p.empty and p.kind in _POSITIONAL]
    positional = [p for p in shape.parameters.values() if p.kind in _POSITIONAL]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in shape.parameters.values())
    by_name = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in shape.parameters.values())
    if len(required) > 2 or by_name or (not positional and not variadic):
        raise ContractError(f"{name}{shape} cannot be a handler: it must take (request) or (request, context)")
    if positional and positional[0].name == "self":
        raise ContractError(f"{name}{shape} cannot be a handler: Lambda has no self for it; decorate a bound method")
    hints = _hints(inspect.unwrap(function), positional[0].name if positional else "", local_names)
    return Signature(
        name=name,
        request=hints.get("request", MISSING),
        response=hints.get("return", MISSING),
        takes_context=len(positional) > 1 or variadic,
        is_async=inspect.iscoroutinefunction(inspect.unwrap(function)),
    )


def contract_from(name: str, signature: Signature, options: Mapping[str, Any]) -> Contract[Any, Any]:
    """Make the contract that a handler's annotations declare.

    Raises:
        ContractError: An annotation is missing or cannot be evaluated.
    """
    for part, form in (("its request", signature.request), ("what it returns", signature.response)):
        if form is MISSING:
            raise ContractError(f"{signature.name}: annotate {part} with a type that is found here, or give a Contract")
    return Contract[Any, Any](name, request=signature.request, response=signature.response, **options)


def check_fulfils(signature: Signature, contract: Contract[Any, Any]) -> None:
    """Refuse a handler whose annotations contradict its contract.

    Raises:
        ContractError: It takes or returns another class than the contract says.
    """
    if _contradicts(contract.request, signature.request):
        raise ContractError(_mismatch(signature, "takes", signature.request, contract, contract.request))
    if _contradicts(signature.response, contract.response):
        raise ContractError(_mismatch(signature, "returns", signature.response, contract, contract.response))


def _contradicts(given: Any, wanted: Any) -> bool:
    """Check whether a *given* class certainly is no *wanted* one; what a type checker must judge is let through."""
    given, wanted = (type(None) if form is None else form for form in (given, wanted))
    plain = all(isinstance(form, type) and not hasattr(form, "__args__") for form in (given, wanted))
    if not plain or given is wanted or (wanted is float and given is int) or Any in (given, wanted):
        return False
    try:
        return not issubclass(given, wanted)
    except TypeError:  # a protocol or TypedDict cannot be asked
        return False


def _mismatch(signature: Signature, verb: str, found: Any, contract: Contract[Any, Any], wanted: Any) -> str:
    return f"{signature.name} {verb} {type_name(found)}, and {contract!r} says {type_name(wanted)}"


def _hints(function: Any, first: str, local_names: Mapping[str, Any]) -> dict[str, Any]:
    forms: Mapping[str, Any] = own_annotations(function) if hasattr(function, "__annotations__") else {}
    hints: dict[str, Any] = {}
    for key, name in (("request", first), ("return", "return")):
        if name in forms:
            try:
                hints |= evaluate_annotations({key: forms[name]}, getattr(function, "__globals__", {}), local_names)
            except NameError:
                continue
    return hints
