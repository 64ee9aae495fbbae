"""A survey takes a limited number of steps, and tells what it has left open."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.memo import RecursiveMemo
from lambdachain._analysis.survey.results import Survey
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey

HELPER = """
import boto3

client = boto3.client("lambda")

def send(name):
    client.invoke(FunctionName=name, Payload="")

def report():
    client.invoke(FunctionName="reports", Payload="")
"""


@pytest.fixture
def survey_within():
    """Return a function that surveys forty handlers of one helper within a number of steps."""
    callers = "".join(f"def handler{index}(event, context): send('charge-{index}')\n" for index in range(40))

    def run(max_effort: float) -> Survey:
        return survey([Source("code", "app.py", ("app",), HELPER + callers)], max_effort=max_effort)

    return run


def test_with_enough_steps_each_name_is_found(survey_within):
    """The limit changes nothing where it is not reached."""
    found = survey_within(100_000)

    assert {call.function for call in found.calls} == {"reports", *(f"charge-{index}" for index in range(40))}
    assert found.unresolved == ()


@pytest.mark.parametrize("max_effort", [0, 10, 100, 200])
def test_with_too_few_every_call_is_told_and_every_function_undecided(survey_within, max_effort):
    """So no grant of any function passes for unused."""
    found = survey_within(max_effort)

    told = {(one.location.line, one.unit.file) for one in found.unresolved if "too many ways lead there" in one.why}
    assert {(7, ""), (10, "")} <= told
    for unit in found.units:
        assert any(one.location.line == 7 for one in found.find_calls(unit)), unit
        assert found.reachable_from([unit]).unresolved


@pytest.mark.parametrize("max_effort", [0, 10, 100, 200])
def test_with_too_few_no_name_is_invented(survey_within, max_effort):
    """Names that were found before the steps ran out are right."""
    names = {"reports", *(f"charge-{index}" for index in range(40))}

    assert {call.function for call in survey_within(max_effort).calls} <= names


def test_a_name_beside_its_call_is_found_when_other_ways_are_not_followed(survey_within):
    """It needs no callers."""
    assert "reports" in {call.function for call in survey_within(200).calls}


def test_what_is_known_stays_known_when_the_effort_is_spent():
    """Only what is new is unfinished."""
    memory = RecursiveMemo[int](0, -1, -2, max_effort=1)

    assert memory.get_or_compute("first", lambda: 1) == 1
    assert memory.get_or_compute("second", lambda: 2) == -2
    assert memory.is_exhausted
    assert memory.get_or_compute("first", lambda: 3) == 1
