"""The Serverless Framework's variables: ``${self:custom.table}``, ``${env:HOME, 'none'}``, ``${opt:stage}``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._lambda_api.aws_location import AwsLocation

from .diagnostics import TemplateError
from .document import Document, Path, read_yaml
from .work_budget import Effort, TooMuchError

_ADDRESS: Final = re.compile(r"(\w+)(?:\(([^()]*)\))?(?::(.*))?", re.DOTALL)
_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
_MISSING: Final = object()
_SOURCES: Final = frozenset(
    ("self", "env", "opt", "sls", "aws", "param", "file", "strToBool", "cf", "ssm", "s3", "git")
)


class Variables:
    """Works out the variables of a ``serverless.yml``.

    Args:
        document: The file.
        options: What ``${opt:...}`` and ``${param:...}`` give.
        environment: What ``${env:...}`` gives.
        place: The account and the region.
        stage: The stage that the user names, if any; without, the file's own or ``dev``.
        read: Reads a file that ``${file(...)}`` names.
    """

    def __init__(
        self,
        document: Document,
        *,
        options: Mapping[str, str],
        environment: Mapping[str, str],
        place: AwsLocation,
        stage: str | None,
        read: Callable[[str], str],
    ) -> None:
        self.document = document
        self._options = {"region": place.region, **({"stage": stage} if stage else {}), **options}
        self._environment = environment
        self._place = place
        self._read = read
        self._open: list[str] = []
        self._effort = Effort()

    @property
    def stage(self) -> str:
        """The stage.

        Raises:
            MisreadError: The file's own cannot be known here.
        """
        return str(self._options.get("stage") or self.at("provider", "stage") or "dev")

    def at(self, *path: str | int) -> Any:
        """Return what stands at *path*, its variables replaced; ``None`` where nothing does.

        Raises:
            MisreadError: A variable cannot be known here and has no default.
        """
        try:
            return self._effort.of(lambda: self._walk(self.document.tree, path, ()))
        except TooMuchError as exc:
            raise self._misread(path, str(exc)) from None

    def value(self, tree: Any, path: Path) -> Any:
        """Replace the variables in *tree*, which stands at *path*.

        Raises:
            MisreadError: One cannot be known here and has no default.
        """
        try:
            return self._effort.of(lambda: self._value(tree, path))
        except TooMuchError as exc:
            raise self._misread(path, str(exc)) from None

    def _value(self, tree: Any, path: Path) -> Any:
        if isinstance(tree, str):
            return self._text(tree, path)
        if is_list(tree):
            return [self.value(item, (*path, index)) for index, item in enumerate(tree)]
        if is_mapping(tree):
            return {key: self.value(value, (*path, key)) for key, value in tree.items()}
        return tree

    def _walk(self, tree: Any, steps: Path, done: Path) -> Any:
        """Go down to a value; what stands on the way may be variables itself."""
        for step in steps:
            if isinstance(tree, str):
                tree = self._text(tree, done)
            if is_list(tree) and str(step).isdecimal() and int(step) < len(tree):
                tree = tree[int(step)]
            elif is_mapping(tree):
                tree = tree.get(str(step))
            else:
                return None
            done = (*done, step)
        return self.value(tree, done)

    def _text(self, text: str, path: Path) -> Any:
        if "${" not in text:
            return text
        self._effort.add(len(text))
        pieces = [self._variable(piece, path) if is_variable else piece for is_variable, piece in _pieces(text)]
        if len(pieces) == 1:
            return pieces[0]
        for piece in pieces:
            if isinstance(piece, Mapping | list):
                raise self._misread(path, f"{text!r} puts a list or a mapping into text")
        written = [_written(piece) for piece in pieces]
        self._effort.add(sum(map(len, written)))
        return "".join(written)

    def _variable(self, inside: str, path: Path) -> Any:
        alternatives = _alternatives(inside)
        if not _is_ours(alternatives[0]):
            return f"${{{inside}}}"
        if inside in self._open:
            raise self._misread(path, f"${{{inside}}} refers to itself")
        self._open.append(inside)
        try:
            for alternative in alternatives:
                found = self._alternative(alternative, path)
                if found is not _MISSING and found is not None:
                    return found
        finally:
            self._open.pop()
        if alternatives[-1] == "null":
            return None
        raise self._misread(path, f"${{{inside}}} has no value here{_advice(alternatives[0])}")

    def _alternative(self, text: str, path: Path) -> Any:
        if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
            return self._text(text[1:-1], path)
        if text in _LITERALS:
            return _LITERALS[text]
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return json.loads(text)
        expanded = self._text(text, path)
        if not isinstance(expanded, str) or expanded != text:
            return self._addressed(expanded, path) if isinstance(expanded, str) and _is_ours(expanded) else expanded
        return self._addressed(text, path)

    def _addressed(self, text: str, path: Path) -> Any:
        match = _ADDRESS.fullmatch(text.strip())
        if match is None:
            return _MISSING
        source, argument, address = match.groups()
        lookups: Mapping[str, Callable[[], Any]] = {
            "self": lambda: self._self(address or ""),
            "env": lambda: self._environment.get(address),
            "opt": lambda: self._options.get(address),
            "param": lambda: self._options.get(address, self._parameter(address)),
            "sls": lambda: {"stage": self.stage, "instanceId": "local"}.get(address),
            "aws": lambda: {"accountId": self._place.account_id, "region": self._place.region}.get(address),
            "file": lambda: self._file(argument or "", address, path),
            "strToBool": lambda: {"true": True, "1": True, "false": False, "0": False}.get(argument.lower()),
        }
        return lookups[source]() if source in lookups else self._options.get(text.strip(), _MISSING)

    def _self(self, address: str) -> Any:
        return self.at(*address.split(".")) if address else self.document.tree

    def _parameter(self, name: str) -> Any:
        """What the file's own ``params`` say for the stage, or for any."""
        found = self.at("params", self.stage, name)
        return self.at("params", "default", name) if found is None else found

    def _file(self, name: str, address: str | None, path: Path) -> Any:
        kind = PurePosixPath(name).suffix
        if kind in (".js", ".ts", ".cjs", ".mjs"):
            raise self._misread(path, f"{name} is a program; only YAML, JSON and text files are read")
        try:
            text = self._read(name)
        except (OSError, ValueError):
            return _MISSING
        self._effort.add(len(text))
        if kind not in (".yml", ".yaml", ".json"):
            return text
        tree = read_yaml(text, name).tree
        return self._walk(tree, tuple(address.split(".")) if address else (), path)

    def _misread(self, path: Path, text: str) -> TemplateError:
        return TemplateError(self.document.spot(*path), text)


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Cut a text into what stands outside of ``${...}`` and what inside.

    >>> _pieces("a-${opt:x, ${self:y}}-b")
    [(False, 'a-'), (True, 'opt:x, ${self:y}'), (False, '-b')]
    """
    pieces: list[tuple[bool, str]] = []
    position = 0
    while (start := text.find("${", position)) != -1:
        end = _closing(text, start + 2)
        if end == -1:
            break
        pieces += [(False, text[position:start]), (True, text[start + 2 : end])]
        position = end + 1
    pieces.append((False, text[position:]))
    return [piece for piece in pieces if piece[1] or piece[0]]


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    return -1


def _alternatives(inside: str) -> list[str]:
    """Cut at the commas that stand outside of quotes, braces and parentheses.

    >>> _alternatives("opt:x, ${self:y, 'a,b'}, 'c,d'")
    ['opt:x', "${self:y, 'a,b'}", "'c,d'"]
    """
    ends: list[int] = []
    depth, quote = 0, ""
    for position, letter in enumerate(inside):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "{(":
            depth += 1
        elif letter in "})":
            depth -= 1
        elif letter == "," and depth == 0:
            ends.append(position)
    starts = [0, *(end + 1 for end in ends)]
    return [inside[start:end].strip() for start, end in zip(starts, [*ends, None], strict=True)]


def _is_ours(text: str) -> bool:
    """Whether it is a variable of the framework's, and none of CloudFormation's ``${AWS::Region}``."""
    match = re.match(r"(\w+)(?=[:(.])(?!::)", text)
    return text.startswith("${") or (match is not None and match[1] in _SOURCES)


def _advice(variable: str) -> str:
    source, _, name = variable.partition(":")
    if source in ("opt", "param"):
        return f": give --parameter {name}=VALUE"
    if source == "env":
        return f": set {name} in the environment of this command"
    if source.partition(".")[0].partition("(")[0] in ("cf", "ssm", "s3"):
        return f", only in AWS: give --parameter {variable}=VALUE"
    return ""


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
