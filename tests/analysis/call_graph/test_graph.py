"""The graph itself, its pictures, and its layout."""

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
    client.fire("mail<&>".replace("<&>", ""), n)
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


def graph(text: str = SHOP, entries: Mapping[str, CodeUnit] | None = None) -> Graph:
    """Survey a text and draw its graph."""
    found = survey([Source("shop", "shop/app.py", ("app",), text)])
    return build_graph(found, entries or {})


def test_the_graph_says_who_calls_whom_and_how():
    """A question of permission calls nobody; what no handler's code does is the file's."""
    found = graph()

    assert [(edge.caller, edge.callee, edge.mode) for edge in found.edges] == [
        ("app.py", "place", CallMode.SYNC),
        ("app.py", "place", CallMode.EVENT),
        ("charge", "charge", CallMode.SYNC),
        ("place", "audit", CallMode.EVENT),
        ("place", "charge", CallMode.SYNC),
        ("place", "charge", CallMode.STREAM),
    ]
    assert [(node.name, node.is_function, node.idempotent, node.errors, node.is_here) for node in found.nodes] == [
        ("audit", True, None, (), False),
        ("charge", True, True, ("Declined",), True),
        ("place", True, False, (), True),
        ("app.py", False, None, (), False),
    ]


def test_a_handler_without_a_decorator_is_known_by_a_template():
    """Then its calls are the function's, and no longer the file's."""
    found = graph(entries={"legacy": CodeUnit("shop/app.py", "lambda_handler")})

    assert [(edge.caller, edge.mode) for edge in found.edges if edge.callee == "place"] == [
        ("app.py", CallMode.SYNC),
        ("legacy", CallMode.EVENT),
    ]
    assert {edge.caller for edge in found.functions_only().edges} == {"charge", "legacy", "place"}


def test_a_name_that_lambda_refuses_is_told_and_does_not_end_the_graph():
    """However it is given: with a client, by boto3, in a function object."""
    calls = [
        "client.call('no name', 1)",
        "client.bind(charge, 'no name').call(1)",
        "boto.invoke(FunctionName='no name')",
    ]
    found = survey([Source("shop", "app.py", ("app",), SHOP + "\n".join(calls))])

    assert [one.why.partition(":")[0] for one in found.unresolved[1:]] == ["invalid function name 'no name'"] * 3
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
    """Dashed where nobody waits."""
    found = graph()
    mermaid, dot, text = as_mermaid(found), as_dot(found), as_text(found)

    assert mermaid.splitlines() == [
        "flowchart LR",
        '  n0["audit"]',
        '  n1["charge<br>idempotent<br>raises Declined"]',
        '  n2["place"]',
        '  n3(["app.py"])',
        "  n3 -->|call| n2",
        "  n3 -.->|fire| n2",
        "  n1 -->|call| n1",
        "  n2 -.->|fire| n0",
        "  n2 -->|call| n1",
        "  n2 ==>|stream| n1",
    ]
    assert '"place" -> "audit" [style="dashed", label="fire"];' in dot.replace('",label', '", label')
    assert dot.count(" -> ") == 6
    assert "charge  (idempotent; raises Declined)\n  calls charge  shop/app.py:20" in text


