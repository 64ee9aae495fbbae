"""The execution of Step Functions that a map runs in, as the progress of the map has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from .lines import State

_EXECUTION: Final = "execution"
_COLLECTED: Final = "collected_execution"
_RERUNS: Final = "execution_reruns"
_STARTED: Final = "started_execution"
_RECORDED_AT: Final = "execution_recorded_at"
_REDRIVES: Final = "execution_redrives"
# An execution is forgotten 90 days after its end, in an account that asked for it 30 days: then it may have run, too.
# Source: https://docs.aws.amazon.com/step-functions/latest/dg/express-at-least-once-execution.html
_RETENTION: Final = 30 * 86_400.0


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

    @property
    def redrives(self) -> int:
        """How many times the last execution was redriven when its outcomes were recorded."""
        found = self._store.setting(_REDRIVES) if self._store else None
        return int(found or 0)

    @property
    def may_have_started(self) -> bool:
        """Whether the last execution may have run although Step Functions does not have it: it may be forgotten."""
        if self._store is None:
            return False
        recorded_at = float(self._store.setting(_RECORDED_AT) or 0)
        return self._store.setting(_STARTED) == self.arn or time.time() - recorded_at > _RETENTION

    def follow(self, arn: str, reruns: Iterable[State] | None = None) -> None:
        """Record an execution, before it is started or redriven, with the outcomes whose lines it runs again."""
        if self._store is not None:
            states = self._store.reruns if reruns is None else reruns
            settings = {_RERUNS: " ".join(str(int(state)) for state in sorted(states)), _RECORDED_AT: str(time.time())}
            self._store.set_settings({_EXECUTION: arn, _COLLECTED: "", **settings})

    def start(self) -> None:
        """Record that the last execution exists."""
        if self._store is not None:
            self._store.set_settings({_STARTED: self.arn or ""})

    def collect(self, arn: str, redrives: int) -> None:
        """Record that all outcomes of an execution are in the progress, after so many redrives."""
        if self._store is not None:
            self._store.set_settings({_COLLECTED: arn, _REDRIVES: str(redrives)})


def find_followed(setting: Callable[[str], str | None]) -> str | None:
    """Return the execution whose outcomes a progress does not have; ``None`` without one."""
    arn = setting(_EXECUTION)
    return arn if arn and setting(_COLLECTED) != arn else None


def find_reruns(setting: Callable[[str], str | None]) -> Iterable[State]:
    """Return the outcomes whose lines that execution runs again."""
    return [State(int(number)) for number in (setting(_RERUNS) or "").split()]
