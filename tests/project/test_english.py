"""The language of the package: plain verbs, clear negations, one meaning for each class name, comments that explain."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import lambdachain

SOURCE = Path(lambdachain.__file__).parent
MODULES = {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}

# Plain verbs are better: Return, Print, Handle, Record, Raise, Wait ... (see CONTRIBUTING.md).
UNCLEAR_VERBS = re.compile(r"(Give|Tell|Say|Take|Do|Bear|Mend|Heed|Hear|Let)(e?s)?\b")

# "payloads is none" reads as Python's None, and "is no number" is found by nobody who searches for "is not a number".
# "is no longer", "there is no X" and "is no sign of" are ordinary English; so is "if there are none".
UNCLEAR_NEGATION = re.compile(
    r"(?<!there )(?<!There )\b(is|are|was|were) (none\b(?! of\b)|no (?!longer\b|more\b|sign\b|match\b)(?=[a-z]))"
)

# Private classes that a blocking and an async module both have.
TWINS = {"_RegionSender"}

MIN_COMMENTS = 0.02
DIRECTIVE = re.compile(r"#\s*(noqa|type:|pyright)")


@cache
def get_nodes(source: str) -> list[ast.AST]:
    """Return the nodes of a module's syntax tree."""
    return list(ast.walk(ast.parse(source)))


def get_docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of a module, its classes and its functions, each with its line."""
    for node in get_nodes(source):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def get_strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield the string literals of a module, docstrings included; the values in an f-string are left out."""
    for node in get_nodes(source):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


def find_unclear_verbs(source: str) -> list[str]:
    """Return the docstrings that begin with an unclear verb, each with its line."""
    return [f"{line}: {text.splitlines()[0]}" for line, text in get_docstrings(source) if UNCLEAR_VERBS.match(text)]


def find_unclear_negations(source: str) -> list[str]:
    """Return the unclear negations in a module's strings, each with its line."""
    return [
        f"{line}: ...{text[max(0, found.start() - 30) : found.end() + 30]}..."
        for line, text in get_strings(source)
        for found in UNCLEAR_NEGATION.finditer(text)
    ]


def get_comment_lines(source: str) -> int:
    """Return the number of comments for people, without directives to tools."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(token.type == tokenize.COMMENT and not DIRECTIVE.match(token.string) for token in tokens)


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_begin_with_a_plain_verb(module: str):
    """A reader skims the first words of docstrings."""
    found = find_unclear_verbs(MODULES[module])

    assert not found, f"begin with another verb, such as Return, Print, Record or Wait: {found}"


@pytest.mark.parametrize("module", MODULES)
def test_what_is_not_valid_is_called_so(module: str):
    """In docstrings and messages."""
    found = find_unclear_negations(MODULES[module])

    assert not found, f'write "is not a ..." or "is not valid" instead: {found}'


def test_a_class_name_has_one_meaning():
    """A search for a class finds one."""
    places = defaultdict[str, list[str]](list)
    for module, source in MODULES.items():
        for node in get_nodes(source):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    duplicates = {name: modules for name, modules in places.items() if len(modules) > 1 and name not in TWINS}

    assert not duplicates, (
        f"rename one of each, or list it in TWINS if it is the same class, blocking and async: {duplicates}"
    )


def test_comments_explain_why():
    """Two lines of a hundred, in every package as a whole."""
    lines = sum(len(source.splitlines()) for source in MODULES.values())
    comments = sum(get_comment_lines(source) for source in MODULES.values())

    assert comments / lines >= MIN_COMMENTS, f"{comments} comments in {lines} lines: explain the branches that surprise"


@pytest.mark.parametrize(
    "text", ["Give the name.", "Tell whether it fits.", "Lets it end."], ids=["give", "tell", "lets"]
)
def test_unclear_verbs_are_found(text: str):
    """Also in methods, and in the third person."""
    assert find_unclear_verbs(f'class A:\n    def f(self):\n        """{text}"""\n') == [f"2: {text}"]


@pytest.mark.parametrize("text", ["payloads are none", "the length is no number", "x were no dates"])
def test_unclear_negations_are_found(text: str):
    """In plain strings and in f-strings."""
    assert len(find_unclear_negations(f"raise ValueError({text!r})\nraise ValueError(f'{{x}}: {text}')\n")) == 2


@pytest.mark.parametrize(
    "text", ["there is no response", "it is no longer served", "if there are none", "none of them"]
)
def test_ordinary_negations_are_not_reported(text: str):
    """They are English."""
    assert not find_unclear_negations(f"x = {text!r}\n")
