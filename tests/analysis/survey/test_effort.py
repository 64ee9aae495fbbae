"""What a survey evaluates: only what the calls and handlers depend on, so that large code bases take seconds."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from textwrap import dedent
from types import FrameType
from typing import Any

import pytest

from lambdachain._analysis.survey import evaluation
from lambdachain._analysis.survey.installed import InstalledPackages
from lambdachain._analysis.survey.name_patterns import find_name_patterns
from lambdachain._analysis.survey.project import Project
from lambdachain._analysis.survey.results import CallSite, CodeUnit, Survey
from lambdachain._analysis.survey.scope_builder import read_scopes
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


def test_code_that_calls_nothing_is_not_evaluated():
    """A hundred other files add nothing to what finding the call takes."""
    alone, _ = count_evaluations({"app.py": CALL})
    among_others, found = count_evaluations({"app.py": CALL, **{f"m{n}.py": OTHER.format(n) for n in range(100)}})

    assert among_others == alone
    assert [call.function for call in found.calls] == ["billing"]
    # All code is known nevertheless: it may be named as the code of a function.
    assert CodeUnit("m7.py", "Box7.first") in found.units


@pytest.mark.parametrize("client", ["client.call(charge, 1)", "charge.call(1)"])
def test_code_that_declares_nothing_is_not_evaluated(client: str) -> None:
    """Code that uses lambdachain is searched for contracts and handlers; what has neither costs nothing."""
    code = """
    from lambdachain import Contract, LambdaClient, remote
    client = LambdaClient()
    mail = Contract("mail", request=int, response=int)

    @remote("charge")
    def charge(event: int) -> int:
        return client.call(mail, 1)

    def handler(event, context):
        return {}
    """
    files = {"app.py": dedent(code).format(client)}
    alone, _ = count_evaluations(files)
    among_others, found = count_evaluations({**files, **{f"m{n}.py": OTHER.format(n) for n in range(50)}})

    assert among_others == alone
    assert {contract.function for contract in found.contracts} == {"charge", "mail"}
    assert [handler.handler_setting for handler in found.handlers] == ["app.charge"]
    assert "mail" in {call.function for call in found.calls}


def count_for_callers(callers: int) -> int:
    """Return how many expressions are evaluated for some modules that call a function, each in its own way."""
    module = """
    import boto3
    from shared import send

    def handler{0}(event, context):
        boto3.client("lambda").invoke(FunctionName="own-{0}")
        return send("shared-{0}")
    """
    shared = """
    import boto3

    def send(name):
        return boto3.client("lambda").invoke(FunctionName=name)
    """
    files = {"shared.py": dedent(shared), **{f"m{n}.py": dedent(module).format(n) for n in range(callers)}}
    asked, found = count_evaluations(files)
    assert len(found.calls) == 2 * callers
    return asked


def test_effort_grows_in_proportion_to_the_modules_that_call():
    """Twice as many modules take at most a little more than twice the effort."""
    assert count_for_callers(80) < 2.2 * count_for_callers(40)


def test_a_function_in_the_module_of_a_caller_is_not_followed():
    """A module runs when one of its functions does, but its functions do not run because one of them calls."""
    files = {"app.py": f"{CALL}\n{OTHER.format('')}"}
    alone, _ = count_evaluations({"app.py": CALL})
    together, found = count_evaluations(files)

    assert together == alone
    assert found.find_calls(CodeUnit("app.py", "make")) == ()


def test_a_namesake_in_a_module_that_is_not_imported_together_is_not_followed():
    """An object of unknown type comes from a module that the code imports; ``deploy`` of any other is not meant."""
    backend = """
    import boto3

    class Backend:
        def deploy(self, name):
            boto3.client("lambda").invoke(FunctionName="builder")
    """
    other = """
    def release(target):
        target.deploy("app")
    """
    main = """
    import backend

    def handler(event, context):
        event["backend"].deploy("app")
    """
    files = {"backend.py": dedent(backend), "other.py": dedent(other), "main.py": dedent(main)}
    _, found = count_evaluations(files)

    [call] = found.find_calls(CodeUnit("main.py", "handler"))
    assert isinstance(call, CallSite)
    assert call.function == "builder"
    assert found.find_calls(CodeUnit("other.py", "release")) == ()


def test_a_method_that_is_read_by_a_computed_name_is_followed() -> None:
    """Where such a method is called, nothing else says so."""
    code = """
    import boto3
    OPERATION = "invoke"
    send = getattr(boto3.client("lambda"), OPERATION)

    def handler(event, context):
        send(FunctionName="billing")
    """
    _, found = count_evaluations({"app.py": dedent(code)})

    assert [call.function for call in found.calls] == ["billing"]


def test_what_a_relative_import_means_is_not_looked_for_in_packages(tmp_path: Path):
    """Packages that mention lambdachain make the whole code be searched for its calls; a relative import names none."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "shop.py").write_text("import lambdachain\n")
    sources = [
        Source("code", "app/__init__.py", ("app",), ""),
        Source("code", "app/main.py", ("app", "main"), "from . import other\nfrom .other import name\n"),
        Source("code", "app/other.py", ("app", "other"), "name = 1\n"),
    ]
    packages = InstalledPackages([tmp_path / "installed"])

    assert not Project(sources, packages).may_use_lambdachain()
    importing = Source("code", "app/shopping.py", ("app", "shopping"), "import shop\n")
    assert Project([*sources, importing], packages).may_use_lambdachain()


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


