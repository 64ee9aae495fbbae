"""Declare the functions of a template: convert what it defines to settings of `LocalFunction`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._templates.diagnostics import Diagnostic, TemplateError, UnresolvedValue
from lambdachain._templates.document import Document
from lambdachain._templates.functions import FunctionCode, FunctionDefinition, explain_no_functions, read_functions
from lambdachain._templates.invocation_config import InvocationConfig, read_invocation_configs
from lambdachain._templates.properties import NESTED_TYPES, resource_type
from lambdachain._templates.template import Template
from lambdachain.local._versions import LocalAlias, LocalVersion

from ._function_builder import Declarations, FunctionBuilder, build_functions

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
    "OnSuccess": "on_success",
    "OnFailure": "on_failure",
    "DeadLetter": "dead_letter",
}
# The directories inside a layer that Lambda's runtimes look for modules in.
_SEARCH_PATHS: Final = (("PYTHONPATH", ("python", "")), ("NODE_PATH", ("nodejs/node_modules",)))


def declare_functions(template: Template) -> Declarations:
    """Declare the functions of a template."""
    document = template.document
    diagnostics = list(document.diagnostics)
    if not is_mapping(document.get("Resources")):
        diagnostics.append(Diagnostic(document.location("Resources"), "Resources must be a mapping"))
        return Declarations(diagnostics=tuple(diagnostics))
    diagnostics += _find_unread_functions(document)
    functions: list[FunctionDefinition] = []
    deployed = list(read_functions(template))
    if not deployed:
        diagnostics.append(explain_no_functions(template))
    for function in deployed:
        # A function without a known name cannot be called, and one without a known condition may not exist.
        unresolved = function.condition or function.name.value
        if isinstance(unresolved, UnresolvedValue):
            diagnostics.append(Diagnostic(unresolved.location, unresolved.text))
        else:
            functions.append(function)
    configs, found = read_invocation_configs(template, functions)
    builders = [_to_builder(function, configs[function.logical_id]) for function in functions]
    return build_functions(builders, [*diagnostics, *found])


def _find_unread_functions(document: Document) -> Iterator[Diagnostic]:
    """Report the resources that may contain functions that are not served."""
    for logical_id in document.get("Resources"):
        location = document.location("Resources", logical_id)
        if resource_type(document, logical_id) in NESTED_TYPES:
            text = "the functions of a nested template are not served with this one: pass its file as well"
            yield Diagnostic(location, text, fatal=False)


def _to_builder(function: FunctionDefinition, config: InvocationConfig) -> FunctionBuilder:
    builder = FunctionBuilder(function.name.value, function.location)
    builder.diagnostics += [*function.diagnostics, *config.diagnostics]
    _set_code(builder, function.code, function.logical_id)
    try:
        if (runtime := function.properties["Runtime"].require()) is not None:
            builder.set_runtime(str(runtime), function.properties["Runtime"].location)
    except TemplateError as exc:
        builder.diagnostics.append(exc.to_diagnostic())
    for name, setting in _SETTINGS.items():
        _set_property(builder, setting, function, name)
    builder.set("environment", _with_layers(function), function.environment_location)
    if function.is_tenant_isolated:
        builder.set("tenant_isolation", True, function.location)  # noqa: FBT003 - a value, not a switch
    if config.versions:
        builder.set("versions", dict.fromkeys(config.versions, LocalVersion()), config.locations["versions"])
    if config.aliases:
        aliases = {name: LocalAlias(alias.version, alias.weights) for name, alias in config.aliases.items()}
        builder.set("aliases", aliases, config.locations["aliases"])
    _set_events(builder, config)
    return builder


def _set_property(builder: FunctionBuilder, setting: str, function: FunctionDefinition, name: str) -> None:
    found = function.properties[name]
    try:
        if (value := found.require()) is not None:
            builder.set(setting, value, found.location)
    except TemplateError as exc:
        # Without a handler nothing can be run; without any other setting, the function runs with Lambda's default.
        is_needed = name == "Handler"
        text = exc.text if is_needed else f"{exc.text}; {name} is left out"
        builder.diagnostics.append(Diagnostic(exc.location, text, fatal=is_needed))


def _set_code(builder: FunctionBuilder, code: FunctionCode, logical_id: str) -> None:
    if code.directory is not None:
        builder.set("directory", str(code.directory), code.location)
    elif code.source is not None:
        builder.inline = code.source
    elif code.error is not None:
        builder.diagnostics.append(Diagnostic(code.error.location, code.error.text))
    else:
        builder.diagnostics.append(Diagnostic(code.location, _why_not_served(code, logical_id)))


def _why_not_served(code: FunctionCode, logical_id: str) -> str:
    name = code.property_name
    if code.kind == "image":
        return "a function in a container image cannot be served"
    if code.kind == "s3":
        return f"the code is in S3: to serve the function, set {name} to a directory on this machine"
    return f"no {name}: set it to the directory of the code, such as {name}: ./{logical_id.lower()}"


def _with_layers(function: FunctionDefinition) -> dict[str, str]:
    """Return the environment with the layers on the modules' search paths, behind what the template puts there."""
    environment = dict(function.environment)
    # Behind what the template itself puts on the path, which takes precedence.
    for variable, inside in _SEARCH_PATHS:
        entries = [str(directory / part) for directory in function.layers for part in inside]
        if entries:
            own = [environment[variable]] if variable in environment else []
            environment[variable] = ":".join([*own, *entries])
    return environment


def _set_events(builder: FunctionBuilder, config: InvocationConfig) -> None:
    settings: dict[str, Any] = {_EVENT_SETTINGS[name]: value for name, value in config.event_config.items()}
    if not settings:
        return
    locations = {name: config.locations[name] for name in ("dead_letter",) if name in settings}
    builder.set_events(settings, config.locations.get("events") or locations["dead_letter"], **locations)
