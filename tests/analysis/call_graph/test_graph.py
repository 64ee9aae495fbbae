"""The graph, its output formats, and its layout."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._analysis.call_graph.formats import as_dot, as_mermaid, as_text
from lambdachain._analysis.call_graph.graph import Graph, Node, build_graph
from lambdachain._analysis.call_graph.layout import Box, lay_out
from lambdachain._analysis.call_graph.svg import as_svg
from lambdachain._analysis.call_graph.type_mismatches import SchemaFile, find_type_mismatches
from lambdachain._analysis.call_graph.warnings import ConfiguredTimeout, GraphWarning, find_warnings
from lambdachain._analysis.survey.results import CallMode, CodeUnit
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey

SHOP = """
from lambdachain import Contract, LambdaClient, RemoteError, remote

class Declined(RemoteError):
    why: str

client = LambdaClient()
charge = Contract("charge", request=int, response=int, errors=[Declined], idempotent=True)

@remote("place")
def place(n: int) -> int:
    client.fire(max("mail<&>", "a"), n)
    client.fire("audit", n)
    list(client.stream(charge, n))
    return client.call(charge, n)

@remote(charge)
def charged(n: int) -> int:
    client.can_invoke(place)
    return charged.call(n - 1)

def lambda_handler(event, context):
    place.fire(1)

def script():
    client.call(place, 1)
"""


def make_graph(text: str = SHOP, entries: Mapping[str, CodeUnit] | None = None) -> Graph:
    """Return the graph of a file."""
    found = survey([Source("shop", "shop/app.py", ("app",), text)])
    return build_graph(found, entries or {})


def test_the_graph_has_callers_callees_and_modes():
    """can_invoke is not a call; code that no handler runs belongs to its file."""
    found = make_graph()

    assert [(edge.caller, edge.callee, edge.mode) for edge in found.edges] == [
        ("app.py", "place", CallMode.SYNC),
        ("app.py", "place", CallMode.EVENT),
        ("charge", "charge", CallMode.SYNC),
        ("place", "?", CallMode.EVENT),
        ("place", "audit", CallMode.EVENT),
        ("place", "charge", CallMode.SYNC),
        ("place", "charge", CallMode.STREAM),
    ]
    assert [(node.name, node.is_function, node.idempotent, node.errors, node.is_here) for node in found.nodes] == [
        ("?", True, None, (), False),
        ("audit", True, None, (), False),
        ("charge", True, True, ("Declined",), True),
        ("place", True, False, (), True),
        ("app.py", False, None, (), False),
    ]


def test_a_handler_without_a_decorator_is_known_by_a_template():
    """Then its calls are the function's, and no longer the file's."""
    found = make_graph(entries={"legacy": CodeUnit("shop/app.py", "lambda_handler")})

    assert [(edge.caller, edge.mode) for edge in found.edges if edge.callee == "place"] == [
        ("app.py", CallMode.SYNC),
        ("legacy", CallMode.EVENT),
    ]
    assert {edge.caller for edge in found.functions_only().edges} == {"charge", "legacy", "place"}


def test_an_invalid_function_name_is_unresolved():
    """In a call of a client, of boto3, in a bound function; the rest of the graph is built."""
    calls = [
        "client.call('no name', 1)",
        "client.bind(charge, 'no name').call(1)",
        "boto.invoke(FunctionName='no name')",
    ]
    found = survey([Source("shop", "app.py", ("app",), SHOP + "\n".join(calls))])

    reasons = [one.why.split(": ", 1) for one in found.unresolved[1:]]
    assert [start for start, _ in reasons] == [
        "cannot resolve the target of client.call('no name', ...)",
        "cannot resolve the target of client.bind(charge, 'no name').call(...)",
        "cannot resolve the target of boto.invoke(FunctionName='no name')",
    ]
    assert {problem.partition(":")[0] for _, problem in reasons} == {"invalid function name 'no name'"}
    assert "no name" not in {node.name for node in build_graph(found).nodes}


def test_files_of_one_name_are_not_taken_for_each_other():
    """Each service has its app.py: where no decorator and no template names a function, the file's way does."""
    text = "import boto3\nboto3.client('lambda').invoke(FunctionName='{}')\n"
    sources = [Source("code", f"{one}/app.py", (one, "app"), text.format(f"to-{one}")) for one in ("a", "b")]
    found = build_graph(survey([*sources, Source("code", "c/job.py", ("c", "job"), text.format("to-c"))]))

    assert [(edge.caller, edge.callee) for edge in found.edges] == [
        ("a/app.py", "to-a"),
        ("b/app.py", "to-b"),
        ("job.py", "to-c"),
    ]


