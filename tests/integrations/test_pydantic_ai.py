"""Contracts as tools of pydantic-ai's agents, with its models for tests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from lambdachain import (
    AsyncLambdaClient,
    CallTimeoutError,
    Contract,
    FunctionError,
    InProcessTransport,
    LambdaClient,
    ThrottledError,
    current_invocation,
    remote,
)
from lambdachain.agents import to_pydantic_ai_tool
from lambdachain.testing import StubTransport
from tests.support.tool_contracts import CHARGED, EVENT, SECRET, Charge, Charged, Declined, charge, refund


@pytest.fixture(params=[LambdaClient, AsyncLambdaClient], ids=["blocking", "async"])
def make_client(request: pytest.FixtureRequest) -> Any:
    """Return a class of clients."""
    return request.param


class ScriptedModel:
    """A model that calls a tool with each of some arguments, one after the other, and keeps what it reads."""

    def __init__(self, name: str, *arguments: dict[str, Any], call_id: str = "call_1") -> None:
        self.read: list[RetryPromptPart | ToolReturnPart] = []
        self._calls = [ToolCallPart(name, one, tool_call_id=call_id) for one in arguments]
        self.model = FunctionModel(self._respond)

    def _respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.read += [part for part in messages[-1].parts if isinstance(part, RetryPromptPart | ToolReturnPart)]
        return ModelResponse(parts=[self._calls.pop(0) if self._calls else TextPart("done")])

    @property
    def texts(self) -> list[str]:
        """What the model reads."""
        return [part.model_response() if isinstance(part, RetryPromptPart) else str(part.content) for part in self.read]


def asks_for_retry(part: RetryPromptPart | ToolReturnPart) -> bool:
    """Check whether pydantic-ai asks the model to correct its call."""
    return isinstance(part, RetryPromptPart) or part.outcome == "retried"


def test_the_model_sees_the_contract(make_client: Any):
    """Its name, description and schema, by alias."""
    model = TestModel(call_tools=[])
    asyncio.run(Agent(model, tools=[to_pydantic_ai_tool(make_client(), charge)]).run("charge"))
    assert model.last_model_request_parameters is not None
    (tool,) = model.last_model_request_parameters.function_tools

    assert (tool.name, tool.description) == ("billing-charge", "Charge a card.")
    assert set(tool.parameters_json_schema["properties"]) == {"orderId", "cents"}


def test_a_model_calls_the_function(make_client: Any):
    """With arguments that the test model makes from the schema."""
    with StubTransport() as stub:
        calls = stub.on(charge).returns(CHARGED)
        agent = Agent(TestModel(), tools=[to_pydantic_ai_tool(make_client(), charge)])
        assert '"chargeId":"c-1"' in asyncio.run(agent.run("charge")).output

    assert len(calls.calls) == 1


def test_arguments_that_do_not_fit_are_corrected(make_client: Any):
    """The model reads where they do not fit, never the values, and nothing is sent before they fit."""
    script = ScriptedModel("billing-charge", {**EVENT, "cents": SECRET}, EVENT)
    with StubTransport() as stub:
        calls = stub.on(charge).returns(CHARGED)
        asyncio.run(Agent(script.model, tools=[to_pydantic_ai_tool(make_client(), charge)]).run("charge"))
    refused, done = script.read

    assert asks_for_retry(refused)
    assert "- cents: Input should be a valid integer" in script.texts[0]
    assert SECRET not in script.texts[0]
    assert not asks_for_retry(done)
    assert done.content == {"chargeId": "c-1"}
    assert len(calls.calls) == 1


def test_a_model_that_does_not_correct_them_is_stopped():
    """By the agent's own limit."""
    script = ScriptedModel("billing-charge", {}, {}, {})
    with StubTransport(), pytest.raises(UnexpectedModelBehavior):
        asyncio.run(Agent(script.model, tools=[to_pydantic_ai_tool(LambdaClient(), charge)]).run("charge"))


ERRORS: list[tuple[Any, str]] = [
    (Declined(reason="limit"), 'Declined {"reason":"limit"}'),
    (CallTimeoutError, "DO NOT call the tool again for this request"),
    (ThrottledError, "You may repeat the call with the same arguments"),
    (FunctionError, "The function ran and failed"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=[text[:20] for _, text in ERRORS])
def test_other_errors_do_not_ask_for_a_retry(make_client: Any, error: Any, text: str):
    """pydantic-ai's prompt after a ModelRetry is "try again", which an unknown outcome must not have."""
    script = ScriptedModel("billing-charge", EVENT)
    with StubTransport() as stub:
        stub.on(charge).raises(error)
        asyncio.run(Agent(script.model, tools=[to_pydantic_ai_tool(make_client(), charge)]).run("charge"))
    (part,) = script.read

    assert not asks_for_retry(part)
    assert text in script.texts[0]
    assert "try again" not in script.texts[0]


def test_arguments_may_have_any_name():
    """Also those of the function inside the tool."""
    names = ["context", "self", "ctx", "client", "with-dash"]
    contract = Contract("f", request=dict[str, int], response=dict[str, int])
    script = ScriptedModel("f", dict.fromkeys(names, 1))
    with StubTransport() as stub:
        stub.on(contract).runs(lambda request: request)
        asyncio.run(Agent(script.model, tools=[to_pydantic_ai_tool(LambdaClient(), contract)]).run("go"))

    assert script.read[0].content == dict.fromkeys(names, 1)


def test_a_repeated_tool_call_has_the_same_idempotency_key():
    """In the same conversation: models that number their calls start again in the next one."""
    keys: list[str | None] = []

    @remote(refund)
    def handler(request: Charge) -> Charged:
        invocation = current_invocation()
        keys.append(invocation.idempotency_key if invocation else None)
        return CHARGED

    tool = to_pydantic_ai_tool(LambdaClient(InProcessTransport({refund: handler})), refund)
    for conversation, call_id in (("a", "call_0"), ("a", "call_0"), ("a", "call_1"), ("b", "call_0")):
        script = ScriptedModel("billing-refund", EVENT, call_id=call_id)
        asyncio.run(Agent(script.model, tools=[tool]).run("refund", conversation_id=conversation))

    assert None not in keys
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
