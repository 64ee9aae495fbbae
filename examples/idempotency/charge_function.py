"""ChargeFunction: charges once for each key. Lambda's handler setting: charge_function.handler."""

from __future__ import annotations

import os
import uuid

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig
from charge_contracts import Charge, Charged, charge

from lambdachain import remote
from lambdachain.powertools import idempotent_by_caller_key


@remote(charge)
@idempotent_by_caller_key(
    persistence_store=DynamoDBPersistenceLayer(table_name=os.environ.get("IDEMPOTENCY_TABLE", "idempotency")),
    config=IdempotencyConfig(event_key_jmespath="order_id", payload_validation_jmespath="@"),
)
def handler(request: Charge) -> Charged:
    print(f"took {request.cents} cents for {request.order_id}")
    return Charged(charge_id=str(uuid.uuid4()), cents=request.cents)
