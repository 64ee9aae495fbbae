"""Stream a report."""

import boto3

client = boto3.client("lambda")


def handler(event, context):
    text = b""
    for item in client.invoke_with_response_stream(FunctionName="report", Payload=b"{}")["EventStream"]:
        if "PayloadChunk" in item:
            text += item["PayloadChunk"]["Payload"]
        elif item["InvokeComplete"].get("ErrorCode"):
            raise RuntimeError(item["InvokeComplete"]["ErrorDetails"])
    return text.decode()
