"""Names and modes that belong together: of one branch, one round of a loop, one way to fill a mapping."""

from __future__ import annotations

import pytest

from lambdachain._analysis.survey.results import CallMode

# ruff: noqa: ISC004 - each case is a pair of the code and its calls

HEAD = "import boto3, os\nlam = boto3.client('lambda')\n"
SEND = "def send(name, kind='RequestResponse'): lam.invoke(FunctionName=name, InvocationType=kind)\n"
BY_FLAG = "def send(n, late): lam.invoke(FunctionName=n, InvocationType='Event' if late else 'RequestResponse')\n"
BY_IF = """
def send(n, wait=True):
    if wait:
        return lam.invoke(FunctionName=n, InvocationType="RequestResponse")
    return lam.invoke(FunctionName=n, InvocationType="Event")
"""
BY_ENUM = """
import enum
class Kind(enum.Enum):
    NOW, LATE = 1, 2
class How(enum.Enum):
    NOW = "RequestResponse"
    LATE = "Event"
def send(n, how):
    if how is How.LATE:
        lam.invoke(FunctionName=n, InvocationType="Event")
    else:
        lam.invoke(FunctionName=n)
"""
BY_OBJECT = """
class Caller:
    def __init__(self, late=False): self.late = late
    def send(self, n):
        kind = "RequestResponse"
        if self.late:
            kind = "Event"
        lam.invoke(FunctionName=n, InvocationType=kind)
"""
BY_MATCH = """
def send(n, mode):
    match mode:
        case "async" | "late": k = "Event"
        case None: k = "DryRun"
        case _: k = "RequestResponse"
    lam.invoke(FunctionName=n, InvocationType=k)
"""
CALLABLE = """
class Caller:
    def __init__(self, name, kind="RequestResponse"):
        self.name, self.kind = name, kind
    def __call__(self, payload=None): lam.invoke(FunctionName=self.name, InvocationType=self.kind)
"""
BY_CLASS = """
class Base:
    name = None
    kind = "RequestResponse"
    def __call__(self): lam.invoke(FunctionName=self.name, InvocationType=self.kind)
class A(Base):
    name = "a"
class B(Base):
    name = "b"
    kind = "Event"
"""
FILLED = """
def send(name, late=None, qualifier=None):
    params = {"FunctionName": name}
    if late:
        params["InvocationType"] = "Event"
    if qualifier is not None:
        params.update(Qualifier=qualifier)
    lam.invoke(**params)
"""
PLAN = """
class Plan:
    def __init__(self, name, kind):
        self.name = name
        self.kind = kind
PLANS = [Plan("a", "Event"), Plan("b", "RequestResponse")]
"""


def get_sites(found) -> list[str]:
    """Return the mode, name and qualifier of each call."""
    return sorted(
        f"{call.mode} {call.function}{':' if call.qualifier else ''}{call.qualifier or ''}" for call in found.calls
    )


