"""Calls to a version, to an alias, and to an alias that shifts its traffic from one version to the next."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import boto3
from price_contracts import PriceRequest, price

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalAlias, LocalEndpoint, LocalFunction, LocalVersion

HERE = Path(__file__).parent
TEN = PriceRequest(product="Keyboard", quantity=10)


def price_function(live: LocalAlias) -> LocalFunction:
    """Return Price with both versions; the newest code, which is not published yet, is $LATEST."""
    return LocalFunction(
        "Price",
        "price_v2.handler",
        directory=HERE,
        versions={"1": LocalVersion(handler="price_v1.handler"), "2": LocalVersion()},
        aliases={"live": live},
    )


def local_client(endpoint: LocalEndpoint) -> LambdaClient:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=20)


def who_answers(client: LambdaClient, calls: int) -> dict[str | None, int]:
    """Call the alias repeatedly, and count which version responded."""
    return dict(sorted(Counter(client.invoke(price, TEN).executed_version for _ in range(calls)).items()))


def main() -> None:
    chance = Random(7)  # noqa: S311 - the same versions at each run; no secrets
    endpoint = LocalEndpoint([price_function(live=LocalAlias("1"))], random=chance)
    with endpoint, local_client(endpoint) as client:
        for version in ("1", "2"):
            print(f"version {version}: {client.call(price, TEN, qualifier=version).total}")
        answer = client.invoke(price, TEN)
        print(f"alias live: {answer.value.total}, by version {answer.executed_version}")

        for share in (0.1, 0.5):
            endpoint.replace(price_function(live=LocalAlias("1", routing={"2": share})))
            print(f"live, {share:.0%} of it shifted to version 2: {who_answers(client, 100)}")
        endpoint.replace(price_function(live=LocalAlias("2")))
        print(f"live is version 2: {who_answers(client, 100)}")

        print(f"may I call version 3? {client.can_invoke(price, qualifier='3').reason}")


if __name__ == "__main__":
    main()
