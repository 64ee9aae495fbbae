"""Check the stock: FunctionError is looked for by hand."""

import json

import boto3

client = boto3.client("lambda")


class StockError(Exception):
    """The stock function failed."""


def handler(event, context):
    response = client.invoke(FunctionName="stock", InvocationType="RequestResponse", Payload=json.dumps(event).encode())
    body = json.load(response["Payload"])
    if response.get("FunctionError"):
        raise StockError(body["errorMessage"])
    return body
