"""Where one side may write what the other does not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from .rendering import describe_schema
from .schema_node import SchemaNode


class Reason(Enum):
    """Why it may not be read."""

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
    """A place where not all that is written is read.

    Attributes:
        path: The place: ``request.items[].price``; ``*`` stands for the keys of a mapping.
        reason: Why.
        sent: What is written, in words.
        read: What is read, in words.
        certain: Whether something surely is refused; otherwise it cannot be told.
        parts: What is written and what is read, as schemas.
    """

    path: str
    reason: Reason
    sent: str
    read: str
    parts: tuple[SchemaNode, SchemaNode] = field(repr=False, compare=False)
    certain: bool = True

    @property
    def is_total(self) -> bool:
        """Check whether nothing at all that is written there is read."""
        sent, read = self.parts
        if self.reason is Reason.VALUES:
            return self.certain and not any(value in (read.values or ()) for value in sent.values or ())
        return self.reason is Reason.MISSING or (self.reason is Reason.TYPE and self.certain and sent.type != read.type)

    def evidence(self) -> tuple[object, ...]:
        """Return what tells this gap from another."""
        sent, read = self.parts
        return self.path, self.reason, self.sent, self.read, sent.fingerprint(), read.fingerprint()


def make_incompatibility(
    path: str, reason: Reason, sent: SchemaNode, read: SchemaNode, *, certain: bool = True
) -> Incompatibility:
    """Make a gap that both sides' schemas describe."""
    return Incompatibility(path, reason, describe_schema(sent), describe_schema(read), (sent, read), certain)
