"""Asynchronous invocation settings of a function: retries, maximum age, destinations, dead-letter queue."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ._argument_types import NUMBER, TEXT, WHOLE, find_type_errors

MAX_RETRIES: Final = 2
MIN_AGE: Final = 60.0
MAX_AGE: Final = 21_600.0

_ARGUMENT_TYPES: Final = {
    "max_retries": WHOLE,
    "max_age": NUMBER,
    "on_success": TEXT.or_none(),
    "on_failure": TEXT.or_none(),
    "dead_letter": TEXT.or_none(),
}
_TARGET: Final = re.compile(r"arn:aws[a-zA-Z-]*:(lambda|sqs|sns|events):[a-z0-9-]+:[0-9]{12}:\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConfig:
    """Asynchronous invocation settings of a function (invocation type ``Event``).

    Destinations are ARNs: of a function at the same endpoint, or of an SQS queue, an SNS topic or (except for
    *dead_letter*) an EventBridge bus, which need the service's address in `LocalEndpoint`'s *services*.

    >>> EventConfig(max_retries=0, on_failure="arn:aws:sqs:us-east-1:123456789012:failed").max_retries
    0

    Attributes:
        max_retries: Number of retries after a function error: 0 to 2, after 60 and another 120 seconds.
        max_age: Seconds after which a waiting event is discarded: 60 to 21,600 (6 hours).
        on_success: Destination for the record of a successful invocation.
        on_failure: Destination for the record of an event that is discarded.
        dead_letter: Dead-letter queue for a discarded event itself: an SQS queue or SNS topic.

    Raises:
        ValueError: A value is out of Lambda's range, or a destination is not a valid ARN; the message names the field.
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
        """The destinations that are set, by field."""
        found = {"on_success": self.on_success, "on_failure": self.on_failure, "dead_letter": self.dead_letter}
        return {name: arn for name, arn in found.items() if arn is not None}

    def _problems(self) -> Iterable[str]:
        yield from find_type_errors({name: getattr(self, name) for name in _ARGUMENT_TYPES}, _ARGUMENT_TYPES)
        if self.max_retries not in range(MAX_RETRIES + 1):
            yield f"max_retries must be 0 to {MAX_RETRIES}, not {self.max_retries!r}"
        if not MIN_AGE <= self.max_age <= MAX_AGE:
            yield f"max_age must be {MIN_AGE:g} to {MAX_AGE:g} seconds, not {self.max_age!r}"
        for name, arn in self.targets.items():
            if not _TARGET.fullmatch(arn):
                yield f"{name} {arn!r} is not the ARN of a function, an SQS queue, an SNS topic or an EventBridge bus"
            elif name == "dead_letter" and service_from_arn(arn) not in {"sqs", "sns"}:
                yield f"dead_letter {arn!r} is not the ARN of an SQS queue or an SNS topic"


def service_from_arn(arn: str) -> str:
    """Return the service in an ARN: ``lambda``, ``sqs``, ``sns`` or ``events``."""
    return arn.split(":")[2]


EventConfig.__module__ = "lambdachain.local"
