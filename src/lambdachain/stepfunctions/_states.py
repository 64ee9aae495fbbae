"""The states of a definition, including those inside maps and parallel states, each with its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from lambdachain._core.type_guards import is_mapping, is_sequence

from ._query_language import QueryLanguage


class StateEntry(NamedTuple):
    """A state of a definition.

    Attributes:
        name: Its name.
        path: The names on the way to it, such as ``Map.Call``.
        state: Its members.
        language: The query language that applies to it.
        siblings: All states of its level, itself included.
        start_at: The name of the first state of its level.
    """

    name: str
    path: str
    state: Mapping[str, Any]
    language: QueryLanguage
    siblings: Mapping[str, Any]
    start_at: str

    @property
    def is_distributed_map(self) -> bool:
        """Whether it is a map whose items are executions of their own."""
        return self.state.get("Type") == "Map" and self._processor_config.get("Mode") == "DISTRIBUTED"

    @property
    def has_express_items(self) -> bool:
        """Whether it is a distributed map whose items are Express executions."""
        return self.is_distributed_map and self._processor_config.get("ExecutionType") == "EXPRESS"

    @property
    def _processor_config(self) -> Mapping[str, Any]:
        processor: Any = self.state.get("ItemProcessor")
        config: Any = processor.get("ProcessorConfig") if is_mapping(processor) else None
        return config if is_mapping(config) else {}


def iter_states(definition: Mapping[str, Any], prefix: str = "", language: str = "JSONPath") -> Iterator[StateEntry]:
    """Yield the states of a definition, outer ones first; what is not a state is skipped."""
    outer = str(definition.get("QueryLanguage", language))
    found: Any = definition.get("States")
    states: Mapping[str, Any] = found if is_mapping(found) else {}
    for name, state in states.items():
        if not is_mapping(state):
            continue
        own = str(state.get("QueryLanguage", outer))
        path = f"{prefix}{name}"
        start_at = str(definition.get("StartAt", ""))
        yield StateEntry(str(name), path, state, cast("QueryLanguage", own), states, start_at)
        for inner in get_inner_definitions(state):
            yield from iter_states(inner, f"{path}.", outer)


def get_inner_definitions(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the definitions inside a map or a parallel state."""
    for member in ("ItemProcessor", "Iterator"):
        if is_mapping(inner := state.get(member)):
            yield inner
    if is_sequence(branches := state.get("Branches")):
        yield from (branch for branch in branches if is_mapping(branch))


def get_rules(state: Mapping[str, Any], member: str) -> list[Mapping[str, Any]]:
    """Return the retriers, catchers or choices of a state."""
    rules: Any = state.get(member)
    return [rule for rule in rules if is_mapping(rule)] if is_sequence(rules) else []


def get_next_names(state: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the states that may follow a state."""
    rules = [*get_rules(state, "Choices"), *get_rules(state, "Catch")]
    names = [state.get("Next"), state.get("Default"), *(rule.get("Next") for rule in rules)]
    yield from (name for name in names if isinstance(name, str))
