"""What ``Ref`` and ``Fn::GetAtt`` return for a stack and the resources around functions, as far as a template decides.

A name is the one that the template sets, or else the logical id. AWS would append a random suffix to the latter, which
nobody can know before the deployment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lambdachain._core.arn import partition_for
from lambdachain._lambda_api.aws_location import AwsLocation


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How the resources of a type are named.

    Attributes:
        name_property: The property that sets the name.
        arn: The ARN from the service on, as a format string.
        ref: What ``Ref`` returns: ``"name"``, ``"arn"`` or ``"url"`` (of an SQS queue).
        name_attributes: The attributes that ``Fn::GetAtt`` returns the name for.
        arn_attributes: The attributes that ``Fn::GetAtt`` returns the ARN for.
    """

    name_property: str
    arn: str
    ref: str = "name"
    name_attributes: tuple[str, ...] = ()
    arn_attributes: tuple[str, ...] = ("Arn",)


_TABLE: Final = ResourceType("TableName", "dynamodb:{region}:{account}:table/{name}")
_MACHINE: Final = "states:{region}:{account}:stateMachine:{name}"

RESOURCE_TYPES: Final[Mapping[str, ResourceType]] = MappingProxyType(
    {
        "AWS::DynamoDB::Table": _TABLE,
        "AWS::DynamoDB::GlobalTable": _TABLE,
        "AWS::Serverless::SimpleTable": _TABLE,
        "AWS::Events::EventBus": ResourceType(
            "Name", "events:{region}:{account}:event-bus/{name}", name_attributes=("Name",)
        ),
        "AWS::IAM::Role": ResourceType("RoleName", "iam::{account}:role/{name}"),
        "AWS::Kinesis::Stream": ResourceType("Name", "kinesis:{region}:{account}:stream/{name}"),
        "AWS::Logs::LogGroup": ResourceType("LogGroupName", "logs:{region}:{account}:log-group:{name}:*"),
        "AWS::S3::Bucket": ResourceType("BucketName", "s3:::{name}"),
        "AWS::SNS::Topic": ResourceType(
            "TopicName",
            "sns:{region}:{account}:{name}",
            ref="arn",
            name_attributes=("TopicName",),
            arn_attributes=("TopicArn",),
        ),
        "AWS::SQS::Queue": ResourceType(
            "QueueName", "sqs:{region}:{account}:{name}", ref="url", name_attributes=("QueueName",)
        ),
        "AWS::SSM::Parameter": ResourceType("Name", "ssm:{region}:{account}:parameter/{name}", arn_attributes=()),
        "AWS::Serverless::StateMachine": ResourceType("Name", _MACHINE, ref="arn", name_attributes=("Name",)),
        "AWS::StepFunctions::StateMachine": ResourceType(
            "StateMachineName", _MACHINE, ref="arn", name_attributes=("Name",)
        ),
    }
)


def get_pseudo_parameters(aws_location: AwsLocation, stack: str) -> Mapping[str, str | list[str]]:
    """Return the values of the pseudo parameters of a stack; ``AWS::NoValue`` has none."""
    region, account_id = aws_location.region, aws_location.account_id
    partition = partition_for(region)
    return {
        "AWS::AccountId": account_id,
        "AWS::NotificationARNs": [],
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": f"arn:{partition}:cloudformation:{region}:{account_id}:"
        f"stack/{stack}/00000000-0000-0000-0000-000000000000",
        "AWS::StackName": stack,
        "AWS::URLSuffix": "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com",
    }


def get_reference(type_name: str, name: str, aws_location: AwsLocation) -> str:
    """Return what ``Ref`` returns for a resource of this type and name."""
    resource_type = RESOURCE_TYPES.get(type_name)
    if resource_type is None or resource_type.ref == "name":
        return name
    if resource_type.ref == "url":
        return f"https://sqs.{aws_location.region}.amazonaws.com/{aws_location.account_id}/{name}"
    return _format_arn(resource_type, name, aws_location)


def get_attribute(type_name: str, name: str, attribute: str, aws_location: AwsLocation) -> str | None:
    """Return what ``Fn::GetAtt`` returns for a resource of this type and name; ``None`` if only AWS knows it."""
    resource_type = RESOURCE_TYPES.get(type_name)
    if resource_type is None:
        return None
    if attribute in resource_type.arn_attributes:
        return _format_arn(resource_type, name, aws_location)
    if attribute in resource_type.name_attributes:
        return name
    is_queue_url = (resource_type.ref, attribute) == ("url", "QueueUrl")
    return get_reference(type_name, name, aws_location) if is_queue_url else None


def _format_arn(resource_type: ResourceType, name: str, aws_location: AwsLocation) -> str:
    # The name of an SSM parameter may start with the slash that its ARN has in any case.
    end = resource_type.arn.format(
        region=aws_location.region, account=aws_location.account_id, name=name.removeprefix("/")
    )
    return f"arn:{partition_for(aws_location.region)}:{end}"
