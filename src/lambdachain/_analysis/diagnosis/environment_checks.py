"""Checks of this process's environment: versions, region, endpoint, credentials, transport, retries, keep-alive."""

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

_MIN_VERSIONS: Final = {"boto3": (1, 42, 1), "botocore": (1, 42, 1), "pydantic": (2, 10), "tenacity": (8, 2, 3)}
_OPTIONAL: Final = ("aiobotocore", "awslambdaric", "aiohttp")
# botocore's default numbers of attempts, including the first one.
_ATTEMPTS: Final = {"legacy": 5, "standard": 3, "adaptive": 3}
# botocore's default retry mode changed from legacy to standard in this version.
_STANDARD_SINCE: Final = (1, 44)
# botocore's default read timeout, in seconds.
_PLAIN_READ_TIMEOUT: Final = 60
# The idle timeout of AWS NAT gateways, in seconds.
_NAT_IDLE: Final = 350
_EXPIRES_SOON: Final = 300
_CONNECT_TIMEOUT: Final = 5.0
# botocore's credential providers that refresh without a network request.
_WITHOUT_NETWORK: Final = ("env", "custom-process")


def check_environment(session: Any, region: str | None, endpoint_url: str | None, *, reach: bool) -> Iterator[Finding]:
    """Yield the findings about everything but permissions.

    Args:
        session: The botocore session that calls would use.
        region: The requested region; replaces that of the session.
        endpoint_url: The requested endpoint; replaces that of AWS.
        reach: Whether to connect to the endpoint.
    """
    if network_guard.closed:
        _disable_network_providers(session)
    yield check_location(os.environ)
    yield check_versions(version)
    found = check_region(session, region, os.environ)
    yield found
    if found.level is Level.OK:
        yield from _check_endpoint(session, region, endpoint_url, reach=reach)
    yield from check_credentials(session)
    yield check_transport(os.environ)
    yield check_retries(session, version("botocore"))
    yield check_keep_alive()


def _disable_network_providers(session: Any) -> None:
    """Keep a session from requesting credentials of a container or an instance: tests send nothing to a network."""
    providers = session.get_component("credential_provider")
    for name in ("container-role", "iam-role"):
        providers.remove(name)


def check_location(environment: Mapping[str, str]) -> Finding:
    """Report whether the process runs in a Lambda function."""
    name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
    if name is None:
        return Finding("place", Level.OK, f"not in a function; Python {platform.python_version()}, {platform.system()}")
    function_version, memory = (
        environment.get(f"AWS_LAMBDA_FUNCTION_{what}", "?") for what in ("VERSION", "MEMORY_SIZE")
    )
    return Finding(
        "place",
        Level.OK,
        f"in function {name}, version {function_version}, {memory} MB; Python {platform.python_version()}",
    )


def check_versions(installed: Callable[[str], str]) -> Finding:
    """Report the installed versions, and whether they are new enough.

    Args:
        installed: Returns a package's version; raises ``PackageNotFoundError``.
    """
    listed = [f"lambdachain {__version__}"]
    outdated: list[str] = []
    for name, least in _MIN_VERSIONS.items():
        try:
            found = installed(name)
        except PackageNotFoundError:
            outdated.append(f"{name}>={_format_version(least)}")
            continue
        listed.append(f"{name} {found}")
        if parse_version(found) < least:
            outdated.append(f"{name}>={_format_version(least)}")
    for name in _OPTIONAL:
        try:
            listed.append(f"{name} {installed(name)}")
        except PackageNotFoundError:
            continue
    if outdated:
        return Finding("versions", Level.FAULT, ", ".join(listed), f"pip install {' '.join(map(repr, outdated))}")
    return Finding("versions", Level.OK, ", ".join(listed))


