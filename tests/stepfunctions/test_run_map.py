"""``run_map`` against moto's Step Functions and S3, with a real function server; and what moto lacks, by the schema."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto_distributed_map import LocalStepFunctions, local_step_functions
from pydantic import BaseModel

from lambdachain import (
    AccessDeniedError,
    CallError,
    CallTimeoutError,
    Contract,
    ContractError,
    Execution,
    InvalidRequestError,
    MapProgress,
    NotInvokedError,
    OutcomeUnknownError,
    RemoteError,
    ResponseError,
    S3Offload,
)
from lambdachain._calling.target import locate
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.stepfunctions import async_run_map, run_map
from lambdachain.stepfunctions._map_run.items import ItemsFile
from lambdachain.stepfunctions._map_run.machine import MapMachine, MapPlace, build_machine
from lambdachain.stepfunctions._map_run.outcomes import OutcomeReader
from lambdachain.stepfunctions._map_run.results import ItemOutcome, ItemOutcomes, parse_objects, parse_outcome
from lambdachain.stepfunctions._map_run.run import poll, read_outcomes
from lambdachain.stepfunctions._map_run.service import MapService

ROLE = "arn:aws:iam::123456789012:role/maps"
ARN = "arn:aws:states:us-east-1:123456789012:execution:lambdachain-map-f:map-1"
MAP_RUN = "arn:aws:states:us-east-1:123456789012:mapRun:lambdachain-map-f/Map:1"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Order(BaseModel):
    number: int


class Refused(RemoteError):
    number: int


double = Contract("double", request=Order, response=int, errors=[Refused])

FUNCTION = """
from pathlib import Path

from lambdachain import RemoteError


class Refused(RemoteError):
    number: int


def handler(event, context):
    with Path(__file__).with_name("calls").open("a") as calls:
        calls.write(f"{event['number']}\\n")
    if event["number"] == 3:
        raise Refused(number=3)
    return "text" if event["number"] == 4 else event["number"] * 2
"""


@pytest.fixture(scope="module", name="served")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStepFunctions]:
    """Serve a function in the real runtime, and Step Functions and S3 by moto."""
    directory = tmp_path_factory.mktemp("function")
    (directory / "double_function.py").write_text(FUNCTION)
    function = LocalFunction("double", "double_function.handler", directory=directory)
    with LocalEndpoint([function]) as endpoint, local_step_functions(endpoint.url, items_a_file=2) as aws:
        aws.client("s3").create_bucket(Bucket="maps")
        yield aws


@pytest.fixture
def aws(served: LocalStepFunctions, monkeypatch: pytest.MonkeyPatch) -> LocalStepFunctions:
    """Have this test's clients, and moto, call them: each test begins without the variables of AWS."""
    for name in served.environment.keys() - {"AWS_ENDPOINT_URL_SFN", "AWS_ENDPOINT_URL_S3"}:
        monkeypatch.setenv(name, served.environment[name])
    return served


OPTIONS: Any = {"role": ROLE, "bucket": "maps", "max_concurrency": 2}


def test_it_gives_what_map_gives_and_runs_nothing_again(aws: LocalStepFunctions):
    """In the order of the payloads, from several files; a second call finds the first execution."""
    orders = [Order(number=number) for number in range(6)]
    seen: list[MapProgress] = []

    run = run_map(double, orders, return_exceptions=True, on_progress=seen.append, **OPTIONS)
    results = list(run)
    again = run_map(double, orders, return_exceptions=True, **OPTIONS)

    assert [*results[:3], results[5]] == [0, 2, 4, 10]
    assert results[3] == Refused(number=3)
    assert isinstance(results[4], ResponseError)
    assert results[4].execution is Execution.EXECUTED
    assert seen[-1] == MapProgress(done=6, failed=1, total=6, in_flight=0, limit=2)
    assert again.execution_arn == run.execution_arn
    assert list(map(str, again)) == list(map(str, results))
    by_arn = run_map(double, execution=run.execution_arn, return_exceptions=True)
    assert list(map(str, by_arn)) == list(map(str, results))
    assert len(aws.runs) == 1


