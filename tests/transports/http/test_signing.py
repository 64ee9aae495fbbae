"""Signature Version 4 against its two oracles: AWS's published vectors, and botocore's ``SigV4Auth``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdachain._transports.http.signing import Signer, SigningKeys, signing_key
from tests.transports.http.sigv4_oracle import botocore_authorization

# The credentials and date of AWS's test suite for Signature Version 4.
EXAMPLE = SigningKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
STAMP = "20150830T123600Z"
HEADERS = {"host": "example.amazonaws.com", "x-amz-date": STAMP}
FORM = b"Param1=value1"
VECTORS = {
    "get-vanilla": (
        "GET\n/\n\n",
        HEADERS,
        b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "post-vanilla": (
        "POST\n/\n\n",
        HEADERS,
        b"",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "get-vanilla-query-order-key-case": (
        "GET\n/\nParam1=value1&Param2=value2\n",
        HEADERS,
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-x-www-form-urlencoded": (
        "POST\n/\n\n",
        {"content-type": "application/x-www-form-urlencoded", **HEADERS},
        FORM,
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize(("route", "headers", "payload", "signature"), VECTORS.values(), ids=VECTORS.keys())
def test_a_published_vector_is_reproduced(route: str, headers: dict[str, str], payload: bytes, signature: str) -> None:
    """The signatures are those that AWS published."""
    authorization = Signer("us-east-1", "service").authorization(EXAMPLE, STAMP, route, headers, payload)

    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    names = ";".join(headers)
    assert f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}" == authorization


def test_the_published_signing_key_is_reproduced() -> None:
    """The documentation derives it step by step, for IAM."""
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")

    assert "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9" == key.hex()


_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(
    keys=st.tuples(_words, _words),
    when=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants it so
    region=st.sampled_from(["eu-west-1", "cn-north-1", "us-isob-east-1"]),
    values=st.dictionaries(st.sampled_from(["x-amz-tenant-id", "x-amz-log-type", "x-amz-security-token"]), _words),
    payload=st.binary(max_size=300),
)
def test_a_signature_is_that_of_botocore(
    keys: tuple[str, str], when: datetime, region: str, values: dict[str, str], payload: bytes
) -> None:
    """For all keys, dates, headers and bodies."""
    stamp = when.replace(tzinfo=UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = dict(sorted({"host": "lambda.example.com", "x-amz-date": stamp, **values}.items()))

    ours = Signer(region).authorization(SigningKeys(*keys), stamp, "POST\n/2015-03-31/x\n\n", headers, payload)

    assert botocore_authorization(SigningKeys(*keys), region, "/2015-03-31/x", headers, payload) == ours


def test_the_key_of_one_day_does_not_sign_on_the_next() -> None:
    """The cached key is replaced when its date or secret changes."""
    signer = Signer("us-east-1", "service")
    route, headers, payload, signature = VECTORS["get-vanilla"]

    signer.authorization(EXAMPLE, "20150829T123600Z", route, headers, payload)
    signer.authorization(EXAMPLE._replace(secret_key="another"), STAMP, route, headers, payload)

    assert signer.authorization(EXAMPLE, STAMP, route, headers, payload).endswith(signature)


def test_keys_show_no_secret() -> None:
    """Neither in logs, nor in tracebacks."""
    assert "SigningKeys(AKID...)" == repr(SigningKeys("AKIDEXAMPLE", "secret", "token"))
