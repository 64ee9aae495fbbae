"""``lambdachain serve``: every function of a system on this machine, behind a Lambda endpoint."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from lambdachain._core.extras import explain_missing
from lambdachain.cli._help import CommandWithExamples
from lambdachain.cli._optional_dependencies import missing_packages
from lambdachain.cli._shell_completion import complete_function
from lambdachain.cli._target_options import parse_pairs

DEFAULT_PORT: Final = 9001
DEFAULT_HTTP_PORT: Final = 3000
_SERVICES: Final = ("sqs", "sns", "events")


@click.command(
    "serve",
    cls=CommandWithExamples,
    examples=[
        "lambdachain serve --reload",
        "lambdachain serve --http template.yaml",
        "lambdachain serve template.yaml --parameter Database.Endpoint.Address=localhost",
        "lambdachain serve orders=orders/app.handler charge=charge/app.handler --port 0",
    ],
)
@click.argument("arguments", metavar="[NAME=[DIR/]HANDLER | FILE]...", nargs=-1, shell_complete=complete_function)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 chooses a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Accept requests with this Host, such as host.docker.internal, besides loopback and --host; repeatable.",
)
@click.option("--http", is_flag=True, help="Serve HTTP APIs and function URLs too, for browsers and HTTP clients.")
@click.option(
    "--http-port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help=f"The port of the first HTTP API or function URL, the next ones get the next ports; 0 chooses free ones. "
    f"Implies --http. [default: {DEFAULT_HTTP_PORT}]",
)
@click.option("--account-id", default="123456789012", show_default=True, help="Account in the functions' ARNs.")
@click.option(
    "--region",
    default="us-east-1",
    show_default=True,
    envvar=["AWS_REGION", "AWS_DEFAULT_REGION"],
    help="Region in the functions' ARNs; AWS_REGION sets it too.",
)
@click.option("--stage", help="Stage of a serverless.yml, or stack name of a template.")
@click.option(
    "--parameter",
    "-p",
    "parameters",
    metavar="NAME=VALUE",
    callback=parse_pairs,
    multiple=True,
    help="Value of a template parameter, or of what only AWS knows, such as Database.Endpoint.Address=localhost; "
    "repeatable.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of environment variables for every function, one NAME=VALUE per line; they override the template's.",
)
@click.option(
    "--queue",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the queue of asynchronous events in this file, so that it survives restarts and crashes.",
)
@click.option(
    "--service",
    "services",
    metavar="NAME=VALUE",
    callback=parse_pairs,
    multiple=True,
    help="Endpoint of a service for destinations and dead-letter queues: sqs=URL, sns=URL or events=URL; repeatable.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    help="Maximum number of concurrent invocations; more are throttled. Default: by the machine's CPUs and memory.",
)
@click.option(
    "--build",
    is_flag=True,
    help="Install what each function needs, with uv or pip, or npm, into a cache of this user, and compile TypeScript.",
)
@click.option("--reload", is_flag=True, help="Reload functions when their files change.")
@click.option("--quiet", "-q", is_flag=True, help="Print errors and warnings only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def command(
    *,
    arguments: tuple[str, ...],
    port: int,
    host: str,
    allowed_hosts: tuple[str, ...],
    http: bool,
    http_port: int | None,
    account_id: str,
    region: str,
    stage: str | None,
    parameters: dict[str, str],
    env_file: Path | None,
    queue: Path | None,
    services: dict[str, str],
    concurrency: int | None,
    build: bool,
    reload: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run every function of a system on this machine, as a Lambda endpoint.

    The functions are arguments such as orders=orders/app.handler, or come from a FILE: a lambdachain.toml, a SAM or
    CloudFormation template, a serverless.yml or a cdk.out. Without arguments, the first such file in this directory is
    used: of a SAM template what sam build has built, if the template has not changed since.

    Call the endpoint with any AWS SDK or the AWS CLI; the command prints the variables to export. Each function runs in
    its own processes of the real runtime client.
    """
    _check_installed()
    # Imported after the check above: these modules need the extra's packages.
    from lambdachain._core.user_cache import find_cache_directory

    from .session import ServeOptions, scratch_directory, serve
    from .system_loader import ServeRequest

    options = ServeOptions(host, port, allowed_hosts, queue, reload, quiet, as_json, concurrency)
    context = _template_context(account_id, region, stage, parameters)
    cache = find_cache_directory() if build else None
    if build and cache is None:
        raise click.UsageError("--build keeps packages in the home directory, and there is none: set XDG_CACHE_HOME")
    with scratch_directory() as scratch:
        first_port = http_port if http_port is not None else DEFAULT_HTTP_PORT if http else None
        addresses = _check_services(services)
        request = ServeRequest(arguments, Path(), context, env_file, addresses, scratch, cache, first_port)
        sys.exit(serve(request, options))


def _check_installed() -> None:
    if missing := missing_packages():
        raise click.ClickException(explain_missing("lambdachain serve", ", ".join(missing), "local"))


def _template_context(account_id: str, region: str, stage: str | None, parameters: Mapping[str, str]) -> Any:
    import os

    from lambdachain import InvalidArnError
    from lambdachain._lambda_api.aws_location import AwsLocation
    from lambdachain._templates.context import TemplateContext

    try:
        location = AwsLocation(account_id, region)
    except InvalidArnError as exc:
        raise click.UsageError(f"--account-id or --region is not valid in an ARN: {exc}") from None
    return TemplateContext(location, stage=stage, parameters=parameters, environment=os.environ)


def _check_services(services: Mapping[str, str]) -> Mapping[str, str]:
    from lambdachain._core.redaction import redact_url

    for name, url in services.items():
        if name not in _SERVICES or not url.startswith(("http://", "https://")):
            raise click.UsageError(
                f"--service {name}={redact_url(url)}: expected sqs, sns or events, and an http:// or https:// URL"
            )
    return services
