"""Names of functions from where people keep them: enums, settings, tables, modules and variables."""

from __future__ import annotations

import pytest

HEAD = "import boto3, enum, json, os\nlam = boto3.client('lambda')\n"
ENUM = "class K(enum.Enum):\n  A = 'fa'\n  B = 'fb'\n"


def call(name: str) -> str:
    """Return a function that calls what an expression names."""
    return f"def f(event): lam.invoke(FunctionName={name})"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (f"{ENUM}N = {{K.A: 'a', K.B: 'b'}}\n{call('N[K.A]')}", ["a"]),
        (f"{ENUM}N = {{K.A: 'a', K.B: 'b'}}\n{call('N.get(K.B)')}", ["b"]),
        (ENUM + call("K['A'].value"), ["fa"]),
        (ENUM + call("K[event['k']].value"), ["fa", "fb"]),
        (f"{ENUM}for k in K: lam.invoke(FunctionName=k.value)", ["fa", "fb"]),
        ("class K(enum.StrEnum):\n  MAIL = enum.auto()\n" + call("K.MAIL"), ["mail"]),
        ("N = {1: 'a', 2: 'b'}\n" + call("N[2]"), ["b"]),
        ("N = ('a', 'b')\n" + call("N[-1]"), ["b"]),
        ("from types import SimpleNamespace\nN = SimpleNamespace(mail='m')\n" + call("N.mail"), ["m"]),
        (call("'a,b'.split(',')[1]"), ["b"]),
        ("for n in os.environ['LIST'].split(','): lam.invoke(FunctionName=n)", ["a", "b"]),
        ("N = json.loads(os.environ['JSON'])\n" + call("N['x']['y'][0]"), ["deep"]),
        ("from decouple import config\n" + call("config('TARGET')"), ["worker"]),
        ("from environs import Env\nenv = Env()\n" + call("env.str('TARGET')"), ["worker"]),
        ("from environs import Env\nenv = Env()\n" + call("env('TARGET')"), ["worker"]),
        ("from pydantic_settings import BaseSettings\nfrom pydantic import Field\nclass S(BaseSettings):\n"
         "  name: str = Field(validation_alias='TARGET')\n" + call("S().name"), ["worker"]),
        ("from pydantic import BaseSettings, Field\nclass S(BaseSettings):\n  name: str = Field(..., env='TARGET')\n"
         + call("S().name"), ["worker"]),
    ],
)  # fmt: skip
def test_a_name_is_found_where_it_is_kept(survey_code, code: str, names: list[str]):
    """Exactly the entry that is read, and every entry where that is unknown."""
    found = survey_code(HEAD + code, TARGET="worker", LIST="a,b", JSON='{"x": {"y": ["deep"]}}')

    assert sorted(one.function for one in found.calls) == names
    assert found.unresolved == ()


def test_names_are_imported_through_modules_that_import_all_of_another(survey_code):
    """``from package import *``, whose own module does the same, also in a circle."""
    found = survey_code({
        "app.py": HEAD + "from conf import *\n" + call("TARGET"),
        "conf/__init__.py": "from .names import *\n",
        "conf/names.py": "from conf import *\nfrom .deep import *\n",
        "conf/deep.py": "TARGET = 'star'\n",
    })  # fmt: skip

    assert [one.function for one in found.calls] == ["star"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("from shop import names\n" + call("names.find('mail')"), "and no module 'shop' was found"),
        (call("os.environ['EMPTY']"), "it is empty: pass --parameter or --env"),
        ("N = json.loads(os.environ['TEXT'])\n" + call("N"), "it is parsed from a text that is not JSON"),
        ("N = json.loads(os.environ['NOT_SET'])\n" + call("N"), "add --env NOT_SET=VALUE"),
    ],
)
def test_the_reason_says_what_to_do(survey_code, code: str, reason: str):
    """Which module is missing, which variable has no value."""
    (why,) = (one.why for one in survey_code(HEAD + code, EMPTY="", TEXT="text").unresolved)

    assert reason in why


def test_the_mode_from_a_module_that_is_not_read_has_its_reason(survey_code):
    """An enum of a library is not guessed at."""
    found = survey_code(f"{HEAD}from shop import Kind\nlam.invoke(FunctionName='f', InvocationType=Kind.EVENT.value)")

    (undecided,) = found.undecided_modes
    assert undecided.why.endswith("shop.Kind.EVENT.value is not in the code that was read")


@pytest.mark.parametrize("library", ["tenacity", "backoff", "cachetools"])
def test_decorators_that_call_the_function_themselves_register_nothing(survey_code, library: str):
    """What retries a function, or keeps its results, passes on the arguments of its callers."""
    code = f"import {library}\n@{library}.x(3)\ndef send(name): lam.invoke(FunctionName=name)\ndef f(): send('a')"
    found = survey_code(HEAD + code)

    assert ([one.function for one in found.calls], found.unresolved) == (["a"], ())


def test_a_package_imports_its_own_module(survey_code):
    """The name of the package's file is that module, not itself."""
    files = {"shop/__init__.py": "from . import names\n", "shop/names.py": "MAIL = 'mail'\n"}
    code = f"{HEAD}import shop\nfrom shop import names as n\ndef f(): lam.invoke(FunctionName=shop.names.MAIL)\n"
    found = survey_code({**files, "app.py": f"{code}def g(): lam.invoke(FunctionName=n.MAIL)\n"})

    assert ([one.function for one in found.calls], found.unresolved) == (["mail", "mail"], ())
