"""CloudFormation's intrinsic functions, worked out on this machine."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from lambdachain._core.arn import parse_target, partition_of
from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._lambda_api.aws_location import AwsLocation

from .diagnostics import TemplateError
from .document import Document, Path
from .resource_types import KINDS, attribute, reference
from .work_budget import Effort, TooMuchError

FUNCTION_TYPES: Final = frozenset({"AWS::Serverless::Function", "AWS::Lambda::Function"})

_SUBSTITUTED: Final = re.compile(r"\$\{(!?)([^${}]+)\}")
_GENERATED: Final = re.compile(r"(\w+)\.(Version|Alias)")


class _NoValue:
    """What ``AWS::NoValue`` is: nothing, not even null."""


NO_VALUE: Final = _NoValue()


class Resolver:
    """Works out the values of a template, as far as this machine can know them.

    Args:
        template: The template.
        given: What the user says: values of parameters, and of anything else that a template may refer to
            (``Database``, ``Database.Endpoint.Address``, the name of an import), which wins over what is known here.
        place: The account and the region.
        stack: The stack's name.
    """

    def __init__(self, template: Document, given: Mapping[str, str], place: AwsLocation, stack: str) -> None:
        self.template = template
        self.place = place
        self._given = given
        self._stack = stack
        self._open: list[str] = []
        self._effort = Effort()
        self._functions: Mapping[str, Callable[[Any, Path], Any]] = {
            "Condition": self.holds,
            "Fn::And": lambda tests, path: all(self.value(tests, path)),
            "Fn::Base64": lambda text, path: base64.b64encode(self._text(text, path).encode()).decode(),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": lambda _region, _path: [self.place.region + zone for zone in "abc"],
            "Fn::GetAtt": self._get_attribute,
            "Fn::If": self._if,
            "Fn::ImportValue": self._import,
            "Fn::Join": self._join,
            "Fn::Length": lambda items, path: len(self.value(items, path)),
            "Fn::Not": lambda tests, path: not self.value(tests, path)[0],
            "Fn::Or": lambda tests, path: any(self.value(tests, path)),
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._substitute,
            "Fn::ToJsonString": lambda tree, path: json.dumps(self.value(tree, path), separators=(",", ":")),
            "Ref": self._ref,
        }

    def at(self, *path: str | int) -> Any:
        """Work out what stands at *path*; ``None`` where nothing does.

        Raises:
            MisreadError: It cannot be known here.
        """
        return self.value(self.template.get(*path), path)

    def value(self, tree: Any, path: Path) -> Any:
        """Work out *tree*, which stands at *path*.

        Raises:
            MisreadError: It cannot be known here.
        """
        try:
            return self._effort.of(lambda: self._value(tree, path))
        except TooMuchError as exc:
            raise self._misread(path, str(exc)) from None

    def _value(self, tree: Any, path: Path) -> Any:
        if is_list(tree):
            items = (self.value(item, (*path, index)) for index, item in enumerate(tree))
            return [item for item in items if item is not NO_VALUE]
        if not is_mapping(tree):
            return tree
        if len(tree) == 1:
            (name, argument), *_ = tree.items()
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._call(name, argument, (*path, name))
        values = {key: self.value(value, (*path, key)) for key, value in tree.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def name_of(self, logical_id: str) -> str:
        """Return the name of a resource: what its properties say, or its logical id.

        Raises:
            MisreadError: Its properties say what cannot be known here.
        """
        kind = self.template.get("Resources", logical_id, "Type")
        known = KINDS.get(str(kind))
        setting = "FunctionName" if kind in FUNCTION_TYPES else known.name if known else None
        path = ("Resources", logical_id, "Properties", setting or "")
        if setting is None or self.template.get(*path) is None:
            return logical_id
        return str(self.at(*path))

    def holds(self, condition: str, path: Path) -> bool:
        """Check whether a condition of the template holds.

        Raises:
            MisreadError: There is none of this name, or it cannot be known here.
        """
        if self.template.get("Conditions", condition) is None:
            raise self._misread(path, f"there is no condition {condition!r}")
        with self._entered(f"condition {condition}", path):
            return self.at("Conditions", condition) is True

    def _call(self, name: str, argument: Any, path: Path) -> Any:
        work = self._functions.get(name)
        if work is None:
            raise self._misread(path, f"{name} is not known here; state the value instead, or give it by --env-file")
        try:
            found = work(argument, path)
            self._effort.add(len(found) if isinstance(found, str) else 0)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            raise self._misread(path, f"{name} is not of the form that CloudFormation reads") from None
        return found

    def _ref(self, name: str, path: Path) -> Any:
        if name in self._given:
            return self._parameter(name, self._given[name])
        with self._entered(name, path):
            return self._referred(name, path)

    def _referred(self, name: str, path: Path) -> Any:
        if name.startswith("AWS::"):
            return self._pseudo(name, path)
        if (parameter := self.template.get("Parameters", name)) is not None:
            if "Default" not in parameter:
                raise self._misread(path, f"parameter {name!r} has no default: give --parameter {name}=VALUE")
            return self._parameter(name, parameter["Default"])
        if generated := _GENERATED.fullmatch(name):
            return self._generated(generated[1], generated[2], path)
        kind = self._kind(name, path)
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            return self._qualified(name, kind)
        return reference(kind, self.name_of(name), self.place)

    def _parameter(self, name: str, value: Any) -> Any:
        kind = str(self.template.get("Parameters", name, "Type") or "")
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return [item.strip() for item in str(value).split(",")]
        return as_text(value) if isinstance(value, bool | int | float) else value

    def _pseudo(self, name: str, path: Path) -> Any:
        region = self.place.region
        known: dict[str, Any] = {
            "AWS::AccountId": self.place.account_id,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": partition_of(region),
            "AWS::Region": region,
            "AWS::StackId": f"arn:{partition_of(region)}:cloudformation:{region}:{self.place.account_id}:"
            f"stack/{self._stack}/00000000-0000-0000-0000-000000000000",
            "AWS::StackName": self._stack,
            "AWS::URLSuffix": "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com",
        }
        if name not in known:
            raise self._misread(path, f"there is no pseudo parameter {name!r}")
        return known[name]

    def _get_attribute(self, argument: Any, path: Path) -> Any:
        name, wanted = argument if is_list(argument) else argument.split(".", 1)
        wanted = str(self.value(wanted, path))
        if (given := self._given.get(f"{name}.{wanted}")) is not None:
            return given
        with self._entered(f"{name}.{wanted}", path):
            return self._attribute(name, wanted, path)

    def _attribute(self, name: str, wanted: str, path: Path) -> Any:
        kind = self._kind(name, path)
        if kind in FUNCTION_TYPES and wanted == "Arn":
            return str(self.place.arn(self.name_of(name)))
        if kind == "AWS::Lambda::Version" and wanted == "Version":
            return str(self.version_number(name))
        if kind == "AWS::SSM::Parameter" and wanted in ("Value", "Type"):
            return self.at("Resources", name, "Properties", wanted)
        known = attribute(kind, self.name_of(name), wanted, self.place)
        if known is None:
            raise self._misread(path, f"only AWS knows {name}.{wanted}: give --parameter {name}.{wanted}=VALUE")
        return known

    def _kind(self, name: str, path: Path) -> str:
        kind = self.template.get("Resources", name, "Type")
        if kind is None:
            raise self._misread(path, f"there is no resource or parameter {name!r}")
        return str(kind)

    def _split(self, argument: Any, path: Path) -> list[str]:
        between, text = argument
        return self._text(text, (*path, 1)).split(between)

    def _generated(self, function: str, what: str, path: Path) -> str:
        """The version and the alias that ``AutoPublishAlias`` makes."""
        alias = self.at("Resources", function, "Properties", "AutoPublishAlias") or self.at(
            "Globals", "Function", "AutoPublishAlias"
        )
        if alias is None:
            raise self._misread(path, f"{function} has no AutoPublishAlias")
        return str(self.place.arn(self.name_of(function), "1" if what == "Version" else str(alias)))

    def _qualified(self, name: str, kind: str) -> str:
        properties = ("Resources", name, "Properties")
        function = str(self.at(*properties, "FunctionName"))
        qualifier = str(self.version_number(name)) if kind.endswith("Version") else str(self.at(*properties, "Name"))
        return str(self.place.arn(function_name(function), qualifier))

    def version_number(self, logical_id: str) -> int:
        """Number a version: the first that the template makes of its function is 1, the next 2.

        Raises:
            MisreadError: Its function cannot be known here.
        """
        of = self.at("Resources", logical_id, "Properties", "FunctionName")
        resources: Mapping[str, Any] = self.template.get("Resources")
        versions = [
            name
            for name in resources
            if self.template.get("Resources", name, "Type") == "AWS::Lambda::Version"
            and self.at("Resources", name, "Properties", "FunctionName") == of
        ]
        return versions.index(logical_id) + 1

    def _substitute(self, argument: Any, path: Path) -> str:
        text: str
        names: Mapping[str, Any]
        text, names = argument if is_list(argument) else (argument, {})

        def replaced(match: re.Match[str]) -> str:
            literal, name = match.groups()
            name = name.strip()
            if literal:
                return f"${{{name}}}"
            if name in names:
                return self._text(names[name], (*path, 1, name))
            is_attribute = "." in name and not _GENERATED.fullmatch(name) and name not in self._given
            found = self._get_attribute(name, path) if is_attribute else self._ref(name, path)
            written = "" if found is NO_VALUE else as_text(found)
            self._effort.add(len(written))
            return written

        return _SUBSTITUTED.sub(replaced, text)

    def _join(self, argument: Any, path: Path) -> str:
        between, items = argument
        return str(between).join(as_text(item) for item in self.value(items, (*path, 1)))

    def _if(self, argument: Any, path: Path) -> Any:
        condition, yes, no = argument
        return self.value(yes, (*path, 1)) if self.holds(condition, path) else self.value(no, (*path, 2))

    def _equals(self, argument: Any, path: Path) -> bool:
        one, other = argument
        return self._text(one, (*path, 0)) == self._text(other, (*path, 1))

    def _select(self, argument: Any, path: Path) -> Any:
        index, items = argument
        chosen = int(self._text(index, (*path, 0)))
        if chosen < 0:
            raise ValueError(chosen)
        return self.value(items, (*path, 1))[chosen]

    def _find_in_map(self, argument: Any, path: Path) -> Any:
        names = [self._text(name, (*path, index)) for index, name in enumerate(argument[:3])]
        found = self.template.get("Mappings", *names)
        if found is None:
            raise self._misread(path, f"there is no mapping {'.'.join(names)}")
        return found

    def _import(self, argument: Any, path: Path) -> str:
        name = self._text(argument, path)
        if name not in self._given:
            raise self._misread(path, f"another stack exports {name!r}: give --parameter {name}=VALUE")
        return self._given[name]

    def _text(self, tree: Any, path: Path) -> str:
        return as_text(self.value(tree, path))

    @contextmanager
    def _entered(self, what: str, path: Path) -> Generator[None]:
        if what in self._open:
            raise self._misread(path, f"{what} refers to itself")
        self._open.append(what)
        try:
            yield
        finally:
            self._open.pop()

    def _misread(self, path: Path, text: str) -> TemplateError:
        return TemplateError(self.template.spot(*path), text)


def function_name(text: str) -> str:
    """Return the name in what a template calls a function by: a name, a partial ARN or an ARN."""
    return parse_target(text).name


def as_text(value: Any) -> str:
    """Write a scalar as CloudFormation does where it wants text.

    >>> as_text(True), as_text(5), as_text("x")
    ('true', '5', 'x')

    Raises:
        TypeError: It is no scalar.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(value)
