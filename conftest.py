"""Runs the examples in docstrings, and in the pages of ``examples``, against functions in real runtime processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

ROOT = Path(__file__).parent
EXAMPLE = ROOT / "examples" / "parent_child"

# What needs libraries that only the environment of `make integrations` has: the path, and the modules to be imported.
# tests/integrations/test_pages.py runs the pages and docstrings there; other runs name what they leave out.
INTEGRATIONS: Final = (
    ("docs/how-to/as-agent-tools.md", ("mcp", "pydantic_ai")),
    ("docs/how-to/call-http-apps.md", ("fastapi", "httpx", "mangum")),
    ("docs/how-to/observe.md", ("aws_xray_sdk", "ddtrace", "sentry_sdk")),
    ("docs/how-to/with-durable-functions.md", ("aws_durable_execution_sdk_python_testing",)),
    ("docs/how-to/with-other-libraries.md", ("fastapi", "vcr")),
    ("docs/how-to/with-powertools.md", ("aws_lambda_powertools", "moto")),
    ("src/lambdachain/agents/_mcp.py", ("mcp",)),
    ("src/lambdachain/agents/_pydantic_ai.py", ("pydantic_ai",)),
    ("src/lambdachain/datadog.py", ("ddtrace",)),
    ("src/lambdachain/durable.py", ("aws_durable_execution_sdk_python",)),
    ("src/lambdachain/httpx.py", ("httpx",)),
    ("src/lambdachain/powertools/_circuit_breaker.py", ("aws_lambda_powertools",)),
    ("src/lambdachain/powertools/_idempotency.py", ("aws_lambda_powertools",)),
    ("src/lambdachain/powertools/_logger.py", ("aws_lambda_powertools",)),
    ("src/lambdachain/sentry.py", ("sentry_sdk",)),
    ("src/lambdachain/xray.py", ("aws_xray_sdk",)),
    ("tests/integrations", ("celery", "ddtrace", "fastapi", "httpx", "mcp", "pydantic_ai", "sentry_sdk", "trio")),
)
_MISSING: Final = {
    ROOT / path: missing
    for path, modules in INTEGRATIONS
    if (missing := [each for each in modules if not find_spec(each)])
}
_left_out: dict[Path, list[str]] = {}

_BUILT: Final = {"node_modules", "build", "cdk.out", ".aws-sam"}
# Each example is a deployment of its own: Lambda imports its modules from the directory that they are in.
sys.path += sorted({str(path.parent) for path in (ROOT / "examples").glob("**/*.py") if not _BUILT & set(path.parts)})


@pytest.fixture(scope="session")
def example_functions() -> Iterator[str]:
    """Serve the functions that the documentation calls; yield the URL of the endpoint."""
    from lambdachain.local import LocalEndpoint, LocalFunction

    contracts = {"PYTHONPATH": str(EXAMPLE / "contracts")}
    child = LocalFunction("ChildFunction", "child_function.handler", directory=EXAMPLE / "child", environment=contracts)
    parent = LocalFunction(
        "ParentFunction", "parent_function.handler", directory=EXAMPLE / "parent", environment=contracts
    )
    with LocalEndpoint([child, parent]) as endpoint:
        yield endpoint.url


@pytest.fixture
def aws_environment(example_functions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make boto3, and so a plain ``LambdaClient()``, call those functions."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", example_functions)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def _forget_changes(_namespace: dict[str, Any]) -> None:
    for name in [name for name in os.environ if name.startswith("LAMBDACHAIN_")]:
        del os.environ[name]


# README and docs are followed by tests/project/test_pages.py and the tests that it names.
pages = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], patterns=["examples/**/*.md"])
docstrings = Sybil(
    parsers=[DocTestParser()],
    # One pattern for each depth: "**" matches exactly one folder, as in pathlib.PurePath.match().
    patterns=[f"src/lambdachain/{folders}*.py" for folders in ("", "*/", "*/*/", "*/*/*/")],
    document_types={".py": PythonDocStringDocument},
    fixtures=["aws_environment"],
    teardown=_forget_changes,
)
pytest_collect_file = (pages + docstrings).pytest()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what cannot be imported here; ``pytest_terminal_summary`` reports it."""
    if collection_path not in _MISSING:
        return None
    _left_out[collection_path] = _MISSING[collection_path]
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what this run has left out."""
    for path, missing in _left_out.items():
        needs = f"needs {', '.join(missing)}: `make integrations` runs it"
        terminalreporter.write_line(f"left out: {path.relative_to(ROOT)} {needs}", yellow=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the documentation's examples, so that a run can leave them out."""
    for item in items:
        if isinstance(item, SybilItem):
            item.add_marker(pytest.mark.docs)
