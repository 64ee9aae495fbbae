"""Parse YAML with the line of every key, and expand CloudFormation's short forms (``!Ref``) to ``{"Ref": ...}``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, Literal, TypeAlias

import yaml

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, Location, TemplateError
from .scalars import TIME, format_date, parse_number

Path: TypeAlias = tuple[str | int, ...]
Dialect: TypeAlias = Literal["cloudformation", "serverless"]
_Pair: TypeAlias = tuple[yaml.Node, yaml.Node]

# CloudFormation accepts templates of 1 MB, without aliases; no value of a deployment is nested that deeply.
MAX_VALUES: Final = 200_000
MAX_DEPTH: Final = 100
# Converting a long decimal, or a base-60 number of YAML 1.1, takes time that grows with the square of its length.
_MAX_DIGITS: Final = 1_000

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_MERGE: Final = "tag:yaml.org,2002:merge"
# YAML 1.1's type of a lone `=`, which PyYAML recognizes but cannot construct.
_VALUE: Final = "tag:yaml.org,2002:value"
_INTEGER: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_NUMBERS: Final = (_INTEGER, _FLOAT)
_BOOLEAN: Final = "tag:yaml.org,2002:bool"
# An escape of JSON, or the two of a character that UTF-16 has as a pair.
_ESCAPE: Final = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL)
_SHORT_FORMS_WITHOUT_PREFIX: Final = frozenset({"Ref", "Condition"})


@dataclass(frozen=True, slots=True)
class Document:
    """A tree of mappings, lists and scalars that knows where each of its keys is written.

    Attributes:
        source: The file's name.
        tree: The tree.
        lines: The line of each key, by its path in the file.
        diagnostics: What was wrong with the file, but did not keep it from being read.
        origins: For a tree that was made from the file's: the path in the file, by the path in the tree.
        http_diagnostics: What was wrong with HTTP events, which only the reader of HTTP routes reports.
    """

    source: str
    tree: Any
    lines: Mapping[Path, int] = field(default_factory=dict[Path, int], repr=False)
    diagnostics: tuple[Diagnostic, ...] = ()
    origins: Mapping[Path, Path] = field(default_factory=dict[Path, Path], repr=False)
    http_diagnostics: tuple[Diagnostic, ...] = ()

    def get(self, *path: str | int) -> Any:
        """Return the value at *path*, or ``None`` if there is nothing."""
        found = self.tree
        for step in path:
            if is_mapping(found):
                # Keys are text, even those that YAML reads as numbers, such as the account ids in Mappings.
                found = found.get(str(step))
            elif is_list(found) and isinstance(step, int):
                found = found[step] if step < len(found) else None
            else:
                return None
        return found

    def location(self, *path: str | int) -> Location:
        """Return where *path* is written, or its nearest parent that is; the key ends before an intrinsic function."""
        path = self.to_file_path(path)
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), ())
        key = takewhile(lambda step: step != "Ref" and not str(step).startswith("Fn::"), path)
        return Location(self.source, ".".join(map(str, key)), self.lines.get(known))

    def to_file_path(self, path: Path) -> Path:
        """Return the path in the file of what is at *path* in the tree."""
        # The longest origin: parts of a function may come from elsewhere than the function itself.
        for end in range(len(path), 0, -1):
            if (origin := self.origins.get(path[:end])) is not None:
                return (*origin, *path[end:])
        return path


class _CloudFormationLoader(yaml.SafeLoader):
    """YAML 1.1, as CloudFormation reads it, but dates stay text."""


class _ServerlessLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, as the Serverless Framework's js-yaml reads it.

    ``yes`` and ``12:30`` stay text, ``0644`` is 644, and a date is a point in time.
    """


def _resolvers_without(*tags: str) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in tags]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


