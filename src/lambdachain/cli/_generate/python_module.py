"""Write a contract module in Python from the sources of contracts."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from lambdachain._core.arn import parse_target
from lambdachain.cli._exit_status import InputError

from .definitions import (
    ERROR,
    REQUEST,
    RESPONSE,
    TYPES_HOLDER,
    JsonSchema,
    Merged,
    Role,
    find_references,
    merge_definitions,
    to_class_name,
)
from .models import format_python, generate_models
from .python_types import REVEAL_SECRET, PythonTypes
from .sources import ContractSource
from .syntax import IMPORTS, IS_ABSENT, ModelEditor, to_import_lines

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RESERVED: Final = frozenset(
    {*IMPORTS, TYPES_HOLDER, "BaseModel", "ConfigDict", "RootModel", "Enum", "StrEnum", "IntEnum"}
)
_HELPERS: Final = {
    REVEAL_SECRET: f"def {REVEAL_SECRET}(secret: SecretStr) -> str:\n    return secret.get_secret_value()",
    IS_ABSENT: f"def {IS_ABSENT}(value: object) -> bool:\n    return value is None",
}


class GeneratedModule(NamedTuple):
    """The source of a module without its header, and what it does not express."""

    body: str
    notes: list[str]


def generate_module(sources: Sequence[ContractSource], names: Sequence[str | None], path: Path) -> GeneratedModule:
    """Generate the module of some contracts.

    Args:
        sources: The contracts, each with a function.
        names: The names that the contracts get in the module; ``None`` for the name of the function.
        path: The file that the module is for, which says by which settings it is formatted.

    Raises:
        InputError: A type cannot be generated, or two contracts would have one name.
    """
    contracts = [name or to_variable_name(source) for name, source in zip(names, sources, strict=True)]
    for name in [*contracts, *(error for source in sources for error in source.errors)]:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise InputError(f"{name!r} is not a Python name, so no contract or error can have it")
    twice = next((name for name in contracts if contracts.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two contracts would be named {twice}: pass one --name for each")
    roles = [role for pair in zip(sources, contracts, strict=True) for role in _iter_roles(*pair)]
    merged = merge_definitions(roles, {*_RESERVED, *contracts})
    types = PythonTypes()
    editor = _make_editor(roles, merged, types)
    document = _to_document(merged, types, {name: alias for alias, name in editor.errors.items()})
    tree = editor.edit(generate_models(document, TYPES_HOLDER, editor.errors))
    body = _write_module(tree, editor.annotations, zip(contracts, sources, strict=True))
    notes = [*(note for source in sources for note in source.notes), *types.notes]
    return GeneratedModule(format_python(body, path), list(dict.fromkeys(notes)))


def _make_editor(roles: Sequence[Role], merged: Merged, types: PythonTypes) -> ModelEditor:
    schemas = [*zip(roles, merged.roles, strict=True)]
    sent: JsonSchema = {"anyOf": [schema for role, schema in schemas if role.suffix == REQUEST]}
    names = dict.fromkeys(role.name for role in roles if role.is_error)
    # The generator would change their names, which are sent as they are.
    errors = {f"LambdachainError{number}": name for number, name in enumerate(names)}
    return ModelEditor(
        types.expressions, merged.definitions, TYPES_HOLDER, errors, find_references(sent, merged.definitions)
    )


def _to_document(merged: Merged, types: PythonTypes, aliases: Mapping[str, str]) -> JsonSchema:
    """Return the schema of a class whose fields are the types of the contracts, which are read from it afterwards."""
    # Only a contract refers to its errors.
    references = {f"#/$defs/{name}": f"#/$defs/{alias}" for name, alias in aliases.items()}
    properties: JsonSchema = {}
    for number, schema in enumerate(merged.roles):
        role = types.replace_in(schema, "a contract")
        reference = role.get("$ref")
        properties[f"role_{number}"] = {"$ref": references[reference]} if reference in references else role
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TYPES_HOLDER,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": {
            aliases.get(name, name): types.replace_in(schema, name) for name, schema in merged.definitions.items()
        },
    }


def to_variable_name(source: ContractSource) -> str:
    """Return the name of a contract in its module, for the name of its function.

    >>> to_variable_name(ContractSource("billing-chargeCard:live", "", {}, {}))
    'billing_charge_card'
    """
    text = source.title if source.function is None else str(parse_target(source.function).name)
    name = "_".join(word.lower() for word in _WORDS.findall(text)) or "contract"
    name = f"contract_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) else name


def _iter_roles(source: ContractSource, contract: str) -> Iterator[Role]:
    prefix = to_class_name(contract)
    yield Role(prefix + REQUEST, source.request, REQUEST)
    yield Role(prefix + RESPONSE, source.response, RESPONSE)
    for name, schema in source.errors.items():
        yield Role(name, {"properties": {}, **schema, "title": name}, ERROR, is_error=True)


def _write_module(tree: ast.Module, annotations: Sequence[str], contracts: Iterable[tuple[str, ContractSource]]) -> str:
    remaining = iter(annotations)
    statements = [_write_contract(name, source, remaining) for name, source in contracts]
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    classes = [ast.unparse(node) for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    code = "\n\n".join([*classes, *statements])
    helpers = [text for name, text in _HELPERS.items() if name in code]
    code = "\n\n".join([*helpers, code])
    return "\n".join([*imports, *to_import_lines(code), "", code, ""])


def _write_contract(name: str, source: ContractSource, annotations: Iterator[str]) -> str:
    request, response = next(annotations), next(annotations)
    errors = [next(annotations) for _ in source.errors]
    arguments = [repr(source.function), f"request={request}", f"response={response}"]
    arguments += [f"errors=[{', '.join(errors)}]"] if errors else []
    options: Mapping[str, Any] = {
        "idempotent": source.idempotent or None,
        "qualifier": source.qualifier,
        "envelope": source.envelope or None,
        "description": source.description,
    }
    arguments += [f"{option}={value!r}" for option, value in options.items() if value is not None]
    return f"{name} = Contract({', '.join(arguments)})"