def test_the_first_error_is_raised(aws: LocalStepFunctions):
    """As by ``map``; a plain name takes and returns any JSON."""
    run = run_map("double", [{"number": 7}, {"number": 3}], **OPTIONS)

    assert next(run) == 14
    with pytest.raises(Exception, match="Refused"):
        next(run)


def test_the_async_twin_gives_the_same(aws: LocalStepFunctions):
    """It starts with the first result, and can be awaited with others."""

    async def collect() -> tuple[str, list[Any]]:
        run = async_run_map(double, [Order(number=8), Order(number=9)], **OPTIONS)
        assert run.execution_arn == ""
        return run.execution_arn, [result async for result in run]

    async def collect_none() -> list[Any]:
        return [result async for result in async_run_map(double, [], **OPTIONS)]

    assert asyncio.run(collect())[1] == [16, 18]
    assert asyncio.run(collect_none()) == []
    assert list(run_map(double, [], **OPTIONS)) == []


def test_nothing_is_started_for_a_payload_that_does_not_fit(aws: LocalStepFunctions):
    """Not even the payloads before it."""
    before = len(aws.runs)

    with pytest.raises(InvalidRequestError, match="does not fit"):
        run_map(double, [Order(number=1), {"number": "x"}], **OPTIONS)  # type: ignore[list-item]
    assert len(aws.runs) == before


def test_a_large_payload_goes_through_s3(aws: LocalStepFunctions):
    """By its content: the same payload is the same item."""
    offload = S3Offload("maps", region="us-east-1", threshold=1_000)
    large = Contract("double", request=dict[str, int | str], response=int, offload=offload)

    run = run_map(large, [{"number": 5, "text": "x" * 300_000}], return_exceptions=True, **OPTIONS)

    found = aws.client("s3").list_objects_v2(Bucket="maps", Prefix="lambdachain/")["Contents"]
    assert [each["Size"] for each in found if each["Size"] > 300_000] == [300_022]
    (result,) = run  # the plain handler does not read references
    assert "number" in str(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs payloads for a new map, or execution="),
        ({"payloads": [], "execution": ARN}, "needs payloads for a new map, or execution="),
        ({"payloads": []}, "needs bucket="),
        ({"payloads": [], "bucket": "maps", "role": "maps"}, "'maps' is not the ARN of a role"),
        ({"payloads": [], **OPTIONS, "max_concurrency": 0}, "max_concurrency must be 1 to 10,000"),
        ({"payloads": [], **OPTIONS, "timeout": 3}, "no option 'timeout'"),
    ],
)
def test_options_are_checked_before_anything_is_sent(options: dict[str, Any], message: str):
    """For both forms."""
    payloads = options.pop("payloads", None)

    with pytest.raises(ContractError, match=message):
        run_map(double, payloads, **options)
    with pytest.raises(ContractError, match=message):
        async_run_map(double, payloads, **options)


def test_an_execution_that_does_not_exist_is_named(aws: LocalStepFunctions):
    """With what may be wrong."""
    with pytest.raises(OutcomeUnknownError, match=r"there is no execution .*: check the ARN and the region"):
        run_map(double, execution=ARN)


def test_other_errors_of_aws_are_those_of_this_package(aws: LocalStepFunctions):
    """Nothing has run."""
    with pytest.raises(NotInvokedError, match="cannot upload the items to s3://absent/") as raised:
        run_map(double, [Order(number=1)], role=ROLE, bucket="absent")
    assert raised.value.execution is Execution.NOT_EXECUTED
    assert raised.value.__cause__ is None


READER = OutcomeReader(locate(double), ARN)


