"""Resolve CloudFormation's intrinsic functions on this machine."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.type_guards import is_list, is_mapping

from .context import TemplateContext
from .diagnostics import TemplateError, UnresolvedValue
from .document import Document, Path
from .properties import FUNCTION_TYPES, SAM_FUNCTION, is_intrinsic, logical_ids, property_path, resource_type
from .resource_types import RESOURCE_TYPES, get_attribute, get_pseudo_parameters, get_reference
from .sam_resources import generated_alias
from .scalars import to_text
from .work_budget import BudgetExceededError, WorkBudget

MAX_FUNCTION_NAME: Final = 64
_PLACEHOLDER: Final = re.compile(r"\$\{(!?)([^${}]+)\}")
# What SAM's AutoPublishAlias makes of a function: `!Ref Function.Version`, `!Ref Function.Alias`.
_GENERATED: Final = re.compile(r"(\w+)\.(Version|Alias)")


class _NoValue:
    """The value of ``AWS::NoValue``: the property is removed, which differs from null."""


NO_VALUE: Final = _NoValue()


class IntrinsicResolver:
    """Resolves the values of a template, as far as this machine can know them.

    Values are resolved when they are asked for: a template has many that no function depends on, and each of those
    that only AWS knows would be reported.

    Args:
        document: The template.
        context: What it may refer to.
        stack: The stack's name, unless the context's parameters have one.
    """

    def __init__(self, document: Document, context: TemplateContext, stack: str) -> None:
        self.document = document
        self.aws_location = context.aws_location
        self._parameters = context.parameters
        self._exports = {**context.exports, **context.parameters}
        self._stack = stack
        self._open: list[str] = []
        self._budget = WorkBudget()
        self._version_numbers: dict[str, int] | None = None
        self._functions: Mapping[str, Callable[[Any, Path], Any]] = {
            "Condition": self.is_true,
            "Fn::And": lambda tests, path: all(self.resolve(tests, path)),
            "Fn::Base64": lambda text, path: base64.b64encode(self._text(text, path).encode()).decode(),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._get_zones,
            "Fn::GetAtt": self._get_attribute,
            "Fn::If": self._if,
            "Fn::ImportValue": self._import,
            "Fn::Join": self._join,
            "Fn::Length": lambda items, path: len(self.resolve(items, path)),
            "Fn::Not": lambda tests, path: not self.resolve(tests, path)[0],
            "Fn::Or": lambda tests, path: any(self.resolve(tests, path)),
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._substitute,
            "Fn::ToJsonString": lambda tree, path: json.dumps(self.resolve(tree, path), separators=(",", ":")),
            "Ref": self._ref,
        }

    def get(self, *path: str | int) -> Any:
        """Return the resolved value at *path*; ``None`` if there is nothing, or ``AWS::NoValue``.

        Raises:
            TemplateError: The value cannot be resolved on this machine.
        """
        value = self.resolve(*self.follow(*path))
        return None if value is NO_VALUE else value

    def follow(self, *path: str | int) -> tuple[Any, Path]:
        """Return the mapping or list at *path* with its values unresolved, and where it is written.

        So one value inside can fail without the others. What does not exist, or is ``AWS::NoValue``, is ``None``.

        Raises:
            TemplateError: It is an intrinsic function that cannot be resolved on this machine.
        """
        return self._expand(*self.locate(*path))

    def get_members(self, *path: str | int) -> Mapping[str, Any]:
        """Return the mapping at *path* with its values unresolved, or an empty one.

        Raises:
            TemplateError: It is an intrinsic function that cannot be resolved on this machine.
        """
        members, _ = self.follow(*path)
        return members if is_mapping(members) else {}

    def locate(self, *path: str | int) -> tuple[Any, Path]:
        """Return what is written at *path*, and where: only the conditions of ``Fn::If`` on the way are decided.

        Raises:
            TemplateError: An intrinsic function on the way cannot be resolved on this machine.
        """
        tree: Any = self.document.tree
        place: Path = ()
        for step in path:
            # A path may itself go through a condition: into the branch that has been chosen before.
            if not (is_mapping(tree) and is_intrinsic(tree) and step in tree):
                tree, place = self._expand(tree, place)
            if is_mapping(tree):
                tree, place = tree.get(str(step)), (*place, step)
            elif is_list(tree) and isinstance(step, int) and step < len(tree):
                tree, place = tree[step], (*place, step)
            else:
                return None, path
        return self.choose(tree, place)

    def choose(self, tree: Any, path: Path) -> tuple[Any, Path]:
        """Replace ``Fn::If`` with the branch that counts, unresolved; ``AWS::NoValue`` is ``None``.

        Raises:
            TemplateError: Its condition cannot be resolved on this machine.
        """
        while is_mapping(tree) and is_list(branches := tree.get("Fn::If")) and len(tree) == 1 and len(branches) == 3:
            branch = 1 if self._decide(branches[0], (*path, "Fn::If", 0)) else 2
            tree, path = branches[branch], (*path, "Fn::If", branch)
        return (None if is_mapping(tree) and tree == {"Ref": "AWS::NoValue"} else tree), path

    def _expand(self, tree: Any, path: Path) -> tuple[Any, Path]:
        tree, path = self.choose(tree, path)
        if isinstance(tree, UnresolvedValue) or (is_mapping(tree) and is_intrinsic(tree)):
            tree = self.resolve(tree, path)
        return (None if tree is NO_VALUE else tree), path

    def _decide(self, condition: Any, path: Path) -> bool:
        try:
            return bool(self._budget.run(lambda: self.is_true(condition, path)))
        except BudgetExceededError as exc:
            raise self._error(path, str(exc)) from None

    def resolve(self, tree: Any, path: Path) -> Any:
        """Resolve *tree*, which is at *path*.

        Raises:
            TemplateError: The value cannot be resolved on this machine.
        """
        try:
            return self._budget.run(lambda: self._resolve(tree, path))
        except BudgetExceededError as exc:
            raise self._error(path, str(exc)) from None

    def _resolve(self, tree: Any, path: Path) -> Any:
        if isinstance(tree, UnresolvedValue):
            raise tree.to_error()
        if is_list(tree):
            items = (self.resolve(item, (*path, index)) for index, item in enumerate(tree))
            return [item for item in items if item is not NO_VALUE]
        if not is_mapping(tree):
            return tree
        # A function is the only key of its mapping; `Condition` is a key of policy statements too.
        if len(tree) == 1:
            (name, argument), *_ = tree.items()
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._call(name, argument, (*path, name))
        values = {key: self.resolve(value, (*path, key)) for key, value in tree.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def resource_name(self, logical_id: str) -> str:
        """Return the name of a resource: the one its properties set, or else its logical id.

        Raises:
            TemplateError: Its properties set a name that cannot be resolved on this machine.
        """
        kind = resource_type(self.document, logical_id)
        known = RESOURCE_TYPES.get(kind)
        setting = "FunctionName" if kind in FUNCTION_TYPES else known.name_property if known else None
        if setting is None:
            return logical_id
        name = self.get("Resources", logical_id, "Properties", setting)
        if name is None:
            # CloudFormation shortens what it makes of a long logical id too.
            return logical_id[:MAX_FUNCTION_NAME] if kind in FUNCTION_TYPES else logical_id
        return str(name)

    def function_arn(self, logical_id: str, qualifier: str | None = None) -> str:
        """Return the ARN of a function of the template.

        Raises:
            TemplateError: Its name cannot be resolved on this machine, or is one that Lambda refuses.
        """
        try:
            return str(self.aws_location.arn(self.resource_name(logical_id), qualifier))
        except InvalidArnError as exc:
            raise self._error(property_path(logical_id, "FunctionName"), str(exc)) from None

    def is_deployed(self, logical_id: str) -> bool:
        """Check whether a resource is deployed: it has no condition, or its condition is true.

        Raises:
            TemplateError: The condition cannot be resolved on this machine.
        """
        path = ("Resources", logical_id, "Condition")
        condition = self.document.get(*path)
        return condition is None or self.is_true(str(condition), path)

    def is_true(self, condition: str, path: Path) -> bool:
        """Check whether a condition of the template, which *path* refers to, is true.

        Raises:
            TemplateError: The condition is not defined, or cannot be resolved on this machine.
        """
        if self.document.get("Conditions", condition) is None:
            raise self._error(path, f"condition {condition!r} is not defined")
        with self._detect_cycle(f"condition {condition}", path):
            return self.get("Conditions", condition) is True

    def version_number(self, logical_id: str) -> int:
        """Return the number of a version: the first that the template makes of a function is 1, the next 2.

        Raises:
            TemplateError: Its function cannot be resolved on this machine.
        """
        if self._version_numbers is None:
            # Once for all: each version by itself would have to look through all the others.
            self._version_numbers = {}
            self._version_numbers = self._number_versions()
        if logical_id not in self._version_numbers:
            path = ("Resources", logical_id, "Properties", "FunctionName")
            self.get(*path)
            raise self._error(path, f"the number of version {logical_id} depends on itself")
        return self._version_numbers[logical_id]

    def _number_versions(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        counts: Counter[str] = Counter()
        for logical_id in logical_ids(self.document, "AWS::Lambda::Version"):
            try:
                function = str(self.get("Resources", logical_id, "Properties", "FunctionName"))
            except TemplateError:
                continue
            counts[function] += 1
            numbers[logical_id] = counts[function]
        return numbers

    def _call(self, name: str, argument: Any, path: Path) -> Any:
        function = self._functions.get(name)
        if function is None:
            text = f"{name} is not supported: write the value instead, or set the variable with --env-file"
            raise self._error(path, text)
        try:
            found = function(argument, path)
            self._budget.spend(len(found) if isinstance(found, str) else 0)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            # An argument may be any tree; checking the form of each first would double the code of every function.
            raise self._error(
                path, f"the argument of {name} does not have the form that CloudFormation reads"
            ) from None
        return found

    def _ref(self, name: str, path: Path) -> Any:
        if name in self._parameters:
            return self._parameter(name, self._parameters[name])
        with self._detect_cycle(name, path):
            return self._resolve_reference(name, path)

    def _resolve_reference(self, name: str, path: Path) -> Any:
        if name.startswith("AWS::"):
            return self._pseudo_parameter(name, path)
        if (parameter := self.document.get("Parameters", name)) is not None:
            if str(parameter.get("Type")).startswith("AWS::SSM::Parameter::Value<"):
                # Its default is the name of an SSM parameter, which the function must not take for the value.
                text = f"only AWS knows the SSM parameter {parameter.get('Default')!r}: pass --parameter {name}=VALUE"
                raise self._error(path, text)
            if "Default" not in parameter:
                raise self._error(path, f"parameter {name!r} has no default: pass --parameter {name}=VALUE")
            return self._parameter(name, parameter["Default"])
        # SAM adds these to the resources of the template; a logical id has no dot.
        if generated := _GENERATED.fullmatch(name):
            return self._published_arn(generated[1], generated[2], path)
        if not resource_type(self.document, name) and (function := self._find_published(name)) is not None:
            return self._published_arn(function, "Alias", path)
        kind = self._resource_type(name, path)
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            return self._qualified_arn(name, kind)
        return get_reference(kind, self.resource_name(name), self.aws_location)

    def _parameter(self, name: str, value: Any) -> Any:
        # From the command line and from a default alike, a list is one text with commas.
        kind = str(self.document.get("Parameters", name, "Type") or "")
        if kind.removeprefix("AWS::SSM::Parameter::Value<").startswith(("CommaDelimitedList", "List<")):
            return [item.strip() for item in str(value).split(",")]
        return to_text(value) if isinstance(value, bool | int | float) else value

    def _pseudo_parameter(self, name: str, path: Path) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        known = get_pseudo_parameters(self.aws_location, self._stack)
        if name not in known:
            raise self._error(path, f"unknown pseudo parameter {name!r}")
        return known[name]

    def _get_attribute(self, argument: Any, path: Path) -> Any:
        name, attribute = argument if is_list(argument) else argument.split(".", 1)
        attribute = str(self.resolve(attribute, path))
        if (value := self._parameters.get(f"{name}.{attribute}")) is not None:
            return value
        with self._detect_cycle(f"{name}.{attribute}", path):
            return self._attribute(name, attribute, path)

    def _attribute(self, name: str, attribute: str, path: Path) -> Any:
        if attribute == "AliasArn":
            return self._ref(name, path)
        kind = self._resource_type(name, path)
        if kind in FUNCTION_TYPES and attribute == "Arn":
            return self.function_arn(name)
        if kind == "AWS::Lambda::Version" and attribute == "Version":
            return str(self.version_number(name))
        if kind == "AWS::SSM::Parameter" and attribute in ("Value", "Type"):
            return self.get("Resources", name, "Properties", attribute)
        known = get_attribute(kind, self.resource_name(name), attribute, self.aws_location)
        if known is None:
            raise self._error(path, f"only AWS knows {name}.{attribute}: pass --parameter {name}.{attribute}=VALUE")
        return known

    def _resource_type(self, name: str, path: Path) -> str:
        kind = resource_type(self.document, name)
        if not kind:
            raise self._error(path, f"resource or parameter {name!r} is not defined")
        return kind

    def _split(self, argument: Any, path: Path) -> list[str]:
        separator, text = argument
        return self._text(text, (*path, 1)).split(separator)

    def _find_published(self, name: str) -> str | None:
        """Return the function whose ``AutoPublishAlias`` is the resource *name*: ``FunctionAliaslive``."""
        for function in logical_ids(self.document, SAM_FUNCTION):
            if name.startswith(f"{function}Alias"):
                alias = self.get(*property_path(function, "AutoPublishAlias"))
                if alias is not None and name == generated_alias(function, str(alias)):
                    return function
        return None

    def _published_arn(self, function: str, what: str, path: Path) -> str:
        """Return the ARN of the version or the alias that ``AutoPublishAlias`` makes."""
        alias = self.get(*property_path(function, "AutoPublishAlias"))
        if alias is None:
            raise self._error(path, f"{function} has no AutoPublishAlias")
        return self.function_arn(function, "1" if what == "Version" else str(alias))

    def _qualified_arn(self, name: str, kind: str) -> str:
        properties = ("Resources", name, "Properties")
        function = str(self.get(*properties, "FunctionName"))
        qualifier = str(self.version_number(name)) if kind.endswith("Version") else str(self.get(*properties, "Name"))
        return str(self.aws_location.arn(to_function_name(function), qualifier))

    def _substitute(self, argument: Any, path: Path) -> str:
        text: str
        names: Mapping[str, Any]
        text, names = argument if is_list(argument) else (argument, {})

        def replacement(match: re.Match[str]) -> str:
            literal, name = match.groups()
            name = name.strip()
            if literal:
                return f"${{{name}}}"
            if name in names:
                return self._text(names[name], (*path, 1, name))
            is_attribute = "." in name and not _GENERATED.fullmatch(name) and name not in self._parameters
            found = self._get_attribute(name, path) if is_attribute else self._ref(name, path)
            written = "" if found is NO_VALUE else to_text(found)
            # Before the text is put together: a thousand placeholders of a long parameter are gigabytes.
            self._budget.spend(len(written))
            return written

        return _PLACEHOLDER.sub(replacement, text)

    def _join(self, argument: Any, path: Path) -> str:
        separator, items = argument
        return str(separator).join(to_text(item) for item in self.resolve(items, (*path, 1)))

    def _if(self, argument: Any, path: Path) -> Any:
        condition, yes, no = argument
        # Only the branch that counts: the other often refers to what this stage or region does not have.
        return self.resolve(yes, (*path, 1)) if self.is_true(condition, path) else self.resolve(no, (*path, 2))

    def _get_zones(self, argument: Any, path: Path) -> list[str]:
        region = self._text(argument, path) or self.aws_location.region
        return [region + zone for zone in "abc"]

    def _equals(self, argument: Any, path: Path) -> bool:
        one, other = argument
        return self._text(one, (*path, 0)) == self._text(other, (*path, 1))

    def _select(self, argument: Any, path: Path) -> Any:
        index, items = argument
        chosen = int(self._text(index, (*path, 0)))
        # Python would count from the end; CloudFormation refuses.
        if chosen < 0:
            raise ValueError(chosen)
        return self.resolve(items, (*path, 1))[chosen]

    def _find_in_map(self, argument: Any, path: Path) -> Any:
        names = [self._text(name, (*path, index)) for index, name in enumerate(argument[:3])]
        found = self.document.get("Mappings", *names)
        if found is not None:
            return found
        # A fourth argument with a default belongs to the transform AWS::LanguageExtensions.
        options: Mapping[str, Any] = argument[3] if len(argument) > 3 else {}
        if "DefaultValue" not in options:
            raise self._error(path, f"mapping {'.'.join(names)} is not defined")
        return self.resolve(options["DefaultValue"], (*path, 3, "DefaultValue"))

    def _import(self, argument: Any, path: Path) -> str:
        name = self._text(argument, path)
        if name not in self._exports:
            raise self._error(path, f"another stack exports {name!r}: pass --parameter {name}=VALUE")
        return self._exports[name]

    def _text(self, tree: Any, path: Path) -> str:
        return to_text(self.resolve(tree, path))

    @contextmanager
    def _detect_cycle(self, name: str, path: Path) -> Generator[None]:
        if name in self._open:
            raise self._error(path, f"{name} refers to itself")
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()

    def _error(self, path: Path, text: str) -> TemplateError:
        return TemplateError(self.document.location(*path), text)


def to_function_name(text: str) -> str:
    """Return the name in what a template refers to a function by: a name, a partial ARN or an ARN."""
    return parse_target(text).name
