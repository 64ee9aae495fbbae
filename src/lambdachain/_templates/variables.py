"""Replace the Serverless Framework's variables: ``${self:custom.table}``, ``${env:HOME, 'none'}``, ``${opt:stage}``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .context import TemplateContext
from .diagnostics import Diagnostic, TemplateError, UnresolvedValue
from .document import Document, Path, parse_yaml
from .dotenv import is_dotenv_read, load_dotenv
from .scalars import to_text
from .work_budget import BudgetExceededError, WorkBudget

_ADDRESS: Final = re.compile(r"(\w+)(?:\(([^()]*)\))?(?::(.*))?", re.DOTALL)
_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
_STRINGS_TO_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
_MISSING: Final = object()
# A source that only the framework or a plugin of it knows is one too, or its text would be served as the value.
_SOURCE: Final = re.compile(r"[a-z][a-zA-Z0-9]*(?:\(|:(?!:)|(?<=^cf)\.)")
# What is deployed. The rest, `custom` and `params` above all, is only referred to: replacing it here would report
# variables that nothing uses.
_SECTIONS: Final = ("service", "provider", "package", "functions", "layers", "resources")


def replace_variables(document: Document, context: TemplateContext, read_file: Callable[[str], str]) -> Document:
    """Replace the variables in the sections of a ``serverless.yml`` that are deployed.

    One that cannot be resolved on this machine becomes an `UnresolvedValue`. The result has the stage in ``provider``.

    Args:
        document: The file.
        context: What it may refer to.
        read_file: Reads a file that ``${file(...)}`` names.
    """
    resolver = _VariableResolver(document, context, read_file)
    # First, while there is a budget: without its stage no function has a name.
    stage = resolver.resolve_stage()
    if is_dotenv_read(document):
        # The stage may come from `.env` itself, which cannot be the file of that stage then.
        known = None if isinstance(stage, UnresolvedValue) else stage
        found = load_dotenv(document, known, context.environment, read_file)
        environment = {**found, **context.environment}
        resolver = _VariableResolver(document, replace(context, environment=environment), read_file)
        stage = resolver.resolve_stage()
    tree = {name: resolver.replace_each(document.get(name), (name,)) for name in _SECTIONS}
    # Which defaults count depends on it.
    tree["frameworkVersion"] = document.get("frameworkVersion")
    provider = tree["provider"]
    diagnostics = document.diagnostics
    if isinstance(provider, UnresolvedValue):
        diagnostics = (*diagnostics, Diagnostic(provider.location, provider.text, fatal=False))
    # `provider: aws` is the short form of `provider: {name: aws}`.
    tree["provider"] = {**(provider if is_mapping(provider) else {}), "stage": stage}
    return replace(document, tree=tree, diagnostics=diagnostics)


class _VariableResolver:
    """Resolves the variables of one file, which may refer to each other in any order."""

    def __init__(self, document: Document, context: TemplateContext, read_file: Callable[[str], str]) -> None:
        self._document = document
        self._aws_location = context.aws_location
        stage = {"stage": context.stage} if context.stage else {}
        self._options: Mapping[str, str] = {"region": context.aws_location.region, **stage, **context.parameters}
        self._exports = context.exports
        self._environment = context.environment
        self._read_file = read_file
        self._open: list[str] = []
        self._budget = WorkBudget()

    def replace_each(self, tree: Any, path: Path) -> Any:
        """Replace the variables in *tree*, which is at *path*, each text on a budget of its own."""
        if is_list(tree):
            return [self.replace_each(item, (*path, index)) for index, item in enumerate(tree)]
        if is_mapping(tree):
            return {key: self.replace_each(value, (*path, key)) for key, value in tree.items()}
        return self._resolve(lambda: self._replace_text(tree, path), path) if isinstance(tree, str) else tree

    def resolve_stage(self) -> str | UnresolvedValue:
        """Return the stage: the user's, or else the file's, or else ``dev``."""
        found = self._resolve(self._stage, ("provider", "stage"))
        return found if isinstance(found, UnresolvedValue) else str(found)

    def _resolve(self, resolve: Callable[[], Any], path: Path) -> Any:
        try:
            return self._budget.run(resolve)
        except BudgetExceededError as exc:
            return UnresolvedValue(self._document.location(*path), str(exc))
        except TemplateError as exc:
            return UnresolvedValue.from_error(exc)

    def _stage(self) -> Any:
        return self._options.get("stage") or self._get("provider", "stage")

    def _get(self, *steps: str | int) -> Any:
        found = self._walk(self._document.tree, steps, ())
        # The framework adds this setting where it is missing.
        return "dev" if found is None and steps == ("provider", "stage") else found

    def _replace(self, tree: Any, path: Path) -> Any:
        self._budget.spend_step()
        if isinstance(tree, str):
            return self._replace_text(tree, path)
        if is_list(tree):
            return [self._replace_inner(item, (*path, index)) for index, item in enumerate(tree)]
        if is_mapping(tree):
            return {key: self._replace_inner(value, (*path, key)) for key, value in tree.items()}
        return tree

    def _replace_inner(self, tree: Any, path: Path) -> Any:
        # Inside the list or mapping that a variable refers to, such as an included file, one unknown value leaves
        # the others. BudgetExceededError is not caught here, or resolving would continue with the next value.
        try:
            return self._replace(tree, path)
        except TemplateError as exc:
            return UnresolvedValue.from_error(exc)

    def _walk(self, tree: Any, steps: Path, done: Path) -> Any:
        """Follow *steps* down to a value; each value on the way may be a variable itself."""
        for step in steps:
            self._budget.spend_step()
            if isinstance(tree, str):
                tree = self._replace_text(tree, done)
            if is_list(tree) and str(step).isdecimal() and int(step) < len(tree):
                tree = tree[int(step)]
            elif is_mapping(tree):
                tree = tree.get(str(step))
            else:
                return None
            if isinstance(tree, UnresolvedValue):
                raise tree.to_error()
            done = (*done, step)
        return self._replace(tree, done)

    def _replace_text(self, text: str, path: Path) -> Any:
        if "${" not in text:
            return text
        self._budget.spend(len(text))
        pieces = [self._variable(piece, path) if is_variable else piece for is_variable, piece in _split(text)]
        # A text that is one variable takes the variable's type; `"${self:custom.rate}"` may be a number or a mapping.
        if len(pieces) == 1:
            return pieces[0]
        for piece in pieces:
            if piece is None or isinstance(piece, Mapping | list):
                what = "null" if piece is None else "a list or a mapping"
                raise self._error(path, f"{text!r} inserts {what} into text")
        written = [to_text(piece) for piece in pieces]
        self._budget.spend(sum(map(len, written)))
        return "".join(written)

    def _variable(self, inside: str, path: Path) -> Any:
        alternatives = _alternatives(inside)
        if inside[:1].isspace() or not _is_framework_variable(alternatives[0]):
            return f"${{{inside}}}"
        # The text identifies the variable: a cycle reaches the same text again while it is being resolved.
        if inside in self._open:
            raise self._error(path, f"${{{inside}}} refers to itself")
        self._open.append(inside)
        try:
            for alternative in alternatives:
                # A null counts as missing, unless it is the last alternative, where somebody wrote it on purpose.
                found = self._alternative(alternative, path)
                if found is not _MISSING and found is not None:
                    return found
        finally:
            self._open.pop()
        if alternatives[-1] == "null":
            return None
        raise self._error(path, f"${{{inside}}} has no value{_advice(alternatives[0])}")

    def _alternative(self, text: str, path: Path) -> Any:
        if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
            return self._replace_text(text[1:-1], path)
        if text in _LITERALS:
            return _LITERALS[text]
        if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return json.loads(text)
        expanded = self._replace_text(text, path)
        if not isinstance(expanded, str) or expanded != text:
            is_variable = isinstance(expanded, str) and _is_framework_variable(expanded)
            return self._look_up(expanded, path) if is_variable else expanded
        return self._look_up(text, path)

    def _look_up(self, text: str, path: Path) -> Any:
        match = _ADDRESS.fullmatch(text.strip())
        if match is None:
            return _MISSING
        source, argument, address = match.groups()
        lookups: Mapping[str, Callable[[], Any]] = {
            "self": lambda: self._get(*address.split(".")) if address else self._document.tree,
            "env": lambda: self._environment.get(address),
            "opt": lambda: self._options.get(address),
            "param": lambda: self._options[address] if address in self._options else self._parameter(address),
            "sls": lambda: str(self._stage()) if address == "stage" else {"instanceId": "local"}.get(address),
            "aws": lambda: self._from_aws(address),
            "file": lambda: self._file(argument or "", address, path),
            "cf": lambda: self._options.get(text.strip(), self._exports.get(f"cf:{address}", _MISSING)),
            "strToBool": lambda: _STRINGS_TO_BOOLEANS.get((argument or "").strip(" '\"").lower()),
        }
        # What only AWS knows, such as ${ssm:/shop/key}, may be passed by its own text as a parameter.
        return lookups[source]() if source in lookups else self._options.get(text.strip(), _MISSING)

    def _from_aws(self, address: str | None) -> str | None:
        return {"accountId": self._aws_location.account_id, "region": self._aws_location.region}.get(address or "")

    def _parameter(self, name: str) -> Any:
        """Return a value of the file's own parameters: the stage's, or the default."""
        # `stages` is version 4's place for them, which takes precedence over `params`.
        for stage in (str(self._stage()), "default"):
            for path in (("stages", stage, "params", name), ("params", stage, name)):
                if (found := self._get(*path)) is not None:
                    return found
        return None

    def _file(self, name: str, address: str | None, path: Path) -> Any:
        suffix = PurePosixPath(name).suffix
        if suffix in (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts"):
            raise self._error(path, f"{name} is a program, which is not run: only YAML, JSON and text files are read")
        try:
            text = self._read_file(name)
        except (OSError, ValueError):
            # As with the framework, a missing file is a missing value: `${file(local.yml):key, 'default'}`.
            return _MISSING
        self._budget.spend(len(text))
        if suffix not in (".yml", ".yaml", ".json", ".tfstate"):
            return text
        tree = parse_yaml(text, name, "serverless").tree
        return self._walk(tree, tuple(address.split(".")) if address else (), path)

    def _error(self, path: Path, text: str) -> TemplateError:
        return TemplateError(self._document.location(*path), text)


def _split(text: str) -> list[tuple[bool, str]]:
    """Split a text into what is outside ``${...}`` (``False``) and what is inside (``True``).

    >>> _split("a-${opt:x, ${self:y}}-b")
    [(False, 'a-'), (True, 'opt:x, ${self:y}'), (False, '-b')]
    """
    pieces: list[tuple[bool, str]] = []
    position = 0
    while (start := text.find("${", position)) != -1:
        end = _find_closing_brace(text, start + 2)
        if end == -1:
            break
        before = text[position:start]
        slashes = len(before) - len(before.rstrip("\\"))
        # A backslash escapes a backslash or the variable, which stays as text then.
        before = before[: len(before) - slashes] + "\\" * (slashes // 2)
        if slashes % 2:
            pieces += [(False, before), (False, text[start : end + 1])]
        else:
            inside = text[start + 2 : end]
            # The framework drops what `$${self:...}` has more of.
            pieces += [(False, before.rstrip("$") if _is_framework_variable(inside) else before), (True, inside)]
        position = end + 1
    pieces.append((False, text[position:]))
    return [piece for piece in pieces if piece[1] or piece[0]]


def _find_closing_brace(text: str, start: int) -> int:
    """Return the position of the brace that ends a variable, or -1; one in quotes does not."""
    depth, quote, previous = 1, "", ","
    for position in range(start, len(text)):
        letter = text[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and previous in ",(" and letter in text[position + 1 :]:
            quote = letter
        elif letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                return position
        previous = previous if letter.isspace() else letter
    return -1


def _alternatives(inside: str) -> list[str]:
    """Split at the commas that are outside quotes, braces and parentheses.

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


def _is_framework_variable(text: str) -> bool:
    """Check whether a variable is the framework's; ``${AWS::Region}`` and ``${Table}`` are CloudFormation's."""
    return text.startswith("${") or _SOURCE.match(text) is not None


def _advice(variable: str) -> str:
    source, _, name = variable.partition(":")
    if source in ("opt", "param"):
        return f": pass --parameter {name}=VALUE"
    if source == "env":
        return f": set {name} in the environment of this command"
    if source.partition("(")[0] in ("self", "file", "strToBool", "sls"):
        return ""
    return f" outside AWS: pass --parameter {variable}=VALUE"