@pytest.mark.parametrize(
    ("outcome", "error", "execution"),
    [
        (ItemOutcome(0, "TIMED_OUT"), CallTimeoutError, "unknown"),
        (ItemOutcome(0, "ABORTED"), OutcomeUnknownError, "unknown"),
        (ItemOutcome(0, "PENDING"), NotInvokedError, "not executed"),
        (None, OutcomeUnknownError, "unknown"),
        (ItemOutcome(0, "SUCCEEDED"), ResponseError, "executed"),
        (ItemOutcome(0, "SUCCEEDED", '"text"'), ResponseError, "executed"),
        (
            ItemOutcome(0, "FAILED", error="Lambda.TooManyRequestsException", cause="busy"),
            NotInvokedError,
            "not executed",
        ),
        (
            ItemOutcome(0, "FAILED", error="Lambda.TooManyRequestsException", cause="busy", redrives=1),
            NotInvokedError,
            "unknown",
        ),
        (ItemOutcome(0, "FAILED", error="States.Timeout"), OutcomeUnknownError, "unknown"),
        (ItemOutcome(0, "FAILED", error="Lambda.Unknown", cause="lost"), CallError, "unknown"),
        (ItemOutcome(0, "FAILED"), Exception, "executed"),
    ],
)
def test_what_is_known_about_a_failed_item_is_said(outcome: ItemOutcome | None, error: type, execution: str):
    """An attempt before a redrive may have run."""
    found = READER.read(outcome)

    assert isinstance(found, error)
    assert (str(found.execution), found.function) == (execution, "double")


def test_a_retry_that_is_not_shown_may_have_run():
    """An idempotent contract retries what may have run: the last attempt was throttled, and the one before?"""
    target = locate(Contract("double", request=Order, response=int, idempotent=True))
    throttled = ItemOutcome(0, "FAILED", error="Lambda.TooManyRequestsException", cause="busy")

    error = OutcomeReader(target, ARN).read(throttled)

    assert (error.execution, error.retryable) == (Execution.UNKNOWN, True)


def test_of_several_records_the_one_that_is_right_stays():
    """A redrive lists the successes of all attempts, and the failures of its own."""
    outcomes = ItemOutcomes()
    outcomes.add_all(
        [
            ItemOutcome(1, "SUCCEEDED", "2"),
            ItemOutcome(1, "FAILED", redrives=3),
            ItemOutcome(2, "FAILED", error="new", redrives=1),
            ItemOutcome(2, "FAILED", error="old"),
            ItemOutcome(2, "PENDING"),
            ItemOutcome(900, "PENDING"),
        ]
    )

    assert [(each.item, each.status, each.error) for each in outcomes] == [
        (1, "SUCCEEDED", None),
        (2, "FAILED", "new"),
        (900, "PENDING", None),
    ]
    assert (len(outcomes), outcomes.get(3), outcomes.get(5000)) == (3, None, None)
    outcomes.close()


