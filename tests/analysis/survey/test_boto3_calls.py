"""The calls of boto3's own client: each is found with its mode, or reported with a reason."""

from __future__ import annotations

from textwrap import dedent

import pytest

from lambdachain._analysis.survey.results import Survey

HEAD = "import asyncio, boto3, functools, os, threading\nlam = boto3.client('lambda')\n"


def get_sites(found: Survey) -> list[tuple[str, str]]:
    """Return the mode and function of each call."""
    return sorted((str(call.mode), call.function) for call in found.calls)


def get_reasons(found: Survey) -> list[str]:
    """Return why calls are unresolved."""
    return [one.why for one in found.unresolved]


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        ("async def f(): await asyncio.to_thread(lam.invoke, FunctionName='f', InvocationType='Event')", "fire"),
        ("def f(loop): loop.run_in_executor(None, functools.partial(lam.invoke, FunctionName='f'))", "call"),
        ("def f(pool): pool.submit(lam.invoke, FunctionName='f')", "call"),
        ("threading.Thread(target=lam.invoke, kwargs={'FunctionName': 'f'}).start()", "call"),
        ("threading.Timer(1, lam.invoke, [], {'FunctionName': 'f', 'InvocationType': 'Event'}).start()", "fire"),
        ("def f(pool): pool.apply_async(lam.invoke, kwds=dict(FunctionName='f'))", "call"),
        ("getattr(lam, 'invoke')(FunctionName='f')", "call"),
        ("invoke = getattr(lam, 'invoke')\ndef f(): invoke(FunctionName='f')", "call"),
        ("lam.invoke_async(FunctionName='f', InvokeArgs=b'{}')", "fire"),
        ("lam.invoke_with_response_stream(FunctionName='f')", "stream"),
        ("invoke = lam.invoke\ninvoke(FunctionName='f')", "call"),
        ("def f():\n  send = lam.invoke\n  send(FunctionName='f', InvocationType='Event')", "fire"),
        ("fire = functools.partial(lam.invoke, InvocationType='Event')\nfire(FunctionName='f')", "fire"),
        ("ask = functools.partial(lam.invoke, FunctionName='f')\nask(InvocationType='Event')", "fire"),
        ("ask = functools.partial(functools.partial(lam.invoke, FunctionName='f'), InvocationType='Event')\nask()",
         "fire"),
        ("TASKS = [functools.partial(lam.invoke, FunctionName='f')]", "call"),
        ("from operator import methodcaller\nmethodcaller('invoke', FunctionName='f')(lam)", "call"),
        ("import operator as op\nask = op.methodcaller('invoke', FunctionName='f')\ndef g(): ask(lam)", "call"),
        ("from operator import *\ndef g(): methodcaller('invoke_async', FunctionName='f')(lam)", "fire"),
        ("from operator import methodcaller as m\ndef g(pool): pool.map(m('invoke', FunctionName='f'), [lam])", "call"),
        ("import operator\noperator.attrgetter('invoke')(lam)(FunctionName='f')", "call"),
        ("(lambda client: client.invoke)(lam)(FunctionName='f')", "call"),
        ("import operator\nask = operator.attrgetter('c.invoke')\ndef g(app): ask(app)(FunctionName='f')", "call"),
        ("from operator import itemgetter as i\nn = i('name')({'name': 'f'})\nlam.invoke(FunctionName=n)", "call"),
        ("def made(): return lam.invoke\nmade()(FunctionName='f')", "call"),
        ("class S:\n  def __init__(self): self.send = lam.invoke\n  def go(self): self.send(FunctionName='f')", "call"),
        ("def run(send): send(FunctionName='f')\nrun(lam.invoke)", "call"),
        ("import retry\nretry.retry_call(lam.invoke, fkwargs={'FunctionName': 'f'})", "call"),
        ("send = lam.invoke if late else lam.invoke_async\nsend(FunctionName='f', InvocationType='Event')", "fire"),
    ],
)  # fmt: skip
def test_a_method_that_is_passed_or_kept_is_a_call(survey_code, code: str, mode: str):
    """By whatever runs it, with the parameters that it is passed on with."""
    found = survey_code(HEAD + code)

    assert (set(get_sites(found)), get_reasons(found)) == ({(mode, "f")}, [])


