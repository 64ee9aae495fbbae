"""docs/reference/environment-variables.md has every variable that the package reads or sets, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lambdachain

SOURCE = Path(lambdachain.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "environment-variables.md"

# Words in capitals are the name of a variable, except for these: values in templates and APIs, error codes of
# OpenSSL and Node.js, constants of Python and of the operating system, an example, and a part of a name.
NAME = re.compile(r"(?<![\w{])(?:_?[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+|PYTHON[A-Z]+)(?![\w}])")
OTHER_NAMES = {
    *("AWS_IAM", "AWS_PROXY", "LOG_ERROR", "PER_TENANT", "RESPONSE_STREAM", "INCLUDE_SOURCE_IN_LOCATION"),
    *("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "ERR_MODULE_NOT_FOUND"),
    *("DEFAULT_SESSION", "IDEMPOTENT_METHODS", "SAFE_METHODS", "SC_PAGE_SIZE", "SC_PHYS_PAGES"),
    *("FIRST_ROW", "PENDING_REDRIVE", "STATE_RETRIES", "TIMED_OUT"),
    *("TCP_KEEPALIVE", "TCP_KEEPCNT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "CHARGE_FN", "MEMORY_SIZE"),
    *("FIRST_ROW", "STATE_RETRIES"),
}
# The source has only a part of these names: a suffix, a pattern, or the names of services.
COMPOSED = {"NO_PROXY", "LAMBDACHAIN_", "AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL_EVENTBRIDGE", "AWS_LAMBDA_"}


def find_names(source: str) -> Iterator[str]:
    """Yield the names of variables in the string literals of a module, docstrings left out."""
    tree = ast.parse(source)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield from NAME.findall(node.value)
        yield from _find_single_words(node)


def _find_single_words(node: ast.AST) -> Iterator[str]:
    """Yield what is read from a mapping that has ``env`` in its name, whatever its own name is."""
    match node:
        case ast.Call(func=ast.Attribute(value=holder, attr="get"), args=[ast.Constant(value=str(name)), *_]):
            yield from [name] if "env" in ast.unparse(holder).lower() else []
        case ast.Subscript(value=holder, slice=ast.Constant(value=str(name))):
            yield from [name] if "env" in ast.unparse(holder).lower() else []
        case ast.Compare(left=ast.Constant(value=str(name)), comparators=[holder]):
            yield from [name] if "env" in ast.unparse(holder).lower() else []
        case _:
            pass


def find_names_in_javascript(source: str) -> Iterator[str]:
    """Yield the names of the variables that a script reads."""
    yield from re.findall(r"process\.env\.(\w+)", source)


@cache
def find_all_names() -> set[str]:
    """Return the names in the whole package."""
    names = {name for path in SOURCE.rglob("*.py") for name in find_names(path.read_text())}
    names |= {name for path in SOURCE.rglob("*.mjs") for name in find_names_in_javascript(path.read_text())}
    sandbox = ast.parse((SOURCE / "local" / "_sandbox_environment.py").read_text())
    literals = {node.value for node in ast.walk(sandbox) if isinstance(node, ast.Constant)}
    names |= {text for text in literals if isinstance(text, str) and re.fullmatch(r"_?[A-Z]{2,}", text)}
    return names - OTHER_NAMES


def find_documented() -> set[str]:
    """Return the names in the page's code spans."""
    text = re.sub(r"^```.*?^```$", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {name for name in re.findall(r"`(_?[A-Z][A-Z0-9_]+)(?:\{NAME\})?`", text) if name not in OTHER_NAMES}


def test_every_variable_is_documented():
    """A variable that is read, or set for functions, has a row that says what it does."""
    missing = find_all_names() - find_documented()

    assert not missing, f"describe in {PAGE.name}, or list in OTHER_NAMES what is not a variable: {sorted(missing)}"


def test_every_documented_variable_is_in_the_package():
    """The page has no variable that was removed."""
    stale = find_documented() - find_all_names() - COMPOSED

    assert not stale, f"remove from {PAGE.name}: {sorted(stale)}"


@pytest.mark.parametrize(
    "code",
    [
        "os.environ['NEW_ONE']",
        "os.environ.get('NEW_ONE')",
        "'NEW_ONE' in environment",
        "VARIABLE: Final = 'NEW_ONE'",
        "{'NEW_ONE': '1'}",
        "f'{x} NEW_ONE is not set'",
    ],
)
def test_a_new_variable_is_found(code: str):
    """However it is read."""
    assert set(find_names(code)) == {"NEW_ONE"}


@pytest.mark.parametrize("code", ["os.environ['HOME']", "host_environment.get('HOME')", "'HOME' in os.environ"])
def test_a_variable_of_one_word_is_found(code: str):
    """Where an environment is read."""
    assert set(find_names(code)) == {"HOME"}


def test_docstrings_are_left_out():
    """They show examples."""
    assert set(find_names('"""Set NEW_ONE."""')) == set()
