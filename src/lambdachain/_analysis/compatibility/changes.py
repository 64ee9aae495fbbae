"""What has changed between two versions of a contract, and whom it breaks: pure, over their schemas."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lambdachain._contracts.contract_schema import ContractSchema
from lambdachain._core.arn import parse_target

from .advice import address_remedy, message_remedy, promise_remedy
from .compare import gaps
from .differences import differences
from .incompatibility import Incompatibility
from .messages import Meeting, Message, Who, already, meetings, messages_of, why

_PARTS: Final = ("name", "account_id", "region", "partition")


@dataclass(frozen=True, slots=True)
class Breakage:
    """Whom a change breaks, and how.

    Attributes:
        who: ``"old callers"`` of the new callee, ``"new callers"`` of the old callee, or ``"other callers"``: those
            that lambdachain did not make, who follow the schema of the old contract, and meet the new callee.
        why: A sentence.
        certain: Whether some message surely fails. Otherwise it cannot be told: a validator has the last word,
            for example.
    """

    who: Who
    why: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two versions of a contract.

    Attributes:
        path: Where: ``request.items[].price``, ``errors.CardDeclined``, ``idempotent``. ``[]`` are the elements of
            an array, ``*`` the keys of a mapping.
        what: What has changed, in words.
        breaks: Whom it breaks; nobody, if it is empty.
        advice: What to do about it.
    """

    path: str
    what: str
    breaks: tuple[Breakage, ...] = ()
    advice: str = ""

    def breaks_any(self, *who: Who) -> bool:
        """Check whether it breaks, or may break, one of these."""
        return any(breakage.who in who for breakage in self.breaks)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.what}", *(f"  breaks {one.who}: {one.why}" for one in self.breaks)]
        return "\n".join([*lines, f"  {self.advice}"] if self.advice else lines)


def changes_between(old: ContractSchema, new: ContractSchema) -> tuple[Change, ...]:
    """Find what has changed; see ``compatibility``."""
    before, after = messages_of(old), messages_of(new)
    found = [*_address_changes(old, new), *_promise_changes(old, new)]
    for path, message in before.items():
        if path in after:
            found += _message_changes(message, after[path])
    return (*found, *_error_changes(before, after))


def _address_changes(old: ContractSchema, new: ContractSchema) -> Iterator[Change]:
    if old["function"] != new["function"]:
        what = f"was {old['function']}, is {new['function']} now"
        is_same = _is_same_function(old["function"], new["function"])
        broken = (
            Breakage("old callers", f"old callers go on calling {old['function']}"),
            Breakage("new callers", f"new callers call {new['function']}, the old callee is not there"),
        )
        yield Change("function", what) if is_same else Change("function", what, broken, address_remedy("function"))
    if old["qualifier"] != new["qualifier"]:
        before, after = (version["qualifier"] or "$LATEST" for version in (old, new))
        broken = (
            Breakage("old callers", f"cannot tell: old callers go on calling {before}", certain=False),
            Breakage(
                "new callers", f"cannot tell: {after} may not be there yet when new callers call it", certain=False
            ),
        )
        yield Change("qualifier", f"was {before}, is {after} now", broken, address_remedy("qualifier"))


def _is_same_function(old: str, new: str) -> bool:
    """Check whether two addresses are of one function, as far as both say where it is."""
    before, after = parse_target(old), parse_target(new)
    pairs = [(getattr(before, part, None), getattr(after, part, None)) for part in _PARTS]
    return all(was == is_now or (None in (was, is_now)) for was, is_now in pairs)


def _promise_changes(old: ContractSchema, new: ContractSchema) -> Iterator[Change]:
    if old["idempotent"] != new["idempotent"]:
        who, callers, callee = _who(callers_new=new["idempotent"])
        broken = (Breakage(who, f"{callers} retry what may have run, and {callee} does it twice"),)
        yield Change("idempotent", _became(is_now=new["idempotent"]), broken, promise_remedy("idempotent", who))
    if old["envelope"] != new["envelope"]:
        who, callers, callee = _who(callers_new=new["envelope"])
        broken = (Breakage(who, f"{callers} send events in an envelope, and {callee} does not open it"),)
        yield Change("envelope", _became(is_now=new["envelope"]), broken, promise_remedy("envelope", who))


def _who(*, callers_new: bool) -> tuple[Who, str, str]:
    if callers_new:
        return "new callers", "new callers", "the old callee"
    return "old callers", "old callers", "the new callee"


def _became(*, is_now: bool) -> str:
    return f"was {str(not is_now).lower()}, is {str(is_now).lower()} now"


def _error_changes(old: dict[str, Message], new: dict[str, Message]) -> Iterator[Change]:
    gone = [path for path in old if path not in new]
    added = [path for path in new if path not in old]
    for path in added:
        told = f"the new callee raises {_error_name(path)}, "
        broken = (
            Breakage("old callers", f"{told}old callers get a plain FunctionError"),
            Breakage("other callers", f"{told}other callers know of no such error"),
        )
        is_renamed = len(gone) == len(added) == 1 and _is_alike(old[gone[0]], new[path])
        seems = f", it seems to be {_error_name(gone[0])} renamed" if is_renamed else ""
        yield Change(path, f"added{seems}", broken, promise_remedy(path, "old callers"))
    for path in gone:
        told = f"the old callee raises {_error_name(path)}, new callers get a plain FunctionError"
        yield Change(path, "removed", (Breakage("new callers", told),), promise_remedy(path, "new callers"))


def _error_name(path: str) -> str:
    return path.removeprefix("errors.")


def _is_alike(old: Message, new: Message) -> bool:
    return old.published.fingerprint() == new.published.fingerprint()


def _message_changes(old: Message, new: Message) -> Iterator[Change]:
    read = differences(old.read, new.read, old.path, reading=True)
    written = differences(old.sent, new.sent, old.path, reading=False)
    words = written.words | read.words
    found = dict[str, list[tuple[Meeting, Incompatibility]]]()
    for meeting in meetings(old, new):
        for gap in _new_gaps(old, meeting):
            found.setdefault(gap.path, []).append((meeting, gap))
    for path in dict.fromkeys([*words, *found]):
        yield _message_change(path, words, found.get(path, []), read.renamed.get(path))


def _new_gaps(old: Message, meeting: Meeting) -> Iterator[Incompatibility]:
    """Find what does not fit now; what did not fit before either is no change."""
    before = {gap.evidence() for gap in gaps(*already(old, meeting), old.path, lax=meeting.lax)}
    for gap in gaps(meeting.sent, meeting.read, old.path, lax=meeting.lax):
        if gap.evidence() not in before:
            yield gap


def _message_change(
    path: str, words: dict[str, list[str]], found: list[tuple[Meeting, Incompatibility]], renamed: str | None
) -> Change:
    inside = [f"{place}: {word}" for place in words if _is_inside(place, path) for word in words[place]]
    what = "; ".join(words.get(path) or inside or ["is written or read in another way now"])
    broken = tuple(Breakage(meeting.who, _with_outcome(path, why(gap, meeting)), gap.certain) for meeting, gap in found)
    advice = message_remedy(path, [(meeting.who, gap) for meeting, gap in found], renamed) if found else ""
    return Change(path, what, tuple(dict.fromkeys(broken)), advice)


def _is_inside(place: str, path: str) -> bool:
    return place.startswith(path) and place[len(path) :].startswith((".", "["))


def _with_outcome(path: str, told: str) -> str:
    return f"{told}, so it comes as a plain FunctionError" if path.startswith("errors.") else told


Breakage.__module__ = "lambdachain.testing"
Change.__module__ = "lambdachain.testing"
