"""A state machine, in moto's interpreter, calls functions in processes of the real runtime client."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from pydantic import BaseModel
from transaction_contracts import Purchase, Refund
from transaction_machine import DEFINITION

from lambdachain.local import LocalEndpoint, LocalFunction

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::123456789012:role/state-machine"


def system() -> LocalEndpoint:
    return LocalEndpoint(
        [
            LocalFunction("ProcessPurchase", "transaction_functions.purchase", directory=HERE),
            LocalFunction("ProcessRefund", "transaction_functions.refund", directory=HERE),
        ]
    )


class StateMachine:
    """The state machine, deployed to moto's Step Functions; its functions are those of an endpoint."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn
        self._started = 0

    def run(self, request: BaseModel | dict[str, object]) -> dict[str, Any]:
        """Run it to its end, and return what Step Functions says about the execution."""
        text = request.model_dump_json() if isinstance(request, BaseModel) else json.dumps(request)
        self._started += 1
        # Without a name, moto takes the second execution for the first.
        started = self._client.start_execution(stateMachineArn=self._arn, input=text, name=f"run-{self._started}")
        while True:
            execution: dict[str, Any] = self._client.describe_execution(executionArn=started["executionArn"])
            if execution["status"] != "RUNNING":
                return execution
            time.sleep(0.05)


def _client(service: str) -> Any:
    boto: Any = boto3  # whose types know no name that is not a literal
    return boto.client(service, region_name="us-east-1")


@contextmanager
def deployed(endpoint: LocalEndpoint) -> Generator[StateMachine]:
    """Deploy the state machine; meanwhile, every AWS call of this process goes to moto, except those to Lambda."""
    settings = {"AWS_ENDPOINT_URL_LAMBDA": endpoint.url, "AWS_DEFAULT_REGION": "us-east-1"}
    with patch.dict(os.environ, settings), mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        client = _client("stepfunctions")
        made = client.create_state_machine(name="transactions", definition=json.dumps(DEFINITION), roleArn=ROLE)
        yield StateMachine(client, made["stateMachineArn"])


def main() -> None:
    logging.getLogger("moto").setLevel(logging.CRITICAL)  # it logs every failure of a state
    requests: dict[str, BaseModel | dict[str, object]] = {
        "a purchase": Purchase(transaction_id="t-1", amount=Decimal("24.90")),
        "a refund": Refund(transaction_id="t-1", amount=Decimal("24.90"), days_since_purchase=3),
        "a late refund": Refund(transaction_id="t-1", amount=Decimal("24.90"), days_since_purchase=31),
        "a gift": {"kind": "GIFT", "transaction_id": "t-2"},
        "a wrong purchase": {"kind": "PURCHASE", "transaction_id": "t-2", "amount": "nothing"},
    }
    with system() as endpoint, deployed(endpoint) as machine:
        for title, request in requests.items():
            execution = machine.run(request)
            print(f"{title}: {execution['status']} {execution.get('output') or execution['error']}")


if __name__ == "__main__":
    main()
