"""How metadata goes onto the wire: into the ClientContext of a call, or into an envelope around an event."""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _text
from typing import Any, Final

from ._errors import RequestTooLargeError
from ._invocation import MAX_CLIENT_CONTEXT_BYTES
from ._metadata import DROPPED_FIRST, Metadata, merged, read_metadata
from ._schema import is_mapping

ENVELOPE: Final = "__lambdachain__"
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def encode_client_context(metadata: Metadata, custom: Mapping[str, str], function: str) -> str:
    """Write metadata and the user's own texts as Lambda's ClientContext: JSON in base64.

    The user's texts are never dropped or replaced, and the idempotency key is not either; where the 3,583 bytes do
    not suffice, the rest of the metadata gives way.

    Raises:
        RequestTooLargeError: The user's texts, with the idempotency key, are longer than Lambda takes.
    """
    texts = metadata.texts()
    encoded = _encoded(merged(texts, custom))
    if len(encoded) <= MAX_CLIENT_CONTEXT_BYTES:
        return encoded
    for name in DROPPED_FIRST if metadata.idempotency_key else (*DROPPED_FIRST, "lc-v"):
        texts.pop(name, None)
        encoded = _encoded(merged(texts, custom))
        if len(encoded) <= MAX_CLIENT_CONTEXT_BYTES:
            return encoded
    raise RequestTooLargeError(
        f"client_context is {len(encoded):,} bytes in base64; Lambda takes at most {MAX_CLIENT_CONTEXT_BYTES:,}",
        function=function,
    )


def enveloped(data: bytes, metadata: Metadata) -> bytes:
    """Put an event's JSON into an envelope that carries metadata: for contracts that ask for it, Lambda gives an event
    no ClientContext.
    """
    told = _json(metadata.texts()).encode()
    return b'{"%b":%b,"data":%b}' % (ENVELOPE.encode(), told, data)


def opened(event: Any) -> tuple[Any, Metadata | None]:
    """Take an event out of its envelope, if it has one."""
    if is_mapping(event) and ENVELOPE in event and set(event) == {ENVELOPE, "data"} and is_mapping(event[ENVELOPE]):
        return event["data"], read_metadata(event[ENVELOPE])
    return event, None


def _encoded(custom: Mapping[str, str]) -> str:
    # A JSONEncoder takes three times as long for texts alone, and this is written for every attempt.
    members = ",".join([f"{_text(name)}:{_text(text)}" for name, text in custom.items()])
    return b2a_base64(f'{{"custom":{{{members}}}}}'.encode(), newline=False).decode()
