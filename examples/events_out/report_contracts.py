"""The request for a report, and the record that Lambda sends once the event has been processed."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdachain import Contract, RemoteError

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ReportRequest(BaseModel):
    month: str


class Report(BaseModel):
    month: str
    rows: int


class NoSuchMonth(RemoteError):
    month: str


class RecordContext(Wire):
    request_id: str
    condition: str
    approximate_invoke_count: int


class LambdaFailure(Wire):
    error_type: str
    error_message: str


class DestinationRecord(Wire, Generic[Asked, Answered]):
    """The record that a destination receives: the event, how it ended, and its result."""

    request_context: RecordContext
    request_payload: Asked
    response_payload: Answered


ReportReady = DestinationRecord[ReportRequest, Report]
ReportFailed = DestinationRecord[ReportRequest, LambdaFailure]

build_report = Contract("BuildReport", request=ReportRequest, response=Report, errors=[NoSuchMonth])
announce_report = Contract("AnnounceReport", request=ReportReady, response=None)
