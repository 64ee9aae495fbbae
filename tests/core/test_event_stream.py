"""The event-stream encoding, against botocore's own parser as oracle."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdachain._core.event_stream import (
    MAX_HEADERS,
    MAX_PAYLOAD,
    EventStreamError,
    EventStreamMessage,
    EventStreamReader,
    encode_message,
)
from lambdachain._lambda_api.stream_events import encode_event

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
messages = st.tuples(st.dictionaries(names, texts, max_size=4), st.binary(max_size=300))

# A header's type and the bytes of a value of it, as the specification numbers them.
typed = st.one_of(
    st.sampled_from([(0, b""), (1, b"")]),
    st.tuples(st.just(2), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(3), st.binary(min_size=2, max_size=2)),
    st.tuples(st.just(4), st.binary(min_size=4, max_size=4)),
    st.tuples(st.sampled_from([5, 8]), st.binary(min_size=8, max_size=8)),
    st.tuples(st.just(9), st.binary(min_size=16, max_size=16)),
    st.tuples(st.just(6), st.binary(max_size=20).map(lambda data: struct.pack("!H", len(data)) + data)),
    st.tuples(st.just(7), texts.map(lambda text: struct.pack("!H", len(text.encode())) + text.encode())),
)


def _frame(headers: bytes, payload: bytes) -> bytes:
    """Frame headers, valid or not, and a payload in a message with valid checksums."""
    lengths = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    data = lengths + struct.pack("!I", zlib.crc32(lengths)) + headers + payload
    return data + struct.pack("!I", zlib.crc32(data))


def _read_by_botocore(*pieces: bytes) -> list[EventStreamMessage] | None:
    buffer, found = EventStreamBuffer(), list[EventStreamMessage]()
    try:
        for piece in pieces:
            buffer.add_data(piece)
            for event in buffer:
                headers: dict[str, Any] = event.headers
                texts = {name: value for name, value in headers.items() if isinstance(value, str)}
                found.append(EventStreamMessage(texts, event.payload))
    except (ParserError, struct.error, KeyError, UnicodeDecodeError, IndexError):
        return None
    return found


def _read_by_us(*pieces: bytes) -> list[EventStreamMessage] | None:
    reader, found = EventStreamReader(), list[EventStreamMessage]()
    try:
        for piece in pieces:
            reader.feed(piece)
            while (message := reader.next()) is not None:
                found.append(message)
    except EventStreamError:
        return None
    return found


def _first(data: bytes) -> EventStreamMessage | None:
    reader = EventStreamReader()
    reader.feed(data)
    return reader.next()


def _split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 100_000), max_size=12))
def test_encoded_messages_are_read_by_both_however_they_are_split(sent: list[Any], cuts: list[int]):
    """Our encoder, our reader and botocore's reader agree."""
    data = b"".join(encode_message(headers, payload) for headers, payload in sent)
    pieces = _split_at(data, cuts)

    assert (
        _read_by_us(*pieces)
        == _read_by_botocore(*pieces)
        == [EventStreamMessage(headers, payload) for headers, payload in sent]
    )


@given(event_type=texts, content_type=texts, payload=st.binary(max_size=300))
@example(event_type="PayloadChunk", content_type="text/plain; name=café", payload=b"x")
def test_an_event_of_the_local_api_is_read_by_both(event_type: str, content_type: str, payload: bytes):
    """Lengths count bytes, not characters: botocore reads the same headers, with any characters."""
    headers = {":event-type": event_type, ":content-type": content_type, ":message-type": "event"}
    data = encode_event(event_type, content_type, payload)

    assert _read_by_us(data) == _read_by_botocore(data) == [EventStreamMessage(headers, payload)]


@given(st.dictionaries(names, typed, max_size=5), st.binary(max_size=50))
def test_headers_of_other_types_are_skipped(headers: dict[str, tuple[int, bytes]], payload: bytes):
    """Only strings are kept; numbers, dates and bytes are skipped by their length."""
    data = b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value for name, (kind, value) in headers.items()
    )
    read = _read_by_us(_frame(data, payload))
    kept = {name: value[2:].decode() for name, (kind, value) in headers.items() if kind == 7}

    assert read == [EventStreamMessage(kept, payload)]
    theirs = _read_by_botocore(_frame(data, payload))
    assert theirs is not None
    assert theirs[0].payload == payload


@settings(max_examples=400)
@given(messages, st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(sent: Any, place: int, change: int):
    """What botocore rejects is rejected; a length that grew makes both wait for the rest."""
    data = bytearray(encode_message(*sent))
    data[place % len(data)] ^= change

    assert not _read_by_us(bytes(data))
    assert _read_by_us(bytes(data)) == _read_by_botocore(bytes(data))


@settings(max_examples=400)
@given(st.binary(max_size=60), st.binary(max_size=10))
@example(b"\x01a", b"")
@example(b"\x01a\x0a", b"")
@example(b"\x01a\x07\x00\x05ab", b"")
@example(b"\x01a\x07\x00\x01\xff", b"")
@example(b"\x01a\x00\x01a\x00", b"")
def test_invalid_headers_are_rejected(headers: bytes, payload: bytes):
    """What botocore can read, we can; where it crashes, or reads past the end, there is one clear error here."""
    read = _read_by_us(_frame(headers, payload))
    if read is not None:
        assert _read_by_botocore(_frame(headers, payload)) == read


@pytest.mark.parametrize(
    "lengths", [(0, 0), (15, 0), (16, 1), (MAX_PAYLOAD + 17, 0), (MAX_HEADERS + 17, MAX_HEADERS + 1)]
)
def test_impossible_lengths_are_rejected_immediately(lengths: tuple[int, int]):
    """Nobody waits for gigabytes that never arrive."""
    prelude = struct.pack("!II", *lengths)

    with pytest.raises(EventStreamError, match="lengths"):
        _first(prelude + struct.pack("!I", zlib.crc32(prelude)))


def test_other_data_is_rejected_after_twelve_bytes():
    """A page of HTML, for example."""
    assert _first(b"<html><body") is None
    with pytest.raises(EventStreamError, match="prelude"):
        _first(b"<html><body>")


def test_messages_before_a_damaged_one_are_read():
    """The messages before it are complete."""
    reader = EventStreamReader()
    reader.feed(encode_message({"a": "b"}, b"1") + b"<html><body>")

    assert reader.next() == EventStreamMessage({"a": "b"}, b"1")
    with pytest.raises(EventStreamError):
        reader.next()
