"""The changes between two versions of a contract, each with the callers that it breaks and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lambdachain._contracts.contract_schema import ContractSchema
from lambdachain._core.arn import parse_target

from .advice import advise_on_address, advise_on_payload, advise_on_promise
from .compare_schemas import find_incompatibilities
from .incompatibility import Incompatibility
from .payload_schemas import (
    Pairing,
    PayloadSchemas,
    Who,
    explain,
    get_pairings,
    get_payload_schemas,
    get_previous_schemas,
)
from .schema_diff import diff_schemas

_PARTS: Final = ("name", "account_id", "region", "partition")


@dataclass(frozen=True, slots=True)
class Breakage:
    """Which callers a change breaks, and why.

    Attributes:
        who: ``"old callers"`` of the new callee, ``"new callers"`` of the old callee, or ``"other callers"``: those
            that do not use lambdachain, but the schema of the old contract, and call the new callee.
        why: The reason, as a sentence.
        certain: Whether some payload is certain to fail. If not, it may: a validator decides, for example.
    """

    who: Who
    why: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two versions of a contract.

    Attributes:
        path: The changed part: ``request.items[].price``, ``errors.CardDeclined``, ``idempotent``. ``[]`` means
            the elements of an array, ``*`` the keys of a mapping.
        what: A description of the change.
        breaks: The callers that it breaks, or may break.
        advice: What to do about it.
    """

    path: str
    what: str
    breaks: tuple[Breakage, ...] = ()
    advice: str = ""

    def breaks_any(self, *who: Who) -> bool:
        """Check whether the change breaks, or may break, one of these groups of callers."""
        return any(breakage.who in who for breakage in self.breaks)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.what}"]
        lines += [f"  {'breaks' if one.certain else 'may break'} {one.who}: {one.why}" for one in self.breaks]
        return "\n".join([*lines, f"  {self.advice}"] if self.advice else lines)


def changes_between(old: ContractSchema, new: ContractSchema) -> tuple[Change, ...]:
    """Return the changes between two versions; see ``compatibility``."""
    before, after = get_payload_schemas(old), get_payload_schemas(new)
    # Errors that only one version has are not payloads to compare; they follow last.
    found = [*_compare_addresses(old, new), *_compare_promises(old, new)]
    for path, message in before.items():
        if path in after:
            found += _compare_payloads(message, after[path])
    return (*found, *_compare_errors(before, after))


def _compare_addresses(old: ContractSchema, new: ContractSchema) -> Iterator[Change]:
    if old["function"] != new["function"]:
        what = f"was {old['function']}, is {new['function']} now"
        is_same = _is_same_function(old["function"], new["function"])
        broken = (
            Breakage("old callers", f"old callers still call {old['function']}"),
            Breakage("new callers", f"new callers call {new['function']}, where the old callee is not deployed"),
        )
        yield Change("function", what) if is_same else Change("function", what, broken, advise_on_address("function"))
    if old["qualifier"] != new["qualifier"]:
        before, after = (version["qualifier"] or "$LATEST" for version in (old, new))
        broken = (
            Breakage("old callers", f"old callers still call {before}", certain=False),
            Breakage("new callers", f"{after} may not exist yet when new callers call it", certain=False),
        )
        yield Change("qualifier", f"was {before}, is {after} now", broken, advise_on_address("qualifier"))


def _is_same_function(old: str, new: str) -> bool:
    """Check whether two addresses name one function; a part that one of them omits may be equal."""
    before, after = parse_target(old), parse_target(new)
    pairs = [(getattr(before, part, None), getattr(after, part, None)) for part in _PARTS]
    return all(was == is_now or (None in (was, is_now)) for was, is_now in pairs)


def _compare_promises(old: ContractSchema, new: ContractSchema) -> Iterator[Change]:
    if old["idempotent"] != new["idempotent"]:
        who, callers, callee = _get_affected(callers_new=new["idempotent"])
        broken = (Breakage(who, f"{callers} retry calls that may have run, and {callee} may run them twice"),)
        yield Change(
            "idempotent", _describe_flag(is_now=new["idempotent"]), broken, advise_on_promise("idempotent", who)
        )
    if old["envelope"] != new["envelope"]:
        who, callers, callee = _get_affected(callers_new=new["envelope"])
        broken = (Breakage(who, f"{callers} send events in an envelope, but {callee} does not unwrap it"),)
        yield Change("envelope", _describe_flag(is_now=new["envelope"]), broken, advise_on_promise("envelope", who))
    before, after = old.get("description"), new.get("description")
    if before != after:
        # Not quoted: it may be long, and only people and models read it, so it breaks no caller.
        yield Change("description", "added" if before is None else "removed" if after is None else "reworded")


