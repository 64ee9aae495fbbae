"""A condition that the arguments of a call decide, decides which calls run and with which values."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.results import CallSite, CodeUnit, Survey

HEADER = """
import os
from enum import Enum
import boto3
lam = boto3.client("lambda")

class Kind(Enum):
    ASK = "ask"
    TELL = "tell"
"""
# Each helper waits for the function unless the flag says otherwise; FLAG is replaced by the values of a case.
HELPERS = [
    """
def call(name, wait=YES):
    lam.invoke(FunctionName=name, InvocationType="RequestResponse" if TEST else "Event")
""",
    """
def call(name, wait=YES):
    lam.invoke(FunctionName=name, InvocationType="Event" if not (TEST) else "RequestResponse")
""",
    """
def call(name, wait=YES):
    kind = "RequestResponse" if TEST else "Event"
    lam.invoke(FunctionName=name, InvocationType=kind)
""",
    """
def call(name, wait=YES):
    kind = "RequestResponse"
    if not (TEST):
        kind = "Event"
    lam.invoke(FunctionName=name, InvocationType=kind)
""",
    """
def call(name, wait=YES):
    if TEST:
        kind = "RequestResponse"
    else:
        kind = "Event"
    lam.invoke(FunctionName=name, InvocationType=kind)
""",
    """
def call(name, wait=YES):
    if TEST:
        return lam.invoke(FunctionName=name)
    else:
        return lam.invoke(FunctionName=name, InvocationType="Event")
""",
    """
def call(name, wait=YES):
    if TEST:
        return lam.invoke(FunctionName=name)
    lam.invoke(FunctionName=name, InvocationType="Event")
""",
    """
def call(name, wait=YES):
    if not (TEST):
        lam.invoke(FunctionName=name, InvocationType="Event")
        return
    for _ in range(3):
        lam.invoke(FunctionName=name)
""",
    """
def call(name, wait=YES):
    for attempt in range(3):
        if not (TEST):
            lam.invoke(FunctionName=name, InvocationType="Event")
            continue
        lam.invoke(FunctionName=name)
""",
    """
def call(name, wait=YES):
    return ask(name) if TEST else tell(name)
def ask(name):
    lam.invoke(FunctionName=name)
def tell(name):
    lam.invoke(FunctionName=name, InvocationType="Event")
""",
    """
def call(name, wait=YES):
    (TEST) and lam.invoke(FunctionName=name)
    (TEST) or lam.invoke(FunctionName=name, InvocationType="Event")
""",
    """
def call(name, wait=YES):
    lam.invoke(FunctionName=name, InvocationType=get_kind(wait))
def get_kind(wait):
    if TEST:
        return "RequestResponse"
    return "Event"
""",
    """
class Invoker:
    def __init__(self, wait):
        self.wait = wait
    def run(self, name):
        wait = self.wait
        lam.invoke(FunctionName=name, InvocationType="RequestResponse" if TEST else "Event")
def call(name, wait=YES):
    Invoker(wait).run(name)
""",
    """
def call(name, wait=YES):
    options = {"FunctionName": name}
    options["InvocationType"] = "RequestResponse" if TEST else "Event"
    lam.invoke(**options)
""",
]
# Values of the flag: yes, no, and the test for yes.
FLAGS = [
    ("True", "False", "wait"),
    ("1", "0", "wait"),
    ("'RequestResponse'", "'Event'", "wait == 'RequestResponse'"),
    ("'RequestResponse'", "'Event'", "wait != 'Event'"),
    ("None", "'Event'", "wait is None"),
    ("'sync'", "'async'", "wait in ('sync', 'wait')"),
    ("Kind.ASK", "Kind.TELL", "wait is Kind.ASK"),
    ("Kind.ASK", "Kind.TELL", "wait == Kind.ASK"),
    ("Kind.ASK", "Kind.TELL", "wait.value == 'ask'"),
    ("len", "None", "wait is not None and wait"),
    ("True", "False", "(wait is True) or wait == 5"),
]


def get_called(found: Survey, unit: str) -> list[tuple[str, str]]:
    """Return what a unit calls: the mode, and the function or what stands for it."""
    calls = found.find_calls(CodeUnit("app.py", unit))
    return sorted((str(one.mode), one.function if isinstance(one, CallSite) else one.callee) for one in calls)


@pytest.mark.parametrize(("yes", "no", "test"), FLAGS, ids=[test for _, _, test in FLAGS])
@pytest.mark.parametrize("helper", HELPERS, ids=range(len(HELPERS)))
def test_each_caller_has_the_mode_that_its_flag_selects(survey_code, helper: str, yes: str, no: str, test: str):
    """By default, and for a flag passed by position or name; not both modes for everyone."""
    if "len" in yes:
        yes = "(lambda: 1)"
    handlers = f"""
