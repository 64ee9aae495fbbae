"""Whether calls can work from where a program runs: on a machine, or inside a function.

On a machine, ``lambdachain doctor`` says the same. Inside a function, set its handler to ``lambdachain.doctor.handler``
and invoke it: its role, its network and its configuration are what is looked at then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ._analysis.diagnosis.report import Finding, FindingObject, Level, Report, build_report

# Without these Lambda cannot be asked.
_NEEDED: Final = ("configuration", "region", "endpoint", "credentials")

__all__ = ["Finding", "FindingObject", "Level", "Report", "examine", "handler"]


def examine(
    code: Iterable[str | Path] = (),
    functions: Iterable[str] = (),
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
    profile: str | None = None,
    reach: bool = True,
) -> Iterator[Finding]:
    """Look at the surroundings, and ask Lambda about each function that is called.

    Nothing is run: Lambda is asked by DryRun. Nothing secret is told.

    >>> for finding in examine(reach=False):
    ...     print(finding.subject, finding.level)
    place ok
    versions ok
    region ok
    endpoint ok
    credentials ok
    transport ok
    botocore's retries ok
    keep-alive ok

    Args:
        code: Directories or files of code: each function that it calls is asked about. It is not imported.
        functions: Names or ARNs of more functions to ask about.
        region: The region, in place of the configured one.
        endpoint_url: Where to send, in place of AWS.
        profile: A profile of the AWS configuration.
        reach: Whether to connect to the endpoint; without, Lambda is not asked about anything either.

    Raises:
        InvalidArnError: One of *functions* is nothing that Lambda accepts.
        OSError: There is no such code.
        ProfileNotFound: botocore's: there is no such profile.
    """
    import os

    from ._analysis.diagnosis.environment_checks import configured_region, surroundings
    from ._analysis.diagnosis.permission_checks import permissions
    from ._analysis.permissions.required_permissions import parse_resources, required_permissions
    from ._analysis.survey.sources import read_sources
    from ._analysis.survey.survey import survey

    session = _session(profile)
    asked = parse_resources(functions)
    found = [session] if isinstance(session, Finding) else [*surroundings(session, region, endpoint_url, reach=reach)]
    yield from found
    needs = required_permissions(survey(read_sources(map(Path, code)), os.environ))
    for undecided in needs.unresolved:
        yield Finding(str(undecided.location), Level.NOTE, f"cannot tell what is called: {undecided.why}")
    targets = [*(need.target for need in needs.each), *asked]
    if reach and targets and any(one.level is Level.FAULT for one in found if one.subject in _NEEDED):
        told = f"{len(set(targets))} functions that are called were not asked about"
        yield Finding("permissions", Level.NOTE, told, "mend what stands above first")
    elif reach and targets:
        with _client(session, region, endpoint_url) as client:
            yield from permissions(client, targets, region or configured_region(session))


def handler(event: Mapping[str, Any] | None, context: object) -> Report:  # noqa: ARG001 - Lambda's signature
    """Examine the function that this runs in; Lambda's handler setting: ``lambdachain.doctor.handler``.

    The event may have ``code`` (directories; the function's own without it) and ``functions`` (names or ARNs), each of
    them a list or a single text.

    >>> handler({"code": [], "reach": False}, None)["healthy"]
    True
    """
    import os

    told = event or {}
    code = told.get("code", os.environ.get("LAMBDA_TASK_ROOT", "."))
    return build_report(examine(_listed(code), _listed(told.get("functions", ())), reach=told.get("reach", True)))


def _listed(told: str | Iterable[str]) -> Iterable[str]:
    return [told] if isinstance(told, str) else told


def _session(profile: str | None) -> Any:
    """Return the session that calls would be made with, or what is wrong with the files that it reads."""
    import botocore.session
    from botocore.exceptions import ConfigParseError

    session = botocore.session.Session(profile=profile)
    try:
        session.get_scoped_config()  # which says whether there is such a profile
    except ConfigParseError as exc:
        return Finding("configuration", Level.FAULT, str(exc), "correct the file")
    return session


def _client(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    from ._client.client import LambdaClient
    from ._transports.http.transport import HttpTransport

    return LambdaClient(HttpTransport(session=session, region=region, endpoint_url=endpoint_url))
