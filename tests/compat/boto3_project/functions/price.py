"""Ask for a price: the response's JSON."""

import json
import os

import boto3

client = boto3.client("lambda")


def handler(event, context):
    response = client.invoke(FunctionName=os.environ["PRICE_FUNCTION"], Payload=json.dumps({"sku": event["sku"]}))
    return json.loads(response["Payload"].read())
