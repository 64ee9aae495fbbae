"""The resources of a template, and where each of their properties is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .document import Document, Path

SAM_FUNCTION: Final = "AWS::Serverless::Function"
SAM_LAYER: Final = "AWS::Serverless::LayerVersion"
FUNCTION_TYPES: Final = frozenset({SAM_FUNCTION, "AWS::Lambda::Function"})
# The types of layers, each with the property that names its content.
LAYER_CONTENT: Final[Mapping[str, str]] = {
    SAM_LAYER: "ContentUri",
    "AWS::Lambda::LayerVersion": "Content",
}
# The types of nested stacks, each with the property that names the template.
NESTED_TYPES: Final[Mapping[str, str]] = {
    "AWS::CloudFormation::Stack": "TemplateURL",
    "AWS::Serverless::Application": "Location",
}


def is_ssm_parameter(document: Document, name: str) -> bool:
    """Check whether a template parameter holds the name of an SSM parameter, and `Ref` is that one's value."""
    return str(document.get("Parameters", name, "Type")).startswith("AWS::SSM::Parameter::Value<")


def resource_type(document: Document, logical_id: str) -> str:
    """Return the type of a resource, or an empty string if the template does not define it."""
    kind = document.get("Resources", logical_id, "Type")
    # A list, which a broken template may have here, cannot be looked up in a set.
    return kind if isinstance(kind, str) else ""


def logical_ids(document: Document, *types: str) -> Iterator[str]:
    """Yield the logical ids of the resources of *types*, in the template's order."""
    resources = document.get("Resources")
    for logical_id in resources if is_mapping(resources) else ():
        if resource_type(document, logical_id) in types:
            yield logical_id


def property_path(logical_id: str, *keys: str) -> Path:
    """Return where a property of a resource is, after SAM's ``Globals`` have been merged."""
    return ("Resources", logical_id, "Properties", *keys)


def is_intrinsic(tree: Mapping[str, Any]) -> bool:
    """Check whether a mapping is an intrinsic function: ``{"Ref": ...}``, ``{"Fn::Sub": ...}``."""
    return len(tree) == 1 and ((name := next(iter(tree))) == "Ref" or name.startswith("Fn::"))


def find_referenced_id(tree: Any) -> str | None:
    """Return the logical id that ``Ref`` or ``Fn::GetAtt`` refers to, if *tree* is one of them."""
    if not is_mapping(tree):
        return None
    if "Ref" in tree:
        return str(tree["Ref"])
    attribute = tree.get("Fn::GetAtt")
    if is_list(attribute):
        return str(attribute[0]) if attribute else None
    return str(attribute).split(".", 1)[0] if isinstance(attribute, str) else None
