"""Contracts as tools of Bedrock's Converse API: plain dicts, as boto3 sends and returns them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack, overload

from lambdachain._calling.options import CallOptions
from lambdachain._client.client import LambdaClient
from lambdachain._contracts.contract import HasContract
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.escaping import printable
from lambdachain._core.type_guards import is_mapping

from ._error_texts import describe_error_for_model
from ._tool import MAX_NAME, ToolDefinition, call_tool, call_tool_async, check_options, define_tool, is_blocking

if TYPE_CHECKING:
    from lambdachain._client.async_client import AsyncLambdaClient

Tools = Iterable[HasContract[Any, Any]] | Mapping[str, HasContract[Any, Any]]


def to_bedrock_tool(contract: HasContract[Any, Any], /, *, name: str | None = None) -> dict[str, Any]:
    """Return a contract as a tool of Bedrock's Converse API: an entry of ``toolConfig["tools"]``.

    >>> from lambdachain import Contract
    >>> double = Contract("orders-double", request=int, response=int, description="Double a number.")
    >>> to_bedrock_tool(double)["toolSpec"]["inputSchema"]
    {'json': {'type': 'object', 'properties': {'request': {'type': 'integer'}}, 'required': ['request']}}

    Args:
        contract: A contract or decorated handler. A request that is not a JSON object is wrapped in ``request``.
        name: The tool's name; by default the function's.

    Raises:
        ContractError: Bedrock does not accept the name: it needs 1 to 64 letters, digits, ``-`` and ``_``.
    """
    tool = define_tool(contract, name)
    described = {} if tool.description is None else {"description": tool.description}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": tool.arguments.schema}}}


@overload
def run_bedrock_tool_use(
    tool_use: Mapping[str, Any], client: LambdaClient, contracts: Tools, /, **options: Unpack[CallOptions]
) -> dict[str, Any]: ...
@overload
def run_bedrock_tool_use(
    tool_use: Mapping[str, Any], client: AsyncLambdaClient, contracts: Tools, /, **options: Unpack[CallOptions]
) -> Awaitable[dict[str, Any]]: ...
def run_bedrock_tool_use(
    tool_use: Mapping[str, Any],
    client: LambdaClient | AsyncLambdaClient,
    contracts: Tools,
    /,
    **options: Unpack[CallOptions],
) -> dict[str, Any] | Awaitable[dict[str, Any]]:
    """Call the function that a ``toolUse`` block asks for; return the ``toolResult`` block for the next message.

    A call that fails is a result, too, with the status ``error`` and the text of ``describe_error_for_model``. With an
    ``AsyncLambdaClient``, await what is returned.

    >>> from lambdachain import Contract, LambdaClient
    >>> from lambdachain.testing import StubTransport
    >>> double = Contract("orders-double", request=int, response=int)
    >>> block = {"toolUse": {"toolUseId": "tooluse_1", "name": "orders-double", "input": {"request": 21}}}
    >>> with StubTransport() as stub:
    ...     _ = stub.on(double).returns(42)
    ...     run_bedrock_tool_use(block, LambdaClient(), [double], timeout=10)["toolResult"]["content"]
    [{'json': {'result': 42}}]

    Args:
        tool_use: A content block with ``toolUse``, as ``converse`` returns it.
        client: The client that calls.
        contracts: The contracts that the model may call; a mapping if their tools have other names than the functions.
        timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
        retry: A ``RetryPolicy``, in place of the client's.
        idempotency_key: Rejected, as is ``durable_name``. An idempotent contract has a key by itself, which follows
            from ``toolUseId`` and the input: a block that is run again has the same key.
        qualifier: A version or alias, in place of the contract's.
        tenant_id: The tenant, for a function with tenant isolation.
        durable_name: Rejected.
        client_context: Texts for the callee's ``context.client_context.custom``.
        log_tail: Has no effect on the result.

    Raises:
        ContractError: *tool_use* is not such a block, two tools have the same name, or an option is not valid.
    """
    check_options(options)
    block = _get_tool_use(tool_use)
    tool = _find_tools(contracts).get(block["name"])
    if is_blocking(client):
        return _run(client, tool, block, options)
    return _run_async(client, tool, block, options)


def _run(client: Any, tool: ToolDefinition | None, block: Mapping[str, Any], options: CallOptions) -> dict[str, Any]:
    if tool is None:
        return _to_unknown_tool(block)
    try:
        return _to_success(block, call_tool(client, tool, block["input"], block["toolUseId"], options))
    except CallError as error:
        return _to_failure(block, describe_error_for_model(error))


async def _run_async(
    client: Any, tool: ToolDefinition | None, block: Mapping[str, Any], options: CallOptions
) -> dict[str, Any]:
    if tool is None:
        return _to_unknown_tool(block)
    try:
        return _to_success(block, await call_tool_async(client, tool, block["input"], block["toolUseId"], options))
    except CallError as error:
        return _to_failure(block, describe_error_for_model(error))


def _get_tool_use(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ``toolUse`` of a content block; what is inside it, passed alone, is accepted as well."""
    block: Any = content.get("toolUse", content) if is_mapping(content) else None
    if not is_mapping(block) or not block.keys() >= {"toolUseId", "name", "input"}:
        raise ContractError(
            "pass a content block with toolUse, which has toolUseId, name and input, as converse returns"
        )
    return block


def _find_tools(contracts: Tools) -> dict[str, ToolDefinition]:
    each: Any = contracts
    if is_mapping(contracts):
        return {name: define_tool(contract, name) for name, contract in each.items()}
    tools = [define_tool(contract) for contract in each]
    found = {tool.name: tool for tool in tools}
    if len(found) < len(tools):
        raise ContractError("two contracts have tools of the same name: pass a mapping from names to contracts")
    return found


def _to_success(block: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": block["toolUseId"], "status": "success", "content": [{"json": result}]}}


def _to_failure(block: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": block["toolUseId"], "status": "error", "content": [{"text": text}]}}


def _to_unknown_tool(block: Mapping[str, Any]) -> dict[str, Any]:
    # A model may invent a name: that is for the model to correct, not an error of this program.
    name = printable(str(block["name"]), MAX_NAME)
    return _to_failure(block, f"There is no tool {name}, and nothing was done. Use one of the tools that were offered.")
