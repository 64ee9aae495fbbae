"""The signature of a handler function, read when it is decorated."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType, FunctionType, MethodType
from typing import Any, Final

from lambdachain._contracts.annotations import evaluate_annotations, own_annotations
from lambdachain._contracts.contract import Contract, make_readable_contract
from lambdachain._core.errors import ContractError
from lambdachain._core.lean_dataclass import dataclass
from lambdachain._json.codec import codec_for, type_name

MISSING: Final = object()
_PUBLIC: Final = ("contract", "local", "call", "invoke", "fire", "map", "can_invoke", "bind")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class HandlerSignature:
    """What a handler function takes and returns; ``MISSING`` for an annotation that cannot be evaluated."""

    name: str
    request: Any
    response: Any
    takes_context: bool
    is_async: bool
    description: str | None

    @staticmethod
    def build_codecs_in_lambda(contract: Contract[Any, Any]) -> None:
        """Build the validators of a handler now, where it runs: the init phase has a whole processor.

        A type that cannot be built yet, or at all, is left to the first invocation: it may be another handler's.
        """
        if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            for annotation in (contract.request, contract.response):
                with suppress(Exception):
                    codec_for(annotation).build()


def read_signature(function: Callable[..., Any], decorator: FrameType | None) -> HandlerSignature:
    """Read the signature of a handler function: ``f(request)`` or ``f(request, context)``.

    Args:
        function: The function.
        decorator: The frame of the decorator: annotations may name types that are defined inside its caller.

    Raises:
        ContractError: It does not take one or two positional arguments, or is a method that is not bound.
    """
    if not callable(function):
        raise ContractError(f"remote decorates a function, not {type(function).__name__}")
    local_names = decorator.f_back.f_locals if decorator is not None and decorator.f_back is not None else {}
    name = getattr(function, "__qualname__", repr(function))
    shape = inspect.signature(function)
    required = [p for p in shape.parameters.values() if p.default is p.empty and p.kind in _POSITIONAL]
    positional = [p for p in shape.parameters.values() if p.kind in _POSITIONAL]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in shape.parameters.values())
    by_name = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in shape.parameters.values())
    if len(required) > 2 or by_name or (not positional and not variadic):
        raise ContractError(f"{name}{shape} cannot be a handler: it must take (request) or (request, context)")
    if positional and positional[0].name == "self":
        raise ContractError(f"{name}{shape} cannot be a handler: Lambda passes no self; decorate a bound method")
    # A decorator's wrapper decides which arguments are passed; the annotations are those of the wrapped function.
    hints = _get_hints(inspect.unwrap(function), positional[0].name if positional else "", local_names)
    return HandlerSignature(
        name=name,
        request=hints.get("request", MISSING),
        response=hints.get("return", MISSING),
        takes_context=len(positional) > 1 or variadic,
        is_async=inspect.iscoroutinefunction(inspect.unwrap(function)),
        description=_get_docstring(function),
    )


def keep_under_decorators(handler: Any) -> None:
    """Have a function that ``functools.wraps`` makes of a handler keep what callers use of the handler.

    Decorators of Lambda handlers, such as those of Powertools, return a plain function and copy the ``__dict__`` of
    what they decorate into it.
    """
    handler.__dict__.update({name: getattr(handler, name) for name in _PUBLIC})


def make_contract(name: str, signature: HandlerSignature, options: Mapping[str, Any]) -> Contract[Any, Any]:
    """Make the contract that a handler's annotations declare. Its request may be one that can only be read.

    Raises:
        ContractError: An annotation is missing or cannot be evaluated.
    """
    for part, annotation in (("its request", signature.request), ("its return value", signature.response)):
        if annotation is MISSING:
            raise ContractError(
                f"{signature.name}: annotate {part} with a type that can be resolved here, or pass a Contract to remote"
            )
    # An option wins even if it is None: description=None keeps a docstring that is not for callers out of the contract.
    described: dict[str, Any] = {"description": signature.description, **options}
    return make_readable_contract(name, request=signature.request, response=signature.response, **described)


def check_against_contract(signature: HandlerSignature, contract: Contract[Any, Any]) -> None:
    """Raise for a handler whose annotations contradict its contract.

    Raises:
        ContractError: It takes or returns another class than the contract declares.
    """
    if _contradicts(contract.request, signature.request):
        raise ContractError(_mismatch(signature, "takes", signature.request, contract, contract.request))
    if _contradicts(signature.response, contract.response):
        raise ContractError(_mismatch(signature, "returns", signature.response, contract, contract.response))


def _contradicts(actual: Any, expected: Any) -> bool:
    """Check whether *actual* certainly is not a subclass of *expected*; the rest is left to type checkers."""
    actual, expected = (type(None) if annotation is None else annotation for annotation in (actual, expected))
    are_classes = all(isinstance(kind, type) and not hasattr(kind, "__args__") for kind in (actual, expected))
    if not are_classes or actual is expected or (expected is float and actual is int) or Any in (actual, expected):
        return False
    try:
        return not issubclass(actual, expected)
    except TypeError:  # issubclass() does not support protocols and TypedDicts
        return False


def _mismatch(signature: HandlerSignature, verb: str, actual: Any, contract: Contract[Any, Any], expected: Any) -> str:
    return f"{signature.name} {verb} {type_name(actual)}, but {contract!r} declares {type_name(expected)}"


def _get_docstring(function: Any) -> str | None:
    """Return the docstring of a function; an instance or a ``partial`` has only its class's, which is about that."""
    function = inspect.unwrap(function)
    text = function.__doc__ if isinstance(function, FunctionType | MethodType) else None
    return (inspect.cleandoc(text).strip() or None) if text else None


def _get_hints(function: Any, first: str, local_names: Mapping[str, Any]) -> dict[str, Any]:
    annotations: Mapping[str, Any] = own_annotations(function) if hasattr(function, "__annotations__") else {}
    hints: dict[str, Any] = {}
    for key, name in (("request", first), ("return", "return")):
        if name in annotations:
            try:
                annotation = {key: annotations[name]}
                hints |= evaluate_annotations(annotation, getattr(function, "__globals__", {}), local_names)
            except NameError:
                continue
    return hints
