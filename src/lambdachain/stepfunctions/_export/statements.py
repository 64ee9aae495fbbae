"""The IAM statements that the role of a state machine needs, and no more: what its definition does, read from it.

Source: "IAM policies for using Distributed Map states"
(https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdachain._analysis.permissions.required_permissions import ACTION, Stack, parse_resources
from lambdachain._core.arn import partition_for
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.type_guards import is_mapping
from lambdachain.stepfunctions._invocations import PLACEHOLDER, parse_invocation
from lambdachain.stepfunctions._query_language import is_expression
from lambdachain.stepfunctions._states import StateEntry, iter_states

PARTITION: Final = "<partition>"
REGION: Final = "<region>"
ACCOUNT: Final = "<account>"
_PARTS: Final = (PARTITION, REGION, ACCOUNT)
# The order of statements, with their IDs.
_SIDS: Final = {
    (ACTION,): "InvokeFunctions",
    ("states:StartExecution",): "StartItems",
    ("states:DescribeExecution",): "FollowItems",
    ("states:RedriveExecution",): "RedriveItems",
    ("s3:GetObject",): "ReadItems",
    ("s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"): "WriteResults",
}
_READ: Final = ("s3:GetObject",)
_WRITE: Final = ("s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")


@dataclass(frozen=True, slots=True)
class RoleStatement:
    """A statement of a policy: what it allows, on which resources.

    Attributes:
        sid: Its ID.
        actions: What it allows.
        resources: ARNs, with ``<partition>``, ``<region>`` and ``<account>`` for what the deployment fills in.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleStatements:
    """All statements of the role of a state machine.

    Attributes:
        each: The statements.
        unresolved: What the definition does and no statement allows: for each, where, and why.
    """

    each: tuple[RoleStatement, ...]
    unresolved: tuple[str, ...]


def find_statements(definition: Mapping[str, Any], name: str, *, redrive: bool = False) -> RoleStatements:
    """Return the statements that a definition needs.

    Args:
        definition: The definition.
        name: The name of the state machine.
        redrive: Whether executions with a distributed map are redriven.
    """
    found: dict[tuple[str, ...], dict[str, None]] = {}
    unresolved: list[str] = []
    for entry in iter_states(definition):
        for need in _find_needs(entry, name, redrive=redrive):
            if isinstance(need, str):
                unresolved.append(f"{entry.path}: {need}")
            else:
                actions, resource = need
                found.setdefault(actions, {})[resource] = None
    each = [RoleStatement(sid, actions, tuple(found[actions])) for actions, sid in _SIDS.items() if actions in found]
    return RoleStatements(tuple(each), tuple(unresolved))


def fill_in(resource: str, stack: Stack, placeholders: tuple[str, str, str]) -> str:
    """Return an ARN with what is known about the stack, and placeholders for the rest."""
    partition = stack.partition or (partition_for(stack.region) if stack.region else None)
    known = (partition, stack.region, stack.account_id)
    for part, value, placeholder in zip(_PARTS, known, placeholders, strict=True):
        resource = resource.replace(part, value or placeholder)
    return resource


Need = tuple[tuple[str, ...], str] | str


def _find_needs(entry: StateEntry, name: str, *, redrive: bool) -> Iterator[Need]:
    invocation = parse_invocation(entry.state, entry.language)
    if invocation is not None:
        yield _get_function_need(invocation.function)
    elif entry.state.get("Type") == "Task":
        resource = entry.state.get("Resource")
        yield f"what {resource} needs is not known here: allow it by hand"
    if entry.is_distributed_map:
        machine = f"{PARTITION}:states:{REGION}:{ACCOUNT}"
        yield ("states:StartExecution",), f"arn:{machine}:stateMachine:{name}"
        yield ("states:DescribeExecution",), f"arn:{machine}:execution:{name}:*"
        if redrive:
            yield ("states:RedriveExecution",), f"arn:{machine}:execution:{name}/*"
        yield from _get_object_needs(entry, "ItemReader", "Key", _READ)
        yield from _get_object_needs(entry, "ResultWriter", "Prefix", _WRITE)


def _get_function_need(function: str | None) -> Need:
    if function is None or PLACEHOLDER.search(function):
        return f"its function, {function or 'which is in the input'}, is not known here: allow {ACTION} on it by hand"
    try:
        [resource] = parse_resources([function])
    except InvalidArnError as exc:
        return str(exc)
    return (ACTION,), resource.format_arn(*_PARTS)


def _get_object_needs(entry: StateEntry, member: str, part: str, actions: tuple[str, ...]) -> Iterator[Need]:
    access: Any = entry.state.get(member)
    if not is_mapping(access):
        return
    arguments: Any = access.get("Parameters" if entry.language == "JSONPath" else "Arguments")
    members: Mapping[str, Any] = arguments if is_mapping(arguments) else {}
    bucket, key = members.get("Bucket"), members.get(part, "" if part == "Prefix" else None)
    is_known = all(isinstance(one, str) and not is_expression(one, entry.language) for one in (bucket, key))
    if not is_known or f"{part}.$" in members:
        yield f"the place of its {member} in S3 is in the input: allow {', '.join(actions)} on it by hand"
        return
    # With the prefix "a", results are in "a/...": so "ab" is not allowed.
    suffix = "" if part == "Key" else "*" if not key or key.endswith("/") else "/*"
    yield actions, f"arn:{PARTITION}:s3:::{bucket}/{key}{suffix}"
