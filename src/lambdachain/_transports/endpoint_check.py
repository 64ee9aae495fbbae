"""Check that a region can be signed for and an endpoint URL can be sent to, and describe an endpoint not reached."""

from __future__ import annotations

import re
from typing import Final

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble

_LONGEST_REGION: Final = 63
_URL: Final = r"https?://(?P<authority>[^/?#]+)[!-~]*"
_PORT: Final = r"(?:\[(?P<ipv6>[^\[\]]*)\]|[^\[\]:]*)(?::(?P<port>[0-9]{0,5}))?"


def check_endpoint(region: str | None, url: str | None) -> None:
    """Check a region and an endpoint URL; ``None`` means that botocore or the settings decide.

    Raises:
        NoAnswerError: One is not valid; the message says what is wrong, and where it may be set.
    """
    if region is not None and not _is_region(region):
        raise _setup_error(
            f"{region!a} is not an AWS region like 'eu-west-1': check region=, AWS_REGION or the profile"
        )
    if url is not None:
        flaw = _find_flaw(url)
        if flaw is not None:
            raise _setup_error(f"the endpoint URL {flaw}: check endpoint_url=, AWS_ENDPOINT_URL or the profile")


def describe_failed_connect(url: str, reason: str) -> str:
    """Format that no connection to an endpoint was made; of the URL only the origin, because the rest may be secret.

    >>> describe_failed_connect("https://user:password@lambda.eu-wst-1.amazonaws.com/path", "gaierror")
    'cannot connect to https://lambda.eu-wst-1.amazonaws.com (gaierror): check the region, the endpoint and the network'
    """
    from lambdachain._core.loopback import is_loopback

    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    host = re.sub(r":\d*$", "", authority)
    advice = (
        "start the local endpoint, or correct its URL"
        if is_loopback(host)
        else "check the region, the endpoint and the network"
    )
    return f"cannot connect to {scheme}://{authority} ({reason}): {advice}"


def _is_region(value: object) -> bool:
    if not isinstance(value, str) or not value.isascii() or len(value) > _LONGEST_REGION:
        return False
    return value.replace("-", "").isalnum() and value.strip("-") == value


def _find_flaw(url: object) -> str | None:
    """Return what is wrong with a URL, or ``None``; the URL is not quoted, because it may have a password in it."""
    if not isinstance(url, str):
        return f"must be a string, not {type(url).__name__}"
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "has a space, a line break or a non-ASCII character; write an international name in punycode"
    match = re.fullmatch(_URL, url)
    host = match and re.fullmatch(_PORT, match["authority"].rpartition("@")[2])
    if not host:
        return "is not of the form http://host:port or https://host"
    if host["ipv6"] is not None and not _is_ipv6(host["ipv6"]):
        return "has brackets around something that is not an IPv6 address"
    return "has a port above 65535" if int(host["port"] or 0) > 65535 else None


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address

    try:
        IPv6Address(text.replace("%25", "%"))
    except ValueError:
        return False
    return True


def _setup_error(message: str) -> NoAnswerError:
    return NoAnswerError(message, progress=Progress.NOTHING_SENT, trouble=Trouble.SETUP)