@pytest.mark.parametrize(
    ("code", "mode"),
    [
        ("def f(c, pool): pool.submit(c.invoke, FunctionName='f', InvocationType='Event')", "fire"),
        ("from shared import c\nasync def f(): await asyncio.to_thread(c.invoke, FunctionName='f')", "call"),
        ("from shared import c\nthreading.Thread(target=c.invoke, kwargs={'FunctionName': 'f'}).start()", "call"),
        ("def f(c): return functools.partial(c.invoke, FunctionName='f')()", "call"),
        ("def f(c, pool): pool.submit(functools.partial(c.invoke, FunctionName='f'))", "call"),
        ("def f(c):\n  send = c.invoke_async\n  send(FunctionName='f')", "fire"),
        ("def f(c): getattr(c, 'invoke')(FunctionName='f')", "call"),
        ("class S:\n  def __init__(self, c): self.c = c\n  def go(s): a = s.c.invoke; a(FunctionName='f')", "call"),
        ("class S:\n  def __init__(self, c): self.ask = c.invoke\n  def go(self): self.ask(FunctionName='f')", "call"),
        ("def f(c): run(c.invoke)\ndef run(send): send(FunctionName='f')", "call"),
    ],
)  # fmt: skip
def test_a_method_of_an_unresolved_client_is_a_call_where_it_gets_a_function_name(survey_code, code: str, mode: str):
    """No other method has the parameter."""
    found = survey_code(HEAD + code)

    assert (set(get_sites(found)), get_reasons(found)) == ({(mode, "f")}, [])


def test_a_method_that_is_stored_may_be_called_in_any_mode(survey_code):
    """The InvocationType is passed with the name, where the survey does not see it."""
    found = survey_code(f"{HEAD}def f(pool): pool.submit(lam.invoke)\nHANDLERS = [lam.invoke, lam.invoke_async]")

    assert [str(one.mode) for one in found.unresolved] == ["undecided", "undecided", "fire"]


@pytest.mark.parametrize(
    "code",
    [
        "HANDLERS = {'invoke': lam.invoke}",
        "other.send = lam.invoke",
        "def f(pool): pool.submit(lam.invoke)",
        "def f(pool, names): pool.map(lam.invoke, names)",
        "def f(operation): getattr(lam, operation)(FunctionName='f')",
        "def f(client, operation): getattr(client, operation)(FunctionName='f')",
        "from operator import methodcaller as m\ndef f(operation): m(operation, FunctionName='f')(lam)",
        "button.on_click(lam.invoke)",
        "retry(lam.invoke)(FunctionName='f')",
        "def f(event): lam.invoke(**event)",
        "def f(event): lam.invoke(Payload=b'')",
        "from mypy_boto3_lambda import LambdaClient\ndef f(c: LambdaClient, params): c.invoke(**params)",
        "from mypy_boto3_lambda.client import LambdaClient\ndef f(c: 'LambdaClient', params): c.invoke(**params)",
        "import types_aiobotocore_lambda as t\nasync def f(c: t.LambdaClient, params): await c.invoke(**params)",
        "def f(c, params): c.invoke(**params)",
        "from shared import c\ndef f(params): c.invoke(**params)",
        "def f(c, params): c.invoke(Payload=b'', **params)",
    ],
)
def test_a_call_whose_function_is_unknown_is_reported(survey_code, code: str):
    """Where the method is kept or passed on, and where its parameters are hidden."""
    found = survey_code(HEAD + code)

    assert len(get_reasons(found)) == 1
    assert get_sites(found) == []


@pytest.mark.parametrize(
    "code",
    [
        "from langchain import chain\nchain.invoke({'question': 'why'})",
        "def f(ctx, command): ctx.invoke(command, **ctx.params)",
        "boto3.client('s3').invoke(**{})",
        "class Tool:\n  def invoke(self, name): pass\ndef f(options): Tool().invoke(**options)",
        "def f(lam): getattr(lam, 'close')()",
        "def f(chain, pool): pool.submit(chain.invoke, 'question')",
        "def f(chain):\n  ask = chain.invoke\n  ask(question='why')",
        "def f(chain, options): functools.partial(chain.invoke, **options)()",
        "from operator import methodcaller\ndef f(c): methodcaller('invoke', 1)(c)",
        "from operator import attrgetter\ndef f(c): attrgetter('invoke')(c)",
        "def methodcaller(name, **options): return print\ndef f(c): methodcaller('invoke', FunctionName='f')(c)",
        "lam.list_functions()",
        "def f(pool): pool.submit(lam.get_function, FunctionName='f')",
    ],
)
def test_methods_of_other_objects_are_not_calls(survey_code, code: str):
    """An ``invoke`` that cannot be boto3's, and other methods of its client."""
    found = survey_code(HEAD + code)

    assert (get_sites(found), get_reasons(found)) == ([], [])


