"""Tests with unittest.mock, at each of the places where people put it."""

import io
import json
from unittest.mock import MagicMock, patch

import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from functions import audit, batch, charge, gather, imported, lazily, legacy, price, report, session, slow, stock

original = botocore.client.BaseClient._make_api_call


def response(value, **members):
    return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(value).encode()), **members}


@patch("functions.charge.client")
def test_charge(client):
    client.invoke.return_value = response({"statusCode": 200, "body": '{"charge_id": "c"}'})
    assert charge.handler({"cents": 5}, None) == {"ok": True, "charge_id": "c"}
    client.invoke.assert_called_once_with(FunctionName="charge", Payload='{"body": "{\\"cents\\": 5}"}')


@patch.object(charge.client, "invoke")
def test_charge_is_declined(invoke):
    invoke.return_value = response({"statusCode": 402, "body": '{"error": "declined"}'})
    assert charge.handler({"cents": 5}, None) == {"ok": False, "why": "declined"}


def test_price_through_the_api_call():
    def api_call(self, operation_name, kwarg):
        if operation_name == "Invoke":
            assert kwarg == {"FunctionName": "price-test", "Payload": '{"sku": "a"}'}
            return response({"cents": 7})
        return original(self, operation_name, kwarg)

    with patch("botocore.client.BaseClient._make_api_call", new=api_call):
        assert price.handler({"sku": "a"}, None) == {"cents": 7}


def test_stock_through_the_api_call():
    answer = response({"errorMessage": "no shelf", "errorType": "KeyError"}, FunctionError="Unhandled")
    with patch("botocore.client.BaseClient._make_api_call", return_value=answer), pytest.raises(stock.StockError):
        stock.handler({}, None)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Invoke"),
        ClientError({"Error": {"Code": "500", "Message": "no"}}, "invoke"),
        EndpointConnectionError(endpoint_url="https://lambda"),
    ],
)
def test_audit_errors(error):
    with patch("botocore.client.BaseClient._make_api_call", side_effect=error) as api_call:
        assert not audit.handler({}, None)
    api_call.assert_called_once()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ReadTimeoutError(endpoint_url="https://lambda"), "too slow"),
        (EndpointConnectionError(endpoint_url="https://lambda"), "not reachable"),
    ],
)
def test_slow(error, words):
    with patch("botocore.client.BaseClient._make_api_call", side_effect=error):
        assert slow.handler({}, None) == words


def test_lazily():
    lazily.get_client.cache_clear()
    with patch("boto3.client") as client:
        client.return_value.invoke.return_value = response({"ok": True})
        assert lazily.handler({}, None) == {"ok": True}
    client.assert_called_once_with("lambda")
    lazily.get_client.cache_clear()


def test_lazily_by_the_module():
    lazily.get_client.cache_clear()
    with patch("functions.lazily.boto3") as module:
        module.client.return_value.invoke.return_value = response({"ok": True})
        assert lazily.handler({}, None) == {"ok": True}
    lazily.get_client.cache_clear()


def test_session():
    with patch("functions.session.Session") as made:
        made.return_value.client.return_value.invoke.return_value = response([])
        assert session.handler({}, None) == []


def test_session_by_its_client():
    client = MagicMock()
    client.invoke.return_value = response([1])
    with patch("functions.session.get_client", return_value=client):
        assert session.handler({}, None) == [1]


def test_imported():
    with patch.object(imported.lambda_client, "invoke", return_value=response("x")) as invoke:
        assert imported.handler({}, None) == "x"
    assert imported.lambda_client.meta.region_name == "eu-central-1"
    invoke.assert_called_once()


def test_batch():
    with patch.object(batch.client, "_make_api_call", side_effect=lambda *_: response(1)):
        assert batch.handler({"numbers": [1, 2, 3]}, None) == [1, 1, 1]
    assert batch.client.meta.config.max_pool_connections == 20


def test_gather():
    with patch("functions.gather.client.invoke", side_effect=lambda **k: response(k["FunctionName"])):
        assert gather.handler({"names": ["a", "b"]}, None) == ["a", "b"]


def test_report():
    events = [{"PayloadChunk": {"Payload": b"a"}}, {"PayloadChunk": {"Payload": b"b"}}, {"InvokeComplete": {}}]
    with patch("botocore.client.BaseClient._make_api_call", return_value={"EventStream": iter(events)}):
        assert report.handler({}, None) == "ab"


def test_legacy():
    with patch("botocore.client.BaseClient._make_api_call", return_value={"Status": 202}) as api_call:
        assert legacy.handler({}, None) == 202
    assert api_call.call_args.args == ("InvokeAsync", {"FunctionName": "legacy", "InvokeArgs": b"{}"})
