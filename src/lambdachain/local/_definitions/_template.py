"""The functions of a SAM or CloudFormation template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.document import Document, Path
from lambdachain._templates.intrinsics import FUNCTION_TYPES, NO_VALUE, Resolver, as_text, function_name
from lambdachain.local._versions import LocalAlias, LocalVersion

from ._function_builder import FunctionBuilder, Reading, gather

# A property of a function, and the setting of LocalFunction that it is.
_SETTINGS: Final[Mapping[str, str]] = {
    "Handler": "handler",
    "Timeout": "timeout",
    "MemorySize": "memory",
    "ReservedConcurrentExecutions": "reserved_concurrency",
    "RecursiveLoop": "recursive_loop",
}
_EVENT_SETTINGS: Final[Mapping[str, str]] = {
    "MaximumRetryAttempts": "max_retries",
    "MaximumEventAgeInSeconds": "max_age",
}
_NESTED: Final = frozenset({"AWS::CloudFormation::Stack", "AWS::Serverless::Application"})
_LEFT_OUT: Final = "; the variable is left out"


def read_template(document: Document, resolver: Resolver, directory: FilePath) -> Reading:
    """Read the functions of a template.

    Args:
        document: The template.
        resolver: What works out its values.
        directory: Where it lies: what it calls ``./code`` is there.
    """
    problems = list(document.problems)
    drafts: dict[str, FunctionBuilder] = {}
    resources = document.get("Resources")
    if not is_mapping(resources):
        return Reading(problems=(*problems, Diagnostic(document.spot("Resources"), "a template has Resources")))
    problems += _passed_over(document, resources)
    for logical_id in resources:
        if document.get("Resources", logical_id, "Type") not in FUNCTION_TYPES:
            continue
        try:
            if not _is_there(resolver, logical_id):
                continue
            drafts[logical_id] = _Function(resolver, logical_id, directory).draft()
        except TemplateError as exc:
            problems.append(exc.problem())
    by_name = {draft.name: draft for draft in drafts.values()}
    problems += _companions(resolver, by_name)
    return gather(list(drafts.values()), problems)


def _passed_over(document: Document, resources: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Report what may hold functions that are not served."""
    for logical_id in resources:
        spot = document.spot("Resources", logical_id)
        if logical_id.startswith("Fn::ForEach"):
            yield Diagnostic(
                spot, "Fn::ForEach is not known here: the functions that it makes are not served", fatal=False
            )
        elif document.get("Resources", logical_id, "Type") in _NESTED:
            text = "the functions of a nested template are not served with this one: name its file as well"
            yield Diagnostic(spot, text, fatal=False)


def _is_there(resolver: Resolver, logical_id: str) -> bool:
    path = ("Resources", logical_id, "Condition")
    condition = resolver.template.get(*path)
    return condition is None or resolver.holds(str(condition), path)