@pytest.mark.parametrize(
    "code",
    [
        "from boto3 import client\nclient('lambda').invoke(FunctionName=NAME)",
        "boto3.client(service_name='lambda').invoke(**P)",
        "boto3.Session().client('lambda').invoke(**P)",
        "boto3.session.Session(profile_name='x').client('lambda', region_name='eu-west-1').invoke(**P)",
        "def client(service): return boto3.client(service)\nclient('s3')\nclient('lambda').invoke(**P)",
        "SERVICE = 'lambda'\nboto3.client(SERVICE).invoke(**P)",
        "class Aws:\n  def client(self, name): return boto3.client(name)\nAws().client('lambda').invoke(**P)",
        "getattr(boto3, 'client')('lambda').invoke(**P)",
        "from lambdachain import compat as boto3\nboto3.client('lambda', idempotent={'f'}).invoke(**P)",
        "from lambdachain.compat import client\nclient('lambda').invoke(**P)",
        "import lambdachain.compat\nlambdachain.compat.client(service_name='lambda').invoke(**P)",
        "from lambdachain import compat as boto3\nboto3.Session().client('lambda').invoke(**P)",
        "from lambdachain.compat.session import Session\nSession().client('lambda').invoke(**P)",
        "from lambdachain import compat\ncompat.upgrade(boto3.client('lambda')).invoke(**P)",
        "from lambdachain import compat\ncompat.upgrade(client=boto3.client('lambda')).invoke(**P)",
        "import aioboto3\nasync def f():\n  async with aioboto3.Session().client('lambda') as c: await c.invoke(**P)",
        ("from aiobotocore.session import get_session\nasync def f():\n"
         "  async with get_session().create_client('lambda') as c: await c.invoke(**P)"),
        ("from aiobotocore.session import get_session\nasync def f():\n"
         "  c = await get_session().create_client('lambda').__aenter__()\n  await c.invoke(**P)"),
        ("import aioboto3\nfrom contextlib import AsyncExitStack\nasync def f(stack: AsyncExitStack):\n"
         "  c = await stack.enter_async_context(aioboto3.Session().client('lambda'))\n  await c.invoke(**P)"),
    ],
)  # fmt: skip
def test_a_client_is_recognized_whatever_creates_it(survey_code, code: str):
    """Sessions, factories, asynchronous clients, a service named by a variable."""
    found = survey_code(f"{HEAD}NAME = 'f'\nP = {{'FunctionName': NAME}}\n{code}")

    assert (get_sites(found), get_reasons(found)) == ([("call", "f")], [])


@pytest.mark.parametrize(
    ("code", "modes"),
    [
        ("import enum\nclass K(enum.Enum):\n  E = 'Event'\ninvoke(K.E.value)", ["fire"]),
        ("import enum\nclass K(enum.StrEnum):\n  E = 'Event'\ninvoke(K.E)", ["fire"]),
        ("import enum\nclass K(str, enum.Enum):\n  E = 'Event'\ninvoke(K.E)", ["fire"]),
        ("import enum\nclass K(enum.Enum):\n  E = 'Event'\n  R = 'RequestResponse'\ndef f(k: K): invoke(k.value)",
         ["call", "fire"]),
        ("import enum\nclass K(enum.Enum):\n  E = 'Event'\n  R = 'DryRun'\ndef f(k): invoke(K(k).value)",
         ["can_invoke", "fire"]),
        ("import enum\nclass K(enum.Enum):\n  E = 'Event'\ninvoke(K['E'].value)", ["fire"]),
        ("import enum\nclass K(enum.Enum):\n  E = 'Event'\ninvoke(K.E)", ["undecided"]),
        ("invoke('Event' if late else 'RequestResponse')", ["call", "fire"]),
        ("invoke({True: 'Event', False: 'RequestResponse'}[late])", ["call", "fire"]),
        ("KINDS = {'a': 'Event', 'b': 'RequestResponse'}\ndef f(k): invoke(KINDS[k])", ["call", "fire"]),
        ("invoke({'a': 'Event', 'b': 'DryRun'}['a'])", ["fire"]),
        ("def f(event): invoke(event['kind'])", ["undecided"]),
        ("def f(event): invoke(event.get('kind', 'Event'))", ["undecided"]),
        ("invoke(os.environ['KIND'])", ["undecided"]),
        ("invoke(os.environ.get('KIND') or 'Event')", ["fire", "undecided"]),
        ("kind = 'RequestResponse'\nif late: kind = 'Event'\ninvoke(kind)", ["call", "fire"]),
        ("def kind(late):\n  if late: return 'Event'\n  return 'DryRun'\ninvoke(kind(late))", ["can_invoke", "fire"]),
        ("def kind(late):\n  if late: return 'Event'\n  return 'RequestResponse'\ninvoke(kind(True))", ["fire"]),
        ("invoke('event')", ["undecided"]),
    ],
)  # fmt: skip
def test_the_mode_is_followed_or_undecided_and_never_assumed(survey_code, code: str, modes: list[str]):
    """Parameters, enums, conditionals and mappings; each that is possible is a call."""
    code = code.replace("invoke(", "lam.invoke(FunctionName='f', InvocationType=")
    found = survey_code(HEAD + code)

    assert get_sites(found) == [(mode, "f") for mode in modes]
    assert get_reasons(found) == []
    assert len(found.undecided_modes) == modes.count("undecided")


