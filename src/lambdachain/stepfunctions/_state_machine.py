"""A state machine of states: checked that each is there that another one names, and that each can be reached.

Source: "Structure of state machine definitions"
(https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambdachain._core.errors import ContractError

from ._query_language import QueryLanguage
from ._states import get_next_names

_MAX_NAME: Final = 80


def state_machine(
    states: Mapping[str, Mapping[str, Any]],
    /,
    *,
    start_at: str | None = None,
    comment: str | None = None,
    query_language: QueryLanguage = "JSONPath",
) -> dict[str, Any]:
    """Return the definition of a state machine.

    >>> from lambdachain import Contract
    >>> from lambdachain.stepfunctions import state_machine, task
    >>> double = Contract("orders-double", request=int, response=int)
    >>> state_machine({"Double": task(double)})["StartAt"]
    'Double'

    Args:
        states: The states by name.
        start_at: The name of the first; by default the first in *states*.
        comment: A comment for people.
        query_language: The language of states that do not name one.

    Raises:
        ContractError: There are no states, one is named and not there, or one cannot be reached.
    """
    if not states:
        raise ContractError("state_machine: a definition needs at least one state")
    first = next(iter(states)) if start_at is None else start_at
    _check_names(first, states)
    head = {"Comment": comment} if comment else {}
    if query_language == "JSONata":
        head["QueryLanguage"] = query_language
    return {**head, "StartAt": first, "States": {name: dict(state) for name, state in states.items()}}


def _check_names(first: str, states: Mapping[str, Mapping[str, Any]]) -> None:
    if long := [name for name in states if len(name) > _MAX_NAME]:
        raise ContractError(
            f"state_machine: a name has at most {_MAX_NAME} characters, and not {len(long[0])}: {long[0]}"
        )
    if first not in states:
        raise ContractError(f"state_machine: there is no state {first!r}, which start_at names")
    reached, waiting = {first}, [first]
    while waiting:
        name = waiting.pop()
        for after in get_next_names(states[name]):
            if after not in states:
                raise ContractError(f"state_machine: there is no state {after!r}, which {name} names")
            if after not in reached:
                reached.add(after)
                waiting.append(after)
    if lost := [name for name in states if name not in reached]:
        raise ContractError(f"state_machine: {lost[0]} cannot be reached: no state names it")
