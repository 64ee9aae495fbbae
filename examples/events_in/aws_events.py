"""The events of SQS, S3 and an HTTP API, and the responses: the fields that these functions read and write."""

from __future__ import annotations

from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class SqsMessage(Wire):
    message_id: str
    body: str


class SqsEvent(Wire):
    records: list[SqsMessage] = Field(alias="Records")


class BatchItemFailure(Wire):
    item_identifier: str


class BatchAnswer(Wire):
    """The response that the event source mapping reads with ReportBatchItemFailures: the messages to deliver again."""

    batch_item_failures: list[BatchItemFailure]


class S3Bucket(Wire):
    name: str


class S3Object(Wire):
    key: str
    version_id: str | None = None

    @property
    def real_key(self) -> str:
        """The key as it is in the bucket: S3 encodes it as a form does."""
        return unquote_plus(self.key)


class S3Entity(Wire):
    bucket: S3Bucket
    object: S3Object


class S3Record(Wire):
    event_name: str
    s3: S3Entity


class S3Event(Wire):
    records: list[S3Record] = Field(alias="Records")


class HttpEvent(Wire):
    """Of an HTTP API: payload format 2.0. See also [Behind API Gateway](../api_gateway/README.md)."""

    body: str = ""


class HttpAnswer(Wire):
    status_code: int
    body: str