class _Slow(BytesIO):
    """A file that returns a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 7, 7))


@pytest.mark.parametrize("text", ["[{}, {}]", "{}\n{}\n", "[\n{},\n\n{}\n]\n"])
def test_objects_are_read_across_chunks(text: str):
    """Whatever a chunk cuts: a character, a text with braces, a number."""
    records = [{"Input": '{"index": 1, "payload": "ü}{€"}', "RedriveCount": 12.5}, {"a": [{"b": "}"}]}]

    dumped = text.format(*(json.dumps(record, ensure_ascii=False) for record in records))

    assert list(parse_objects(_Slow(dumped.encode()))) == records
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        list(parse_objects(_Slow(dumped.encode()[:40])))


@pytest.mark.parametrize("record", [{}, {"Input": "null"}, {"Input": "no JSON"}, {"Input": '{"payload": 1}'}])
def test_a_record_without_an_index_is_no_outcome(record: dict[str, Any]):
    """Its item is one that the results do not have."""
    assert parse_outcome(record) is None


class StubbedService:
    """A service whose responses are checked against the service model: for what moto lacks."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.service = MapService(boto3.Session(**keys), region="us-east-1")
        self.states, self.s3 = Stubber(self.service.states), Stubber(self.service.s3)
        self.states.activate()
        self.s3.activate()

    def describe(self, status: str, total: int, run_status: str = "ABORTED", **more: Any) -> None:
        """Expect a look at the execution and at its map."""
        started = json.dumps({"bucket": "maps", "key": "items", "prefix": "results/map-1", "max_concurrency": 5})
        execution = {"executionArn": ARN, "stateMachineArn": ARN, "status": status, "startDate": NOW, "input": started}
        self.states.add_response("describe_execution", {**execution, **more}, {"executionArn": ARN})
        runs = [{"executionArn": ARN, "mapRunArn": MAP_RUN, "stateMachineArn": ARN, "startDate": NOW}] if total else []
        self.states.add_response("list_map_runs", {"mapRuns": runs}, {"executionArn": ARN})
        if total:
            names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "resultsWritten")
            counts = {**dict.fromkeys(names, 0), "total": total, "aborted": total}
            description = {
                "mapRunArn": MAP_RUN,
                "executionArn": ARN,
                "status": run_status,
                "startDate": NOW,
                "maxConcurrency": 5,
                "toleratedFailurePercentage": 100.0,
                "toleratedFailureCount": 0,
                "itemCounts": counts,
                "executionCounts": counts,
            }
            self.states.add_response("describe_map_run", description, {"mapRunArn": MAP_RUN})

    def list_manifests(self, *keys: str) -> None:
        """Expect a look for manifests."""
        contents = [
            {"Key": key, "LastModified": NOW.replace(second=number), "Size": 1} for number, key in enumerate(keys)
        ]
        response = {"Contents": contents} if contents else {}
        self.s3.add_response("list_objects_v2", response, {"Bucket": "maps", "Prefix": "results/map-1/"})

    def put(self, key: str, value: Any) -> None:
        """Expect an object to be read."""
        body = json.dumps(value).encode()
        response = {"Body": StreamingBody(BytesIO(body), len(body))}
        self.s3.add_response("get_object", response, {"Bucket": "maps", "Key": key})


def test_after_a_redrive_the_manifests_of_all_attempts_are_read():
    """What ran at first, and was not started again, is not one that never ran."""
    stubbed = StubbedService()
    stubbed.describe("FAILED", 1, redriveStatus="REDRIVABLE")
    now = poll(stubbed.service, ARN)
    assert now.execution.is_redrivable
    stubbed.list_manifests("results/map-1/u/manifest.json", "results/map-1/u/Redrive-1/manifest.json")
    manifest = {"DestinationBucket": "maps", "MapRunArn": MAP_RUN}
    before = {"FAILED": [{"Key": "F_0.json", "Size": 9}], "PENDING": []}
    stubbed.put("results/map-1/u/manifest.json", {**manifest, "ResultFiles": before})
    stubbed.put("F_0.json", [{"Input": f'{{"index": {n}}}', "Status": "FAILED", "Error": "E"} for n in (0, 1)])
    files = {"SUCCEEDED": [{"Key": "S_0.json", "Size": 9}], "PENDING": [{"Key": "P_0.json", "Size": 9}]}
    stubbed.put("results/map-1/u/Redrive-1/manifest.json", {**manifest, "ResultFiles": files})
    stubbed.put("S_0.json", [{"Input": '{"index": 0}', "Output": "2", "Status": "SUCCEEDED", "RedriveCount": 1}])
    stubbed.put("P_0.json", [{"Input": f'{{"index": {n}}}'} for n in (1, 2)])

    outcomes = read_outcomes(stubbed.service, now)

    ran = [ItemOutcome(0, "SUCCEEDED", "2", redrives=1), ItemOutcome(1, "FAILED", error="E")]
    assert list(outcomes) == [*ran, ItemOutcome(2, "PENDING")]
    outcomes.close()


