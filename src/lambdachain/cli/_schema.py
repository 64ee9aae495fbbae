"""``lambdachain schema``: a contract as JSON."""

from __future__ import annotations

import click

from ._exit_status import echo
from ._help import Command


@click.command(
    "schema",
    cls=Command,
    examples=[
        "lambdachain schema billing_contracts:charge > billing-charge.json",
        "lambdachain schema billing_contracts:charge | jq .request",
    ],
)
@click.argument("contract")
def schema(*, contract: str) -> None:
    """Print the schema of a contract.

    CONTRACT is module:contract. Written to a file, it is what is deployed: for `lambdachain check`, and for callers in
    other languages. It is the same whoever prints it.
    """
    import json

    from ._target_argument import contract_at

    echo(json.dumps(contract_at(contract).schema(), indent=2))
