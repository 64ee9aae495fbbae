"""An invoker that waits and one that does not, in processes of the real Lambda runtime client."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path

import boto3
from invoker_contracts import Payment, pay_and_go_on, pay_and_wait

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

HERE = Path(__file__).parent


def system() -> LocalEndpoint:
    """Deploy the three functions here; with a virtual clock, so that their events need not be waited for."""
    return LocalEndpoint(
        [
            LocalFunction("PayAndWait", "invoker_function.wait", directory=HERE),
            LocalFunction("PayAndGoOn", "invoker_function.go_on", directory=HERE),
            LocalFunction("ProcessPayment", "payment_function.handler", directory=HERE),
        ],
        clock="virtual",
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def main() -> None:
    logging.basicConfig(format="  log of %(message)s", level=logging.INFO)
    payment = Payment(customer_id="C-1", amount=Decimal("24.90"))
    with system() as endpoint, local_client(endpoint) as client:
        print("PayAndWait calls ProcessPayment and waits:")
        print(f"  {client.call(pay_and_wait, payment).text}")
        too_much = payment.model_copy(update={"amount": Decimal(5000)})
        print(f"  {client.call(pay_and_wait, too_much).text}")

        print("PayAndGoOn has Lambda queue it and goes on:")
        print(f"  accepted as {client.call(pay_and_go_on, payment).request_id}")
        print(f"  deliveries since: {endpoint.deliver()}")


if __name__ == "__main__":
    main()
