"""What a survey finds in code, and what it reports as unresolved; nothing is imported."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from lambdachain._analysis.permissions.required_permissions import find_required_permissions
from lambdachain._analysis.survey.results import CodeUnit, Survey
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.survey import survey

HEAD = """
from contracts import charge, mail
from lambdachain import AsyncLambdaClient, FunctionArn, LambdaClient, Qualifier, remote, resolvers

client = LambdaClient()
"""


def get_calls(found: Survey) -> list[tuple[str, str, str | None]]:
    """Return each call: the method, and the function and qualifier that it needs."""
    return [
        (call.method, need.target.name, need.target.qualifier)
        for need in find_required_permissions(found).each
        for call in need.calls
    ]


def get_unresolved(found: Survey) -> list[str]:
    """Return why calls are unresolved."""
    return [one.why for one in find_required_permissions(found).unresolved]


CHARGE = "billing-charge"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("client.call(charge, 1)", ("call", CHARGE, "live")),
        ("client.invoke(charge, 1)", ("invoke", CHARGE, "live")),
        ("client.fire(charge, 1)", ("fire", CHARGE, "live")),
        ("list(client.map(charge, [1]))", ("map", CHARGE, "live")),
        ("list(client.fire_map(charge, [1]))", ("fire_map", CHARGE, "live")),
        ("for piece in client.stream(charge, 1): pass", ("stream", CHARGE, "live")),
        ("client.can_invoke(charge)", ("can_invoke", CHARGE, "live")),
        ("client.call(charge, 1, qualifier='7')", ("call", CHARGE, "7")),
        ("client.call(charge, 1, **{'qualifier': '7'})", ("call", CHARGE, "7")),
        ("client.call(charge, 1, qualifier=Qualifier.version(7))", ("call", CHARGE, "7")),
        ("client.call('other:blue', 1)", ("call", "other", "blue")),
        ("client.call('other', 1, qualifier=Qualifier.latest())", ("call", "other", "$LATEST")),
        ("client.call('arn:aws:lambda:eu-west-1:123456789012:function:other:v', 1)", ("call", "other", "v")),
        (
            "client.call(FunctionArn.build('other', region='eu-west-1', account_id='123456789012'), 1)",
            ("call", "other", None),
        ),
        ("client.call(FunctionArn.parse('arn:aws:lambda:eu-west-1:123456789012:function:o').with_qualifier('z'), 1)",
         ("call", "o", "z")),
        ("from lambdachain import Contract\nclient.call(Contract[int, int]('g', request=int, response=int), 1)",
         ("call", "g", None)),
        ("client.bind(charge).call(1)", ("call", CHARGE, "live")),
        ("client.bind(charge, qualifier='7').fire(1)", ("fire", CHARGE, "7")),
        ("client.bind(charge, 'elsewhere').call(1)", ("call", "elsewhere", "live")),
        ("client.bind(charge).with_options(qualifier='8').stream(1)", ("stream", CHARGE, "8")),
        ("client.bind(charge, qualifier='7').with_options(qualifier='8').can_invoke()", ("can_invoke", CHARGE, "8")),
        ("bound = client.bind(charge)\nbound.map([1])", ("map", CHARGE, "live")),
        ("with LambdaClient() as other: other.call(charge, 1)", ("call", CHARGE, "live")),
        ("async def f():\n  async with AsyncLambdaClient() as c:\n    await c.call(charge, 1)",
         ("call", CHARGE, "live")),
        ("async def f():\n  async for _ in AsyncLambdaClient().map(charge, [1]): pass", ("map", CHARGE, "live")),
        ("def f(c: LambdaClient): c.call(charge, 1)", ("call", CHARGE, "live")),
        ("def f(c: 'LambdaClient | None'): c.call(charge, 1)", ("call", CHARGE, "live")),
        ("def f(c): c.call(charge, 1)", ("call", CHARGE, "live")),
        ("def made(): return LambdaClient()\nmade().call(charge, 1)", ("call", CHARGE, "live")),
        ("def f(contract): client.call(contract, 1)\nf(charge)", ("call", CHARGE, "live")),
        ("def f(contract=charge): client.call(contract, 1)\nf()", ("call", CHARGE, "live")),
        ("send = lambda: client.call(charge, 1)", ("call", CHARGE, "live")),
        ("pool.submit(client.call, charge, 1)", ("call", CHARGE, "live")),
        ("from functools import partial\npartial(client.fire, charge)", ("fire", CHARGE, "live")),
        ("name = 'ot' + 'her'\nclient.call(f'{name}:v{1}', 1)", ("call", "other", "v1")),
        ("import contracts as c\nclient.call(c.charge, 1)", ("call", CHARGE, "live")),
        ("import lambdachain as lc\nlc.LambdaClient().call(charge, 1)", ("call", CHARGE, "live")),
        ("from contracts import *\nfrom lambdachain import *\nLambdaClient().call(charge, 1)",
         ("call", CHARGE, "live")),
        ("import boto3\nboto3.client('lambda').invoke(FunctionName='raw', InvocationType='Event')",
         ("invoke", "raw", None)),
        ("boto.invoke(**{'FunctionName': 'raw', 'Qualifier': 'v'})", ("invoke", "raw", "v")),
        ("boto.invoke(**dict(FunctionName='raw', Payload=b''))", ("invoke", "raw", None)),
        ("asked = {'FunctionName': 'raw'}\nboto.invoke(Payload=b'', **asked)", ("invoke", "raw", None)),
        (("class Gateway:\n  def __init__(self): self.client = LambdaClient()\n"
         "  def go(self): self.client.call(charge, 1)"), ("call", CHARGE, "live")),
        (("class Gateway:\n  def __init__(self, client): self.inner = client\n"
         "  def go(self): self.inner.call(charge, 1)\nGateway(LambdaClient())"), ("call", CHARGE, "live")),
        ("def setup():\n  global late\n  late = LambdaClient()\ndef go(): late.call(charge, 1)",
         ("call", CHARGE, "live")),
    ],
)  # fmt: skip
def test_each_way_to_call_is_found(survey_code, code: str, expected: tuple[str, str, str | None]):
    """With its method, and the function and qualifier that the request to Lambda will name."""
    found = survey_code(HEAD + code)

    assert get_calls(found) == [expected]
    assert get_unresolved(found) == []


@pytest.mark.parametrize(
    "code",
    [
        "client.call(charge if late else mail, 1)",
        "for contract in (charge, mail): client.call(contract, 1)",
        "for contract in [charge] + [mail]: client.call(contract, 1)",
        "[client.call(contract, 1) for contract in {charge, mail}]",
        "BY_KIND = {'a': charge, 'b': mail}\nclient.call(BY_KIND[kind], 1)",
        "BY_KIND = {'a': charge, 'b': mail}\nfor contract in BY_KIND.values(): client.call(contract, 1)",
        "BY_KIND = {'a': charge}\nclient.call(BY_KIND.get(kind, mail), 1)",
        "done = {}\nfor one in (charge, mail): done[one] = client.call(one, 1)",
        "def f(): client.marks['a'] = 1; client.call('billing-charge:live', 1); client.call('mail-send', 1)",
        "BY_KIND = {'a': charge}\nBY_KIND['b'] = mail\nclient.call(BY_KIND[kind], 1)",
        "T = {'a': charge}\nT['b'] = mail\nclient.call(T['a'], 1)\nclient.call(T.get('b'), 1)",
        "BY_KIND = {'a': charge}\ndef late(): BY_KIND['b'] = mail\nclient.call(BY_KIND[kind], 1)",
        "BY_KIND = {'a': charge}\nBY_KIND.update({'b': mail})\nclient.call(BY_KIND[kind], 1)",
        "BY_KIND = {'a': charge}\nBY_KIND.setdefault('b', mail)\nfor one in BY_KIND.values(): client.call(one, 1)",
        "each = [charge]\nif late: each.append(mail)\nfor one in each: client.call(one, 1)",
        "each = []\neach.extend([charge, mail])\nfor one in each: client.call(one, 1)",
        "each = {charge}\ndef late(): each.add(mail)\nfor one in each: client.call(one, 1)",
        "each = []\neach += [charge, mail]\nfor one in each: client.call(one, 1)",
        (
            "class S:\n  def __init__(self): self.each = [charge]\n  def late(self): self.each.append(mail)\n"
            "  def go(self):\n    for one in self.each: client.call(one, 1)"
        ),
        "def f():\n  one = charge\n  def late():\n    nonlocal one\n    one = mail\n  client.call(one, 1)",
        (
            "class S:\n  def __init__(self): self.one = charge\n  def go(self): client.call(self.one, 1)\n"
            "s = S()\ns.one = mail"
        ),
        "if late: chosen = charge\nelse: chosen = mail\nclient.call(chosen, 1)",
        "def f(contract): client.call(contract, 1)\nf(charge)\nf(contract=mail)",
        "def f():\n  if late: return charge\n  return mail\nclient.call(f(), 1)",
    ],
)
def test_all_possible_targets_are_found(survey_code, code: str):
    """Branches, loops, mappings, lists that are filled step by step: each possible target is a call."""
    found = survey_code(HEAD + code)

    assert get_calls(found) == [("call", CHARGE, "live"), ("call", "mail-send", None)]
    assert get_unresolved(found) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("client.call(compute(), 1)", "cannot resolve the target of client.call("),
        ("client.call(names[0], 1)\nnames = compute()", "cannot resolve the target of client.call("),
        ("import os\nclient.call(os.environ['TARGET'], 1)",
         "it depends on the environment variable TARGET: add --env TARGET=VALUE"),
        ("import os\nclient.call(os.getenv('TARGET', 'usual'), 1)",
         "it depends on the environment variable TARGET: add --env TARGET=VALUE"),
        ("import os\nclient.call(charge, 1, qualifier=os.environ['V'])",
         "it depends on the environment variable V: add --env V=VALUE"),
        ("def f(contract): client.call(contract, 1)", "it is the parameter 'contract' of f"),
        ("client.call(charge, 1, **options)", "a qualifier may be in **options"),
        (("from lambdachain import Contract\nlate = Contract(compute(), request=int, response=int)\n"
         "client.call(late, 1)"), "the contract at app.py:7 is unresolved"),
        ("@remote(compute())\ndef handler(n: int) -> int: return n",
         "cannot resolve the function name in remote(compute())"),
        ("LambdaClient(resolve=compute()).call(charge, 1)", "(the resolver at app.py:6)"),
        ("LambdaClient(resolve=resolvers.from_env()).call(charge, 1)",
         "the deployed name of billing-charge is unknown: it depends on the environment variable LAMBDACHAIN_BILLING"),
        ("LambdaClient(resolve=resolvers.from_env({charge: 'CHARGE_FN'})).call(charge, 1)",
         "the deployed name of billing-charge is unknown: it depends on the environment variable CHARGE_FN"),
        ("LambdaClient(resolve=resolvers.from_env({charge: compute()})).call(charge, 1)",
         "the variable of charge in the mapping at app.py:6 is unresolved"),
        ("LambdaClient(resolve=resolvers.from_env({**compute()})).call(charge, 1)", "is unresolved"),
        ("LambdaClient(resolve=resolvers.from_env(compute())).call(charge, 1)", "it is computed at run time"),
        ("LambdaClient(resolve=resolvers.mapping(compute())).call(charge, 1)", "is computed at run time"),
        ("LambdaClient(resolve=lambda name: name + suffix()).call(charge, 1)", "the resolver at app.py:6"),
        ("LambdaClient(resolve=lambda name: {'mail-send': 'm'}[name]).call(charge, 1)",
         "no entry 'billing-charge' is visible in the mapping"),
        ("client.call('no name', 1)", "invalid function name"),
        ("client.call(['a', 'b'], 1)", "cannot resolve the target of client.call("),
        ("boto.invoke(FunctionName=settings.name)", "cannot resolve the target of boto"),
        ("boto.invoke(FunctionName='f', Qualifier=settings.version)",
         "cannot resolve the qualifier of boto.invoke(FunctionName='f', ...): it is computed at run time"),
        ("boto.invoke(FunctionName='f', **more)", "a qualifier may be in **more"),
        ("import boto3\nboto3.client('lambda').invoke(**more)", "cannot resolve the target of boto"),
        ("def f(to=charge): client.call(to, 1)\nf(**more)", "it is computed at run time"),
        ("def f(n, to=charge): client.call(to, n)\nf(*more)", "it is computed at run time"),
        ("client.bind(charge, 'a:b', qualifier='c').call(1)", "already has a qualifier"),
        ("client.call(f'shard-{1:02d}', 1)", "it is computed at run time"),
        ("client.call(f'shard-{CHARGE!r}', 1)\nCHARGE = 'a'", "it is computed at run time"),
        ("client.call(charge, 1, qualifier=f'{1 + 2}')", "it is computed at run time"),
    ],
)  # fmt: skip
def test_what_the_text_does_not_determine_is_reported_and_not_guessed(survey_code, code: str, why: str):
    """With the reason, and without a call that is a guess."""
    found = survey_code(HEAD + code)
    [reason] = get_unresolved(found)

    assert why in reason
    assert get_calls(found) == []


@pytest.mark.parametrize(
    "code",
    [
        "client.bind(charge).call({'card': '4111'}, qualifier=compute())",
        "@remote(charge)\ndef handler(n: int) -> int: return n\nhandler.call({'card': '4111'}, qualifier=compute())",
    ],
)
def test_a_payload_in_the_code_is_not_quoted(survey_code, code: str):
    """The first argument of a bound function or handler is the payload, not the target."""
    [reason] = get_unresolved(survey_code(HEAD + code))

    assert reason.startswith("cannot resolve the qualifier of ")
    assert "4111" not in reason


def test_an_invalid_address_in_the_code_does_not_stop_the_survey(survey_code):
    """Its method would raise at run time; here it is unresolved."""
    found = survey_code(HEAD + "client.call('no name'.with_qualifier('live'), 1)")

    assert get_unresolved(found)[0].startswith(
        "cannot resolve the target of client.call('no name'.with_qualifier('live')"
    )


def test_a_function_that_escapes_may_be_called_with_anything(survey_code):
    """Calls in the code are found; that there may be others is reported."""
    found = survey_code(HEAD + "def f(contract): client.call(contract, 1)\nf(charge)\nregister(f)")

    assert get_calls(found) == [("call", CHARGE, "live")]
    assert [one.endswith("of f, which is passed on as a value") for one in get_unresolved(found)] == [True]


@pytest.mark.parametrize(
    ("resolve", "name"),
    [
        ("resolvers.prefix('prod-')", "prod-billing-charge"),
        ("resolvers.mapping({'billing-charge': 'billing-Fn-1A'})", "billing-Fn-1A"),
        ("resolvers.from_env()", "from-the-environment"),
        ("resolvers.from_env('FN_{NAME}')", "by-another-variable"),
        ("resolvers.from_env({charge: 'CHARGE_FN'})", "by-its-own-variable"),
        ("resolvers.from_env({'billing-charge': 'CHARGE_FN', mail: 'MAIL_FN'})", "by-its-own-variable"),
        ("resolvers.from_env({mail: 'MAIL_FN'})", "from-the-environment"),
        ("resolvers.from_env(VARIABLES)", "by-its-own-variable"),
        ("lambda name: f'stage-{name}'", "stage-billing-charge"),
        ("own", "billing-charge-own"),
        ("lambda name: {'mail-send': 'prod-mail'}.get(name, name)", "billing-charge"),
        ("lambda name: {'mail-send': 'prod-mail', 'billing-charge': 'bill'}.get(name, name)", "bill"),
        ("None", "billing-charge"),
    ],
)
def test_names_are_resolved_as_the_client_would(survey_code, resolve: str, name: str):
    """By the library's own resolvers, or by a function of the code's own."""
    code = (
        "def own(name): return name + '-own'\nVARIABLES = {charge: 'CHARGE_FN'}\n"
        f"LambdaClient(resolve={resolve}).call(charge, 1)"
    )
    environment = {
        "LAMBDACHAIN_BILLING_CHARGE": "from-the-environment",
        "FN_BILLING_CHARGE": "by-another-variable",
        "CHARGE_FN": "by-its-own-variable",
    }
    found = survey_code(HEAD + code, **environment)

    assert get_calls(found) == [("call", name, "live")]


def test_a_client_that_is_passed_in_resolves_as_the_one_that_is_made(survey_code):
    """If all clients of the code have the same resolver; otherwise it is unresolved."""
    made = "from contracts import charge\nfrom lambdachain import LambdaClient, resolvers\n"
    once = made + "def go(c: LambdaClient): c.call(charge, 1)\nc = LambdaClient(resolve=resolvers.prefix('p-'))\n"

    assert get_calls(survey_code(once)) == [("call", "p-billing-charge", "live")]
    assert get_unresolved(survey_code(once + "d = LambdaClient()")) == [
        (
            "cannot resolve the target of c.call(charge, ...): the client is passed in, and the clients created in "
            "this code have different resolvers or queues"
        )
    ]


HANDLERS = """
@remote(charge)
def handler(n: int) -> int:
    return step(n)

