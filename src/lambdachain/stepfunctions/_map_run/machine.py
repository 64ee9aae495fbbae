"""The state machine of a map, and the names of everything in AWS: the same command finds what it has started.

A state machine serves all maps of one function with one contract, role and bucket; which items, and how many at a time,
is in the input of an execution. An execution has the name of its items. ``StartExecution`` does not start a second one
with the same name (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._core.errors import ContractError
from lambdachain.stepfunctions._distributed_map import S3Items, S3Results, distributed_map
from lambdachain.stepfunctions._state_machine import state_machine

if TYPE_CHECKING:
    from lambdachain._calling.target import Target

DEFAULT_CONCURRENCY: Final = 1000
MAX_CONCURRENCY: Final = 10_000
DEFAULT_PREFIX: Final = "lambdachain/maps/"

_ROLE: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>\d{12}):role/\S+")
_DIGITS: Final = 16


class MapPlace(NamedTuple):
    """Where a map runs, and where its items and results are.

    Attributes:
        role: The ARN of the role that the state machine assumes.
        bucket: The bucket of the items and the results, in the account and the region of the state machine.
        prefix: The prefix of the keys.
    """

    role: str
    bucket: str
    prefix: str = DEFAULT_PREFIX

    def items_key(self, digest: str) -> str:
        """Return the key of the items with a SHA-256."""
        return f"{self.prefix}items/{digest}.json"

    def results_prefix(self, execution: str) -> str:
        """Return the prefix of the results of an execution."""
        return f"{self.prefix}results/{execution}"


class MapMachine(NamedTuple):
    """A state machine: its name, which follows from its contents, and its definition."""

    name: str
    definition: str

    def arn(self, role: str, region: str) -> str:
        """Return its ARN, in the account of its role.

        >>> machine = MapMachine("lambdachain-map-f", "{}")
        >>> machine.arn("arn:aws:iam::123456789012:role/maps", "eu-west-1")
        'arn:aws:states:eu-west-1:123456789012:stateMachine:lambdachain-map-f'
        """
        found = check_role(role)
        return f"arn:{found['partition']}:states:{region}:{found['account']}:stateMachine:{self.name}"


def check_role(role: str) -> re.Match[str]:
    """Return the parts of a role's ARN.

    Raises:
        ContractError: It is not the ARN of a role.
    """
    if found := _ROLE.fullmatch(role):
        return found
    raise ContractError(f"role: {role!r} is not the ARN of a role, such as arn:aws:iam::123456789012:role/maps")


def build_machine(target: Target, place: MapPlace) -> MapMachine:
    """Return the state machine that calls a function for each item of an object in S3.

    Every item runs, whatever becomes of the others. Each child execution is a Standard one: it starts a task once,
    where an Express one may run it twice.
    """
    function = target.function
    state: dict[str, Any] = distributed_map(
        target.contract,
        items=S3Items("$.bucket", "$.key", format="JSON"),
        # moto looks for "$.prefix" in the results of the map, not in its input.
        results=S3Results("$$.Execution.Input.bucket", "$$.Execution.Input.prefix"),
        tolerated_failure_percentage=100.0,  # moto does not parse 100
        with_index=True,
        function=target.address,
    )
    # The items have their index, which counts the lines of a file, blank ones included.
    del state["ItemSelector"], state["MaxConcurrency"]
    # A corrected description must not be another state machine, in which the same items would run again.
    state.pop("Comment", None)
    state["MaxConcurrencyPath"] = "$.max_concurrency"
    definition = json.dumps(state_machine({"Map": state}), sort_keys=True)
    digest = _digest(definition, *place)
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", function.rpartition(":")[2])[:40]
    return MapMachine(f"lambdachain-map-{plain}-{digest}", definition)


def execution_name(digest: str, salt: str = "") -> str:
    """Return the name of the execution for items with a SHA-256; with a *salt*, that of another one for the same items.

    >>> execution_name("0f" * 32)
    'map-0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f'
    """
    return f"map-{digest[:32]}" if not salt else f"map-{digest[:32]}-{_digest(salt)}"


def execution_arn(machine_arn: str, name: str) -> str:
    """Return the ARN of an execution.

    >>> execution_arn("arn:aws:states:eu-west-1:123456789012:stateMachine:m", "map-1")
    'arn:aws:states:eu-west-1:123456789012:execution:m:map-1'
    """
    return f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def is_same_place(arn: str, other: str) -> bool:
    """Check whether two ARNs are of one region of one account.

    >>> is_same_place("arn:aws:states:eu-west-1:123456789012:execution:m:1", "arn:aws:states:eu-west-1:123456789012:x")
    True
    """
    return arn.split(":")[3:5] == other.split(":")[3:5]


def check_concurrency(number: int) -> None:
    """Raise an error for a concurrency that Step Functions does not have.

    Raises:
        ContractError: It is not 1 to 10,000.
    """
    if not 1 <= number <= MAX_CONCURRENCY:
        raise ContractError(f"max_concurrency must be 1 to {MAX_CONCURRENCY:,} on Step Functions, not {number:,}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