def test_arguments_are_not_evaluated_because_getattr_is_passed_on():
    """Where ``getattr`` is a value, only what may hold it may be it: not each call of two arguments."""
    helper = """
    def read(obj, name, getter):
        return getter(obj, name)

    def first(obj):
        return read(obj, "first", getattr)
    """
    files = {"app.py": CALL, "helper.py": dedent(helper)}
    alone, _ = count_evaluations(files)
    pairs = "def copy{0}(a, b):\n    return join(make(a), make(b))\n"
    among_others, found = count_evaluations({**files, **{f"m{n}.py": pairs.format(n) for n in range(50)}})

    assert among_others == alone
    assert [call.function for call in found.calls] == ["billing"]


@pytest.mark.parametrize("read", ["find(client, 'invoke')", "pick(find)(client, 'invoke')", "Box(find).read(client)"])
def test_a_method_that_getattr_reads_under_another_name_is_found(read: str) -> None:
    """However ``getattr`` gets to where it is called, what it returns there is followed."""
    code = """
    import boto3

    client = boto3.client("lambda")
    find = getattr

    def pick(reader):
        return reader

    class Box:
        def __init__(self, reader):
            self.reader = reader

        def read(self, obj):
            return self.reader(obj, "invoke")

    def handler(event, context):
        send = {0}
        send(FunctionName="billing")
    """
    _, found = count_evaluations({"app.py": dedent(code).replace("{0}", read)})

    assert [call.function for call in found.calls] == ["billing"]


def test_what_a_candidate_reads_otherwise_is_not_evaluated():
    """A function is a candidate because of one name in it; what else it reads costs nothing."""
    shared = """
    import boto3

    class Sender:
        def send(self, name):
            return boto3.client("lambda").invoke(FunctionName=name)
    """
    module = """
    from other import parse

    def handler(event, context):
        event["box"].send("note")
        {0}
    """
    # The names of files are in the order in which they are read.
    files = {"shared.py": dedent(shared), "other.py": "def parse(text):\n    return text.strip()\n"}
    alone, _ = count_evaluations({**files, "app.py": dedent(module).format("pass")})
    more, found = count_evaluations({**files, "app.py": dedent(module).format("parse(parse(event['text']))")})

    assert more == alone
    assert len(found.unresolved) == 1


