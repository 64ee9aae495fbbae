"""Declare the functions of a template and of its nested stacks: convert them to settings of `LocalFunction`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from glob import escape
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._templates.diagnostics import Diagnostic, TemplateError, UnresolvedValue
from lambdachain._templates.functions import FunctionDefinition, explain_no_functions, read_functions
from lambdachain._templates.invocation_config import InvocationConfig, read_invocation_configs
from lambdachain._templates.nested_stacks import StackTree
from lambdachain._templates.properties import SAM_FUNCTION, SAM_LAYER, logical_ids
from lambdachain._templates.template import Template
from lambdachain.local._versions import LocalAlias, LocalVersion

from ._function_builder import (
    Declarations,
    FunctionBuilder,
    SkippedFunction,
    build_functions,
    merge_declarations,
)
from ._images import describe_remedy

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


def declare_system(tree: StackTree) -> Declarations:
    """Declare the functions of a template and of its nested stacks."""
    template = tree.templates[0]
    declarations = merge_declarations(map(declare_functions, tree.templates), tree.diagnostics)
    is_readable = is_mapping(template.document.get("Resources"))
    if is_readable and not any(True for each in tree.templates for _ in read_functions(each)):
        diagnostics = (*declarations.diagnostics, explain_no_functions(template))
        declarations = replace(declarations, diagnostics=diagnostics)
    return declarations


def declare_functions(template: Template) -> Declarations:
    """Declare the functions of one template."""
    document = template.document
    diagnostics = list(document.diagnostics)
    if not is_mapping(document.get("Resources")):
        diagnostics.append(Diagnostic(document.location("Resources"), "Resources must be a mapping"))
        return Declarations(diagnostics=tuple(diagnostics))
    functions: list[FunctionDefinition] = []
    skipped: list[SkippedFunction] = []
    for function in read_functions(template):
        # A function without a known name cannot be called, and one without a known condition may not exist.
        unresolved = function.condition or function.name.value
        if isinstance(unresolved, UnresolvedValue):
            skipped.append(SkippedFunction(function.logical_id, Diagnostic(unresolved.location, unresolved.text)))
        else:
            functions.append(function)
    configs, found = read_invocation_configs(template, functions)
    builders = [_to_builder(template, function, configs[function.logical_id]) for function in functions]
    return build_functions(builders, [*diagnostics, *found, *_report_builds(template, functions)], skipped)


def _report_builds(template: Template, functions: Iterable[FunctionDefinition]) -> Iterator[Diagnostic]:
    """Report the functions and layers whose code only ``sam build`` makes: their sources are served as they are."""
    document = template.document
    missing = {each.logical_id for each in functions if _has_no_module(each)}
    for logical_id in logical_ids(document, SAM_FUNCTION, SAM_LAYER):
        metadata = document.get("Resources", logical_id, "Metadata")
        # The template that `sam build` writes has the id of each resource that it built.
        if not is_mapping(metadata) or "SamResourceId" in metadata:
            continue
        method = metadata.get("BuildMethod")
        if method == "makefile":
            done = f"runs build-{logical_id} of its Makefile"
        elif method == "esbuild" and logical_id in missing:
            done = "bundles its EntryPoints to the module that Handler names"
        else:
            continue
        location = document.location("Resources", logical_id, "Metadata", "BuildMethod")
        yield Diagnostic(location, f"only sam build {done}: run it first, to serve what that makes", fatal=False)


def _has_no_module(function: FunctionDefinition) -> bool:
    """Check whether the directory of a function does not have the module that its handler setting names."""
    directory, handler = function.code.directory, function.properties["Handler"].value
    if directory is None or not isinstance(handler, str):
        return False
    module = directory / handler.rpartition(".")[0]
    return not any(module.parent.glob(f"{escape(module.name)}.*"))


def _to_builder(template: Template, function: FunctionDefinition, config: InvocationConfig) -> FunctionBuilder:
    builder = FunctionBuilder(function.name.value, function.location)
    builder.diagnostics += [*function.diagnostics, *config.diagnostics]
    _set_code(builder, function, template)
    try:
        if (runtime := function.properties["Runtime"].require()) is not None:
            builder.set_runtime(str(runtime), function.properties["Runtime"].location)
    except TemplateError as exc:
        builder.diagnostics.append(exc.to_diagnostic())
    for name, setting in _SETTINGS.items():
        _set_property(builder, setting, function, name)
    builder.layers = function.layers
    builder.set("environment", dict(function.environment), function.environment_location)
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


def _set_code(builder: FunctionBuilder, function: FunctionDefinition, template: Template) -> None:
    code = function.code
    if code.directory is not None:
        builder.set("directory", str(code.directory), code.location)
    elif code.source is not None:
        builder.inline = code.source
    elif code.error is not None:
        builder.diagnostics.append(Diagnostic(code.error.location, code.error.text))
    else:
        builder.diagnostics.append(Diagnostic(code.location, _why_not_served(function, template)))


def _why_not_served(function: FunctionDefinition, template: Template) -> str:
    name = function.code.property_name
    if function.code.kind == "image":
        remedy = describe_remedy(template, function.logical_id, function.name.value)
        return f"a function in a container image cannot be served: {remedy}"
    if function.code.kind == "s3":
        return f"the code is in S3: to serve the function, set {name} to a directory on this machine"
    return f"no {name}: set it to the directory of the code, such as {name}: ./{function.logical_id.lower()}"


def _set_events(builder: FunctionBuilder, config: InvocationConfig) -> None:
    settings: dict[str, Any] = {_EVENT_SETTINGS[name]: value for name, value in config.event_config.items()}
    if not settings:
        return
    locations = {name: config.locations[name] for name in ("dead_letter",) if name in settings}
    builder.set_events(settings, config.locations.get("events") or locations["dead_letter"], **locations)
