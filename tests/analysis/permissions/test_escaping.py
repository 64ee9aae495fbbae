"""Files and functions of any name: the output is parsed by real parsers to the same result as with a plain name."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
import yaml

from lambdachain._analysis.call_graph.formats import as_dot, as_mermaid, as_object, as_text
from lambdachain._analysis.call_graph.graph import Edge, Graph, Node
from lambdachain._analysis.call_graph.svg import as_svg
from lambdachain._analysis.permissions import identity_policy as identity
from lambdachain._analysis.permissions import resource_policy as resource
from lambdachain._analysis.permissions.required_permissions import (
    FunctionResource,
    RequiredPermission,
    Stack,
    find_required_permissions,
)
from lambdachain._analysis.survey.results import CallMode
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey
from lambdachain._core.errors import ContractError
from tests.support.cloudformation_yaml import load_cloudformation

hcl2: Any = pytest.importorskip("hcl2")

HERE = Stack("aws", "eu-west-1", "123456789012")
HOSTILE_NAMES = [
    "a\nResource: '*'\n#",
    "a\r\n- injected: true",
    "a\rb",
    "a\x85b: c",
    "a\u2028b\u2029c",
    'a"""\nimport os  # """',
    'a\\"""',
    "a\\",
    'a"b',
    "a'b",
    "a*/ /*b",
    "a${file(x)}%{ if true }",
    "a]]>--><script>alert(1)</script>&amp;<!--",
    "a`b`**c**",
    "a%%{init: {}}%%",
    "a#quot;b;c",
    "a\x01b\x1b[2Jc\x7f",
    "a\u202eb\ufeffc\ufffed\udcffe",
    "a|b}]) --> c",
]
CODE = "import boto3\nboto3.client('lambda').invoke(FunctionName='{}')\n"


def get_permissions(name: str) -> list[RequiredPermission]:
    """Return the permissions that a file of this name requires."""
    source = Source("code", f"{name}.py", ("app",), CODE.format("charge"))
    (need,) = find_required_permissions(survey([source])).each
    return [need]