@pytest.mark.parametrize(
    ("code", "sites"),
    [
        (f"{BY_FLAG}def f(): send('a', True); send('b', False)", ["call b", "fire a"]),
        (f"{BY_FLAG}def f(event): send('a', event['late'])", ["call a", "fire a"]),
        (f"{BY_IF}def f(): send('a'); send('b', wait=False)", ["call a", "fire b"]),
        (f"{BY_IF}def f(event): send('a', wait=event['wait'])", ["call a", "fire a"]),
        (f"{BY_FLAG}def g(n, wait): send(n, not wait)\ndef f(): g('a', True); g('b', False)", ["call a", "fire b"]),
        (f"{BY_FLAG}def g(n, wait): send(n, not wait)\ndef f(event): g('a', event['x'])", ["call a", "fire a"]),
        (f"{BY_FLAG}def g(n, mode): send(n, mode == 'async')\ndef f(): g('a', 'async'); g('b', 'sync')",
         ["call b", "fire a"]),
        (f"{BY_ENUM}def f(): send('a', How.LATE); send('b', How.NOW)", ["call b", "fire a"]),
        (f"{BY_OBJECT}def f(): Caller(late=True).send('a'); Caller().send('b')", ["call b", "fire a"]),
        (f"{FILLED}def f(): send('a'); send('b', True); send('c', qualifier='live')",
         ["call a", "call c:live", "fire b"]),
        (f"{BY_MATCH}def f(): send('a', 'async'); send('b', 'sync'); send('c', None)",
         ["call b", "can_invoke c", "fire a"]),
        (f"{BY_MATCH}def f(event): send('a', event['mode'])", ["call a", "can_invoke a", "fire a"]),
        (f"{CALLABLE}ask = Caller('a')\ntell = Caller('b', 'Event')\ndef f(): ask(1); tell(2)", ["call a", "fire b"]),
        (f"{CALLABLE}BY = {{'x': Caller('a'), 'y': Caller('b', 'Event')}}\ndef f(event): BY[event['x']]()",
         ["call a", "fire b"]),
        (f"{BY_CLASS}def f(): A()(); B()()", ["call a", "fire b"]),
        ("def f(wait):\n  more = {} if wait else {'InvocationType': 'Event'}\n  lam.invoke(FunctionName='a', **more)",
         ["call a", "fire a"]),
        ("def send(kind=None): lam.invoke(FunctionName='a', InvocationType=kind or 'Event')\ndef f(): send()",
         ["fire a"]),
        ("def kind(wait): return 'RequestResponse' if wait else 'Event'\n"
         "def f(): lam.invoke(FunctionName='a', InvocationType=kind(False))", ["fire a"]),
        ("def pick(late): return 'a' if late else 'b', 'Event'\n"
         "def f():\n  n, k = pick(False)\n  lam.invoke(FunctionName=n, InvocationType=k)", ["fire b"]),
        ("def send(**more): lam.invoke(FunctionName='a', InvocationType=more.get('kind', 'Event'))\ndef f(): send()",
         ["fire a"]),
        (f"{FILLED}def f(event): send('a', event['late'])", ["call a", "fire a"]),
        ("def f(late, rows):\n  p = dict(FunctionName='a')\n  if late: p['InvocationType'] = 'Event'\n"
         "  for row in rows:\n    p['Payload'] = row\n    lam.invoke(**p)", ["call a", "fire a"]),
        ("def f(late, rows):\n  p = dict(FunctionName='a')\n  if late: p['InvocationType'] = 'Event'\n"
         "  for row in rows: p['Payload'] = row\n  lam.invoke(**p)", ["call a", "fire a"]),
        ("def f(rows):\n  p = {'FunctionName': 'a', 'InvocationType': 'DryRun'}\n  for row in rows:\n"
         "    p['InvocationType'] = 'Event'\n    lam.invoke(**p)", ["fire a"]),
        ("def f(late):\n  n, k = ('a', 'Event') if late else ('b', 'RequestResponse')\n"
         "  lam.invoke(FunctionName=n, InvocationType=k)", ["call b", "fire a"]),
        (f"{SEND}def pick(late):\n  if late: return 'a', 'Event'\n  return 'b', 'RequestResponse'\n"
         "def f(event):\n  n, k = pick(event['late'])\n  send(n, k)", ["call b", "fire a"]),
        (f"{SEND}def pick(late):\n  if late: return 'a', 'Event'\n  return 'b', 'RequestResponse'\n"
         "def f():\n  n, k = pick(True)\n  send(n, k)", ["fire a"]),
        ("def f(late):\n  n = 'a' if late else 'b'\n  k = 'Event' if late else 'RequestResponse'\n"
         "  lam.invoke(FunctionName=n, InvocationType=k)", ["call b", "fire a"]),
        ("def f(late):\n  if late:\n    n = 'a'\n    k = 'Event'\n  else:\n    n = 'b'\n    k = 'RequestResponse'\n"
         "  lam.invoke(FunctionName=n, InvocationType=k)", ["call b", "fire a"]),
        ("def f(e):\n  match e:\n    case 'x': n, k = 'a', 'Event'\n    case 'y': n, k = 'b', 'RequestResponse'\n"
         "    case _: return\n  lam.invoke(FunctionName=n, InvocationType=k)", ["call b", "fire a"]),
        ("def f(late):\n  n = k = ''\n  if late: [n, k] = ('a', 'Event')\n  else: n, k = pick()\n"
         "  lam.invoke(FunctionName=n, InvocationType=k)\ndef pick(): return 'b', 'RequestResponse'",
         ["call b", "fire a"]),
        (f"{SEND}def f(late):\n  n = 'a'\n  k = 'RequestResponse'\n  if late:\n    n = 'b'\n    k = 'Event'\n"
         "  send(n, k)", ["call a", "fire b"]),
    ],
)  # fmt: skip
def test_a_branch_is_followed_as_far_as_its_condition_is_known(survey_code, code: str, sites: list[str]):
    """Each caller reaches the branch that its own arguments choose; an unknown condition leaves both."""
    found = survey_code(HEAD + code)

    assert (get_sites(found), found.unresolved) == (sites, ())


