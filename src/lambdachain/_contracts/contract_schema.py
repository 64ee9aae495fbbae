"""A contract as JSON: what caller and callee send each other, for programs that do not have its Python code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final, NotRequired, Protocol, TypedDict, cast

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError, InvalidArnError
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import codec_for
from lambdachain._json.core_schema import Schema
from lambdachain._json.json_schema import DIALECT, JsonSchema, generate_json_schema
from lambdachain._json.schema_extensions import Mode

from .remote_error import RemoteError, fields_class_for

FORMAT: Final = 1
_MAX_DEPTH: Final = 100

_REQUIRED: Final = frozenset(
    {"lambdachain", "function", "qualifier", "idempotent", "envelope", "request", "response", "errors"}
)


class Declaration(Protocol):
    """The attributes of a ``Contract``, whose module imports this one."""

    @property
    def function(self) -> str: ...
    @property
    def request(self) -> Any: ...
    @property
    def response(self) -> Any: ...
    @property
    def errors(self) -> tuple[type[RemoteError], ...]: ...
    @property
    def idempotent(self) -> bool: ...
    @property
    def qualifier(self) -> str | None: ...
    @property
    def envelope(self) -> bool: ...
    @property
    def description(self) -> str | None: ...


class ContractSchema(TypedDict):
    """A contract as JSON; ``Contract.schema`` makes it.

    The schemas are JSON Schema, draft 2020-12, each self-contained. A caller in another language needs ``request``,
    ``response`` and ``errors``. The others are there only if lambdachain's own callers send or read something else:
    they always send a field that has a default, for example. The keyword ``x-lambdachain`` has what JSON Schema cannot
    express; a validator may ignore it.

    Attributes:
        lambdachain: The version of this format.
        function: The function's name, partial ARN or ARN, without a qualifier.
        qualifier: The version or alias that calls go to.
        idempotent: Whether the function may be run twice for one call.
        envelope: Whether events of ``fire`` travel in an envelope.
        request: What the callee accepts.
        response: What the callee returns.
        errors: What the callee writes as ``errorMessage``, itself JSON, for each ``errorType`` that it declares.
        request_as_sent: What callers send.
        response_as_read: What callers accept as the response.
        errors_as_read: What callers accept as each error.
        description: What the function does, if the contract describes it.
    """

    lambdachain: int
    function: str
    qualifier: str | None
    idempotent: bool
    envelope: bool
    request: JsonSchema
    response: JsonSchema
    errors: dict[str, JsonSchema]
    request_as_sent: NotRequired[JsonSchema]
    response_as_read: NotRequired[JsonSchema]
    errors_as_read: NotRequired[dict[str, JsonSchema]]
    description: NotRequired[str]


def to_schema(contract: Declaration) -> ContractSchema:
    """Return the schema of *contract*; see ``Contract.schema``."""
    # Sorted, so that a file with the schema does not change with the order of declaration.
    errors = {error.__name__: error for error in sorted(contract.errors, key=lambda error: error.__name__)}
    schema = ContractSchema(
        lambdachain=FORMAT,
        function=contract.function,
        qualifier=None if contract.qualifier is None else str(contract.qualifier),
        idempotent=contract.idempotent,
        envelope=contract.envelope,
        request=_describe(contract.request, "validation"),
        response=_describe(contract.response, "serialization"),
        errors={name: _describe_error(error, "serialization") for name, error in errors.items()},
    )
    sent, read = _describe(contract.request, "serialization"), _describe(contract.response, "validation")
    errors_read = {name: _describe_error(error, "validation") for name, error in errors.items()}
    errors_read = {name: error for name, error in errors_read.items() if error != schema["errors"][name]}
    if sent != schema["request"]:
        schema["request_as_sent"] = sent
    if read != schema["response"]:
        schema["response_as_read"] = read
    if errors_read:
        schema["errors_as_read"] = errors_read
    if contract.description is not None:
        schema["description"] = contract.description
    return schema


def parse_contract_schema(value: object) -> ContractSchema:
    """Check that *value*, which was read from a file, is the schema of a contract, and return it.

    Raises:
        ContractError: It is not, or has an unknown format.
    """
    if not is_mapping(value) or not value.keys() >= _REQUIRED:
        raise ContractError("not a contract schema: pass what Contract.schema() returned, read from its file as JSON")
    if value["lambdachain"] != FORMAT:
        raise ContractError(
            f"the schema has format {value['lambdachain']}, and this version of lambdachain reads format {FORMAT}"
        )
    try:
        parse_target(value["function"])
    except (InvalidArnError, TypeError) as exc:
        raise ContractError(f"the schema's function is not valid: {exc}") from exc
    if not isinstance(value.get("description", ""), str):
        raise ContractError(f"description in the schema must be text, not {type(value['description']).__name__}")
    for location, schema in _iter_schemas(value):
        if not is_mapping(schema):
            raise ContractError(f"{location} in the schema must be a JSON Schema, not {type(schema).__name__}")
        # Schemas are compared recursively, so one from a file must not exhaust the stack.
        if _is_nested_deeper(schema, _MAX_DEPTH):
            raise ContractError(f"{location} in the schema is nested too deeply: at most {_MAX_DEPTH} levels are read")
    return cast("ContractSchema", value)


def _is_nested_deeper(tree: object, depth: int) -> bool:
    """Check whether JSON is nested more deeply than *depth*, without recursion."""
    level: list[object] = [tree]
    for _ in range(depth):
        inner = [one.values() if is_mapping(one) else one for one in level if is_mapping(one) or is_sequence(one)]
        level = [value for values in inner for value in values]
    return bool(level)


def _iter_schemas(schema: Schema) -> Iterator[tuple[str, object]]:
    """Yield every JSON Schema in a contract's schema, and its location."""
    for name in ("request", "request_as_sent", "response", "response_as_read"):
        yield name, schema.get(name, {})
    for name in ("errors", "errors_as_read"):
        schemas = schema.get(name, {})
        yield from (
            ((f"{name}.{error}", inner) for error, inner in schemas.items())
            if is_mapping(schemas)
            else [(name, schemas)]
        )


def _describe_error(error: type[RemoteError], mode: Mode) -> JsonSchema:
    fields_class = fields_class_for(error)
    codec_for(fields_class).check_type(f"error {error.__name__}")
    described = _describe(fields_class, mode)
    docstring = error.__dict__.get("__doc__")
    return {**described, "description": inspect.cleandoc(docstring)} if docstring else described


def _describe(annotation: object, mode: Mode) -> JsonSchema:
    return {"$schema": DIALECT, **generate_json_schema(codec_for(annotation).schema, mode)}
