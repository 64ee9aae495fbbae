"""``AWS_LAMBDA_EXEC_WRAPPER``, and the variables of Lambda's environment, for every runtime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction

PYTHON = "import os, sys\ndef handler(event, context):\n    return dict(os.environ)\n"
PYTHON += "def other(event, context):\n    return {'other': os.environ['ORIG_HANDLER']}\n"
NODE = "exports.handler = async () => ({...process.env});\n"
NODE += "exports.other = async () => ({ other: process.env.ORIG_HANDLER });\n"
PROVIDED = """#!/usr/bin/env python3
import json, os, urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{api}/next") as work:
        name = work.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(f"{api}/{name}/response", json.dumps(dict(os.environ)).encode()).close()
"""
WRAPPER = '#!/bin/sh\nexport WRAPPED="$#"\nexport WRAPPED_AS="$1"\nexec "$@"\n'
NODE_IS_HERE = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
RUNTIMES = [
    "python",
    pytest.param("nodejs", marks=NODE_IS_HERE),
    "provided",
]


@pytest.fixture(name="ask")
def _ask(tmp_path, client_of):
    """Call a function that returns its variables, after each of *wrappers* was written."""

    def write(name, text, mode):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def ask(runtime, wrapper=None, mode=0o755, text=WRAPPER, name="wrapper.sh"):
        write("app.py", PYTHON, 0o644)
        write("app.js", NODE, 0o644)
        write("bootstrap", PROVIDED, 0o755)
        if mode:
            write(name, text, mode)
        environment = {"AWS_LAMBDA_EXEC_WRAPPER": wrapper} if wrapper is not None else {}
        function = LocalFunction(
            "f", "app.handler", runtime=runtime, directory=tmp_path, environment=environment, timeout=30
        )
        with LocalEndpoint([function]) as endpoint:
            response = client_of(endpoint).invoke(FunctionName="f", Payload=b"{}", LogType="Tail")
            return json.load(response["Payload"])

    return ask


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_variables_of_lambdas_environment(ask, runtime):
    """Those of X-Ray point to a daemon on this machine, if there is one."""
    variables = ask(runtime)

    assert {name: variables.get(name) for name in variables if "XRAY" in name or name == "LAMBDA_RUNTIME_DIR"} == {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }


@pytest.mark.parametrize("wrapper", ["{}/wrapper.sh", "/var/task/wrapper.sh", "./wrapper.sh", "wrapper.sh"])
@pytest.mark.parametrize("runtime", RUNTIMES[:2])
def test_a_wrapper_starts_the_runtime(ask, tmp_path, runtime, wrapper):
    """It receives the runtime's command line; /var/task is the function's directory."""
    variables = ask(runtime, wrapper.format(tmp_path))

    assert int(variables["WRAPPED"]) >= 2
    assert Path(variables["WRAPPED_AS"]).name.startswith("python" if runtime == "python" else "node")
    assert variables["_HANDLER"] == "app.handler"


def test_a_wrapper_that_names_no_interpreter(ask, tmp_path):
    """It is run as a shell script; its name may contain spaces."""
    variables = ask(
        "python", f"{tmp_path}/my tools/wrap it.sh", text=WRAPPER.partition("\n")[2], name="my tools/wrap it.sh"
    )

    assert variables["WRAPPED"] == "2"


@pytest.mark.parametrize("runtime", RUNTIMES[:2])
def test_a_wrapper_that_changes_the_handler(ask, runtime):
    """As those of OpenTelemetry and Datadog do, which load their own first."""
    wrapper = '#!/bin/sh\nexport ORIG_HANDLER="$_HANDLER"\nexport _HANDLER=app.other\nexec "$@"\n'

    assert ask(runtime, "wrapper.sh", text=wrapper) == {"other": "app.handler"}


@pytest.mark.parametrize(
    ("runtime", "option"), [("python", "-B"), pytest.param("nodejs", "--no-warnings", marks=NODE_IS_HERE)]
)
def test_a_wrapper_that_adds_an_option(ask, runtime, option):
    """Before the last argument, as the example of Lambda's documentation does."""
    wrapper = f'#!/bin/bash\nexport ADDED=1\nexec "${{@:1:$#-1}}" {option} "${{@: -1}}"\n'

    assert ask(runtime, "wrapper.sh", text=wrapper)["ADDED"] == "1"


@pytest.mark.parametrize(
    ("wrapper", "mode", "status"),
    [
        pytest.param("/var/task/missing.sh", 0o755, 127, id="missing"),
        pytest.param("/opt/no-such-layer/wrapper", 0o755, 127, id="of a layer that is not here"),
        pytest.param("/var/task", 0o755, 127, id="a directory"),
        pytest.param("/var/task/wrapper.sh", 0o644, 126, id="not executable"),
    ],
)
@pytest.mark.parametrize("runtime", RUNTIMES[:2])
def test_a_wrapper_that_cannot_run(ask, runtime, wrapper, mode, status):
    """The process exits before it loads anything, with the shell's status (127 is recorded)."""
    error = ask(runtime, wrapper, mode)

    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f" Error: Runtime exited with error: exit status {status}")


@pytest.mark.parametrize("wrapper", ["", "/var/task/missing.sh"])
def test_no_wrapper(ask, wrapper):
    """An empty variable means none; an OS-only runtime is never wrapped, as on AWS."""
    assert "WRAPPED" not in ask("python" if not wrapper else "provided", wrapper)
