"""The settings of an endpoint besides its functions and its address, validated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, TypeAlias, cast, get_args

from lambdachain._core.redaction import redact_url

from ._argument_types import MAPPING, PATH, TEXT, WHOLE, ArgumentType, describe_type, find_type_errors
from ._host_check import parse_host
from ._invocations import Observer

MAX_PORT: Final = 65535
ClockKind: TypeAlias = Literal["real", "virtual"]

# boto3's names of the services that can be destinations, and the service ids in AWS_ENDPOINT_URL_<ID>.
SERVICE_IDS: Final = {"sqs": "SQS", "sns": "SNS", "events": "EVENTBRIDGE"}


_CALLABLE: Final = ArgumentType((cast("Any", Callable),), "a function")
_ARGUMENTS: Final = {
    "host": TEXT,
    "port": WHOLE,
    "queue": PATH.or_none(),
    "services": MAPPING.or_none(),
    "observer": _CALLABLE.or_none(),
    "random": ArgumentType((Random,), "a random.Random").or_none(),
}


def check_arguments(**arguments: Any) -> None:
    """Raise for arguments of an endpoint that have the wrong type or range.

    Raises:
        ValueError: One has; the message names it.
    """
    for problem in find_type_errors(arguments, _ARGUMENTS):
        raise ValueError(problem)
    if not 0 <= arguments["port"] <= MAX_PORT:
        raise ValueError(f"port must be 0 to {MAX_PORT}, not {arguments['port']}")


def parse_allowed_hosts(allowed: Any) -> tuple[str, ...]:
    """Return the allowed hosts as a tuple; a single one may be passed without a list.

    Raises:
        ValueError: One is not text.
    """
    # A string is iterable too, and would be taken as a list of characters.
    is_one = isinstance(allowed, str) or not isinstance(allowed, Iterable)
    hosts: list[Any] = [cast("Any", allowed)] if is_one else list(cast("Iterable[Any]", allowed))
    for host in hosts:
        if not isinstance(host, str):
            raise ValueError(f"allowed_hosts: each must be text, not {describe_type(host)}")  # noqa: TRY004
    return tuple(hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Settings of a `LocalEndpoint`; see its arguments.

    Raises:
        ValueError: A setting is invalid; the message names it.
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
        yield from find_type_errors({"concurrency": self.concurrency}, {"concurrency": WHOLE})
        if self.concurrency < 1:
            yield f"concurrency must be 1 or more, not {self.concurrency!r}"
        for name, url in self.services.items():
            yield from find_type_errors(
                {f"services: the address of {name!r}": url}, {f"services: the address of {name!r}": TEXT}
            )
            if name not in SERVICE_IDS:
                yield f"services: {name!r} is not one of {', '.join(map(repr, SERVICE_IDS))}"
            if not url.startswith(("http://", "https://")):
                yield f"services: the address of {name!r} must begin with http:// or https://, not {redact_url(url)!r}"
        for host in self.allowed_hosts:
            if parse_host(host) is None:
                yield f"allowed_hosts: {host!r} is not a host name or an IP address; a scheme or port is not part of it"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that make an SDK call these services."""
        return {f"AWS_ENDPOINT_URL_{SERVICE_IDS[name]}": url for name, url in self.services.items()}