def parse_version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version.

    >>> parse_version("1.44.0rc1")
    (1, 44, 0)
    """
    return tuple(int(found[0]) for part in text.split(".")[:3] if (found := re.match(r"\d+", part)))


def _format_version(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))


def check_region(session: Any, requested: str | None, environment: Mapping[str, str]) -> Finding:
    """Report the region of calls and where it comes from."""
    if requested is not None:
        return Finding("region", Level.OK, f"{requested} (requested)")
    configured = session.get_config_variable("region")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        if environment.get(name) and environment[name] == (configured or environment[name]):
            return Finding("region", Level.OK, f"{environment[name]} ({name})")
    if configured:
        return Finding("region", Level.OK, f"{configured} (the configuration file)")
    return Finding(
        "region", Level.FAULT, "not configured", "set AWS_REGION, or region in the profile, or pass --region"
    )


def get_configured_region(session: Any) -> str | None:
    """Return the region of calls without a requested one."""
    # botocore reads AWS_DEFAULT_REGION, but not AWS_REGION, which other SDKs read.
    region: str | None = session.get_config_variable("region") or os.environ.get("AWS_REGION")
    return region


def _check_endpoint(session: Any, region: str | None, endpoint_url: str | None, *, reach: bool) -> Iterator[Finding]:
    region = region or get_configured_region(session)
    try:
        client = _create_client(session, region, endpoint_url)
    except NoAnswerError as exc:
        yield Finding("endpoint", Level.FAULT, str(exc), "correct the region or the endpoint's URL")
        return
    url = str(client.meta.endpoint_url)
    source = get_endpoint_source(os.environ, endpoint_url)
    proxy = _describe_proxy()
    text = f"{redact_url(url)}{f' ({source})' if source else ''}{proxy}"
    client.close()
    # Behind a proxy, only the proxy could be reached.
    yield check_connection(url, text) if reach and not proxy else Finding("endpoint", Level.OK, text)


def _create_client(session: Any, region: str | None, endpoint_url: str | None) -> Any:
    """Return a client, for its endpoint; with fake credentials, so that botocore does not look for real ones.

    Raises:
        NoAnswerError: The settings are invalid.
    """
    from lambdachain._transports.boto.errors import translate_setup_error

    check_endpoint(region, endpoint_url)
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    try:
        client = session.create_client("lambda", region_name=region, endpoint_url=endpoint_url, **keys)
    except Exception as exc:  # noqa: BLE001 - translate_setup_error raises what is not botocore's
        raise translate_setup_error(exc) from None
    check_endpoint(client.meta.region_name, client.meta.endpoint_url)
    return client


def get_endpoint_source(environment: Mapping[str, str], requested: str | None) -> str:
    """Return where the endpoint comes from; an empty string for AWS's default."""
    if requested is not None:
        return "requested"
    return next((name for name in ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL") if environment.get(name)), "")


def _describe_proxy() -> str:
    """Return the name of the proxy variable that is set; its value may contain a password."""
    names = [name for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if os.environ.get(name)]
    return f", through the proxy of {names[0]}" if names else ""


def check_connection(url: str, text: str) -> Finding:
    """Connect to an endpoint and close the connection."""
    import socket
    import ssl
    import time

    network_guard.check_access("connect to the endpoint of Lambda", get_host(url))
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    start = time.monotonic()
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_TIMEOUT) as connection:
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
                context.wrap_socket(connection, server_hostname=parts.hostname).close()
    except OSError as exc:
        remedy = "check the URL, DNS, routes, security groups, and the VPC endpoint for Lambda"
        return Finding("endpoint", Level.FAULT, f"{text}: no connection in {_CONNECT_TIMEOUT:g} s: {exc}", remedy)
    return Finding("endpoint", Level.OK, f"{text}, reached in {(time.monotonic() - start) * 1000:.0f} ms")


def check_credentials(session: Any) -> Iterator[Finding]:
    """Report where the credentials come from and when they expire; never their values."""
    from lambdachain._transports.boto.errors import translate_credentials_error

    try:
        found = session.get_credentials()
        if network_guard.closed and hasattr(found, "refresh_needed") and found.method not in _WITHOUT_NETWORK:
            yield Finding("credentials", Level.NOTE, f"from {found.method}; not requested in a test")
            return
        frozen = None if found is None else found.get_frozen_credentials()
    except Exception as exc:  # noqa: BLE001 - any provider's; translate_credentials_error raises what is not an error of credentials
        text = f"cannot be used: {translate_credentials_error(exc)}"
        yield Finding("credentials", Level.FAULT, text, "correct the profile, or sign in again")
        return
    if found is None or frozen is None or not frozen.access_key:
        remedy = "sign in (aws sso login), name a profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        yield Finding("credentials", Level.FAULT, "not found", remedy)
        return
    kind = "temporary" if frozen.token else "long-lived"
    # botocore has no public attribute for the expiry.
    expiry = getattr(found, "_expiry_time", None)
    left = None if expiry is None else (expiry - datetime.now(UTC)).total_seconds()
    text = f"{kind}, from {found.method}"
    if left is not None and left < _EXPIRES_SOON:
        yield Finding("credentials", Level.NOTE, f"{text}, expire in {left:.0f} s", "they are refreshed if possible")
    else:
        yield Finding("credentials", Level.OK, text if left is None else f"{text}, valid for {left / 60:.0f} min")


def check_transport(environment: Mapping[str, str]) -> Finding:
    """Report the transport of a client that is created without one."""
    from lambdachain._core.errors import ContractError
    from lambdachain._transports.default import VARIABLE, default_transport

    try:
        transport = default_transport()
    except ContractError as exc:
        return Finding("transport", Level.FAULT, str(exc), f"unset {VARIABLE}, or set it to http or boto")
    transport.close()
    why = (
        f"set by {VARIABLE}"
        if environment.get(VARIABLE)
        else "in a function"
        if _is_function(environment)
        else "the default"
    )
    return Finding("transport", Level.OK, f"{type(transport).__name__} ({why})")


def _is_function(environment: Mapping[str, str]) -> bool:
    return "AWS_LAMBDA_RUNTIME_API" in environment


def check_retries(session: Any, botocore: str) -> Finding:
    """Report what botocore's own retries would do to a call whose response is lost.

    Args:
        session: The botocore session.
        botocore: Its version, which decides the default retry mode.
    """
    configured = os.environ.get("AWS_RETRY_MODE") or session.get_scoped_config().get("retry_mode")
    mode = configured or ("standard" if parse_version(botocore) >= _STANDARD_SINCE else "legacy")
    try:
        most = session.get_config_variable("max_attempts")
    except ValueError as exc:
        text = f"AWS_MAX_ATTEMPTS or max_attempts is not a number: {exc}"
        return Finding("botocore's retries", Level.FAULT, text, "correct it: boto3 cannot create a client with it")
    attempts = int(most) if most else _ATTEMPTS.get(mode, 3)
    described = f"{mode} ({'configured' if configured else f'the default of {botocore}'})"
    text = (
        f"mode {described}: a plain boto3 client may run a function up to {attempts} times for one call if responses "
        "are lost; lambdachain turns these retries off in its own clients"
    )
    return Finding("botocore's retries", Level.OK, text)


def check_keep_alive() -> Finding:
    """Report what keeps the connection of a long call open."""
    idle = dict(KEEP_ALIVE)["TCP_KEEPIDLE"]
    system = Path("/proc/sys/net/ipv4/tcp_keepalive_time")
    default = f"; this system's default is {system.read_text().strip()} s" if system.is_file() else ""
    text = (
        f"lambdachain's connections send a TCP probe after {idle} s without traffic{default}, and a NAT gateway "
        f"drops a connection after {_NAT_IDLE} s; idle connections are kept for {MAX_IDLE:g} s, the connect timeout is "
        f"{CONNECT_TIMEOUT:g} s. A plain boto3 client waits {_PLAIN_READ_TIMEOUT} s for a response, then retries"
    )
    return Finding("keep-alive", Level.OK, text)
