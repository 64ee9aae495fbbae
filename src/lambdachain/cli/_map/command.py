"""The options of ``lambdachain map``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from lambdachain.cli._help import CommandWithExamples
from lambdachain.cli._target_options import CONTEXT, TARGET, TargetOptions, target_options

from .sources import FORMATS, is_s3_url

if TYPE_CHECKING:
    from lambdachain.stepfunctions._map_run.machine import MapPlace

    from .arguments import Engine

_PATH: Final = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


class _SourcePath(click.Path):
    """A path, or the URL of an object in S3, which stays text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if is_s3_url(str(value)) else super().convert(value, param, ctx)


_SOURCE: Final = _SourcePath(dir_okay=False, path_type=Path, allow_dash=True)
_REMOTE_EXAMPLE: Final = (
    "lambdachain map billing_contracts:charge s3://orders/october.jsonl -o charged.jsonl --on step-functions "
    "--role arn:aws:iam::123456789012:role/maps --bucket orders-maps"
)
_REMOTE_CONCURRENCY: Final = 1000
_NOT_REMOTE: Final = {
    "timeout": "its state machine waits as long as the function may run",
    "max_attempts": "its state machine retries as the contract allows",
    "tenant_id": "Step Functions passes none",
    "client_context": "Step Functions passes none",
}


@click.command(
    "map",
    cls=CommandWithExamples,
    examples=[
        "lambdachain map billing_contracts:charge orders.jsonl -o charged.jsonl",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --as-completed --concurrency 500",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --rerun-unknown",
        "lambdachain map billing_contracts:charge orders.jsonl --plan --duration 0.4 --concurrency 500",
        "cat orders.jsonl | lambdachain map billing-charge | jq .value",
        _REMOTE_EXAMPLE,
    ],
)
@TARGET
@click.argument("source", type=_SOURCE, default="-", metavar="[FILE | s3://BUCKET/KEY | -]")
@click.option("--output", "-o", type=_PATH, metavar="FILE", help="Write results here instead of to standard output.")
@click.option("--failures", type=_PATH, metavar="FILE", help="Write failures here instead of next to the output.")
@click.option(
    "--format",
    "input_format",
    type=click.Choice(FORMATS),
    help="Format of the input; by default csv or json for such a suffix, and otherwise json-lines.",
)
@click.option(
    "--concurrency",
    default=100,
    show_default="100, and 1,000 on Step Functions",
    type=click.IntRange(1),
    help="Call at most this many at a time.",
)
@click.option("--as-completed", is_flag=True, help="Write results as they complete, not in the order of the input.")
@click.option(
    "--skip-invalid", is_flag=True, help="Treat a line that is not a valid payload as a failure, and continue."
)
@click.option("--rerun-unknown", is_flag=True, help="Run lines again that may have run.")
@click.option("--rerun-not-executed", is_flag=True, help="Run lines again that failed and did not run.")
@click.option(
    "--on",
    "engine",
    type=click.Choice(("process", "step-functions")),
    default="process",
    show_default=True,
    help="Have this process call the function, or a distributed map of Step Functions.",
)
@click.option("--role", metavar="ARN", help="Role of the state machine, on Step Functions.")
@click.option("--bucket", metavar="NAME", help="S3 bucket for items and results, on Step Functions.")
@click.option(
    "--prefix",
    metavar="PREFIX",
    help="Prefix of the keys in the bucket, on Step Functions; lambdachain/maps/ by default.",
)
@click.option("--plan", "is_plan", is_flag=True, help="Print what each way to run the map takes, and run nothing.")
@click.option("--items", type=click.IntRange(0), help="Number of items of a plan; by default the input's lines.")
@click.option("--duration", type=click.FloatRange(0), metavar="SECONDS", help="Seconds for an item, for a plan.")
@click.option("--memory", type=click.IntRange(128, 10240), metavar="MB", help="Memory of the function, for a plan.")
@click.option("--redrive", is_flag=True, help="Run what has failed again, on Step Functions.")
@click.option("--overwrite", is_flag=True, help="Start over, and replace existing output and progress.")
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as a JSON object; requires --output.")
@target_options
@CONTEXT
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    output: Path | None,
    as_json: bool,
    engine: Engine,
    role: str | None,
    bucket: str | None,
    prefix: str | None,
    is_plan: bool,
    **values: Any,
) -> None:
    """Call a function once for each line of a file of JSON.

    Results are lines of JSON, too: {"line": 1, "value": ...}. Failures go to a file of their own. With --output, a
    database next to it (FILE.progress.sqlite) records each outcome: after a crash or Ctrl-C, run the same command again
    to resume. No line that has a result or a failure is run again. A line that was in flight may have run: it becomes a
    failure of class OutcomeUnknownError, unless the contract is idempotent or you pass --rerun-unknown, which run it
    again.

    With --on step-functions, the lines are uploaded to S3 and run by a distributed map, which continues without this
    process: Ctrl-C stops following it, and the same command comes back to it.
    """
    from .arguments import MapArguments
    from .session import run

    if output is not None and str(output) == "-":
        output = None
    sized = {name: values.pop(name) for name in ("items", "duration", "memory")}
    connection = TargetOptions(**{name: values.pop(name) for name in TargetOptions._fields})
    if is_plan:
        sys.exit(_print_plan(values, sized, connection, as_json=as_json))
    for name, value in sized.items():
        if value is not None:
            raise click.UsageError(f"--{name} is for --plan")
    if as_json and output is None:
        raise click.UsageError("--json requires --output: standard output has the results")
    remote = {"role": role, "bucket": bucket, "prefix": prefix, "redrive": values["redrive"]}
    _check_engine(engine, remote, {**connection._asdict(), **values}, has_output=output is not None)
    if engine == "step-functions" and ctx.get_parameter_source("concurrency") is ParameterSource.DEFAULT:
        values["concurrency"] = _REMOTE_CONCURRENCY
    ordered = not values.pop("as_completed")
    place = _to_place(role, bucket, prefix)
    arguments = MapArguments(output=output, as_json=as_json, engine=engine, place=place, ordered=ordered, **values)
    sys.exit(run(arguments, connection))


def _print_plan(
    values: Mapping[str, Any], sized: Mapping[str, Any], connection: TargetOptions, *, as_json: bool
) -> int:
    from .planning import PlanArguments, print_plan
    from .sources import InputLocation

    where = InputLocation(values["source"], values["input_format"])
    arguments = PlanArguments(concurrency=values["concurrency"], **sized)
    return print_plan(values["target"], where, arguments, connection, as_json=as_json)


def _check_engine(engine: str, remote: Mapping[str, Any], values: Mapping[str, Any], *, has_output: bool) -> None:
    """Raise an error for options that the engine does not have."""
    if engine == "process":
        for name, value in remote.items():
            if value:
                raise click.UsageError(f"--{name} is for --on step-functions")
        return
    for name, reason in _NOT_REMOTE.items():
        if values.get(name):
            raise click.UsageError(f"--{name.replace('_', '-')} is not for --on step-functions: {reason}")
    for name in ("role", "bucket"):
        if not remote[name]:
            raise click.UsageError(f"--on step-functions needs --{name}")
    if remote["redrive"] and not has_output:
        raise click.UsageError("--redrive requires --output: without it, there is no record of what failed")


def _to_place(role: str | None, bucket: str | None, prefix: str | None) -> MapPlace | None:
    if role is None or bucket is None:
        return None
    from lambdachain.stepfunctions._map_run.machine import DEFAULT_PREFIX, MapPlace

    return MapPlace(role, bucket, DEFAULT_PREFIX if prefix is None else prefix)