def test_mermaid_dot_and_text_have_every_node_and_every_edge():
    """Edges of events are dashed."""
    found = make_graph()
    mermaid, dot, text = as_mermaid(found), as_dot(found), as_text(found)

    assert mermaid.splitlines() == [
        "flowchart LR",
        '  n0{{"?"}}',
        '  n1["audit"]',
        '  n2["charge<br>idempotent<br>raises Declined"]',
        '  n3["place"]',
        '  n4(["app.py"])',
        "  n4 -->|call| n3",
        "  n4 -.->|fire| n3",
        "  n2 -->|call| n2",
        "  n3 -.->|fire| n0",
        "  n3 -.->|fire| n1",
        "  n3 -->|call| n2",
        "  n3 ==>|stream| n2",
    ]
    assert '"place" -> "audit" [style="dashed", label="fire"];' in dot.replace('",label', '", label')
    assert dot.count(" -> ") == 7
    assert "charge  (idempotent; raises Declined)\n  calls charge  shop/app.py:20" in text


def test_dot_is_read_by_graphviz():
    """If it is installed."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    subprocess.run(["dot", "-Tcanon"], input=as_dot(make_graph()), text=True, check=True, capture_output=True)


def test_the_svg_is_self_contained_and_has_light_and_dark_colors():
    """With a legend; calls with a warning are highlighted; there are no locations, which would change too often."""
    found = make_graph()
    text = as_svg(found, find_warnings(found, {}))
    root = ET.fromstring(text)  # noqa: S314 - our own
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]

    assert {"place", "charge", "audit", "raises Declined", "see the warnings"} <= set(words)
    assert "place fires audit" in titles
    assert "prefers-color-scheme: dark" in text
    assert ("http" in text.replace("http://www.w3.org/2000/svg", ""), "shop/app.py" in text) == (False, False)
    assert as_svg(make_graph(), find_warnings(found, {})) == text


def test_names_are_escaped_in_pictures():
    """Names of files may have any characters."""
    found = Graph((Node('a"<b>&.py', is_function=False),), ())

    assert ET.fromstring(as_svg(found)) is not None  # noqa: S314 - our own
    assert 'label="a\\"<b>&.py"' in as_dot(found)
    assert "#quot;" in as_mermaid(found)


_NAMES = st.sampled_from("abcdefg")


@given(st.lists(st.tuples(_NAMES, _NAMES), max_size=14), st.integers(20, 200))
def test_no_boxes_overlap_and_every_link_is_drawn(links: list[tuple[str, str]], width: int):
    """In random graphs with cycles; links start and end at the edges of their boxes."""
    sizes = {name: Box(width + 10 * index, 30 + 5 * index) for index, name in enumerate("abcdefg")}
    drawing = lay_out(sizes, links)
    corners = drawing.boxes

    assert corners.keys() == sizes.keys()
    for one, box in sizes.items():
        x, y = corners[one]
        assert -0.01 <= x <= drawing.width - box.width + 0.01
        assert -0.01 <= y <= drawing.height - box.height + 0.01
        for other in set(sizes) - {one}:
            u, v = corners[other]
            beside = x + box.width <= u + 0.01 or u + sizes[other].width <= x + 0.01
            below = y + box.height <= v + 0.01 or v + sizes[other].height <= y + 0.01
            assert beside or below, (one, other)
    assert drawing.paths.keys() == {link for link in links if link[0] != link[1]}
    for (start, end), points in drawing.paths.items():
        for name, (px, py) in ((start, points[0]), (end, points[-1])):
            assert px in (corners[name][0], corners[name][0] + sizes[name].width)
            assert py == pytest.approx(corners[name][1] + sizes[name].height / 2)


def test_callers_are_left_of_their_callees():
    """Also across several columns."""
    drawing = lay_out(dict.fromkeys("abc", Box(50, 30)), [("a", "b"), ("b", "c"), ("a", "c")])

    assert [drawing.boxes[name][0] for name in "abc"] == sorted(drawing.boxes[name][0] for name in "abc")
    assert len({drawing.boxes[name][0] for name in "abc"}) == 3


def get_kinds(found: list[GraphWarning]) -> list[str]:
    """Return the kinds of warnings."""
    return [str(one.kind) for one in found]


TWO_DEEP = """
from lambdachain import LambdaClient, remote
client = LambdaClient()
@remote("a")
def a(n: int) -> int: return client.call("b", n)
@remote("b")
def b(n: int) -> int: return client.call("c", n)
"""


def test_a_chain_has_more_than_two_synchronous_calls():
    """An event ends it, because its caller does not wait."""
    three = TWO_DEEP + '@remote("c")\ndef c(n: int) -> int: return client.{verb}("d", n)'

    assert get_kinds(find_warnings(make_graph(TWO_DEEP), {})) == []
    assert get_kinds(find_warnings(make_graph(three.format(verb="call")), {})) == ["chain"]
    assert get_kinds(find_warnings(make_graph(three.format(verb="fire")), {})) == []


def test_a_chain_starts_at_a_function_not_at_a_script():
    """A script is not billed while it waits."""
    three = TWO_DEEP + '@remote("c")\ndef c(n: int) -> int: return client.call("d", n)\n'
    script = three + "def script(): client.call('a', 1)"

    assert get_kinds(find_warnings(make_graph(TWO_DEEP + "def script(): client.call('a', 1)"), {})) == []
    assert [one.text.split(":")[0] for one in find_warnings(make_graph(script), {})] == ["a -> b -> c -> d"]


@pytest.mark.parametrize(("mine", "its", "warned"), [(10, 9, []), (10, 10, ["timeout"]), (10, 11, ["timeout"])])
def test_a_callee_needs_a_shorter_timeout_than_its_caller(mine: float, its: float, warned: list[str]):
    """An equal one is too long, because the caller's clock started earlier."""
    timeouts = {"a": ConfiguredTimeout(mine, "t:1"), "b": ConfiguredTimeout(its, "t:2")}

    assert get_kinds(find_warnings(make_graph(TWO_DEEP), timeouts)) == warned


