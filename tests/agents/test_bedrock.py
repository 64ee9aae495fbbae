"""Contracts as tools of Bedrock's Converse API: what botocore's model of the service accepts, and what a block runs."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from lambdachain import (
    AsyncLambdaClient,
    ConnectionLostError,
    Contract,
    ContractError,
    FunctionArn,
    InProcessTransport,
    LambdaClient,
    RemoteError,
    current_invocation,
    remote,
)
from lambdachain.agents import describe_error_for_model, run_bedrock_tool_use, to_bedrock_tool
from lambdachain.testing import StubTransport

SECRET = "secret-canary"


class Charge(BaseModel):
    """What to charge."""

    order_id: str = Field(alias="orderId", description="The order's number")
    cents: int
    due: date | None = None


class Charged(BaseModel):
    """What was charged."""

    charge_id: str = Field(serialization_alias="chargeId", validation_alias="chargeId")


class Declined(RemoteError):
    """The card was declined."""

    reason: str


class Node(BaseModel):
    """A tree."""

    number: int
    children: list[Node] = []


class Point(TypedDict):
    """A pair of numbers."""

    x: int


charge = Contract(
    "billing-charge", request=Charge, response=Charged, errors=[Declined], description="Charge a customer's card."
)
refund = Contract("billing-refund", request=Charge, response=Charged, errors=[Declined], idempotent=True)
EVENT = {"orderId": "o-1", "cents": 500}


def make_block(name: str = "billing-charge", arguments: Any = EVENT, call_id: str = "tooluse_abc") -> dict[str, Any]:
    """Return a content block as ``converse`` returns it."""
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments}}


def validate(shape: str, value: Any) -> None:
    """Validate a value by botocore's model of Bedrock, with the patterns of strings, which botocore ignores."""
    model = botocore.session.Session().create_client("bedrock-runtime", region_name="us-east-1").meta.service_model
    report = ParamValidator().validate(value, model.shape_for(shape))
    assert not report.has_errors(), report.generate_report()
    name = value.get("toolSpec", {}).get("name")
    pattern = model.shape_for("ToolSpecification").members["name"].metadata["pattern"]
    assert name is None or re.fullmatch(pattern, name)


TYPES = [Charge, Node, Point, int, None, list[Node], dict[str, int], Charge | Node, Node | None, Any]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_contract_is_a_valid_tool(kind: Any):
    """Its schema has objects only, is a JSON Schema, and has no keyword of our own."""
    tool = to_bedrock_tool(Contract[Any, Any]("f", request=kind, response=kind, description="Does it."))
    schema = tool["toolSpec"]["inputSchema"]["json"]

    validate("Tool", tool)
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert "x-lambdachain" not in str(schema)
    assert tool["toolSpec"]["description"] == "Does it."


VALUES: list[tuple[Any, Any, dict[str, Any], dict[str, Any]]] = [
    (Node, Node(number=1, children=[Node(number=2)]), {"number": 1, "children": [{"number": 2}]}, {}),
    (Point, {"x": 1}, {"x": 1}, {"x": 1}),
    (int, 5, {"request": 5}, {"result": 5}),
    (None, None, {}, {}),
    (list[int], [1, 2], {"request": [1, 2]}, {"result": [1, 2]}),
    (dict[str, int], {"a": 1}, {"a": 1}, {"a": 1}),
    (int | None, None, {"request": None}, {"result": None}),
]


@pytest.mark.parametrize(("kind", "value", "arguments", "result"), VALUES, ids=str)
def test_a_block_is_run(kind: Any, value: Any, arguments: dict[str, Any], result: dict[str, Any]):
    """Its input fits the schema, is the request, and the response is an object."""
    contract = Contract[Any, Any]("f", request=kind, response=kind)
    schema = to_bedrock_tool(contract)["toolSpec"]["inputSchema"]["json"]
    Draft202012Validator(schema).validate(arguments)
    with StubTransport() as stub:
        calls = stub.on(contract).returns(value)
        block = run_bedrock_tool_use(make_block("f", arguments), LambdaClient(), [contract])

    validate("ToolResultBlock", block["toolResult"])
    assert [call.request for call in calls.calls] == [value]
    assert block["toolResult"]["toolUseId"] == "tooluse_abc"
    assert block["toolResult"]["status"] == "success"
    (content,) = block["toolResult"]["content"]
    if result:
        assert content == {"json": result}


