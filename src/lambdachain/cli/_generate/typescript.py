"""Write the types of a contract in TypeScript, by npm's json-schema-to-typescript."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lambdachain._contracts.contract_schema import ContractSchema
from lambdachain.cli._exit_status import InputError, to_one_line

from .definitions import (
    ERROR,
    REQUEST,
    RESPONSE,
    TYPES_HOLDER,
    JsonSchema,
    Merged,
    Role,
    map_schemas,
    merge_definitions,
    to_class_name,
)

_PACKAGE: Final = "json-schema-to-typescript"
_INSTALL: Final = f"npm install --save-dev {_PACKAGE}"
_OPTIONS: Final = ("--no-additionalProperties", "--bannerComment=")
_HOLDER_TEXT: Final = re.compile(rf"^export interface {TYPES_HOLDER} \{{\n(?:  .*\n)*\}}\n", re.MULTILINE)


def generate_typescript(schema: ContractSchema, name: str, source: str) -> str:
    """Return a TypeScript module with the types of a contract.

    A caller in TypeScript sends the request as the callee accepts it, and reads the response as the callee writes it.

    Args:
        schema: The contract.
        name: Its name in its module; the types are named after it.
        source: ``module:contract``, for the header.

    Raises:
        InputError: Node.js or json-schema-to-typescript is not installed, or it rejects the schema.
    """
    prefix = to_class_name(name)
    roles = [
        Role(prefix + REQUEST, schema["request"], REQUEST),
        Role(prefix + RESPONSE, schema["response"], RESPONSE),
        *(Role(to_class_name(error), inner, ERROR, is_error=True) for error, inner in schema["errors"].items()),
    ]
    merged = merge_definitions(roles, _find_reserved(roles, prefix))
    names = [_name_role(merged, number, role.name) for number, role in enumerate(roles)]
    types = _compile(merged)
    aliases = [
        f"export type {role.name} = {own};\n"
        for role, own in zip(roles[:2], names[:2], strict=True)
        if role.name != own
    ]
    errors = [*zip(schema["errors"], names[2:], strict=True)]
    parts = [_write_header(source), *_write_constants(schema), types, *aliases, _write_union(prefix + ERROR, errors)]
    return "\n".join(parts)


def _find_reserved(roles: list[Role], prefix: str) -> set[str]:
    """Return the names that the module gives to something else than a definition."""
    own = {role.name for role in roles[:2] if role.schema.get("title") == role.name}
    return {prefix + REQUEST, prefix + RESPONSE, prefix + ERROR, TYPES_HOLDER} - own


def _name_role(merged: Merged, number: int, name: str) -> str:
    """Return the name of the type of a role. One without a name of its own, such as a list, gets that of the role."""
    schema = merged.roles[number]
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    merged.definitions[name] = {**schema, "title": name}
    merged.roles[number] = {"$ref": f"#/$defs/{name}"}
    return name


def _compile(merged: Merged) -> str:
    properties = {f"role{number}": role for number, role in enumerate(merged.roles)}
    document = {"title": TYPES_HOLDER, "type": "object", "properties": properties, "required": list(properties)}
    definitions = {name: map_schemas(schema, _to_old_schema) for name, schema in merged.definitions.items()}
    document |= {"$defs": definitions}
    ran = subprocess.run(  # noqa: S603
        [*_find_compiler(Path.cwd()), *_OPTIONS],
        input=json.dumps(document),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ran.returncode:
        raise InputError(f"{_PACKAGE} rejects the schema: {to_one_line(ran.stderr[-1000:])}")
    return _HOLDER_TEXT.sub("", ran.stdout).strip() + "\n"


def _find_compiler(directory: Path) -> list[str]:
    """Return the command of json-schema-to-typescript: of the nearest node_modules, else of the PATH.

    Raises:
        InputError: It is not installed. Nothing is downloaded.
    """
    node = shutil.which("node")
    if node is None:
        raise InputError(
            f"TypeScript types need Node.js and {_PACKAGE}: install Node.js, then npm install --save-dev {_PACKAGE}"
        )
    for parent in (directory, *directory.parents):
        package = parent / "node_modules" / _PACKAGE
        if (package / "package.json").is_file():
            programs = json.loads((package / "package.json").read_text(encoding="utf-8"))["bin"]
            return [node, str(package / programs["json2ts"])]
    installed = shutil.which("json2ts")
    if installed is None:
        raise InputError(
            f"TypeScript types need {_PACKAGE}, not installed in {directory}, its parents or globally: {_INSTALL}"
        )
    return [installed]


def _to_old_schema(schema: JsonSchema) -> JsonSchema:
    """Return a schema in the terms of draft 4, which the compiler reads: tuples above all.

    Lengths are left out: an array of one to three would become a union of tuples, which no array can be assigned to.
    """
    schema = {key: value for key, value in schema.items() if key not in ("default", "discriminator", "x-lambdachain")}
    if "prefixItems" in schema:
        items = schema.pop("prefixItems")
        rest = schema.pop("items", True)
        schema["items"] = items
        schema["additionalItems"] = rest if "maxItems" not in schema else False
        return {**schema, "minItems": schema.get("minItems", 0)}
    if schema.get("type") == "array":
        return {key: value for key, value in schema.items() if key not in ("minItems", "maxItems")}
    return schema


def _write_header(source: str) -> str:
    return (
        f"// Generated by `lambdachain schema {source} --as typescript`: change the contract instead of this file.\n"
        "/* eslint-disable */\n"
    )


def _write_constants(schema: ContractSchema) -> Iterator[str]:
    description = schema.get("description")
    if description:
        lines = "\n".join(f" * {line}".rstrip() for line in description.replace("*/", "* /").splitlines())
        yield f"/**\n{lines}\n */"
    yield f"export const functionName = {json.dumps(schema['function'])};"
    qualifier = schema["qualifier"]
    yield f"export const qualifier = {'undefined' if qualifier is None else json.dumps(qualifier)};\n"


def _write_union(name: str, errors: list[tuple[str, str]]) -> str:
    options = [f"  | {{ errorType: {json.dumps(error)}; fields: {own} }}" for error, own in errors]
    union = "\n" + "\n".join(options) if options else " never"
    return f"/** The declared errors: `fields` is the JSON of `errorMessage`. */\nexport type {name} ={union};\n"
