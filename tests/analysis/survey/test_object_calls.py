"""Objects that a function configures belong to that function: setters, and builders."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.results import CodeUnit

CLASSES = """
import boto3
client = boto3.client("lambda")

class Sender:
    target = None
    mode = "RequestResponse"
    def configure(self, target, mode=None):
        self.target = target
        if mode:
            self.mode = mode
        return self
    def send(self):
        client.invoke(FunctionName=self.target, InvocationType=self.mode)
    def send_to(self, target):
        self.target = target
        self.send()
    def send_usual(self):
        self.configure("usual")
        self.send()

class Firing(Sender):
    def to(self, name):
        self.configure(name, "Event")
        return self

class Created(Sender):
    def __init__(self, name):
        self.configure(name)

class Callable:
    def __init__(self, name):
        self.name = name
    def __call__(self, suffix):
        client.invoke(FunctionName=self.name + suffix)

class Builder:
    def __init__(self):
        self._name = "default"
        self._mode = "Event"
    def name(self, name):
        self._name = name
        return self
    def build(self):
        return Message(self._name, self._mode)

class Message:
    def __init__(self, name, mode):
        self.name = name
        self.mode = mode
    def send(self):
        client.invoke(FunctionName=self.name, InvocationType=self.mode)

def run(sender):
    sender.send()

def other(event, context):
    sender = Sender()
    sender.configure("of-other", "Event")
    sender.send()
"""


def find_edges(survey_code, body: str) -> list[str]:
    """Return the mode and name of each call of a handler, as far as they are known."""
    found = survey_code({"app.py": f"{CLASSES}\ndef handler(event, context):\n  {body}\n"})
    calls = found.find_calls(CodeUnit("app.py", "handler"))
    return sorted({f"{one.mode} {getattr(one, 'function', '?')}" for one in calls})


@pytest.mark.parametrize(
    ("body", "edges"),
    [
        ("s = Sender(); s.configure('a'); s.send()", ["call a"]),
        ("s = Sender(); s.configure('a', 'Event'); s.send()", ["fire a"]),
        ("Sender().configure('a', mode='Event').send()", ["fire a"]),
        ("s = Sender().configure('a', mode='Event'); s.send()", ["fire a"]),
        ("Firing().to('a').send()", ["fire a"]),
        ("Created('a').send()", ["call a"]),
        ("m = Builder().name('a').build(); m.send()", ["fire a"]),
        ("Builder().build().send()", ["fire default"]),
        ("b = Builder(); b.name('a'); b.build().send()", ["fire a"]),
        ("s = Sender(); s.configure('a'); s.send(); s.configure('b'); s.send()", ["call a", "call b"]),
        ("s = Sender()\n  if event: s.configure('a')\n  else: s.configure('b')\n  s.send()", ["call a", "call b"]),
        ("s = Sender()\n  for one in ('a', 'b'):\n    s.configure(one)\n    s.send()", ["call a", "call b"]),
        ("s = Sender(); s.configure(event['name']); s.send()", ["call ?"]),
        ("Sender().send_to('a')", ["call a"]),
        ("c = Callable('a'); c('-b')", ["call a-b"]),
        ("c = Callable('a'); print(c.name)", []),
        ("s = Sender(); s.send_usual()", ["call usual"]),
    ],
)
def test_what_is_set_on_an_object_is_its_own(survey_code, body: str, edges: list[str]):
    """Other functions set other values on objects of the same class."""
    found = find_edges(survey_code, body)

    assert [edge for edge in found if edge != "call None"] == edges


@pytest.mark.parametrize(
    "body",
    [
        "s = Sender(); s.configure('a'); run(s)",
        "run(Sender().configure('a'))",
        "s = Sender()\n  def later(): s.configure('a')\n  later(); s.send()",
        "s = Sender(); (lambda: s.configure('a'))(); s.send()",
        "s = Sender()\n  while event:\n    s.send()\n    s.configure('a')",
        "s = Sender(); t = s; t.configure('a'); s.send()",
    ],
)
def test_what_other_code_may_set_is_not_lost(survey_code, body: str):
    """An object that other code has may be changed there."""
    assert "call a" in find_edges(survey_code, body)


PROPERTY = """
import boto3
client = boto3.client('lambda')
def call(name): client.invoke(FunctionName=name)
class Sender:
    def __init__(self, name="first"): self.{init} = name
    @property
    def target(self): return self._target
    @target.setter
    def target(self, name): self._target = name + "-x"
    def reset(self):
        self.items = []
        self.items.append(self)
        self.target = "reset"
    def send(self): call(self.{read})
