"""A ``lambdachain.toml`` has the names of `LocalFunction`; a wrong setting is reported by its key."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import TemplateError
from lambdachain.local import EventConfig, LocalAlias, LocalFunction, LocalVersion
from lambdachain.local._definitions._arguments import parse_arguments
from lambdachain.local._definitions._env_file import parse_env_file
from lambdachain.local._definitions._sources import find_files, read_system
from tests.templates.readers import AWS, SYSTEMS, diagnostics, functions, parse, read


def test_file_may_have_every_setting_of_a_function():
    """And defaults for all functions, and services."""
    system = read_system(SYSTEMS / "lambdachain.toml", TemplateContext(AWS))
    served = functions(system.declarations)
    orders, charge = served["orders"], served["charge"]

    assert diagnostics(system.declarations) == []
    assert system.services == {"sqs": "http://127.0.0.1:5000"}
    assert (orders.timeout, orders.environment) == (10, {"STAGE": "test", "TABLE": "orders"})
    assert (charge.timeout, charge.memory, charge.reserved_concurrency) == (3, 256, 5)
    assert charge.versions == {"1": LocalVersion(directory=SYSTEMS / "charge-1"), "2": LocalVersion()}
    assert charge.aliases == {"live": LocalAlias("1"), "canary": LocalAlias("1", routing={"2": 0.1})}
    assert charge.events == EventConfig(max_retries=0, on_failure="arn:aws:sqs:us-east-1:123456789012:failures")


GOOD = '[functions.good]\nhandler = "app.handler"\n'
WRONG = {
    'handler = "app"': "handler: handler 'app' is not 'module.function', such as 'app.handler'",
    "timeout = 3": ": no handler",
    'handler = "a.b"\ntimout = 3': "timout: unknown setting; did you mean 'timeout'?",
    'handler = "a.b"\ntimeout = "long"': "timeout: must be a number, not 'long'",
    'handler = "a.b"\nmemory = 1': "memory: memory must be 128 to 10240 MB, not 1",
    'handler = "a.b"\nruntime = "ruby"': (
        "runtime: runtime 'ruby' cannot be served: only python, nodejs and provided can"
    ),
    'handler = "a.b"\nenvironment = 5': "environment: must be a table",
    'handler = "a.b"\nenvironment = { A = 5 }': "environment: environment variable 'A' must be text, not int",
    'handler = "a.b"\nevents = { retries = 5 }': ("events.retries: unknown setting; did you mean 'max_retries'?"),
    'handler = "a.b"\nevents = { max_retries = 5 }': "events: events: max_retries must be 0 to 2, not 5",
    'handler = "a.b"\naliases = { live = "7" }': "aliases: alias 'live' points to version '7', which is not declared",
    'handler = "a.b"\naliases = { live = { to = "7" } }': (
        "aliases.live.to: unknown setting; the settings are version, routing"
    ),
    'handler = "a.b"\nversions = { 1 = { code = "x" } }': (
        f"versions.1.code: unknown setting; the settings are {', '.join(each.name for each in fields(LocalVersion))}"
    ),
}


@pytest.mark.parametrize(("body", "line"), WRONG.items(), ids=WRONG)
def test_invalid_function_is_reported_and_the_other_is_served(body: str, line: str):
    """With the path of the key that is wrong."""
    declarations = parse(f"[functions.bad]\n{body}\n{GOOD}", "lambdachain.toml")
    expected = f"lambdachain.toml: functions.bad{line if line.startswith(':') else f'.{line}'}"

    assert diagnostics(declarations) == [expected]
    assert list(functions(declarations)) == ["good"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "lambdachain.toml: no functions: add a table for each, such as [functions.orders]"),
        ("[function.a]", "lambdachain.toml: function: unknown setting; did you mean 'functions'?"),
        ("[functions]\na = 5", "lambdachain.toml: functions.a: must be a table"),
        ("[functions.a]\n[functions.a]", "lambdachain.toml: not valid TOML: Cannot declare ('functions', 'a') twice"),
    ],
)
def test_invalid_file_is_reported(text: str, line: str):
    """Nothing is served then."""
    assert diagnostics(parse(text, "lambdachain.toml"))[0].startswith(line)


def test_reference_documents_every_setting():
    """Of `LocalFunction`."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "serve.md").read_text()

    assert [each.name for each in fields(LocalFunction) if f"`{each.name}`" not in page and each.name != "name"] == []


def test_argument_has_the_directory_before_its_last_slash():
    """Relative to the current directory, or absolute."""
    declarations = parse_arguments(["a=app.handler", "b=code/b/app.main.handler", "c=/abs/app.handler"], Path("/here"))
    served = functions(declarations)

    assert diagnostics(declarations) == []
    assert {name: (str(each.directory), each.handler) for name, each in served.items()} == {
        "a": ("/here", "app.handler"),
        "b": ("/here/code/b", "app.main.handler"),
        "c": ("/abs", "app.handler"),
    }


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a="], "argument 'a=': not of the form NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler"),
        (
            ["=app.handler"],
            "argument '=app.handler': not of the form NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler",
        ),
        (["a=app"], "argument 'a=app': handler 'app' is not 'module.function', such as 'app.handler'"),
        (["a b=app.handler"], "argument 'a b=app.handler': a name must have 1 to 64 letters, digits, '-', '_' and '.'"),
        (
            ["a=x.handler", "a=y.handler"],
            "argument 'a=y.handler': duplicate function 'a': argument 'a=x.handler' is served instead",
        ),
    ],
)
def test_invalid_argument_is_reported(arguments: list[str], line: str):
    """The message quotes the argument."""
    assert diagnostics(parse_arguments(arguments, Path())) == [line]


def test_env_file_is_parsed_as_dotenv_does():
    """References inside values are not replaced."""
    text = "# local\nexport A=1\nB = 'two words'\nC=\"x\\ny\"\n\nD=$A ${A}\nE=\n"

    assert parse_env_file(text, ".env") == {"A": "1", "B": "two words", "C": "x\ny", "D": "$A ${A}", "E": ""}


@pytest.mark.parametrize(("text", "line"), [("A=1\nB\n", 2), ("A='x\n", 1)])
def test_invalid_line_of_an_env_file_is_reported_by_its_number(text: str, line: int):
    """Its content may be a secret."""
    with pytest.raises(TemplateError) as caught:
        parse_env_file(text, ".env")

    assert str(caught.value.to_diagnostic()) == f".env:{line}: not of the form NAME=VALUE"


def test_files_are_found_in_their_order_of_precedence(tmp_path: Path):
    """``lambdachain.toml`` before a template, and a template before a ``serverless.yml``."""
    for name in ("serverless.yml", "template.yaml", "lambdachain.toml", "other.yaml"):
        (tmp_path / name).write_text("")

    found = find_files(tmp_path)
    assert [path.name for path in found.files] == ["lambdachain.toml"]
    assert [path.name for path in found.others] == ["template.yaml", "serverless.yml"]


def test_missing_file_is_reported():
    """The message names the file."""
    assert diagnostics(read(SYSTEMS / "nothing.yaml"))[0].endswith("nothing.yaml: no such file")
