"""The results of events, sent to a function or to queues; and each function alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from events_out_demo import Queues, functions, local_client, moto_queues
from report_contracts import (
    NoSuchMonth,
    RecordContext,
    Report,
    ReportFailed,
    ReportReady,
    ReportRequest,
    build_report,
)
from report_functions import announce, build

from lambdachain import InProcessTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalInvocation

GOOD = ReportRequest(month="2026-02")
BAD = ReportRequest(month="2026-13")

System = tuple[LocalEndpoint, LambdaClient, Queues, list[LocalInvocation]]


@pytest.fixture(name="system")
def _system() -> Iterator[System]:
    seen: list[LocalInvocation] = []
    with (
        moto_queues() as (url, queues),
        LocalEndpoint(functions(), services={"sqs": url}, clock="virtual", observer=seen.append) as endpoint,
        local_client(endpoint) as client,
    ):
        yield endpoint, client, queues, seen


def delivered(seen: list[LocalInvocation]) -> list[tuple[str, int, str | None]]:
    return [(one.function, one.attempt, one.error) for one in seen if one.status == 200]


def test_a_success_goes_to_the_function_that_announces_it(system: System) -> None:
    endpoint, client, queues, seen = system
    client.fire(build_report, GOOD)
    endpoint.deliver()

    assert delivered(seen) == [("BuildReport", 1, None), ("AnnounceReport", 1, None)]
    assert queues.take("failed-reports") == queues.take("dead-letters") == []


def test_a_failure_goes_to_its_destination_after_three_tries(system: System) -> None:
    endpoint, client, queues, seen = system
    receipt = client.fire(build_report, BAD)
    endpoint.deliver()

    assert delivered(seen) == [("BuildReport", attempt, "NoSuchMonth") for attempt in (1, 2, 3)]
    [message] = queues.take("failed-reports")
    record = ReportFailed.model_validate_json(message["Body"])
    assert record.request_context == RecordContext(
        request_id=receipt.request_id or "", condition="RetriesExhausted", approximate_invoke_count=3
    )
    assert record.request_payload == BAD
    assert record.response_payload.error_type == "NoSuchMonth"


def test_a_dead_letter_is_the_event_itself(system: System) -> None:
    endpoint, client, queues, _ = system
    receipt = client.fire(build_report, BAD)
    endpoint.deliver()

    [message] = queues.take("dead-letters")
    attributes: dict[str, Any] = message["MessageAttributes"]
    assert ReportRequest.model_validate_json(message["Body"]) == BAD
    assert attributes["RequestID"]["StringValue"] == receipt.request_id
    assert attributes["ErrorCode"]["StringValue"] == "200"


def test_a_call_goes_to_neither(system: System) -> None:
    endpoint, client, queues, seen = system
    with pytest.raises(NoSuchMonth):
        client.call(build_report, BAD)
    endpoint.deliver()

    assert len(delivered(seen)) == 1
    assert queues.take("failed-reports") == []


def test_a_missing_queue_is_an_error_before_anything_runs() -> None:
    with pytest.raises(ValueError, match=r"^function 'BuildReport': events: on_failure .* needs the address of the service"):
        LocalEndpoint(functions())


def test_the_announcement_reads_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    context = RecordContext(request_id="r-1", condition="Success", approximate_invoke_count=1)
    answered = Report(month="2026-02", rows=28)
    announce.local(ReportReady(request_context=context, request_payload=GOOD, response_payload=answered))

    assert capsys.readouterr().out == "the report for 2026-02 is ready: 28 rows\n"


def test_in_one_process_an_event_that_fails_is_discarded_after_three_tries(
    lambda_inprocess: InProcessTransport,
) -> None:
    lambda_inprocess.add(build)
    LambdaClient().fire(build_report, BAD)

    assert [call.attempt for call in lambda_inprocess.calls] == [1, 2, 3]
    assert len(lambda_inprocess.discarded) == 1
