"""Send a mail: fire and forget."""

import json

import boto3

client = boto3.client("lambda")


def handler(event, context):
    response = client.invoke(FunctionName="mail", InvocationType="Event", Payload=json.dumps(event))
    return response["StatusCode"] == 202
