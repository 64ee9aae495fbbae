"""What may be declared and what may not."""

from __future__ import annotations

import sys

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction

BAD = [
    pytest.param({"name": ""}, "function '': a name is 1 to 64 letters, digits, '-', '_' and '.'", id="no name"),
    pytest.param(
        {"name": "or ders"}, "function 'or ders': a name is 1 to 64 letters, digits, '-', '_' and '.'", id="name"
    ),
    pytest.param(
        {"name": "orders:live"},
        "function 'orders:live': a name is 1 to 64 letters, digits, '-', '_' and '.'",
        id="alias",
    ),
    pytest.param(
        {"handler": "nodots"}, "function 'orders': handler 'nodots' is not of the form 'module.function'", id="no dots"
    ),
    pytest.param(
        {"handler": "app."}, "function 'orders': handler 'app.' is not of the form 'module.function'", id="no function"
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
        "function 'orders': environment sets AWS_REGION, _HANDLER, which Lambda reserves for itself",
        id="reserved variable",
    ),
    pytest.param(
        {"environment": {"PORT": 8080}},
        "function 'orders': environment variable 'PORT' must be text, not int",
        id="variable",
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_bad_function(fields, message):
    """A malformed function is refused where it is declared, in one line that names it."""
    with pytest.raises(ValueError) as caught:
        LocalFunction(**{"name": "orders", "handler": "app.handler", **fields})

    assert message == str(caught.value)


def test_values():
    """Functions are values: equal by their fields, hashable, and silent about their environment."""
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
    """An endpoint with nothing to serve is refused."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([])

    assert "no functions to serve: give LocalEndpoint at least one LocalFunction" == str(caught.value)


def test_name_twice(tmp_path):
    """Two functions of one name are refused."""
    function = LocalFunction("orders", "app.handler", directory=tmp_path)
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([function, function])

    assert "function 'orders': declared twice; every name needs to be used once" == str(caught.value)


def test_directory_missing(tmp_path):
    """A directory that is not there is named."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([LocalFunction("orders", "app.handler", directory=tmp_path / "gone")])

    assert f"function 'orders': directory '{tmp_path / 'gone'}' does not exist" == str(caught.value)


@pytest.mark.parametrize(
    ("python", "message"),
    [
        pytest.param(
            "no-such-python", "function 'orders': interpreter 'no-such-python' does not start: ", id="missing"
        ),
        pytest.param("false", "function 'orders': interpreter 'false' has no awslambdaric: false -m pip", id="without"),
    ],
)
def test_bad_interpreter(tmp_path, python, message):
    """An interpreter that cannot run the runtime client is refused before anything is served."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([LocalFunction("orders", "app.handler", directory=tmp_path, python=python)])

    assert str(caught.value).startswith(message)


def test_other_interpreter(tmp_path, client_of):
    """A function may be run by an interpreter of its own, and is told which runtime that is."""
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
