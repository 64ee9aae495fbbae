"""What an examination says: values, and each as text or as an object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What: ``region``, ``credentials``, or a function's address.
        level: How bad it is.
        text: What was found.
        remedy: What to do about it.
        policy: The statement that would mend a refusal.
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
    """An examination as JSON: what ``lambdachain doctor --json`` prints and ``lambdachain.doctor.handler`` answers."""

    healthy: bool
    findings: list[FindingObject]


def report_of(findings: Iterable[Finding]) -> Report:
    """Return findings as an object."""
    told = [
        FindingObject(subject=one.subject, level=str(one.level), text=one.text, remedy=one.remedy, policy=one.policy)
        for one in findings
    ]
    return Report(healthy=all(one["level"] != Level.FAULT for one in told), findings=told)


Finding.__module__ = "lambdachain.doctor"
FindingObject.__module__ = "lambdachain.doctor"
Level.__module__ = "lambdachain.doctor"
Report.__module__ = "lambdachain.doctor"
