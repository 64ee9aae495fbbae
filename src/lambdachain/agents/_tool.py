"""A contract as a tool: its name and schemas as models need them, and a call from the arguments of a model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._calling.options import CallOptions, check_bound_options
from lambdachain._client.client import LambdaClient
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError, ErrorDetail, InvalidRequestError, ResponseError
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import codec_for
from lambdachain._json.json_schema import EXTENSION_KEYWORD, JsonSchema
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._transports.argument_checks import describe_kind

if TYPE_CHECKING:
    from lambdachain._client.async_client import AsyncLambdaClient

# The limit of Bedrock and of the models' own APIs; MCP allows 128.
MAX_NAME: Final = 64
REQUEST: Final = "request"
RESULT: Final = "result"
# The keywords of JSON Schema whose values are names of schemas, and those whose values are data.
_NAMED_SCHEMAS: Final = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_DATA: Final = frozenset({"default", "const", "enum", "examples"})
_ONE_FOR_ALL: Final = ("idempotency_key", "durable_name")


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A contract as a tool: models pass and read JSON objects only.

    Attributes:
        contract: The contract.
        name: The name of the tool.
        description: What it does, for the model that chooses.
        arguments: The shape of what the model passes.
        result: The shape of what it reads.
    """

    contract: Contract[Any, Any]
    name: str
    description: str | None
    arguments: ObjectShape
    result: ObjectShape


class ObjectShape(NamedTuple):
    """A JSON Schema of objects, for a type that may have another form.

    Attributes:
        schema: The schema, whose ``type`` is ``object``.
        wrapped_as: The property that holds the value; ``None`` if the value is the object itself.
        is_empty: Whether the type has one value, ``null``, so that the object needs no property.
    """

    schema: JsonSchema
    wrapped_as: str | None = None
    is_empty: bool = False

    def unwrap(self, value: Mapping[str, Any]) -> Any:
        """Return what the type describes, from an object as the schema describes it.

        Raises:
            PayloadValidationError: The property that holds the value is missing.
        """
        if self.is_empty:
            return None
        if self.wrapped_as is None:
            return value
        if self.wrapped_as not in value:
            raise PayloadValidationError([ErrorDetail(loc=(), type="missing", msg="Field required")])
        return value[self.wrapped_as]

    def wrap(self, value: Any) -> dict[str, Any]:
        """Return the object for a value of the type."""
        wrapped: dict[str, Any] = value if self.wrapped_as is None else {self.wrapped_as: value}
        return {} if self.is_empty else wrapped


def define_tool(target: HasContract[Any, Any], name: str | None = None) -> ToolDefinition:
    """Define the tool of a contract or handler; its name is the function's, unless *name* is another one.

    Raises:
        ContractError: *target* has no contract, or models cannot call a tool of that name.
    """
    # A bound function has a contract, too, but its options would be ignored.
    if not isinstance(target, HasContract):  # pyright: ignore[reportUnnecessaryIsInstance] - a wrong argument
        raise ContractError(f"a tool needs a Contract, or a handler made by remote, not {describe_kind(target)}")
    contract = target.contract
    schema = contract.schema()
    return ToolDefinition(
        contract=contract,
        name=_check_name(parse_target(contract.function).name if name is None else name),
        description=contract.description,
        arguments=to_object_shape(schema["request"], REQUEST),
        result=to_object_shape(schema["response"], RESULT),
    )


def check_options(options: CallOptions) -> None:
    """Raise for options that the calls of a tool cannot share.

    Raises:
        ContractError: An option does not exist or is not valid, or only one call could have its value.
    """
    check_bound_options(options)
    for name in _ONE_FOR_ALL:
        if options.get(name) is not None:
            raise ContractError(f"{name} cannot be shared by all calls of a tool: only the first would run")


def call_tool(
    client: LambdaClient, tool: ToolDefinition, arguments: object, call_id: str | None, options: CallOptions
) -> dict[str, Any]:
    """Call the function of a tool with a model's arguments; return the response as a JSON object.

    Raises:
        CallError: As ``LambdaClient.call``; ``InvalidRequestError`` if the arguments do not fit.
    """
    payload = parse_arguments(tool, arguments)
    return to_result(tool, client.call(tool.contract, payload, **_with_key(tool, arguments, call_id, options)))


async def call_tool_async(
    client: AsyncLambdaClient, tool: ToolDefinition, arguments: object, call_id: str | None, options: CallOptions
) -> dict[str, Any]:
    """Call the function of a tool as ``call_tool`` does, in an event loop.

    Raises:
        CallError: As ``call_tool``.
    """
    payload = parse_arguments(tool, arguments)
    return to_result(tool, await client.call(tool.contract, payload, **_with_key(tool, arguments, call_id, options)))


