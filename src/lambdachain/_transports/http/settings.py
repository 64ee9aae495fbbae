"""Where requests go, read as boto3 reads it: from environment variables, or from a botocore session and its profile.

Without a session and a configuration file, the environment has all settings, and botocore need not be imported.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

_VARIABLES: Final = {
    "region": "AWS_DEFAULT_REGION",
    "ca_bundle": "AWS_CA_BUNDLE",
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "ignore_configured_endpoint_urls": "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
}
_PROFILES: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
_PROFILE_SETTINGS: Final = ("endpoint_url", "services")


class HttpSettings(NamedTuple):
    """The region, the endpoint and the certificate authorities.

    Attributes:
        region: The region for functions whose address names none.
        endpoint_url: Where to send everything.
        fips: Whether to use FIPS endpoints.
        dual_stack: Whether to use endpoints for IPv4 and IPv6.
        ca_bundle: The certificate authorities to trust, in place of botocore's.
        profile_endpoint: Whether the profile sets an endpoint, which only botocore reads.
    """

    region: str | None = None
    endpoint_url: str | None = None
    fips: bool = False
    dual_stack: bool = False
    ca_bundle: str | None = None
    profile_endpoint: bool = False

    def __repr__(self) -> str:
        from lambdachain._core.redaction import redact_url

        return f"HttpSettings(region={self.region!r}, endpoint_url={redact_url(self.endpoint_url)!r})"


def find_session(session: Any) -> Any:
    """Return the botocore session to use: the given one, boto3's default one, or a new one for a configuration file."""
    if session is not None:
        return getattr(session, "_session", session)
    default: Any = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
    if default is not None:
        return getattr(default, "_session", default)
    return new_session("the AWS configuration file") if _is_configured(os.environ) else None


def new_session(needed_for: str) -> Any:
    """Create a botocore session, as boto3 would, to read *needed_for*.

    Raises:
        NoAnswerError: botocore is not installed.
    """
    from lambdachain._transports.sdk_import import import_sdk

    return import_sdk("botocore.session", needed_for).Session()


def read_settings(session: Any) -> HttpSettings:
    """Read the settings of *session*, or of the environment alone if it is ``None``.

    Raises:
        Exception: botocore's, for a missing profile or a file that it cannot read.
    """
    read = session.get_config_variable if session is not None else _from_environment
    ignored = _is_true(read("ignore_configured_endpoint_urls"))
    endpoint_url = None if ignored else _first_set(os.environ, _ENDPOINTS)
    in_profile = session is not None and any(name in session.get_scoped_config() for name in _PROFILE_SETTINGS)
    return HttpSettings(
        # boto3 ignores AWS_REGION, which Lambda sets; a session's region and AWS_DEFAULT_REGION come first.
        region=read("region") or os.environ.get("AWS_REGION") or None,
        endpoint_url=endpoint_url,
        fips=_is_true(read("use_fips_endpoint")),
        dual_stack=_is_true(read("use_dualstack_endpoint")),
        ca_bundle=read("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or None,
        profile_endpoint=in_profile and not ignored and endpoint_url is None,
    )


def uses_proxy(url: str) -> bool:
    """Check whether requests to *url* go through a proxy, by botocore's own rules.

    Raises:
        NoAnswerError: There are settings of a proxy, and botocore is not installed.
    """
    variables = {name.lower() for name, value in os.environ.items() if value}
    # macOS and Windows also have proxy settings of their own, which botocore reads.
    has_system_settings = sys.platform in ("darwin", "win32")
    if not has_system_settings and not any(name.endswith("_proxy") for name in variables - {"no_proxy"}):
        return False
    from lambdachain._transports.sdk_import import import_sdk

    proxies: Callable[[str], Mapping[str, str]] = import_sdk("botocore.utils", "a proxy").get_environ_proxies
    return url.partition(":")[0] in proxies(url)


def _is_configured(environment: Mapping[str, str]) -> bool:
    file = os.path.expanduser(environment.get("AWS_CONFIG_FILE") or "~/.aws/config")  # noqa: PTH111 - pathlib is slow to load
    return any(name in environment for name in _PROFILES) or os.path.isfile(file)  # noqa: PTH113 - as above


def _from_environment(name: str) -> str | None:
    return os.environ.get(_VARIABLES[name])


def _first_set(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _is_true(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")
