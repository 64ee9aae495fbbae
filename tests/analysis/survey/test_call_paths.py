"""A call belongs to the code that reaches it, with the arguments that this code passes."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.results import CallMode, CallSite, CodeUnit, Survey

INVOKER = """
import functools, os, boto3
from dataclasses import dataclass
lam = boto3.client("lambda")

def call(name, kind="RequestResponse"):
    return lam.invoke(FunctionName=name, InvocationType=kind)

def through(*args, **kwargs):
    return call(*args, **kwargs)

def name_for(part):
    return f"shop-{part}"

def sender(name):
    def send(payload):
        lam.invoke(FunctionName=name)
    return send

def calling(name):
    def decorate(function):
        @functools.wraps(function)
        def run(*args):
            lam.invoke(FunctionName=name)
            return function(*args)
        return run
    return decorate

def apply(function, name):
    function(name)

class Target:
    def __init__(self, name):
        self.name = name
    def invoke(self):
        lam.invoke(FunctionName=self.name)

class Sub(Target):
    def __init__(self, part):
        super().__init__(f"sub-{part}")

class Base:
    NAME = None
    def invoke(self):
        lam.invoke(FunctionName=self.NAME)

class One(Base):
    NAME = "one"

class Two(Base):
    NAME = "two"

@dataclass
class Address:
    name: str
    def invoke(self):
        lam.invoke(FunctionName=self.name)

def down(name, n):
    return call(name) if n == 0 else down(name, n - 1)

call_one = functools.partial(call, "one")
call_two = functools.partial(call, "two")
target_one = Target("one")
target_two = Target("two")
"""
USES = [
    ("call('one')", "call('two')"),
    ("call(name='one')", "call(kind='RequestResponse', name='two')"),
    ("call(*['one'])", "call(*('two',))"),
    ("call(**{'name': 'one'})", "call(**dict(name='two'))"),
    ("through('one')", "through(name='two')"),
    ("call(name_for('one'))", "call(name_for('two'))"),
    ("sender('one')(1)", "sender('two')(1)"),
    ("apply(call, 'one')", "apply(call, 'two')"),
    ("call_one()", "call_two()"),
    ("functools.partial(call, 'one')()", "functools.partial(call, name='two')()"),
    ("target_one.invoke()", "target_two.invoke()"),
    ("Target('one').invoke()", "Target(name='two').invoke()"),
    ("Sub('one').invoke()", "Sub('two').invoke()"),
    ("One().invoke()", "Two().invoke()"),
    ("Address('one').invoke()", "Address(name='two').invoke()"),
    ("down('one', 3)", "down('two', 4)"),
    ("(lambda name: call(name))('one')", "(lambda name: call(name))('two')"),
    ("list(map(lambda name: call(name), ['one']))", "list(map(lambda name: call(name), ['two']))"),
    ("pool.submit(call, 'one')", "pool.submit(call, name='two')"),
    ("threading.Thread(target=call, args=('one',)).start()", "threading.Thread(target=call, kwargs={'name': 'two'})"),
    ("list(pool.map(call, ['one']))", "list(pool.map(call, ['two']))"),
    ("send = sender('one')\n    send(1)", "send = sender('two')\n    send(1)"),
    ("bound = Target('one').invoke\n    bound()", "bound = Target('two').invoke\n    bound()"),
]  # fmt: skip


def get_called(found: Survey, unit: str, file: str = "app.py") -> list[tuple[str, str]]:
    """Return what a unit calls: the mode, and the function or what stands for it."""
    calls = found.find_calls(CodeUnit(file, unit))
    return sorted((str(one.mode), one.function if isinstance(one, CallSite) else one.callee) for one in calls)


@pytest.mark.parametrize(("first", "second"), USES)
def test_each_handler_calls_what_it_passes_through_shared_code(survey_code, first: str, second: str):
    """Neither what another one passes, nor both in one of them."""
    handlers = f"def first(event, context):\n    {first}\ndef second(event, context):\n    {second}\n"
    header = "import threading\nfrom invoker import *\nfrom invoker import functools\n"
    found = survey_code({"invoker.py": INVOKER, "app.py": header + handlers})
    names = ["shop-one", "shop-two"] if "name_for" in first else ["sub-one", "sub-two"] if "Sub" in first else None

    assert [get_called(found, one) for one in ("first", "second")] == [
        [("call", name)] for name in names or ["one", "two"]
    ]


def test_name_and_mode_of_one_call_belong_together(survey_code):
    """One handler waits for one function and not for the other."""
    text = "from invoker import call\ndef handler(event, context):\n  call('asked')\n  call('told', 'Event')\n"
    found = survey_code({"invoker.py": INVOKER, "app.py": text})

    assert get_called(found, "handler") == [("call", "asked"), ("fire", "told")]


def test_a_decorator_calls_for_the_function_that_it_decorates(survey_code):
    """With the argument of the decorator; not for the others in the module."""
    text = """
