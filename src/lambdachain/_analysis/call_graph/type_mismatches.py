"""Compare the types of callers and callees that declare a contract separately, in several repositories for example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lambdachain._analysis.compatibility.compare_schemas import find_incompatibilities
from lambdachain._analysis.compatibility.payload_schemas import Pairing, explain
from lambdachain._analysis.compatibility.schema_node import SchemaNode
from lambdachain._analysis.survey.results import (
    CallSite,
    CodeUnit,
    DeclaredContract,
    SourceSchema,
    Survey,
    UnresolvedCall,
)
from lambdachain._contracts.contract_schema import ContractSchema
from lambdachain._json.core_schema import Schema

from .graph import function_name
from .warnings import GraphWarning, WarningKind


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """A file with the output of ``Contract.schema``: the types of a callee in another repository."""

    file: str
    schema: ContractSchema


@dataclass(frozen=True, slots=True)
class _Callee:
    location: str
    request: Schema | None
    response: Schema | None
    why: str


def find_type_mismatches(
    survey: Survey, files: Sequence[SchemaFile] = ()
) -> tuple[list[GraphWarning], list[UnresolvedCall]]:
    """Return warnings about types that do not match, and comparisons that are unresolved.

    Args:
        survey: The contracts, handlers and calls.
        files: Schemas of callees whose handlers are not in the code.
    """
    warnings: list[GraphWarning] = []
    unresolved: list[UnresolvedCall] = []
    callees = _find_callees(survey, files)
    for contract, callers in _find_called_contracts(survey).items():
        name = function_name(contract.function)
        for callee in callees.get(name, ()):
            if callee.location == str(contract.location):
                continue  # both sides import one declaration
            for path, problem, certain in _compare(contract, callee):
                text = f"{name}: {path}: {problem} ({callee.location})"
                if certain:
                    edges = tuple((caller, name) for caller in callers)
                    warnings.append(GraphWarning(WarningKind.TYPES, contract.location, text, edges))
                else:
                    unresolved.append(UnresolvedCall(contract.location, CodeUnit("", ""), text))
    return warnings, unresolved


def _find_called_contracts(survey: Survey) -> dict[DeclaredContract, list[str]]:
    """Return the contracts of calls, each with the functions whose code makes the call."""
    found: dict[DeclaredContract, list[str]] = {}
    for call in survey.calls:
        if call.contract is not None:
            found.setdefault(call.contract, [])
    for handler in survey.handlers:
        name = function_name(handler.contract.function)
        for reached in survey.find_calls(handler.unit):
            if isinstance(reached, CallSite) and reached.contract is not None:
                callers = found.setdefault(reached.contract, [])
                callers += [name] if name not in callers else []
    return found


def _find_callees(survey: Survey, files: Sequence[SchemaFile]) -> dict[str, list[_Callee]]:
    found: dict[str, list[_Callee]] = {}
    for handler in survey.handlers:
        contract = handler.contract
        schemas = {name: read() for name, read in contract.schemas.items()}
        request, response = schemas.get("request"), schemas.get("response")
        why = "; ".join(schema.why for schema in schemas.values() if schema.why)
        callee = _Callee(
            str(contract.location), request.read if request else None, response.sent if response else None, why
        )
        listed = found.setdefault(function_name(contract.function), [])
        listed += [callee] if callee not in listed else []
    for one in files:
        schema = cast("Mapping[str, Any]", one.schema)
        callee = _Callee(one.file, schema["request"], schema["response"], "")
        name = function_name(one.schema["function"])
        if name not in {function_name(handler.contract.function) for handler in survey.handlers}:
            found.setdefault(name, []).append(callee)
    return found


def _compare(contract: DeclaredContract, callee: _Callee) -> Iterator[tuple[str, str, bool]]:
    """Yield where caller and callee do not match: the path, the problem, and whether it is certain."""
    request, response = (_read_schema(contract, name) for name in ("request", "response"))
    why = request.why or response.why or callee.why or "a type is not declared"
    pairs = (
        ("request", request.sent, callee.request, "the caller", "the callee"),
        ("response", callee.response, response.read, "the callee", "the caller"),
    )
    for path, sent, read, writer, reader in pairs:
        if sent is None or read is None:
            yield path, f"cannot compare the types: {why}", False
            continue
        pairing = Pairing("new callers", writer, reader, SchemaNode.root(sent), SchemaNode.root(read))
        for found in find_incompatibilities(pairing.sent, pairing.read, path):
            yield found.path, explain(found, pairing), found.certain


def _read_schema(contract: DeclaredContract, name: str) -> SourceSchema:
    return contract.schemas[name]() if name in contract.schemas else SourceSchema(None, None)