def is_blocking(client: LambdaClient | AsyncLambdaClient) -> bool:
    """Check whether a client blocks, or is for event loops.

    Raises:
        ContractError: It is not a client.
    """
    if isinstance(client, LambdaClient):
        return True
    from lambdachain._client.async_client import AsyncLambdaClient

    if not isinstance(client, AsyncLambdaClient):  # pyright: ignore[reportUnnecessaryIsInstance] - a wrong argument
        raise ContractError(f"a tool needs a LambdaClient or an AsyncLambdaClient, not {type(client).__name__}")
    return False


def parse_arguments(tool: ToolDefinition, arguments: object) -> Any:
    """Parse a model's arguments, decoded from JSON, as the request of the contract.

    Raises:
        InvalidRequestError: They do not fit; ``errors`` has the locations in the arguments.
    """
    try:
        return codec_for(tool.contract.request).validate_event(_unwrap_arguments(tool, arguments))
    except PayloadValidationError as exc:
        details = exc.details
    prefix = () if tool.arguments.wrapped_as is None else (tool.arguments.wrapped_as,)
    located = [ErrorDetail(loc=(*prefix, *one["loc"]), type=one["type"], msg=one["msg"]) for one in details]
    # Raised outside the except clause: as its context, pydantic's error would show the arguments in a traceback.
    raise InvalidRequestError(
        f"the arguments of the tool {tool.name} do not fit", errors=located, function=tool.contract.function
    )


def _unwrap_arguments(tool: ToolDefinition, arguments: object) -> Any:
    if arguments is None:  # as some models call a tool without arguments
        arguments = {}
    if not is_mapping(arguments):
        raise PayloadValidationError([ErrorDetail(loc=(), type="dict_type", msg="Input should be a JSON object")])
    return tool.arguments.unwrap(arguments)


def to_result(tool: ToolDefinition, value: object) -> dict[str, Any]:
    """Convert a response to the JSON object that the tool's output schema describes.

    Raises:
        ResponseError: It was read, but cannot be written again as the contract describes it.
    """
    try:
        return tool.result.wrap(codec_for(tool.contract.response).dump(value))
    except PayloadValidationError as exc:
        details = exc.details
    raise ResponseError(
        f"the response cannot be serialized for the tool {tool.name}", errors=details, function=tool.contract.function
    )


def derive_idempotency_key(function: str, call_id: str, arguments: object) -> str:
    """Derive the idempotency key of a tool call: the same id with the same arguments has the same key.

    With the arguments, because some models number their calls, and start again in the next conversation.
    """
    text = json.dumps([function, call_id, arguments], sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()


def to_object_shape(schema: JsonSchema, wrapped_as: str) -> ObjectShape:
    """Return a schema as one of objects: as it is if it has only objects, or wrapped in a property."""
    schema = _without_extensions({key: value for key, value in schema.items() if key != "$schema"})
    if schema.get("type") == "null":
        return ObjectShape({"type": "object", "properties": {}}, is_empty=True)
    inlined = _inline_root(schema)
    if inlined.get("type") == "object":
        return ObjectShape(inlined)
    definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
    properties = {"type": "object", "properties": {wrapped_as: schema}, "required": [wrapped_as]}
    return ObjectShape({**properties, **definitions}, wrapped_as)


def _inline_root(schema: JsonSchema) -> JsonSchema:
    """Replace a reference at the root, which a recursive model has, by what it refers to."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    definition = schema["$defs"][reference.rpartition("/")[2]]
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_extensions(schema: Any) -> Any:
    """Return a schema without our own keyword, which costs a model tokens and means nothing to it."""
    if is_sequence(schema):
        return [_without_extensions(one) for one in schema]
    if not is_mapping(schema):
        return schema
    kept = {key: value for key, value in schema.items() if key != EXTENSION_KEYWORD}
    return {key: value if key in _DATA else _clean(key, value) for key, value in kept.items()}


def _clean(key: str, value: Any) -> Any:
    if key in _NAMED_SCHEMAS and is_mapping(value):
        return {name: _without_extensions(one) for name, one in value.items()}
    return _without_extensions(value)


def _with_key(tool: ToolDefinition, arguments: object, call_id: str | None, options: CallOptions) -> CallOptions:
    # Without an idempotent contract there is no key: it would make the client repeat what may have run.
    if not tool.contract.idempotent or not call_id:
        return options
    return {**options, "idempotency_key": derive_idempotency_key(tool.contract.function, call_id, arguments)}


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME}}}", name):
        raise ContractError(
            f"{name!r} is not a name that models can call: pass name= with 1 to {MAX_NAME} letters, digits, - and _"
        )
    return name
