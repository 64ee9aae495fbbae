"""The module itself: what importing it costs, and what it says where a library is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lambdachain.agents


def run(script: str) -> str:
    """Run a script in a process of its own; return what it prints."""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_importing_it_imports_no_library_of_agents():
    """Bedrock's part needs none."""
    script = "import lambdachain.agents, sys; print({'mcp', 'pydantic_ai', 'boto3', 'asyncio'} & set(sys.modules))"
    assert run(script) == "set()"


def test_a_missing_library_is_named_with_its_extra():
    """Where the function is imported."""
    for function, library, extra in (
        ("to_mcp_tool", "mcp", "mcp"),
        ("to_pydantic_ai_tool", "pydantic_ai", "pydantic-ai"),
    ):
        script = (
            f"import sys\nsys.modules[{library!r}] = None\n"
            f"try:\n    from lambdachain.agents import {function}\nexcept ModuleNotFoundError as exc:\n    print(exc)"
        )
        assert run(script) == f"{function} needs {library}: pip install 'lambdachain[{extra}]'"


def test_names_are_shown_where_users_import_them_from():
    """In tracebacks and help."""
    for function in (
        lambdachain.agents.describe_error_for_model,
        lambdachain.agents.run_bedrock_tool_use,
        lambdachain.agents.to_bedrock_tool,
    ):
        assert function.__module__ == "lambdachain.agents"


def test_there_are_no_other_names():
    """As for any module."""
    with pytest.raises(AttributeError, match="has no attribute 'to_tool'"):
        lambdachain.agents.to_tool  # type: ignore[attr-defined]  # noqa: B018