CALLER = """
from lambdachain import Contract, LambdaClient
charge = Contract("charge", request=str, response=int)
LambdaClient().call(charge, "1")
"""


def test_a_schema_file_replaces_a_callee_of_another_repository():
    """The output of `Contract.schema` has the types of the callee."""
    from lambdachain import Contract

    found = survey([Source("shop", "shop/app.py", ("app",), CALLER)])
    published = SchemaFile("charge.json", Contract("charge", request=bool, response=int).schema())
    warned, undecided = find_type_mismatches(found, [published])

    assert [str(one) for one in warned] == [
        "shop/app.py:3: types: charge: request: the caller sends string, but the callee accepts boolean (charge.json)"
    ]
    assert undecided == []


def test_an_unsupported_type_is_unresolved():
    """Not a match and not a mismatch."""
    callee = """
from lambdachain import remote
@remote("charge")
def handler(event: Elsewhere) -> int: ...
"""
    sources = [("shop", "shop/app.py", CALLER), ("bill", "bill/app.py", callee)]
    found = survey([Source(base, file, ("app",), text) for base, file, text in sources])
    warned, undecided = find_type_mismatches(found)

    assert warned == []
    assert [one.why for one in undecided] == [
        (
            "charge: request: cannot compare the types: bill/app.py:4: the type Elsewhere is not supported "
            "(bill/app.py:3)"
        )
    ]


def test_an_edge_shows_where_the_caller_calls_the_helper():
    """And where the helper has the call: a shared helper alone would not say which function to look at."""
    text = """
import boto3
aws_lambda = boto3.client("lambda")
def send(name):
    aws_lambda.invoke(FunctionName=name)
def notify(name):
    send(name)
def lambda_handler(event, context):
    notify("mail")
    aws_lambda.invoke(FunctionName="audit")
"""
    found = make_graph(text, {"orders": CodeUnit("shop/app.py", "lambda_handler")})

    assert [line for line in as_text(found).splitlines() if "calls" in line] == [
        "  calls audit  shop/app.py:10",
        "  calls mail  shop/app.py:9 (through shop/app.py:5)",
    ]
    assert [edge.location.line for edge in found.edges] == [10, 9]
