"""``lambdachain map``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from lambdachain.cli._help import Command
from lambdachain.cli._target_options import CONTEXT, TARGET, Connection, connection_options

_PATH: Final = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command(
    "map",
    cls=Command,
    examples=[
        "lambdachain map billing_contracts:charge orders.jsonl -o charged.jsonl",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --as-completed --concurrency 500",
        "lambdachain map billing-charge orders.jsonl -o charged.jsonl --rerun-unknown",
        "cat orders.jsonl | lambdachain map billing-charge | jq .value",
    ],
)
@TARGET
@click.argument("source", type=_PATH, default="-", metavar="[FILE | -]")
@click.option("--output", "-o", type=_PATH, metavar="FILE", help="Where results go; standard output if not given.")
@click.option("--failures", type=_PATH, metavar="FILE", help="Where failures go; beside the output if not given.")
@click.option(
    "--concurrency", default=100, show_default=True, type=click.IntRange(1), help="How many calls at a time, at most."
)
@click.option("--as-completed", is_flag=True, help="Write results as they come, not in the order of the input.")
@click.option("--skip-invalid", is_flag=True, help="Count a line that is no payload among the failures, and go on.")
@click.option("--rerun-unknown", is_flag=True, help="Run lines again that may have run.")
@click.option("--rerun-not-executed", is_flag=True, help="Run lines again that have failed and did not run.")
@click.option("--overwrite", is_flag=True, help="Begin anew, whatever is in the output and its journal.")
@click.option("--quiet", "-q", is_flag=True, help="Tell problems only.")
@click.option("--json", "as_json", is_flag=True, help="The summary as a JSON object; needs --output.")
@connection_options
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

    Results are lines, too: {"line": 1, "value": ...}, and so are failures, which are kept apart. With --output, a
    journal beside it (FILE.journal) keeps what is done: after a crash or Ctrl-C, the same command goes on and runs no
    line again that has an end. What was under way then may have run: such lines count as failures of class
    OutcomeUnknownError, but for an idempotent contract or with --rerun-unknown, where they are run again.
    """
    from .session import MapArguments, run

    if output is not None and str(output) == "-":
        output = None
    if as_json and output is None:
        raise click.UsageError("--json needs --output: standard output has the results")
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
    sys.exit(run(arguments, Connection(**connection)))