RECORDS = """
import copy, dataclasses
from pydantic import BaseModel
from typing import NamedTuple, Optional
@dataclasses.dataclass
class Job:
    name: str
    late: bool = False
    def send(self):
        lam.invoke(FunctionName=self.name, InvocationType="Event" if self.late else "RequestResponse")
class Pair(NamedTuple):
    name: str
    kind: str = "Event"
    def send(self): lam.invoke(FunctionName=self.name, InvocationType=self.kind)
class Call(BaseModel):
    FunctionName: str
    InvocationType: str = "Event"
    Qualifier: Optional[str] = None
"""


@pytest.mark.parametrize(
    ("statement", "site"),
    [
        ("dataclasses.replace(Job('a'), late=True).send()", "fire a"),
        ("dataclasses.replace(Job('a', True), name='b').send()", "fire b"),
        ("Pair('a')._replace(kind='RequestResponse').send()", "call a"),
        ("copy.copy(Job('a', True)).send()", "fire a"),
        ("lam.invoke(**Call(FunctionName='a').model_dump(exclude_none=True))", "fire a"),
        ("lam.invoke(**Call(FunctionName='a').model_copy(update={'FunctionName': 'b'}).model_dump())", "fire b"),
        ("lam.invoke(FunctionName=dataclasses.asdict(Job('a'))['name'])", "call a"),
    ],
)
def test_a_changed_copy_has_the_other_fields_of_its_original(survey_code, statement: str, site: str):
    """No field is that of any other object of the class."""
    found = survey_code(f"{HEAD}{RECORDS}def f():\n  {statement}\ndef g(): Job('other').send(), Pair('other').send()\n")

    assert [one for one in get_sites(found) if "other" not in one] == [site]
    assert found.unresolved == ()


