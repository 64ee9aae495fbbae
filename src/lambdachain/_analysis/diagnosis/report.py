"""The findings of an examination, as values and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: What was checked: ``region``, ``credentials``, or a function's address.
        level: The severity.
        text: The result.
        remedy: What to do about it.
        policy: The policy that would allow a denied call.
    """

    subject: str
    level: Level
    text: str
    remedy: str = ""
    policy: Mapping[str, Any] | None = None


class FindingObject(TypedDict):
    """A finding as JSON."""

    subject: str
    level: str
    text: str
    remedy: str
    policy: Mapping[str, Any] | None


class Report(TypedDict):
    """An examination as JSON: what ``lambdachain doctor --json`` prints and ``lambdachain.doctor.handler`` returns."""

    healthy: bool
    findings: list[FindingObject]


def build_report(findings: Iterable[Finding]) -> Report:
    """Return findings as a JSON object."""
    objects = [
        FindingObject(subject=one.subject, level=str(one.level), text=one.text, remedy=one.remedy, policy=one.policy)
        for one in findings
    ]
    return Report(healthy=all(one["level"] != Level.FAULT for one in objects), findings=objects)


Finding.__module__ = "lambdachain.doctor"
FindingObject.__module__ = "lambdachain.doctor"
Level.__module__ = "lambdachain.doctor"
Report.__module__ = "lambdachain.doctor"
