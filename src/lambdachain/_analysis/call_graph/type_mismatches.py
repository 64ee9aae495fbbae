"""Whether callers and callees of several repositories mean the same types, as far as their texts tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.payload_schemas import Pairing, explain
from lambdachain._analysis.compatibility.schema_node import SchemaNode
from lambdachain._analysis.survey.results import CodeUnit, DeclaredContract, SourceSchema, Survey, UnresolvedCall
from lambdachain._contracts.contract_schema import ContractSchema
from lambdachain._json.core_schema import Schema

from .graph import function_name
from .warnings import GraphWarning, WarningKind


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A file that ``Contract.schema`` was written to: what a callee of another repository accepts and answers."""

    file: str
    schema: ContractSchema


@dataclass(frozen=True, slots=True)
class _Target:
    location: str
    request: Schema | None
    response: Schema | None
    why: str


def find_type_mismatches(
    survey: Survey, files: Sequence[SchemaFile] = ()
) -> tuple[list[GraphWarning], list[UnresolvedCall]]:
    """Compare what each caller's contract says with what the callee's does, where that is another declaration.

    Args:
        survey: The code.
        files: Schemas beside the code; one counts where the code has no handler of its function.
    """
    warned: list[GraphWarning] = []
    unresolved: list[UnresolvedCall] = []
    callees = _callees(survey, files)
    for contract, callers in _declared_by_callers(survey).items():
        name = function_name(contract.function)
        for callee in callees.get(name, ()):
            if callee.location == str(contract.location):
                continue
            for path, told, certain in _compared(contract, callee):
                text = f"{name}: {path}: {told} ({callee.location})"
                if certain:
                    edges = tuple((caller, name) for caller in callers)
                    warned.append(GraphWarning(WarningKind.TYPES, contract.location, text, edges))
                else:
                    unresolved.append(UnresolvedCall(contract.location, CodeUnit("", ""), text))
    return warned, unresolved


def _declared_by_callers(survey: Survey) -> dict[DeclaredContract, list[str]]:
    """Return the contracts that are called by, and the functions whose code does."""
    found: dict[DeclaredContract, list[str]] = {}
    handled = {
        unit: function_name(handler.contract.function)
        for handler in survey.handlers
        for unit in survey.reachable_units(handler.unit)
    }
    for call in survey.calls:
        if call.contract is not None:
            callers = found.setdefault(call.contract, [])
            callers += [name for name in (handled.get(call.unit),) if name is not None and name not in callers]
    return found


def _callees(survey: Survey, files: Sequence[SchemaFile]) -> dict[str, list[_Target]]:
    found: dict[str, list[_Target]] = {}
    for handler in survey.handlers:
        contract = handler.contract
        forms = {name: form() for name, form in contract.schemas.items()}
        request, response = forms.get("request"), forms.get("response")
        told = "; ".join(form.why for form in forms.values() if form.why)
        callee = _Target(
            str(contract.location), request.read if request else None, response.sent if response else None, told
        )
        listed = found.setdefault(function_name(contract.function), [])
        listed += [callee] if callee not in listed else []
    for one in files:
        schema = cast("Mapping[str, Any]", one.schema)
        callee = _Target(one.file, schema["request"], schema["response"], "")
        name = function_name(one.schema["function"])
        if name not in {function_name(handler.contract.function) for handler in survey.handlers}:
            found.setdefault(name, []).append(callee)
    return found


def _compared(contract: DeclaredContract, callee: _Target) -> Iterator[tuple[str, str, bool]]:
    """Yield where the two do not fit: the path, what happens there, and whether that is certain."""
    request, response = (_form(contract, name) for name in ("request", "response"))
    told = request.why or response.why or callee.why or "a type is not stated"
    pairs = (
        ("request", request.sent, callee.request, "the caller", "the callee"),
        ("response", callee.response, response.read, "the callee", "the caller"),
    )
    for path, sent, read, writer, reader in pairs:
        if sent is None or read is None:
            yield path, f"whether the types match cannot be told: {told}", False
            continue
        meeting = Pairing("new callers", writer, reader, SchemaNode.root(sent), SchemaNode.root(read))
        for gap in find_incompatibilities(meeting.sent, meeting.read, path):
            yield gap.path, explain(gap, meeting).removeprefix("cannot tell: "), gap.certain


def _form(contract: DeclaredContract, name: str) -> SourceSchema:
    return contract.schemas[name]() if name in contract.schemas else SourceSchema(None, None)
