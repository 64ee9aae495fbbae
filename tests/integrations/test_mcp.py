"""Contracts as tools of an MCP server, called by the SDK's own client, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, ListToolsResult, ToolAnnotations

from lambdachain import (
    AsyncLambdaClient,
    CallTimeoutError,
    Contract,
    ContractError,
    FunctionError,
    InProcessTransport,
    LambdaClient,
    ThrottledError,
    current_invocation,
    remote,
)
from lambdachain.agents import to_mcp_tool
from lambdachain.testing import StubTransport
from tests.support.tool_contracts import CHARGED, EVENT, SECRET, Charge, Charged, Declined, charge, refund


@pytest.fixture(params=[LambdaClient, AsyncLambdaClient], ids=["blocking", "async"])
def make_client(request: pytest.FixtureRequest) -> Any:
    """Return a class of clients."""
    return request.param


def ask(server: MCPServer[Any], method: str, *arguments: Any) -> Any:
    """Call a method of a client that is connected to the server."""

    async def run() -> Any:
        async with Client(server) as client:
            return await getattr(client, method)(*arguments)

    return anyio.run(run)


def call(server: MCPServer[Any], name: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call a tool, as a host does."""
    result = ask(server, "call_tool", name, arguments)
    assert isinstance(result, CallToolResult)
    return result


def get_text(result: CallToolResult) -> str:
    """Return the text of a result."""
    (content,) = result.content
    assert content.type == "text"
    return content.text


def test_a_contract_is_listed(make_client: Any):
    """By its name, description and schemas, by alias; with what it says about repetition and no more."""
    server = MCPServer("orders", tools=[to_mcp_tool(make_client(), contract) for contract in (charge, refund)])
    listed: ListToolsResult = ask(server, "list_tools")
    charging, refunding = listed.tools

    assert (charging.name, charging.description) == ("billing-charge", "Charge a card.")
    assert set(charging.input_schema["properties"]) == {"orderId", "cents"}
    assert charging.output_schema is not None
    assert set(charging.output_schema["properties"]) == {"chargeId"}
    for schema in (charging.input_schema, charging.output_schema):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
    assert charging.annotations is None
    assert refunding.annotations == ToolAnnotations(idempotent_hint=True)


def test_a_name_and_hints_may_be_set():
    """What a contract does not say, its user may."""
    hints = ToolAnnotations(read_only_hint=True)
    server = MCPServer("orders", tools=[to_mcp_tool(LambdaClient(), refund, name="refund", annotations=hints)])
    (tool,) = ask(server, "list_tools").tools

    assert (tool.name, tool.annotations) == ("refund", hints)


def test_a_response_is_structured(make_client: Any):
    """And the same JSON as text, for hosts that do not read the other."""
    server = MCPServer("orders", tools=[to_mcp_tool(make_client(), charge)])
    with StubTransport() as stub:
        calls = stub.on(charge).returns(CHARGED)
        result = call(server, "billing-charge", EVENT)

    assert not result.is_error
    assert result.structured_content == {"chargeId": "c-1"}
    assert get_text(result) == '{"chargeId": "c-1"}'
    assert [one.request for one in calls.calls] == [Charge.model_validate(EVENT)]


@pytest.mark.parametrize(
    ("kind", "value", "arguments", "structured"),
    [
        (int, 5, {"request": 5}, {"result": 5}),
        (list[int], [1], {"request": [1]}, {"result": [1]}),
        (None, None, {}, {}),
    ],
    ids=str,
)
def test_what_is_not_an_object_is_wrapped(kind: Any, value: Any, arguments: dict[str, Any], structured: dict[str, Any]):
    """MCP passes and returns objects."""
    contract = Contract[Any, Any]("f", request=kind, response=kind)
    server = MCPServer("orders", tools=[to_mcp_tool(LambdaClient(), contract)])
    with StubTransport() as stub:
        stub.on(contract).returns(value)
        result = call(server, "f", arguments)
    (tool,) = ask(server, "list_tools").tools

    assert result.structured_content == structured
    Draft202012Validator(tool.output_schema).validate(structured)
    Draft202012Validator(tool.input_schema).validate(arguments)


def test_arguments_that_do_not_fit_go_back_with_their_location(make_client: Any):
    """Never with their values, and nothing is sent."""
    server = MCPServer("orders", tools=[to_mcp_tool(make_client(), charge)])
    with StubTransport():
        result = call(server, "billing-charge", {"orderId": SECRET, "cents": SECRET})

    assert result.is_error
    assert "- cents: Input should be a valid integer" in get_text(result)
    assert "Correct them and call the tool again" in get_text(result)
    assert SECRET not in get_text(result)


ERRORS: list[tuple[Any, str]] = [
    (Declined(reason="limit"), 'Declined {"reason":"limit"}'),
    (CallTimeoutError, "DO NOT call the tool again for this request"),
    (ThrottledError, "You may repeat the call with the same arguments"),
    (FunctionError, "The function ran and failed"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=[text[:20] for _, text in ERRORS])
def test_an_error_is_a_result(make_client: Any, error: Any, text: str):
    """With the text that says whether to repeat the call, and no structured content."""
    server = MCPServer("orders", tools=[to_mcp_tool(make_client(), charge)])
    with StubTransport() as stub:
        stub.on(charge).raises(error)
        result = call(server, "billing-charge", EVENT)

    assert result.is_error
    assert result.structured_content is None
    assert text in get_text(result)


def get_keys(contract: Contract[Charge, Charged], call_id: Callable[[Any], str | None] | None = None) -> list[Any]:
    """Return the idempotency keys that the callee sees for two calls of a tool."""
    keys: list[str | None] = []

    @remote(contract)
    def handler(request: Charge) -> Charged:
        invocation = current_invocation()
        keys.append(invocation.idempotency_key if invocation else None)
        return CHARGED

    client = LambdaClient(InProcessTransport({contract: handler}))
    server = MCPServer("orders", tools=[to_mcp_tool(client, contract, call_id=call_id)])
    for _ in range(2):
        assert not call(server, contract.function, EVENT).is_error
    return keys


def test_an_idempotent_call_has_a_key_of_its_own():
    """Two clients number their requests alike: that is not one call."""
    first, second = get_keys(refund)

    assert first is not None
    assert second is not None
    assert first != second
    assert get_keys(charge) == [None, None]


def test_a_host_s_id_of_the_tool_call_is_the_key():
    """Where it sends one: a repeated tool call has the same key."""
    first, second = get_keys(refund, call_id=lambda _context: "toolu_1")

    assert first is not None
    assert first == second


def test_the_request_is_the_key_in_an_http_session():
    """Its id is unique there."""
    from lambdachain.agents._mcp import find_session_call_id

    class Request:
        headers = {"mcp-session-id": "s-1"}  # noqa: RUF012
        request_id = "7"

    request: Any = Request()
    assert find_session_call_id(request) == "s-1 7"


def test_mistakes_of_the_program_are_raised():
    """When the tool is made."""
    client: Any = StubTransport()
    with pytest.raises(ContractError, match="LambdaClient or an AsyncLambdaClient"):
        to_mcp_tool(client, charge)
    with pytest.raises(ContractError, match="idempotency_key cannot be shared"):
        to_mcp_tool(LambdaClient(), charge, idempotency_key="x")
    with pytest.raises(ContractError, match="timeout must be"):
        to_mcp_tool(LambdaClient(), charge, timeout=-1)
