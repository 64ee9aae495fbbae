"""Tests with moto: the clients of the modules are older than the mock."""

import boto3
import pytest
from moto import mock_aws

from functions import admin, export, mail, orders, price


@pytest.fixture(autouse=True)
def aws():
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


def test_price_is_echoed():
    assert price.handler({"sku": "a"}, None) == {"sku": "a"}


def test_mail():
    assert mail.handler({"to": "a@example.com"}, None)


def test_export():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="exports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert export.handler({"key": "k"}, None) == 12
    assert s3.get_object(Bucket="exports", Key="k")["Body"].read() == b'{"key": "k"}'


def test_orders():
    boto3.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert orders.handler({"id": "o-1", "cents": 5}, None) == 1


def test_admin():
    assert admin.handler({"function": "f"}, None) == ([], False)
