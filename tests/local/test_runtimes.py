"""Runtimes other than Python: which Node.js client runs, and executables called bootstrap."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.local import _runtimes_node as node_runtime

PROVIDED: Final = Path(__file__).parent / "functions" / "provided"
OURS: Final = Path(node_runtime.__file__).parent / "node" / "bootstrap.mjs"


def _package(directory: Path, *, built: bool = True) -> Path:
    package = directory / "node_modules" / "aws-lambda-ric"
    for name in ("bin/index.mjs", *(["dist/rapid-client.node"] if built else [])):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    return package


def _client(directory: Path, **host: str) -> Path:
    function = LocalFunction("node", "app.handler", runtime="nodejs", directory=directory)
    return node_runtime.find_client(function, host)


def test_a_function_is_run_by_the_client_it_has_installed(tmp_path: Path):
    """The nearest one, in its directory or its parents."""
    (tmp_path / "functions" / "orders").mkdir(parents=True)
    package = _package(tmp_path)

    assert _client(tmp_path / "functions" / "orders") == package / "bin" / "index.mjs"


def test_a_client_may_be_named_for_all_functions(tmp_path: Path):
    """By a variable, for functions that have none installed."""
    own, named = _package(tmp_path / "own"), _package(tmp_path / "named")

    assert _client(tmp_path, LAMBDACHAIN_NODE_RIC=str(named)) == named / "bin" / "index.mjs"
    assert _client(tmp_path / "own", LAMBDACHAIN_NODE_RIC=str(named)) == own / "bin" / "index.mjs"


def test_a_client_that_is_not_built_is_skipped(tmp_path: Path):
    """Its native addon may have been skipped by npm."""
    _package(tmp_path, built=False)

    assert _client(tmp_path) == OURS


def test_a_configured_client_that_is_missing_is_an_error_with_a_fix(tmp_path: Path, monkeypatch):
    """In one line, which names the function and the variable."""
    monkeypatch.setenv("LAMBDACHAIN_NODE_RIC", str(tmp_path))
    with pytest.raises(ValueError, match=r"^function 'orders': LAMBDACHAIN_NODE_RIC=.*: install it with npm.*$"):
        LocalEndpoint([LocalFunction("orders", "app.handler", runtime="nodejs", directory=tmp_path)])


def test_without_node_there_is_an_error_with_a_fix(tmp_path: Path, monkeypatch):
    """Before anything is served."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LAMBDACHAIN_NODE_RIC", raising=False)
    with pytest.raises(ValueError, match=r"^function 'orders': runtime 'nodejs' needs Node\.js 18 or later, and no"):
        LocalEndpoint([LocalFunction("orders", "app.handler", runtime="nodejs", directory=tmp_path)])


@pytest.mark.parametrize("says", ["v16.20.2", "not a version"])
def test_a_node_that_is_too_old_is_refused(says: str, tmp_path: Path, monkeypatch):
    """The message has the reported version."""
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{says}'\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("LAMBDACHAIN_NODE_RIC", raising=False)
    with pytest.raises(ValueError, match=rf"needs Node\.js 18 or later; .*'{says}'"):
        LocalEndpoint([LocalFunction("orders", "app.handler", runtime="nodejs", directory=tmp_path)])


def test_any_executable_that_implements_the_runtime_api_is_a_function(client_of: Callable[[LocalEndpoint], Any]):
    """Responses, failures and crashes are as in any other."""
    function = LocalFunction("custom", "anything at all", runtime="provided", directory=PROVIDED)
    with LocalEndpoint([function]) as endpoint:
        client = client_of(endpoint)

        def call(event: object) -> tuple[bool, Any]:
            response = client.invoke(FunctionName="custom", Payload=json.dumps(event))
            return "FunctionError" in response, json.load(response["Payload"])

        assert call({"n": 1}) == (False, {"handler": "anything at all", "event": {"n": 1}})
        assert call("fail") == (True, {"errorType": "Bootstrap.Failed", "errorMessage": "as told"})
        failed, crash = call("exit")
        assert (failed, crash["errorType"]) == (True, "Runtime.ExitError")
        assert crash["errorMessage"].endswith("Runtime exited with error: exit status 3")
        assert call(2) == (False, {"handler": "anything at all", "event": 2})


def test_a_directory_without_a_bootstrap_is_refused(tmp_path: Path):
    """Before anything is served, with the path."""
    with pytest.raises(ValueError, match=r"^function 'custom': runtime 'provided' runs the executable .*/bootstrap'"):
        LocalEndpoint([LocalFunction("custom", "x", runtime="provided", directory=tmp_path)])


def test_a_bootstrap_that_is_not_executable_is_refused_with_the_fix(tmp_path: Path):
    """The message has the command."""
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match=r"^function 'custom': .*/bootstrap' is not executable: run chmod \+x on it$"):
        LocalEndpoint([LocalFunction("custom", "x", runtime="provided", directory=tmp_path)])
