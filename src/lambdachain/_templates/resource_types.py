"""What ``Ref`` and ``Fn::GetAtt`` give for the resources around functions, as far as a template decides it.

A name is the one that the template sets, or else the resource's logical id. What only AWS can know is ``None`` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lambdachain._core.arn import partition_of
from lambdachain._lambda_api.aws_location import AwsLocation


@dataclass(frozen=True, slots=True)
class Kind:
    """How a type of resource is named.

    Attributes:
        name: The property that sets the name.
        arn: The end of its ARN, from the service on.
        ref: What ``Ref`` gives: ``"name"``, ``"arn"`` or ``"url"`` (of an SQS queue).
        named: The attributes that give the name.
        addressed: The attributes that give the ARN.
    """

    name: str
    arn: str
    ref: str = "name"
    named: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ("Arn",)


_TABLE: Final = Kind("TableName", "dynamodb:{region}:{account}:table/{name}")
_MACHINE: Final = "states:{region}:{account}:stateMachine:{name}"

KINDS: Final[Mapping[str, Kind]] = MappingProxyType({
    "AWS::DynamoDB::Table": _TABLE,
    "AWS::DynamoDB::GlobalTable": _TABLE,
    "AWS::Serverless::SimpleTable": _TABLE,
    "AWS::Events::EventBus": Kind("Name", "events:{region}:{account}:event-bus/{name}", named=("Name",)),
    "AWS::IAM::Role": Kind("RoleName", "iam::{account}:role/{name}"),
    "AWS::Kinesis::Stream": Kind("Name", "kinesis:{region}:{account}:stream/{name}"),
    "AWS::Logs::LogGroup": Kind("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
    "AWS::S3::Bucket": Kind("BucketName", "s3:::{name}"),
    "AWS::SNS::Topic": Kind(
        "TopicName", "sns:{region}:{account}:{name}", ref="arn", named=("TopicName",), addressed=("TopicArn",)
    ),
    "AWS::SQS::Queue": Kind("QueueName", "sqs:{region}:{account}:{name}", ref="url", named=("QueueName",)),
    "AWS::SSM::Parameter": Kind("Name", "ssm:{region}:{account}:parameter/{name}", addressed=()),
    "AWS::Serverless::StateMachine": Kind("Name", _MACHINE, ref="arn", named=("Name",)),
    "AWS::StepFunctions::StateMachine": Kind("StateMachineName", _MACHINE, ref="arn", named=("Name",)),
})  # fmt: skip


def reference(resource_type: str, name: str, place: AwsLocation) -> str:
    """Describe what ``Ref`` gives."""
    kind = KINDS.get(resource_type)
    if kind is None or kind.ref == "name":
        return name
    if kind.ref == "url":
        return f"https://sqs.{place.region}.amazonaws.com/{place.account_id}/{name}"
    return _arn(kind, name, place)


def attribute(resource_type: str, name: str, wanted: str, place: AwsLocation) -> str | None:
    """Describe what ``Fn::GetAtt`` gives for the attribute *wanted*, if it can be known."""
    kind = KINDS.get(resource_type)
    if kind is None:
        return None
    if wanted in kind.addressed:
        return _arn(kind, name, place)
    if wanted in kind.named:
        return name
    return reference(resource_type, name, place) if (kind.ref, wanted) == ("url", "QueueUrl") else None


def _arn(kind: Kind, name: str, place: AwsLocation) -> str:
    # the name of an SSM parameter may begin with the slash that its ARN has anyway
    end = kind.arn.format(region=place.region, account=place.account_id, name=name.removeprefix("/"))
    return f"arn:{partition_of(place.region)}:{end}"
