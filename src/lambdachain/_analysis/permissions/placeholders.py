"""Placeholders for the partition, region and account of a stack, in the formats of deployment tools."""

from __future__ import annotations

from typing import Final

CLOUDFORMATION: Final = ("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
CDK: Final = ("{stack.partition}", "{stack.region}", "{stack.account}")
TERRAFORM: Final = (
    "${data.aws_partition.current.partition}",
    "${data.aws_region.current.name}",
    "${data.aws_caller_identity.current.account_id}",
)
_DATA_SOURCES: Final = ("aws_partition", "aws_region", "aws_caller_identity")


def build_data_sources(text: str) -> list[str]:
    """Return Terraform's data sources for the placeholders in a text."""
    return [f'data "{kind}" "current" {{}}' for kind in _DATA_SOURCES if f"data.{kind}." in text]