class _Function:
    """Reads one function: its own properties, and SAM's Globals behind them."""

    def __init__(self, resolver: Resolver, logical_id: str, directory: FilePath) -> None:
        self._resolver = resolver
        self._template = resolver.template
        self._id = logical_id
        self._directory = directory
        self._roots: list[Path] = [("Resources", logical_id, "Properties")]
        if self._template.get("Resources", logical_id, "Type") == "AWS::Serverless::Function":
            self._roots.append(("Globals", "Function"))

    def draft(self) -> FunctionBuilder:
        """Read everything of it.

        Raises:
            MisreadError: Something that it cannot be served without cannot be known here.
        """
        draft = FunctionBuilder(self._resolver.name_of(self._id), self._template.spot("Resources", self._id))
        self._set_code(draft)
        if (runtime := self._get("Runtime")) is not None:
            draft.set_runtime(str(runtime), self._spot("Runtime"))
        for name, setting in _SETTINGS.items():
            if (value := self._get(name)) is not None:
                draft.set(setting, value, self._spot(name))
        environment = dict(self._environment(draft))
        draft.set("environment", self._with_layers(environment, draft), self._spot("Environment", "Variables"))
        self._set_events(draft)
        if self._get("TenancyConfig", "TenantIsolationMode") == "PER_TENANT":
            draft.set("tenant_isolation", True, self._spot("TenancyConfig"))  # noqa: FBT003 - a value, not a switch
        if (alias := self._get("AutoPublishAlias")) is not None:
            draft.set("versions", {"1": LocalVersion()}, self._spot("AutoPublishAlias"))
            draft.set("aliases", {str(alias): LocalAlias("1")}, self._spot("AutoPublishAlias"))
        return draft

    def _path(self, *keys: str) -> Path:
        return next(
            (p for root in self._roots if self._template.get(*(p := (*root, *keys))) is not None),
            (*self._roots[0], *keys),
        )

    def _get(self, *keys: str) -> Any:
        value = self._resolver.at(*self._path(*keys))
        return None if value is NO_VALUE else value

    def _spot(self, *keys: str) -> Location:
        return self._template.spot(*self._path(*keys))

    def _set_code(self, draft: FunctionBuilder) -> None:
        name = "CodeUri" if len(self._roots) == 2 else "Code"
        path = self._path(name)
        spot = self._template.spot(*path)
        asset = self._template.get("Resources", self._id, "Metadata", "aws:asset:path")
        code = asset if asset is not None else self._get(name)
        inline = self._get("InlineCode") if name == "CodeUri" else _zip_file(code)
        if inline is not None:
            draft.inline = str(inline)
        elif self._get("PackageType") == "Image" or self._get("ImageUri") is not None:
            draft.problems.append(
                Diagnostic(self._spot("PackageType"), "a function in a container image is not served here")
            )
        elif code is None:
            text = f"no {name}: state the directory of its code, such as {name}: ./{self._id.lower()}"
            draft.problems.append(Diagnostic(spot, text))
        elif not isinstance(code, str) or code.startswith("s3://"):
            draft.problems.append(
                Diagnostic(spot, f"the code is in S3: {name} needs to be a directory here to be served")
            )
        else:
            draft.set("directory", str(self._directory / code), spot)

    def _environment(self, draft: FunctionBuilder) -> Iterator[tuple[str, str]]:
        for root in reversed(self._roots):
            path = (*root, "Environment", "Variables")
            variables = self._template.get(*path)
            if not is_mapping(variables):
                continue
            for name in variables:
                try:
                    value = self._resolver.at(*path, name)
                    if value is not NO_VALUE and value is not None:
                        yield name, _resolved(as_text(value), name, self._template.spot(*path, name))
                except TemplateError as exc:
                    draft.problems.append(
                        Diagnostic(self._template.spot(*path, name), exc.text + _LEFT_OUT, fatal=False)
                    )
                except TypeError:
                    spot = self._template.spot(*path, name)
                    draft.problems.append(
                        Diagnostic(spot, "a variable is text, not a list or a mapping" + _LEFT_OUT, fatal=False)
                    )

    def _with_layers(self, environment: dict[str, str], draft: FunctionBuilder) -> dict[str, str]:
        """Put the layers that lie here on the module search paths."""
        directories = [directory for root in reversed(self._roots) for directory in self._layers(root, draft)]
        for variable, inside in (("PYTHONPATH", ("python", "")), ("NODE_PATH", ("nodejs/node_modules",))):
            entries = [str(directory / part) for directory in directories for part in inside]
            if entries:
                environment[variable] = ":".join(
                    [environment[variable], *entries] if variable in environment else entries
                )
        return environment

    def _layers(self, root: Path, draft: FunctionBuilder) -> Iterator[FilePath]:
        layers = self._template.get(*root, "Layers")
        for layer in layers if is_list(layers) else ():
            if not is_mapping(layer) or not isinstance(name := layer.get("Ref"), str):
                continue
            try:
                content = self._resolver.at("Resources", name, "Properties", "ContentUri")
            except TemplateError as exc:
                draft.problems.append(exc.problem(fatal=False))
                continue
            if isinstance(content, str):
                yield (self._directory / content).absolute()

    def _set_events(self, draft: FunctionBuilder) -> None:
        settings: dict[str, Any] = {}
        try:
            config = self._get("EventInvokeConfig")
            settings = event_settings(config) if is_mapping(config) else {}
            target = self._get("DeadLetterQueue", "TargetArn") or self._get("DeadLetterConfig", "TargetArn")
        except TemplateError as exc:
            draft.problems.append(exc.problem(fatal=False))
            return
        apart: dict[str, Location] = {}
        if target is not None:
            settings["dead_letter"] = target
            stated = ("DeadLetterQueue", "DeadLetterConfig")
            name = next(name for name in stated if self._template.get(*self._path(name)) is not None)
            apart["dead_letter"] = self._spot(name)
        if settings:
            spot = self._spot("EventInvokeConfig") if is_mapping(config) else apart["dead_letter"]
            draft.set_events(settings, spot, **apart)


