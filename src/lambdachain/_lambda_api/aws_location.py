"""The account and region that a local endpoint or a stub pretends to be in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lambdachain._core.arn import FunctionArn, partition_for

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class AwsLocation:
    """The account and the region of every local function.

    Raises:
        InvalidArnError: They are not valid in an ARN.
    """

    account_id: str
    region: str

    def __post_init__(self) -> None:
        # Composing any ARN validates the account and the region.
        self.arn("any")

    def arn(self, name: str, qualifier: str | None = None) -> FunctionArn:
        """Return the ARN of a function here."""
        return _build_arn(name, self.region, self.account_id, qualifier)

    def text(self, name: str, qualifier: str | None = None) -> str:
        """Format an ARN as Lambda's messages show it, also for a name or qualifier that no function can have."""
        arn = f"arn:{partition_for(self.region)}:lambda:{self.region}:{self.account_id}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"


# Cached: every call of a function here needs its ARN, and FunctionArn validates each part.
@lru_cache(maxsize=1024)
def _build_arn(name: str, region: str, account_id: str, qualifier: str | None) -> FunctionArn:
    return FunctionArn.build(name, region=region, account_id=account_id, qualifier=qualifier)