def parse_python(text: str) -> str:
    """Return the syntax tree of a program, without its docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:]
    assert list(tokenize.generate_tokens(io.StringIO(text).readline))
    return ast.dump(tree)


def parse_terraform(text: str) -> Any:
    """Parse a Terraform file; leave out comments and the names of resources."""
    *data, policy = hcl2.loads(text)["data"]
    (statements,) = policy['"aws_iam_policy_document"'].values()
    return data, without_comments(statements)


def without_comments(tree: Any) -> Any:
    """Remove the comments that the parser keeps."""
    if isinstance(tree, dict):
        return {key: without_comments(value) for key, value in tree.items() if "comments" not in key}
    return [without_comments(item) for item in tree] if isinstance(tree, list) else tree


READERS: dict[str, Any] = {
    "iam": json.loads,
    "sam": load_cloudformation,
    "serverless": load_cloudformation,
    "cdk": parse_python,
    "terraform": parse_terraform,
}


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("written_as", READERS)
@pytest.mark.parametrize("where", [HERE, Stack()])
def test_names_of_files_and_callers_do_not_change_a_policy(name: str, written_as: str, where: Stack):
    """Names are in comments and docstrings, and cannot end them."""
    if written_as == "iam" and where == Stack():
        pytest.skip("IAM has no placeholders for region and account")
    read, write = READERS[written_as], identity.WRITERS[written_as]
    text = write(get_permissions(name), where, name)
    assert read(text) == read(write(get_permissions("app"), where, "app"))
    assert not set("\r\x01\x1b\x85\u2028\u2029\u202e") & set(text)
    text.encode()


@pytest.mark.parametrize(
    "part",
    ['"}', "${file(x)}", "%{ if x }", "\\", "'", "\x1b[2J", "\n", '"""', "\u2028", "é"],
)
@pytest.mark.parametrize("written_as", READERS)
def test_a_principal_is_escaped_or_refused(part: str, written_as: str):
    """IAM allows quotes in paths."""
    arn = f"arn:aws:iam::123456789012:role/path/{part}x"
    try:
        caller = resource.Caller(arn)
    except ContractError:
        assert not (part.isascii() and part.isprintable()) or " " in part
        return
    text = resource.WRITERS[written_as](FunctionResource("charge", "live"), caller, HERE)
    if written_as == "iam":
        assert json.loads(text)["Principal"] == arn
    elif written_as == "cdk":
        assert arn in {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    elif written_as == "terraform":
        assert hcl2.loads(text)
        escaped = json.dumps(arn).replace("${", "$${").replace("%{", "%%{")
        assert f"principal     = {escaped}" in text or f"= {escaped}\n" in text
    else:
        assert f"Principal: {json.dumps(arn)}" in text
        assert yaml.safe_load(text)


def test_a_source_arn_has_no_control_characters():
    """And no character that ends a quoted string."""
    for part in ("\x1b[2J", "\n", "\u2028", '"', "\\"):
        with pytest.raises(ContractError, match="source ARN"):
            resource.Caller("s3.amazonaws.com", source_arn=f"arn:aws:s3:::bucket{part}x")


def make_graph(name: str) -> Graph:
    """Return the graph of a file of this name that calls a function with a declared error of this name."""
    (call,) = get_permissions(name)[0].calls
    nodes = (Node(name, is_function=False), Node("charge", errors=(name,)), Node(f"{name}2"))
    return Graph(
        nodes, (Edge(name, "charge", CallMode.SYNC, (call,)), Edge(f"{name}2", "charge", CallMode.EVENT, (call,)))
    )


_DOT = re.compile(r'\s*(?:(digraph|node)\b|("(?:[^"\\]|\\.)*")|([a-zA-Z]+|->|[{}\[\];=,]))', re.DOTALL)


def dot_tokens(text: str) -> list[str]:
    """Split DOT into tokens as Graphviz does; a quoted string is one token."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _DOT.match(text, at)
        assert match is not None, text[at : at + 40]
        tokens.append("TEXT" if match[2] else match[0].strip())
        at = match.end()
    return tokens


_MERMAID_LINE = re.compile(r"""  n\d(?:\["[^"<>&`%\\#]*"\]|\(\["[^"<>&`%\\#]*"\]\)|\ (?:-->|-\.->)\|\w+\|\ n\d)""")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_do_not_change_the_structure_of_a_picture(name: str):
    """DOT, Mermaid, SVG, text and JSON."""
    found, plain = make_graph(name), make_graph("app.py")
    assert dot_tokens(as_dot(found)) == dot_tokens(as_dot(plain))
    first, *lines = as_mermaid(found).split("\n")
    assert (first, len(lines)) == ("flowchart LR", len(as_mermaid(plain).split("\n")) - 1)
    for line in lines:
        bare = re.sub(r"#(?:quot|\d+);", "", line).replace("<br>", "")
        assert _MERMAID_LINE.fullmatch(bare), line
    assert [node.tag for node in ET.fromstring(as_svg(found)).iter()] == [  # noqa: S314 - our own
        node.tag
        for node in ET.fromstring(as_svg(plain)).iter()  # noqa: S314 - our own
    ]
    assert len(as_text(found).split("\n")) == len(as_text(plain).split("\n"))
    for text in (as_svg(found), as_dot(found), as_mermaid(found), as_text(found)):
        assert not set("\r\x01\x1b\x85\u2028\u2029\u202e\ufffe") & set(text)
        text.encode()
    assert json.loads(json.dumps(as_object(found, [])))["functions"][0]["name"] == name


def test_a_location_is_one_line():
    """It is used in comments, messages and lists."""
    (call,) = get_permissions("a\nb")[0].calls
    assert str(call.location) == "a\\nb.py:2"
    assert str(replace(call).location) == str(call.location)
