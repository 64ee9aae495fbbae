"""YAML with CloudFormation's short forms, as other tools read it: not by the package's own reader."""

from __future__ import annotations

from typing import Any

import yaml


class _CloudFormationLoader(yaml.SafeLoader):
    """Reads short forms such as ``!Ref X`` as the long ones."""


def _construct_intrinsic(loader: _CloudFormationLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".")
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_CloudFormationLoader.add_multi_constructor("!", _construct_intrinsic)


def load_cloudformation(text: str) -> Any:
    """Load a template."""
    return yaml.load(text, _CloudFormationLoader)  # noqa: S506 - a SafeLoader
