"""Distributed maps: where items come from, where results go, and which types of execution are for which function."""

from __future__ import annotations

import pytest

from lambdachain import Contract, ContractError
from lambdachain.stepfunctions import S3Items, S3Results, choice, distributed_map, state_machine, task
from tests.support.orders_contracts import charge, charge_again


def test_the_map_itself_is_not_retried():
    """That would call the function again for the items that are done."""
    state = distributed_map(charge_again)

    assert "Retry" not in state
    assert state["ItemProcessor"]["States"]["Call"]["Retry"] == task(charge_again)["Retry"]


def test_an_express_execution_is_for_idempotent_functions():
    """It runs at least once."""
    with pytest.raises(ContractError, match="twice"):
        distributed_map(charge, execution_type="EXPRESS")
    call = distributed_map(charge_again, execution_type="EXPRESS")["ItemProcessor"]["States"]["Call"]
    assert call["TimeoutSeconds"] == 300


def test_an_express_execution_is_for_short_functions():
    """It ends after five minutes."""
    with pytest.raises(ContractError, match="300 seconds"):
        distributed_map(charge_again, execution_type="EXPRESS", function_timeout=300)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (S3Items("b", "k"), {"InputType": "JSONL"}),
        (S3Items("b", "k", "JSON", max_items=5), {"InputType": "JSON", "MaxItems": 5}),
        (S3Items("b", "k", "CSV"), {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}),
        (
            S3Items("b", "k", "CSV", headers=("a", "b"), delimiter="\t"),
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": "TAB"},
        ),
    ],
)
def test_items_in_s3(items, expected):
    """Their format follows."""
    assert distributed_map(charge, items=items)["ItemReader"]["ReaderConfig"] == expected


def test_places_in_s3_may_be_in_the_input():
    """As paths, or as expressions."""
    state = distributed_map(charge, items=S3Items("$.bucket", "in.jsonl"), results=S3Results("$.bucket", "$.prefix"))
    assert state["ItemReader"]["Parameters"] == {"Bucket.$": "$.bucket", "Key": "in.jsonl"}
    assert state["ResultWriter"]["Parameters"] == {"Bucket.$": "$.bucket", "Prefix.$": "$.prefix"}

    items = S3Items("{% $states.input.bucket %}", "in.jsonl")
    state = distributed_map(charge, items=items, query_language="JSONata")
    assert state["ItemReader"]["Arguments"] == {"Bucket": "{% $states.input.bucket %}", "Key": "in.jsonl"}


def test_s3_is_of_the_partition_of_the_function():
    """As the resource of a task."""
    china = Contract("arn:aws-cn:lambda:cn-north-1:123456789012:function:f", request=int, response=int)
    state = distributed_map(china, items=S3Items("b", "k"), results=S3Results("b"))

    assert state["ItemReader"]["Resource"] == "arn:aws-cn:states:::s3:getObject"
    assert state["ResultWriter"]["Resource"] == "arn:aws-cn:states:::s3:putObject"


def test_tolerance():
    """None is Step Functions' own: no failure."""
    assert "ToleratedFailurePercentage" not in distributed_map(charge)
    assert distributed_map(charge, tolerated_failure_percentage=0)["ToleratedFailurePercentage"] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"max_concurrency": 0},
        {"max_concurrency": 10_001},
        {"tolerated_failure_percentage": 101},
        {"execution_type": "FAST"},
    ],
)
def test_a_number_out_of_range_is_refused(options):
    """Step Functions would refuse it when the state machine is made."""
    with pytest.raises(ContractError, match=next(iter(options))):
        distributed_map(charge, **options)


@pytest.mark.parametrize("options", [{"format": "XML"}, {"headers": ("a",)}, {"format": "CSV", "delimiter": "#"}])
def test_wrong_items_are_refused(options):
    """A format that there is not, or an option of another one."""
    with pytest.raises(ContractError, match="S3Items"):
        S3Items("b", "k", **options)


def test_two_maps_have_children_of_different_names():
    """Names are unique in the whole definition."""
    states = {"A": distributed_map(charge, next="B"), "B": distributed_map(charge, child_name="Call again")}

    assert list(state_machine(states)["States"]["B"]["ItemProcessor"]["States"]) == ["Call again"]


@pytest.mark.parametrize(
    ("states", "options", "message"),
    [
        ({}, {}, "at least one"),
        ({"A": task(charge, next="B")}, {}, "'B', which A names"),
        ({"A": task(charge)}, {"start_at": "B"}, "'B', which start_at names"),
        ({"A": task(charge), "B": task(charge)}, {}, "B cannot be reached"),
        ({"A" * 81: task(charge)}, {}, "80 characters"),
        ({"A": distributed_map(charge, next="B"), "B": distributed_map(charge)}, {}, "child_name"),
        ({"A": distributed_map(charge, next="Call"), "Call": task(charge)}, {}, "child_name"),
        ({"A": task(charge)}, {"query_language": "JSONata"}, "A is in JSONPath"),
        ({"A": choice("kind", {"x": "A"})}, {"query_language": "JSONata"}, "A is in JSONPath"),
    ],
)
def test_a_state_machine_whose_states_do_not_fit_is_refused(states, options, message):
    """A state is missing, or is never reached, or has a name that is too long."""
    with pytest.raises(ContractError, match=message):
        state_machine(states, **options)
