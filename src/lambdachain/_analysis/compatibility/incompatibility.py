"""A place in two schemas where the reader may reject what the writer sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from .rendering import describe_schema
from .schema_node import SchemaNode


class Reason(Enum):
    """Why the reader may reject it; ``payload_schemas`` has a sentence for each."""

    MISSING = auto()
    OPTIONAL = auto()
    UNKNOWN_FIELD = auto()
    OTHER_PATH = auto()
    TYPE = auto()
    VALUES = auto()
    LIMIT = auto()
    KEYS = auto()
    UNTYPED = auto()
    VALIDATOR = auto()
    OPAQUE_WRITER = auto()
    OPAQUE_READER = auto()
    UNKNOWN_KEYWORD = auto()
    RECURSIVE = auto()


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """A place where the reader does not accept everything that the writer may send.

    Attributes:
        path: The place: ``request.items[].price``; ``*`` means the keys of a mapping.
        reason: Why.
        sent: A description of what is sent.
        read: A description of what is accepted.
        certain: Whether some value is certain to be rejected; if not, it may be.
        parts: The schemas of the writer and the reader.
    """

    path: str
    reason: Reason
    sent: str
    read: str
    parts: tuple[SchemaNode, SchemaNode] = field(repr=False, compare=False)
    certain: bool = True

    @property
    def is_total(self) -> bool:
        """Check whether the reader rejects every value that the writer sends there."""
        sent, read = self.parts
        if self.reason is Reason.VALUES:
            return self.certain and not any(value in (read.values or ()) for value in sent.values or ())
        return self.reason is Reason.MISSING or (self.reason is Reason.TYPE and self.certain and sent.type != read.type)

    def evidence(self) -> tuple[object, ...]:
        """Return what identifies this incompatibility, also if its schemas are other objects."""
        sent, read = self.parts
        return self.path, self.reason, self.sent, self.read, sent.fingerprint(), read.fingerprint()


def make_incompatibility(
    path: str, reason: Reason, sent: SchemaNode, read: SchemaNode, *, certain: bool = True
) -> Incompatibility:
    """Return an incompatibility that is described by the schemas of both sides."""
    return Incompatibility(path, reason, describe_schema(sent), describe_schema(read), (sent, read), certain)