@pytest.mark.parametrize(
    ("code", "sites"),
    [
        ("for n, k in [('a', 'Event'), ('b', 'RequestResponse')]: lam.invoke(FunctionName=n, InvocationType=k)",
         ["call b", "fire a"]),
        (f"{SEND}JOBS = (('a', 'Event'), ['b', 'RequestResponse'])\ndef f():\n  for n, k in JOBS: send(n, k)",
         ["call b", "fire a"]),
        (f"{SEND}def f():\n  for n, k in {{'a': 'Event', 'b': 'RequestResponse'}}.items(): send(n, kind=k)",
         ["call b", "fire a"]),
        (f"{SEND}def f():\n  for i, (n, k) in enumerate([('a', 'Event'), ('b', 'RequestResponse')]): send(n, k)",
         ["call b", "fire a"]),
        (f"{SEND}def f(): [send(n, k) for n, k in zip(['a', 'b'], ['Event', 'RequestResponse'])]",
         ["call b", "fire a"]),
        (f"{SEND}KINDS = {{'a': 'Event', 'b': 'RequestResponse'}}\ndef f():\n  for n in KINDS: send(n, KINDS[n])",
         ["call b", "fire a"]),
        (f"{SEND}def f(pool):\n  for n, k in [('a', 'Event'), ('b', 'DryRun')]: pool.submit(send, n, k)",
         ["can_invoke b", "fire a"]),
        ("def jobs():\n  yield 'a', 'Event'\n  yield 'b', 'RequestResponse'\n"
         "for n, k in jobs(): lam.invoke(FunctionName=n, InvocationType=k)", ["call b", "fire a"]),
        (f"{PLAN}def f():\n  for p in PLANS: lam.invoke(FunctionName=p.name, InvocationType=p.kind)",
         ["call b", "fire a"]),
        (f"{PLAN}{SEND}def run(plan): send(plan.name, plan.kind)\ndef f():\n  for p in PLANS: run(p)",
         ["call b", "fire a"]),
        ("def f():\n  for n in ['a']: lam.invoke(FunctionName=n)\n  for n, k in [('b', 'Event')]:\n"
         "    lam.invoke(FunctionName=n, InvocationType=k)", ["call a", "fire b"]),
        ("def f():\n  for d in [{'FunctionName': 'a', 'InvocationType': 'Event'}, {'FunctionName': 'b'}]:\n"
         "    lam.invoke(**d)",
         ["call b", "fire a"]),
        (f"{SEND}def f():\n  [send(n) for n in ['a']]\n  for n, k in [('b', 'Event')]: send(n, k)\n"
         "  {n: send(n, k) for n, k in {'c': 'Event'}.items()}", ["call a", "fire b", "fire c"]),
        (f"{SEND}def f(pool):\n  pool.map(send, [n for n in ['a']])\n  n = 'b'\n"
         "  [pool.submit(send, n, 'Event') for n in [n]]", ["call a", "fire b"]),
        (f"{SEND}def f():\n  [[send(n, k) for n in [k]] for n in ['a'] for k in ['Event'] if send(n)]",
         ["call a", "fire Event"]),
        (f"{SEND}def jobs():\n  yield 'a', 'Event'\n  yield from more()\n  yield from [('c', 'Event')]\n"
         "def more():\n  for n in ['b']: yield n, 'RequestResponse'\n"
         "def f():\n  for n, k in jobs(): send(n, k)", ["call b", "fire a", "fire c"]),
        ("def send(n):\n  yield lam.invoke(FunctionName=n)\n"
         "def both():\n  yield from send('a')\n  yield from send('b')\ndef f(): list(both())", ["call a", "call b"]),
        (f"{SEND}JOBS = [(f'x-{{n}}', k) for n, k in [('a', 'Event'), ('b', 'RequestResponse')]]\n"
         "def f():\n  for n, k in JOBS: send(n, k)", ["call x-b", "fire x-a"]),
        (f"{SEND}KINDS = {{n: 'Event' if n == 'a' else 'DryRun' for n in ('a', 'b', 'c') if n != 'c'}}\n"
         "def f():\n  for n, k in KINDS.items(): send(n, k)", ["can_invoke b", "fire a"]),
        ("def send(name, kind=None):\n  given = {'FunctionName': name, 'InvocationType': kind}\n"
         "  lam.invoke(**{k: v for k, v in given.items() if v is not None})\ndef f(): send('a'); send('b', 'Event')",
         ["call a", "fire b"]),
        (f"{SEND}def f(stage): [send(n) for n in {{f'{{s}}-{{n}}' for s in ['x', 'y'] for n in [s]}}]",
         ["call x-x", "call y-y"]),
    ],
)  # fmt: skip
def test_the_names_of_a_loop_are_those_of_one_round(survey_code, code: str, sites: list[str]):
    """A table of names and modes is called row by row."""
    found = survey_code(HEAD + code)

    assert (get_sites(found), found.unresolved) == (sites, ())


def test_a_table_with_too_many_rows_is_reported(survey_code):
    """Each row by itself would take long, and all names with all modes would be calls that do not happen."""
    rows = [(f"n{number}", "Event") for number in range(200)]
    found = survey_code(f"{HEAD}for n, k in {rows}: lam.invoke(FunctionName=n, InvocationType=k)")

    assert get_sites(found) == []
    assert len(found.unresolved) == 1