@pytest.mark.parametrize("name", ['f"send_{kind}"', '"send_%s" % kind', '"send_{}".format(kind)', '"send_" + kind'])
def test_every_method_that_a_computed_name_matches_is_followed(name: str) -> None:
    """The constant part of a name decides, and what the rest is costs nothing."""
    code = """
    import boto3

    class Sender:
        def send_note(self):
            boto3.client("lambda").invoke(FunctionName="note")

        def dispatch(self, event):
            kind = event["kind"]
            {0}
    """
    unit = CodeUnit("app.py", "Sender.dispatch")
    _, plain = count_evaluations({"app.py": dedent(code).replace("{0}", "self.send_note()")})
    _, found = count_evaluations({"app.py": dedent(code).replace("{0}", f"getattr(self, {name})()")})

    assert [call.function for call in found.calls] == ["note"]
    assert found.find_calls(unit) == plain.find_calls(unit)


@pytest.mark.parametrize(
    ("name", "matching", "other"),
    [
        ('f"visit_{kind}"', "visit_node", "leave_node"),
        ('"get_{}_client".format(kind)', "get_blob_client", "get_blob"),
        ('"on_" + kind + "_done"', "on_job_done", "on_job"),
        ('"revoke_%s" % kind', "revoke_all", "all"),
    ],
)
def test_patterns_have_the_constant_parts_of_names(name: str, matching: str, other: str) -> None:
    """What is between the constant parts may be anything."""
    scope = read_scopes(Source("code", "app.py", ("app",), f"name = {name}"))
    [pattern] = find_name_patterns(ast.Name("name"), scope)

    assert pattern.fullmatch(matching)
    assert not pattern.fullmatch(other)


@pytest.mark.parametrize("name", ["kind", 'f"{kind}"', 'f"_{kind}"', '"%08x_name" % kind', '"{{}}_name".format(kind)'])
def test_a_name_of_which_nothing_is_known_has_no_pattern(name: str) -> None:
    """It is evaluated, as almost every name would match."""
    scope = read_scopes(Source("code", "app.py", ("app",), f"name = {name}"))

    assert not find_name_patterns(ast.Name("name"), scope)


@pytest.mark.parametrize(
    "sender", ["wrap(Sender())", "alias(Sender())", "Box(Sender()).kept", "partial(wrap, Sender())()"]
)
def test_what_a_function_returns_for_its_arguments_is_found_by_a_search_without_them(sender: str) -> None:
    """The search for relevant code takes the arguments of all calls together; a function that it misses is silent."""
    shared = """
    import boto3

    class Sender:
        def send(self, name):
            boto3.client("lambda").invoke(FunctionName=name)

    class Box:
        def __init__(self, kept):
            self.kept = kept

    def wrap(one):
        return one
    """
    code = """
    from functools import partial
    from shared import Box, Sender, wrap

    alias = wrap

    def handler(event, context):
        {0}.send("billing")
    """
    _, found = count_evaluations({"shared.py": dedent(shared), "app.py": dedent(code).replace("{0}", sender)})

    [call] = found.find_calls(CodeUnit("app.py", "handler"))
    assert isinstance(call, CallSite)
    assert call.function == "billing"


def count_for_levels(levels: int) -> int:
    """Return how many expressions are evaluated for functions that pass what they are passed on in two ways."""
    functions = "".join(
        f"def open{n}(name):\n    return open{n + 1}(name + 'a') or open{n + 1}(name + 'b')\n" for n in range(levels)
    )
    other = "def run(event):\n    return open0(event['kind']).invoke(event) or open0('kind').invoke(event)\n"
    asked, found = count_evaluations(
        {
            "app.py": CALL,
            "other.py": f"{functions}def open{levels}(name):\n    return load(name)\n{other}",
        }
    )
    assert [call.function for call in found.calls] == ["billing"]
    return asked


def test_a_method_with_the_name_of_boto3s_is_not_followed_through_every_call():
    """Most methods named ``invoke`` are not boto3's; each function that returns their objects adds a little."""
    assert count_for_levels(10) < 2.5 * count_for_levels(5)
