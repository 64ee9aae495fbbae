"""A contract as JSON: what travels between caller and callee, for those who do not have its Python."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final, NotRequired, Protocol, TypedDict, cast

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError, InvalidArnError
from lambdachain._core.type_guards import is_mapping, is_sequence
from lambdachain._json.codec import codec_of
from lambdachain._json.core_schema import Schema
from lambdachain._json.json_schema import DIALECT, JsonSchema, generate_json_schema
from lambdachain._json.schema_extensions import Mode

from .remote_error import RemoteError, carrier_of

FORMAT: Final = 1
_MAX_DEPTH: Final = 100

_REQUIRED: Final = frozenset(
    {"lambdachain", "function", "qualifier", "idempotent", "envelope", "request", "response", "errors"}
)


class Declaration(Protocol):
    """What a contract says; see ``Contract``, which stands above this module."""

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


class ContractSchema(TypedDict):
    """A contract as JSON; ``Contract.schema`` makes it.

    The schemas are JSON Schema, draft 2020-12, each complete in itself. Who calls the function from another language
    needs ``request``, ``response`` and ``errors``. The others are there only where lambdachain's own callers send or
    read something else: they always send a field that has a default, for example. The keyword ``x-lambdachain``
    inside says what JSON Schema has no words for; a validator may ignore it.

    Attributes:
        lambdachain: The version of this format.
        function: The function's name, partial ARN or ARN, without a qualifier.
        qualifier: The version or alias that calls go to.
        idempotent: Whether the function may be run twice for one call.
        envelope: Whether events of ``fire`` travel in an envelope.
        request: What the callee accepts.
        response: What the callee answers.
        errors: What the callee writes as ``errorMessage``, itself JSON, for each ``errorType`` that it declares.
        request_as_sent: What callers send.
        response_as_read: What callers accept as the answer.
        errors_as_read: What callers accept as each error.
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


def schema_of(contract: Declaration) -> ContractSchema:
    """Describe *contract*; see ``Contract.schema``."""
    errors = {error.__name__: error for error in sorted(contract.errors, key=lambda error: error.__name__)}
    schema = ContractSchema(
        lambdachain=FORMAT,
        function=contract.function,
        qualifier=None if contract.qualifier is None else str(contract.qualifier),
        idempotent=contract.idempotent,
        envelope=contract.envelope,
        request=_described(contract.request, "validation"),
        response=_described(contract.response, "serialization"),
        errors={name: _error(error, "serialization") for name, error in errors.items()},
    )
    sent, read = _described(contract.request, "serialization"), _described(contract.response, "validation")
    errors_read = {name: _error(error, "validation") for name, error in errors.items()}
    errors_read = {name: form for name, form in errors_read.items() if form != schema["errors"][name]}
    if sent != schema["request"]:
        schema["request_as_sent"] = sent
    if read != schema["response"]:
        schema["response_as_read"] = read
    if errors_read:
        schema["errors_as_read"] = errors_read
    return schema


def checked_schema(value: object) -> ContractSchema:
    """Parse what was read from a file as the schema of a contract.

    Raises:
        ContractError: It is none, or of another format.
    """
    if not is_mapping(value) or not value.keys() >= _REQUIRED:
        raise ContractError("this is neither a contract nor what Contract.schema gives: read its file with json.load")
    if value["lambdachain"] != FORMAT:
        raise ContractError(f"the schema is of format {value['lambdachain']}, and this lambdachain knows {FORMAT}")
    try:
        parse_target(value["function"])
    except (InvalidArnError, TypeError) as exc:
        raise ContractError(f"the schema's function is none: {exc}") from exc
    for place, form in _forms(value):
        if not is_mapping(form):
            raise ContractError(f"{place} in the schema is no JSON Schema, but {type(form).__name__}")
        if _is_deeper(form, _MAX_DEPTH):
            raise ContractError(f"{place} in the schema is nested too deeply: at most {_MAX_DEPTH} levels are read")
    return cast("ContractSchema", value)


def _is_deeper(tree: object, depth: int) -> bool:
    """Check whether JSON is nested more deeply than *depth*, level by level."""
    level: list[object] = [tree]
    for _ in range(depth):
        inner = [one.values() if is_mapping(one) else one for one in level if is_mapping(one) or is_sequence(one)]
        level = [value for values in inner for value in values]
    return bool(level)


def _forms(schema: Schema) -> Iterator[tuple[str, object]]:
    """Yield every JSON Schema that is in it, and where."""
    for name in ("request", "request_as_sent", "response", "response_as_read"):
        yield name, schema.get(name, {})
    for name in ("errors", "errors_as_read"):
        forms = schema.get(name, {})
        yield from (
            ((f"{name}.{error}", form) for error, form in forms.items()) if is_mapping(forms) else [(name, forms)]
        )


def _error(error: type[RemoteError], mode: Mode) -> JsonSchema:
    carrier = carrier_of(error)
    codec_of(carrier).check_type(f"error {error.__name__}")
    described = _described(carrier, mode)
    said = error.__dict__.get("__doc__")
    return {**described, "description": inspect.cleandoc(said)} if said else described


def _described(form: object, mode: Mode) -> JsonSchema:
    return {"$schema": DIALECT, **generate_json_schema(codec_of(form).schema, mode)}