def test_without_results_the_child_executions_are_asked():
    """An execution that was stopped may have written none."""
    stubbed = StubbedService()
    stubbed.describe("ABORTED", 1)
    now = poll(stubbed.service, ARN)
    stubbed.list_manifests()
    child = f"{ARN}-child"
    listed = {"executionArn": child, "stateMachineArn": ARN, "name": "c", "status": "FAILED", "startDate": NOW}
    stubbed.states.add_response("list_executions", {"executions": [listed]}, {"mapRunArn": MAP_RUN})
    described = {
        "executionArn": child,
        "stateMachineArn": ARN,
        "status": "FAILED",
        "startDate": NOW,
        "input": '{"index": 4, "payload": 1}',
        "error": "ValueError",
        "cause": "{}",
    }
    stubbed.states.add_response("describe_execution", described, {"executionArn": child})

    outcomes = read_outcomes(stubbed.service, now)

    assert list(outcomes) == [ItemOutcome(4, "FAILED", None, "ValueError", "{}")]
    outcomes.close()


def test_an_execution_that_started_no_item_says_why():
    """The role lacks a permission, for example: no item has an outcome, and none has run."""
    stubbed = StubbedService()
    stubbed.describe("FAILED", 0, error="States.ItemReaderFailed", cause="Access Denied")
    stubbed.list_manifests()

    with pytest.raises(NotInvokedError, match=r"no item was started: States.ItemReaderFailed: Access Denied"):
        read_outcomes(stubbed.service, poll(stubbed.service, ARN))


def test_what_runs_again_is_asked_of_step_functions():
    """``RedriveExecution``, which moto lacks."""
    stubbed = StubbedService()
    stubbed.states.add_response("redrive_execution", {"redriveDate": NOW}, {"executionArn": ARN})
    stubbed.service.redrive(ARN)
    stubbed.states.add_client_error("redrive_execution", "ExecutionNotRedrivable", "too old", 400)

    with pytest.raises(OutcomeUnknownError, match=r"cannot redrive .*too old"):
        stubbed.service.redrive(ARN)
    stubbed.states.assert_no_pending_responses()


def test_a_refused_look_at_an_execution_does_not_say_that_nothing_ran():
    """The credentials of a long map expire while it runs."""
    stubbed = StubbedService()
    for code in ("ExpiredTokenException", "AccessDeniedException"):
        stubbed.states.add_client_error("describe_execution", code, "no", 400)
        with pytest.raises(OutcomeUnknownError, match="cannot read the execution"):
            stubbed.service.find(ARN)
    stubbed.states.add_client_error("describe_state_machine", "AccessDeniedException", "no", 400)
    with pytest.raises(AccessDeniedError):
        stubbed.service.find_or_create(MapMachine("lambdachain-map-f", "{}"), ROLE)


def test_the_start_of_an_execution_is_sent_once():
    """One that another process has started is not an error."""
    stubbed = StubbedService()
    stubbed.states.add_client_error(
        "start_execution",
        "ExecutionAlreadyExists",
        expected_params={"stateMachineArn": ARN, "name": "map-1", "input": ANY},
    )

    stubbed.service.start(ARN, "map-1", {"bucket": "maps"})

    stubbed.states.assert_no_pending_responses()


@pytest.mark.parametrize(("status", "error"), [(400, NotInvokedError), (500, OutcomeUnknownError)])
def test_a_start_without_a_certain_end_may_have_started_it(status: int, error: type[CallError]):
    """An error 5xx, or no response, does not show that no function runs."""
    stubbed = StubbedService()
    stubbed.states.add_client_error("start_execution", "Failed", "no", status)

    with pytest.raises(error, match="the start of the execution map-1 failed"):
        stubbed.service.start(ARN, "map-1", {})


