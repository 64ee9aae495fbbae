"""The output formats of the graph that are text: a plain list, Mermaid, DOT and JSON. See ``svg`` for the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from lambdachain._analysis.survey.results import CallMode, describe_location
from lambdachain._core.escaping import printable

from .graph import Edge, Graph, Node
from .warnings import GraphWarning

VERBS: Final = {
    CallMode.SYNC: "calls",
    CallMode.STREAM: "streams from",
    CallMode.EVENT: "fires",
    CallMode.UNDECIDED: "calls or fires",
}
_ARROWS: Final = {CallMode.SYNC: "-->", CallMode.STREAM: "==>", CallMode.EVENT: "-.->", CallMode.UNDECIDED: "--o"}
_DOT_STYLES: Final = {CallMode.EVENT: ' style="dashed",', CallMode.UNDECIDED: ' style="dotted",'}

# What Mermaid interprets inside of a quoted label: Markdown, HTML, directives and its own entities.
_MERMAID: Final = str.maketrans({'"': "#quot;", **{sign: f"#{ord(sign)};" for sign in "#&<>`%\\"}})


def as_text(graph: Graph) -> str:
    """Return a list of the nodes, each with the functions that it calls."""
    return "\n".join(line for node in graph.nodes for line in _format_node(node, graph))


def _format_node(node: Node, graph: Graph) -> Iterator[str]:
    yield f"{printable(node.name)}{_format_details(node)}"
    for edge in graph.edges:
        if edge.caller == node.name:
            yield f"  {VERBS[edge.mode]} {printable(edge.callee)}  {describe_location(edge.calls[0])}"


def _format_details(node: Node) -> str:
    parts = [
        *(["outside Lambda"] if not node.is_function else []),
        *(["idempotent"] if node.idempotent else []),
        *([f"raises {printable(', '.join(node.errors))}"] if node.errors else []),
        *(["its name is not known before deployment"] if not node.is_resolved else []),
        *(["its handler is not in this code"] if node.is_function and not node.is_here and node.is_resolved else []),
    ]
    return f"  ({'; '.join(parts)})" if parts else ""


def as_mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart, which GitHub, GitLab and editors render."""
    ids = {node.name: f"n{index}" for index, node in enumerate(graph.nodes)}
    nodes = [f"  {ids[node.name]}{_format_mermaid_node(node)}" for node in graph.nodes]
    edges = [f"  {ids[one.caller]} {_ARROWS[one.mode]}|{one.mode}| {ids[one.callee]}" for one in graph.edges]
    return "\n".join(["flowchart LR", *nodes, *edges])


def _format_mermaid_node(node: Node) -> str:
    label = "<br>".join(printable(line).translate(_MERMAID) for line in (node.name, *get_notes(node)))
    if not node.is_resolved:
        return f'{{{{"{label}"}}}}'  # a hexagon
    return f'["{label}"]' if node.is_function else f'(["{label}"])'


def get_notes(node: Node) -> list[str]:
    """Return the lines below the name of a node in a picture."""
    raised = ", ".join(node.errors)
    return [*(["idempotent"] if node.idempotent else []), *([f"raises {raised}"] if raised else [])]


def as_dot(graph: Graph) -> str:
    """Return a graph in DOT, the language of Graphviz."""
    lines = ["digraph calls {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for node in graph.nodes:
        label = '"{}"'.format("\\n".join(_escape(line) for line in (node.name, *get_notes(node))))
        shape = "" if node.is_function else ', shape=ellipse, style=""'
        shape = shape if node.is_resolved else ', shape=hexagon, style="dashed"'
        lines.append(f"  {_quote(node.name)} [label={label}{shape}];")
    for edge in graph.edges:
        style = _DOT_STYLES.get(edge.mode, "")
        lines.append(f"  {_quote(edge.caller)} -> {_quote(edge.callee)} [{style.strip()}label={_quote(edge.mode)}];")
    return "\n".join([*lines, "}"])


def _quote(text: str) -> str:
    return f'"{_escape(text)}"'


def _escape(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def as_object(graph: Graph, warnings: Sequence[GraphWarning]) -> dict[str, Any]:
    """Return the graph as a JSON object, with the location of every call."""
    nodes = [
        {
            "name": node.name,
            "is_function": node.is_function,
            "at": None if node.location is None else str(node.location),
            "idempotent": node.idempotent,
            "errors": list(node.errors),
            "is_here": node.is_here,
            "is_resolved": node.is_resolved,
        }
        for node in graph.nodes
    ]
    listed = [{"kind": str(one.kind), "at": str(one.location), "text": one.text} for one in warnings]
    return {"functions": nodes, "calls": [_edge_to_object(edge) for edge in graph.edges], "warnings": listed}


def _edge_to_object(edge: Edge) -> dict[str, Any]:
    places: Iterable[str] = dict.fromkeys(describe_location(call) for call in edge.calls)
    return {"caller": edge.caller, "callee": edge.callee, "mode": str(edge.mode), "places": list(places)}
