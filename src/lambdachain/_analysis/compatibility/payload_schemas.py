"""The messages of a contract, who writes and who reads each, and why the reader may fail, in words."""

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
    """What travels one way: as its writer writes it, and as its reader reads it.

    Attributes:
        path: ``request``, ``response``, or ``errors.CardDeclined``.
        sent: What lambdachain's callers, or callees, write.
        read: What they accept.
        published: What a contract's schema shows to others.
    """

    path: str
    sent: SchemaNode
    read: SchemaNode
    published: SchemaNode

    @property
    def is_request(self) -> bool:
        """Check whether callers write it."""
        return self.path == "request"


@dataclass(frozen=True, slots=True)
class Pairing:
    """A writer and a reader of two versions of a contract, who meet while one of them is deployed."""

    who: Who
    writer: str
    reader: str
    sent: SchemaNode
    read: SchemaNode
    lax: bool = True


def get_payload_schemas(schema: ContractSchema) -> dict[str, PayloadSchemas]:
    """Accept a contract apart into its messages."""
    told = cast("Mapping[str, Any]", schema)
    errors_read: Mapping[str, Any] = told.get("errors_as_read", {})
    forms = {
        "request": (told.get("request_as_sent", told["request"]), told["request"], told["request"]),
        "response": (told["response"], told.get("response_as_read", told["response"]), told["response"]),
        **{f"errors.{name}": (form, errors_read.get(name, form), form) for name, form in told["errors"].items()},
    }
    return {path: PayloadSchemas(path, *map(SchemaNode.root, parts)) for path, parts in forms.items()}


def get_pairings(old: PayloadSchemas, new: PayloadSchemas) -> Iterator[Pairing]:
    """Describe who meets whom, of those who are not of one version."""
    if old.is_request:
        yield Pairing("old callers", "old callers", "the new callee", old.sent, new.read)
        yield Pairing("new callers", "new callers", "the old callee", new.sent, old.read)
        yield Pairing("other callers", "other callers", "the new callee", old.published, new.read)
    else:
        yield Pairing("old callers", "the new callee", "old callers", new.sent, old.read)
        yield Pairing("new callers", "the old callee", "new callers", old.sent, new.read)
        yield Pairing("other callers", "the new callee", "other callers", new.published, old.published, lax=False)


def get_previous_schemas(old: PayloadSchemas, meeting: Pairing) -> tuple[SchemaNode, SchemaNode]:
    """Return what writer and reader were before: what did not fit then is no change."""
    return (old.published, old.read if old.is_request else old.published) if not meeting.lax else (old.sent, old.read)


_SENTENCES: Final = {
    Reason.MISSING: "{writer} {send} none, {reader} {require} it",
    Reason.OPTIONAL: "{writer} may leave it out, {reader} {require} it",
    Reason.UNKNOWN_FIELD: "{writer} {send} it, {reader} {refuse} fields that are not declared",
    Reason.OTHER_PATH: "{reader} {look} for it inside another field of what {writer} {send}",
    Reason.TYPE: "{writer} {send} {sent}, {reader} {take} {read}",
    Reason.VALUES: "{writer} may send {sent}, {reader} {take} {read}",
    Reason.LIMIT: "{writer} may send {sent}, {reader} {take} {read}",
    Reason.KEYS: "{writer} may send keys that are {sent}, {reader} {take} {read}",
    Reason.UNTYPED: "{writer} may send anything, {reader} {take} {read}",
    Reason.VALIDATOR: "{reader} {check} it with {read}, which may refuse what {writer} {send}",
    Reason.OPAQUE_WRITER: "{writer} {send} {sent}, of which no type is declared, {reader} {take} {read}",
    Reason.OPAQUE_READER: "{reader} {read_it} with {read}, of which nothing is known, {writer} {send} {sent}",
    Reason.UNKNOWN_KEYWORD: "{reader} {take} {read}, of which nothing is known here",
    Reason.RECURSIVE: "{writer} {send} {sent} inside itself, {reader} {take} {read}",
}
_WRITES: Final = ("send",)
_READS: Final = ("require", "refuse", "look", "take", "check")


def explain(gap: Incompatibility, meeting: Pairing) -> str:
    """Report in a sentence why the reader may fail."""
    verbs = {verb: _conjugated(verb, meeting.writer) for verb in _WRITES}
    verbs |= {verb: _conjugated(verb, meeting.reader) for verb in _READS}
    verbs["read_it"] = f"{_conjugated('read', meeting.reader)} it"
    words = _SENTENCES[gap.reason].format(
        writer=meeting.writer, reader=meeting.reader, sent=gap.sent, read=gap.read, **verbs
    )
    return words if gap.certain else f"cannot tell: {words}"


def _conjugated(verb: str, party: str) -> str:
    return verb if party.endswith("callers") else f"{verb}s"
