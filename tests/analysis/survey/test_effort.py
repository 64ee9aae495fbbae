"""What a survey evaluates: only what the calls and handlers depend on, so that large code bases take seconds."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from lambdachain._analysis.survey import evaluation
from lambdachain._analysis.survey.results import CodeUnit, Survey
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey

CALL = """
import boto3

def handler(event, context):
    return boto3.client("lambda").invoke(FunctionName="billing")
"""
OTHER = """
import collections, json

class Box{0}:
    def __init__(self, items):
        self.items = collections.deque(json.loads(items))

    def first(self):
        return dict(self.items[0], other=len(self.items))

def make{0}(text):
    return Box{0}(text).first().get("x")
"""


def count_evaluations(files: dict[str, str]) -> tuple[int, Survey]:
    """Survey files; return how many expressions were evaluated, each as often as it was asked for."""
    asked = 0

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal asked
        if event == "call" and frame.f_code is evaluation.ExpressionEvaluator.evaluate.__code__:
            asked += 1

    sources = [Source("code", name, (name.removesuffix(".py"),), text) for name, text in files.items()]
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        found = survey(sources)
    finally:
        sys.setprofile(before)
    return asked, found


def test_what_a_unit_uses_is_evaluated_when_it_is_asked_for():
    """Of the unit that is asked for, and of what that uses."""
    _, found = count_evaluations({"app.py": CALL, "other.py": OTHER.format("")})

    reached = found.reachable_units(CodeUnit("other.py", "make"))
    assert CodeUnit("other.py", "Box.first") in reached
    assert CodeUnit("app.py", "handler") not in reached


def test_a_call_with_several_reasons_is_reported_once():
    """Each caller of a helper may have a reason of its own; the line of the call is the same."""
    code = """
    import boto3
    def send(name):
        boto3.client("lambda").invoke(FunctionName=name)
    def one(event, context):
        send(event["name"])
    def other(event, context):
        for name, _ in event:
            send(name)
    """
    files = {"app.py": "\n".join(line[4:] for line in code.splitlines())}
    _, found = count_evaluations(files)

    assert [one.location.line for one in found.unresolved] == [4]
    assert "; " in found.unresolved[0].why


def test_values_that_double_with_each_level_are_cut_off():
    """As those of functions that encode what they are passed, and call each other for what is inside."""
    levels = 40
    encoders = "".join(
        f"def encode{n}(value):\n    return [encode{n + 1}(value), {{'inside': encode{n + 1}(value)}}]\n"
        for n in range(levels)
    )
    text = f"{encoders}def encode{levels}(value):\n    return ['billing']\n{CALL}\n    names = encode0(event)\n"
    text = text.replace('FunctionName="billing"', "FunctionName=encode0(event)[0]")
    _, found = count_evaluations({"app.py": text})
    assert [one.location.line for one in found.unresolved] == [2 * levels + 7]

    # What nests as configurations do is read.
    config = "NAMES = {'prod': {'eu': [{'billing': ['billing-eu']}]}}\n"
    text = config + CALL.replace('"billing"', "NAMES['prod']['eu'][0]['billing'][0]")
    _, found = count_evaluations({"app.py": text})
    assert [call.function for call in found.calls] == ["billing-eu"]