def _get_affected(*, callers_new: bool) -> tuple[Who, str, str]:
    if callers_new:
        return "new callers", "new callers", "the old callee"
    return "old callers", "old callers", "the new callee"


def _describe_flag(*, is_now: bool) -> str:
    return f"was {str(not is_now).lower()}, is {str(is_now).lower()} now"


def _compare_errors(old: dict[str, PayloadSchemas], new: dict[str, PayloadSchemas]) -> Iterator[Change]:
    removed = [path for path in old if path not in new]
    added = [path for path in new if path not in old]
    for path in added:
        raised = f"the new callee raises {_error_name(path)}"
        broken = (
            Breakage("old callers", f"{raised}, which old callers get as a plain FunctionError"),
            Breakage("other callers", f"{raised}, which other callers do not know"),
        )
        is_renamed = len(removed) == len(added) == 1 and _is_alike(old[removed[0]], new[path])
        seems = f", it seems to be {_error_name(removed[0])} renamed" if is_renamed else ""
        yield Change(path, f"added{seems}", broken, advise_on_promise(path, "old callers"))
    for path in removed:
        why = f"the old callee raises {_error_name(path)}, which new callers get as a plain FunctionError"
        yield Change(path, "removed", (Breakage("new callers", why),), advise_on_promise(path, "new callers"))


def _error_name(path: str) -> str:
    return path.removeprefix("errors.")


def _is_alike(old: PayloadSchemas, new: PayloadSchemas) -> bool:
    return old.published.fingerprint() == new.published.fingerprint()


def _compare_payloads(old: PayloadSchemas, new: PayloadSchemas) -> Iterator[Change]:
    read = diff_schemas(old.read, new.read, old.path, reading=True)
    written = diff_schemas(old.sent, new.sent, old.path, reading=False)
    words = written.words | read.words
    found = dict[str, list[tuple[Pairing, Incompatibility]]]()
    for pairing in get_pairings(old, new):
        for incompatibility in _find_new_incompatibilities(old, pairing):
            found.setdefault(incompatibility.path, []).append((pairing, incompatibility))
    for path in dict.fromkeys([*words, *found]):
        yield _make_change(path, words, found.get(path, []), read.renamed.get(path))


def _find_new_incompatibilities(old: PayloadSchemas, pairing: Pairing) -> Iterator[Incompatibility]:
    """Yield the incompatibilities that the old version did not already have with itself."""
    previous = find_incompatibilities(*get_previous_schemas(old, pairing), old.path, lax=pairing.lax)
    known = {one.evidence() for one in previous}
    for one in find_incompatibilities(pairing.sent, pairing.read, old.path, lax=pairing.lax):
        if one.evidence() not in known:
            yield one


def _make_change(
    path: str, words: dict[str, list[str]], found: list[tuple[Pairing, Incompatibility]], renamed: str | None
) -> Change:
    # The change may be described at a place inside of the one that is incompatible.
    inside = [f"{place}: {word}" for place in words if _is_inside(place, path) for word in words[place]]
    what = "; ".join(words.get(path) or inside or ["is written or read differently now"])
    broken = tuple(
        Breakage(pairing.who, _add_outcome(path, explain(one, pairing)), one.certain) for pairing, one in found
    )
    advice = advise_on_payload(path, [(pairing.who, one) for pairing, one in found], renamed) if found else ""
    return Change(path, what, tuple(dict.fromkeys(broken)), advice)


def _is_inside(place: str, path: str) -> bool:
    return place.startswith(path) and place[len(path) :].startswith((".", "["))


def _add_outcome(path: str, reason: str) -> str:
    return f"{reason}, so it is raised as a plain FunctionError" if path.startswith("errors.") else reason


Breakage.__module__ = "lambdachain.testing"
Change.__module__ = "lambdachain.testing"
