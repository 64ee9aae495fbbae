"""The deprecated way to queue an event."""

import boto3

client = boto3.client("lambda")


def handler(event, context):
    return client.invoke_async(FunctionName="legacy", InvokeArgs=b"{}")["Status"]
