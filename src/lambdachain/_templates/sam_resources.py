"""Add the resources that SAM generates for a function, so that a template can refer to them by their logical ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .document import Document, Path
from .properties import SAM_FUNCTION, logical_ids, property_path

# What SAM generates for a destination of this type that names none: the end of its logical id, its type, its ARN.
_GENERATED_DESTINATIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "SQS": ("Queue", "AWS::SQS::Queue", "Arn"),
    "SNS": ("Topic", "AWS::SNS::Topic", "TopicArn"),
}
_NO_VALUE: Final[Mapping[str, str]] = {"Ref": "AWS::NoValue"}


def generated_role(logical_id: str) -> str:
    """Return the logical id of the role that SAM generates for a function."""
    return f"{logical_id}Role"


def generated_alias(logical_id: str, alias: str) -> str:
    """Return the logical id of the alias that SAM generates for a function.

    >>> generated_alias("Orders", "live-1")
    'OrdersAliasliveD1'
    """
    return f"{logical_id}Alias{alias.replace('-', 'D').replace('_', 'U')}"


def add_generated_resources(document: Document) -> Document:
    """Return the template, whose ``Globals`` have been merged, with the roles and destinations that SAM generates."""
    if not is_mapping(document.get("Resources")):
        return document
    resources = dict(document.get("Resources"))
    origins = dict(document.origins)
    for logical_id in logical_ids(document, SAM_FUNCTION):
        properties = resources[logical_id].get("Properties")
        if not is_mapping(properties):
            continue
        generated: dict[str, Any] = {}
        if _may_be_missing(properties.get("Role")):
            generated[generated_role(logical_id)] = {"Type": "AWS::IAM::Role"}
        config = properties.get("EventInvokeConfig")
        destinations = config.get("DestinationConfig") if is_mapping(config) else None
        if is_mapping(config) and is_mapping(destinations):
            named = {
                name: _name_destination(value, f"{logical_id}EventInvokeConfig{name}", generated)
                for name, value in destinations.items()
            }
            events = {**config, "DestinationConfig": named}
            resources[logical_id] = {
                **resources[logical_id],
                "Properties": {**properties, "EventInvokeConfig": events},
            }
        for name, resource in generated.items():
            # The template's own resource of this logical id would be refused with it by SAM.
            resources.setdefault(name, resource)
            origins.setdefault(("Resources", name), _origin(document, logical_id))
    return replace(document, tree={**document.tree, "Resources": resources}, origins=origins)


def _may_be_missing(tree: Any) -> bool:
    """Check whether a property is not set, or a condition may remove it."""
    branches = tree.get("Fn::If") if is_mapping(tree) else None
    return tree is None or tree == _NO_VALUE or (is_list(branches) and _NO_VALUE in branches)


def _origin(document: Document, logical_id: str) -> Path:
    return document.to_file_path(property_path(logical_id)[:-1])


def _name_destination(destination: Any, logical_id: str, generated: dict[str, Any]) -> Any:
    """Return a destination with the ARN of what SAM generates for it, where it names none."""
    kind = destination.get("Type") if is_mapping(destination) else None
    if not is_mapping(destination) or not isinstance(kind, str) or kind not in _GENERATED_DESTINATIONS:
        return destination
    end, resource_type, attribute = _GENERATED_DESTINATIONS[kind]
    arn = {"Fn::GetAtt": [f"{logical_id}{end}", attribute]}
    named = _replace_missing(destination.get("Destination", _NO_VALUE), arn)
    if named != destination.get("Destination"):
        generated[f"{logical_id}{end}"] = {"Type": resource_type}
    return {**destination, "Destination": named}


def _replace_missing(tree: Any, arn: Mapping[str, Any]) -> Any:
    """Replace the destination with *arn* if it is ``AWS::NoValue``, or in the branches of a condition that are."""
    if tree == _NO_VALUE:
        return arn
    branches = tree.get("Fn::If") if is_mapping(tree) else None
    if is_list(branches) and len(branches) > 1:
        return {"Fn::If": [branches[0], *(arn if branch == _NO_VALUE else branch for branch in branches[1:])]}
    return tree
