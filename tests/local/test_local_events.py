"""Asynchronous events: queued, retried, discarded and sent to destinations, on a virtual clock."""

from __future__ import annotations

import json
import time
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambdachain.local import EventConfig, LocalEndpoint, LocalFunction, LocalVersion

FUNCTIONS = Path(__file__).parent / "functions"
PLACE = "us-east-1:123456789012"
ARN = f"arn:aws:lambda:{PLACE}:function"
QUEUE = f"arn:aws:sqs:{PLACE}:ends"
TOPIC = f"arn:aws:sns:{PLACE}:ends"
BUS = f"arn:aws:events:{PLACE}:event-bus/ends"


def function(name, handler, **options):
    """Declare a function of the tests."""
    return LocalFunction(name, handler, directory=FUNCTIONS, timeout=30, **options)


def fire(client, name, event=None, **options):
    """Send an event and return its request id."""
    response = client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event), **options)
    assert 202 == response["StatusCode"]
    return response["ResponseMetadata"]["RequestId"]


@pytest.fixture
def ran(tmp_path):
    """Return a directory in which the function ``flaky`` leaves a file each time it runs."""
    directory = tmp_path / "ran"
    directory.mkdir()
    return directory


@pytest.fixture(scope="module")
def moto():
    """Serve SQS, SNS and EventBridge."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def service(moto):
    """Create a client of a service, and a queue that receives what the topic and the bus receive."""

    def make(name):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(name, endpoint_url=moto, region_name="us-east-1", **keys)

    return make


@pytest.fixture
def received(service):
    """Create the queue and read what it received."""
    sqs = service("sqs")
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]

    def read():
        found = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10)
        return found.get("Messages", [])

    yield read
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize(("failures", "deliveries"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_retries(client_of, ran, failures, deliveries):
    """A function that fails is retried twice, and not after it has succeeded."""
    with LocalEndpoint([function("flaky", "app.flaky")], clock="virtual") as endpoint:
        fire(client_of(endpoint), "flaky", {"directory": str(ran), "failures": failures})
        delivered = endpoint.deliver()

    assert deliveries == delivered == len(list(ran.iterdir()))


def test_pauses(client_of, ran):
    """The first retry comes after a minute, the second after two more: not before, and not later."""
    counts = []
    with LocalEndpoint([function("flaky", "app.flaky")], clock="virtual") as endpoint:
        fire(client_of(endpoint), "flaky", {"directory": str(ran), "failures": 9})
        for seconds in (0, 59.9, 0.1, 119.9, 0.1, 9999):
            endpoint.advance(seconds)
            counts.append(len(list(ran.iterdir())))

    assert [1, 1, 2, 2, 3, 3] == counts


def test_real_clock_delivers_immediately(client_of, ran, eventually):
    """With the real clock an event runs immediately, and its retry waits."""
    reported = []
    with LocalEndpoint([function("flaky", "app.flaky")], observer=reported.append) as endpoint:
        fire(client_of(endpoint), "flaky", {"directory": str(ran), "failures": 9})
        eventually(lambda: reported)
        with pytest.raises(RuntimeError, match="the endpoint's clock is real"):
            endpoint.advance(60)

    assert [("flaky", 200, "LookupError", 1)] == [(t.function, t.status, t.error, t.attempt) for t in reported]


def test_rules_of_the_function(client_of, ran):
    """A function may have fewer retries."""
    once = function("flaky", "app.flaky", events=EventConfig(max_retries=0))
    with LocalEndpoint([once], clock="virtual") as endpoint:
        fire(client_of(endpoint), "flaky", {"directory": str(ran), "failures": 9})

        assert 1 == endpoint.deliver()


def test_throttled_events_wait(client_of, tmp_path, eventually, ran):
    """A throttled event is retried a second later, without counting as a delivery."""
    reported = []
    busy = function("meet", "app.meet", reserved_concurrency=1)
    with LocalEndpoint([busy], clock="virtual", observer=reported.append) as endpoint:
        client = client_of(endpoint)
        fire(client, "meet", {"directory": str(ran), "number": 2})  # it waits for another one
        eventually(lambda: list(ran.iterdir()))
        fire(client, "meet", {"directory": str(tmp_path), "number": 1})
        (ran / "other").touch()
        endpoint.advance(1)

    assert [200, 200] == [each.status for each in reported]
    assert [1, 1] == [each.attempt for each in reported]


def test_throttled_by_calls(client_of, eventually, ran, tmp_path):
    """An event that is throttled because of calls succeeds when there is room again."""
    from threading import Thread

    reported = []
    busy = function("meet", "app.meet", reserved_concurrency=1)
    with LocalEndpoint([busy], clock="virtual", observer=reported.append) as endpoint:
        client = client_of(endpoint)
        call = Thread(
            target=client.invoke,
            kwargs={"FunctionName": "meet", "Payload": json.dumps({"directory": str(ran), "number": 2})},
        )
        call.start()
        eventually(lambda: list(ran.iterdir()))
        fire(client, "meet", {"directory": str(tmp_path), "number": 0})
        endpoint.advance(0)
        (ran / "other").touch()
        call.join()
        endpoint.advance(1)

    events = [each for each in reported if each.invocation_type == "Event"]
    assert [(429, "TooManyRequestsException", 1), (200, None, 1)] == [(t.status, t.error, t.attempt) for t in events]


def test_destination_that_is_a_function(client_of, tmp_path, endpoint_records):
    """A function receives the real records of another's successes and failures; through its alias if it has one."""
    keep = function(
        "keep",
        "app.keep",
        environment={"KEEP": str(tmp_path)},
        versions={"1": LocalVersion()},
        aliases={"live": "1"},
    )
    events = EventConfig(on_success=f"{ARN}:keep:live", on_failure=f"{ARN}:keep")
    functions = [function("echo", "app.echo", events=events), function("fail", "app.fail", events=events), keep]
    with LocalEndpoint(functions, clock="virtual") as endpoint:
        client = client_of(endpoint)
        success, failure = fire(client, "echo", {"order": 1}), fire(client, "fail", {"message": "sold out"})
        endpoint.deliver()

    reported = endpoint_records(tmp_path)
    assert [f"{ARN}:keep:live", f"{ARN}:keep"] == [reported[success]["arn"], reported[failure]["arn"]]
    good, bad = reported[success]["event"], reported[failure]["event"]
    assert ("Success", 1) == (good["requestContext"]["condition"], good["requestContext"]["approximateInvokeCount"])
    assert ({"order": 1}, {"order": 1}) == (good["requestPayload"], good["responsePayload"])
    assert ("RetriesExhausted", 3) == (
        bad["requestContext"]["condition"],
        bad["requestContext"]["approximateInvokeCount"],
    )
    assert {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"} == bad["responseContext"]
    assert ("sold out", f"{ARN}:fail:$LATEST") == (
        bad["responsePayload"]["errorMessage"],
        bad["requestContext"]["functionArn"],
    )


@pytest.fixture
def endpoint_records():
    """Read what the function ``keep`` has stored, by the id of the request in the record."""

    def read(directory):
        kept = [json.loads(path.read_text()) for path in directory.glob("*.json")]
        return {each["event"]["requestContext"]["requestId"]: each for each in kept}

    return read


def test_destination_in_sqs(client_of, moto, received):
    """A queue receives the record as the body of a message."""
    reported = function("echo", "app.echo", events=EventConfig(on_success=QUEUE))
    with LocalEndpoint([reported], clock="virtual", services={"sqs": moto}) as endpoint:
        request_id = fire(client_of(endpoint), "echo", {"order": 1})
        endpoint.deliver()

    (message,) = received()
    body = json.loads(message["Body"])
    assert (request_id, "Success") == (body["requestContext"]["requestId"], body["requestContext"]["condition"])


def test_dead_letter_in_sqs(client_of, moto, received):
    """A dead-letter queue receives the event itself, and the error as attributes (recorded)."""
    dead = function("fail", "app.fail", events=EventConfig(dead_letter=QUEUE))
    with LocalEndpoint([dead], clock="virtual", services={"sqs": moto}) as endpoint:
        request_id = fire(client_of(endpoint), "fail", {"message": "sold out"})
        endpoint.deliver()

    (message,) = received()
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert {"message": "sold out"} == json.loads(message["Body"])
    assert {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "sold out"} == attributes


def test_dead_letter_in_sns(client_of, moto, received, service):
    """A dead-letter topic receives the same."""
    sns = service("sns")
    sns.create_topic(Name="ends")
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE)
    dead = function("fail", "app.fail", events=EventConfig(dead_letter=TOPIC, max_retries=0))
    with LocalEndpoint([dead], clock="virtual", services={"sns": moto}) as endpoint:
        fire(client_of(endpoint), "fail", {"message": "sold out"})
        endpoint.deliver()

    (message,) = received()
    notification = json.loads(message["Body"])
    assert {"message": "sold out"} == json.loads(notification["Message"])
    assert "sold out" == notification["MessageAttributes"]["ErrorMessage"]["Value"]


