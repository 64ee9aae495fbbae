"""Recognize boto3's own Lambda client: ``client.invoke(FunctionName=...)``."""

from __future__ import annotations

import ast
from typing import Final

from .evaluator import Evaluator
from .results import CallMode
from .scopes import Scope, get_keyword
from .syntax import evaluate_keywords
from .values import UNRESOLVED, Constant, ExternalName, Values, string_constants, unresolved_reasons

# What boto3.client("lambda"), session.client("lambda") and aiobotocore's create_client("lambda") return.
BOTO3_LAMBDA_CLIENT: Final = ExternalName("boto3.client.lambda")
METHODS: Final = ("invoke", "invoke_with_response_stream")

_MODES: Final = {"RequestResponse": CallMode.SYNC, "Event": CallMode.EVENT, "DryRun": CallMode.DRY_RUN}
_MAY_BE_HIDDEN: Final = {"FunctionName": "the function name", "Qualifier": "a qualifier"}


def is_lambda_service(evaluator: Evaluator, node: ast.Call, scope: Scope) -> bool:
    """Check whether ``client("lambda")`` creates a client of Lambda, not of another service."""
    return bool(node.args) and evaluator.evaluate_string(node.args[0], scope) == "lambda"


def evaluate_parameters(evaluator: Evaluator, call: ast.Call, scope: Scope) -> dict[str, Values]:
    """Return the parameters of an Invoke request."""
    entries = evaluate_keywords(evaluator, call, scope, _MAY_BE_HIDDEN).entries
    return {name: values or UNRESOLVED for name, values in entries}


def is_invoke(evaluator: Evaluator, call: ast.Call, receiver: ast.expr, scope: Scope) -> bool:
    """Check whether a call named ``invoke`` is boto3's.

    A client that is passed in from outside is unresolved, so the parameter ``FunctionName`` decides: no other
    ``invoke`` has it. If it may only be hidden in ``**options``, the receiver has to be known as boto3's client.
    """
    names = evaluate_parameters(evaluator, call, scope).get("FunctionName", ())
    return bool(names) and (
        get_keyword(call, "FunctionName") is not None
        or not unresolved_reasons(names)
        or BOTO3_LAMBDA_CLIENT in evaluator.evaluate(receiver, scope)
    )


def get_mode(method: str, parameters: dict[str, Values]) -> CallMode:
    """Return how Lambda is asked to run the function; an unresolved InvocationType counts as synchronous."""
    if method == "invoke_with_response_stream":
        return CallMode.STREAM
    types = string_constants(parameters.get("InvocationType") or (Constant("RequestResponse"),))
    return _MODES.get(types[0] if types else "", CallMode.SYNC)