from invoker import calling
@calling("one")
def first(event, context): pass
@calling("two")
def second(event, context): pass
def third(event, context): first(event, context)
def fourth(event, context): pass
"""
    found = survey_code({"invoker.py": INVOKER, "app.py": text})

    assert [get_called(found, one) for one in ("first", "second", "third", "fourth")] == [
        [("call", "one")],
        [("call", "two")],
        [("call", "one")],
        [],
    ]


def test_what_one_path_leaves_undecided_is_not_what_another_passes(survey_code):
    """A name from the event is undecided for the handler that reads it, and known for the other."""
    text = """
import os
from invoker import call
def known(event, context): call("one")
def unknown(event, context): call(event["name"])
def stored(event, context): return {"run": call}
def variable(event, context): call(os.environ["TARGET"], "Event")
"""
    found = survey_code({"invoker.py": INVOKER, "app.py": text})

    assert get_called(found, "known") == [("call", "one")]
    assert get_called(found, "unknown") == [("call", "?")]
    assert get_called(found, "stored") == [("undecided", "?")]
    assert get_called(found, "variable") == [("fire", "$TARGET")]
    with_variable = found.in_environment({"TARGET": "billing"})
    assert get_called(with_variable, "variable") == [("fire", "billing")]


def test_recursion_with_ever_other_arguments_ends(survey_code):
    """And is undecided where it is cut off."""
    text = (
        "from invoker import call\ndef grow(name): call(name); grow(name + 'x')\ndef handler(event, context): grow('a')"
    )
    found = survey_code({"invoker.py": INVOKER, "app.py": text})
    called = [name for _, name in get_called(found, "handler")]

    assert {"a", "ax", "axx", "?"} <= set(called)


def test_a_method_of_an_unresolved_object_runs_where_its_class_is_imported(survey_code):
    """A file that does not import the class has no object of it."""
    files = {
        "invoker.py": INVOKER,
        "app.py": "import invoker\ndef handler(event, context, target): target.invoke()",
        "other.py": "def handler(event, context, target): target.invoke()",
    }
    found = survey_code(files)

    assert get_called(found, "handler", "other.py") == []
    assert get_called(found, "handler") != []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import_module('jobs.one').run()", ["one"]),
        ("import_module('.two', package='jobs').run()", ["two"]),
        ("import_module({'a': 'jobs.one', 'b': 'jobs.two'}[event['job']]).run()", ["one", "two"]),
        ("getattr(import_module(f'jobs.{event[0]}'), 'run')()", ["one", "two"]),
        ("name = 'jobs.t' + event[0]\n  job = import_module(name)\n  job.run()", ["two"]),
        ("__import__('alone').run()", ["alone"]),
        ("import_module('elsewhere').run()", []),
        ("import_module('').run()", []),
    ],
)
def test_a_module_imported_by_its_name_runs(survey_code, code: str, names: list[str]):
    """What a table or the beginning of a computed name allows."""
    head = "from importlib import import_module\ndef handler(event, context):\n  "
    run = "from invoker import call\ndef run(): call({!r})\n"
    jobs = {f"{path}.py": run.format(path.rpartition("/")[2]) for path in ("jobs/one", "jobs/two", "alone")}
    found = survey_code({"invoker.py": INVOKER, "jobs/__init__.py": "", **jobs, "app.py": head + code})

    assert get_called(found, "handler") == [("call", name) for name in names]


@pytest.mark.parametrize(
    "code",
    [
        "import importlib\ndef handler(event, context): importlib.import_module(event['job']).run()",
        "from importlib import import_module\ndef handler(event, context): import_module(event['job'])",
        "from importlib import import_module as load\ndef handler(event, context): load(event['job'])",
        "def handler(event, context): return __import__(event['job'], fromlist=['x'])",
        "import importlib\ndef handler(event, context): importlib.import_module('json' if event else event['job'])",
        "from runpy import run_path\ndef handler(event, context): run_path(event['job'])",
        "from importlib.util import spec_from_file_location as s\ndef handler(event, context): s('x', event['job'])",
        (
            "import importlib\ndef load(x): importlib.import_module(x)\n"
            "def handler(event, context): load(event['job'])\ndef other(event, context): load('json')"
        ),
        "import importlib\nload = importlib.import_module\ndef handler(event, context): load(event['job'])",
        "load = __import__\ndef handler(event, context): load(event['job'])",
        "import importlib\ndef handler(event, context):\n  load = importlib.import_module\n  load(event['job'])",
        "import importlib\ndef handler(event, context): use(importlib.import_module, event)\ndef use(f, x): f(x)",
        "from importlib import import_module as i\nby = {'a': i}\ndef handler(event, context): by['a'](event['job'])",
        "import importlib\ndef handler(event, context): return list(map(importlib.import_module, event['jobs']))",
        "import importlib\ndef handler(event, context, load=importlib.import_module): load(event['job'])",
        "from importlib import import_module as i\ndef handler(event, context, *, load=i): load(event['job'])",
        "import importlib\nI = importlib.import_module\ndef handler(event, context, load=I): load(event['job'])",
        "def handler(event, context, load=__import__): list(map(load, event['jobs']))",
        (
            "import importlib\ndef handler(event, context): use(event['job'])\n"
            "def use(job, load=importlib.import_module): load(job)"
        ),
        (
            "import importlib\nfrom dataclasses import dataclass\n@dataclass\nclass Loader:\n"
            "  load: object = importlib.import_module\ndef handler(event, context): Loader().load(event['job'])"
        ),
        (
            "import importlib\nclass Loader:\n  def __init__(self): self.load = importlib.import_module\n"
            "def handler(event, context): Loader().load(event['job'])"
        ),
    ],
)
def test_an_import_of_which_nothing_is_known_is_reported(survey_code, code: str):
    """The module may call any function, so no grant is unused and the code does not call nothing."""
    found = survey_code({"app.py": code})

    [reported] = found.reachable_from([CodeUnit("app.py", "handler")]).unresolved
    assert "cannot resolve the module that" in reported.why
    assert found.unresolved == (reported,)


@pytest.mark.parametrize(
    "code",
    [
        "import_module('json')",
        "import_module('jobs.' + event['job'])",
        "import_module(f'jobs.{event}', 'jobs')",
        "load = import_module\n  load('json')",
    ],
)
def test_an_import_of_which_the_beginning_is_known_is_not_reported(survey_code, code: str):
    """Every module of that package is followed."""
    head = "from importlib import import_module\ndef handler(event, context):\n  "
    found = survey_code({"jobs/__init__.py": "", "jobs/one.py": "", "app.py": head + code})

    assert not found.unresolved


HIERARCHY = """
import library
from invoker import call