def step(n):
    return Helper().work(n)

class Helper:
    def work(self, n):
        client.fire(mail, "x")
        return n

    def never(self):
        client.call("never", 1)

@remote("orders-place", idempotent=True)
def other(n: int) -> int:
    return handler.call(n)

if __name__ == "__main__":
    client.call("from-the-shell", 1)
"""


def test_a_handler_calls_what_its_helpers_call_and_no_more(survey_code):
    """Through functions and methods; not what another handler or only a script calls."""
    found = survey_code(HEAD + HANDLERS)
    by_function = {
        handler.contract.function: get_calls(found.reachable_from([handler.unit])) for handler in found.handlers
    }  # fmt: skip

    assert by_function == {
        "billing-charge": [("fire", "mail-send", None)],
        "orders-place": [("call", "billing-charge", "live")],
    }
    assert ("call", "from-the-shell", None) in get_calls(found)


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("class Base:\n  def __init__(self): client.call(charge, 1)\nclass Helper(Base): pass", "Helper()"),
        ("class Base:\n  def __enter__(self): client.call(charge, 1)\nclass Helper(Base): pass", "with Helper(): ..."),
        ("from threading import Thread\nclass Helper(Thread):\n  def run(self): client.call(charge, 1)",
         "Helper().start()"),
        (("import threading\nclass Base(threading.Thread): pass\n"
         "class Helper(Base):\n  def run(self): client.call(charge, 1)"), "Helper().start()"),
        (("from somewhere import Job\nclass Helper(Job):\n  def execute(self): client.call(charge, 1)\n"
         "helper = Helper()"), "helper.start()"),
    ],
)  # fmt: skip
def test_what_a_class_inherits_and_what_its_base_calls_may_run(survey_code, code: str, use: str):
    """Special methods of a base; and every method if a base is not in the code, because it may call any."""
    found = survey_code(f'{HEAD}{code}\n@remote("place")\ndef handler(n: int) -> int:\n  {use}\n')
    [handler] = found.handlers

    assert get_calls(found.reachable_from([handler.unit])) == [("call", CHARGE, "live")]


@pytest.mark.parametrize("name", ["'do_charge'", "f'do_{n}'", "n"])
def test_what_getattr_may_return_may_run(survey_code, name: str):
    """One method if its name is known, and every method if it is not."""
    code = f"""