@pytest.mark.parametrize(
    ("code", "sites"),
    [
        ("def f():\n  n = 'svc'\n  n += '-a'\n  lam.invoke(FunctionName=n)", ["call svc-a"]),
        ("def f(late):\n  n = 'svc'\n  if late: n += '-a'\n  lam.invoke(FunctionName=n)", ["call svc", "call svc-a"]),
        ("N = 'svc'\nN += '-a'\ndef f(): lam.invoke(FunctionName=N)", ["call svc-a"]),
        ("def f():\n  p = dict(FunctionName='a')\n  p['InvocationType'] = 'RequestResponse'\n"
         "  p['InvocationType'] = 'Event'\n  lam.invoke(**p)", ["fire a"]),
        ("def f():\n  p = {'FunctionName': 'a'}\n  p |= {'InvocationType': 'Event'}\n  lam.invoke(**p)", ["fire a"]),
        ("def f():\n  p = {'FunctionName': 'a'}\n  p.update({'InvocationType': 'Event'}, Qualifier='1')\n"
         "  lam.invoke(**p)", ["fire a:1"]),
        ("P = {'InvocationType': 'Event'}\ndef f(): lam.invoke(**{**P, 'FunctionName': 'a'})", ["fire a"]),
        ("P = {'InvocationType': 'Event'}\ndef f(): lam.invoke(**(P | {'FunctionName': 'a'}))", ["fire a"]),
        ("def f(late):\n  p = {}\n  if late:\n    p['FunctionName'] = 'a'\n    p['InvocationType'] = 'Event'\n  else:\n"
         "    p['FunctionName'] = 'b'\n  lam.invoke(**p)", ["call b", "fire a"]),
        ("P = {'FunctionName': 'a'}\nP['InvocationType'] = 'Event'\ndef f(): lam.invoke(**P)", ["fire a"]),
        ("def fill(p): p['InvocationType'] = 'Event'\ndef f():\n  p = {'FunctionName': 'a'}\n  fill(p)\n"
         "  lam.invoke(**p)", ["fire a"]),
        ("def f():\n  p = {'FunctionName': 'a'}\n  q = p\n  q['InvocationType'] = 'Event'\n"
         "  lam.invoke(**p)", ["fire a"]),
        ("P = {'FunctionName': 'a'}\ndef f():\n  p = P.copy()\n  p['InvocationType'] = 'Event'\n  lam.invoke(**p)",
         ["fire a"]),
        ("P = {'FunctionName': 'a'}\ndef f(): lam.invoke(**dict(P, InvocationType='Event'))", ["fire a"]),
        ("def f():\n  lam.invoke(FunctionName='svc-a'[4:])", ["call a"]),
        ("@dataclass\nclass C:\n  n: str\n  def __post_init__(self): self.n = self.n[:64]\n"
         "  def f(self): lam.invoke(FunctionName=self.n)\nC('a').f()", ["call a"]),
        ("def f(late):\n  p = {'FunctionName': 'a', 'InvocationType': 'Event'}\n  if not late:\n"
         "    p.pop('InvocationType')\n  lam.invoke(**p)", ["call a", "fire a"]),
        ("def f():\n  p = {'FunctionName': 'a', 'InvocationType': 'Event'}\n  del p['InvocationType']\n"
         "  lam.invoke(**p)", ["call a"]),
        ("def f(late):\n  p = {'FunctionName': 'a'}\n  if late: return\n  p['InvocationType'] = 'Event'\n"
         "  lam.invoke(**p)", ["fire a"]),
    ],
)  # fmt: skip
def test_what_is_changed_in_place_is_what_it_was_changed_to(survey_code, code: str, sites: list[str]):
    """A name that is extended, and a mapping that is filled step by step."""
    found = survey_code(HEAD + code)

    assert (get_sites(found), found.unresolved) == (sites, ())


@pytest.mark.parametrize(
    "body",
    [
        "  p = {'FunctionName': n}\n  p.update(kw)\n",
        "  p = {'FunctionName': n}\n  p.update(**kw)\n",
        "  p = {'FunctionName': 'no'}\n  p.update(kw, FunctionName=n)\n",
        "  p = {'FunctionName': n}\n  if kw: p.update(kw)\n",
        "  p = {'FunctionName': n}\n  p.update(kw or {})\n",
        "  p = {'FunctionName': n}\n  p |= kw\n",
        "  p = {**kw}\n  p['FunctionName'] = n\n",
        "  p = dict(kw)\n  p['FunctionName'] = n\n",
        "  p = dict(FunctionName='no', **kw)\n  p['FunctionName'] = n\n",
        "  p = kw.copy()\n  p['FunctionName'] = n\n",
        "  p = kw\n",
        "  p = make(kw)\n  p['FunctionName'] = n\n",
        "  p = {'InvocationType': 'RequestResponse'}\n  p['FunctionName'] = n\n  p.update(kw)\n",
        "  kw.setdefault('InvocationType', 'RequestResponse')\n  kw['FunctionName'] = n\n  p = {**kw}\n",
        "  p = {'FunctionName': n}\n  p.update(kw)\n  p.setdefault('InvocationType', 'RequestResponse')\n",
    ],
)
def test_a_mapping_that_is_added_to_another_belongs_to_its_call(survey_code, body: str):
    """Each caller's options are those of its own call, and replace what was set before."""
    passed = "kw, FunctionName=n" if body == "  p = kw\n" else "p"
    calls = "def make(p): return {'Payload': b'', **p}\nsend('a', InvocationType='Event')\nsend('b')"
    found = survey_code(f"{HEAD}def send(n, **kw):\n{body}  lam.invoke(**{passed})\n{calls}")

    assert (get_sites(found), found.unresolved) == (["call b", "fire a"], ())


