"""Contracts as tools of pydantic-ai's agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

from pydantic_ai import ModelRetry, RunContext, Tool
from pydantic_ai.exceptions import ToolFailed

from lambdachain._calling.options import CallOptions
from lambdachain._contracts.contract import HasContract
from lambdachain._core.errors import CallError

from ._error_texts import describe_error_for_model, is_correctable
from ._tool import ToolDefinition, call_tool, call_tool_async, check_options, define_tool, is_blocking

if TYPE_CHECKING:
    from lambdachain._client.async_client import AsyncLambdaClient
    from lambdachain._client.client import LambdaClient


def to_pydantic_ai_tool(
    client: LambdaClient | AsyncLambdaClient,
    contract: HasContract[Any, Any],
    /,
    *,
    name: str | None = None,
    **options: Unpack[CallOptions],
) -> Tool[Any]:
    """Return a contract as a tool for ``Agent(tools=[...])``.

    Arguments that the contract refuses are a ``ModelRetry``, so that the model corrects them. Every other failure is a
    ``ToolFailed``, which does not ask for a retry, with the text of ``describe_error_for_model``. A blocking client is
    called in a thread.

    >>> from lambdachain import Contract, LambdaClient
    >>> double = Contract("orders-double", request=int, response=int, description="Double a number.")
    >>> tool = to_pydantic_ai_tool(LambdaClient(), double, timeout=20)
    >>> tool.name, tool.description
    ('orders-double', 'Double a number.')

    Args:
        client: The client that calls.
        contract: A contract or decorated handler.
        name: The tool's name; by default the function's.
        timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
        retry: A ``RetryPolicy``, in place of the client's.
        idempotency_key: Rejected, as is ``durable_name``. An idempotent contract has a key by itself, which follows
            from the conversation, the id of the tool call and the arguments: a repeated tool call has the same key.
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
    make = _blocking_function if is_blocking(client) else _async_function
    return Tool[Any].from_schema(
        make(client, tool, options), tool.name, tool.description, tool.arguments.schema, takes_ctx=True
    )


def _blocking_function(client: Any, tool: ToolDefinition, options: CallOptions) -> Callable[..., dict[str, Any]]:
    # Positional only, here and below: an argument of the model may have any name.
    def run(context: RunContext[Any], /, **arguments: Any) -> dict[str, Any]:
        try:
            return call_tool(client, tool, arguments, _find_call_id(context), options)
        except CallError as error:
            _raise_for_model(error)

    return run


def _async_function(client: Any, tool: ToolDefinition, options: CallOptions) -> Callable[..., Any]:
    async def run(context: RunContext[Any], /, **arguments: Any) -> dict[str, Any]:
        try:
            return await call_tool_async(client, tool, arguments, _find_call_id(context), options)
        except CallError as error:
            _raise_for_model(error)

    return run


def _find_call_id(context: RunContext[Any]) -> str | None:
    # Some models number their tool calls: only the conversation makes such an id unique.
    return f"{context.conversation_id} {context.tool_call_id}" if context.tool_call_id else None


def _raise_for_model(error: CallError) -> NoReturn:
    text = describe_error_for_model(error)
    raise (ModelRetry(text) if is_correctable(error) else ToolFailed(text)) from error


to_pydantic_ai_tool.__module__ = "lambdachain.agents"
