"""The execution of Step Functions that a map runs in, as the progress of the map has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from .lines import State

_EXECUTION: Final = "execution"
_COLLECTED: Final = "collected_execution"
_RERUNS: Final = "execution_reruns"


class SettingsStore(Protocol):
    """The progress of a map, as far as it keeps settings."""

    @property
    def reruns(self) -> frozenset[State]:
        """The outcomes with which a line is run again."""
        ...

    def setting(self, name: str) -> str | None:
        """Return a setting."""
        ...

    def set_settings(self, settings: Mapping[str, str]) -> None:
        """Set settings, and sync them to the disk."""
        ...


class ExecutionRecord:
    """The last execution of a map; without a progress, nothing is recorded.

    Args:
        store: The progress of the map; ``None`` for one that cannot resume.
    """

    def __init__(self, store: SettingsStore | None = None) -> None:
        self._store = store

    @property
    def arn(self) -> str | None:
        """The last execution; ``None`` without one."""
        return self._store.setting(_EXECUTION) if self._store else None

    @property
    def is_followed(self) -> bool:
        """Whether the progress does not have the outcomes of the last execution."""
        return self._store is not None and find_followed(self._store.setting) is not None

    def follow(self, arn: str) -> None:
        """Record an execution, before it is started or redriven, with the outcomes whose lines it runs again."""
        if self._store is not None:
            reruns = " ".join(str(int(state)) for state in sorted(self._store.reruns))
            self._store.set_settings({_EXECUTION: arn, _COLLECTED: "", _RERUNS: reruns})

    def collect(self, arn: str) -> None:
        """Record that all outcomes of an execution are in the progress."""
        if self._store is not None:
            self._store.set_settings({_COLLECTED: arn})


def find_followed(setting: Callable[[str], str | None]) -> str | None:
    """Return the execution whose outcomes a progress does not have; ``None`` without one."""
    arn = setting(_EXECUTION)
    return arn if arn and setting(_COLLECTED) != arn else None


def find_reruns(setting: Callable[[str], str | None]) -> Iterable[State]:
    """Return the outcomes whose lines that execution runs again."""
    return [State(int(number)) for number in (setting(_RERUNS) or "").split()]