def test_destination_in_eventbridge(client_of, moto, received, service):
    """A bus receives the record as the detail of an event."""
    events = service("events")
    events.create_event_bus(Name="ends")
    events.put_rule(Name="all", EventBusName="ends", EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule="all", EventBusName="ends", Targets=[{"Id": "1", "Arn": QUEUE}])
    reported = function("fail", "app.fail", events=EventConfig(on_failure=BUS, max_retries=0))
    with LocalEndpoint([reported], clock="virtual", services={"events": moto}) as endpoint:
        fire(client_of(endpoint), "fail", {"message": "sold out"})
        endpoint.deliver()

    (message,) = received()
    event = json.loads(message["Body"])
    assert ("lambda", "Lambda Function Invocation Result - Failure") == (event["source"], event["detail-type"])
    assert [f"{ARN}:fail:$LATEST", BUS] == event["resources"]
    assert "RetriesExhausted" == event["detail"]["requestContext"]["condition"]


def test_unreachable_destination(client_of, caplog, moto):
    """It is logged in one line, without the payload, and the event is done."""
    gone = "arn:aws:sqs:us-east-1:123456789012:no-such-queue"
    reported = function("echo", "app.echo", events=EventConfig(on_success=gone))
    with LocalEndpoint([reported], clock="virtual", services={"sqs": moto}) as endpoint:
        request_id = fire(client_of(endpoint), "echo", "canary-90aa")
        first, second = endpoint.deliver(), endpoint.deliver()

    (line,) = [message for message in caplog.messages if gone in message]
    assert line.startswith(f"event {request_id}: could not send to {gone}: ")
    assert "canary-90aa" not in caplog.text
    assert (1, 0) == (first, second)