def fill(sender): sender.target = "filled"
def other(): Sender().target = "other"
"""


def find_called(survey_code, code: str) -> list[str]:
    """Return the names of the functions that the handler calls, in the order of the alphabet."""
    found = survey_code({"app.py": code}).reachable_from([CodeUnit("app.py", "handler")])
    assert found.unresolved == ()
    return sorted({one.function for one in found.calls})


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("s = Sender()\n    s.target = 'a'\n    s.send()", ["a-x"]),
        ("s = Sender('a')\n    s.target = 'b'\n    s.target = 'c'\n    s.send()", ["c-x"]),
        ("s = Sender()\n    s.target = 'a'\n    call(s.target)", ["a-x"]),
        ("s = Sender()\n    s.reset()\n    s.send()", ["reset-x"]),
        ("s = Sender()\n    s.target = 'a' if event else 'b'\n    s.send()", ["a-x", "b-x"]),
    ],
)
@pytest.mark.parametrize(("init", "read"), [("target", "target"), ("_target", "target"), ("target", "_target")])
def test_a_property_is_what_its_setter_stores(survey_code, body: str, names: list[str], init: str, read: str):
    """Of the object that a function sets it on, whatever other code sets on its own."""
    code = f"{PROPERTY.format(init=init, read=read)}def handler(event, context):\n    {body}\n"

    assert find_called(survey_code, code) == names


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("Sender('a').send()", ["a-x"]),
        ("s = Sender('a')\n    if event: s.target = 'b'\n    s.send()", ["a-x", "b-x"]),
    ],
)
def test_a_property_that_is_set_by_the_constructor_is_what_that_passes(survey_code, body: str, names: list[str]):
    """Through the setter, too."""
    code = f"{PROPERTY.format(init='target', read='target')}def handler(event, context):\n    {body}\n"

    assert find_called(survey_code, code) == names


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("s = Plain()\n    s.name = 'a'\n    s.send()", ["a"]),
        ("s = Plain()\n    s.name = 'a'\n    s.name = 'b'\n    s.send()", ["b"]),
        ("s = Plain()\n    s.send()\n    s.name = 'a'", ["a", "first", "other"]),
        ("s = Plain()\n    s.name = 'a'\n    s.set('b')\n    s.send()", ["b"]),
    ],
)
def test_an_attribute_that_a_function_sets_is_its_own(survey_code, body: str, names: list[str]):
    """On an object that no other code has, before a method reads it."""
    plain = (
        "import boto3\nclass Plain:\n  name = 'first'\n  def set(self, name): self.name = name\n"
        "  def send(self): boto3.client('lambda').invoke(FunctionName=self.name)\n"
        "def other():\n  s = Plain()\n  s.name = 'other'\n"
    )

    assert find_called(survey_code, f"{plain}def handler(event, context):\n    {body}\n") == names


def test_a_property_that_other_code_may_set_is_all_that_is_set(survey_code):
    """The function that gets the object sets it out of sight."""
    body = "s = Sender('a')\n    fill(s)\n    s.send()"
    code = f"{PROPERTY.format(init='target', read='target')}def handler(event, context):\n    {body}\n"

    assert {"a-x", "filled-x"} <= set(find_called(survey_code, code))