class Steps:
    def do_charge(self): client.call(charge, 1)
    def other(self): client.fire(mail, "x")
    def run(self, n): getattr(self, {name})()
@remote("place")
def handler(n: str) -> int: return Steps().run(n)
"""
    found = survey_code(HEAD + code)
    [handler] = found.handlers
    expected = [("call", CHARGE, "live"), *([] if name.startswith("'") else [("fire", "mail-send", None)])]

    assert get_calls(found.reachable_from([handler.unit])) == expected


def test_a_tool_runs_where_an_agent_is_given_it(survey_code):
    """Not wherever its module is imported, unlike a route; by keyword, in a list, or under a name."""
    tools = """
    import boto3
    from langchain_core.tools import tool as chained
    from strands import tool
    lam = boto3.client("lambda")
    @tool
    def weather(city): lam.invoke(FunctionName="weather")
    @chained("news")
    def news(topic): lam.invoke(FunctionName="news")
    def stock(name): lam.invoke(FunctionName="stock")
    """
    handler = "def handler(event, context): {}\n"
    first = "agent = Agent(tools=[weather])\n" + handler.format("agent(event)")
    second = "TOOLS = [news]\n" + handler.format("Agent(tools=TOOLS)(event)")
    third = "AGENTS = {'stock': Agent({'name': Tool.of(func=stock)})}\n" + handler.format("AGENTS['stock'](event)")
    head = "from strands import Agent, Tool\nfrom tools import *\n"
    files = {name: head + text for name, text in {"a.py": first, "b.py": second, "c.py": third}.items()}
    found = survey_code({"tools.py": tools, **files})
    called = {name: [one.function for one in found.find_calls(CodeUnit(name, "handler"))] for name in files}

    assert called == {"a.py": ["weather"], "b.py": ["news"], "c.py": ["stock"]}


def test_a_function_that_is_registered_runs_with_its_module(survey_code):
    """A router's decorator registers it, and the handler calls it through the router."""
    code = """
    @app.post("/charge")
    def route(): client.call(charge, 1)
    @remote("api")
    def handler(event: dict) -> dict: return app.resolve(event)
    """
    found = survey_code(HEAD + code.replace("\n    ", "\n"))
    [handler] = found.handlers

    assert get_calls(found.reachable_from([handler.unit])) == [("call", CHARGE, "live")]


