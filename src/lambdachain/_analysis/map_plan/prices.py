"""The prices of what a map uses: one table, with the date and the source of each.

They are list prices without the free tier, discounts for volume, and taxes. Nothing is looked up when a map is planned.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

CURRENCY: Final = "USD"
REGION: Final = "us-east-1"


class Price(NamedTuple):
    """A list price.

    Attributes:
        amount: The price of one unit, in ``CURRENCY``.
        unit: What is paid for.
        source: Where AWS publishes it.
        date: The month of the publication that it was read in.
    """

    amount: Decimal
    unit: str
    source: str
    date: str


_STEP_FUNCTIONS: Final = "https://aws.amazon.com/step-functions/pricing/"
_LAMBDA: Final = "https://aws.amazon.com/lambda/pricing/"
_SQS: Final = "https://aws.amazon.com/sqs/pricing/"

TRANSITION: Final = Price(Decimal("0.000025"), "state transition of a Standard workflow", _STEP_FUNCTIONS, "2026-03")
EXPRESS_REQUEST: Final = Price(Decimal("0.000001"), "request of an Express workflow", _STEP_FUNCTIONS, "2026-03")
EXPRESS_GB_SECOND: Final = Price(Decimal("0.00001667"), "GB-second of an Express workflow", _STEP_FUNCTIONS, "2026-03")
LAMBDA_REQUEST: Final = Price(Decimal("0.0000002"), "request of a function", _LAMBDA, "2026-03")
LAMBDA_GB_SECOND: Final = Price(Decimal("0.0000166667"), "GB-second of a function (x86)", _LAMBDA, "2026-03")
QUEUE_REQUEST: Final = Price(Decimal("0.0000004"), "request of a standard queue", _SQS, "2026-03")

PRICES: Final = (TRANSITION, EXPRESS_REQUEST, EXPRESS_GB_SECOND, LAMBDA_REQUEST, LAMBDA_GB_SECOND, QUEUE_REQUEST)
