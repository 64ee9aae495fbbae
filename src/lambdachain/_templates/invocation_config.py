"""Read how the functions of a template are invoked: their versions and aliases, retries and destinations of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .diagnostics import Diagnostic, Location, TemplateError
from .functions import FunctionDefinition
from .intrinsics import to_function_name
from .properties import logical_ids, property_path
from .template import Template

_EVENT_PROPERTIES: Final = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
_LATEST: Final = "$LATEST"
DESTINATIONS: Final = ("OnSuccess", "OnFailure")


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias: the version that it points to, and the share of calls that goes to others."""

    version: str
    weights: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class InvocationConfig:
    """How a function may be invoked.

    Attributes:
        versions: The numbers of its versions.
        aliases: Its aliases, by name.
        event_config: What Lambda does with its events, by CloudFormation's names; ``DeadLetter`` among them.
        locations: Where the ``versions``, the ``aliases``, the ``event_config`` and the ``dead_letter`` are written.
        diagnostics: What is left out.
        qualifier: The version or alias whose events a resource of the template configures; ``$LATEST`` for the function
            itself.
    """

    versions: tuple[str, ...] = ()
    aliases: Mapping[str, Alias] = field(default_factory=dict[str, Alias])
    event_config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    locations: Mapping[str, Location] = field(default_factory=dict[str, Location])
    diagnostics: tuple[Diagnostic, ...] = ()
    qualifier: str | None = None


def read_invocation_configs(
    template: Template, functions: Iterable[FunctionDefinition]
) -> tuple[Mapping[str, InvocationConfig], list[Diagnostic]]:
    """Return how each function is invoked, by logical id, and what is wrong with the resources that configure it."""
    names = {function.logical_id: function.name.value for function in functions}
    configs = {function: _read_own_config(template, function) for function in names}
    diagnostics: list[Diagnostic] = []
    for kind, add in _COMPANIONS.items():
        for logical_id in logical_ids(template.document, kind):
            path = ("Resources", logical_id, "Properties")
            try:
                if not template.values.is_deployed(logical_id):
                    continue
                name = to_function_name(str(template.values.get(*path, "FunctionName")))
                same_name = [function for function in names if names[function] == name]
                configs |= {function: add(configs[function], template, logical_id) for function in same_name}
            except TemplateError as exc:
                diagnostics.append(exc.to_diagnostic(fatal=False))
            except (TypeError, ValueError, KeyError, AttributeError):
                text = f"does not have the form that CloudFormation reads as {kind}"
                diagnostics.append(Diagnostic(template.document.location(*path), text, fatal=False))
    return configs, diagnostics


def _read_own_config(template: Template, logical_id: str) -> InvocationConfig:
    """Read the function's own properties."""
    config = InvocationConfig()
    path = property_path(logical_id, "AutoPublishAlias")
    location = template.document.location(*path)
    try:
        if (alias := template.values.get(*path)) is not None:
            # A stack's first deployment publishes version 1, and that is what is served.
            aliases = {str(alias): Alias("1")}
            config = replace(config, versions=("1",), aliases=aliases)
            config = replace(config, locations={"versions": location, "aliases": location})
    except TemplateError as exc:
        text = f"{exc.text}; the alias is left out"
        config = replace(config, diagnostics=(Diagnostic(location, text, fatal=False),))
    config = _with_events(config, template, property_path(logical_id, "EventInvokeConfig"))
    for name in ("DeadLetterQueue", "DeadLetterConfig"):
        path = property_path(logical_id, name)
        values, diagnostics = _resolve_each(template, {"DeadLetter": (*path, "TargetArn")})
        config = _merge_events(config, values, diagnostics, dead_letter=template.document.location(*path))
    return config


def _with_events(config: InvocationConfig, template: Template, path: tuple[str | int, ...]) -> InvocationConfig:
    """Read the ``EventInvokeConfig`` at *path*, in place of what the function has of it."""
    paths = {name: (*path, name) for name in _EVENT_PROPERTIES}
    paths |= {name: (*path, "DestinationConfig", name, "Destination") for name in DESTINATIONS}
    values, diagnostics = _resolve_each(template, paths)
    # The dead-letter queue is a property of the function, which a resource of this kind leaves as it is.
    kept = {name: value for name, value in config.event_config.items() if name == "DeadLetter"}
    return _merge_events(
        replace(config, event_config=kept), values, diagnostics, events=template.document.location(*path)
    )


def _merge_events(
    config: InvocationConfig, values: Mapping[str, Any], diagnostics: list[Diagnostic], **locations: Location
) -> InvocationConfig:
    return replace(
        config,
        event_config={**config.event_config, **values},
        locations={**config.locations, **(locations if values else {})},
        diagnostics=(*config.diagnostics, *diagnostics),
    )


def _resolve_each(
    template: Template, paths: Mapping[str, tuple[str | int, ...]]
) -> tuple[dict[str, Any], list[Diagnostic]]:
    """Resolve values one by one: without a destination that only AWS knows, the retries still count."""
    values: dict[str, Any] = {}
    diagnostics: list[Diagnostic] = []
    for name, path in paths.items():
        try:
            value = template.values.get(*path)
        except TemplateError as exc:
            diagnostics.append(Diagnostic(template.document.location(*path), f"{exc.text}; left out", fatal=False))
        else:
            # CloudFormation passes parameters as text, also those of type Number.
            values |= {} if value is None else {name: int(value) if str(value).isdecimal() else value}
    return values, diagnostics


def _add_version(config: InvocationConfig, template: Template, logical_id: str) -> InvocationConfig:
    number = str(template.values.version_number(logical_id))
    locations = {**config.locations, "versions": template.document.location("Resources", logical_id)}
    return replace(config, versions=tuple(dict.fromkeys((*config.versions, number))), locations=locations)


def _add_alias(config: InvocationConfig, template: Template, logical_id: str) -> InvocationConfig:
    properties = template.values.get("Resources", logical_id, "Properties")
    routing: Mapping[str, Any] = properties.get("RoutingConfig") or {}
    weights: list[Mapping[str, Any]] = routing.get("AdditionalVersionWeights") or []
    by_version = {str(weight["FunctionVersion"]): float(weight["FunctionWeight"]) for weight in weights}
    aliases = {**config.aliases, str(properties["Name"]): Alias(str(properties["FunctionVersion"]), by_version)}
    locations = {**config.locations, "aliases": template.document.location("Resources", logical_id)}
    return replace(config, aliases=aliases, locations=locations)


def _add_events(config: InvocationConfig, template: Template, logical_id: str) -> InvocationConfig:
    path = ("Resources", logical_id, "Properties")
    qualifier = str(template.values.get(*path, "Qualifier") or _LATEST)
    kept = config.qualifier
    if kept is None or qualifier in (kept, _LATEST):
        left_out, config = kept, replace(_with_events(config, template, path), qualifier=qualifier)
    else:
        left_out = qualifier
    if left_out in (None, config.qualifier):
        return config
    # Lambda has a configuration for each version and alias; here, a function has one.
    text = f"the events of {left_out} are treated as configured for {config.qualifier}"
    diagnostic = Diagnostic(template.document.location(*path), text, fatal=False)
    return replace(config, diagnostics=(*config.diagnostics, diagnostic))


# In this order: an alias refers to versions.
_COMPANIONS: Final[Mapping[str, Callable[[InvocationConfig, Template, str], InvocationConfig]]] = {
    "AWS::Lambda::Version": _add_version,
    "AWS::Lambda::Alias": _add_alias,
    "AWS::Lambda::EventInvokeConfig": _add_events,
}