def test_contracts_and_handlers_have_their_details(survey_code):
    """Qualifier, idempotence, errors, the handler setting; each with file and line."""
    found = survey_code({"orders/app.py": HEAD + HANDLERS})
    contracts = {one.function: one for one in found.contracts}

    assert contracts.keys() == {"billing-charge", "mail-send", "orders-place"}
    assert contracts["billing-charge"].errors == ("Declined",)
    assert (contracts["mail-send"].idempotent, contracts["billing-charge"].idempotent) == (True, False)
    assert str(contracts["mail-send"].location) == "contracts.py:8"
    assert [(one.handler_setting, str(one.location)) for one in found.handlers] == [
        ("app.handler", "orders/app.py:8"),
        ("app.other", "orders/app.py:23"),
    ]


def test_code_that_cannot_be_imported_is_surveyed(survey_code):
    """It raises, imports missing modules, would write to the disk; other files are not Python or nested too deeply."""
    deep = "text = " + " + ".join(["'line'"] * 1500)
    broken = "import not_installed\nraise SystemExit('imported!')\nopen('/', 'w')\n" + HEAD + "client.call(charge, 1)"
    found = survey_code({"app.py": broken, "old.py": "print 'Python 2'", "null.py": "\0", "deep.py": deep})

    assert get_calls(found) == [("call", CHARGE, "live")]
    assert [str(one) for one in found.unresolved if not one.unit.file] == [
        "deep.py:1: cannot parse the file: it is nested too deeply",
        "null.py:1: cannot parse the file: source code string cannot contain null bytes",
        "old.py:1: cannot parse the file: Missing parentheses in call to 'print'. Did you mean print(...)?",
    ]


