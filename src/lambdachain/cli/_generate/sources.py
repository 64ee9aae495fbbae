"""Read contracts from schemas: of lambdachain, JSON Schema, OpenAPI, or EventBridge's schema registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambdachain._contracts.contract_schema import parse_contract_schema
from lambdachain._core.type_guards import is_mapping
from lambdachain.cli._exit_status import InputError

from .definitions import JsonSchema, map_schemas

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_EVENT: Final = "AWSEvent"
_NOTHING: Final[JsonSchema] = {"type": "null"}
_MAX_DEPTH: Final = 100
# Documentation, and what would make the generator import modules that the schema names.
_IGNORED: Final = frozenset(
    {"example", "examples", "xml", "externalDocs"}
    | {"customTypePath", "customBasePath", "x-python-type", "x-python-import"}
)


@dataclass(frozen=True)
class ContractSource:
    """A contract, as a schema describes it; the schemas are in the terms of draft 2020-12, and self-contained.

    Attributes:
        function: The function's name or ARN; ``None`` if the schema does not name it.
        title: What the contract may be called after if there is no function.
        request: The schema of what callers send.
        response: The schema of what callers read.
        errors: The schema of each declared error, as callers read it.
        qualifier: The version or alias.
        idempotent: Whether the function may be run twice for one call.
        envelope: Whether events travel in an envelope.
        description: What the function does.
        notes: What the source says and a contract cannot.
    """

    function: str | None
    title: str
    request: JsonSchema
    response: JsonSchema
    errors: Mapping[str, JsonSchema] = field(default_factory=dict[str, JsonSchema])
    qualifier: str | None = None
    idempotent: bool = False
    envelope: bool = False
    description: str | None = None
    notes: tuple[str, ...] = ()


def read_document(path: Path) -> JsonSchema:
    """Read a file of JSON or YAML that has a mapping.

    Raises:
        InputError: It has neither.
        OSError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix not in (".yaml", ".yml") else _parse_yaml(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{path} is not JSON: {exc}") from None
    if not is_mapping(value):
        raise InputError(f"{path} is not a schema: it has {type(value).__name__} instead of an object")
    return dict(value)


def to_sources(document: JsonSchema, path: Path, operation: str | None) -> list[ContractSource]:
    """Return the contracts that a document describes.

    Args:
        document: What the file has.
        path: The file, for messages.
        operation: The ``operationId`` of the only operation that is wanted of an OpenAPI document.

    Raises:
        InputError: It describes none.
        ContractError: It is a contract's schema, and not valid.
    """
    if "lambdachain" in document:
        return [_from_contract(document)]
    if "openapi" in document or "swagger" in document:
        return _from_openapi(document, path, operation)
    if not any(key in document for key in ("type", "properties", "$ref", "allOf", "anyOf", "oneOf", "enum", "const")):
        raise InputError(f"{path} is not a schema: it is neither a contract's, nor OpenAPI, nor JSON Schema")
    return [ContractSource(None, str(document.get("title") or path.stem), to_modern_schema(document), _NOTHING)]


def to_modern_schema(schema: JsonSchema, definitions: Mapping[str, JsonSchema] | None = None) -> JsonSchema:
    """Return a schema of an older draft, or of OpenAPI 3.0, in the terms of draft 2020-12.

    Args:
        schema: The schema.
        definitions: What it may refer to besides its own definitions.

    Raises:
        InputError: It refers to something outside the document.
    """
    own = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    inner = {name: map_schemas(one, _modernize) for name, one in {**(definitions or {}), **own}.items()}
    root = {key: value for key, value in schema.items() if key not in ("definitions", "$defs", "$schema", "id", "$id")}
    modern = map_schemas(root, _modernize)
    return {**modern, "$defs": inner} if inner else modern


def _from_contract(document: JsonSchema) -> ContractSource:
    schema = parse_contract_schema(document)
    # What callers read is looser than what the callee promises: fields with a default may be missing.
    return ContractSource(
        function=schema["function"],
        title=schema["function"],
        request=to_modern_schema(schema["request"]),
        response=to_modern_schema(schema.get("response_as_read", schema["response"])),
        errors={
            name: to_modern_schema(error)
            for name, error in {**schema["errors"], **schema.get("errors_as_read", {})}.items()
        },
        qualifier=schema["qualifier"],
        idempotent=schema["idempotent"],
        envelope=schema["envelope"],
        description=schema.get("description"),
    )


def _from_openapi(document: JsonSchema, path: Path, operation: str | None) -> list[ContractSource]:
    if not str(document.get("openapi", "")).startswith("3."):
        raise InputError(f"{path} is not OpenAPI 3: convert it first")
    schemas: JsonSchema = document.get("components", {}).get("schemas", {})
    if _EVENT in schemas:
        return [_from_event(document, schemas)]
    found = [_from_operation(*found, document) for found in _iter_operations(document) if operation in (None, found[0])]
    if not found:
        names = ", ".join(name for name, _ in _iter_operations(document))
        what = f"no operation {operation!r}" if operation else "no operation with a JSON request body"
        raise InputError(f"{path} has {what}" + (f": it has {names}" if names else ""))
    return found


def _from_event(document: JsonSchema, schemas: JsonSchema) -> ContractSource:
    """Return the contract of a function that EventBridge sends events to."""
    event = schemas[_EVENT]
    title = str(event.get("x-amazon-events-detail-type") or document.get("info", {}).get("title") or _EVENT)
    return ContractSource(None, title, to_modern_schema({"$ref": f"#/components/schemas/{_EVENT}"}, schemas), _NOTHING)


def _iter_operations(document: JsonSchema) -> Iterator[tuple[str, JsonSchema]]:
    """Yield the name and the object of each operation that has a JSON request body."""
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            operation = item.get(method) if is_mapping(item) else None
            if operation and _find_json_schema(_resolve(operation.get("requestBody"), document)) is not None:
                shared = item.get("parameters", [])
                parameters = [*shared, *operation.get("parameters", [])]
                yield str(operation.get("operationId") or f"{method} {path}"), {**operation, "parameters": parameters}


def _from_operation(name: str, operation: JsonSchema, document: JsonSchema) -> ContractSource:
    schemas: JsonSchema = document.get("components", {}).get("schemas", {})
    responses = {str(status): _resolve(one, document) for status, one in operation.get("responses", {}).items()}
    status = next((status for status in sorted(responses) if status.startswith("2")), "default")
    response = _find_json_schema(responses.get(status))
    others = [other for other in responses if other != status]
    parameters = [str(_resolve(one, document).get("name")) for one in operation["parameters"]]
    notes = [f"{name}: parameter {one} is left out: only the body is the request" for one in parameters]
    notes += [f"{name}: responses {', '.join(others)} are left out: a function has one response"] if others else []
    description = operation.get("description") or operation.get("summary")
    request = _find_json_schema(_resolve(operation["requestBody"], document))
    return ContractSource(
        function=None,
        title=name,
        request=to_modern_schema(request or {}, schemas),
        response=to_modern_schema(response, schemas) if response is not None else _NOTHING,
        description=str(description) if description and str(description).strip() else None,
        notes=tuple(notes),
    )


def _find_json_schema(body: Any) -> JsonSchema | None:
    content: JsonSchema = body.get("content", {}) if is_mapping(body) else {}
    for media_type, one in content.items():
        name = media_type.partition(";")[0].strip()
        if name == "application/json" or name.endswith("+json"):
            return one.get("schema", {}) if is_mapping(one) else {}
    return None


def _resolve(value: Any, document: JsonSchema) -> Any:
    """Follow a reference into ``components``, of a body, response or parameter."""
    for _ in range(_MAX_DEPTH):
        if not (is_mapping(value) and isinstance(value.get("$ref"), str)):
            break
        found: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found.get(part, {}) if is_mapping(found) else {}
        value = found
    return value if is_mapping(value) else {}


def _modernize(schema: JsonSchema) -> JsonSchema:
    schema = {key: value for key, value in schema.items() if key not in _IGNORED}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        schema["$ref"] = _to_local_reference(reference)
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool):
            is_exclusive = schema.pop(exclusive)
            if is_exclusive and limit in schema:
                schema[exclusive] = schema.pop(limit)
    if schema.pop("nullable", False) is True:
        rest = {key: schema.pop(key) for key in list(schema) if key not in ("default", "description", "title")}
        schema["anyOf"] = [rest, {"type": "null"}]
    return _modernize_discriminator(schema)


def _modernize_discriminator(schema: JsonSchema) -> JsonSchema:
    mapping = schema.get("discriminator")
    if not is_mapping(mapping) or not is_mapping(mapping.get("mapping")):
        return schema
    local = {value: _to_local_reference(str(reference)) for value, reference in mapping["mapping"].items()}
    return {**schema, "discriminator": {**mapping, "mapping": local}}


def _to_local_reference(reference: str) -> str:
    for prefix in ("#/$defs/", "#/definitions/", "#/components/schemas/"):
        if reference.startswith(prefix):
            return "#/$defs/" + reference.removeprefix(prefix)
    raise InputError(f"{reference} refers to something outside the schema's definitions: bundle it into one file first")


def _parse_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from None
