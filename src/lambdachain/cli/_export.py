"""``lambdachain export``: state machines of Step Functions from contracts, with the role that they need."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import click

from ._code_options import RESOLVE, parse_resolver
from ._exit_status import ExitStatus, InputError, echo
from ._help import CommandWithExamples
from ._shell_completion import complete_contract
from ._target_options import combine_options

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract
    from lambdachain.stepfunctions import QueryLanguage, S3Items, S3Results

Format = Literal["asl", "iam", "sam", "cdk", "terraform", "serverless"]
_FORMATS: Final = ("asl", "iam", "sam", "cdk", "terraform", "serverless")
_LONGEST: Final = 900.0
# What the service's name of a state machine allows without quoting anywhere.
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,80}")

_export_options = combine_options(
    click.option(
        "--as", "output_format", type=click.Choice(_FORMATS), default="asl", show_default=True, help="Output format."
    ),
    click.option("--name", metavar="NAME", help="Name of the state machine; by default that of the (first) function."),
    RESOLVE,
    click.option("--account-id", metavar="ID", help="Account of the state machine, if the output is to name it."),
    click.option("--region", help="Region of the state machine, if the output is to name it."),
    click.option(
        "--query-language", type=click.Choice(["JSONPath", "JSONata"]), default="JSONPath", help="Query language."
    ),
    click.option("--function-timeout", type=float, metavar="SECONDS", help="The function's own Timeout."),
    click.option("--redrive", is_flag=True, help="Also allow the role to redrive the items of a distributed map."),
    click.option(
        "--check",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Print nothing; exit with status 1 unless this file has what would be printed.",
    ),
)


@click.group("export")
def command() -> None:
    """Print a state machine of Step Functions that calls your functions, with the role that it needs."""


@command.command(
    "state-machine",
    cls=CommandWithExamples,
    examples=[
        "lambdachain export state-machine billing_contracts:charge mail_contracts:receipt > order.asl.json",
        "lambdachain export state-machine order_machine:DEFINITION --name order --as sam",
        "lambdachain export state-machine billing_contracts:charge --as terraform --check charge.tf",
    ],
)
@click.argument("contracts", nargs=-1, required=True, metavar="CONTRACT...", shell_complete=complete_contract)
@_export_options
def state_machine(*, contracts: tuple[str, ...], name: str | None, **options: Any) -> None:
    """Print a state machine that calls functions one after another, each with the response of the one before.

    CONTRACT is module:contract; or, alone, module:definition, a state machine that your code has made with
    `lambdachain.stepfunctions`. The exit status is 1 if a permission that it needs is only known at run time.
    """
    definition = _find_definition(contracts[0]) if len(contracts) == 1 else None
    if definition is None:
        loaded = _load_all(contracts)
        definition = _chain(loaded, options)
        name = name or _get_function_name(loaded[0])
    elif name is None:
        raise InputError("a definition has no name of its own: pass --name")
    _print_export(definition, name, **options)


@command.command(
    "distributed-map",
    cls=CommandWithExamples,
    examples=[
        "lambdachain export distributed-map billing_contracts:charge --items s3://orders/in.jsonl --as sam",
        "lambdachain export distributed-map billing_contracts:charge --items s3://orders/in.csv --as terraform",
    ],
)
@click.argument("contract", shell_complete=complete_contract)
@click.option("--items", metavar="s3://BUCKET/KEY", help="Items: .jsonl, .json or .csv; by default the input.")
@click.option("--results", metavar="s3://BUCKET/PREFIX", help="Where results go; by default they are the output.")
@click.option("--max-concurrency", type=int, default=1000, show_default=True, help="Items at a time.")
@click.option("--tolerated-failure-percentage", type=float, metavar="N", help="Failures that do not end the map.")
@click.option("--execution-type", type=click.Choice(["STANDARD", "EXPRESS"]), default="STANDARD", help="Of each item.")
@_export_options
def distributed_map(*, contract: str, name: str | None, items: str | None, results: str | None, **options: Any) -> None:
    """Print a state machine that calls a function once for each item of a file in S3, thousands at a time.

    CONTRACT is module:contract. The exit status is 1 if a permission that it needs is only known at run time.
    """
    from lambdachain import stepfunctions

    [loaded] = _load_all([contract])
    language = cast("QueryLanguage", options["query_language"])
    state = stepfunctions.distributed_map(
        loaded,
        items=None if items is None else _parse_items(items),
        results=None if results is None else _parse_results(results),
        max_concurrency=options.pop("max_concurrency"),
        tolerated_failure_percentage=options.pop("tolerated_failure_percentage"),
        execution_type=options.pop("execution_type"),
        function=_resolve_function(loaded, options["resolve"]),
        query_language=language,
        function_timeout=options["function_timeout"],
    )
    definition = stepfunctions.state_machine({"Map": state}, query_language=language)
    _print_export(definition, name or f"{_get_function_name(loaded)}-map", **options)


def _print_export(
    definition: Mapping[str, Any],
    name: str,
    *,
    output_format: Format,
    account_id: str | None,
    region: str | None,
    redrive: bool,
    file: Path | None,
    **_: Any,
) -> None:
    from lambdachain._analysis.permissions.required_permissions import Stack
    from lambdachain.stepfunctions._export.statements import find_statements
    from lambdachain.stepfunctions._export.writers import WRITERS, StateMachineExport

    if not _NAME.fullmatch(name):
        raise InputError(f"--name must have 1 to 80 letters, digits, hyphens and underscores, not {name!r}")
    statements = find_statements(definition, name, redrive=redrive)
    export = StateMachineExport(name, definition, statements.each, Stack(None, region, account_id))
    text = WRITERS[output_format](export)
    if file is None:
        echo(text)
    elif file.read_text(encoding="utf-8").rstrip("\n") != text:
        echo(f"{file} is out of date: write it again by lambdachain export", file=sys.stderr)
        sys.exit(ExitStatus.NO)
    # A definition alone has no role.
    unresolved = () if output_format == "asl" else statements.unresolved
    for one in unresolved:
        echo(f"{click.style('unresolved:', fg='yellow', bold=True)} {one}", file=sys.stderr)
    sys.exit(ExitStatus.NO if unresolved else ExitStatus.DONE)


def _resolve_function(contract: Contract[Any, Any], resolve: Sequence[str]) -> str:
    """Return the function as it is deployed, with its qualifier."""
    from lambdachain._calling.target import resolve_function
    from lambdachain._contracts.contract import split_qualifier
    from lambdachain._core.errors import InvalidArnError

    address = resolve_function(contract.function, parse_resolver(resolve))
    name, qualifier = split_qualifier(address, None, InvalidArnError)
    qualifier = qualifier or contract.qualifier
    return f"{name}:{qualifier}" if qualifier else name


def _find_definition(text: str) -> Mapping[str, Any] | None:
    """Import a definition; ``None`` if the name is that of a contract."""
    from lambdachain._core.type_guards import is_mapping

    from ._target_argument import find_value

    value = find_value(text)
    return value if is_mapping(value) and "States" in value else None


def _load_all(contracts: Sequence[str]) -> list[Contract[Any, Any]]:
    from ._target_argument import load_contract

    return [load_contract(one) for one in contracts]


def _chain(contracts: Sequence[Contract[Any, Any]], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition that calls functions one after another.

    Raises:
        InputError: The response of one cannot be the request of the next.
    """
    from lambdachain import stepfunctions
    from lambdachain.stepfunctions._checks.check import check_definition
    from lambdachain.stepfunctions._checks.issues import KnownFunctions

    named = _name_states(contracts)
    states = {
        name: stepfunctions.task(
            contract,
            function=_resolve_function(contract, options["resolve"]),
            function_timeout=options["function_timeout"] or _LONGEST,
            query_language=options["query_language"],
            next=after,
        )
        for (name, contract), after in zip(named.items(), [*[*named][1:], None], strict=True)
    }
    definition = stepfunctions.state_machine(states, query_language=options["query_language"])
    known = KnownFunctions(contracts, resolve=parse_resolver(options["resolve"]))
    for found in check_definition(definition, known).findings:
        raise InputError(f"{found.path}: {found.reason}: {found.remedy}")
    return definition