def test_too_many_possible_names_are_one_unresolved_call(survey_code):
    """Four parts of a dozen values each are 20,736 names."""
    values = {one: [f"{one}{number}" for number in range(12)] for one in "abcd"}
    parts = "".join(f"for {one} in {values[one]}:\n{' ' * deep}" for deep, one in enumerate(values, 1))
    found = survey_code(f"{HEAD}{parts}client.call(f'{{a}}-{{b}}-{{c}}-{{d}}', 1)\n")

    assert get_calls(found) == []
    assert [one.why for one in found.unresolved] == [
        "cannot resolve the target of client.call(f'{a}-{b}-{c}-{d}', ...): it may be any of 20,736 strings"
    ]


def test_files_are_decoded_as_python_does(tmp_path: Path):
    """With a byte-order mark, with a coding comment; a file that is not text is reported."""
    call = "from lambdachain import LambdaClient\nLambdaClient().call('{}', 'é')\n"
    (tmp_path / "marked.py").write_bytes(b"\xef\xbb\xbf" + call.format("marked").encode())
    (tmp_path / "latin.py").write_bytes(f"# coding: latin-1\n{call.format('latin')}".encode("latin-1"))
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    found = survey(read_sources([tmp_path]))

    assert [one[1] for one in get_calls(found)] == ["latin", "marked"]
    assert [one.location.file.rsplit("/", 1)[-1] for one in found.unresolved] == ["binary.py"]