def test_an_undecided_mode_has_its_reason(survey_code):
    """It names the call, and why."""
    found = survey_code(HEAD + "def f(event): lam.invoke(FunctionName='f', InvocationType=event['kind'])")
    [undecided] = found.undecided_modes

    assert str(undecided) == (
        "app.py:3: cannot resolve the InvocationType of lam.invoke(FunctionName='f', ...): it is the parameter 'event' "
        "of f"
    )


@pytest.mark.parametrize(
    "name",
    [
        "'%s-%s' % ('shop', stage)",
        "'shop-%s' % stage",
        "'%(app)s-%(stage)s' % {'app': 'shop', 'stage': stage}",
        "'shop-%s' % (stage,)",
        "'{}-{}'.format('shop', stage)",
        "'{1}-{0}'.format(stage, 'shop')",
        "'{app}-{stage}'.format(app='shop', stage=stage)",
        "'-'.join(['shop', stage])",
        "'-'.join(('shop', stage))",
        "f'shop-{stage}'",
        "'shop-' + stage",
        "'shop-STAGE'.replace('STAGE', stage)",
        "'SHOP-PROD'.lower()",
        "' shop-prod\\n'.strip()",
        "'x-shop-prod'.removeprefix('x-')",
        "str('shop-%s') % stage",
    ],
)
def test_a_name_made_of_strings_is_computed(survey_code, name: str):
    """By every usual operation on strings."""
    found = survey_code(f"{HEAD}stage = 'prod'\nlam.invoke(FunctionName={name})")

    assert (get_sites(found), get_reasons(found)) == ([("call", "shop-prod")], [])


@pytest.mark.parametrize(
    "name",
    [
        "'%s-%s' % ('shop', os.environ['STAGE'])",
        "'shop-{}'.format(os.environ['STAGE'])",
        "'-'.join(['shop', os.environ['STAGE']])",
        "os.environ['STAGE'].replace('a', 'b').lower()",
        "'shop'.replace('a', os.environ['STAGE'])",
    ],
)
def test_a_name_made_of_an_unknown_string_has_its_reason(survey_code, name: str):
    """The variable that is missing, and with it the name."""
    [reason] = get_reasons(survey_code(f"{HEAD}lam.invoke(FunctionName={name})"))

    assert reason.endswith("it depends on the environment variable STAGE: add --env STAGE=VALUE")


@pytest.mark.parametrize("name", ["'%9d' % 1", "'{:>9}'.format(1)", "'%s' % ()", "'{}'.format()", "3 % 2", "x.join()"])
def test_other_formats_are_unresolved(survey_code, name: str):
    """A width, a missing argument, arithmetic: nothing is computed that could be wrong."""
    assert len(get_reasons(survey_code(f"{HEAD}lam.invoke(FunctionName={name})"))) == 1


def test_each_user_of_an_alias_is_named_or_reported(survey_code):
    """One caller passes the name of a variable, another something unknown."""
    code = """
    import boto3, os
    def call(alias): boto3.client("lambda").invoke(FunctionName=os.environ[alias])
    def one(): call("B_FN")
    def two(event): call(event["x"])
    """
    found = survey_code(code, B_FN="b")

    assert get_sites(found) == [("call", "b")]
    assert [one.rpartition(": ")[2] for one in get_reasons(found)] == ["it is the parameter 'event' of two"]


@pytest.mark.parametrize(
    "name",
    [
        "os.environ['AWS_LAMBDA_FUNCTION_NAME']",
        "os.getenv('AWS_LAMBDA_FUNCTION_NAME')",
        "context.function_name",
        "context.invoked_function_arn",
        "lambda_ctx.function_name",
        "other(context).invoked_function_arn",
    ],
)
def test_a_function_that_invokes_itself_is_reported_as_such(survey_code, name: str):
    """Its name is known only where its environment is."""
    code = f"{HEAD}def handler(event, context): lam.invoke(FunctionName={name})"

    assert get_reasons(survey_code(code))[0].endswith("the function invokes itself")
    assert get_sites(survey_code(code, AWS_LAMBDA_FUNCTION_NAME="own")) == [("call", "own")]