def _get_function_name(contract: Contract[Any, Any]) -> str:
    from lambdachain._core.arn import parse_target

    return parse_target(contract.function).name


def _name_states(contracts: Sequence[Contract[Any, Any]]) -> dict[str, Contract[Any, Any]]:
    """Return the contracts by the names of their states: those of the functions, numbered where they repeat."""
    states: dict[str, Contract[Any, Any]] = {}
    for contract in contracts:
        name = _get_function_name(contract)
        number = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in states)
        states[f"{name}-{number + 1}" if number else name] = contract
    return states


def _parse_items(text: str) -> S3Items:
    from lambdachain.stepfunctions import S3Items

    bucket, key = _parse_location("--items", text)
    form = {".jsonl": "JSONL", ".json": "JSON", ".csv": "CSV"}.get(Path(key).suffix.lower())
    if form is None:
        raise InputError(f"--items {text}: the name must end with .jsonl, .json or .csv")
    return S3Items(bucket, key, cast("Literal['JSONL', 'JSON', 'CSV']", form))


def _parse_results(text: str) -> S3Results:
    from lambdachain.stepfunctions import S3Results

    return S3Results(*_parse_location("--results", text))


def _parse_location(option: str, text: str) -> tuple[str, str]:
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket or (option == "--items" and not key):
        raise InputError(f"{option} {text!r} is not a place in S3, such as s3://bucket/key")
    return bucket, key
