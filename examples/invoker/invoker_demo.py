"""An invoker that waits for the response and one that does not, in processes of the real Lambda runtime client."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import boto3
from invoker_contracts import Payment, pay_and_go_on, pay_and_wait

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction, LocalInvocation

HERE = Path(__file__).parent


def system(seen: list[LocalInvocation]) -> LocalEndpoint:
    """Deploy the three functions on this machine; *seen* collects what they did."""
    return LocalEndpoint(
        [
            LocalFunction("PayAndWait", "invoker_function.wait", directory=HERE),
            LocalFunction("PayAndGoOn", "invoker_function.go_on", directory=HERE),
            LocalFunction("ProcessPayment", "payment_function.handler", directory=HERE),
        ],
        clock="virtual",
        observer=seen.append,
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def main() -> None:
    payment = Payment(customer_id="C-1", amount=Decimal("24.90"))
    too_much = payment.model_copy(update={"amount": Decimal(5000)})
    seen: list[LocalInvocation] = []
    with system(seen) as endpoint, local_client(endpoint) as client:
        print("PayAndWait calls ProcessPayment and waits:")
        print(f"  {client.call(pay_and_wait, payment).text}")
        print(f"  {client.call(pay_and_wait, too_much).text}")
        print("PayAndGoOn queues an event and does not wait:")
        print(f"  accepted as {client.call(pay_and_go_on, payment).request_id}")
        endpoint.deliver()
    print("Calls between functions:")
    for line in sorted(f"{one.caller} -> {one.function} ({one.invocation_type})" for one in seen if one.caller):
        print(f"  {line}")


if __name__ == "__main__":
    main()
