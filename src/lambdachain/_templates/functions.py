"""Read the functions of a template: their code, handlers, environments and limits, as they would be deployed.

Every command that uses a template's functions reads them here, so that ``policy``, ``graph`` and ``serve`` agree. A
value that cannot be resolved is an `UnresolvedValue`, because only some of the commands need it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, Literal

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import Diagnostic, Location, TemplateError, UnresolvedValue
from .document import Path
from .intrinsics import MAX_FUNCTION_NAME, NO_VALUE
from .packages import find_asset
from .properties import (
    FUNCTION_TYPES,
    LAYER_CONTENT,
    SAM_FUNCTION,
    find_referenced_id,
    is_ssm_parameter,
    logical_ids,
    property_path,
    resource_type,
)
from .scalars import to_text
from .template import Template

_PROPERTIES: Final = (
    "Runtime",
    "Handler",
    "Timeout",
    "MemorySize",
    "ReservedConcurrentExecutions",
    "RecursiveLoop",
)
_LEFT_OUT: Final = "; the variable is left out"
_NO_LAYER: Final = "; the layer is left out"
# {{resolve:ssm:/shop/name:3}}: the service and the key, without the version.
_DYNAMIC_REFERENCE: Final = re.compile(r"\{\{resolve:([a-z-]+):([^:}]+)")
# ${ssm(eu-west-1):/shop/name} and ${cf:stack.Output} of a serverless.yml, in the error about them.
_AWS_VARIABLE: Final = re.compile(r"\$\{(ssm|cf|s3)(?:\([^)]*\))?:([^,}]+)")


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a function.

    Attributes:
        value: Its resolved value, ``None`` if it is not set, or an `UnresolvedValue`.
        location: Where it is written.
    """

    value: Any
    location: Location

    def require(self) -> Any:
        """Return the value.

        Raises:
            TemplateError: It cannot be resolved on this machine.
        """
        if isinstance(self.value, UnresolvedValue):
            raise self.value.to_error()
        return self.value


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """Where the code of a function is.

    Attributes:
        kind: A ``directory`` on this machine, ``inline`` in the template, a container ``image``, a package in ``s3``,
            ``missing`` from the template, or ``unresolved``.
        location: Where this is written.
        directory: The directory.
        source: The inline source.
        error: Why it cannot be resolved.
        property_name: The property that names the directory: ``CodeUri`` or ``Code``.
    """

    kind: Literal["directory", "inline", "image", "s3", "missing", "unresolved"]
    location: Location
    directory: FilePath | None = None
    source: str | None = field(default=None, repr=False)
    error: UnresolvedValue | None = None
    property_name: str = "CodeUri"


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function as its template defines it.

    Attributes:
        logical_id: Its logical id.
        name: Its name, which is the logical id if the template sets none.
        location: Where it is declared.
        code: Where its code is.
        properties: Its scalar properties, by CloudFormation's name.
        environment: Its environment variables, without those that cannot be resolved.
        deferred_environment: What stands for the variables whose values only a deployment knows, as far as the template
            names it: ``import shared-name``, ``ssm /shop/name``.
        environment_location: Where they are written.
        layers: The directories and zip files of its layers that are on this machine.
        is_tenant_isolated: Whether each tenant has execution environments of its own.
        condition: Why its condition, and so whether it is deployed, cannot be resolved; ``None`` if it is deployed.
        diagnostics: What is left out of the environment and the layers.
    """

    logical_id: str
    name: Property
    location: Location
    code: FunctionCode
    properties: Mapping[str, Property]
    environment: Mapping[str, str] = field(repr=False)
    deferred_environment: Mapping[str, str]
    environment_location: Location
    layers: tuple[FilePath, ...]
    is_tenant_isolated: bool
    condition: UnresolvedValue | None
    diagnostics: tuple[Diagnostic, ...]


def read_functions(template: Template) -> Iterator[FunctionDefinition]:
    """Yield every function that the template deploys, in its order; one whose condition is false is not deployed."""
    for logical_id in logical_ids(template.document, *FUNCTION_TYPES):
        condition = None
        try:
            if not template.values.is_deployed(logical_id):
                continue
        except TemplateError as exc:
            # Nothing to run, perhaps, but permissions to check: the caller decides.
            condition = UnresolvedValue.from_error(exc)
        yield _FunctionReader(template, logical_id).read(condition)


def explain_no_functions(template: Template) -> Diagnostic:
    """Report why a template deploys no function: it defines none, or their conditions are false."""
    document = template.document
    conditions = {
        logical_id: document.get("Resources", logical_id, "Condition")
        for logical_id in logical_ids(document, *FUNCTION_TYPES)
    }
    if not conditions:
        return Diagnostic(Location(document.source), "defines no Lambda functions", fatal=False)
    listed = ", ".join(f"{logical_id} ({condition})" for logical_id, condition in conditions.items())
    return Diagnostic(Location(document.source), f"the condition of every function is false: {listed}", fatal=False)


def to_number(value: Any) -> float:
    """Convert a number, which templates and environment files may write as text.

    Raises:
        TypeError: The value is not a number.
    """
    if isinstance(value, bool):
        raise TypeError("must be a number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError("must be a number") from None
    # float() accepts "nan" too, which no comparison with a limit would refuse.
    if not math.isfinite(number):
        raise TypeError("must be a number")
    return number


class _FunctionReader:
    """Reads the properties of one function."""

    def __init__(self, template: Template, logical_id: str) -> None:
        self._template = template
        self._values = template.values
        self._document = template.document
        self._id = logical_id
        self._diagnostics: list[Diagnostic] = []
        self._deferred: dict[str, str] = {}

    def read(self, condition: UnresolvedValue | None) -> FunctionDefinition:
        environment = dict(self._read_environment())
        return FunctionDefinition(
            self._id,
            self._read_name(),
            self._document.location("Resources", self._id),
            self._read_code(),
            {name: self._read(name) for name in _PROPERTIES},
            environment,
            self._deferred,
            self._location("Environment", "Variables"),
            tuple(self._read_layers()),
            self._read("TenancyConfig", "TenantIsolationMode").value == "PER_TENANT",
            condition,
            tuple(self._diagnostics),
        )

    def _path(self, *keys: str) -> Path:
        return property_path(self._id, *keys)

    def _location(self, *keys: str) -> Location:
        return self._document.location(*self._path(*keys))

    def _read(self, *keys: str) -> Property:
        try:
            return Property(self._values.get(*self._path(*keys)), self._location(*keys))
        except TemplateError as exc:
            return Property(UnresolvedValue.from_error(exc), self._location(*keys))

    def _read_name(self) -> Property:
        location = self._document.location("Resources", self._id)
        try:
            name = self._values.resource_name(self._id)
            if len(self._id) > MAX_FUNCTION_NAME and name == self._id[:MAX_FUNCTION_NAME]:
                text = f"a name has at most {MAX_FUNCTION_NAME} characters: the function is called {name}"
                self._leave_out(location, text)
            return Property(name, location)
        except TemplateError as exc:
            return Property(UnresolvedValue.from_error(exc), location)

    def _read_code(self) -> FunctionCode:
        """Find the code; where a template has several of these settings, the first of them here is the one deployed."""
        is_sam = resource_type(self._document, self._id) == SAM_FUNCTION
        name = "CodeUri" if is_sam else "Code"
        if is_sam and (inline := self._read("InlineCode")).value is not None:
            return _inline_code(inline.value, self._location("InlineCode"))
        # Before the CDK's asset, which for an image is the directory of its Dockerfile.
        for image in ("PackageType", "ImageUri"):
            value = self._read(image).value
            if value == "Image" or (image == "ImageUri" and value is not None):
                return FunctionCode("image", self._location(image))
        asset = find_asset(self._template, self._id, name)
        code = self._read(name).value if asset is None else asset
        if is_mapping(code) and name == "Code" and (source := code.get("ZipFile")) is not None:
            return _inline_code(source, self._location("Code", "ZipFile"))
        return _find_code(code, name, self._location(name), self._template.directory)

    def _read_environment(self) -> Iterator[tuple[str, str]]:
        for name, (tree, path) in self._variables().items():
            try:
                value = self._values.resolve(tree, path)
                if value is not None and value is not NO_VALUE:
                    yield name, _without_dynamic_reference(to_text(value), name, self._document.location(*path))
            except TemplateError as exc:
                self._leave_out(self._document.location(*path), exc.text + _LEFT_OUT)
                if label := self._describe_deferred(tree, path):
                    self._deferred[name] = label
            except TypeError:
                self._leave_out(self._document.location(*path), "must be text, not a list or a mapping" + _LEFT_OUT)

    def _describe_deferred(self, tree: Any, path: Path) -> str:
        """Return what a value is looked up by during a deployment; an empty string if that is not known either."""
        match tree:
            case {"Fn::ImportValue": exported}:
                return f"import {self._describe(exported, (*path, 'Fn::ImportValue'))}"
            case {"Ref": str(name)} if is_ssm_parameter(self._document, name):
                return f"ssm {self._document.get('Parameters', name, 'Default') or name}"
            case UnresolvedValue(text=text) if variable := _AWS_VARIABLE.match(text):
                return f"{variable[1]} {variable[2]}"
            case _:
                reference = _DYNAMIC_REFERENCE.search(self._describe(tree, path))
                return f"{reference[1]} {reference[2]}" if reference else ""

    def _describe(self, tree: Any, path: Path) -> str:
        try:
            return to_text(self._values.resolve(tree, path))
        except (TemplateError, TypeError):
            # An unknown part of the text, such as the name of a stack, stays as the template has it.
            text = tree.get("Fn::Sub") if is_mapping(tree) else tree
            return text if isinstance(text, str) else "?"

    def _variables(self) -> Mapping[str, tuple[Any, Path]]:
        """Return the variables, unresolved, with their paths."""
        path = self._path("Environment")
        try:
            environment, path = self._values.follow(*path)
            if environment is None or is_mapping(environment):
                path = self._path("Environment", "Variables")
                environment, path = self._values.follow(*path)
            members = environment
        except TemplateError as exc:
            self._leave_out(self._document.location(*path), exc.text + "; its variables are left out")
            return {}
        if members is not None and not is_mapping(members):
            self._leave_out(self._document.location(*path), "must be a mapping; its variables are left out")
        return {name: (value, (*path, name)) for name, value in members.items()} if is_mapping(members) else {}

    def _read_layers(self) -> Iterator[FilePath]:
        try:
            layers, path = self._values.follow(*self._path("Layers"))
        except TemplateError as exc:
            self._leave_out(exc.location, exc.text + "; the layers are left out")
            return
        for index, layer in enumerate(layers if is_list(layers) else ()):
            if (content := self._read_layer(layer, (*path, index))) is not None:
                yield content

    def _read_layer(self, layer: Any, path: Path) -> FilePath | None:
        """Return the directory or zip file of a layer; one that is not on this machine is reported."""
        try:
            # Not resolved: the layer of this template is meant, whose Ref is an ARN after the deployment.
            logical_id = find_referenced_id(self._values.choose(layer, path)[0])
            name = LAYER_CONTENT.get(resource_type(self._document, logical_id)) if logical_id is not None else None
            if logical_id is None or name is None:
                layer = self._values.resolve(layer, path)
                # AWS::NoValue, in place of a layer that a condition removes.
                if layer is not None and layer is not NO_VALUE:
                    self._leave_out(
                        self._document.location(*path), f"layer {layer!r} is not on this machine{_NO_LAYER}"
                    )
                return None
            asset = find_asset(self._template, logical_id, name)
            content = self._values.get("Resources", logical_id, "Properties", name) if asset is None else asset
        except TemplateError as exc:
            self._leave_out(exc.location, exc.text + _NO_LAYER)
            return None
        if isinstance(content, str) and not content.startswith("s3://"):
            # A function starts in its own directory, where a relative search path would be another one.
            return (self._template.directory / content).absolute()
        where = self._document.location("Resources", logical_id, "Properties", name)
        self._leave_out(where, f"the code is in S3: set {name} to a directory on this machine{_NO_LAYER}")
        return None

    def _leave_out(self, location: Location, text: str) -> None:
        self._diagnostics.append(Diagnostic(location, text, fatal=False))


def _inline_code(source: Any, location: Location) -> FunctionCode:
    if isinstance(source, UnresolvedValue):
        return FunctionCode("unresolved", location, error=source)
    return FunctionCode("inline", location, source=str(source))


def _find_code(code: Any, property_name: str, location: Location, directory: FilePath) -> FunctionCode:
    """Find where the resolved value of ``CodeUri`` or ``Code`` is."""
    if isinstance(code, UnresolvedValue):
        return FunctionCode("unresolved", location, error=code)
    if code is None:
        # SAM packages the directory of the template then; CloudFormation has no such default.
        is_sam = property_name == "CodeUri"
        return FunctionCode(
            "directory" if is_sam else "missing", location, directory if is_sam else None, property_name=property_name
        )
    if is_mapping(code) and property_name == "Code" and code.get("ImageUri") is not None:
        return FunctionCode("image", location)
    if not isinstance(code, str) or code.startswith("s3://"):
        return FunctionCode("s3", location, property_name=property_name)
    return FunctionCode("directory", location, directory / code)


def _without_dynamic_reference(value: str, name: str, location: Location) -> str:
    """Return the value of a variable, unless AWS would look it up during the deployment."""
    # Passed on as it is, the reference itself would be the password.
    if "{{resolve:" in value:
        raise TemplateError(location, f"only AWS resolves {{{{resolve:...}}}}: set {name} with --env-file")
    return value
