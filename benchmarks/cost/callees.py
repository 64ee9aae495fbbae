"""The callee's side: the same function as a plain handler, validating by hand, and decorated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[Any, Any], Any]


def plain() -> Handler:
    """Take a dictionary and give one."""
    return lambda event, _context: event


def by_hand() -> Handler:
    """Validate the event, and dump the answer, as one would write it."""
    from .models import Order

    def handler(event: Any, _context: Any) -> Any:
        return Order.model_validate(event).model_dump(mode="json")

    return handler


def decorated() -> Handler:
    """Have ``remote`` do it."""
    from lambdachain import remote

    from .models import Order

    @remote("orders-place")
    def handler(order: Order) -> Order:
        return order

    return handler


CALLEES: dict[str, Callable[[], Handler]] = {
    "a plain handler": plain,
    "model_validate and model_dump": by_hand,
    "lambdachain's remote": decorated,
}
PLAIN, BY_HAND, DECORATED = CALLEES


def context() -> Any:
    """Give the context that Lambda's runtime client gives."""
    import time

    from awslambdaric.lambda_context import LambdaContext

    return LambdaContext("8f5e2c1a-0000-4000-8000-000000000000", None, None, int((time.time() + 900) * 1000))