# The first that matches counts; with an underscore, a number is text.
_CORE_SCHEMA: Final = (
    (_BOOLEAN, "tTfF", r"(?:true|True|TRUE|false|False|FALSE)$"),
    (_INTEGER, "-+0123456789", r"[-+]?(?:0b[01]+|0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)$"),
    (_FLOAT, "-+.0123456789", r"(?:[-+]?[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    (_FLOAT, "-+.", r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    (_TIMESTAMP, "0123456789", r"[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    (_TIMESTAMP, "0123456789", rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}{TIME}$"),
)


def _construct_number(_loader: yaml.SafeLoader, node: yaml.Node) -> int | float | None:
    return parse_number(str(node.value))


def _construct_date(_loader: yaml.SafeLoader, node: yaml.Node) -> str:
    return format_date(str(node.value))


_CloudFormationLoader.yaml_implicit_resolvers = _resolvers_without(_TIMESTAMP, _VALUE)
_ServerlessLoader.yaml_implicit_resolvers = _resolvers_without(_TIMESTAMP, _VALUE, _BOOLEAN, *_NUMBERS)
for _tag, _letters, _pattern in _CORE_SCHEMA:
    # PyYAML looks its patterns up by a scalar's first letter.
    for _first in _letters:
        _ServerlessLoader.yaml_implicit_resolvers.setdefault(_first, []).append((_tag, re.compile(_pattern)))
_ServerlessLoader.add_constructor(_TIMESTAMP, _construct_date)
for _tag in _NUMBERS:
    _ServerlessLoader.add_constructor(_tag, _construct_number)

_LOADERS: Final[Mapping[Dialect, type[yaml.SafeLoader]]] = {
    "cloudformation": _CloudFormationLoader,
    "serverless": _ServerlessLoader,
}


def parse_yaml(text: str, source: str, dialect: Dialect | None = None) -> Document:
    """Parse a file of one YAML document; JSON is YAML too.

    Args:
        text: The file's text.
        source: The file's name.
        dialect: Whose scalars to read; by default, a file with a top-level ``service`` is the Serverless Framework's.

    Raises:
        TemplateError: The text is not YAML; the message names the line.
    """
    dialect = dialect or ("serverless" if re.search(r"^service:", text, re.MULTILINE) else "cloudformation")
    try:
        loader = _LOADERS[dialect](_to_yaml(text))
        builder = _TreeBuilder(loader, source)
        node = loader.get_single_node()
        tree = builder.build(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        raise TemplateError(Location(source, line=line), f"not valid YAML: {exc.problem}") from None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        text = f"not valid YAML: character #x{exc.character:04x} is not allowed"
        raise TemplateError(Location(source, line=line), text) from None
    except RecursionError:
        # PyYAML's own parser recurses before the builder sees the depth.
        raise TemplateError(Location(source), f"nested too deeply: more than {MAX_DEPTH} levels") from None
    except (ValueError, OverflowError) as exc:
        raise TemplateError(Location(source), f"not valid YAML: {exc}") from None
    return Document(source, tree, builder.lines, tuple(builder.diagnostics))


def _to_yaml(text: str) -> str:
    """Return JSON as YAML 1.1, which allows no tab between its tokens and has no pairs of surrogates."""
    if not text.lstrip().startswith("{") or ("\t" not in text and "\\u" not in text):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    # A string of JSON has no tab: it is escaped there.
    return _ESCAPE.sub(_join_surrogates, text.replace("\t", " "))


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = match.groups()
    return match[0] if high is None else chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)


def _is_merge(key: yaml.Node) -> bool:
    return key.tag == _MERGE


class _TreeBuilder:
    """Builds plain values from YAML nodes and records the line of each key.

    PyYAML's own constructor loses the lines, keeps the last of two equal keys silently, and lets aliases share their
    values, so that a small file may expand to more than memory holds when its tree is walked.
    """

    def __init__(self, loader: yaml.SafeLoader, source: str) -> None:
        self.lines: dict[Path, int] = {}
        self.diagnostics: list[Diagnostic] = []
        self._loader = loader
        self._source = source
        self._parents: list[yaml.Node] = []
        self._merging: list[yaml.Node] = []
        self._values = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        if node in self._parents:
            raise self._error(node, "an alias contains itself")
        if len(self._parents) >= MAX_DEPTH:
            raise self._error(node, f"nested too deeply: more than {MAX_DEPTH} levels")
        self._count(node)
        self._parents.append(node)
        try:
            # PyYAML's constructors know no tag of CloudFormation's; a standard tag starts with "tag:yaml.org".
            if node.tag.startswith("!"):
                return self._expand_short_form(node, path)
            return self._build_value(node, path)
        finally:
            self._parents.pop()

    def _build_value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build_item(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            raise self._error(node, f"a number of more than {_MAX_DIGITS:,} characters")
        scalar: Any = self._loader.construct_object(node)  # pyright: ignore[reportUnknownMemberType] - its stubs have no types
        return scalar

    def _build_item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, (key_node, value_node) in self._pairs(node, path).items():
            self.lines[*path, key] = key_node.start_mark.line + 1
            mapping[key] = self.build(value_node, (*path, key))
        return mapping

    def _pairs(self, node: yaml.MappingNode, path: Path) -> dict[str, _Pair]:
        """Return a mapping's pairs, with those merged by ``<<``; its own keys take precedence."""
        if node in self._merging:
            raise self._error(node, "an alias contains itself")
        self._merging.append(node)
        try:
            own = self._last_of_each(node, path)
            merged = [pair for key, value in own if _is_merge(key) for pair in self._pairs_to_merge(value, path)]
            return {self._key(key): (key, value) for key, value in (*merged, *own) if not _is_merge(key)}
        finally:
            self._merging.pop()

    def _pairs_to_merge(self, node: yaml.Node, path: Path) -> list[_Pair]:
        """Return the pairs merged from one mapping, or from a list of them; the first takes precedence."""
        if isinstance(node, yaml.MappingNode):
            pairs = list(self._pairs(node, path).values())
            self._count(node, len(pairs))
            return pairs
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.MappingNode) for item in node.value):
            return [pair for item in reversed(node.value) for pair in self._pairs_to_merge(item, path)]
        found = "sequence" if isinstance(node, yaml.SequenceNode) else "scalar"
        text = f"not valid YAML: << merges a mapping or a list of mappings, not a {found}"
        raise self._error(node, text)

    def _count(self, node: yaml.Node, values: int = 1) -> None:
        """Count what is built: aliases of aliases soon expand to more than memory holds."""
        self._values += values
        if self._values > MAX_VALUES:
            raise self._error(node, f"too large: more than {MAX_VALUES:,} values after its aliases are expanded")

    def _key(self, node: yaml.Node) -> str:
        # A key that is a list or a mapping would be built by PyYAML itself, without any of the limits above.
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, "a key must be text, not a list or a mapping")
        return str(node.value)

    def _error(self, node: yaml.Node, text: str) -> TemplateError:
        return TemplateError(Location(self._source, line=node.start_mark.line + 1), text)

    def _last_of_each(self, node: yaml.MappingNode, path: Path) -> list[_Pair]:
        """Return a mapping's own pairs and report duplicate keys, of which the last counts, as for SAM."""
        last: dict[str, _Pair] = {}
        merges: list[_Pair] = []
        for pair in node.value:
            key = self._key(pair[0])
            if key == "<<":
                merges.append(pair)
                continue
            if key in last:
                location = Location(self._source, ".".join(map(str, (*path, key))), pair[0].start_mark.line + 1)
                line = last[key][0].start_mark.line + 1
                text = f"duplicate key, already on line {line}: only the last counts"
                self.diagnostics.append(Diagnostic(location, text, fatal=False))
            last[key] = pair
        return [*merges, *last.values()]

    def _expand_short_form(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        tag = node.tag[1:]
        name = tag if tag in _SHORT_FORMS_WITHOUT_PREFIX else f"Fn::{tag}"
        self.lines[*path, name] = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            return {name: self._build_value(node, (*path, name))}
        # The scalar itself, not construct_object: CloudFormation takes `!Ref 5` and `!Sub yes` as text.
        value: Any = node.value
        if name == "Fn::GetAtt":
            value = value.split(".", 1)
        return {name: value}
