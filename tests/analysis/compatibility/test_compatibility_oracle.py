"""Compare with pydantic itself, over many pairs of types: compatible payloads are accepted, incompatible ones rejected.

``LAMBDACHAIN_SOAK=10000`` compares that many pairs instead of a seeded few.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.incompatibility import Incompatibility
from lambdachain._analysis.compatibility.schema_node import SchemaNode
from lambdachain._json.codec import Codec
from lambdachain._json.json_schema import generate_json_schema
from lambdachain._json.payload_validation import PayloadValidationError
from tests.analysis.compatibility.contract_variants import LEAVES, MODELS, PAIRS, Pair, Shape

MANY = int(os.environ.get("LAMBDACHAIN_SOAK", "0"))


def get_settings(examples: int) -> settings:
    """Return settings without a deadline: building a pydantic type is slow."""
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(
        max_examples=MANY or examples,
        derandomize=not MANY,
        database=None,
        deadline=None,
        suppress_health_check=slow,
    )


def find_incompatibilities_between(writer: Shape, reader: Shape) -> list[Incompatibility]:
    """Compare the schemas of two types."""
    sent = generate_json_schema(Codec(writer.form).schema, "serialization")
    read = generate_json_schema(Codec(reader.form).schema, "validation")
    return find_incompatibilities(SchemaNode.root(sent), SchemaNode.root(read), "it")


def write_values(writer: Shape) -> list[bytes]:
    """Serialize every value that can be serialized; there must be some."""
    codec = Codec(writer.form)
    texts = [text for value in writer.values if (text := _encode(codec, value)) is not None]
    assume(texts)
    return texts


def _encode(codec: Codec, value: Any) -> bytes | None:
    try:
        return codec.encode(value)
    except PayloadValidationError:
        return None


def get_rejected(texts: list[bytes], reader: Shape) -> list[bytes]:
    """Return the payloads that the reader rejects."""
    codec = Codec(reader.form)
    return [text for text in texts if not _reads(codec, text)]


def _reads(codec: Codec, text: bytes) -> bool:
    try:
        codec.decode(text)
    except PayloadValidationError:
        return False
    return True


def check(writer: Shape, reader: Shape) -> None:
    """Compare the incompatibilities of a writer and a reader with what pydantic does."""
    found = find_incompatibilities_between(writer, reader)
    lost = get_rejected(write_values(writer), reader)

    assert found or not lost, f"nothing is found between {writer.form} and {reader.form}, which refuses {lost}"
    assert lost or not any(gap.certain for gap in found), f"{reader.form} reads all of {writer.form}: {found}"


@get_settings(300)
@given(LEAVES)
def test_plain_values(pair: Pair):
    """Strings, numbers, dates and enumerated values, with and without limits."""
    check(*pair)
    check(*reversed(pair))


@pytest.mark.timeout(0 if MANY else 120)
@get_settings(100)
@given(PAIRS)
def test_containers(pair: Pair):
    """Lists, sets, mappings, tuples, unions and models."""
    check(*pair)
    check(*reversed(pair))


@pytest.mark.timeout(0 if MANY else 120)
@get_settings(60)
@given(MODELS)
def test_models(pair: Pair):
    """Models, dataclasses and typed dictionaries, in unions with a discriminator, and recursive."""
    check(*pair)
    check(*reversed(pair))
