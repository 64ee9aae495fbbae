"""A survey takes a limited number of steps, and tells what it has left open."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.memo import RecursiveMemo
from lambdachain._analysis.survey.results import CallMode, CallSite, CodeUnit, Survey, UnresolvedCall
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
def test_with_too_few_every_call_is_named_or_told(survey_within, max_effort):
    """Of the code as a whole, and of each function that reaches it: so no grant of any passes for unused."""
    found = survey_within(max_effort)

    named = {call.location.line for call in found.calls}
    told = {one.location.line for one in found.unresolved if "too many ways lead there" in one.why}
    assert {7, 10} <= named | told
    for unit in [unit for unit in found.units if unit.name.startswith("handler")]:
        assert any(one.location.line == 7 for one in found.find_calls(unit)), unit
        assert found.reachable_from([unit]).unresolved or found.reachable_from([unit]).calls


@pytest.mark.parametrize("max_effort", [0, 10, 100, 200, 300, 500])
def test_with_too_few_no_name_is_invented(survey_within, max_effort):
    """Whatever is named for a function is what it calls."""
    found = survey_within(max_effort)

    for unit in found.units:
        named = {call.function for call in found.find_calls(unit) if isinstance(call, CallSite)}
        expected = {"report": {"reports"}}.get(unit.name, {unit.name.replace("handler", "charge-")})
        assert named <= expected or unit.name in ("", "send"), unit


def test_a_name_beside_its_call_is_found_when_other_ways_are_not_followed(survey_within):
    """It needs no callers."""
    assert "reports" in {call.function for call in survey_within(200).calls}


HEAVY = """
import boto3
from light import send

class Step{0}:
    def __init__(self, name):
        self.name = name

    def run(self, value):
        return Step{0}(value)

def process(event, one, other):
    steps = [Step0(one).run(event), Step0(other).run(event), Step0(event["a"]).run(one)]
    first = Step0(steps[0].name).run(steps[1].name).run(other)
    boto3.client("lambda").invoke(FunctionName=one, Payload=first.name)
    again(event, other, one)

def again(event, one, other):
    boto3.client("lambda").invoke(FunctionName=other, InvocationType="Event")
"""
LIGHT = """
import boto3

def send(name):
    boto3.client("lambda").invoke(FunctionName=name)
"""


# Each of eight functions calls the next three times, each time with more arguments.
GROWING = "".join(
    f"def grow{n}(*x): return grow{n + 1}(x, 0, *x) or grow{n + 1}('a', *x) or grow{n + 1}()\n" for n in range(8)
)
CONDITIONS = """
import boto3
lam = boto3.client("lambda")
NAME = "charge"

def handler(event, context):
    if grow0(event, "x") == 1 and grow0("y"):
        event = grow0(event)
    finish(event)

def finish(event):
    if event.total == grow0("x", event) or grow0("y", event):
        lam.invoke(FunctionName=NAME, InvocationType="Event")

def grow8(*x): return x
"""


@pytest.fixture(scope="module")
def survey_heavy():
    """Return the survey of a function that many call, each with other arguments, beside one that is followed easily."""
    callers = "".join(
        f"def handler{n}(event, context):\n    process(event, 'one-{n}', 'two-{n}')\n    send('light-{n}')\n"
        for n in range(200)
    )
    files = {"heavy.py": HEAVY.format(0) + callers, "light.py": LIGHT}
    sources = [Source("code", name, (name.removesuffix(".py"),), text) for name, text in files.items()]
    return survey(sources, max_effort=60_000)


def test_an_expensive_question_costs_only_itself(survey_heavy):
    """What does not pass through the expensive function is named; what does is named rightly, or told."""
    for n in range(200):
        found = survey_heavy.find_calls(CodeUnit("heavy.py", f"handler{n}"))
        named = {call.function for call in found if isinstance(call, CallSite)}
        told = {call.location.file for call in found if isinstance(call, UnresolvedCall)}
        assert f"light-{n}" in named
        assert named <= {f"light-{n}", f"one-{n}"}
        assert f"one-{n}" in named or "heavy.py" in told
    assert any("too many ways lead there" in one.why for one in survey_heavy.unresolved)


def test_the_mode_of_a_call_is_known_where_its_name_is_not(survey_heavy):
    """It does not depend on what is passed."""
    told = [one for one in survey_heavy.unresolved if "too many ways lead there" in one.why]

    assert {one.mode for one in told} <= {CallMode.SYNC, CallMode.EVENT}


def test_a_call_under_expensive_conditions_is_named():
    """Neither its name nor its mode depends on them, only whether it is made."""
    found = survey([Source("code", "app.py", ("app",), CONDITIONS + GROWING)], max_effort=20_000)

    [told] = found.find_calls(CodeUnit("app.py", "handler"))
    assert isinstance(told, UnresolvedCall)
    assert (told.callee, told.mode) == ("charge", CallMode.EVENT)
    assert "too many ways lead there" in told.why


@pytest.mark.parametrize("method", ["map", "stream", "call"])
def test_calls_of_any_method_of_lambdachain_are_told(method):
    """Even if the steps do not suffice to tell what a method is of."""
    code = f"""
from lambdachain import Contract, LambdaClient
client = LambdaClient()
charge = Contract("charge", request=int, response=int)

def handler(event, context):
    return [1 for _ in client.{method}(charge, [1])]

def other(event, pool):
    return pool.{method}(print, [1])
"""
    found = survey([Source("code", "app.py", ("app",), code)], max_effort=0)

    assert [one.location.line for one in found.unresolved if "too many ways" in one.why] == [7]


def test_what_is_known_stays_known_when_the_effort_is_spent():
    """Only what is new is unfinished."""
    memory = RecursiveMemo[int](0, -1, -2, max_effort=1)

    assert memory.get_or_compute("first", lambda: 1) == 1
    assert memory.get_or_compute("second", lambda: 2) == -2
    assert memory.effort_left == 0
    assert memory.get_or_compute("first", lambda: 3) == 1


def test_what_one_question_leaves_unfinished_is_computed_for_the_next():
    """A result that depends on something unfinished is not kept."""
    memory = RecursiveMemo[int](0, -1, -2, max_effort=10)

    def compute() -> int:
        return memory.get_or_compute("inner", lambda: 1) + 1

    with memory.limit_effort(1):
        assert memory.get_or_compute("outer", compute) == -1
        assert memory.effort_left == 0
    assert memory.effort_left == 9
    assert memory.get_or_compute("outer", compute) == 2


def test_no_question_takes_more_than_all_may():
    """A limit is a part of the whole, and what several questions need may take all of it."""
    memory = RecursiveMemo[int](0, -1, -2, max_effort=3)

    with memory.limit_effort(1):
        assert memory.get_or_compute("first", lambda: 1) == 1
        with memory.lift_limit():
            assert memory.get_or_compute("second", lambda: 2) == 2
        assert memory.get_or_compute("third", lambda: 3) == -2
    with memory.limit_effort(5):
        assert memory.effort_left == 1