def test_dot_is_read_by_graphviz():
    """Where that is installed."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    subprocess.run(["dot", "-Tcanon"], input=as_dot(graph()), text=True, check=True, capture_output=True)


def test_the_svg_is_whole_and_follows_the_pages_light():
    """One file, with a legend, for light and dark; a warned call stands out; no place, so that it keeps."""
    found = graph()
    text = as_svg(found, find_warnings(found, {}))
    root = ET.fromstring(text)  # noqa: S314 - our own
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    titles = [node.text for node in root.iter("{http://www.w3.org/2000/svg}title")]

    assert {"place", "charge", "audit", "raises Declined", "see the warnings"} <= set(words)
    assert "place fires audit" in titles
    assert "prefers-color-scheme: dark" in text
    assert ("http" in text.replace("http://www.w3.org/2000/svg", ""), "shop/app.py" in text) == (False, False)
    assert as_svg(graph(), find_warnings(found, {})) == text


def test_names_cannot_break_out_of_a_picture():
    """Whatever a file is called."""
    found = Graph((Node('a"<b>&.py', is_function=False),), ())

    assert ET.fromstring(as_svg(found)) is not None  # noqa: S314 - our own
    assert 'label="a\\"<b>&.py"' in as_dot(found)
    assert "#quot;" in as_mermaid(found)


_NAMES = st.sampled_from("abcdefg")


@given(st.lists(st.tuples(_NAMES, _NAMES), max_size=14), st.integers(20, 200))
def test_no_boxes_overlap_and_every_link_is_drawn(links: list[tuple[str, str]], width: int):
    """In any graph, circles included; links begin and end at the edges of their boxes."""
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


def test_callers_are_drawn_left_of_what_they_call():
    """Across several columns too."""
    drawing = lay_out(dict.fromkeys("abc", Box(50, 30)), [("a", "b"), ("b", "c"), ("a", "c")])

    assert [drawing.boxes[name][0] for name in "abc"] == sorted(drawing.boxes[name][0] for name in "abc")
    assert len({drawing.boxes[name][0] for name in "abc"}) == 3


def kinds(found: list[GraphWarning]) -> list[str]:
    """Say what warnings are about."""
    return [str(one.kind) for one in found]


TWO_DEEP = """
from lambdachain import LambdaClient, remote
client = LambdaClient()
@remote("a")
def a(n: int) -> int: return client.call("b", n)
@remote("b")
def b(n: int) -> int: return client.call("c", n)
"""


def test_a_chain_of_two_is_none_and_a_fire_ends_one():
    """Only calls that wait for each other make a chain."""
    three = TWO_DEEP + '@remote("c")\ndef c(n: int) -> int: return client.{verb}("d", n)'

    assert kinds(find_warnings(graph(TWO_DEEP), {})) == []
    assert kinds(find_warnings(graph(three.format(verb="call")), {})) == ["chain"]
    assert kinds(find_warnings(graph(three.format(verb="fire")), {})) == []


def test_a_script_that_begins_a_chain_does_not_hide_it():
    """It is no function: nobody is billed while it waits, and the chain begins behind it."""
    three = TWO_DEEP + '@remote("c")\ndef c(n: int) -> int: return client.call("d", n)\n'
    script = three + "def script(): client.call('a', 1)"

    assert kinds(find_warnings(graph(TWO_DEEP + "def script(): client.call('a', 1)"), {})) == []
    assert [one.text.split(":")[0] for one in find_warnings(graph(script), {})] == ["a -> b -> c -> d"]


@pytest.mark.parametrize(("mine", "its", "warned"), [(10, 9, []), (10, 10, ["timeout"]), (10, 11, ["timeout"])])
def test_a_callee_fits_if_it_has_less_time_than_its_caller(mine: float, its: float, warned: list[str]):
    """With as much, it cannot: the caller's clock began earlier."""
    timeouts = {"a": ConfiguredTimeout(mine, "t:1"), "b": ConfiguredTimeout(its, "t:2")}

    assert kinds(find_warnings(graph(TWO_DEEP), timeouts)) == warned


CALLER = """
from lambdachain import Contract, LambdaClient
charge = Contract("charge", request=str, response=int)
LambdaClient().call(charge, "1")
"""


def test_a_schema_file_stands_for_a_callee_of_another_repository():
    """What `Contract.schema` wrote there is what the callee takes and answers."""
    from lambdachain import Contract

    found = survey([Source("shop", "shop/app.py", ("app",), CALLER)])
    published = SchemaFile("charge.json", Contract("charge", request=bool, response=int).schema())
    warned, undecided = find_type_mismatches(found, [published])

    assert [str(one) for one in warned] == [
        "shop/app.py:3: types: charge: request: the caller sends string, the callee takes boolean (charge.json)"
    ]
    assert undecided == []


def test_types_that_cannot_be_told_are_said_and_not_guessed():
    """Neither match nor mismatch."""
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
            "charge: request: whether the types match cannot be told: bill/app.py:4: the type Elsewhere is not known "
            "here (bill/app.py:3)"
        )
    ]