def test_schemas_and_responses_are_by_alias():
    """As on the wire."""
    schema = to_bedrock_tool(charge)["toolSpec"]["inputSchema"]["json"]
    with StubTransport() as stub:
        stub.on(charge).returns(Charged.model_validate({"chargeId": "c-1"}))
        block = run_bedrock_tool_use(make_block(), LambdaClient(), [charge])

    assert set(schema["properties"]) == {"orderId", "cents", "due"}
    assert schema["properties"]["orderId"]["description"] == "The order's number"
    assert block["toolResult"]["content"] == [{"json": {"chargeId": "c-1"}}]


def test_a_declared_error_is_a_result():
    """With its class and fields."""
    with StubTransport() as stub:
        stub.on(charge).raises(Declined(reason="limit"))
        block = run_bedrock_tool_use(make_block(), LambdaClient(), [charge])["toolResult"]

    validate("ToolResultBlock", block)
    assert block["status"] == "error"
    assert block["content"] == [{"text": 'The function reported an error: Declined {"reason":"limit"}'}]


@pytest.mark.parametrize(
    ("kind", "arguments", "line"),
    [
        (Charge, {"orderId": "o-1", "cents": SECRET}, "- cents: Input should be a valid integer"),
        (Charge, {"cents": 5}, "- orderId: Field required"),
        (Charge, [SECRET], "- (all arguments): Input should be a JSON object"),
        (Charge, None, "- orderId: Field required"),
        (int, {"request": SECRET}, "- request: Input should be a valid integer"),
        (int, {"number": 5}, "- request: Field required"),
        (int | None, {}, "- request: Field required"),
        (list[Charge], {"request": [{"orderId": "o-1", "cents": SECRET}]}, "- request.0.cents: Input should be"),
        (dict[str, int], {SECRET: "x"}, "- *: Input should be a valid integer"),
    ],
)
def test_arguments_that_do_not_fit_go_back_with_their_location(kind: Any, arguments: Any, line: str):
    """Never with their values; nothing was sent."""
    contract = Contract[Any, Any]("f", request=kind, response=int)
    block = run_bedrock_tool_use(make_block("f", arguments), LambdaClient(StubTransport()), [contract])["toolResult"]
    text = block["content"][0]["text"]

    assert block["status"] == "error"
    assert line in text
    assert SECRET not in text
    assert "Correct them and call the tool again" in text


def test_a_request_that_the_callee_refuses_goes_back_with_its_location():
    """Where the callee is stricter than the caller's contract."""

    class Strict(BaseModel):
        order_id: str = Field(alias="orderId", min_length=10)
        cents: int

    @remote(Contract("billing-charge", request=Strict, response=Charged))
    def handler(request: Strict) -> Charged:
        raise AssertionError(request)

    client = LambdaClient(InProcessTransport({charge: handler}))
    text = run_bedrock_tool_use(make_block(), client, [charge])["toolResult"]["content"][0]["text"]

    assert "- orderId: String should have at least 10 characters" in text
    assert "o-1" not in text


def test_an_unknown_outcome_is_not_to_be_repeated():
    """The one text that a model must not miss."""
    with StubTransport() as stub:
        stub.on(charge).raises(ConnectionLostError)
        block = run_bedrock_tool_use(make_block(), LambdaClient(), [charge])["toolResult"]

    assert block["content"][0]["text"] == describe_error_for_model(ConnectionLostError())
    assert "DO NOT call the tool again" in block["content"][0]["text"]


def get_keys(contract: Contract[Charge, Charged], *blocks: dict[str, Any]) -> list[str | None]:
    """Return the idempotency keys that the callee sees for each block."""
    keys: list[str | None] = []

    @remote(contract)
    def handler(request: Charge) -> Charged:
        invocation = current_invocation()
        keys.append(invocation.idempotency_key if invocation else None)
        return Charged.model_validate({"chargeId": "c-1"})

    client = LambdaClient(InProcessTransport({contract: handler}))
    for block in blocks:
        assert run_bedrock_tool_use(block, client, [contract])["toolResult"]["status"] == "success"
    return keys


def test_a_repeated_block_has_the_same_idempotency_key():
    """Only for an idempotent contract; another id, or other arguments, are another call."""
    name = refund.function
    first, again, other, changed = get_keys(
        refund,
        make_block(name),
        make_block(name, dict(reversed(EVENT.items()))),
        make_block(name, call_id="tooluse_def"),
        make_block(name, {**EVENT, "cents": 1}),
    )

    assert first is not None
    assert first == again
    assert len({first, other, changed}) == 3
    assert get_keys(charge, make_block()) == [None]