class Other(library.Thing):
    def __init__(self, name): call(name)
    def setup(self): call("other")

class Item(library.Thing):
    def __init__(self): super().__init__("text")
    def setup(self): super().setup()
"""


def test_super_of_a_library_class_runs_no_other_class(survey_code):
    """It would be each ``__init__`` of the code, and most classes of a large code base have one."""
    text = HIERARCHY + "def handler(event, context): Item().setup()\n"
    found = survey_code({"invoker.py": INVOKER, "app.py": text})

    assert get_called(found, "handler") == []
    assert CodeUnit("app.py", "Other.setup") not in found.reachable_units(CodeUnit("app.py", "handler"))


@pytest.mark.parametrize("bases", ["Item, Mixin", "Item, Inner"])
def test_super_runs_what_multiple_inheritance_puts_in_between(survey_code, bases: str):
    """The next class after ``Item`` depends on the class of the object."""
    mixin = "class Mixin:\n    def setup(self): call('mixin')\nclass Inner(Mixin): pass\n"
    text = f"{HIERARCHY}{mixin}class Mixed({bases}): pass\ndef handler(event, context): Mixed().setup()\n"
    found = survey_code({"invoker.py": INVOKER, "app.py": text})

    assert get_called(found, "handler") == [("call", "mixin")]


def test_super_of_an_unresolved_class_may_run_any_method_of_that_name(survey_code):
    """The base may be any class of the code."""
    text = f"{HIERARCHY}def make(base):\n  class New(base):\n    def setup(self): super().setup()\n  return New\n"
    found = survey_code({"invoker.py": INVOKER, "app.py": text + "def handler(event, context): make(event).setup()\n"})

    assert ("call", "other") in get_called(found, "make.New.setup")


def test_a_default_is_one_value_of_a_parameter_that_no_call_in_sight_sets(survey_code):
    """A caller that is not in sight may set another, which is reported."""
    found = survey_code({"app.py": "import boto3\ndef f(n='mail'): boto3.client('lambda').invoke(FunctionName=n)"})

    assert [one.function for one in found.calls] == ["mail"]
    assert [one.why for one in found.unresolved if "it is the parameter 'n' of f" in one.why] != []


def test_an_import_by_the_default_of_a_lambda_is_reported(survey_code):
    """It runs with its module, which is no handler."""
    code = "import importlib\nhandler = lambda event, context, load=importlib.import_module: load(event['job'])"

    assert len(survey_code({"app.py": code}).unresolved) == 1


def test_a_call_in_the_default_of_a_lambda_is_found(survey_code):
    """It runs where the lambda is written, once."""
    code = "from invoker import call\ndef handler(event, context): return lambda x=call('mail'), *, y=call('log'): x"

    assert get_called(survey_code({"invoker.py": INVOKER, "app.py": code}), "handler") == [
        ("call", "log"),
        ("call", "mail"),
    ]


A_AND_B = """
def a(event): lam.invoke(FunctionName="a")
def b(event): lam.invoke(FunctionName="b", InvocationType="Event")
"""
DECORATED = A_AND_B.replace("def a", '@route("a")\ndef a').replace("def b", '@route("b")\ndef b')
ROUTE = """
def route(name):
    def decorate(f):
        ROUTES[name] = f
        return f
    return decorate