def test_lock_files_of_editors_are_skipped(tmp_path: Path):
    """Emacs creates a dangling link next to a file that is being edited; macOS, files of its own."""
    (tmp_path / "app.py").write_text("from lambdachain import LambdaClient\nLambdaClient().call('mine', 1)\n")
    (tmp_path / ".#app.py").symlink_to("somebody@somewhere.1234")
    (tmp_path / "._app.py").write_bytes(b"\0")
    found = survey(read_sources([tmp_path]))

    assert ([one[1] for one in get_calls(found)], get_unresolved(found)) == (["mine"], [])


@pytest.mark.parametrize("package", ["json", "asyncio", "wsgiref"])
def test_the_standard_library_is_surveyed_without_false_positives(package: str):
    """Thousands of lines that do not use lambdachain: no exception, no call, nothing unresolved."""
    found = survey(read_sources([Path(sysconfig.get_path("stdlib")) / package]))

    assert (found.calls, found.contracts, found.unresolved) == ((), (), ())
    assert len(found.units) > 20


def test_a_shared_package_is_found_in_any_directory(survey_code):
    """By the suffix of its path, as it will be installed on Lambda; the nearest of several."""
    other = 'from lambdachain import Contract\ncharge = mail = Contract("far", request=int, response=int)\n'
    near = 'from lambdachain import Contract\ncharge = mail = Contract("near", request=int, response=int)\n'
    app = HEAD + "client.call(charge, 1)"
    found = survey_code(
        {"a/app.py": app, "a/shared/contracts.py": near, "b/shared/contracts.py": other, "contracts.py": ""}
    )

    assert get_calls(found) == [("call", "near", None)]


def test_relative_imports_and_re_exports_are_followed(survey_code):
    """Through a package's ``__init__``, under another name, in a cycle."""
    files = {
        "shop/__init__.py": "from .names import charge as bill\nfrom .app import nothing",
        "shop/names.py": "from contracts import charge",
        "shop/app.py": "from . import bill\nfrom .. import shop\nfrom lambdachain import LambdaClient as C\n"
        "nothing = None\nC().call(bill, 1)",
    }

    assert get_calls(survey_code(files)) == [("call", CHARGE, "live")]


RECORD = """
from dataclasses import dataclass, field
@dataclass
class Settings:
    client: LambdaClient
    target: str = "usual"
    kept: object = field(default_factory=LambdaClient)
"""
BY_ENVIRONMENT = """
from pydantic_settings import BaseSettings, SettingsConfigDict
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")
    target: str = "usual"
client.call(Settings().target, 1)
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("s = Settings(client, 'other')\ns.client.call(s.target, 1)", ["other"]),
        ("s = Settings(client=client, target='other')\ns.client.call(s.target, 1)", ["other"]),
        ("s = Settings(client)\ns.client.call(s.target, 1)", ["usual"]),
        ("for s in Settings(client), Settings(client, 'other'): client.call(s.target, 1)", ["other", "usual"]),
        ("Settings(client).kept.call('kept', 1)", ["kept"]),
        ("def f(s: Settings): s.client.call('passed', 1)", ["passed"]),
        ("class Below(Settings): more: str = ''\ns = Below(client, 'other')\nclient.call(s.target, 1)", ["other"]),
    ],
)
def test_a_field_holds_what_its_object_is_created_with(survey_code, code: str, expected: list[str]):
    """By position, by name, or its default; if no code creates the object, by the annotation."""
    found = survey_code(HEAD + RECORD + code)

    assert (sorted(name for _, name, _ in get_calls(found)), get_unresolved(found)) == (expected, [])


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (
            "def f(s: Settings): client.call(s.target, 1)",
            "the field 'target' of Settings, which is not created in this code",
        ),
        (
            "import os\nclient.call(Settings(client, os.environ['TARGET']).target, 1)",
            "it depends on the environment variable TARGET",
        ),
        ("client.call(Settings(**more).target, 1)", "target may be in **more"),
        ("client.call(Settings(*more).target, 1)", "it is computed at run time"),
    ],
)
def test_a_default_is_not_the_only_value_that_a_field_may_have(survey_code, code: str, why: str):
    """Taking the default for granted would be a guess."""
    [reason] = get_unresolved(survey_code(HEAD + RECORD + code))

    assert why in reason


def test_settings_are_read_from_the_environment(survey_code):
    """As with os.environ; the prefix is part of the variable's name."""
    assert get_calls(survey_code(HEAD + BY_ENVIRONMENT, SHOP_TARGET="other")) == [("call", "other", None)]
    [reason] = get_unresolved(survey_code(HEAD + BY_ENVIRONMENT))
    assert reason.endswith("it depends on the environment variable SHOP_TARGET: add --env SHOP_TARGET=VALUE")


BASE = """
class Base:
    def __init__(self, contract): self.contract = contract
    def go(self): client.call(self.contract, 1)
Base(charge).go()
"""


