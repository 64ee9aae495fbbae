"""What becomes of a function's events: how often and how long they are tried, and who is told of the end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ._argument_types import NUMBER, TEXT, WHOLE, wrong_kinds

MAX_RETRIES: Final = 2
MIN_AGE: Final = 60.0
MAX_AGE: Final = 21_600.0

_KINDS: Final = {
    "max_retries": WHOLE,
    "max_age": NUMBER,
    "on_success": TEXT.or_none(),
    "on_failure": TEXT.or_none(),
    "dead_letter": TEXT.or_none(),
}
_TARGET: Final = re.compile(r"arn:aws[a-zA-Z-]*:(lambda|sqs|sns|events):[a-z0-9-]+:[0-9]{12}:\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConfig:
    """How Lambda treats the events of a function (invocation type ``Event``).

    Targets are ARNs: of a function at the same endpoint, or of an SQS queue, an SNS topic or (but for *dead_letter*) an
    EventBridge bus, which need the service's address in `LocalEndpoint`'s *services*.

    >>> EventConfig(max_retries=0, on_failure="arn:aws:sqs:us-east-1:123456789012:failed").max_retries
    0

    Attributes:
        max_retries: How often a function that failed is tried again: 0 to 2, after 60 and another 120 seconds.
        max_age: Seconds from firing after which an event is given up: 60 to 21,600 (6 hours).
        on_success: Where the record of a success goes.
        on_failure: Where the record of an event that is given up goes.
        dead_letter: Where the event itself goes when it is given up: an SQS queue or SNS topic.

    Raises:
        ValueError: A value is out of Lambda's range, or a target is none; the message names the field.
    """

    max_retries: int = MAX_RETRIES
    max_age: float = MAX_AGE
    on_success: str | None = None
    on_failure: str | None = None
    dead_letter: str | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"events: {problem}")

    @property
    def targets(self) -> dict[str, str]:
        """The targets that there are, by field."""
        found = {"on_success": self.on_success, "on_failure": self.on_failure, "dead_letter": self.dead_letter}
        return {name: arn for name, arn in found.items() if arn is not None}

    def _problems(self) -> Iterable[str]:
        yield from wrong_kinds({name: getattr(self, name) for name in _KINDS}, _KINDS)
        if self.max_retries not in range(MAX_RETRIES + 1):
            yield f"max_retries must be 0 to {MAX_RETRIES}, not {self.max_retries!r}"
        if not MIN_AGE <= self.max_age <= MAX_AGE:
            yield f"max_age must be {MIN_AGE:g} to {MAX_AGE:g} seconds, not {self.max_age!r}"
        for name, arn in self.targets.items():
            if not _TARGET.fullmatch(arn):
                yield f"{name} {arn!r} is not the ARN of a function, an SQS queue, an SNS topic or an EventBridge bus"
            elif name == "dead_letter" and service_of(arn) not in {"sqs", "sns"}:
                yield f"dead_letter {arn!r} is not the ARN of an SQS queue or an SNS topic"


def service_of(arn: str) -> str:
    """Return the service that an ARN names: ``lambda``, ``sqs``, ``sns`` or ``events``."""
    return arn.split(":")[2]
