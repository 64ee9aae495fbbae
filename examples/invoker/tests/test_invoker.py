"""The invokers: each alone, with the function they invoke, and in the real runtime."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import invoker_function
import payment_function
import pytest
from invoker_contracts import (
    Confirmation,
    CreditExceeded,
    Payment,
    Processed,
    pay_and_go_on,
    pay_and_wait,
    process_payment,
)

from lambdachain import InProcessTransport, InvocationType, LambdaClient
from lambdachain.local import LocalFunction
from lambdachain.testing import LambdaContext, LambdaEndpoint, StubTransport

EXAMPLE = Path(__file__).parents[1]
PAYMENT = Payment(customer_id="C-1", amount=Decimal("24.90"))
TOO_MUCH = PAYMENT.model_copy(update={"amount": Decimal(5000)})
PROCESSED = Processed(payment_id=UUID(int=1), customer_id="C-1", amount=Decimal("24.90"))

client = LambdaClient()


def test_pay_and_wait_returns_the_response(lambda_stub: StubTransport) -> None:
    payments = lambda_stub.on(process_payment).returns(PROCESSED)

    assert invoker_function.wait.local(PAYMENT) == Confirmation(text="24.90 taken from C-1", payment_id=UUID(int=1))
    assert [(call.request, call.invocation_type) for call in payments.calls] == [
        (PAYMENT, InvocationType.REQUEST_RESPONSE)
    ]


def test_pay_and_wait_catches_the_declared_error(lambda_stub: StubTransport) -> None:
    lambda_stub.on(process_payment).raises(CreditExceeded(customer_id="C-1", left=Decimal(3)))

    assert invoker_function.wait.local(PAYMENT) == Confirmation(text="refused: 3 left for C-1")


def test_pay_and_go_on_knows_only_that_the_event_was_accepted(lambda_stub: StubTransport) -> None:
    payments = lambda_stub.on(process_payment).accepts()

    assert invoker_function.go_on.local(PAYMENT).request_id
    assert [(call.request, call.invocation_type) for call in payments.calls] == [(PAYMENT, InvocationType.EVENT)]


def test_customer_id_and_amount_are_on_the_wire_as_other_teams_write_them(
    lambda_stub: StubTransport, lambda_context: LambdaContext
) -> None:
    lambda_stub.on(process_payment).returns(PROCESSED)

    answer = invoker_function.wait({"CustomerId": "C-1", "Amount": "24.90"}, lambda_context)

    assert answer == {"Text": "24.90 taken from C-1", "PaymentId": str(UUID(int=1))}


@pytest.fixture(name="system")
def _system(lambda_inprocess: InProcessTransport) -> InProcessTransport:
    for handler in (invoker_function.wait, invoker_function.go_on, payment_function.handler):
        lambda_inprocess.add(handler)
    return lambda_inprocess


def test_both_reach_the_same_function(system: InProcessTransport) -> None:
    client.call(pay_and_wait, PAYMENT)
    client.call(pay_and_go_on, PAYMENT)

    assert system.graph == {
        (None, "PayAndWait", InvocationType.REQUEST_RESPONSE),
        (None, "PayAndGoOn", InvocationType.REQUEST_RESPONSE),
        ("PayAndWait", "ProcessPayment", InvocationType.REQUEST_RESPONSE),
        ("PayAndGoOn", "ProcessPayment", InvocationType.EVENT),
    }


def test_only_lambda_knows_of_a_failed_event(system: InProcessTransport) -> None:
    assert client.call(pay_and_wait, TOO_MUCH).text == "refused: 1000 left for C-1"
    client.call(pay_and_go_on, TOO_MUCH)

    assert [call.error_type for call in system.calls if call.attempt > 1] == ["CreditExceeded", "CreditExceeded"]
    assert len(system.discarded) == 1


def test_all_of_them_in_the_real_runtime(lambda_endpoint: LambdaEndpoint) -> None:
    lambda_endpoint(
        LocalFunction("PayAndWait", "invoker_function.wait", directory=EXAMPLE),
        LocalFunction("PayAndGoOn", "invoker_function.go_on", directory=EXAMPLE),
        LocalFunction("ProcessPayment", "payment_function.handler", directory=EXAMPLE),
    )

    assert client.call(pay_and_wait, PAYMENT).text == "24.90 taken from C-1"
    assert client.call(pay_and_wait, TOO_MUCH).text == "refused: 1000 left for C-1"
    assert client.call(pay_and_go_on, PAYMENT).request_id
