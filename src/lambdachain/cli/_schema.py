"""``lambdachain schema``: the schema of a contract as JSON, or its types in TypeScript."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ._exit_status import ExitStatus, echo
from ._help import CommandWithExamples
from ._shell_completion import complete_contract

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract

Form = Literal["json", "typescript"]


@click.command(
    "schema",
    cls=CommandWithExamples,
    examples=[
        "lambdachain schema billing_contracts:charge > billing-charge.json",
        "lambdachain schema billing_contracts:charge | jq .request",
        "lambdachain schema billing_contracts:charge --check billing-charge.json",
        "lambdachain schema billing_contracts:charge --as typescript > charge.ts",
    ],
)
@click.argument("contract", shell_complete=complete_contract)
@click.option(
    "--as",
    "form",
    type=click.Choice(["json", "typescript"]),
    default="json",
    help="Print JSON, or types for TypeScript, which need json-schema-to-typescript from npm.",
)
@click.option(
    "--check",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Print nothing; exit with status 1 unless this file has what would be printed.",
)
def schema(*, contract: str, form: Form, file: Path | None) -> None:
    """Print the schema of a contract as JSON, or its types in TypeScript.

    CONTRACT is module:contract. Keep the output in a file to compare it with later versions by `lambdachain check`, or
    to write callers in other languages. The output is reproducible: the same contract always prints the same text.
    """
    from ._target_argument import load_contract

    text = _format(load_contract(contract), form, contract)
    if file is None:
        echo(text)
    elif file.read_text(encoding="utf-8").rstrip("\n") != text:
        echo(f"{file} is out of date: write it again by lambdachain schema {contract} --as {form}", file=sys.stderr)
        sys.exit(ExitStatus.NO)


def _format(contract: Contract[Any, Any], form: Form, source: str) -> str:
    if form == "typescript":
        from ._generate.typescript import generate_typescript

        name = source.rpartition(":")[2].rpartition(".")[2]
        return generate_typescript(contract.schema(), name, source).rstrip("\n")
    import json

    return json.dumps(contract.schema(), indent=2)
