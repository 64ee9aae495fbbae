"""Events as AWS services send them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [_sqs_record(f"m-{number}", body) for number, body in enumerate(bodies, 1)]}


def _sqs_record(message_id: str, body: str) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "AQEB",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1700000000000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1700000000010",
        },
        "messageAttributes": {},
        "md5OfBody": "9e107d9d372bb6826bd81d3542a419d6",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
    }


def s3_event(bucket: str, key: str) -> dict[str, Any]:
    """Create the event of an upload; S3 encodes the key as a form does."""
    stored = {"key": quote_plus(key, safe="/"), "size": 1024, "eTag": "0123456789abcdef", "sequencer": "0A1B2C3D4E5F"}
    owner = {"principalId": "A3NL1KOZZKExample"}
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-01-01T00:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": owner,
                "requestParameters": {"sourceIPAddress": "192.0.2.1"},
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "uploads",
                    "bucket": {"name": bucket, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": stored,
                },
            }
        ]
    }


def http_event(body: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "POST /orders",
        "rawPath": "/orders",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-1",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": "POST",
                "path": "/orders",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8",
            },
            "requestId": "r-1",
            "routeKey": "POST /orders",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def order(order_id: str, product: str, quantity: int = 1) -> str:
    return json.dumps({"order_id": order_id, "product": product, "quantity": quantity})
