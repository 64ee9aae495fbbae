"""The request, response and errors of a contract: who writes and who reads each, and why the reader may fail.

The schemas of one payload differ by side: a caller serializes with defaults filled in, a callee accepts a request
without them. And while two versions are deployed, a writer of one version meets a reader of the other (``Pairing``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from lambdachain._contracts.contract_schema import ContractSchema

from .incompatibility import Incompatibility, Reason
from .schema_node import SchemaNode

Who = Literal["old callers", "new callers", "other callers"]


@dataclass(frozen=True, slots=True)
class PayloadSchemas:
    """The schemas of a request, a response or an error.

    Attributes:
        path: ``request``, ``response``, or ``errors.CardDeclined``.
        sent: What lambdachain's callers or callees serialize.
        read: What they accept.
        published: What the contract's schema shows to callers that do not use lambdachain.
    """

    path: str
    sent: SchemaNode
    read: SchemaNode
    published: SchemaNode

    @property
    def is_request(self) -> bool:
        """Whether callers write it."""
        return self.path == "request"


@dataclass(frozen=True, slots=True)
class Pairing:
    """A writer and a reader of two versions of a contract, while only one of them is deployed.

    Attributes:
        who: The callers that are affected if the reader fails.
        writer: The writing side, for a sentence.
        reader: The reading side, for a sentence.
        sent: The schema of the writer.
        read: The schema of the reader.
        lax: Whether pydantic reads the payload, in its lax mode.
    """

    who: Who
    writer: str
    reader: str
    sent: SchemaNode
    read: SchemaNode
    lax: bool = True


def get_payload_schemas(schema: ContractSchema) -> dict[str, PayloadSchemas]:
    """Return the schemas of the request, the response and each error of a contract, by path."""
    parts = cast("Mapping[str, Any]", schema)
    errors_read: Mapping[str, Any] = parts.get("errors_as_read", {})
    schemas = {
        "request": (parts.get("request_as_sent", parts["request"]), parts["request"], parts["request"]),
        "response": (parts["response"], parts.get("response_as_read", parts["response"]), parts["response"]),
        **{f"errors.{name}": (error, errors_read.get(name, error), error) for name, error in parts["errors"].items()},
    }
    return {path: PayloadSchemas(path, *map(SchemaNode.root, sides)) for path, sides in schemas.items()}


def get_pairings(old: PayloadSchemas, new: PayloadSchemas) -> Iterator[Pairing]:
    """Yield the writers and readers of different versions that may meet."""
    if old.is_request:
        yield Pairing("old callers", "old callers", "the new callee", old.sent, new.read)
        yield Pairing("new callers", "new callers", "the old callee", new.sent, old.read)
        yield Pairing("other callers", "other callers", "the new callee", old.published, new.read)
    else:
        yield Pairing("old callers", "the new callee", "old callers", new.sent, old.read)
        yield Pairing("new callers", "the old callee", "new callers", old.sent, new.read)
        yield Pairing("other callers", "the new callee", "other callers", new.published, old.published, lax=False)


def get_previous_schemas(old: PayloadSchemas, pairing: Pairing) -> tuple[SchemaNode, SchemaNode]:
    """Return the schemas of writer and reader before the change."""
    return (old.published, old.read if old.is_request else old.published) if not pairing.lax else (old.sent, old.read)


_SENTENCES: Final = {
    Reason.MISSING: "{writer} {do_not_send} it, but {reader} {require} it",
    Reason.OPTIONAL: "{writer} may omit it, but {reader} {require} it",
    Reason.UNKNOWN_FIELD: "{writer} {send} it, but {reader} {reject} unknown fields",
    Reason.OTHER_PATH: "{reader} {look} for it inside another field of what {writer} {send}",
    Reason.TYPE: "{writer} {send} {sent}, but {reader} {accept} {read}",
    Reason.VALUES: "{writer} may send {sent}, but {reader} {accept} {read}",
    Reason.LIMIT: "{writer} may send {sent}, but {reader} {accept} {read}",
    Reason.KEYS: "{writer} may send keys that are {sent}, but {reader} {accept} {read}",
    Reason.UNTYPED: "{writer} may send anything, but {reader} {accept} {read}",
    Reason.VALIDATOR: "{reader} {validate} it with {read}, which may reject what {writer} {send}",
    Reason.OPAQUE_WRITER: "{writer} {send} {sent}, which has no declared type, and {reader} {accept} {read}",
    Reason.OPAQUE_READER: "{reader} {read_it} with {read}, which has no schema, and {writer} {send} {sent}",
    Reason.UNKNOWN_KEYWORD: "{reader} {accept} {read}, which is not supported here",
    Reason.RECURSIVE: "{writer} {send} {sent} inside itself, but {reader} {accept} {read}",
}
_WRITES: Final = ("send",)
_READS: Final = ("require", "reject", "look", "accept", "validate")


def explain(found: Incompatibility, pairing: Pairing) -> str:
    """Return a sentence about why the reader may fail."""
    verbs = {verb: _conjugate(verb, pairing.writer) for verb in _WRITES}
    verbs |= {verb: _conjugate(verb, pairing.reader) for verb in _READS}
    verbs["read_it"] = f"{_conjugate('read', pairing.reader)} it"
    verbs["do_not_send"] = "do not send" if _is_plural(pairing.writer) else "does not send"
    return _SENTENCES[found.reason].format(
        writer=pairing.writer, reader=pairing.reader, sent=found.sent, read=found.read, **verbs
    )


def _conjugate(verb: str, subject: str) -> str:
    return verb if _is_plural(subject) else f"{verb}s"


def _is_plural(subject: str) -> bool:
    return subject.endswith("callers")
