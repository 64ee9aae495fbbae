"""Where the endpoint pretends to be: an account in a region."""

from __future__ import annotations

from dataclasses import dataclass

from lambdachain._core.arn import FunctionArn, partition_of

LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class AwsLocation:
    """The account and the region that every local function belongs to.

    Raises:
        InvalidArnError: No ARN can carry them.
    """

    account_id: str
    region: str

    def __post_init__(self) -> None:
        self.arn("any")

    def arn(self, name: str, qualifier: str | None = None) -> FunctionArn:
        """Address a function here."""
        return FunctionArn.build(name, region=self.region, account_id=self.account_id, qualifier=qualifier)

    def text(self, name: str, qualifier: str | None = None) -> str:
        """Format an ARN as Lambda's messages show it, also for a name or qualifier that no function can have."""
        arn = f"arn:{partition_of(self.region)}:lambda:{self.region}:{self.account_id}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"
