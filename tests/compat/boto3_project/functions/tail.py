"""The end of the callee's log, under another name for boto3."""

import base64

import boto3 as aws

client = aws.client("lambda")


def handler(event, context):
    response = client.invoke(FunctionName="tail", LogType="Tail", Payload=b"{}")
    with response["Payload"] as body:
        lines = body.read().splitlines()
    return len(lines), base64.b64decode(response["LogResult"]).decode(), response["ExecutedVersion"]
