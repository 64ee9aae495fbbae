"""Chains of functions that call each other in a loop are stopped, as by Lambda."""

from __future__ import annotations

import json
from pathlib import Path

from lambdachain._lambda_api.recursion_detection import LOOP_LIMIT, count_invocation, is_recursive_loop
from lambdachain.local import EventConfig, LocalEndpoint, LocalFunction

FUNCTIONS = Path(__file__).parent / "functions"


def function(name, handler="light.descend", **options):
    """Declare a function that calls the next one."""
    return LocalFunction(name, handler, directory=FUNCTIONS, timeout=60, **options)


def descend(client, route):
    """Start the loop of calls."""
    response = client.invoke(FunctionName=route[0], Payload=json.dumps({"route": route, "depth": 1}))
    return json.load(response["Payload"])


def test_loop(client_of):
    """The 17th call of a function in a chain is refused; boto3 in the caller raises Lambda's error."""
    with LocalEndpoint([function("a", "app.descend")]) as endpoint:
        answer = descend(client_of(endpoint), ["a"])

    assert LOOP_LIMIT == answer["depth"]
    assert "(RecursiveInvocationException)" in answer["words"]


def test_loop_of_two(client_of):
    """Each function of a loop is counted separately."""
    with LocalEndpoint([function("a"), function("b")]) as endpoint:
        answer = descend(client_of(endpoint), ["a", "b"])

    assert (2 * LOOP_LIMIT, "RecursiveInvocationException") == (answer["depth"], answer["words"])


def test_loop_that_is_allowed(client_of):
    """A function may allow it; here the other function, which does not, stops the chain."""
    with LocalEndpoint([function("a", recursive_loop="Allow"), function("b")]) as endpoint:
        answer = descend(client_of(endpoint), ["a", "b"])

    assert 2 * LOOP_LIMIT + 1 == answer["depth"]


def test_loop_of_events(client_of, tmp_path):
    """A function that fires at itself runs 16 times; the next event is discarded, and its destination notified."""
    kept, ran = tmp_path / "kept", tmp_path / "ran"
    kept.mkdir()
    ran.mkdir()
    destination = "arn:aws:lambda:us-east-1:123456789012:function:keep"
    functions = [
        function("echoing", "app.echoing_events", events=EventConfig(on_failure=destination)),
        function("keep", "app.keep", environment={"KEEP": str(kept)}),
    ]
    with LocalEndpoint(functions, clock="virtual") as endpoint:
        event = json.dumps({"directory": str(ran)})
        client_of(endpoint).invoke(FunctionName="echoing", InvocationType="Event", Payload=event)
        endpoint.deliver()

    (record,) = [json.loads(path.read_text())["event"] for path in kept.glob("*.json")]
    assert LOOP_LIMIT == len(list(ran.iterdir()))
    assert {"statusCode": 400} == record["responseContext"]
    assert "recursive loop" in record["responsePayload"]["Message"]


def test_a_long_chain_is_not_a_loop():
    """Forty different functions may call each other one after another."""
    trace = "Root=1-2-3"
    for number in range(40):
        assert not is_recursive_loop(trace, f"arn-{number}")
        trace = count_invocation(trace, f"arn-{number}")


def test_lineage_of_others():
    """Unknown entries in the lineage do no harm, and other fields of the header are kept."""
    trace = count_invocation("Root=1-2-3;Lineage=1:7326f8b8:0;Sampled=1", "arn-1")

    assert trace.startswith("Root=1-2-3;Sampled=1;Lineage=")
    assert trace.endswith(":1")
