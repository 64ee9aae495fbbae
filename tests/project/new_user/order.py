"""Lambda's handler setting: order.handler. It waits for the price, and does not wait for the audit."""

from lambdachain import LambdaClient, remote
from shop_contracts import AuditEntry, Order, Placed, PriceRequest, UnknownProduct, audit, order, price

client = LambdaClient(timeout=5, region="eu-west-1")


@remote(order)
def handler(request: Order) -> Placed:
    try:
        quote = client.call(price, PriceRequest(product=request.product, quantity=request.quantity))
    except UnknownProduct as unknown:
        client.fire(audit, AuditEntry(customer=request.customer, what=f"asked for {unknown.product}"))
        return Placed(accepted=False)
    client.fire(audit, AuditEntry(customer=request.customer, what=f"pays {quote.total}"))
    return Placed(accepted=True, total=quote.total)
