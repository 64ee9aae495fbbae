"""A contract as JSON: what travels between caller and callee, for those who do not have its Python."""

from __future__ import annotations

import inspect
from typing import Any, Final, NotRequired, Protocol, TypedDict

from ._codec import codec_of
from ._json_schema import DIALECT, JsonSchema, Mode, json_schema_of
from ._remote_error import RemoteError, carrier_of

FORMAT: Final = 1


class Declaration(Protocol):
    """What a contract says; see ``Contract``, which stands above this module."""

    @property
    def function(self) -> str: ...  # noqa: D102
    @property
    def request(self) -> Any: ...  # noqa: D102
    @property
    def response(self) -> Any: ...  # noqa: D102
    @property
    def errors(self) -> tuple[type[RemoteError], ...]: ...  # noqa: D102
    @property
    def idempotent(self) -> bool: ...  # noqa: D102
    @property
    def qualifier(self) -> str | None: ...  # noqa: D102
    @property
    def envelope(self) -> bool: ...  # noqa: D102


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
    errors = sorted(contract.errors, key=lambda error: error.__name__)
    schema = ContractSchema(
        lambdachain=FORMAT,
        function=contract.function,
        qualifier=None if contract.qualifier is None else str(contract.qualifier),
        idempotent=contract.idempotent,
        envelope=contract.envelope,
        request=_described(contract.request, "validation"),
        response=_described(contract.response, "serialization"),
        errors={error.__name__: _error(error, "serialization") for error in errors},
    )
    sent, read = _described(contract.request, "serialization"), _described(contract.response, "validation")
    errors_read = {error.__name__: _error(error, "validation") for error in errors}
    if sent != schema["request"]:
        schema["request_as_sent"] = sent
    if read != schema["response"]:
        schema["response_as_read"] = read
    if errors_read != schema["errors"]:
        schema["errors_as_read"] = {name: form for name, form in errors_read.items() if form != schema["errors"][name]}
    return schema


def _error(error: type[RemoteError], mode: Mode) -> JsonSchema:
    described = _described(carrier_of(error), mode)
    said = error.__dict__.get("__doc__")
    return {**described, "description": inspect.cleandoc(said)} if said else described


def _described(form: object, mode: Mode) -> JsonSchema:
    return {"$schema": DIALECT, **json_schema_of(codec_of(form).schema, mode)}