@pytest.mark.parametrize(
    ("body", "sites"),
    [
        ("  p = {'FunctionName': n}\n  p.update(o)\n", ["undecided a"]),
        ("  p = dict(o)\n  p.update(FunctionName=n, InvocationType='Event')\n", ["fire a"]),
        ("  p = {'FunctionName': n, 'InvocationType': 'Event'}\n  p.update(o)\n", ["undecided a"]),
        ("  p = {'FunctionName': n, 'InvocationType': 'Event'}\n  p |= o\n", ["undecided a"]),
        ("  p = {'InvocationType': 'Event', **o}\n  p['FunctionName'] = n\n", ["undecided a"]),
        ("  p = dict(InvocationType='Event', **o)\n  p['FunctionName'] = n\n", ["undecided a"]),
        ("  p = {'InvocationType': 'Event'} | o\n  p['FunctionName'] = n\n", ["undecided a"]),
        ("  p = {'InvocationType': 'Event'}\n  p.update(load())\n  p['FunctionName'] = n\n", ["undecided a"]),
        ("  p = {'InvocationType': 'Event'}\n  if o: p.update(o)\n  p['FunctionName'] = n\n", ["undecided a"]),
        (
            "  p = {'InvocationType': 'DryRun'}\n  p.update(o)\n  p.update(FunctionName=n, InvocationType='Event')\n",
            ["fire a"],
        ),
    ],
)
def test_an_unknown_mapping_that_is_added_is_not_assumed_empty(survey_code, body: str, sites: list[str]):
    """It may have a mode, unless that is set afterwards."""
    code = f"{HEAD}def send(n, o):\n{body}  p['Qualifier'] = None\n  lam.invoke(**p)\ndef f(event): send('a', event)"
    found = survey_code(code)

    assert [f"{one.mode.value} {one.function}" for one in found.calls] == sites


@pytest.mark.parametrize(
    "code",
    [
        "P = {'FunctionName': 'a', 'InvocationType': 'Event'}\nP.update(load())\ndef f(): lam.invoke(**P)",
        "def f(late):\n  p = {'FunctionName': 'a', 'InvocationType': 'Event'} if late else load()\n  lam.invoke(**p)",
        "class C:\n  def __init__(self, o):\n    self.p = {'FunctionName': 'a', 'InvocationType': 'Event'}\n"
        "    self.p.update(o)\n  def f(self): lam.invoke(**self.p)",
    ],
)
def test_a_mode_beside_an_unknown_mapping_is_undecided(survey_code, code: str):
    """In a module and in an object the order of the statements is not known."""
    told = survey_code(HEAD + code).unresolved

    assert {(one.mode, one.callee) for one in told} == {(CallMode.UNDECIDED, "a")}


@pytest.mark.parametrize(
    "code",
    [
        "def f(names):\n  n = 'svc'\n  for one in names: n += one\n  lam.invoke(FunctionName=n)",
        "class C:\n  n = 'svc'\n  n += x\n  def f(self): lam.invoke(FunctionName=self.n)",
        "def f(event):\n  for n, k in event['jobs']: lam.invoke(FunctionName=n, InvocationType=k)",
        "def f():\n  for n, *rest in [('a', 'b'), ('c', 'd')]: lam.invoke(FunctionName=rest)",
    ],
)
def test_what_changes_without_end_is_reported(survey_code, code: str):
    """Its value depends on how often the code runs."""
    assert len(survey_code(HEAD + code).unresolved) == 1
