"""YAML with the line of every key, and CloudFormation's short forms (``!Ref``) written out (``{"Ref": ...}``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, TypeAlias

import yaml

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, Location, TemplateError

Path: TypeAlias = tuple[str | int, ...]
_Pair: TypeAlias = tuple[yaml.Node, yaml.Node]

# CloudFormation takes templates of 1 MB, without aliases; no value of a deployment is nested that deeply.
MAX_VALUES: Final = 200_000
MAX_DEPTH: Final = 100
_MAX_DIGITS: Final = 1_000

# CloudFormation and the Serverless Framework know no dates: they are text.
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_MERGE: Final = "tag:yaml.org,2002:merge"
_NUMBERS: Final = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_BOOLEAN: Final = "tag:yaml.org,2002:bool"
_NO_PREFIX: Final = frozenset({"Ref", "Condition"})


@dataclass(frozen=True, slots=True)
class Document:
    """A file's tree of mappings, lists and scalars, and the line of each of its keys."""

    source: str
    tree: Any
    lines: Mapping[Path, int] = field(default_factory=dict[Path, int], repr=False)
    problems: tuple[Diagnostic, ...] = ()

    def spot(self, *path: str | int) -> Location:
        """Describe where *path* is written, or the nearest thing around it; the key ends where a value is worked
        out.
        """
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), ())
        key = takewhile(lambda step: step != "Ref" and not str(step).startswith("Fn::"), path)
        return Location(self.source, ".".join(map(str, key)), self.lines.get(known))

    def get(self, *path: str | int) -> Any:
        """Return what is at *path*, or ``None``."""
        found = self.tree
        for step in path:
            if is_mapping(found):
                found = found.get(str(step))
            elif is_list(found) and isinstance(step, int):
                found = found[step] if step < len(found) else None
            else:
                return None
        return found


class _TemplateLoader(yaml.SafeLoader):
    """YAML 1.1, as CloudFormation reads it, without dates."""


class _ServerlessLoader(yaml.SafeLoader):
    """YAML 1.2's booleans, as the Serverless Framework reads them: ``yes`` and ``on`` are text."""


def _resolvers_without(*tags: str) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    return {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in tags]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_TemplateLoader.yaml_implicit_resolvers = _resolvers_without(_TIMESTAMP)
_ServerlessLoader.yaml_implicit_resolvers = _resolvers_without(_TIMESTAMP, _BOOLEAN)
for _first in "tTfF":
    _true_or_false = (_BOOLEAN, re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"))
    _ServerlessLoader.yaml_implicit_resolvers.setdefault(_first, []).insert(0, _true_or_false)


def read_yaml(text: str, source: str) -> Document:
    """Read a file of one YAML document.

    Raises:
        MisreadError: It is not YAML; it names the line.
    """
    kind = _ServerlessLoader if re.search(r"^service:", text, re.MULTILINE) else _TemplateLoader
    try:
        loader = kind(text)
        writer = _Writer(loader, source)
        node = loader.get_single_node()
        tree = writer.plain(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        raise TemplateError(Location(source, line=line), f"not YAML: {exc.problem}") from None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise TemplateError(
            Location(source, line=line), f"not YAML: character #x{exc.character:04x} is not allowed"
        ) from None
    except RecursionError:
        raise TemplateError(Location(source), f"nested too deeply: at most {MAX_DEPTH} levels are read") from None
    except (ValueError, OverflowError) as exc:
        raise TemplateError(Location(source), f"not YAML: {exc}") from None
    return Document(source, tree, writer.lines, tuple(writer.problems))


def _is_merge(key: yaml.Node) -> bool:
    return key.tag == _MERGE


class _Writer:
    """Turns YAML's nodes into plain values, and notes the lines of the keys."""

    def __init__(self, loader: yaml.SafeLoader, source: str) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Diagnostic] = []
        self._loader = loader
        self._source = source
        self._open: list[yaml.Node] = []
        self._merging: list[yaml.Node] = []
        self._values = 0

    def plain(self, node: yaml.Node, path: Path) -> Any:
        if node in self._open:
            raise self._misread(node, "an alias contains itself")
        if len(self._open) >= MAX_DEPTH:
            raise self._misread(node, f"nested too deeply: at most {MAX_DEPTH} levels are read")
        self._count(node)
        self._open.append(node)
        try:
            if node.tag.startswith("!"):
                return self._written_out(node, path)
            return self._value(node, path)
        finally:
            self._open.pop()

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            raise self._misread(node, f"a number of more than {_MAX_DIGITS:,} characters")
        scalar: Any = self._loader.construct_object(node)  # pyright: ignore[reportUnknownMemberType] - its stubs have no types
        return scalar

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.plain(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for key, (key_node, value_node) in self._pairs(node, path).items():
            self.lines[*path, key] = key_node.start_mark.line + 1
            written[key] = self.plain(value_node, (*path, key))
        return written

    def _pairs(self, node: yaml.MappingNode, path: Path) -> dict[str, _Pair]:
        """Return what a mapping contains, with what it merges by ``<<``, over which its own keys win."""
        if node in self._merging:
            raise self._misread(node, "an alias contains itself")
        self._merging.append(node)
        try:
            own = self._first_of_each(node, path)
            merged = [pair for key, value in own if _is_merge(key) for pair in self._merged(value, path)]
            return {self._key(key): (key, value) for key, value in (*merged, *own) if not _is_merge(key)}
        finally:
            self._merging.pop()

    def _merged(self, node: yaml.Node, path: Path) -> list[_Pair]:
        """Return what is merged from a mapping, or from several, of which the first wins."""
        if isinstance(node, yaml.MappingNode):
            pairs = list(self._pairs(node, path).values())
            self._count(node, len(pairs))
            return pairs
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.MappingNode) for item in node.value):
            return [pair for item in reversed(node.value) for pair in self._merged(item, path)]
        found = "sequence" if isinstance(node, yaml.SequenceNode) else "scalar"
        raise self._misread(node, f"not YAML: expected a mapping or list of mappings for merging, but found {found}")

    def _count(self, node: yaml.Node, values: int = 1) -> None:
        """Count what is written out: aliases of aliases soon stand for more than a machine can hold."""
        self._values += values
        if self._values > MAX_VALUES:
            raise self._misread(node, f"too large: more than {MAX_VALUES:,} values once its aliases are written out")

    def _key(self, node: yaml.Node) -> str:
        """Return a key; one that is a list or a mapping may stand for more than can be written out."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._misread(node, "a key has to be text, not a list or a mapping")
        return str(node.value)

    def _misread(self, node: yaml.Node, text: str) -> TemplateError:
        return TemplateError(Location(self._source, line=node.start_mark.line + 1), text)

    def _first_of_each(self, node: yaml.MappingNode, path: Path) -> list[_Pair]:
        first: dict[str, _Pair] = {}
        merged: list[_Pair] = []
        for pair in node.value:
            key = self._key(pair[0])
            if key == "<<":
                merged.append(pair)
            elif key in first:
                spot = Location(self._source, ".".join(map(str, (*path, key))), pair[0].start_mark.line + 1)
                written = f"written twice; line {first[key][0].start_mark.line + 1} has it already"
                self.problems.append(Diagnostic(spot, written))
            else:
                first[key] = pair
        return [*merged, *first.values()]

    def _written_out(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        short = node.tag[1:]
        name = short if short in _NO_PREFIX else f"Fn::{short}"
        self.lines[*path, name] = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            return {name: self._value(node, (*path, name))}
        value: Any = node.value
        if name == "Fn::GetAtt":
            value = value.split(".", 1)
        return {name: value}
