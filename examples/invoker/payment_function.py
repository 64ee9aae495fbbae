"""ProcessPayment: does the work, whether or not a caller waits for it. Handler setting: payment_function.handler."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from invoker_contracts import CreditExceeded, Payment, Processed, process_payment

from lambdachain import remote

CREDIT = Decimal(1000)


@remote(process_payment)
def handler(payment: Payment) -> Processed:
    if payment.amount > CREDIT:
        raise CreditExceeded(customer_id=payment.customer_id, left=CREDIT)
    print(f"processed {payment.amount} for {payment.customer_id}")
    return Processed(payment_id=uuid4(), customer_id=payment.customer_id, amount=payment.amount)
