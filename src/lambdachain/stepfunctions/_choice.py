"""A choice between states by a field of the input, whose values follow from the contracts of the branches.

Source: "Choice workflow state" (https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lambdachain._contracts.contract import Contract, HasContract, has_contract
from lambdachain._core.errors import ContractError
from lambdachain._core.type_guards import is_mapping, is_sequence

from ._query_language import QueryLanguage

Scalar = str | int | float | bool | None
_TYPES_WITH_VALUES: Final[dict[Any, list[Scalar]]] = {"null": [None], "boolean": [True, False]}


def choice(
    field: str,
    branches: Mapping[HasContract[Any, Any] | Scalar, str],
    /,
    *,
    default: str | None = None,
    query_language: QueryLanguage = "JSONPath",
    comment: str | None = None,
) -> dict[str, Any]:
    """Return the state that selects the next one by a field of its input.

    >>> from typing import Literal
    >>> from pydantic import create_model
    >>> from lambdachain import Contract
    >>> from lambdachain.stepfunctions import choice
    >>> Refund = create_model("Refund", kind=(Literal["REFUND"], ...))
    >>> process_refund = Contract("ProcessRefund", request=Refund, response=None)
    >>> choice("kind", {process_refund: "ProcessRefund", "GIFT": "SendGift"})["Choices"][0]
    {'Variable': '$.kind', 'StringEquals': 'REFUND', 'Next': 'ProcessRefund'}

    Args:
        field: The name of the field, or the names on the way to it, as ``"order.kind"``.
        branches: The name of the next state for each value of the field. A contract, or a handler of ``remote``, stands
            for the values that its request allows there: a ``Literal`` or an enum.
        default: The state for every other input, and for one without the field; without it, such an execution fails.
        query_language: ``"JSONPath"`` or ``"JSONata"``.
        comment: A comment for people.

    Raises:
        ContractError: A contract does not restrict the field to certain values, or two branches have the same value.
    """
    values = _find_values(field, branches)
    state: dict[str, Any] = {"Type": "Choice"}
    if comment:
        state["Comment"] = comment
    if query_language == "JSONata":
        state["QueryLanguage"] = query_language
        state["Choices"] = [
            {"Condition": f"{{% {_to_path(field, query_language)} = {json.dumps(value)} %}}", "Next": after}
            for value, after in values
        ]
    else:
        state["Choices"] = _build_rules(_to_path(field, query_language), values, default)
    return state if default is None else {**state, "Default": default}


def _to_path(field: str, language: QueryLanguage) -> str:
    """Return a path to a field of the input; a name that is not an identifier is quoted.

    >>> _to_path("order.kind-of", "JSONPath"), _to_path("order.kind-of", "JSONata")
    ("$.order['kind-of']", '$states.input.order.`kind-of`')
    """
    names = field.split(".")
    if language == "JSONata":
        return ".".join(["$states.input", *(name if name.isidentifier() else f"`{name}`" for name in names)])
    return "".join(["$", *(f".{name}" if name.isidentifier() else f"['{name}']" for name in names)])


def _build_rules(variable: str, values: list[tuple[Scalar, str]], default: str | None) -> list[dict[str, Any]]:
    rules = [{"Variable": variable, **_compare(value), "Next": after} for value, after in values]
    if default is None:
        return rules
    # A path that selects nothing fails the execution with States.Runtime before Default is considered.
    return [{"Not": {"Variable": variable, "IsPresent": True}, "Next": default}, *rules]


def _compare(value: Scalar) -> dict[str, Any]:
    if value is None:
        return {"IsNull": True}
    # bool first: True is an int, too.
    kind = "Boolean" if isinstance(value, bool) else "String" if isinstance(value, str) else "Numeric"
    return {f"{kind}Equals": value}


def _find_values(field: str, branches: Mapping[HasContract[Any, Any] | Scalar, str]) -> list[tuple[Scalar, str]]:
    found: dict[str, tuple[Scalar, str]] = {}
    for branch, after in branches.items():
        for value in _get_allowed_values(branch.contract, field) if has_contract(branch) else [branch]:
            # As JSON, in which true and 1 differ.
            key = json.dumps(value)
            if key in found and found[key][1] != after:
                raise ContractError(f"choice: both {found[key][1]} and {after} are for {field} = {key}")
            found[key] = (value, after)
    return list(found.values())


def _get_allowed_values(contract: Contract[Any, Any], field: str) -> list[Scalar]:
    """Return the values that the request allows for a field.

    Raises:
        ContractError: It allows any, or has no such field.
    """
    request = contract.schema()["request"]
    schemas: list[Any] = [request]
    for name in field.split("."):
        schemas = [inner for schema in schemas for inner in _get_property(request, schema, name)]
    values = [value for schema in schemas for value in _get_constants(request, schema)]
    if not values:
        raise ContractError(
            f"choice: the request of {contract.function} does not restrict {field} to certain values: "
            "declare it as a Literal or an enum, or use the values as keys"
        )
    return values


def _resolve(root: Any, schema: Any) -> list[Any]:
    """Return a schema without references, and the members of a union each."""
    if not is_mapping(schema):
        return []
    if isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return _resolve(root, target)
    members = schema.get("anyOf") or schema.get("oneOf")
    return [one for member in members for one in _resolve(root, member)] if is_sequence(members) else [schema]


def _get_property(root: Any, schema: Any, name: str) -> list[Any]:
    properties = [one.get("properties", {}) for one in _resolve(root, schema)]
    return [one[name] for one in properties if name in one]


def _get_constants(root: Any, schema: Any) -> list[Scalar]:
    found: list[Scalar] = []
    for one in _resolve(root, schema):
        constants = [one["const"]] if "const" in one else one.get("enum") or _TYPES_WITH_VALUES.get(one.get("type"), [])
        if not constants:
            return []  # one member of a union allows any value
        found += constants
    return found