def test_an_async_client_is_awaited():
    """With the same results."""

    async def run() -> list[dict[str, Any]]:
        async with AsyncLambdaClient() as client:
            return [
                await run_bedrock_tool_use(make_block(), client, [charge]),
                await run_bedrock_tool_use(make_block("other"), client, [charge]),
                await run_bedrock_tool_use(make_block(arguments={}), client, [charge]),
            ]

    with StubTransport() as stub:
        stub.on(charge).returns(Charged.model_validate({"chargeId": "c-1"}))
        done, unknown, refused = [block["toolResult"] for block in asyncio.run(run())]

    assert done["content"] == [{"json": {"chargeId": "c-1"}}]
    assert unknown["status"] == refused["status"] == "error"


def test_a_tool_that_does_not_exist_is_a_result():
    """A model may invent one; it reads so, on one line."""
    block = run_bedrock_tool_use(make_block("drop\n" * 100), LambdaClient(), [charge])["toolResult"]

    assert block["status"] == "error"
    assert block["content"][0]["text"].startswith("There is no tool drop\\ndrop")
    assert len(block["content"][0]["text"]) < 300


def test_tools_may_have_names_of_their_own():
    """A name that is passed, the keys of a mapping, and the name in an ARN."""
    arn = FunctionArn.build("billing", region="eu-west-1", account_id="123456789012")
    by_arn = Contract(arn, request=int, response=int)
    with StubTransport() as stub:
        stub.on(charge).returns(Charged.model_validate({"chargeId": "c-1"}))
        block = run_bedrock_tool_use(make_block("charge_card"), LambdaClient(), {"charge_card": charge})

    assert block["toolResult"]["status"] == "success"
    assert to_bedrock_tool(charge, name="charge_card")["toolSpec"]["name"] == "charge_card"
    assert to_bedrock_tool(by_arn)["toolSpec"]["name"] == "billing"


def test_a_handler_is_a_tool():
    """Its docstring describes it."""

    @remote("orders-double")
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    client = LambdaClient(InProcessTransport({double: double}))
    block = run_bedrock_tool_use(make_block("orders-double", {"request": 21}), client, [double])

    assert to_bedrock_tool(double)["toolSpec"]["description"] == "Double a number."
    assert block["toolResult"]["content"] == [{"json": {"result": 42}}]


@pytest.mark.parametrize("name", ["", "a b", "a.b", "é", "x" * 65, 5])
def test_names_that_models_cannot_call_are_refused(name: Any):
    """With what is allowed."""
    with pytest.raises(ContractError, match="1 to 64 letters, digits, - and _"):
        to_bedrock_tool(charge, name=name)


def test_mistakes_of_the_program_are_raised():
    """They are not for the model to read."""
    client, contracts = LambdaClient(StubTransport()), [charge]
    wrong: Any = client.bind(charge)

    with pytest.raises(ContractError, match="a handler made by remote, not"):
        to_bedrock_tool(wrong)
    with pytest.raises(ContractError, match="a handler made by remote, not"):
        run_bedrock_tool_use(make_block(), client, ["billing-charge"])  # type: ignore[list-item]
    with pytest.raises(ContractError, match="two contracts have tools of the same name"):
        run_bedrock_tool_use(make_block(), client, [charge, charge])
    with pytest.raises(ContractError, match="LambdaClient or an AsyncLambdaClient"):
        run_bedrock_tool_use(make_block(), StubTransport(), contracts)  # type: ignore[call-overload]
    for block in ({}, {"toolUse": {}}, {"text": "hello"}, None):
        with pytest.raises(ContractError, match="content block with toolUse"):
            run_bedrock_tool_use(block, client, contracts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["idempotency_key", "durable_name"])
def test_what_only_one_call_may_have_is_not_an_option(name: str):
    """With one for all calls, only the first would run."""
    options: Any = {name: "x"}
    with pytest.raises(ContractError, match=f"{name} cannot be shared"):
        run_bedrock_tool_use(make_block(), LambdaClient(StubTransport()), [charge], **options)


def test_the_timeout_limits_the_call():
    """It is the call's own."""
    budgets: list[float | None] = []

    @remote(charge)
    def handler(request: Charge, context: Any) -> Charged:
        invocation = current_invocation()
        budgets.append(invocation.remaining_time() if invocation else None)
        return Charged.model_validate({"chargeId": "c-1"})

    client = LambdaClient(InProcessTransport({charge: handler}))
    run_bedrock_tool_use(make_block(), client, [charge], timeout=1.5)

    (remaining,) = budgets
    assert remaining is not None
    assert remaining <= 1.5
