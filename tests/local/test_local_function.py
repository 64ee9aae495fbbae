"""Valid and invalid declarations of functions."""

from __future__ import annotations

import re
import sys
import venv
from datetime import timedelta

import pytest

from lambdachain.local import EventConfig, LocalEndpoint, LocalFunction, LocalVersion

BAD = [
    pytest.param({"name": ""}, "function '': a name must have 1 to 64 letters, digits, '-', '_' and '.'", id="no name"),
    pytest.param(
        {"name": "or ders"}, "function 'or ders': a name must have 1 to 64 letters, digits, '-', '_' and '.'", id="name"
    ),
    pytest.param(
        {"name": "orders:live"},
        "function 'orders:live': a name must have 1 to 64 letters, digits, '-', '_' and '.'",
        id="alias",
    ),
    pytest.param(
        {"handler": "nodots"},
        "function 'orders': handler 'nodots' is not 'module.function', such as 'nodots.handler'",
        id="no dots",
    ),
    pytest.param(
        {"handler": "app."},
        "function 'orders': handler 'app.' is not 'module.function', such as 'app.handler'",
        id="no function",
    ),
    pytest.param(
        {"timeout": 0}, "function 'orders': timeout must be more than 0 and at most 900 seconds, not 0", id="no time"
    ),
    pytest.param(
        {"timeout": 901}, "function 'orders': timeout must be more than 0 and at most 900 seconds, not 901", id="time"
    ),
    pytest.param({"memory": 64}, "function 'orders': memory must be 128 to 10240 MB, not 64", id="memory"),
    pytest.param(
        {"reserved_concurrency": -1},
        "function 'orders': reserved_concurrency must be 0 or more, not -1",
        id="concurrency",
    ),
    pytest.param({"max_sandboxes": 0}, "function 'orders': max_sandboxes must be 1 or more, not 0", id="sandboxes"),
    pytest.param(
        {"environment": {"_HANDLER": "x", "AWS_REGION": "y"}},
        "function 'orders': environment sets AWS_REGION, _HANDLER, which Lambda reserves",
        id="reserved variable",
    ),
    pytest.param(
        {"environment": {"PORT": 8080}},
        "function 'orders': environment variable 'PORT' must be text, not int",
        id="variable",
    ),
]


WRONG_KINDS = [
    ({"name": 7}, "function 7: name must be text, not int"),
    ({"handler": print}, "handler must be text, not builtin_function_or_method"),
    ({"timeout": "5"}, "timeout must be a number, not str"),
    ({"timeout": True}, "timeout must be a number, not bool"),
    ({"timeout": timedelta(seconds=3)}, "timeout must be a number, not timedelta"),
    ({"memory": "128"}, "memory must be a whole number, not str"),
    ({"memory": 128.5}, "memory must be a whole number, not float"),
    ({"environment": ["TOKEN=secret"]}, "environment must be a mapping, not list"),
    ({"environment": {1: "secret"}}, "environment variable 1 is not a valid name"),
    ({"environment": {"A=B": "secret"}}, "environment variable 'A=B' is not a valid name"),
    ({"environment": {"A": "secret\0"}}, "environment variable 'A' contains a null character"),
    ({"directory": None}, "directory must be a path, not NoneType"),
    ({"reserved_concurrency": "5"}, "reserved_concurrency must be a whole number, not str"),
    ({"max_sandboxes": 1.5}, "max_sandboxes must be a whole number, not float"),
    ({"versions": ["1"]}, "versions must be a mapping, not list"),
    ({"versions": {1: LocalVersion()}}, "versions: 1 must be text, not int"),
    ({"versions": {"1": "secret"}}, "versions: '1' must be a LocalVersion, not str"),
    ({"versions": {"1": LocalVersion(timeout="5")}}, "timeout must be a number, not str"),
    ({"aliases": {"live": 1}}, "aliases: 'live' must be a LocalAlias or a version, not int"),
    ({"events": {}}, "events must be an EventConfig, not dict"),
    ({"events": EventConfig}, "events must be an EventConfig, not the class EventConfig"),
    ({"python": 3.11}, "python must be a path, not float"),
    ({"tenant_isolation": "yes"}, "tenant_isolation must be True or False, not str"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG_KINDS)
def test_fields_of_the_wrong_type(fields, message):
    """The message names the field and the type, never the value."""
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        LocalFunction(**{"name": "orders", "handler": "app.handler", **fields})

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("fields", [{"max_age": "60"}, {"max_retries": True}, {"on_failure": 7}])
def test_events_of_the_wrong_type(fields):
    """Like those of a function."""
    with pytest.raises(ValueError, match=f"events: {next(iter(fields))} must be"):
        EventConfig(**fields)


ONE = LocalFunction("orders", "app.handler")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"functions": ONE}, "functions must be a list: LocalEndpoint([function])"),
        ({"functions": LocalFunction}, "functions must be a list of LocalFunction, not the class LocalFunction"),
        ({"functions": ["orders"]}, "str is not a LocalFunction"),
        ({"functions": {"orders": "app.handler"}}, "str is not a LocalFunction"),
        ({"host": None}, "host must be text, not NoneType"),
        ({"port": "9001"}, "port must be a whole number, not str"),
        ({"port": 99999}, "port must be 0 to 65535, not 99999"),
        ({"queue": 7}, "queue must be a path, not int"),
        ({"services": "sqs"}, "services must be a mapping, not str"),
        ({"services": {"sqs": 7}}, "services: the address of 'sqs' must be text, not int"),
        ({"allowed_hosts": 7}, "allowed_hosts: each must be text, not int"),
        ({"allowed_hosts": ["a", 7]}, "allowed_hosts: each must be text, not int"),
        ({"observer": 7}, "observer must be a function, not int"),
        ({"random": 7}, "random must be a random.Random, not int"),
        ({"concurrency": "5"}, "concurrency must be a whole number, not str"),
        ({"concurrency": True}, "concurrency must be a whole number, not bool"),
    ],
)
def test_endpoint_arguments_of_the_wrong_type(arguments, message):
    """Before it listens."""
    with pytest.raises(ValueError, match=re.escape(message)):
        LocalEndpoint(**{"functions": [ONE], **arguments})


