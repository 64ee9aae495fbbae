"""A state machine of states: checked that each is there that another one names, and that each can be reached.

Source: "Structure of state machine definitions"
(https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambdachain._core.errors import ContractError

from ._query_language import QueryLanguage
from ._states import get_next_names, get_rules, iter_states

_MAX_NAME: Final = 80
_JSONPATH_MEMBERS: Final = frozenset(
    {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath"}
)


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
        ContractError: There are no states, one is named and not there, cannot be reached, or has the name of another
            or another language.
    """
    if not states:
        raise ContractError("state_machine: a definition needs at least one state")
    first = next(iter(states)) if start_at is None else start_at
    head = {"Comment": comment} if comment else {}
    if query_language == "JSONata":
        head["QueryLanguage"] = query_language
    definition = {**head, "StartAt": first, "States": {name: dict(state) for name, state in states.items()}}
    _check_names(definition)
    _check_reachable(first, states)
    _check_languages(definition)
    return definition


def _check_names(definition: Mapping[str, Any]) -> None:
    seen = set[str]()
    for entry in iter_states(definition):
        if len(entry.name) > _MAX_NAME:
            raise ContractError(
                f"state_machine: a name has at most {_MAX_NAME} characters, and not {len(entry.name)}: {entry.name}"
            )
        if entry.name in seen:
            raise ContractError(
                f"state_machine: two states are named {entry.name}, of which one is {entry.path}: names are unique in "
                "the whole definition; distributed_map(..., child_name=...) names the state inside"
            )
        seen.add(entry.name)


def _check_reachable(first: str, states: Mapping[str, Mapping[str, Any]]) -> None:
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


def _check_languages(definition: Mapping[str, Any]) -> None:
    for entry in iter_states(definition):
        rules = get_rules(entry.state, "Choices")
        is_path = not _JSONPATH_MEMBERS.isdisjoint(entry.state) or any("Variable" in rule for rule in rules)
        if entry.language == "JSONata" and is_path:
            raise ContractError(
                f"state_machine: {entry.path} is in JSONPath, and the definition in JSONata: make it with "
                'query_language="JSONata"'
            )
