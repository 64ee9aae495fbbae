"""A function in Node.js calls one in Python, each in its own runtime client."""

from __future__ import annotations

from pathlib import Path

import boto3
from pydantic import BaseModel
from quote_function import QuoteRequest

from lambdachain import BotoTransport, Contract, FunctionError, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

HERE = Path(__file__).parent


class Told(BaseModel):
    text: str
    through: str


lambda_a = Contract("LambdaA", request=QuoteRequest, response=Told)


def system() -> LocalEndpoint:
    """Deploy both; the packages that npm installed for LambdaA are found as on AWS."""
    return LocalEndpoint(
        [
            LocalFunction("LambdaA", "lambda_a.handler", runtime="nodejs", directory=HERE, timeout=10, memory=256),
            LocalFunction("QuotePrice", "quote_function.handler", directory=HERE),
        ]
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def main() -> None:
    with system() as endpoint, local_client(endpoint) as client:
        told = client.call(lambda_a, QuoteRequest(product="Keyboard", quantity=3))
        print(f"LambdaA calls QuotePrice through {told.through}")
        print(f"  {told.text}")
        print(f"  {client.call(lambda_a, QuoteRequest(product='Abacus', quantity=1)).text}")
        try:
            client.call("LambdaA", {"product": "Keyboard", "quantity": 0})
        except FunctionError as failed:
            print(f"  {failed.error_type}: {failed.error_message}")


if __name__ == "__main__":
    main()
