"""``lambdachain generate``: a contract module from schemas."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from lambdachain._contracts.contract import split_qualifier
from lambdachain.cli._exit_status import ExitStatus, InputError, echo, to_one_line
from lambdachain.cli._help import CommandWithExamples

from .sources import ContractSource, read_document, to_modern_schema, to_sources


@click.command(
    "generate",
    cls=CommandWithExamples,
    examples=[
        "lambdachain generate billing-charge.json --output billing_contracts.py",
        "lambdachain generate openapi.yaml --operation chargeCard --function billing-charge",
        "lambdachain generate OrderPlaced.json --function orders-archive --output orders_contracts.py",
        "lambdachain generate billing-charge.json --output billing_contracts.py --check",
    ],
)
@click.argument("schemas", metavar="SCHEMA...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), help="Write the module to this file; by default it is printed."
)
@click.option(
    "--function", "functions", multiple=True, help="Function of each contract whose schema does not name one."
)
@click.option("--name", "names", multiple=True, help="Name of each contract in the module; by default its function's.")
@click.option("--operation", help="Generate only the operation of an OpenAPI document that has this operationId.")
@click.option(
    "--response", type=click.Path(path_type=Path), help="JSON Schema of the response, for a JSON Schema of a request."
)
@click.option("--check", is_flag=True, help="Write nothing; exit with status 1 unless --output is up to date.")
def command(
    *,
    schemas: tuple[Path, ...],
    output: Path | None,
    functions: tuple[str, ...],
    names: tuple[str, ...],
    operation: str | None,
    response: Path | None,
    check: bool,
) -> None:
    """Write a contract module from schemas.

    SCHEMA is a file, in JSON or YAML: a contract's own, as `lambdachain schema` prints it; OpenAPI 3, of which each
    operation with a JSON body becomes a contract; a schema of an event, as EventBridge's registry exports it (OpenApi3
    or JSONSchemaDraft4); or the JSON Schema of a request. A file that was changed by hand is never overwritten.
    """
    from .generated_file import add_header, check_unchanged
    from .models import require_generator
    from .python_module import generate_module

    require_generator()
    if check and output is None:
        raise InputError("--check needs --output, the file to be checked")
    if output is not None:
        check_unchanged(output)
    sources = _name_functions(_read_sources(schemas, operation, response), functions)
    if names and len(names) != len(sources):
        raise InputError(f"{len(names)} times --name for {len(sources)} contracts: pass one for each, in their order")
    module = generate_module(sources, names or [None] * len(sources), output or Path("contracts.py"))
    options = {"--function": functions, "--name": names, "--operation": (operation,), "--response": (response,)}
    source = add_header(module.body, _format_command(schemas, options))
    for note in module.notes:
        echo(f"note: {note}", file=sys.stderr)
    if output is None:
        echo(source.rstrip("\n"))
    elif not check:
        output.write_text(source, encoding="utf-8")
    elif not output.exists() or output.read_text(encoding="utf-8") != source:
        echo(f"{output} is out of date", file=sys.stderr)
        sys.exit(ExitStatus.NO)


def _format_command(schemas: tuple[Path, ...], options: Mapping[str, tuple[str | Path | None, ...]]) -> str:
    """Return the command that generates a module, with the names of files only: they may lie elsewhere."""
    words = ["lambdachain", "generate", *(path.name for path in schemas)]
    for option, values in options.items():
        for value in values:
            words += [option, value.name if isinstance(value, Path) else value] if value is not None else []
    return to_one_line(shlex.join(words))


def _read_sources(schemas: tuple[Path, ...], operation: str | None, response: Path | None) -> list[ContractSource]:
    sources = [source for path in schemas for source in to_sources(read_document(path), path, operation)]
    if response is None:
        return sources
    if len(sources) != 1 or sources[0].response != {"type": "null"}:
        raise InputError("--response is for one schema that describes only a request")
    return [replace(sources[0], response=to_modern_schema(read_document(response)))]


def _name_functions(sources: list[ContractSource], functions: tuple[str, ...]) -> list[ContractSource]:
    """Return the sources with the functions of ``--function``, for those that name none."""
    unnamed = [source.title for source in sources if source.function is None]
    if len(unnamed) != len(functions):
        wanted = f"pass --function for each of {', '.join(unnamed)}" if unnamed else "every schema names its function"
        raise InputError(f"{len(functions)} times --function for {len(unnamed)} contracts without one: {wanted}")
    remaining = iter(functions)
    return [source if source.function is not None else _set_function(source, next(remaining)) for source in sources]


def _set_function(source: ContractSource, function: str) -> ContractSource:
    name, qualifier = split_qualifier(function, None, InputError)
    return replace(source, function=name, qualifier=qualifier)
