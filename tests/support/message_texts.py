"""The texts of the package that people read: messages of errors, warnings, findings and log records."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lambdachain

SOURCE = Path(lambdachain.__file__).parent

# Whole modules whose texts are something else: drawings, names of types, text for language models, help, a shell
# script, metadata of metrics.
OTHER_MODULES = {
    "_analysis/call_graph/formats.py",
    "_analysis/call_graph/svg.py",
    "_analysis/compatibility/ranges.py",
    "_analysis/compatibility/rendering.py",
    "agents/_error_texts.py",
    "cli/_commands.py",
    "local/_exec_wrapper.py",
    "otel/_metrics.py",
}
# Texts that look like messages, by their beginning, in this order: patterns that the messages of other libraries are
# matched with; reports, events and phrases in Lambda's form; parts of requests, settings, programs and requirements;
# help, banners and parts of sentences; Python's own; an assertion of the program about itself.
OTHER_TEXTS = re.compile(
    r"""\(\?<= | .*\\[\[w(S] | The\ Canonical\ String | Maximum\ serialization\ depth$ | surrogates\ not\ allowed$
    | at\ line\ 1\ column$
    | (START|END|REPORT)\ RequestId | (Billed\ |Init\ |)Duration | (Max\ )?Memory\ (Used|Size) | REDACTED
    | Lambda\ Function\ Invocation\ Result | …\ validation\ errors$ | Unable\ to\ import\ module\ 'app'
    | lambdachain/…\ lang | user-agent:\  | x-amzn-trace-id:\  | …\ Credential= | wal_autocheckpoint | total.state
    | python_full_version | from\ lambdachain
    | lambdachain:\ allow\ every\ test | …:\ allow\ this\ test | versions\ and\ aliases$ | Call\ them\ from\ another
    | aws\ lambda\ invoke | Press\ Ctrl-C | the\ routes\ of\ …$ | the\ command\ line$
    | (always|once|never|if\ the\ call\ is\ idempotent)[,:]\x20
    | …\ object\ has\ no\ attribute | cannot\ …\ field\ …$
    | a\ stream\ that\ has\ ended\ has\ a\ head$""",
    re.VERBOSE,
)
# Calls whose arguments are not for people, and keywords whose values are in the help of a command.
OTHER_CALLS = {"cast", "compile", "TypeVar", "command", "option", "argument", "execute", "execute_many", "field"}
OTHER_KEYWORDS = {"help", "epilog", "examples", "metavar", "short_help", "annotation"}
# Functions that write code, drawings or a ``repr``.
OTHER_FUNCTIONS = {
    "as_cdk",
    "as_terraform",
    "build_data_sources",
    "as_serverless",
    "as_sam",
    "__repr__",
    "_format_resource",
    "_report_log",
}
CODE = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|BEGIN|import (sys|\{)|from \w+ import|<|#|[{.]|\[\w+\]$|"
    r"response = |lambdachain (call|fire|can-invoke|map|check|policy|serve|schema|doctor|graph) |eval |"
    r"def …|export |import datetime|from … import|//|/\*|\| \{|, exclude_if|Field\(|PlainSerializer\(|npm install )"
)
WORD = re.compile(r"[A-Za-z][a-z']+")


@dataclass(frozen=True)
class MessageText:
    """A text as it is written in the source: ``…`` stands for each value that is filled in.

    Attributes:
        place: The module, and the line.
        raised: The name of the class that is raised or created with it, if there is one.
    """

    text: str
    place: str
    raised: str | None

    @property
    def pieces(self) -> list[str]:
        """Return its fixed parts that have words, in order."""
        return split_message(self.text)


def split_message(text: str) -> list[str]:
    """Return the parts of a message between the values, without the punctuation around them."""
    parts = (part.strip(" .,:;()[]'\"`=<>") for part in text.split("…"))
    return [part for part in parts if WORD.search(part)]


def find_messages() -> list[MessageText]:
    """Return the messages of the whole package, in the order of its modules."""
    return [
        message
        for path in sorted(SOURCE.rglob("*.py"))
        if (module := str(path.relative_to(SOURCE))) not in OTHER_MODULES
        for message in find_messages_in(path.read_text(), module)
    ]


def find_messages_in(source: str, module: str) -> Iterator[MessageText]:
    """Yield the messages of a module."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = _read(node)
        if text is None or isinstance(parents.get(node), ast.JoinedStr | ast.Expr | ast.FormattedValue):
            continue
        context = _find_context(node, parents)
        text = re.sub("…+", "…", " ".join(text.split()))
        if (
            context is None
            or CODE.match(text)
            or OTHER_TEXTS.match(text)
            or not _is_prose(text, is_raised=context != "")
        ):
            continue
        yield MessageText(text, f"{module}:{node.lineno}", context or None)  # type: ignore[attr-defined]


def _read(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"\{\w*\}|%(?:\.\d)?[sdrf]", "…", text)
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in values)
        case _:
            return None


def _find_context(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str | None:
    """Return the class that is created with a literal, "" for another message, ``None`` for what is not a message."""
    raised = ""
    while (parent := parents.get(node)) is not None:
        match parent:
            case ast.keyword(arg=str(name)) if name in OTHER_KEYWORDS:
                return None
            case ast.Call(func=function):
                name = ast.unparse(function).rpartition(".")[2]
                if name in OTHER_CALLS and node is not function:
                    return None
                raised = raised or (name if _is_error(name) else "")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name in OTHER_FUNCTIONS or node in parent.decorator_list:
                    return None
                return raised
            case ast.AnnAssign(annotation=annotation) if node is annotation:
                return None
            case _:
                pass
        node = parent
    return raised


def _is_error(name: str) -> bool:
    return name.endswith(("Error", "Exception", "_error", "BadParameter"))


def _is_prose(text: str, *, is_raised: bool) -> bool:
    words = WORD.findall(text.replace("…", " "))
    if is_raised or "…" in text:
        return len(words) >= 2 and " " in text
    return len(words) >= 3 and text.count(" ") >= 2
