"""What a type checker must infer; never executed. ``tests/project/test_typing.py`` runs mypy and pyright over it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypedDict, assert_type

from mypy_boto3_lambda import LambdaClient as BotoLambdaClient
from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef
from pydantic import BaseModel, JsonValue
from tenacity import retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_fixed, wait_random

from lambdachain import (
    AsyncBotoTransport,
    AsyncHttpTransport,
    AsyncLambdaClient,
    AsyncTransport,
    AsyncTransportWrapper,
    Attempt,
    BotoTransport,
    CallAttempt,
    CallError,
    CallOptions,
    Contract,
    CurrentInvocation,
    Execution,
    FunctionArn,
    FunctionError,
    FunctionName,
    HandledInvocation,
    Hook,
    HttpTransport,
    Interceptor,
    Invocation,
    InvocationType,
    InvokeResult,
    LambdaClient,
    MapOptions,
    MapProgress,
    Outcome,
    OutgoingCall,
    Permission,
    PermissionReason,
    Qualifier,
    Receipt,
    RemoteError,
    RemoteFunction,
    RemoteHandler,
    RequestRejectedError,
    ResponseStream,
    RetryBudget,
    RetryPolicy,
    S3Offload,
    StreamingTransport,
    ThrottledError,
    Transport,
    TransportWrapper,
    compat,
    current_invocation,
    invocation_scope,
    is_callee_down,
    parse_target,
    remote,
    safe_to_retry,
    use,
)
from lambdachain.agents import describe_error_for_model, run_bedrock_tool_use, to_bedrock_tool
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.progress import bar
from lambdachain.resolvers import from_env, mapping, prefix
from lambdachain.sqs import BatchResponse, QueueHandler, QueueRoute, SqsTransport, queue
from lambdachain.stepfunctions import (
    AsyncMapRun,
    MapRun,
    S3Items,
    async_run_map,
    choice,
    distributed_map,
    read_error,
    run_map,
    state_machine,
    task,
    to_call_error,
)
from lambdachain.testing import (
    Change,
    InProcessCall,
    InProcessTransport,
    LambdaEndpoint,
    Stub,
    StubTransport,
    assert_compatible,
    assert_handler_fulfils,
    compatibility,
    sqs_event,
)


class ChargeRequest(BaseModel):
    order_id: str
    cents: int


class ChargeResponse(BaseModel):
    charge_id: str


class CardDeclined(RemoteError):
    reason: str
    retry_after_days: int | None = None


class Row(TypedDict):
    id: int


@dataclass
class Point:
    x: int


charge = Contract("billing-charge", request=ChargeRequest, response=ChargeResponse, errors=[CardDeclined])
assert_type(charge, Contract[ChargeRequest, ChargeResponse])
assert_type(Contract("f", request=Point, response=Row), Contract[Point, Row])
assert_type(Contract("f", request=list[Point], response=dict[str, Row]), Contract[list[Point], dict[str, Row]])
assert_type(Contract("f", request=int | None, response=str | Row), Contract[int | None, str | Row])
assert_type(Contract("f", request=ChargeRequest, response=None), Contract[ChargeRequest, None])
assert_type(Contract(FunctionArn.parse("..."), request=int, response=int, qualifier="live"), Contract[int, int])
maybe = Contract("maybe", request=ChargeRequest, response=ChargeResponse | None, idempotent=True)

declined = CardDeclined(reason="limit")
assert_type(declined.reason, str)
assert_type(declined.retry_after_days, int | None)
assert_type(declined.error_type, str | None)

# Calling
client = LambdaClient(BotoTransport(region="eu-west-1"), timeout=timedelta(seconds=3), resolve=prefix("prod-"))
lean = LambdaClient(HttpTransport(region="eu-west-1", endpoint_url="http://localhost:4566"))
request = ChargeRequest(order_id="o-1", cents=500)
assert_type(client.call(charge, request), ChargeResponse)
assert_type(lean.call(charge, request), ChargeResponse)
assert_type(client.call(charge, request, timeout=2, qualifier="live", log_tail=True), ChargeResponse)
assert_type(client.call(maybe, request), ChargeResponse | None)
assert_type(client.invoke(charge, request), InvokeResult[ChargeResponse])
assert_type(client.invoke(charge, request).value, ChargeResponse)
assert_type(client.invoke(charge, request).log_tail, str | None)
assert_type(client.invoke(charge, request).attempts, tuple[Attempt, ...])
assert_type(client.fire(charge, request), Receipt)
assert_type(client.can_invoke(charge), Permission)
assert_type(client.can_invoke("billing-charge", qualifier=Qualifier.alias("live")), Permission)
assert_type(client.can_invoke(charge).reason, PermissionReason)

# Plain targets
assert_type(client.call("billing-charge", {"order_id": "o-1"}), JsonValue)
assert_type(client.call("billing-charge", request, response=ChargeResponse), ChargeResponse)
assert_type(client.call("billing-charge", request, response=list[Point]), list[Point])
assert_type(client.call("billing-charge", request, response=ChargeResponse | None), ChargeResponse | None)
assert_type(client.call(FunctionArn.parse("..."), request, response=Row), Row)
assert_type(client.invoke("billing-charge", 1), InvokeResult[JsonValue])
assert_type(client.invoke("billing-charge", 1, response=int), InvokeResult[int])
assert_type(client.fire("billing-charge", 1), Receipt)

# Binding
bound = client.bind(charge, "prod-billing", timeout=3)
assert_type(bound, RemoteFunction[ChargeRequest, ChargeResponse])
assert_type(bound.call(request), ChargeResponse)
assert_type(bound.invoke(request), InvokeResult[ChargeResponse])
assert_type(bound.fire(request), Receipt)
assert_type(bound.can_invoke(), Permission)
assert_type(
    bound.with_options(qualifier="blue", client_context={"a": "b"}), RemoteFunction[ChargeRequest, ChargeResponse]
)


# Handlers
@remote(charge)
def by_contract(request: ChargeRequest) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


@remote(charge)
def with_context(request: ChargeRequest, context: Any) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


@remote(charge)
async def asynchronous(request: ChargeRequest) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


@remote(charge)
async def asynchronous_with_context(request: ChargeRequest, context: object = None) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


untyped_contract: Contract[Any, Any] = Contract("untyped", request=Any, response=Any)


@remote(untyped_contract)
async def untyped(event: dict[str, Any]) -> list[str]:
    return [*event]


@remote("billing-charge", errors=[CardDeclined], idempotent=True)
def by_name(request: ChargeRequest) -> ChargeResponse | None:
    return None


@remote("billing-charge")
async def asynchronous_by_name(request: Row, context: object) -> list[Point]:
    return []


assert_type(by_contract, RemoteHandler[ChargeRequest, ChargeResponse])
assert_type(with_context, RemoteHandler[ChargeRequest, ChargeResponse])
assert_type(asynchronous, RemoteHandler[ChargeRequest, ChargeResponse])
assert_type(asynchronous_with_context, RemoteHandler[ChargeRequest, ChargeResponse])
assert_type(untyped, RemoteHandler[Any, Any])
assert_type(by_name, RemoteHandler[ChargeRequest, ChargeResponse | None])
assert_type(asynchronous_by_name, RemoteHandler[Row, list[Point]])
assert_type(by_contract.local(request), ChargeResponse)
assert_type(asynchronous_by_name.local({"id": 1}), list[Point])
assert_type(by_contract.contract, Contract[ChargeRequest, ChargeResponse])
assert_type(by_contract({"order_id": "o-1"}, None), JsonValue)
assert_type(by_contract.call(request), ChargeResponse)
assert_type(by_contract.invoke(request, log_tail=True), InvokeResult[ChargeResponse])
assert_type(by_contract.fire(request), Receipt)
assert_type(by_contract.can_invoke(), Permission)
assert_type(by_contract.bind(timeout=1), RemoteFunction[ChargeRequest, ChargeResponse])
assert_type(client.call(by_contract, request), ChargeResponse)
row: Row = {
    "id": 1
}  # mypy takes the literal for a dict in client.call(contract, {...}); not in bind(contract).call({...})
assert_type(client.call(asynchronous_by_name, row), list[Point])
assert_type(client.fire(by_contract, request), Receipt)
assert_type(client.can_invoke(by_contract), Permission)
assert_type(client.bind(by_contract), RemoteFunction[ChargeRequest, ChargeResponse])

# Failing
try:
    client.call(charge, request)
except CardDeclined as error:
    assert_type(error.reason, str)
except ThrottledError as error:
    assert_type(error.retry_after, float | None)
except RequestRejectedError as error:
    assert_type(error.errors[0]["loc"], tuple[str | int, ...])
except FunctionError as error:
    assert_type(error.stack_trace, tuple[str, ...])
except CallError as error:
    assert_type(error.execution, Execution)
    assert_type(error.retryable, bool)
    assert_type(error.elapsed, float)

# Retrying, deadlines
assert_type(RetryPolicy.never(), RetryPolicy)
assert_type(safe_to_retry(ThrottledError()), bool)
assert_type(is_callee_down(ThrottledError()), bool)
policy = RetryPolicy(
    max_attempts=5,
    initial_delay=0.1,
    max_delay=2,
    jitter="none",
    retry_on=lambda error: safe_to_retry(error) or isinstance(error, FunctionError),
    budget=RetryBudget(max_tokens=100, token_ratio=0.5),
)
RetryPolicy(budget=None, retry_on=safe_to_retry)
RetryPolicy(
    max_attempts=stop_after_delay(30) | stop_after_attempt(10),
    initial_delay=wait_fixed(1) + wait_random(0, 1),
    retry_on=retry_if_exception_type(ThrottledError) | retry_if_exception_type(CardDeclined),
)
LambdaClient(retry=policy)
assert_type(client.call(charge, request, retry=RetryPolicy.never(), idempotency_key="o-1"), ChargeResponse)
assert_type(client.fire(charge, request, retry=policy, idempotency_key="o-1"), Receipt)
assert_type(client.can_invoke(charge, retry=policy, timeout=timedelta(seconds=1)), Permission)
assert_type(client.call("billing-charge", request, response=ChargeResponse, idempotency_key="o-1"), ChargeResponse)
assert_type(bound.with_options(retry=None, idempotency_key=None), RemoteFunction[ChargeRequest, ChargeResponse])
assert_type(
    Contract("f", request=ChargeRequest, response=None, idempotent=True, envelope=True), Contract[ChargeRequest, None]
)
assert_type(current_invocation(), CurrentInvocation | None)
with invocation_scope(object()) as invocation:
    assert_type(invocation, CurrentInvocation)
    assert_type(invocation.idempotency_key, str | None)
    assert_type(invocation.request_id, str | None)
    assert_type(invocation.correlation_id, str)
    assert_type(invocation.depth, int)
    assert_type(invocation.attempt, int)
    assert_type(invocation.trace, Mapping[str, str])
    assert_type(invocation.remaining_time(), float | None)


@remote("enveloped", envelope=True)
def enveloped(request: ChargeRequest) -> None: ...


assert_type(enveloped, RemoteHandler[ChargeRequest, None])

# Addressing
assert_type(parse_target("orders:live"), FunctionArn | FunctionName)
assert_type(FunctionArn.parse("...").with_qualifier(Qualifier.version(3)), FunctionArn)
assert_type(FunctionArn.build("orders", region="eu-west-1", account_id="123456789012").qualifier, str | None)
assert_type(Qualifier.parse("live").is_alias, bool)


# The seam
class Recording:
    """A transport of one's own."""

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        return Outcome(status=200, payload=invocation.payload, executed_version=invocation.invocation_type)

    def close(self) -> None: ...