def _resolved(value: str, name: str, spot: Location) -> str:
    """Return a variable's value, unless it is AWS's to look it up when it deploys."""
    if "{{resolve:" in value:
        raise TemplateError(spot, f"only AWS resolves {{{{resolve:...}}}}: give {name} by --env-file")
    return value


def _zip_file(code: Any) -> Any:
    """The source that ``Code`` holds itself, in place of a directory."""
    return code.get("ZipFile") if is_mapping(code) else None


def event_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an ``EventInvokeConfig`` into `EventConfig`'s settings."""
    settings = {setting: config[name] for name, setting in _EVENT_SETTINGS.items() if name in config}
    settings = {name: int(value) if str(value).isdecimal() else value for name, value in settings.items()}
    destinations: Mapping[str, Any] = config.get("DestinationConfig") or {}
    for name, setting in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
        target: Mapping[str, Any] = destinations.get(name) or {}
        if "Destination" in target:
            settings[setting] = target["Destination"]
    return settings


def _companions(resolver: Resolver, drafts: Mapping[str, FunctionBuilder]) -> list[Diagnostic]:
    """Add what other resources say of the functions: versions, aliases, what becomes of events."""
    problems: list[Diagnostic] = []
    readers = {
        "AWS::Lambda::Version": _add_version,
        "AWS::Lambda::Alias": _add_alias,
        "AWS::Lambda::EventInvokeConfig": _add_events,
    }
    for kind, reader in readers.items():
        for logical_id in resolver.template.get("Resources"):
            if resolver.template.get("Resources", logical_id, "Type") != kind:
                continue
            path = ("Resources", logical_id, "Properties")
            try:
                if not _is_there(resolver, logical_id):
                    continue
                draft = drafts.get(function_name(str(resolver.at(*path, "FunctionName"))))
                if draft is not None:
                    reader(resolver, logical_id, draft)
            except TemplateError as exc:
                problems.append(exc.problem(fatal=False))
            except (TypeError, ValueError, KeyError, AttributeError):
                spot = resolver.template.spot(*path)
                problems.append(
                    Diagnostic(spot, f"is not of the form that CloudFormation reads as {kind}", fatal=False)
                )
    return problems


def _add_version(resolver: Resolver, logical_id: str, draft: FunctionBuilder) -> None:
    number = str(resolver.version_number(logical_id))
    versions: dict[str, Any] = {**(draft.stated("versions") or {}), number: LocalVersion()}
    draft.set("versions", versions, resolver.template.spot("Resources", logical_id))


def _add_alias(resolver: Resolver, logical_id: str, draft: FunctionBuilder) -> None:
    properties = resolver.at("Resources", logical_id, "Properties")
    routed: Mapping[str, Any] = properties.get("RoutingConfig") or {}
    weights: list[Mapping[str, Any]] = routed.get("AdditionalVersionWeights") or []
    routing = {str(weight["FunctionVersion"]): float(weight["FunctionWeight"]) for weight in weights}
    alias = LocalAlias(str(properties["FunctionVersion"]), routing)
    aliases: dict[str, Any] = {**(draft.stated("aliases") or {}), str(properties["Name"]): alias}
    draft.set("aliases", aliases, resolver.template.spot("Resources", logical_id))


def _add_events(resolver: Resolver, logical_id: str, draft: FunctionBuilder) -> None:
    path = ("Resources", logical_id, "Properties")
    settings = event_settings(resolver.at(*path))
    if stated := draft.stated("events"):
        settings.setdefault("dead_letter", stated.dead_letter)
    draft.set_events(settings, resolver.template.spot(*path))
