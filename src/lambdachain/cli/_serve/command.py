"""``lambdachain serve``: every function of a system on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from lambdachain.cli._help import Command
from lambdachain.cli._optional_dependencies import missing_packages
from lambdachain.cli._target_options import pairs

DEFAULT_PORT: Final = 9001
_SERVICES: Final = ("sqs", "sns", "events")


@click.command(
    "serve",
    cls=Command,
    examples=[
        "lambdachain serve --reload",
        "lambdachain serve template.yaml --parameter Database.Endpoint.Address=localhost",
        "lambdachain serve orders=orders/app.handler charge=charge/app.handler --port 0",
    ],
)
@click.argument("what", metavar="[NAME=[DIR/]HANDLER | FILE]...", nargs=-1)
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A further name by which clients address the endpoint, such as host.docker.internal; any other is refused.",
)
@click.option("--account-id", default="123456789012", show_default=True, help="The account in the functions' ARNs.")
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    help="The region in the functions' ARNs; AWS_REGION says it too.",
)
@click.option("--stage", help="The stage of a serverless.yml; the stack's name of a template.")
@click.option(
    "--parameter",
    "-p",
    "parameters",
    metavar="NAME=VALUE",
    callback=pairs,
    multiple=True,
    help="A parameter's value, or that of anything only AWS knows: Stage=dev, Database.Endpoint.Address=localhost.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Variables for every function, NAME=VALUE a line; they win over the file's.",
)
@click.option(
    "--queue",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep events that wait in this file, over restarts and crashes.",
)
@click.option(
    "--service",
    "services",
    metavar="NAME=VALUE",
    callback=pairs,
    multiple=True,
    help="Where destinations and dead letters go: sqs=URL, sns=URL, events=URL.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="Run at most so many invocations at a time; one more is throttled. Default: what the machine can take.",
)
@click.option("--reload", is_flag=True, help="Reload a function when its files change.")
@click.option("--quiet", "-q", is_flag=True, help="Tell problems only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def command(
    *,
    what: tuple[str, ...],
    port: int,
    host: str,
    allowed_hosts: tuple[str, ...],
    account_id: str,
    region: str,
    stage: str | None,
    parameters: dict[str, str],
    env_file: Path | None,
    queue: Path | None,
    services: dict[str, str],
    concurrency: int | None,
    reload: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Serve every function of a system on this machine, as Lambda would.

    Functions are NAME=[DIR/]HANDLER (orders=orders/app.handler), or those of a FILE: lambdachain.toml, a SAM or
    CloudFormation template, a serverless.yml. Without arguments, the first such file that is here.
    """
    _check_installed()
    from .session import Options, scratch_directory, serve
    from .system_loader import Wanted

    options = Options(host, port, allowed_hosts, queue, reload, quiet, as_json, concurrency)
    around = _surroundings(account_id, region, stage, parameters)
    with scratch_directory() as scratch:
        wanted = Wanted(what, Path(), around, env_file, _services(services), scratch)
        sys.exit(serve(wanted, options))


def _check_installed() -> None:
    if missing := missing_packages():
        text = f"lambdachain serve needs {', '.join(missing)}, not installed here: pip install 'lambdachain[local]'"
        raise click.ClickException(text)


def _surroundings(account_id: str, region: str, stage: str | None, parameters: Mapping[str, str]) -> Any:
    import os

    from lambdachain import InvalidArnError
    from lambdachain._lambda_api.aws_location import AwsLocation
    from lambdachain._templates.surroundings import Surroundings

    try:
        place = AwsLocation(account_id, region)
    except InvalidArnError as exc:
        raise click.UsageError(f"--account-id and --region need to fit into an ARN: {exc}") from None
    return Surroundings(place, stage, parameters, os.environ)


def _services(given: Mapping[str, str]) -> Mapping[str, str]:
    for name, url in given.items():
        if name not in _SERVICES or not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--service {name}={url}: one of {', '.join(_SERVICES)}, and an http URL")
    return given
