"""The options that say whom to call and how, and the caller that is made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import click

from ._exit_status import Refusal

if TYPE_CHECKING:
    from lambdachain._calling.options import CallOptions
    from lambdachain._calling.target import Target
    from lambdachain._client.invoker import Invoker
    from lambdachain._core.invocation import Transport

F = TypeVar("F", bound=Callable[..., Any])


def pairs(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Cut each ``NAME=VALUE`` at its first ``=``."""
    for value in values:
        if not value.partition("=")[0] or "=" not in value:
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE")
    return {name: rest for name, _, rest in (value.partition("=") for value in values)}


def options(*chosen: Callable[[Any], Any]) -> Callable[[F], F]:
    """Make what gives a command several options at once."""

    def give(command: F) -> F:
        for option in reversed(chosen):
            command = option(command)
        return command

    return give


_WHERE: Final = (
    click.option("--endpoint-url", metavar="URL", help="Where to send, such as a local endpoint's address."),
    click.option("--region", help="The region, where the function's address names none."),
    click.option("--profile", help="A profile of the AWS configuration."),
)
_WHOM: Final = (
    click.option(
        "--function", metavar="ADDRESS", help="The name or ARN that the contract's function is deployed under."
    ),
    click.option("--qualifier", metavar="VERSION|ALIAS", help="A version or alias, in place of the contract's."),
    click.option("--tenant-id", metavar="TENANT", help="The tenant, for a function with tenant isolation."),
)
_HOW: Final = (
    click.option("--timeout", type=float, metavar="SECONDS", help="For a whole call, every attempt included."),
    click.option("--max-attempts", type=click.IntRange(1), metavar="N", help="The first one included; 3 if not given."),
)
TARGET: Final = click.argument("target")
AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
CONTEXT: Final = click.option(
    "--client-context",
    metavar="NAME=VALUE",
    callback=pairs,
    multiple=True,
    help="A text for the callee's ClientContext.",
)


where_options = options(*_WHERE)
"""Give a command the options that say where requests go, and with whose credentials."""

connection_options = options(*_WHERE, *_WHOM, *_HOW)
"""Give a command the options of ``Connection``."""


class Connection(NamedTuple):
    """Whom to call, and over what."""

    endpoint_url: str | None
    region: str | None
    profile: str | None
    function: str | None
    qualifier: str | None
    tenant_id: str | None
    timeout: float | None
    max_attempts: int | None

    def caller(self) -> Invoker:
        """Make what carries calls out; nothing is opened yet.

        Raises:
            Refusal: There is no such profile.
        """
        from lambdachain._calling.retry import RetryPolicy
        from lambdachain._client.invoker import Invoker

        retry = RetryPolicy(max_attempts=self.max_attempts) if self.max_attempts else None
        return Invoker(self._transport(), {"timeout": self.timeout, "retry": retry})

    def callee(self, caller: Invoker, target: object) -> Target:
        """Find what is called, and where.

        Raises:
            Refusal: The target is an address already, and ``--function`` is another.
        """
        if self.function is not None and isinstance(target, str):
            raise Refusal(
                f"--function says where a contract is deployed, and {target!r} is no contract: drop one of them"
            )
        from lambdachain._calling.target import UNSET
        from lambdachain._core.invocation import JsonText

        # A plain name's answer is shown as it came: a number may have more digits than a float.
        response = JsonText if isinstance(target, str) else UNSET
        return caller.locate(target, self.options(), response=response, function=self.function)

    def options(self, **more: Any) -> CallOptions:
        """Return the options of each call, and *more*, where they say something."""
        said: Mapping[str, Any] = {"qualifier": self.qualifier, "tenant_id": self.tenant_id, **more}
        options = {name: value for name, value in said.items() if value not in (None, {}, False)}
        return cast("CallOptions", options)

    def _transport(self) -> Transport:
        """Choose as every client does, but for ``HttpTransport``, which is there in a fraction of boto3's time."""
        from lambdachain._transports.boto.transport import BotoTransport
        from lambdachain._transports.default import VARIABLE, default_transport
        from lambdachain._transports.http.transport import HttpTransport

        session = _session(self.profile) if self.profile else None
        chosen = os.environ.get(VARIABLE) or "http"
        if chosen == "http":
            return HttpTransport(session=session, region=self.region, endpoint_url=self.endpoint_url)
        if chosen == "boto":
            return BotoTransport(session=session, region=self.region, endpoint_url=self.endpoint_url)
        return default_transport()  # which says what is wrong with the choice


def _session(profile: str) -> Any:
    import botocore.session
    from botocore.exceptions import ProfileNotFound

    session = botocore.session.Session(profile=profile)
    try:
        session.get_scoped_config()
    except ProfileNotFound as exc:
        raise Refusal(str(exc)) from None
    return session
