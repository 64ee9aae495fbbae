"""PayAndWait and PayAndGoOn: pass a payment on. Handler settings: invoker_function.wait and invoker_function.go_on."""

from __future__ import annotations

from invoker_contracts import (
    Accepted,
    Confirmation,
    CreditExceeded,
    Payment,
    pay_and_go_on,
    pay_and_wait,
    process_payment,
)

from lambdachain import LambdaClient, remote

client = LambdaClient()


@remote(pay_and_wait)
def wait(payment: Payment) -> Confirmation:
    """Wait for the response: both functions are billed meanwhile."""
    try:
        done = client.call(process_payment, payment)
    except CreditExceeded as exceeded:
        return Confirmation(text=f"refused: {exceeded.left} left for {exceeded.customer_id}")
    return Confirmation(text=f"{done.amount} taken from {done.customer_id}", payment_id=done.payment_id)


@remote(pay_and_go_on)
def go_on(payment: Payment) -> Accepted:
    """Do not wait: Lambda queues the event, and retries it if it fails."""
    return Accepted(request_id=client.fire(process_payment, payment).request_id)
