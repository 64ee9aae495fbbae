"""Texts for the callee in the ClientContext."""

import base64
import json

import boto3

client = boto3.client("lambda")


def handler(event, context):
    texts = base64.b64encode(json.dumps({"custom": {"tenant": event["tenant"]}}).encode()).decode()
    response = client.invoke(FunctionName="tenant", ClientContext=texts, Payload=json.dumps(event))
    return json.load(response["Payload"])