def usual(event, context): call("usual")
def told(event, context): call("told", {no})
def asked(event, context): call("asked", wait={yes})
def either(event, context): call("either", wait=event["wait"])
"""
    text = HEADER + helper.replace("TEST", test).replace("YES", yes) + handlers
    found = survey_code({"app.py": text})

    assert get_called(found, "usual") == [("call", "usual")]
    assert get_called(found, "told") == [("fire", "told")]
    assert get_called(found, "asked") == [("call", "asked")]
    assert get_called(found, "either") == [("call", "either"), ("fire", "either")]
    assert found.unresolved == ()


def test_a_name_is_what_the_last_assignment_that_runs_leaves_in_it(survey_code):
    """Defaults that are filled in, and names that are chosen step by step."""
    text = """
def call(name=None, kind=None, stage="dev"):
    if name is None:
        name = "usual"
    elif stage == "prod":
        name = "prod-" + name
    if kind is None:
        kind = "Event"
    lam.invoke(FunctionName=name, InvocationType=kind)
def first(event, context): call()
def second(event, context): call("two", "RequestResponse")
def third(event, context): call("three", stage="prod")
def fourth(event, context): call(event.get("name"), stage="prod")
"""
    found = survey_code({"app.py": HEADER + text})

    assert get_called(found, "first") == [("fire", "usual")]
    assert get_called(found, "second") == [("call", "two")]
    assert get_called(found, "third") == [("fire", "prod-three")]
    assert ("fire", "usual") in get_called(found, "fourth")


@pytest.mark.parametrize(
    ("pattern", "other"),
    [("'ask'", "'tell'"), ("'ask' | 'wait'", "_"), ("None", "_"), ("True", "False"), ("Kind.ASK", "Kind.TELL")],
)
def test_match_selects_a_case(survey_code, pattern: str, other: str):
    """The first one whose constant is equal."""
    text = f"""
def call(name, kind):
    match kind:
        case {pattern}:
            lam.invoke(FunctionName=name)
        case {other}:
            lam.invoke(FunctionName=name, InvocationType="Event")
def asked(event, context): call("asked", {pattern.partition(" |")[0]})
def told(event, context): call("told", {"'x'" if other == "_" else other})
def either(event, context): call("either", event["kind"])
"""
    found = survey_code({"app.py": HEADER + text})

    assert get_called(found, "asked") == [("call", "asked")]
    assert get_called(found, "told") == [("fire", "told")]
    assert get_called(found, "either") == [("call", "either"), ("fire", "either")]


def test_variables_decide_conditions_of_each_function(survey_code):
    """At module level and in a handler; without the variable, both are possible."""
    text = """
KIND = "Event" if os.environ["WAIT"] == "no" else "RequestResponse"
def first(event, context): lam.invoke(FunctionName="one", InvocationType=KIND)
def second(event, context):
    if os.environ["WAIT"] == "yes":
        lam.invoke(FunctionName="two")
    else:
        lam.invoke(FunctionName="three")
"""
    found = survey_code({"app.py": HEADER + text})
    with_variable = found.in_environment({"WAIT": "no"})

    assert get_called(found, "first") == [("call", "one"), ("fire", "one")]
    assert get_called(with_variable, "first") == [("fire", "one")]
    assert get_called(with_variable, "second") == [("call", "three")]
    assert get_called(found, "second") == [("call", "three"), ("call", "two")]


UNDECIDED = [
    "wait = wait and event",
    "wait = False",
    "global wait; wait = 0",
    "wait += 1",
    "for wait in [True, False]: pass",
    "[wait := False]",
    "wait = not wait",
]


@pytest.mark.parametrize("statement", UNDECIDED)
def test_a_condition_on_a_name_that_may_change_is_not_decided(survey_code, statement: str):
    """A call is never left out because of what a name was earlier, or will be later."""
    is_global = statement.startswith("global")
    text = f"""
wait = True
def call(name, {"other" if is_global else "wait"}, event):
    for _ in event:
        if wait:
            lam.invoke(FunctionName=name)
        else:
            lam.invoke(FunctionName=name, InvocationType="Event")
        {"pass" if is_global else statement}
{"def change(): " + statement if is_global else ""}
def handler(event, context): call("one", True, event)
"""
    found = survey_code({"app.py": HEADER + text})

    assert get_called(found, "handler") == [("call", "one"), ("fire", "one")]


def test_a_call_that_no_caller_reaches_is_reported(survey_code):
    """Code that is not in sight may pass the other value."""
    text = """
DEBUG = False
def call(name, wait=True):
    if not wait:
        lam.invoke(FunctionName=name, InvocationType="Event")
    else:
        lam.invoke(FunctionName=name)
def handler(event, context):
    call("one")
    if DEBUG:
        lam.invoke(FunctionName="debugger")
"""
    found = survey_code({"app.py": HEADER + text})

    assert get_called(found, "handler") == [("call", "one")]
    assert [(one.location.line, one.mode, one.callee) for one in found.unresolved] == [
        (14, "fire", "one"),
        (20, "call", "debugger"),
    ]
    assert "condition" in found.unresolved[0].why
