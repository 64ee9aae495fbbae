"""Tests with botocore's Stubber, which checks the parameters of each call."""

import base64
import io
import json

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from functions import audit, mail, permission, price, refund, regional, stock, tail, tenant, throttled


def body(value):
    data = json.dumps(value).encode()
    return StreamingBody(io.BytesIO(data), len(data))


def test_price():
    with Stubber(price.client) as stubber:
        expected = {"FunctionName": "price-test", "Payload": '{"sku": "a"}'}
        stubber.add_response("invoke", {"StatusCode": 200, "Payload": body({"cents": 5})}, expected)
        assert price.handler({"sku": "a"}, None) == {"cents": 5}
        stubber.assert_no_pending_responses()


def test_price_is_not_asked_twice():
    with Stubber(price.client) as stubber:
        stubber.add_client_error("invoke", "ServiceException", http_status_code=500)
        with pytest.raises(price.client.exceptions.ServiceException, match="when calling the Invoke operation"):
            price.handler({"sku": "a"}, None)
        stubber.assert_no_pending_responses()


def test_stock_fails():
    failed = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": body({"errorMessage": "no shelf"})}
    with Stubber(stock.client) as stubber:
        stubber.add_response("invoke", failed)
        with pytest.raises(stock.StockError, match="no shelf"):
            stock.handler({}, None)


def test_mail():
    with Stubber(mail.client) as stubber:
        stubber.add_response(
            "invoke", {"StatusCode": 202}, {"FunctionName": "mail", "InvocationType": "Event", "Payload": ANY}
        )
        assert mail.handler({"to": "a@example.com"}, None)


def test_audit_failure_is_swallowed(caplog):
    with Stubber(audit.client) as stubber:
        stubber.add_client_error("invoke", "TooManyRequestsException", "Rate Exceeded.", 429)
        assert not audit.handler({}, None)
    assert "An error occurred (TooManyRequestsException) when calling the Invoke operation: Rate Exc" in caplog.text


def test_refund():
    with Stubber(refund.client) as stubber:
        stubber.add_client_error("invoke", "ResourceNotFoundException")
        stubber.add_client_error(
            "invoke", "TooManyRequestsException", modeled_fields={"Reason": "CallerRateLimitExceeded"}
        )
        stubber.add_response(
            "invoke",
            {"Payload": body({"refunded": True})},
            {"FunctionName": "refund", "Qualifier": "live", "Payload": "{}"},
        )
        assert refund.handler({}, None) == {"refunded": False, "why": "not deployed"}
        assert refund.handler({}, None) == {"refunded": False, "why": "CallerRateLimitExceeded"}
        assert refund.handler({}, None) == {"refunded": True}


def test_permission():
    with Stubber(permission.client) as stubber:
        stubber.add_response("invoke", {"StatusCode": 204})
        stubber.add_client_error("invoke", "AccessDeniedException", http_status_code=403)
        assert permission.handler({"function": "f"}, None)
        assert not permission.handler({"function": "f"}, None)


def test_throttled():
    with Stubber(throttled.client) as stubber:
        stubber.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        stubber.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        stubber.add_response("invoke", {"Payload": body([1])})
        assert throttled.handler({}, None) == [1]
        stubber.assert_no_pending_responses()


def test_tenant():
    with Stubber(tenant.client) as stubber:
        texts = base64.b64encode(b'{"custom": {"tenant": "t"}}').decode()
        expected = {"FunctionName": "tenant", "ClientContext": texts, "Payload": ANY}
        stubber.add_response("invoke", {"Payload": body({"seen": "t"})}, expected)
        assert tenant.handler({"tenant": "t"}, None) == {"seen": "t"}


def test_tail():
    response = {"Payload": body("x"), "LogResult": base64.b64encode(b"END").decode(), "ExecutedVersion": "3"}
    with Stubber(tail.client) as stubber:
        stubber.add_response("invoke", response, {"FunctionName": "tail", "LogType": "Tail", "Payload": b"{}"})
        assert tail.handler({}, None) == (1, "END", "3")


def test_regional():
    with Stubber(regional.client) as stubber:
        stubber.add_response("invoke", {"Payload": body({"a": 1})})
        assert regional.handler({}, None) == {"a": 1, "region": "us-east-1"}
