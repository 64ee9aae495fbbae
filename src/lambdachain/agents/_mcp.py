"""Contracts as tools of an MCP server, by the SDK of the Model Context Protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack
from uuid import uuid4

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp.types import CallToolResult, TextContent, ToolAnnotations

from lambdachain._calling.options import CallOptions
from lambdachain._contracts.contract import HasContract
from lambdachain._core.errors import CallError

from ._error_texts import describe_error_for_model
from ._tool import ToolDefinition, call_tool, call_tool_async, check_options, define_tool, is_blocking

if TYPE_CHECKING:
    from lambdachain._client.async_client import AsyncLambdaClient
    from lambdachain._client.client import LambdaClient

CallId = Callable[[Context[Any, Any]], str | None]


def to_mcp_tool(
    client: LambdaClient | AsyncLambdaClient,
    contract: HasContract[Any, Any],
    /,
    *,
    name: str | None = None,
    annotations: ToolAnnotations | None = None,
    call_id: CallId | None = None,
    **options: Unpack[CallOptions],
) -> Tool:
    """Return a contract as a tool for ``MCPServer(tools=[...])``.

    Its schemas are the contract's, by alias; a request or response that is not a JSON object is wrapped in ``request``
    or ``result``. A response is structured content, and the same JSON as text. A call that fails is a result with
    ``isError`` and the text of ``describe_error_for_model``. A blocking client is called in a thread.

    >>> from lambdachain import Contract, LambdaClient
    >>> double = Contract("orders-double", request=int, response=int, description="Double a number.")
    >>> tool = to_mcp_tool(LambdaClient(), double, timeout=20)
    >>> tool.name, tool.description, tool.parameters["properties"]
    ('orders-double', 'Double a number.', {'request': {'type': 'integer'}})

    Args:
        client: The client that calls.
        contract: A contract or decorated handler.
        name: The tool's name; by default the function's.
        annotations: Hints for the tool's users. By default ``idempotentHint`` for an idempotent contract, and nothing
            else: a contract does not say whether a function only reads, or destroys something.
        call_id: Returns the id of a tool call from the request's context, for hosts that send one (in ``_meta``, for
            example): an idempotent contract gets an idempotency key that follows from it. By default, that id is the
            HTTP session with the request's id, or a new one: a request's id alone repeats in the next session.
        timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
        retry: A ``RetryPolicy``, in place of the client's.
        idempotency_key: Rejected, as is ``durable_name``: with one for all calls, only the first would run.
        qualifier: A version or alias, in place of the contract's.
        tenant_id: The tenant, for a function with tenant isolation.
        durable_name: Rejected.
        client_context: Texts for the callee's ``context.client_context.custom``.
        log_tail: Has no effect on the result.

    Raises:
        ContractError: The name is not valid for models, or an option is not valid.
    """
    check_options(options)
    tool = define_tool(contract, name)
    find_call_id = call_id or find_session_call_id
    blocking = is_blocking(client)
    make = _blocking_function if blocking else _async_function
    return Tool(
        fn=make(client, tool, find_call_id, options),
        name=tool.name,
        title=None,
        description=tool.description or "",
        parameters=tool.arguments.schema,
        fn_metadata=_ContractMetadata(arg_model=ArgModelBase, output_schema=tool.result.schema),
        is_async=not blocking,
        context_kwarg="context",
        annotations=annotations or _to_annotations(tool),
    )


class _ContractMetadata(FuncMetadata):
    """Passes arguments and results on: the contract validates both, and its errors do not repeat the arguments."""

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": arguments_to_validate}

    def convert_result(self, result: CallToolResult) -> CallToolResult:
        return result


def _blocking_function(
    client: Any, tool: ToolDefinition, find_call_id: CallId, options: CallOptions
) -> Callable[..., CallToolResult]:
    def run(arguments: dict[str, Any], context: Context[Any, Any]) -> CallToolResult:
        try:
            return to_tool_result(call_tool(client, tool, arguments, find_call_id(context), options))
        except CallError as error:
            return to_error_result(error)

    return run


def _async_function(
    client: Any, tool: ToolDefinition, find_call_id: CallId, options: CallOptions
) -> Callable[..., Any]:
    async def run(arguments: dict[str, Any], context: Context[Any, Any]) -> CallToolResult:
        try:
            return to_tool_result(await call_tool_async(client, tool, arguments, find_call_id(context), options))
        except CallError as error:
            return to_error_result(error)

    return run


def find_session_call_id(context: Context[Any, Any]) -> str:
    """Return the id of a request in its HTTP session, or a new id where nothing identifies the session."""
    session = (context.headers or {}).get("mcp-session-id")
    return f"{session} {context.request_id}" if session else str(uuid4())


def to_tool_result(value: dict[str, Any]) -> CallToolResult:
    """Return a response as structured content, and as text for hosts that do not read that."""
    text = TextContent(type="text", text=json.dumps(value, ensure_ascii=False))
    return CallToolResult(content=[text], structured_content=value)


def to_error_result(error: CallError) -> CallToolResult:
    """Return a failed call as a result that the model reads."""
    text = TextContent(type="text", text=describe_error_for_model(error))
    return CallToolResult(content=[text], is_error=True)


def _to_annotations(tool: ToolDefinition) -> ToolAnnotations | None:
    return ToolAnnotations(idempotent_hint=True) if tool.contract.idempotent else None


to_mcp_tool.__module__ = "lambdachain.agents"
