"""The callee's side: the same function as a plain handler, validating by hand, and decorated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[Any, Any], Any]


def plain() -> Handler:
    """Take a dict and return one."""
    return lambda event, _context: event


def by_hand() -> Handler:
    """Validate the event, and dump the response, as one would write it without lambdachain."""
    from .models import Order

    def handler(event: Any, _context: Any) -> Any:
        return Order.model_validate(event).model_dump(mode="json")

    return handler


def with_remote() -> Handler:
    """Use ``remote``."""
    from lambdachain import remote

    from .models import Order

    @remote("orders-place")
    def handler(order: Order) -> Order:
        return order

    return handler


CALLEES: dict[str, Callable[[], Handler]] = {
    "a plain handler": plain,
    "model_validate and model_dump": by_hand,
    "lambdachain's remote": with_remote,
}
PLAIN, BY_HAND, DECORATED = CALLEES


def context() -> Any:
    """Build the context of Lambda's runtime client."""
    import time

    from awslambdaric.lambda_context import LambdaContext

    return LambdaContext("8f5e2c1a-0000-4000-8000-000000000000", None, None, int((time.time() + 900) * 1000))