def test_a_state_machine_that_somebody_has_changed_is_not_used():
    """Its retries could run an item twice."""
    stubbed = StubbedService()
    machine = MapMachine("lambdachain-map-f", '{"StartAt": "Map"}')
    arn = machine.arn(ROLE, "us-east-1")
    found = {"stateMachineArn": arn, "name": machine.name, "roleArn": ROLE, "type": "STANDARD", "creationDate": NOW}
    for definition in ('{"StartAt":"Map"}', '{"StartAt": "Other"}'):
        response = {**found, "definition": definition}
        stubbed.states.add_response("describe_state_machine", response, {"stateMachineArn": arn})
    stubbed.service.find_or_create(machine, ROLE)

    with pytest.raises(NotInvokedError, match=f"the definition of {arn} was changed"):
        stubbed.service.find_or_create(machine, ROLE)


def test_a_manifest_from_before_a_redrive_is_not_its_result():
    """What it has as never started may have run since."""
    stubbed = StubbedService()
    stubbed.describe("ABORTED", 1, redriveCount=1, redriveDate=NOW.replace(minute=1))
    now = poll(stubbed.service, ARN)
    stubbed.list_manifests("results/map-1/u/manifest.json")
    stubbed.states.add_response("list_executions", {"executions": []}, {"mapRunArn": MAP_RUN})

    outcomes = read_outcomes(stubbed.service, now)

    assert (now.execution.redrives, len(outcomes)) == (1, 0)
    outcomes.close()


@pytest.mark.parametrize(
    "body",
    [
        b'[{"Input": "{\\"index\\": 0, \\"payload\\": \\"s3cret\\"}", "Sta',
        b'[{"Input": "{\\"index\\": 0}", "Status": "SUCCEEDED"}',
        b'["s3cret"]',
        b'[{"Input": "\xff s3cret"}]',
    ],
)
def test_a_file_of_results_that_is_cut_off_is_an_error_without_its_contents(body: bytes):
    """Not a traceback, and not fewer results."""
    stubbed = StubbedService()
    stubbed.describe("ABORTED", 1)
    now = poll(stubbed.service, ARN)
    stubbed.list_manifests("results/map-1/u/manifest.json")
    files = {"SUCCEEDED": [{"Key": "S_0.json", "Size": 900}]}
    stubbed.put("results/map-1/u/manifest.json", {"DestinationBucket": "maps", "ResultFiles": files})
    response = {"Body": StreamingBody(BytesIO(body), len(body)), "ContentLength": len(body)}
    stubbed.s3.add_response("get_object", response, {"Bucket": "maps", "Key": "S_0.json"})

    with pytest.raises(OutcomeUnknownError, match=r"cannot read the results of .*cut off") as raised:
        read_outcomes(stubbed.service, now)
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("started_with", ["[1]", "{}", '{"bucket": 1}', "7"])
def test_an_execution_of_another_state_machine_is_refused(started_with: str):
    """Its input and its results mean something else."""
    found = {"executionArn": ARN, "stateMachineArn": ARN, "status": "SUCCEEDED", "startDate": NOW}
    stubbed = StubbedService()
    stubbed.states.add_response("describe_execution", {**found, "input": started_with}, {"executionArn": ARN})
    stubbed.states.add_response("list_map_runs", {"mapRuns": []}, {"executionArn": ARN})
    session = SimpleNamespace(
        client=lambda name, **_: {"stepfunctions": stubbed.service.states}.get(name, stubbed.service.s3)
    )

    with pytest.raises(ContractError, match=f"{ARN} was not started by run_map"):
        run_map(double, execution=ARN, session=session)


def test_a_description_does_not_make_another_state_machine():
    """A corrected sentence would run all items again."""
    place = MapPlace(ROLE, "maps")
    described = Contract("double", request=Order, response=int, errors=[Refused], description="Double a number.")

    assert build_machine(locate(described), place) == build_machine(locate(double), place)


def test_items_have_a_limit():
    """Of their number; that of bytes is the same check."""
    with ItemsFile() as items:
        items.count = 100_000_000
        with pytest.raises(InvalidRequestError, match="at most 100,000,000 items"):
            items.append(1, b"1")