@pytest.mark.parametrize("read", ["settings.target", "pkg.settings.target"])
def test_an_attribute_set_before_the_call_is_what_it_was_set_to(survey_code, read: str):
    """The default of the class is overwritten, so it is not called."""
    files = {
        "pkg/__init__.py": "from .env import settings",
        "pkg/env.py": "class Settings:\n  def __init__(self): self.target = 'usual'\nsettings = Settings()",
        "app.py": f"{HEAD}import pkg\nfrom pkg import settings\ndef handler(event, context):\n"
        f"  {read} = os.environ['TARGET']\n  lam.invoke(FunctionName={read})",
    }

    assert get_sites(survey_code(files, TARGET="real")) == [("call", "real")]
    assert get_reasons(survey_code(files))[0].endswith("add --env TARGET=VALUE")


@pytest.mark.parametrize(
    "code",
    [
        "def f(s):\n  if late: settings.t = 'real'\n  lam.invoke(FunctionName=settings.t)",
        "def set(): settings.t = 'real'\ndef f(): lam.invoke(FunctionName=settings.t)",
        "def f():\n  lam.invoke(FunctionName=settings.t)\n  settings.t = 'real'",
    ],
)
def test_an_attribute_that_may_be_set_has_both_values(survey_code, code: str):
    """Where it is set under a condition, elsewhere, or later, the default may be called, too."""
    settings = "class S:\n  def __init__(self): self.t = 'usual'\nsettings = S()\n"

    assert get_sites(survey_code(HEAD + settings + code)) == [("call", "real"), ("call", "usual")]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def f(): n = 'a'; n = 'b'; lam.invoke(FunctionName=n)", ["b"]),
        ("def f():\n  n = 'a'\n  if late: n = 'b'\n  lam.invoke(FunctionName=n)", ["a", "b"]),
        ("def f():\n  n = 'a'\n  if late:\n    n = 'b'\n    lam.invoke(FunctionName=n)", ["b"]),
        ("def f():\n  n = 'a'\n  while 1:\n    lam.invoke(FunctionName=n)\n    n = 'b'", ["a", "b"]),
        ("def f():\n  n = 'a'\n  lam.invoke(FunctionName=n)\n  n = 'b'\n  lam.invoke(FunctionName=n)", ["a", "b"]),
        ("def f():\n  for n in ['a']: pass\n  n = 'b'\n  lam.invoke(FunctionName=n)", ["b"]),
        ("def f():\n  n = 'a'\n  def g():\n    nonlocal n\n    n = 'b'\n  g()\n  lam.invoke(FunctionName=n)",
         ["a", "b"]),
        ("def f(n):\n  n = 'b'\n  lam.invoke(FunctionName=n)\nf('a')", ["b"]),
        ("def f(n):\n  n = f'x-{n}'\n  lam.invoke(FunctionName=n)\nf('a')", ["x-a"]),
        ("def f():\n  try:\n    n = 'a'\n    n = 'b'\n    lam.invoke(FunctionName=n)\n  finally: pass", ["b"]),
    ],
)  # fmt: skip
def test_a_name_that_is_set_again_is_what_it_was_set_to(survey_code, code: str, names: list[str]):
    """Where the statements before leave no other value."""
    assert get_sites(survey_code(HEAD + code)) == [("call", name) for name in names]


@pytest.mark.parametrize(
    "code",
    [
        "@durable_execution\ndef handler(event, context: DurableContext): context.invoke('f', event)",
        "@durable_execution\ndef handler(event, context): context.invoke(function_name='f', payload=event)",
        "def step(ctx: DurableContext): ctx.invoke('f', 1, name='charge')",
    ],
)
def test_an_invoke_of_a_durable_function_is_a_call(survey_code, code: str):
    """The durable SDK suspends the function until the other has returned."""
    head = "from aws_durable_execution_sdk_python import DurableContext, durable_execution\n"
    found = survey_code(head + code)

    assert (get_sites(found), get_reasons(found)) == ([("call", "f")], [])


def test_calls_are_found_wherever_an_expression_may_be(survey_code):
    """Also in what is assigned to."""
    code = """
    def handler(event, context):
        event.x[lam.invoke(FunctionName="a")] += 1
        for event[lam.invoke(FunctionName="b")] in []: pass
        event.y[lam.invoke(FunctionName="c")], z = 1, 2
        with open("x") as event.z[lam.invoke(FunctionName="d")]: pass
    """
    assert get_sites(survey_code(HEAD + dedent(code))) == [("call", name) for name in "abcd"]
