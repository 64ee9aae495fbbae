"""The options of ``lambdachain map``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from lambdachain.cli._help import CommandWithExamples
from lambdachain.cli._target_options import CONTEXT, TARGET, TargetOptions, target_options

_PATH: Final = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command(
    "map",
    cls=CommandWithExamples,
    examples=[
        "lambdachain map billing_contracts:charge orders.jsonl -o charged.jsonl",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --as-completed --concurrency 500",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --rerun-unknown",
        "cat orders.jsonl | lambdachain map billing-charge | jq .value",
    ],
)
@TARGET
@click.argument("source", type=_PATH, default="-", metavar="[FILE | -]")
@click.option("--output", "-o", type=_PATH, metavar="FILE", help="Write results here instead of to standard output.")
@click.option("--failures", type=_PATH, metavar="FILE", help="Write failures here instead of next to the output.")
@click.option(
    "--concurrency", default=100, show_default=True, type=click.IntRange(1), help="Call at most this many at a time."
)
@click.option("--as-completed", is_flag=True, help="Write results as they complete, not in the order of the input.")
@click.option(
    "--skip-invalid", is_flag=True, help="Treat a line that is not a valid payload as a failure, and continue."
)
@click.option("--rerun-unknown", is_flag=True, help="Run lines again that may have run.")
@click.option("--rerun-not-executed", is_flag=True, help="Run lines again that failed and did not run.")
@click.option("--overwrite", is_flag=True, help="Start over, and replace existing output and progress.")
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as a JSON object; requires --output.")
@target_options
@CONTEXT
def command(
    *,
    target: str,
    source: Path,
    output: Path | None,
    concurrency: int,
    quiet: bool,
    as_json: bool,
    client_context: Mapping[str, str],
    failures: Path | None,
    as_completed: bool,
    skip_invalid: bool,
    rerun_unknown: bool,
    rerun_not_executed: bool,
    overwrite: bool,
    **connection: Any,
) -> None:
    """Call a function once for each line of a file of JSON.

    Results are lines of JSON, too: {"line": 1, "value": ...}. Failures go to a file of their own. With --output, a
    database next to it (FILE.progress.sqlite) records each outcome: after a crash or Ctrl-C, run the same command again
    to resume. No line that has a result or a failure is run again. A line that was in flight may have run: it becomes a
    failure of class OutcomeUnknownError, unless the contract is idempotent or you pass --rerun-unknown, which run it
    again.
    """
    from .session import MapArguments, run

    if output is not None and str(output) == "-":
        output = None
    if as_json and output is None:
        raise click.UsageError("--json requires --output: standard output has the results")
    arguments = MapArguments(
        target=target,
        source=source,
        output=output,
        failures=failures,
        concurrency=concurrency,
        ordered=not as_completed,
        skip_invalid=skip_invalid,
        overwrite=overwrite,
        rerun_unknown=rerun_unknown,
        rerun_not_executed=rerun_not_executed,
        client_context=client_context,
        quiet=quiet,
        as_json=as_json,
    )
    sys.exit(run(arguments, TargetOptions(**connection)))
