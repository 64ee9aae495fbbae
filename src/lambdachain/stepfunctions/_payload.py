"""Whether the payload of a task can fit the contract: what is constant in it, and which fields it has."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError, ErrorDetail, describe_details
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import codec_for
from lambdachain._json.payload_validation import UNEXPECTED_FIELD_RULES, PayloadValidationError

from ._query_language import Place, QueryLanguage, is_expression, split_template

# About the presence of a field, whatever its value is.
_PRESENCE_RULES: Final = ("missing", "missing_argument", "missing_keyword_only_argument", *UNEXPECTED_FIELD_RULES)


def find_misfits(contract: Contract[Any, Any], payload: object, language: QueryLanguage) -> list[ErrorDetail]:
    """Return why a payload template cannot fit the contract's request, whatever its expressions evaluate to.

    The callee's own validation decides. What depends on a value that is known only at run time is not reported.
    """
    sample, dynamic = split_template(payload, language)
    try:
        codec_for(contract.request).decode(json.dumps(sample).encode())
    except PayloadValidationError as exc:
        return [detail for detail in exc.details if _is_certain(detail, sample, dynamic)]
    return []


def check_payload(contract: Contract[Any, Any], payload: object, language: QueryLanguage) -> None:
    """Raise if a payload template cannot fit the contract's request.

    Raises:
        ContractError: It cannot, or it is not JSON.
    """
    if payload is None or is_expression(payload, language):
        return
    try:
        misfits = find_misfits(contract, payload, language)
    except TypeError as exc:
        raise ContractError(f"payload: not JSON: {exc}") from None
    if misfits:
        raise ContractError(f"payload does not fit the request of {contract.function}: {describe_details(misfits)}")


def _is_certain(detail: ErrorDetail, sample: object, dynamic: Collection[Place]) -> bool:
    """Check whether a misfit remains, whatever the dynamic parts evaluate to."""
    *parents, last = detail["loc"] or ("",)
    parent, value = _walk(sample, parents)
    if detail["type"] in _PRESENCE_RULES and len(parent) == len(parents):
        return parent not in dynamic
    place, found = _walk(value, [last], parent)
    if len(place) > len(parents) and detail["type"].endswith("_type") and (is_mapping(found) or is_sequence(found)):
        return True  # an object or an array in place of something else, whatever is in it
    # A location that cannot be followed to its end names a member of a union, or a rule of the whole model.
    return not any(_is_prefix(place, other) or _is_prefix(other, place) for other in dynamic)


def _walk(value: object, steps: Collection[str | int], place: Place = ()) -> tuple[Place, object]:
    """Follow a location into JSON as far as it goes."""
    for step in steps:
        members: Mapping[Any, Any] = (
            value if is_mapping(value) else dict(enumerate(value)) if is_sequence(value) else {}
        )
        if step not in members:
            break
        place, value = (*place, step), members[step]
    return place, value


def _is_prefix(place: Place, other: Place) -> bool:
    return other[: len(place)] == place
