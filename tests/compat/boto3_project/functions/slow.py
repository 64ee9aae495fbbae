"""A read timeout of its own."""

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

client = boto3.client("lambda", config=Config(connect_timeout=1, read_timeout=0.2, retries={"max_attempts": 0}))


def handler(event, context):
    try:
        return client.invoke(FunctionName="slow", Payload=b"{}")["Payload"].read().decode()
    except ReadTimeoutError:
        return "too slow"
    except (ConnectTimeoutError, EndpointConnectionError):
        return "not reachable"