@pytest.mark.parametrize(
    "code",
    [
        "class Sub(Base): pass\nSub(mail).go()",
        "class Sub(Base):\n  def __init__(self): super().__init__(mail)\nSub().go()",
        "class Sub(Base):\n  def __init__(self): Base.__init__(self, mail)\nSub().go()",
        "class Sub(Base[int]):\n  def __init__(self): super().__init__(contract=mail)\nSub().go()",
        "class Sub(Base):\n  @classmethod\n  def made(cls): return cls(mail)\nSub.made().go()",
    ],
)
def test_arguments_of_a_constructor_are_found(survey_code, code: str):
    """Through the class, a subclass, ``super()`` and ``cls``."""
    found = survey_code(HEAD + BASE + code)

    assert (get_calls(found), get_unresolved(found)) == ([("call", CHARGE, "live"), ("call", "mail-send", None)], [])


@pytest.mark.parametrize(
    "code",
    [
        "class S:\n  @staticmethod\n  def go(contract, n): client.call(contract, n)\nS.go(charge, 1)",
        "class S:\n  @staticmethod\n  def go(n, contract): client.call(contract, n)\nS().go(mail, charge)",
        "class S:\n  @classmethod\n  def go(cls, contract): client.call(contract, 1)\nS.go(charge)",
        "class S:\n  def go(self, contract): client.call(contract, 1)\nS.go(S(), charge)",
        "class S:\n  @property\n  def contract(self): return charge\n  def go(self): client.call(self.contract, 1)",
    ],
)
def test_methods_of_every_kind_are_followed(survey_code, code: str):
    """Static methods have no ``self``; a call through the class passes it explicitly; a property is only read."""
    found = survey_code(HEAD + code)

    assert (get_calls(found), get_unresolved(found)) == ([("call", CHARGE, "live")], [])


@pytest.mark.parametrize(
    "code",
    [
        "class Own(LambdaClient): pass\nOwn().call('f', 1)",
        "class Own(LambdaClient):\n  def go(self): self.call('f', 1)",
        "class S:\n  @property\n  def client(self): return LambdaClient()\n  def go(self): self.client.call('f', 1)",
        "def made() -> LambdaClient: return registry['client']\nmade().call('f', 1)",
        "with contextlib.closing(LambdaClient()) as c: c.call('f', 1)\nimport contextlib",
        "with ExitStack() as stack: stack.enter_context(LambdaClient()).call('f', 1)\nfrom contextlib import ExitStack",
        "import typing\ndef f(c: typing.Optional[LambdaClient]): c.call('f', 1)",
        "def f(c: None | LambdaClient): c.call('f', 1)",
    ],
)
def test_a_client_is_recognized_whatever_creates_it(survey_code, code: str):
    """A call whose target is a string is recognized by its client alone."""
    found = survey_code(HEAD + code)

    assert (get_calls(found), get_unresolved(found)) == ([("call", "f", None)], [])


def test_a_subclass_of_the_client_may_have_any_resolver(survey_code):
    """What its ``__init__`` does is not followed, so the name is unresolved."""
    code = "class Own(LambdaClient):\n  def __init__(self): super().__init__(resolve=late)\nOwn().call(charge, 1)"
    [reason] = get_unresolved(survey_code(HEAD + code))

    assert reason == "the __init__ at app.py:7 may choose a resolver"


def test_a_property_runs_where_it_is_read(survey_code):
    """What it calls, the handler calls."""
    code = """
class S:
    @property
    def rate(self): return client.call(charge, 1)
@remote("place")
def handler(n: int) -> int: return S().rate
"""
    found = survey_code(HEAD + code)
    [handler] = found.handlers

    assert get_calls(found.reachable_from([handler.unit])) == [("call", CHARGE, "live")]


@pytest.mark.parametrize("init", ["shop/__init__.py", "elsewhere.py"])
def test_modules_of_a_package_are_found_by_its_name(survey_code, init: str):
    """``import shop.names``: with the package's ``__init__`` or without one."""
    files = {init: "", "shop/names.py": "from contracts import charge"}
    found = survey_code({**files, "app.py": HEAD + "import shop.names\nclient.call(shop.names.charge, 1)"})

    assert (get_calls(found), get_unresolved(found)) == ([("call", CHARGE, "live")], [])


def test_a_relative_import_is_not_a_module_of_the_standard_library(tmp_path: Path):
    """If the code base is the package itself, ``.types`` is a file in it, and ``.`` its ``__init__``."""
    (tmp_path / "__init__.py").write_text("mail = 'mail-send'")
    (tmp_path / "types.py").write_text("from lambdachain import LambdaClient\nname, client = 'typed', LambdaClient()")
    (tmp_path / "app.py").write_text(
        "from . import mail, types\nfrom .types import client, name\n"
        "client.call(name, 1)\nclient.fire(mail, 1)\ntypes.client.fire(types.name, 1)\n"
    )
    found = survey(read_sources([tmp_path]))

    assert get_calls(found) == [("fire", "mail-send", None), ("call", "typed", None), ("fire", "typed", None)]
    assert get_unresolved(found) == []


