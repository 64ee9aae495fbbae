"""The surroundings of this process: versions, place, region, endpoint, credentials, retries, keep-alive."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lambdachain._core.invocation import NoAnswerError
from lambdachain._core.loopback import get_host
from lambdachain._core.redaction import redact_url
from lambdachain._core.version import __version__
from lambdachain._transports.endpoint_check import check_endpoint
from lambdachain._transports.socket_options import CONNECT_TIMEOUT, KEEP_ALIVE, MAX_IDLE
from lambdachain._transports.transport_override import network_guard

from .report import Finding, Level

_LEAST: Final = {"boto3": (1, 42, 1), "botocore": (1, 42, 1), "pydantic": (2, 10), "tenacity": (8, 2, 3)}
_OPTIONAL: Final = ("aiobotocore", "awslambdaric", "aiohttp")
# botocore tries so often, the first time included, where nobody says otherwise.
_ATTEMPTS: Final = {"legacy": 5, "standard": 3, "adaptive": 3}
_STANDARD_SINCE: Final = (1, 44)
_PLAIN_READ_TIMEOUT: Final = 60
_NAT_IDLE: Final = 350
_SOON: Final = 300
_REACH: Final = 5.0
# botocore's names of the providers that ask no service for credentials, by HTTP.
_WITHOUT_NETWORK: Final = ("env", "custom-process")


def surroundings(session: Any, region: str | None, endpoint_url: str | None, *, reach: bool) -> Iterator[Finding]:
    """Look at everything but permissions.

    Args:
        session: The botocore session that calls would be made with.
        region: The region that is asked for, in place of the session's.
        endpoint_url: Where calls are to go, in place of AWS.
        reach: Whether to connect to the endpoint.
    """
    if network_guard.closed:
        _leave_out_networks(session)
    yield place(os.environ)
    yield versions(version)
    found = region_of(session, region, os.environ)
    yield found
    if found.level is Level.OK:
        yield from _endpoint(session, region, endpoint_url, reach=reach)
    yield from credentials(session)
    yield transport(os.environ)
    yield retries(session, version("botocore"))
    yield keep_alive()


def _leave_out_networks(session: Any) -> None:
    """Have a session not ask a container or an instance for credentials: a test reaches nothing but its machine."""
    providers = session.get_component("credential_provider")
    for name in ("container-role", "iam-role"):
        providers.remove(name)


def place(environment: Mapping[str, str]) -> Finding:
    """Check whether this is a function."""
    name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
    if name is None:
        return Finding("place", Level.OK, f"not in a function; Python {platform.python_version()}, {platform.system()}")
    told = [environment.get(f"AWS_LAMBDA_FUNCTION_{what}", "?") for what in ("VERSION", "MEMORY_SIZE")]
    return Finding(
        "place", Level.OK, f"in function {name}, version {told[0]}, {told[1]} MB; Python {platform.python_version()}"
    )


def versions(installed: Callable[[str], str]) -> Finding:
    """Describe which versions are installed, and whether they are new enough.

    Args:
        installed: Gives a package's version; raises ``PackageNotFoundError``.
    """
    told = [f"lambdachain {__version__}"]
    wanting: list[str] = []
    for name, least in _LEAST.items():
        try:
            found = installed(name)
        except PackageNotFoundError:
            wanting.append(f"{name}>={_dotted(least)}")
            continue
        told.append(f"{name} {found}")
        if numbers(found) < least:
            wanting.append(f"{name}>={_dotted(least)}")
    for name in _OPTIONAL:
        try:
            told.append(f"{name} {installed(name)}")
        except PackageNotFoundError:
            continue
    if wanting:
        return Finding("versions", Level.FAULT, ", ".join(told), f"pip install {' '.join(map(repr, wanting))}")
    return Finding("versions", Level.OK, ", ".join(told))


def numbers(text: str) -> tuple[int, ...]:
    """Read a version's numbers.

    >>> numbers("1.44.0rc1")
    (1, 44, 0)
    """
    return tuple(int(found[0]) for part in text.split(".")[:3] if (found := re.match(r"\d+", part)))


def _dotted(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))


def region_of(session: Any, given: str | None, environment: Mapping[str, str]) -> Finding:
    """Describe which region counts, and who says so."""
    if given is not None:
        return Finding("region", Level.OK, f"{given} (asked for)")
    configured = session.get_config_variable("region")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        if environment.get(name) and environment[name] == (configured or environment[name]):
            return Finding("region", Level.OK, f"{environment[name]} ({name})")
    if configured:
        return Finding("region", Level.OK, f"{configured} (the configuration file)")
    return Finding("region", Level.FAULT, "none", "set AWS_REGION, or region in the profile, or give --region")


def configured_region(session: Any) -> str | None:
    """Return the region that calls go to where none is asked for."""
    region: str | None = session.get_config_variable("region") or os.environ.get("AWS_REGION")
    return region


def _endpoint(session: Any, region: str | None, endpoint_url: str | None, *, reach: bool) -> Iterator[Finding]:
    region = region or configured_region(session)
    try:
        client = _client(session, region, endpoint_url)
    except NoAnswerError as exc:
        yield Finding("endpoint", Level.FAULT, str(exc), "correct the region or the endpoint's URL")
        return
    url = str(client.meta.endpoint_url)
    who = endpoint_source(os.environ, endpoint_url)
    told = f"{redact_url(url)}{f' ({who})' if who else ''}{_proxies()}"
    client.close()
    yield Finding("endpoint", Level.OK, told) if not reach or _proxies() else reached(url, told)


def _client(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    """Make a client that says where the endpoint is; credentials of its own keep it from looking for others.

    Raises:
        NoAnswerError: The settings are wrong.
    """
    from lambdachain._transports.boto.errors import translate_setup_error

    check_endpoint(region, endpoint_url)
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    try:
        client = session.create_client("lambda", region_name=region, endpoint_url=endpoint_url, **keys)
    except Exception as exc:  # noqa: BLE001 - what is not botocore's own doing is raised again as it is
        raise translate_setup_error(exc) from None
    check_endpoint(client.meta.region_name, client.meta.endpoint_url)
    return client


def endpoint_source(environment: Mapping[str, str], given: str | None) -> str:
    """Describe who names the endpoint, if somebody does."""
    if given is not None:
        return "asked for"
    return next((name for name in ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL") if environment.get(name)), "")


def _proxies() -> str:
    """Name the proxy variables; their values may hold a password."""
    names = [name for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if os.environ.get(name)]
    return f", through the proxy that {names[0]} names" if names else ""


def reached(url: str, told: str) -> Finding:
    """Connect to an endpoint, and hang up."""
    import socket
    import ssl
    import time

    network_guard.check_access("connect to the endpoint of Lambda", get_host(url))
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_REACH) as connection:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
                context.wrap_socket(connection, server_hostname=parts.hostname).close()
    except OSError as exc:
        remedy = "check DNS, routes, security groups and a VPC's endpoint for Lambda; or the URL"
        return Finding("endpoint", Level.FAULT, f"{told}: no connection in {_REACH:g} s: {exc}", remedy)
    return Finding("endpoint", Level.OK, f"{told}, reached in {(time.monotonic() - began) * 1000:.0f} ms")


def credentials(session: Any) -> Iterator[Finding]:
    """Describe where the credentials come from and when they end; never what they are."""
    from lambdachain._transports.boto.errors import translate_credentials_error

    try:
        found = session.get_credentials()
        if network_guard.closed and hasattr(found, "refresh_needed") and found.method not in _WITHOUT_NETWORK:
            yield Finding("credentials", Level.NOTE, f"from {found.method}; a test does not ask for them")
            return
        frozen = None if found is None else found.get_frozen_credentials()
    except Exception as exc:  # noqa: BLE001 - whoever provides credentials; what passes is raised again as it is
        told = f"cannot be used: {translate_credentials_error(exc)}"
        yield Finding("credentials", Level.FAULT, told, "correct the profile, or sign in again")
        return
    if found is None or frozen is None or not frozen.access_key:
        remedy = "sign in (aws sso login), name a profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        yield Finding("credentials", Level.FAULT, "none", remedy)
        return
    kind = "temporary" if frozen.token else "long-lived"
    ends = getattr(found, "_expiry_time", None)
    left = None if ends is None else (ends - datetime.now(UTC)).total_seconds()
    told = f"{kind}, from {found.method}"
    if left is not None and left < _SOON:
        yield Finding("credentials", Level.NOTE, f"{told}, ending in {left:.0f} s", "they are renewed if they can be")
    else:
        yield Finding("credentials", Level.OK, told if left is None else f"{told}, good for {left / 60:.0f} min")


def transport(environment: Mapping[str, str]) -> Finding:
    """Describe which transport a client has that is given none."""
    from lambdachain._core.errors import ContractError
    from lambdachain._transports.default import VARIABLE, default_transport

    try:
        made = default_transport()
    except ContractError as exc:
        return Finding("transport", Level.FAULT, str(exc), f"unset {VARIABLE}, or set it to http or boto")
    made.close()
    why = (
        f"{VARIABLE} says so"
        if environment.get(VARIABLE)
        else "in a function"
        if _is_function(environment)
        else "the default"
    )
    return Finding("transport", Level.OK, f"{type(made).__name__} ({why})")


def _is_function(environment: Mapping[str, str]) -> bool:
    return "AWS_LAMBDA_RUNTIME_API" in environment


def retries(session: Any, botocore: str) -> Finding:
    """Describe what botocore's own retries would do to a call whose answer is lost.

    Args:
        session: The botocore session.
        botocore: Its version: the default is another since 1.44.
    """
    configured = os.environ.get("AWS_RETRY_MODE") or session.get_scoped_config().get("retry_mode")
    mode = configured or ("standard" if numbers(botocore) >= _STANDARD_SINCE else "legacy")
    try:
        most = session.get_config_variable("max_attempts")
    except ValueError as exc:
        text = f"AWS_MAX_ATTEMPTS or max_attempts is no number: {exc}"
        return Finding("botocore's retries", Level.FAULT, text, "correct it: boto3 makes no client with it")
    attempts = int(most) if most else _ATTEMPTS.get(mode, 3)
    named = f"{mode} ({'configured' if configured else f'the default of {botocore}'})"
    told = (
        f"mode {named}: a plain boto3 client may run a function up to {attempts} times for one call whose answer is "
        "lost; lambdachain switches that off in its own clients"
    )
    return Finding("botocore's retries", Level.OK, told)


def keep_alive() -> Finding:
    """Describe what keeps long calls alive."""
    idle = dict(KEEP_ALIVE)["TCP_KEEPIDLE"]
    system = Path("/proc/sys/net/ipv4/tcp_keepalive_time")
    usual = f"; this system's own is {system.read_text().strip()} s" if system.is_file() else ""
    told = (
        f"lambdachain's connections send a TCP probe after {idle} s without traffic{usual}, and a NAT gateway forgets "
        f"one after {_NAT_IDLE} s; idle ones are kept for {MAX_IDLE:g} s, connecting may take {CONNECT_TIMEOUT:g} s. A "
        f"plain boto3 client waits {_PLAIN_READ_TIMEOUT} s for an answer, then sends again"
    )
    return Finding("keep-alive", Level.OK, told)
