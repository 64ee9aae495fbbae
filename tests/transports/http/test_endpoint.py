"""Endpoints against botocore's own rules, for every region of every partition that it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.endpoint_provider import EndpointProvider

from lambdachain._core.arn import partition_for
from lambdachain._transports.http.endpoint import Endpoint, endpoint_for_region, endpoint_for_url


def _partitions() -> dict[str, Any]:
    return {
        p["id"]: p
        for p in json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text())["partitions"]
    }


REGIONS = [
    (partition, region)
    for partition, known in _partitions().items()
    for region in known["regions"]
    if not region.endswith("-global")
]


@pytest.fixture(scope="module")
def rules() -> EndpointProvider:
    """Botocore's rules for Lambda."""
    loader = botocore.session.Session().get_component("data_loader")
    ruleset = loader.load_service_model("lambda", "endpoint-rule-set-1")
    return EndpointProvider(ruleset, {"partitions": list(_partitions().values()), "version": "1.1"})


@pytest.mark.parametrize(("partition", "region"), REGIONS)
@pytest.mark.parametrize("fips", [False, True], ids=["", "FIPS"])
@pytest.mark.parametrize("dual_stack", [False, True], ids=["", "dual stack"])
def test_an_endpoint_is_that_of_botocores_rules(
    *, partition: str, region: str, fips: bool, dual_stack: bool, rules: EndpointProvider
) -> None:
    """If the rules have one."""
    supports = _partitions()[partition]["outputs"]
    if (dual_stack and not supports["supportsDualStack"]) or (fips and not supports["supportsFIPS"]):
        pytest.skip("this botocore knows of no such endpoint")
    theirs = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)

    ours = endpoint_for_region(region, fips=fips, dual_stack=dual_stack)

    assert ours is not None
    assert (theirs.url, partition) == (ours.url, partition_for(region))


@pytest.mark.parametrize(
    "region", ["fips-us-east-1", "us-east-1-fips", "aws-global", "moon-base-1", "us-east-1.evil.com", ""]
)
def test_a_region_of_an_unknown_form_is_left_to_botocore(region: str) -> None:
    """Its name may be a pseudonym, new, or invalid."""
    assert endpoint_for_region(region) is None


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://lambda.example.com", Endpoint("lambda.example.com")),
        ("https://Lambda.Example.com/", Endpoint("lambda.example.com")),
        ("http://localhost:4566", Endpoint("localhost", 4566, tls=False)),
        ("http://[::1]:9001/lambda/", Endpoint("::1", 9001, tls=False, prefix="/lambda")),
        (
            "https://vpce-1.lambda.eu-west-1.vpce.amazonaws.com:8443/a/b",
            Endpoint("vpce-1.lambda.eu-west-1.vpce.amazonaws.com", 8443, prefix="/a/b"),
        ),
    ],
)
def test_a_url_is_parsed(url: str, endpoint: Endpoint) -> None:
    """Scheme, host, port and path."""
    assert endpoint == endpoint_for_url(url)
    assert endpoint == endpoint_for_url(endpoint.url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "host:80",
        "https://user:secret@host",
        "https://host/?q",
        "https://host#f",
        "https://hö.st",
        "https://",
        "https://host/a b",
        "https://.host",
        "https://host:65536",
    ],
)
def test_an_unusual_url_is_left_to_botocore(url: str) -> None:
    """It raises a clear error, or supports it."""
    assert endpoint_for_url(url) is None


@pytest.mark.parametrize(
    ("endpoint", "authority"),
    [
        (Endpoint("h"), "h"),
        (Endpoint("h", 8443), "h:8443"),
        (Endpoint("h", 80, tls=False), "h"),
        (Endpoint("h", 443, tls=False), "h:443"),
        (Endpoint("::1", 80, tls=False), "[::1]"),
    ],
)
def test_the_host_header_has_a_port_only_if_it_is_not_the_default(endpoint: Endpoint, authority: str) -> None:
    """It is signed, so it must be what servers expect."""
    assert authority == endpoint.authority
