"""Check whether calls can work from where a program runs: on a machine, or inside a Lambda function.

On a machine, ``lambdachain doctor`` prints the same findings. Inside a function, set its handler to
``lambdachain.doctor.handler`` and invoke it, to check its role, network and configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ._analysis.diagnosis.report import Finding, FindingObject, Level, Report, build_report

if TYPE_CHECKING:
    from ._analysis.permissions.required_permissions import RequiredPermissions

# If one of these is at fault, requests to Lambda would only fail with the same problem.
_PREREQUISITES: Final = ("configuration", "region", "endpoint", "credentials")

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
    """Check the environment, and by DryRun whether each function that the code calls may be invoked.

    No function is run, and no secret is reported.

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
        code: Directories or files of code that calls functions. It is not imported.
        functions: Names or ARNs of more functions to check.
        region: The region; replaces the configured one.
        endpoint_url: The endpoint; replaces that of AWS.
        profile: A profile of the AWS configuration.
        reach: Whether to connect to the endpoint and send DryRun requests.

    Raises:
        InvalidArnError: One of *functions* is not a valid name or ARN.
        OSError: A part of *code* does not exist.
        botocore.exceptions.ProfileNotFound: The profile does not exist.
    """
    from ._analysis.diagnosis.environment_checks import check_environment, get_configured_region
    from ._analysis.diagnosis.permission_checks import check_permissions, describe_queue
    from ._analysis.permissions.required_permissions import parse_resources

    session = _create_session(profile)
    requested = parse_resources(functions)
    found = [session] if isinstance(session, Finding) else []
    found = found or list(check_environment(session, region, endpoint_url, reach=reach))
    yield from found
    required = _find_required_permissions(code)
    for call in required.unresolved:
        yield Finding(str(call.location), Level.NOTE, call.why)
    yield from map(describe_queue, required.queues)
    targets = [*required.functions, *requested]
    if reach and targets and _has_faulty_prerequisite(found):
        text = f"{len(set(targets))} functions that the code calls were not checked"
        yield Finding("permissions", Level.NOTE, text, "fix the faults above first")
    elif reach and targets:
        with _create_client(session, region, endpoint_url) as client:
            yield from check_permissions(client, targets, region or get_configured_region(session))


def _find_required_permissions(code: Iterable[str | Path]) -> RequiredPermissions:
    """Find what the code calls, with the environment variables of this process."""
    import os

    from ._analysis.permissions.required_permissions import find_required_permissions
    from ._analysis.survey.installed import InstalledPackages, get_search_path
    from ._analysis.survey.project import Project
    from ._analysis.survey.sources import read_sources
    from ._analysis.survey.survey import survey_project

    project = Project(read_sources(map(Path, code)), InstalledPackages(get_search_path()))
    return find_required_permissions(survey_project(project, os.environ))


def handler(event: Mapping[str, Any] | None, context: object) -> Report:  # noqa: ARG001 - Lambda's signature
    """Examine the function that this handler runs in; Lambda's handler setting is ``lambdachain.doctor.handler``.

    The event may have ``code`` (directories; by default the function's own) and ``functions`` (names or ARNs), each a
    list or a single string, and ``reach``.

    >>> handler({"code": [], "reach": False}, None)["healthy"]
    True
    """
    import os

    options = event or {}
    code = options.get("code", os.environ.get("LAMBDA_TASK_ROOT", "."))
    functions = options.get("functions", ())
    return build_report(examine(_to_list(code), _to_list(functions), reach=options.get("reach", True)))


def _has_faulty_prerequisite(findings: Iterable[Finding]) -> bool:
    return any(one.level is Level.FAULT for one in findings if one.subject in _PREREQUISITES)


def _to_list(value: str | Iterable[str]) -> Iterable[str]:
    return [value] if isinstance(value, str) else value


def _create_session(profile: str | None) -> Any:
    """Return the session that calls would use, or a finding if a configuration file cannot be parsed."""
    import botocore.session
    from botocore.exceptions import ConfigParseError

    session = botocore.session.Session(profile=profile)
    try:
        session.get_scoped_config()  # raises ProfileNotFound, too
    except ConfigParseError as exc:
        return Finding("configuration", Level.FAULT, str(exc), "correct the file")
    return session


def _create_client(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    from ._client.client import LambdaClient
    from ._transports.http.transport import HttpTransport

    return LambdaClient(HttpTransport(session=session, region=region, endpoint_url=endpoint_url))