def test_functions_know_the_services(client_of, moto):
    """Functions have the addresses of the services, so that their SDKs call them too."""
    with LocalEndpoint([function("describe", "app.describe")], services={"sqs": moto, "events": moto}) as endpoint:
        environment = json.load(client_of(endpoint).invoke(FunctionName="describe")["Payload"])["environment"]

    assert (moto, moto) == (environment["AWS_ENDPOINT_URL_SQS"], environment["AWS_ENDPOINT_URL_EVENTBRIDGE"])


BAD = [
    pytest.param({"max_retries": 3}, "events: max_retries must be 0 to 2, not 3", id="retries"),
    pytest.param({"max_age": 59}, "events: max_age must be 60 to 21600 seconds, not 59", id="age"),
    pytest.param(
        {"on_success": "keep"},
        "events: on_success 'keep' is not the ARN of a function, an SQS queue, an SNS topic or an EventBridge bus",
        id="target",
    ),
    pytest.param(
        {"dead_letter": BUS}, f"events: dead_letter {BUS!r} is not the ARN of an SQS queue or an SNS topic", id="dead"
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_bad_settings(fields, message):
    """Settings that Lambda would reject are rejected when they are declared."""
    with pytest.raises(ValueError) as caught:
        EventConfig(**fields)

    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        pytest.param(
            EventConfig(on_failure=f"{ARN}:nope"),
            f"function 'echo': events: on_failure '{ARN}:nope' is not a function, version or alias of this endpoint",
            id="function",
        ),
        pytest.param(
            EventConfig(on_failure=f"{ARN}:echo:live"),
            f"function 'echo': events: on_failure '{ARN}:echo:live' is "
            "not a function, version or alias of this endpoint",
            id="alias",
        ),
        pytest.param(
            EventConfig(on_failure=QUEUE),
            f"function 'echo': events: on_failure '{QUEUE}' needs the address of the service: services={{'sqs': 'http://...'}}",
            id="service",
        ),
    ],
)
def test_destination_that_cannot_be_reached(events, message):
    """It is refused before anything is served."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([function("echo", "app.echo", events=events)])

    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"clock": "fast"}, "clock must be 'real' or 'virtual', not 'fast'", id="clock"),
        pytest.param(
            {"services": {"s3": "http://x"}}, "services: 's3' is not one of 'sqs', 'sns', 'events'", id="service"
        ),
        pytest.param(
            {"services": {"sqs": "localhost:1"}},
            "services: the address of 'sqs' must begin with http:// or https://, not 'localhost:1'",
            id="address",
        ),
    ],
)
def test_bad_endpoint_settings(settings, message):
    """The endpoint's own settings are validated too."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([function("echo", "app.echo")], **settings)

    assert message == str(caught.value)


def test_advance_while_not_running():
    """Only a running endpoint can be advanced."""
    endpoint = LocalEndpoint([function("echo", "app.echo")], clock="virtual")

    with pytest.raises(RuntimeError, match="not running"):
        endpoint.advance(1)


def test_many_at_a_time(client_of, tmp_path, eventually):
    """Ten events of a function run at the same time, and no more; the rest follows."""
    reported = []
    with LocalEndpoint([function("meet", "app.meet")], observer=reported.append) as endpoint:
        client = client_of(endpoint)
        for _ in range(12):
            fire(client, "meet", {"directory": str(tmp_path), "number": 11})
        eventually(lambda: len(list(tmp_path.iterdir())) == 10)
        time.sleep(0.2)
        before = len(list(tmp_path.iterdir()))
        (tmp_path / "one more").touch()
        eventually(lambda: len(reported) == 12)

    assert 10 == before
    assert {200} == {each.status for each in reported}