@pytest.mark.parametrize("change", [LocalEndpoint.add, LocalEndpoint.replace])
def test_only_functions_can_be_added(change):
    """As at the start."""
    with pytest.raises(ValueError, match="str is not a LocalFunction"):
        change(LocalEndpoint([ONE]), "orders")


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_bad_function(fields, message):
    """A malformed function is refused when it is declared, in one line that names it."""
    with pytest.raises(ValueError) as caught:
        LocalFunction(**{"name": "orders", "handler": "app.handler", **fields})

    assert message == str(caught.value)


def test_values():
    """Functions are values: equal by their fields, hashable, and without their environment in repr()."""
    one = LocalFunction("orders", "app.handler", environment={"TOKEN": "canary-51c0"})
    two = LocalFunction("orders", "app.handler", environment={"TOKEN": "canary-51c0"})

    assert (one, hash(one)) == (two, hash(two))
    assert "canary-51c0" not in repr(one)


def test_environment_is_a_copy():
    """Changing the mapping afterwards changes nothing."""
    environment = {"STAGE": "test"}
    function = LocalFunction("orders", "app.handler", environment=environment)
    environment["STAGE"] = "other"

    assert {"STAGE": "test"} == dict(function.environment)


def test_no_functions():
    """An endpoint without functions is refused."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([])

    assert "no functions to serve: pass LocalEndpoint at least one LocalFunction" == str(caught.value)


def test_name_twice(tmp_path):
    """Two functions of the same name are rejected."""
    function = LocalFunction("orders", "app.handler", directory=tmp_path)
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([function, function])

    assert "function 'orders': declared twice; names must be unique" == str(caught.value)


def test_directory_missing(tmp_path):
    """A missing directory is named."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([LocalFunction("orders", "app.handler", directory=tmp_path / "gone")])

    assert f"function 'orders': directory '{tmp_path / 'gone'}' does not exist" == str(caught.value)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        pytest.param(
            "no-such-python", "function 'orders': interpreter 'no-such-python' cannot be started: ", id="missing"
        ),
        pytest.param("false", "function 'orders': interpreter 'false' cannot be started: exit status 1", id="fails"),
    ],
)
def test_bad_interpreter(tmp_path, python, message):
    """An interpreter that cannot run the runtime client is refused before anything is served."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([LocalFunction("orders", "app.handler", directory=tmp_path, python=python)])

    assert str(caught.value).startswith(message)


def test_interpreter_without_the_runtime_client(tmp_path):
    """The command that installs it is in the message."""
    venv.create(tmp_path / "empty")
    python = str(tmp_path / "empty" / "bin" / "python")
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([LocalFunction("orders", "app.handler", directory=tmp_path, python=python)])

    advice = f"run {python} -m pip install awslambdaric"
    assert f"function 'orders': interpreter {python!r} does not have awslambdaric: {advice}" == str(caught.value)


def test_other_interpreter(tmp_path, client_of):
    """A function may have its own interpreter, and its environment names the matching runtime."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n    return os.environ['AWS_EXECUTION_ENV']"
    )
    function = LocalFunction("orders", "app.handler", directory=tmp_path, python=str(python), timeout=30)
    with LocalEndpoint([function]) as endpoint:
        runtime = client_of(endpoint).invoke(FunctionName="orders")["Payload"].read().decode()

    assert f'"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}"' == runtime