def accepts(transport: Transport, options: CallOptions, names: Mapping[str, str]) -> None:
    LambdaClient(transport, resolve=mapping(names)).call("f", 1, **options)


accepts(Recording(), {"timeout": 1.5, "log_tail": True}, {"a": "b"})


def around(invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
    assert_type(invocation.function, str)
    return proceed()


hook: Hook = around
LambdaClient(Recording(), resolve=from_env(), hooks=[hook, around]).close()
variables: dict[Contract[ChargeRequest, ChargeResponse], str] = {charge: "CHARGE_FN"}
LambdaClient(Recording(), resolve=from_env(variables)).close()
LambdaClient(Recording(), resolve=from_env({charge: "CHARGE_FN", "orders": "ORDERS_FN", by_contract: "OWN_FN"})).close()
assert_type(Invocation("f").invocation_type, InvocationType)

with LocalEndpoint([LocalFunction("orders", "app.handler", directory=".")]) as endpoint, client as entered:
    assert_type(endpoint.url, str)
    assert_type(entered, LambdaClient)

# Tests without AWS
stub = StubTransport()
charges = stub.on(charge, when=lambda request: request.cents > 1).throttles(2, retry_after=1)
assert_type(charges, Stub[ChargeRequest, ChargeResponse])
assert_type([call.request for call in charges.calls], list[ChargeRequest])
charges.returns(ChargeResponse(charge_id="c")).raises(CardDeclined(reason="limit"), ValueError)
charges.runs(lambda request: ChargeResponse(charge_id=request.order_id)).runs(lambda event, context: [event, context])
charges.times_out().crashes().denies(1).accepts()
charges.assert_called_with(ChargeRequest(order_id="o", cents=1))
stub.on(Contract("nothing", request=int, response=None)).returns(None)
stub.on(maybe).returns(None, ChargeResponse(charge_id="c"))
assert_type(stub.on("legacy").calls[0].request, JsonValue)
stub.on("legacy", qualifier="live").returns(ChargeResponse(charge_id="c"), {"a": 1}, None)
system = InProcessTransport({charge: by_contract, "legacy": lambda event, _: event}, timeout=5)
assert_type(system.calls, tuple[InProcessCall, ...])
stub.on(by_contract).runs(by_contract)
LambdaClient(stub).close()
LambdaClient(system).close()
assert_handler_fulfils(charge, by_contract, requests=[ChargeRequest(order_id="o", cents=1)])
assert_compatible(charge.schema(), charge, first="callee")
assert_type(compatibility(charge, charge.schema()), tuple[Change, ...])


# Maps and streams
assert_type(client.map(charge, [ChargeRequest(order_id="o", cents=1)]), Generator[ChargeResponse])
assert_type(
    client.map(by_contract, iter([ChargeRequest(order_id="o", cents=1)]), ordered=False), Generator[ChargeResponse]
)
assert_type(
    client.map(charge, [ChargeRequest(order_id="o", cents=1)], return_exceptions=True, max_concurrency=5, timeout=3),
    Generator[ChargeResponse | CallError],
)
assert_type(client.map("legacy", [1, "a"], on_progress=bar()), Generator[JsonValue])
assert_type(client.map("legacy", [1], response=ChargeResponse), Generator[ChargeResponse])
assert_type(
    client.map("legacy", [1], response=ChargeResponse, return_exceptions=True), Generator[ChargeResponse | CallError]
)
assert_type(client.fire_map(charge, [ChargeRequest(order_id="o", cents=1)]), Generator[Receipt])
assert_type(client.fire_map("legacy", [1], return_exceptions=True), Generator[Receipt | CallError])
assert_type(client.bind(charge).map([ChargeRequest(order_id="o", cents=1)]), Generator[ChargeResponse])
assert_type(
    by_contract.map([ChargeRequest(order_id="o", cents=1)], return_exceptions=True),
    Generator[ChargeResponse | CallError],
)
assert_type(client.stream(charge, ChargeRequest(order_id="o", cents=1)), Generator[bytes])
assert_type(client.stream("legacy", 1, text=True, timeout=5), Generator[str])
assert_type(client.bind(charge).stream(ChargeRequest(order_id="o", cents=1), text=True), Generator[str])


async def awaited(awaiting: AsyncLambdaClient, request: ChargeRequest) -> None:
    assert_type(await awaiting.call(charge, request), ChargeResponse)
    assert_type(await awaiting.call(asynchronous, request), ChargeResponse)
    assert_type(await awaiting.call("legacy", 1), JsonValue)
    assert_type(await awaiting.call("legacy", 1, response=ChargeResponse), ChargeResponse)
    assert_type((await awaiting.invoke(charge, request)).value, ChargeResponse)
    assert_type(await awaiting.invoke("legacy", 1, response=list[int], timeout=5), InvokeResult[list[int]])
    assert_type(await awaiting.fire(charge, request), Receipt)
    assert_type(await awaiting.can_invoke(charge), Permission)
    assert_type(await awaiting.bind(charge).with_options(timeout=3).call(request), ChargeResponse)
    async with AsyncLambdaClient(HttpTransport(), hooks=[async_hook]) as entered:
        assert_type(entered, AsyncLambdaClient)


async def async_hook(_invocation: Invocation, proceed: Callable[[], Awaitable[Outcome]]) -> Outcome:
    return await proceed()


transport_that_awaits: AsyncTransport = AsyncHttpTransport(region="eu-west-1")
transport_over_aiobotocore: Callable[..., AsyncTransport] = AsyncBotoTransport


async def many(awaiting: AsyncLambdaClient, requests: AsyncIterable[ChargeRequest]) -> None:
    assert_type(awaiting.map(charge, requests), AsyncGenerator[ChargeResponse])
    assert_type(awaiting.map(charge, requests, return_exceptions=True), AsyncGenerator[ChargeResponse | CallError])
    assert_type(awaiting.fire_map(charge, [ChargeRequest(order_id="o", cents=1)]), AsyncGenerator[Receipt])
    assert_type(awaiting.bind(charge).map(requests, ordered=False), AsyncGenerator[ChargeResponse])
    assert_type([piece async for piece in awaiting.stream("legacy", 1, text=True)], list[str])


def progressed(progress: MapProgress) -> None:
    assert_type(progress.total, int | None)


options: MapOptions = {"on_progress": progressed, "max_concurrency": 3}
client.map(charge, [ChargeRequest(order_id="o", cents=1)], **options)
stub.on(charge).streams(b"a", "b", CardDeclined(reason="limit"))
assert_type(Contract("large", request=int, response=str, offload=S3Offload("bucket", threshold=5)), Contract[int, str])


@queue(charge)
def charge_from_queue(request: ChargeRequest) -> None: ...


@queue(charge, wrapped_by="sns", time_per_record=timedelta(seconds=5))
async def charge_from_topic(request: ChargeRequest, context: Any) -> ChargeResponse:
    return ChargeResponse(charge_id="c")


assert_type(charge_from_queue, QueueHandler[ChargeRequest])
assert_type(charge_from_topic, QueueHandler[ChargeRequest])
assert_type(charge_from_queue({"Records": []}), BatchResponse)
charge_from_queue.local(ChargeRequest(order_id="o", cents=1))
charge_from_queue(sqs_event(charge, ChargeRequest(order_id="o", cents=1), queue="charges.fifo", group_id="g"))

charge_route = QueueRoute(charge, "https://sqs.eu-west-1.amazonaws.com/1/charges.fifo", group_by=lambda r: r.order_id)
assert_type(charge_route, QueueRoute[ChargeRequest])
queueing_transport: Transport = SqsTransport(charge_route, transport=HttpTransport(), resolve=prefix("prod-"))
LambdaClient(queueing_transport).fire(charge, ChargeRequest(order_id="o", cents=1))


class Audit(Interceptor):
    @contextmanager
    def calling(self, call: OutgoingCall) -> Generator[None]:
        assert_type(call.operation, Literal["call", "fire", "can_invoke", "stream"])
        assert_type(call.metadata, MutableMapping[str, str])
        call.metadata["tenant"] = "acme"
        yield
        assert_type(call.attempts, tuple[CallAttempt, ...])
        assert_type(call.attempts[0].error, CallError | None)

    @contextmanager
    def handling(self, invocation: HandledInvocation) -> Generator[None]:
        assert_type(invocation.metadata, Mapping[str, str])
        yield


class CallerOnly(Interceptor):
    # Without the decorator: any context manager will do, and what it is entered with is ignored.
    def calling(self, call: OutgoingCall) -> AbstractContextManager[str]:
        return nullcontext(call.function)


audit = Audit()
LambdaClient(interceptors=[audit, CallerOnly()])
AsyncLambdaClient(interceptors=(audit,))
remove: Callable[[], None] = use(audit, CallerOnly())
with use(audit):
    pass


@remote(charge, interceptors=[audit])
def audited(request: ChargeRequest) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


@remote("audited", interceptors=[audit], errors=[CardDeclined])
async def audited_by_name(request: ChargeRequest) -> ChargeResponse:
    return ChargeResponse(charge_id=request.order_id)


assert_type(audited, RemoteHandler[ChargeRequest, ChargeResponse])
assert_type(audited_by_name, RemoteHandler[ChargeRequest, ChargeResponse])


class Wrapped(TransportWrapper):
    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        return super().send(invocation, timeout=timeout)

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        return super().open_stream(invocation, timeout=timeout)

    def wrap_async(self, transport: AsyncTransport) -> AsyncTransport:
        return AsyncTransportWrapper(transport)


streaming: StreamingTransport = Wrapped(HttpTransport())
LambdaClient(Wrapped(streaming))
AsyncLambdaClient(AsyncTransportWrapper(AsyncHttpTransport()))


assert_type(Contract("described", request=int, response=str, description="Describe it."), Contract[int, str])
assert_type(charge.description, str | None)


@remote("described", description="Describe it.")
def described(number: int) -> str:
    return str(number)


assert_type(described.contract, Contract[int, str])

assert_type(describe_error_for_model(CardDeclined(reason="limit")), str)
assert_type(to_bedrock_tool(charge, name="charge"), dict[str, Any])
tool_use: dict[str, Any] = {"toolUse": {"toolUseId": "t", "name": "billing-charge", "input": {}}}
assert_type(run_bedrock_tool_use(tool_use, client, [charge], timeout=5), dict[str, Any])
assert_type(run_bedrock_tool_use(tool_use, client, {"charge": charge}), dict[str, Any])


async def used(awaiting: AsyncLambdaClient) -> None:
    assert_type(await run_bedrock_tool_use(tool_use, awaiting, [charge]), dict[str, Any])


boto_client = compat.client("lambda", region_name="eu-west-1", idempotent={"price"}, timeout=20)
stubbed: BotoLambdaClient = boto_client
answer = boto_client.invoke(FunctionName="price", Payload=b"{}", InvocationType="Event", Qualifier="live")
as_stubbed: InvocationResponseTypeDef = answer
assert_type(answer["StatusCode"], int)
assert_type(answer["Payload"].read(), bytes)
assert_type(boto_client.get_function(FunctionName="price")["Tags"], dict[str, str])
assert_type(compat.Session(region_name="eu-west-1").client("lambda").invoke(FunctionName="f")["FunctionError"], str)
compat.client("s3").list_buckets()


def test_with_the_endpoint(lambda_endpoint: LambdaEndpoint) -> None:
    endpoint = lambda_endpoint(LocalFunction("billing", "app.handler"), region="eu-west-1", clock="virtual")
    assert_type(endpoint, LocalEndpoint)
    assert_type(LambdaClient(region="eu-west-1").call("billing", {}, response=int), int)
    AsyncLambdaClient(region="eu-west-1")


# Step Functions: a handler is accepted wherever a contract is
states = {
    "Which": choice("kind", {charge: "Charge", by_contract: "Map", "GIFT": "Map", None: "Map"}, default="Charge"),
    "Charge": task(by_contract, catch={CardDeclined: "Declined", "States.Timeout": "Declined"}, retry=RetryPolicy()),
    "Map": distributed_map(maybe, items=S3Items("bucket", "key"), execution_type="EXPRESS", query_language="JSONata"),
    **read_error("Declined", next="Charge"),
}
assert_type(state_machine(states), dict[str, Any])
assert_type(to_call_error(by_contract, "States.Timeout", None), CallError)
assert_type(run_map(charge, [request], role="r", bucket="b"), MapRun[ChargeResponse])
assert_type(run_map(by_contract, execution="arn", return_exceptions=True), MapRun[ChargeResponse | CallError])
assert_type(next(run_map("billing-charge", [{}], role="r", bucket="b")), JsonValue)
assert_type(async_run_map(charge, [request]), AsyncMapRun[ChargeResponse])
