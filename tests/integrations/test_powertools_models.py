"""Powertools' models of AWS events as the request of a handler: read, although some of them cannot be written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser import models
from pydantic import BaseModel, ValidationError

from lambdachain import Contract, ContractError, InProcessTransport, LambdaClient, RequestRejectedError, remote

MODELS = sorted(
    name for name in models.__all__ if isinstance(cls := getattr(models, name), type) and issubclass(cls, BaseModel)
)
ARN = "arn:aws:{}:eu-west-1:123456789012:orders"
IDENTITY = {"sourceIp": "192.0.2.1", "userAgent": "curl/8"}
HEADERS = {"host": "orders.example.com", "x-forwarded-for": "192.0.2.1"}
S3 = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-01-02T03:04:05.678Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDA"},
            "requestParameters": {"sourceIPAddress": "192.0.2.1"},
            "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "i"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "uploads",
                "bucket": {"name": "uploads", "ownerIdentity": {"principalId": "A1"}, "arn": "arn:aws:s3:::uploads"},
                "object": {"key": "o-1.csv", "size": 1024, "eTag": "e", "sequencer": "0A"},
            },
        }
    ]
}


def _sqs(body: str) -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1767323045678",
        "SenderId": "AIDA",
        "ApproximateFirstReceiveTimestamp": "1767323045680",
    }
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "h",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": "d41d8cd98f00b204e9800998ecf8427e",
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN.format("sqs"),
        "awsRegion": "eu-west-1",
    }
    return {"Records": [record]}


SNS = {
    "Records": [
        {
            "EventVersion": "1.0",
            "EventSubscriptionArn": ARN.format("sns") + ":s",
            "EventSource": "aws:sns",
            "Sns": {
                "SignatureVersion": "1",
                "Timestamp": "2026-01-02T03:04:05.678Z",
                "Signature": "s",
                "SigningCertUrl": "https://sns.eu-west-1.amazonaws.com/c.pem",
                "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "Message": "placed",
                "MessageAttributes": {},
                "Type": "Notification",
                "UnsubscribeUrl": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
                "TopicArn": ARN.format("sns"),
                "Subject": "orders",
            },
        }
    ]
}
EVENT_BRIDGE = {
    "version": "0",
    "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
    "detail-type": "OrderPlaced",
    "source": "orders",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "eu-west-1",
    "resources": [],
    "detail": {"order_id": "o-1"},
}
KINESIS = {
    "Records": [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "o-1",
                "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                "data": base64.b64encode(b'{"order_id": "o-1"}').decode(),
                "approximateArrivalTimestamp": 1767323045.678,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": "shardId-000000000006:4959",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/orders",
            "awsRegion": "eu-west-1",
            "eventSourceARN": ARN.format("kinesis"),
        }
    ]
}
ALB = {
    "requestContext": {"elb": {"targetGroupArn": ARN.format("elasticloadbalancing")}},
    "httpMethod": "POST",
    "path": "/orders",
    "queryStringParameters": {},
    "headers": HEADERS,
    "body": "placed",
    "isBase64Encoded": False,
}
HTTP_API = {
    "version": "2.0",
    "routeKey": "POST /orders",
    "rawPath": "/orders",
    "rawQueryString": "",
    "headers": HEADERS,
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1",
        "domainName": "a1.execute-api.eu-west-1.amazonaws.com",
        "domainPrefix": "a1",
        "http": {"method": "POST", "path": "/orders", "protocol": "HTTP/1.1", **IDENTITY},
        "requestId": "r",
        "routeKey": "POST /orders",
        "stage": "$default",
        "time": "02/Jan/2026:03:04:05 +0000",
        "timeEpoch": 1767323045678,
    },
    "body": "placed",
    "isBase64Encoded": False,
}
REST_API = {
    "resource": "/orders",
    "path": "/orders",
    "httpMethod": "POST",
    "headers": HEADERS,
    "multiValueHeaders": {name: [value] for name, value in HEADERS.items()},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "a1",
        "domainName": "a1.execute-api.eu-west-1.amazonaws.com",
        "domainPrefix": "a1",
        "extendedRequestId": "x",
        "httpMethod": "POST",
        "identity": IDENTITY,
        "path": "/prod/orders",
        "protocol": "HTTP/1.1",
        "requestId": "r",
        "requestTime": "02/Jan/2026:03:04:05 +0000",
        "requestTimeEpoch": 1767323045678,
        "resourceId": "o",
        "resourcePath": "/orders",
        "stage": "prod",
    },
    "body": "placed",
    "isBase64Encoded": False,
}
S3_IN_SQS = _sqs(json.dumps(S3))

# The model, an event that AWS sends, and how its content is read from the model.
EVENTS: list[tuple[str, dict[str, Any], Callable[[Any], Any], Any]] = [
    ("S3Model", S3, lambda event: event.Records[0].s3.object.key, "o-1.csv"),
    ("SqsModel", _sqs("placed"), lambda event: event.Records[0].body, "placed"),
    ("S3SqsEventNotificationModel", S3_IN_SQS, lambda event: event.Records[0].body.Records[0].s3.object.size, 1024.0),
    ("SnsModel", SNS, lambda event: event.Records[0].Sns.Message, "placed"),
    ("EventBridgeModel", EVENT_BRIDGE, lambda event: event.detail["order_id"], "o-1"),
    ("KinesisDataStreamModel", KINESIS, lambda event: event.Records[0].kinesis.data, b'{"order_id": "o-1"}'),
    ("AlbModel", ALB, lambda event: event.body, "placed"),
    ("LambdaFunctionUrlModel", HTTP_API, lambda event: event.body, "placed"),
    ("APIGatewayProxyEventV2Model", HTTP_API, lambda event: event.body, "placed"),
    ("APIGatewayProxyEventModel", REST_API, lambda event: event.body, "placed"),
]
IDS = [event[0] for event in EVENTS]


def _make_handler(model: Any, read: Callable[[Any], Any] = str) -> Any:
    def handle(event: Any) -> str:
        return repr(read(event))

    handle.__annotations__["event"] = model
    decorated: Any = remote("orders-events")(handle)
    return decorated


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_the_request_of_a_handler(name: str) -> None:
    """``remote`` accepts it: a handler only reads. What the model rejects, it rejects."""
    model = getattr(models, name)
    handler = _make_handler(model, lambda event: type(event).__name__)
    try:
        model.model_validate({})
    except AttributeError:  # of the model's own validator
        with pytest.raises(AttributeError):
            handler({}, None)
    except ValidationError:
        with pytest.raises(RequestRejectedError):
            handler({}, None)
    else:
        assert handler({}, None) == repr(model.__name__)


@pytest.mark.parametrize(("name", "event", "read", "content"), EVENTS, ids=IDS)
def test_an_event_of_aws_arrives_as_the_model(
    name: str, event: dict[str, Any], read: Callable[[Any], Any], content: object
) -> None:
    """Through the handler, as Lambda calls it, and over the wire of a test."""
    handler = _make_handler(getattr(models, name), read)
    transport = InProcessTransport()
    transport.add(handler)

    assert handler(event, None) == repr(content)
    assert LambdaClient(transport=transport).call("orders-events", event) == repr(content)


@pytest.mark.parametrize(("name", "event", "read", "content"), EVENTS, ids=IDS)
def test_a_call_through_a_contract_that_is_only_read(
    name: str, event: dict[str, Any], read: Callable[[Any], Any], content: object
) -> None:
    """It is sent if the type can be written; otherwise the call says what is wrong, as a declaration does."""
    model = getattr(models, name)
    handler = _make_handler(model, read)
    transport = InProcessTransport()
    transport.add(handler)
    client = LambdaClient(transport=transport)
    try:
        Contract("orders-events", request=model, response=str)
    except ContractError as exc:
        declared: str | None = str(exc)
    else:
        declared = None
    request = model.model_validate(event)

    if declared is None:
        assert client.call(handler, request) == repr(content)
    else:
        for _ in range(2):
            with pytest.raises(ContractError) as caught:
                client.call(handler, request)
            assert str(caught.value) == declared


def test_a_response_is_checked_when_the_handler_is_made() -> None:
    """It is written."""
    with pytest.raises(ContractError, match="response SqsModel cannot be serialized as JSON"):

        @remote("orders-events")
        def _handler(event: models.SqsModel) -> models.SqsModel:
            return event
