"""ProcessPurchase and ProcessRefund. Handler settings: transaction_functions.purchase, transaction_functions.refund."""

from __future__ import annotations

from transaction_contracts import Outcome, Purchase, Refund, RefundTooLate, process_purchase, process_refund

from lambdachain import remote

ALLOWED_DAYS = 30


@remote(process_purchase)
def purchase(request: Purchase) -> Outcome:
    return Outcome(outcome="PURCHASED", transaction_id=request.transaction_id)


@remote(process_refund)
def refund(request: Refund) -> Outcome:
    if request.days_since_purchase > ALLOWED_DAYS:
        raise RefundTooLate(days=request.days_since_purchase, allowed=ALLOWED_DAYS)
    return Outcome(outcome="REFUNDED", transaction_id=request.transaction_id)
