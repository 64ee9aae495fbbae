"""The options that select a target and how to call it, shared by ``call``, ``fire``, ``can-invoke`` and ``map``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import click

from ._exit_status import InputError
from ._shell_completion import complete_contract

if TYPE_CHECKING:
    from lambdachain._calling.compiled_call import BoundTarget
    from lambdachain._calling.options import CallOptions
    from lambdachain._client.invoker import Invoker
    from lambdachain._core.invocation import Transport

F = TypeVar("F", bound=Callable[..., Any])


def parse_pairs(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse each ``NAME=VALUE`` at its first ``=``."""
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
    return {name: rest for name, _, rest in (value.partition("=") for value in values)}


def combine_options(*chosen: Callable[[Any], Any]) -> Callable[[F], F]:
    """Combine click options into one decorator."""

    def decorate(command: F) -> F:
        for option in reversed(chosen):
            command = option(command)
        return command

    return decorate


_ENDPOINT: Final = (
    click.option(
        "--endpoint-url", metavar="URL", help="Lambda endpoint to call, such as a local one: http://127.0.0.1:9001."
    ),
    click.option("--region", help="AWS region, if the function's address does not name one."),
    click.option("--profile", help="Profile in your AWS configuration."),
)
_TARGET_ADDRESS: Final = (
    click.option(
        "--function", metavar="ADDRESS", help="Name or ARN of the deployed function, if it differs from the contract's."
    ),
    click.option("--qualifier", metavar="VERSION|ALIAS", help="Version or alias, instead of the contract's."),
    click.option("--tenant-id", metavar="TENANT", help="Tenant, for a function with tenant isolation."),
)
_ATTEMPTS: Final = (
    click.option(
        "--timeout", type=float, metavar="SECONDS", help="Time limit for a whole call, all attempts included."
    ),
    click.option(
        "--max-attempts",
        type=click.IntRange(1),
        metavar="N",
        help="Attempts of a call, the first one included; 3 by default.",
    ),
)
TARGET: Final = click.argument("target", shell_complete=complete_contract)
AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
CONTEXT: Final = click.option(
    "--client-context",
    metavar="NAME=VALUE",
    callback=parse_pairs,
    multiple=True,
    help="Custom value in the function's ClientContext; repeatable.",
)


endpoint_options = combine_options(*_ENDPOINT)
"""Decorate a command with the options for endpoint, region and credentials."""

target_options = combine_options(*_ENDPOINT, *_TARGET_ADDRESS, *_ATTEMPTS)
"""Decorate a command with the options of ``TargetOptions``."""


class TargetOptions(NamedTuple):
    """The values of `target_options`."""

    endpoint_url: str | None
    region: str | None
    profile: str | None
    function: str | None
    qualifier: str | None
    tenant_id: str | None
    timeout: float | None
    max_attempts: int | None

    def create_invoker(self) -> Invoker:
        """Create an invoker; it opens no connection yet.

        Raises:
            InputError: There is no such profile.
        """
        from lambdachain._calling.retry import RetryPolicy
        from lambdachain._client.invoker import Invoker

        retry = RetryPolicy(max_attempts=self.max_attempts) if self.max_attempts else None
        return Invoker(self._transport(), {"timeout": self.timeout, "retry": retry})

    def create_session(self) -> Any:
        """Create a boto3 session with the profile and region.

        Raises:
            InputError: There is no such profile.
        """
        from boto3 import Session

        return Session(botocore_session=_session(self.profile), region_name=self.region)

    def create_s3_client(self) -> Any:
        """Create a client of S3; ``--endpoint-url`` is that of Lambda."""
        return self.create_session().client("s3")

    def bind_target(self, invoker: Invoker, target: object, **more: Any) -> BoundTarget:
        """Find the contract of a target and the address of its function; *more* are options of its calls.

        Raises:
            InputError: The target is an address, and ``--function`` is one too.
        """
        if self.function is not None and isinstance(target, str):
            raise InputError(
                f"--function is the address of a contract's function, but {target!r} is not a contract: "
                "remove one of them"
            )
        from lambdachain._calling.target import UNSET
        from lambdachain._core.invocation import JsonText

        # The response to a plain name is printed as received: a number may have more digits than a float.
        response = JsonText if isinstance(target, str) else UNSET
        return invoker.bind_target(target, self.to_call_options(**more), response=response, function=self.function)

    def to_call_options(self, **more: Any) -> CallOptions:
        """Return the options of a call, and *more*, without those that are unset."""
        values: Mapping[str, Any] = {"qualifier": self.qualifier, "tenant_id": self.tenant_id, **more}
        return cast("CallOptions", {name: value for name, value in values.items() if value not in (None, {}, False)})

    def _transport(self) -> Transport:
        """Choose the transport that ``LAMBDACHAIN_TRANSPORT`` names, as a client does; by default
        ``HttpTransport``, which imports in a fraction of boto3's time.
        """
        from lambdachain._transports.boto.transport import BotoTransport
        from lambdachain._transports.default import VARIABLE, default_transport
        from lambdachain._transports.http.transport import HttpTransport

        session = _session(self.profile) if self.profile else None
        chosen = os.environ.get(VARIABLE) or "http"
        if chosen == "http":
            return HttpTransport(session=session, region=self.region, endpoint_url=self.endpoint_url)
        if chosen == "boto":
            return BotoTransport(session=session, region=self.region, endpoint_url=self.endpoint_url)
        return default_transport()  # raises the error for an unknown value


def _session(profile: str | None) -> Any:
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    session = botocore.session.Session(profile=profile)
    try:
        # botocore reads the profile lazily: fail now, with a message about the option.
        session.get_scoped_config()
    except ProfileNotFound as exc:
        raise InputError(str(exc)) from None
    return session
