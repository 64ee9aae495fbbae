"""ChargeFunction: charges once for each key. Lambda's handler setting: charge_function.handler."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.serialization.pydantic import PydanticSerializer
from charge_contracts import Charge, Charged, charge
from pydantic import BaseModel

from lambdachain import current_invocation, remote


class Once(BaseModel):
    key: str
    request: Charge


def take_money(*, once: Once) -> Charged:
    print(f"took {once.request.cents} cents for {once.request.order_id}")
    return Charged(charge_id=str(uuid.uuid4()), cents=once.request.cents)


settings = IdempotencyConfig(event_key_jmespath="key", payload_validation_jmespath="request")
take_money_once: Callable[..., Charged] = idempotent_function(
    take_money,
    data_keyword_argument="once",
    config=settings,
    persistence_store=DynamoDBPersistenceLayer(table_name=os.environ.get("IDEMPOTENCY_TABLE", "idempotency")),
    output_serializer=PydanticSerializer(model=Charged),
)


@remote(charge)
def handler(request: Charge, context: Any) -> Charged:
    settings.register_lambda_context(context)  # a run that Lambda stopped midway blocks its key no longer than it had
    invocation = current_invocation()
    key = invocation.idempotency_key if invocation else None
    return take_money_once(once=Once(key=key or request.order_id, request=request))