def test_a_function_that_is_imported_under_another_name_is_called_by_it(survey_code):
    """Arguments passed under the alias count as well as those passed under its own name."""
    files = {
        "sending.py": "def send(client, contract): client.call(contract, 1)",
        "app.py": HEAD + "import sending\nfrom sending import send as dispatch\n"
        "sending.send(client, charge)\ndispatch(client, mail)",
    }
    found = survey_code(files)

    assert get_calls(found) == [("call", CHARGE, "live"), ("call", "mail-send", None)]
    assert get_unresolved(found) == []


@pytest.mark.parametrize(
    "code",
    [
        "call = client.bind(charge).call\ncall(1)",
        "class S:\n  def __init__(self): self.send = client.bind(charge).call\n  def go(self): self.send(1)",
        "import threading\nthreading.Thread(target=client.bind(charge).call, args=(1,)).start()",
    ],
)
def test_a_stored_method_of_a_bound_function_is_a_call(survey_code, code: str):
    """In a variable, in an attribute, as a keyword argument: it can only call one function."""
    found = survey_code(HEAD + code)

    assert (get_calls(found), get_unresolved(found)) == ([("call", CHARGE, "live")], [])


@pytest.mark.parametrize(
    ("code", "method"),
    [
        ("call = client.call\ncall(charge, 1)", "client.call"),
        ("self.send = client.call", "client.call"),
        ("import threading\nthreading.Thread(target=client.call, args=(charge, 1)).start()", "client.call"),
        ("def f(): return client.call", "client.call"),
        ("BY_KIND = {'a': client.call}", "client.call"),
        ("getattr(client, 'call')(charge, 1)", "getattr(client, 'call')"),
    ],
)
def test_a_stored_method_of_a_client_may_call_anything(survey_code, code: str, method: str):
    """That is reported where it is stored."""
    found = survey_code(HEAD + code)

    assert (get_calls(found), get_unresolved(found)) == (
        [],
        [f"cannot resolve the target of {method}: the method is stored as a value"],
    )


@pytest.mark.parametrize(
    "more",
    [
        "from registry import BY_KIND\nBY_KIND['mail'] = mail",
        "from registry import BY_KIND as KINDS\nKINDS['mail'] = mail",
        "import registry\nregistry.BY_KIND['mail'] = mail",
        "from shop import registry as r\nr.BY_KIND.update({'mail': mail})",
    ],
)
def test_a_registry_may_be_filled_by_other_modules(survey_code, more: str):
    """By a function of its own module, and by modules that import it."""
    files = {
        "shop/registry.py": "BY_KIND = {}\ndef register(kind, contract): BY_KIND[kind] = contract",
        "shop/more.py": f"from contracts import mail\n{more}",
        "app.py": HEAD + "from registry import BY_KIND, register\nregister('charge', charge)\n"
        "def go(kind): client.call(BY_KIND[kind], 1)",
    }
    found = survey_code(files)

    assert get_calls(found) == [("call", CHARGE, "live"), ("call", "mail-send", None)]
    assert get_unresolved(found) == []


def test_methods_of_the_same_names_are_not_calls(survey_code):
    """``subprocess.call``, ``executor.map``, ``mock.call``: none of them has to do with lambdachain."""
    code = """
    import subprocess
    from unittest import mock
    subprocess.call(["ls"])
    pool.map(print, [1])
    mock.call(1)
    [].map(1)
    handler.local(1)
    """

    found = survey_code(HEAD + code.replace("\n    ", "\n"))

    assert (get_calls(found), get_unresolved(found)) == ([], [])


@pytest.mark.parametrize(
    "code",
    [
        "agents.run_bedrock_tool_use(block, client, [charge])",
        "agents.run_bedrock_tool_use(block, client, {'charge': charge}, timeout=3)",
        "agents.to_mcp_tool(client, charge)",
        "tool = agents.to_pydantic_ai_tool(AsyncLambdaClient(), charge, name='charge')",
        "tools = [agents.to_mcp_tool(client, one) for one in (charge,)]",
        "from lambdachain.agents import to_mcp_tool\nto_mcp_tool(client, charge)",
        "TOOLS = (charge,)\ndef use(block): return agents.run_bedrock_tool_use(block, client, TOOLS)\nuse({})",
    ],
)
def test_what_a_model_may_call_is_found(survey_code, code: str):
    """A tool calls its function, so the role needs the permission."""
    found = survey_code(f"from lambdachain import agents{HEAD}{code}")

    assert set(get_calls(found)) == {("call", "billing-charge", "live")}
    assert get_unresolved(found) == []


def test_tools_that_the_text_does_not_determine_are_reported(survey_code):
    """As for calls."""
    found = survey_code(
        f"from lambdachain import agents{HEAD}def f(block, tools): agents.run_bedrock_tool_use(block, client, tools)"
    )

    assert get_calls(found) == []
    assert len(get_unresolved(found)) == 1
    assert "cannot resolve the target of agents.run_bedrock_tool_use(...)" in get_unresolved(found)[0]
