"""``lambdachain schema``: the schema of a contract as JSON."""

from __future__ import annotations

import click

from ._exit_status import echo
from ._help import CommandWithExamples
from ._shell_completion import complete_contract


@click.command(
    "schema",
    cls=CommandWithExamples,
    examples=[
        "lambdachain schema billing_contracts:charge > billing-charge.json",
        "lambdachain schema billing_contracts:charge | jq .request",
    ],
)
@click.argument("contract", shell_complete=complete_contract)
def schema(*, contract: str) -> None:
    """Print the schema of a contract as JSON.

    CONTRACT is module:contract. Keep the output in a file to compare it with later versions by `lambdachain check`, or
    to write callers in other languages. The output is reproducible: the same contract always prints the same text.
    """
    import json

    from ._target_argument import load_contract

    echo(json.dumps(load_contract(contract).schema(), indent=2))