"""
ROUTER = """
class Router:
    def __init__(self): self.routes = {}
    def route(self, name):
        def decorate(f):
            def wrapped(event): return f(event)
            self.routes[name] = wrapped
            return wrapped
        return decorate
    def run(self, event): return self.routes[event["x"]](event)
router = Router()
"""
STEP = "STEPS = []\ndef step(f):\n    STEPS.append(('x', f))\n    return f\n"


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": f"ROUTES = {{}}{ROUTE}{DECORATED}def handler(event, context): ROUTES[event['x']](event)"},
        {"app.py": f"ROUTES = {{}}{ROUTE}{DECORATED}def handler(event, context): ROUTES.get(event['x'])(event)"},
        {"app.py": f"{ROUTER}{DECORATED.replace('@', '@router.')}def handler(event, context): router.run(event)"},
        {
            "app.py": STEP
            + A_AND_B.replace("def", "@step\ndef")
            + "def handler(event, context):\n  for _, s in STEPS: s(event)"
        },
        {
            "routes.py": f"ROUTES = {{}}{ROUTE}",
            "steps.py": f"import boto3\nfrom routes import route as r\nlam = boto3.client('lambda')"
            f"{DECORATED.replace('@route', '@r')}",
            "app.py": "import steps\nfrom routes import ROUTES\ndef handler(event, context): ROUTES[event['x']](event)",
        },
        {"app.py": f"class Known: by = {{}}{ROUTE.replace('ROUTES', 'Known.by')}{DECORATED}"
                   "def handler(event, context): Known.by[event['x']](event)"},
    ],
)  # fmt: skip
def test_what_a_decorator_keeps_belongs_to_the_code_that_calls_it(survey_code, files: dict[str, str]):
    """Each is reached through the collection, and importing the module alone reaches none."""
    head = "import boto3\nlam = boto3.client('lambda')\n"
    other = "import app\ndef handler(event, context): pass"
    found = survey_code({**files, "app.py": head + files["app.py"], "other.py": other})

    sites = {(call.mode, call.function) for call in found.find_calls(CodeUnit("app.py", "handler"))}
    assert sites == {(CallMode.SYNC, "a"), (CallMode.EVENT, "b")}
    assert found.find_calls(CodeUnit("other.py", "handler")) == ()


LOOKED_UP = """
import inspect, operator, sys
from importlib import import_module
import boto3
lam = boto3.client("lambda")
def charge(): lam.invoke(FunctionName="charge")
def pay(): lam.invoke(FunctionName="pay")
def handler(event, context):
  """


def find_called(found: Survey) -> set[str]:
    """Return the functions that the handler calls, and why calls are unresolved."""
    calls = found.find_calls(CodeUnit("app.py", "handler"))
    return {call.function if isinstance(call, CallSite) else call.why for call in calls}


@pytest.mark.parametrize(
    "lookup",
    [
        "globals()[event['step']]()",
        "globals().get(event['step'], print)()",
        "vars(sys.modules[__name__])[event['step']]()",
        "sys.modules.get(__name__).__dict__[event['step']]()",
        "names = globals()\n  names[event['step']]()",
        "[step() for name, step in globals().items() if name == event['step']]",
        "dict(inspect.getmembers(sys.modules[__name__]))[event['step']]()",
        "getattr(sys.modules[__name__], event['step'])()",
        "getattr(sys.modules['app'], event['step'])()",
        "getattr(import_module(__name__), event['step'])()",
        "operator.attrgetter(event['step'])(sys.modules[__name__])()",
    ],
)
def test_a_function_that_is_looked_up_by_name_may_run(survey_code, lookup: str) -> None:
    """Any function of the module, as the name is not known."""
    assert find_called(survey_code(LOOKED_UP + lookup)) == {"charge", "pay"}


@pytest.mark.parametrize(
    "lookup",
    [
        "globals()['pay']()",
        "globals().get('pay')()",
        "charge = print\n  globals()['pay'](charge)",
        "vars(sys.modules[__name__])['pay']()",
        "sys.modules[__name__].pay()",
        "sys.modules['app'].pay()",
        "getattr(import_module(__name__), 'pay')()",
        "eval('pay')()",
        "eval(' pay()')",
        "exec('pay()')",
        "operator.methodcaller('pay')(sys.modules[__name__])",
    ],
)
def test_a_function_that_is_looked_up_by_a_known_name_is_called(survey_code, lookup: str) -> None:
    """And no other."""
    assert find_called(survey_code(LOOKED_UP + lookup)) == {"pay"}


@pytest.mark.parametrize("code", ["eval(event['step'])()", "exec(event['code'])", "exec('x = pay()')", "eval('pay(')"])
def test_code_in_a_text_is_reported_where_it_can_reach_a_call(survey_code, code: str) -> None:
    """It may call anything; but not in a module from which nothing is called."""
    harmless = survey_code(f"def handler(event, context): {code}")
    found = survey_code(LOOKED_UP + code)

    assert [one.why for one in harmless.unresolved] == []
    assert [one.why.partition("(")[0] for one in found.unresolved] == [
        f"cannot resolve the code that {code.partition('(')[0]}"
    ]
    assert [one.unit for one in found.unresolved] == [CodeUnit("", "")]
