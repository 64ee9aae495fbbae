"""What an endpoint is told besides its functions and its address, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias, get_args

from lambdachain._text import public_url

from ._host_check import host_of
from ._invocations import Observer

ClockKind: TypeAlias = Literal["real", "virtual"]

# boto3's names of the services that events' targets may be in, with the service ids that the SDKs' variables carry.
SERVICE_IDS: Final = {"sqs": "SQS", "sns": "SNS", "events": "EVENTBRIDGE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """See `LocalEndpoint`, whose arguments these are.

    Raises:
        ValueError: A setting is none that could be followed; the message names it.
    """

    queue: Path | None
    clock: ClockKind
    services: Mapping[str, str] = field(repr=False)
    observer: Observer | None
    concurrency: int
    allowed_hosts: tuple[str, ...]
    random: Random = field(repr=False)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> Iterable[str]:
        if self.clock not in get_args(ClockKind):
            yield f"clock must be 'real' or 'virtual', not {self.clock!r}"
        if self.concurrency < 1:
            yield f"concurrency must be 1 or more, not {self.concurrency!r}"
        for name, url in self.services.items():
            if name not in SERVICE_IDS:
                yield f"services: {name!r} is none of {', '.join(map(repr, SERVICE_IDS))}"
            if not url.startswith(("http://", "https://")):
                yield f"services: the address of {name!r} must begin with http:// or https://, not {public_url(url)!r}"
        for host in self.allowed_hosts:
            if host_of(host) is None:
                yield f"allowed_hosts: {host!r} is not a host name or an IP address; a scheme or port is not part of it"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that tell an SDK of the services."""
        return {f"AWS_ENDPOINT_URL_{SERVICE_IDS[name]}": url for name, url in self.services.items()}
