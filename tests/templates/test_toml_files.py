"""``lambdachain.toml`` has `LocalFunction`'s own names, and says where a wrong one stands."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lambdachain._templates.problem import TemplateError
from lambdachain._templates.surroundings import Surroundings
from lambdachain.local import EventConfig, LocalAlias, LocalFunction, LocalVersion
from lambdachain.local._definitions._arguments import read_arguments
from lambdachain.local._definitions._env_file import read_env_file
from lambdachain.local._definitions._sources import find_files, read_file
from tests.templates.reading import PLACE, SYSTEMS, functions, problems, read, read_system


def test_everything_that_a_function_may_have_can_be_written():
    """Defaults for all, versions, aliases, events, services."""
    system = read_file(SYSTEMS / "lambdachain.toml", Surroundings(PLACE))
    served = functions(system.reading)
    orders, charge = served["orders"], served["charge"]

    assert problems(system.reading) == []
    assert system.services == {"sqs": "http://127.0.0.1:5000"}
    assert (orders.timeout, orders.environment) == (10, {"STAGE": "test", "TABLE": "orders"})
    assert (charge.timeout, charge.memory, charge.reserved_concurrency) == (3, 256, 5)
    assert charge.versions == {"1": LocalVersion(directory=SYSTEMS / "charge-1"), "2": LocalVersion()}
    assert charge.aliases == {"live": LocalAlias("1"), "canary": LocalAlias("1", routing={"2": 0.1})}
    assert charge.events == EventConfig(max_retries=0, on_failure="arn:aws:sqs:us-east-1:123456789012:failures")


GOOD = '[functions.good]\nhandler = "app.handler"\n'
WRONG = {
    'handler = "app"': "handler: handler 'app' is not 'module.function'",
    "timeout = 3": ": no handler",
    'handler = "a.b"\ntimout = 3': "timout: there is no such setting; did you mean 'timeout'?",
    'handler = "a.b"\ntimeout = "long"': "timeout: must be a number, not 'long'",
    'handler = "a.b"\nmemory = 1': "memory: memory must be 128 to 10240 MB, not 1",
    'handler = "a.b"\nruntime = "ruby"': "runtime: runtime 'ruby' is not served here: python, nodejs and provided are",
    'handler = "a.b"\nenvironment = 5': "environment: must be a table",
    'handler = "a.b"\nenvironment = { A = 5 }': "environment: environment variable 'A' must be text, not int",
    'handler = "a.b"\nevents = { retries = 5 }': (
        "events.retries: there is no such setting; did you mean 'max_retries'?"
    ),
    'handler = "a.b"\nevents = { max_retries = 5 }': "events: events: max_retries must be 0 to 2, not 5",
    'handler = "a.b"\naliases = { live = "7" }': "aliases: alias 'live' points to version '7', which is not declared",
    'handler = "a.b"\naliases = { live = { to = "7" } }': (
        "aliases.live.to: there is no such setting; known are version, routing"
    ),
    'handler = "a.b"\nversions = { 1 = { code = "x" } }': (
        f"versions.1.code: there is no such setting; known are {', '.join(each.name for each in fields(LocalVersion))}"
    ),
}


@pytest.mark.parametrize(("body", "line"), WRONG.items(), ids=WRONG)
def test_a_function_that_cannot_be_served_is_told_of_and_the_other_is_served(body: str, line: str):
    """With the way to the very key."""
    reading = read(f"[functions.bad]\n{body}\n{GOOD}", "lambdachain.toml")
    expected = f"lambdachain.toml: functions.bad{line if line.startswith(':') else f'.{line}'}"

    assert problems(reading) == [expected]
    assert list(functions(reading)) == ["good"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "lambdachain.toml: no functions: each is a table such as [functions.orders]"),
        ("[function.a]", "lambdachain.toml: function: there is no such setting; did you mean 'functions'?"),
        ("[functions]\na = 5", "lambdachain.toml: functions.a: must be a table"),
        ("[functions.a]\n[functions.a]", "lambdachain.toml: not TOML: Cannot declare ('functions', 'a') twice"),
    ],
)
def test_a_file_that_is_wrong_altogether_is_told_of(text: str, line: str):
    """In one line, or a line each."""
    assert problems(read(text, "lambdachain.toml"))[0].startswith(line)


def test_the_documentation_of_the_format_is_complete():
    """Every setting of `LocalFunction` stands in the reference."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "serve.md").read_text()

    assert [each.name for each in fields(LocalFunction) if f"`{each.name}`" not in page and each.name != "name"] == []


def test_functions_on_the_command_line():
    """The directory is everything up to the last slash."""
    reading = read_arguments(["a=app.handler", "b=code/b/app.main.handler", "c=/abs/app.handler"], Path("/here"))
    served = functions(reading)

    assert problems(reading) == []
    assert {name: (str(each.directory), each.handler) for name, each in served.items()} == {
        "a": ("/here", "app.handler"),
        "b": ("/here/code/b", "app.main.handler"),
        "c": ("/abs", "app.handler"),
    }


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a="], "argument 'a=': a function is NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler"),
        (
            ["=app.handler"],
            "argument '=app.handler': a function is NAME=[DIRECTORY/]MODULE.FUNCTION, such as orders=app.handler",
        ),
        (["a=app"], "argument 'a=app': handler 'app' is not 'module.function'"),
        (["a b=app.handler"], "argument 'a b=app.handler': a name must have 1 to 64 letters, digits, '-', '_' and '.'"),
        (
            ["a=x.handler", "a=y.handler"],
            "argument 'a=y.handler': function 'a' is declared twice: argument 'a=x.handler' is the one that is served",
        ),
    ],
)
def test_a_wrong_argument_is_told_of(arguments: list[str], line: str):
    """With the argument."""
    assert problems(read_arguments(arguments, Path())) == [line]


def test_variables_come_from_an_env_file():
    """As dotenv writes them; nothing in them is replaced."""
    text = "# local\nexport A=1\nB = 'two words'\nC=\"x\\ny\"\n\nD=$A ${A}\nE=\n"

    assert read_env_file(text, ".env") == {"A": "1", "B": "two words", "C": "x\ny", "D": "$A ${A}", "E": ""}


@pytest.mark.parametrize(("text", "line"), [("A=1\nB\n", 2), ("A='x\n", 1)])
def test_a_wrong_line_of_an_env_file_is_named(text: str, line: int):
    """By its number, not by what it contains."""
    with pytest.raises(TemplateError) as caught:
        read_env_file(text, ".env")

    assert str(caught.value.problem()) == f".env:{line}: not of the form NAME=VALUE"


def test_the_first_of_the_files_that_are_here_describes_the_system(tmp_path: Path):
    """The project's own before a template, a template before a serverless.yml."""
    for name in ("serverless.yml", "template.yaml", "lambdachain.toml", "other.yaml"):
        (tmp_path / name).write_text("")

    assert [path.name for path in find_files(tmp_path)] == ["lambdachain.toml", "template.yaml", "serverless.yml"]


def test_a_file_that_is_not_there_is_told_of():
    """By its name."""
    assert problems(read_system("nothing.yaml"))[0].endswith("nothing.yaml: no such file")
