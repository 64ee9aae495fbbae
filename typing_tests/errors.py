"""What a type checker must refuse: one mistake a line, marked with the codes that mypy and pyright must report.

Never executed. ``tests/project/test_typing.py`` checks that both refuse each marked line, that neither refuses another
one, and that what follows ``mypy says:`` or ``pyright says:`` in a comment is in that checker's message for the next marked line.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lambdachain import (
    AsyncLambdaClient,
    Contract,
    FunctionArn,
    Interceptor,
    LambdaClient,
    OutgoingCall,
    RemoteError,
    RetryPolicy,
    ThrottledError,
    current_invocation,
    remote,
    use,
)
from lambdachain import compat
from lambdachain.agents import describe_error_for_model, run_bedrock_tool_use, to_bedrock_tool
from lambdachain.sqs import QueueRoute, queue
from lambdachain.testing import StubTransport, assert_compatible, assert_handler_fulfils, sqs_event


class Request(BaseModel):
    cents: int


class Response(BaseModel):
    charge_id: str


class Declined(RemoteError):
    reason: str


client = LambdaClient()
request = Request(cents=1)
charge = Contract("billing-charge", request=Request, response=Response, errors=[Declined])


@remote(charge)
def handler(request: Request) -> Response:
    return Response(charge_id="c")


# A wrong request
# pyright says: "Response" is not assignable to "Request"
client.call(charge, Response(charge_id="c"))  # E: call-overload,misc reportCallIssue,reportArgumentType
client.call(charge, {"cents": 1})  # E: call-overload,misc reportCallIssue,reportArgumentType
client.call(charge, None)  # E: call-overload,misc reportCallIssue,reportArgumentType
client.call(charge)  # E: call-overload,misc reportCallIssue,reportArgumentType
client.invoke(charge, "text")  # E: call-overload,misc reportCallIssue,reportArgumentType
client.fire(charge, 1)  # E: call-overload,misc reportCallIssue,reportArgumentType
client.call(handler, Response(charge_id="c"))  # E: call-overload,misc reportCallIssue,reportArgumentType
# mypy says: Argument 1 to "call" of "RemoteFunction" has incompatible type "int"; expected "Request"
# pyright says: "Literal[1]" is not assignable to "Request"
client.bind(charge).call(1)  # E: arg-type reportArgumentType
client.bind(charge).fire(Response(charge_id="c"))  # E: arg-type reportArgumentType
handler.call({"cents": 1})  # E: arg-type reportArgumentType
handler.local({"cents": 1})  # E: arg-type reportArgumentType

# A wrong use of the response
number: int = client.call(charge, request)  # E: assignment reportAssignmentType
client.call(charge, request).cents  # E: attr-defined reportAttributeAccessIssue
client.invoke(charge, request).charge_id  # E: attr-defined reportAttributeAccessIssue
client.fire(charge, request).value  # E: attr-defined reportAttributeAccessIssue
client.can_invoke(charge).value  # E: attr-defined reportAttributeAccessIssue
handler.local(request).cents  # E: attr-defined reportAttributeAccessIssue
client.bind(handler).call(request).cents  # E: attr-defined reportAttributeAccessIssue

# A plain name has no types without response=
client.call("billing-charge", request).charge_id  # E: union-attr reportAttributeAccessIssue
text: str = client.call("billing-charge", request)  # E: assignment reportAssignmentType
client.call("billing-charge", request, response=Response).cents  # E: attr-defined reportAttributeAccessIssue
client.call(charge, request, response=Response)  # E: call-overload reportCallIssue
client.bind("billing-charge")  # E: arg-type reportArgumentType
client.call(3, request)  # E: call-overload reportCallIssue

# Wrong options
client.call(charge, request, timout=3)  # E: call-overload reportCallIssue
client.call(charge, request, timeout="3")  # E: call-overload reportCallIssue
client.call(charge, request, qualifier=3)  # E: call-overload reportCallIssue
client.call(charge, request, client_context={"a": 1})  # E: dict-item reportCallIssue
client.bind(charge, log_tail="yes")  # E: arg-type reportArgumentType
client.can_invoke(charge, response=Response)  # E: call-arg reportCallIssue
LambdaClient(timeout="3")  # E: arg-type reportArgumentType
LambdaClient(resolve={"a": "b"})  # E: arg-type reportArgumentType
client.call(charge, request, retry=3)  # E: call-overload reportCallIssue
client.call(charge, request, idempotency_key=7)  # E: call-overload reportCallIssue
LambdaClient(retry=3)  # E: arg-type reportArgumentType

# A wrong policy
RetryPolicy(max_attempts="3")  # E: arg-type reportArgumentType
RetryPolicy(max_retries=3)  # E: call-arg reportCallIssue
RetryPolicy(jitter="some")  # E: arg-type reportArgumentType
RetryPolicy(budget=3)  # E: arg-type reportArgumentType
RetryPolicy(retry_on=ThrottledError)  # E: arg-type reportArgumentType
RetryPolicy(retry_on=(ThrottledError,))  # E: arg-type reportArgumentType
RetryPolicy.never().max_attempts = 2  # E: misc reportAttributeAccessIssue
current_invocation().idempotency_key  # E: union-attr reportOptionalMemberAccess
LambdaClient(object())  # E: arg-type reportArgumentType


# A wrong handler
# mypy says: incompatible type "Callable[[Response], Response]"; expected "Callable[[Request], Response | Coroutine[Any, Any, Response]] | Callable[[Request, Any], Response
# pyright says: Parameter 1: type "Request" is incompatible with type "Response"
@remote(charge)  # E: arg-type reportArgumentType
def takes_another(request: Response) -> Response:
    return request


# mypy says: incompatible type "Callable[[Request], Request]"; expected "Callable[[Request], Response | Coroutine[Any, Any, Response]] | Callable[[Request, Any], Response
# pyright says: Function return type "Request" is incompatible with type "Response | Coroutine[Any, Any, Response]"
@remote(charge)  # E: arg-type reportArgumentType
def returns_another(request: Request) -> Request:
    return request


# mypy says: incompatible type "Callable[[Request], Coroutine[Any, Any, Request]]"; expected "Callable[[Request], Response | Coroutine[Any, Any, Response]] | Callable[[Request, Any], Response
# pyright says: Function return type "CoroutineType[Any, Any, Request]" is incompatible with type "Response | Coroutine[Any, Any
@remote(charge)  # E: arg-type reportArgumentType
async def returns_another_asynchronously(request: Request) -> Request:
    return request


# mypy says: incompatible type "Callable[[Request, Any, int], Response]"; expected "Callable[[Request], Response | Coroutine[Any, Any, Response]] | Callable[[Request, Any], Response
# pyright says: Extra parameter "more"
@remote(charge)  # E: arg-type reportArgumentType
def takes_too_much(request: Request, context: Any, more: int) -> Response:
    return Response(charge_id="c")


# pyright says: Function accepts too few positional parameters; expected 2 but received 0
@remote("billing-charge")  # E: arg-type,call-overload reportArgumentType,reportCallIssue
def takes_nothing() -> Response:
    return Response(charge_id="c")


remote(charge, idempotent=True)  # E: call-overload reportArgumentType
remote("billing-charge", idempotnet=True)  # E: call-overload reportCallIssue

# A wrong declaration
Contract("f", request=Request)  # E: call-overload reportCallIssue
Contract(3, request=Request, response=Response)  # E: call-overload reportCallIssue
Contract("f", request=Request, response=Response, errors=[ValueError])  # E: call-overload,list-item reportCallIssue
Declined()  # E: call-arg reportCallIssue
Declined("limit")  # E: call-arg,misc reportCallIssue
Declined(reason=3)  # E: arg-type reportArgumentType
Declined(reason="limit", more=1)  # E: call-arg reportCallIssue
Declined(reason="limit").cents  # E: attr-defined reportAttributeAccessIssue
charge.function = "other"  # E: misc reportAttributeAccessIssue
FunctionArn.build("orders", region="eu-west-1")  # E: call-arg reportCallIssue

# A stub that drifts from its contract
stub = StubTransport()
stub.on(charge).returns(request)  # E: arg-type reportArgumentType
stub.on(charge).returns({"charge_id": "c"})  # E: arg-type reportArgumentType
stub.on(charge).raises("limit")  # E: arg-type reportArgumentType
stub.on(charge).runs(lambda request: request)  # E: arg-type,call-overload,return-value reportArgumentType,reportReturnType,reportCallIssue
stub.on(charge, when=lambda request: request.euros > 1)  # E: attr-defined reportAttributeAccessIssue
stub.on(charge).assert_called_with(Response(charge_id="c"))  # E: arg-type reportArgumentType
stub.on(3)  # E: call-overload reportCallIssue,reportArgumentType
stub.on("legacy", "other")  # E: call-overload reportCallIssue,reportArgumentType
assert_handler_fulfils(charge, takes_nothing, requests=[Response(charge_id="c")])  # E: misc,arg-type reportArgumentType
assert_compatible(charge, 3)  # E: arg-type reportArgumentType
assert_compatible(charge, charge, first="both")  # E: arg-type reportArgumentType

# Maps and streams
client.map(charge, [Response(charge_id="c")])  # E: misc,call-overload,list-item reportArgumentType,reportCallIssue
client.map(charge, request)  # E: misc,call-overload,arg-type reportArgumentType,reportCallIssue
client.map(charge, [request], max_concurency=3)  # E: call-overload reportCallIssue
client.map(charge, [request], on_progress=lambda: None)  # E: call-overload,arg-type,misc reportArgumentType,reportCallIssue
client.stream(charge, Response(charge_id="c"))  # E: misc,call-overload reportArgumentType,reportCallIssue
client.stream(charge, request, text="utf-8")  # E: call-overload reportArgumentType,reportCallIssue
stub.on(charge).streams(3)  # E: arg-type reportArgumentType
Contract("f", request=int, response=int, offload="bucket")  # E: call-overload reportArgumentType,reportCallIssue

# Interceptors
LambdaClient(interceptors=[Interceptor])  # E: list-item reportArgumentType
LambdaClient(interceptors=Interceptor())  # E: arg-type reportArgumentType
remote(charge, interceptors=[handler])  # E: list-item reportArgumentType
use(handler)  # E: arg-type reportArgumentType


class Wrong(Interceptor):
    def calling(self, call: OutgoingCall) -> None:  # E: override reportIncompatibleMethodOverride
        call.metadata["count"] = 5  # E: call-overload,assignment reportArgumentType
        call.attempts[0].duration = 0.0  # E: misc reportAttributeAccessIssue


async def awaited(awaiting: AsyncLambdaClient) -> None:
    await awaiting.call(charge, Response(charge_id="c"))  # E: misc,call-overload reportArgumentType,reportCallIssue
    await awaiting.call(charge, request, timeut=3)  # E: call-overload reportCallIssue
    charged: Response = awaiting.call(charge, request)  # E: assignment reportAssignmentType
    await charged  # E: misc reportGeneralTypeIssues
    await awaiting.fire(charge, Response(charge_id="c"))  # E: misc,call-overload,arg-type reportArgumentType,reportCallIssue
    awaiting.bind("legacy")  # E: misc,arg-type reportArgumentType
    AsyncLambdaClient(3)  # E: arg-type reportArgumentType


# Queues
@queue(charge)  # E: arg-type reportArgumentType
def wrong_record(request: Response) -> None: ...


@queue(charge)
def right_record(request: Request) -> None: ...


right_record.local(Response(charge_id="c"))  # E: arg-type reportArgumentType
right_record.call(request)  # E: attr-defined reportAttributeAccessIssue
queue(charge, wrapped_by="kinesis")  # E: arg-type reportArgumentType
queue("charges")  # E: arg-type,misc reportArgumentType
QueueRoute(charge, "https://x/q", group_by=lambda order: order.euros)  # E: attr-defined reportAttributeAccessIssue
QueueRoute(charge, 3)  # E: arg-type reportArgumentType
sqs_event(charge, Response(charge_id="c"))  # E: misc,arg-type reportArgumentType

# Tools of language models
Contract("f", request=int, response=int, description=5)  # E: call-overload reportArgumentType,reportCallIssue
remote("f", description=5)  # E: call-overload reportArgumentType
to_bedrock_tool("billing-charge")  # E: arg-type reportArgumentType
run_bedrock_tool_use({}, stub, [charge])  # E: call-overload reportArgumentType,reportCallIssue
run_bedrock_tool_use({}, client, ["billing-charge"])  # E: list-item reportArgumentType,reportCallIssue
run_bedrock_tool_use({}, client, [charge], timeut=5)  # E: call-overload reportCallIssue
describe_error_for_model(ValueError())  # E: arg-type reportArgumentType

# boto3's client
compat.client("lambda").invoke(FunctionName="f", Payload=5)  # E: arg-type reportArgumentType
compat.client("lambda").invoke(Qualifier="live")  # E: call-arg reportCallIssue
compat.client("lambda", idempotent=5)  # E: call-overload reportArgumentType
