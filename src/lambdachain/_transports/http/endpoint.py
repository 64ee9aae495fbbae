"""Lambda's endpoints: the host names of its regions, by botocore's endpoint rules, and endpoints given by URL."""

import re
from typing import Final, NamedTuple

_URL: Final = (
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]*)*)"
)

# How a partition's regions are named, and its DNS suffixes: for IPv4, and for both IPv4 and IPv6 (dual stack). Most
# programs need the first one only, so patterns are compiled when they are used.
_PARTITIONS: Final = (
    (r"(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+", "amazonaws.com", "api.aws"),
    (r"cn-[a-z]+-[0-9]+", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    (r"us-gov-[a-z]+-[0-9]+", "amazonaws.com", "api.aws"),
    (r"us-iso-[a-z]+-[0-9]+", "c2s.ic.gov", "api.aws.ic.gov"),
    (r"us-isob-[a-z]+-[0-9]+", "sc2s.sgov.gov", "api.aws.scloud"),
    (r"eu-isoe-[a-z]+-[0-9]+", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    (r"us-isof-[a-z]+-[0-9]+", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    (r"eusc-de-[a-z]+-[0-9]+", "amazonaws.eu", "api.amazonwebservices.eu"),
)


class Endpoint(NamedTuple):
    """A server with the Invoke API.

    Attributes:
        host: Its name or address, without brackets.
        port: Its port.
        tls: Whether it speaks TLS.
        prefix: What precedes every path; "" at AWS itself.
    """

    host: str
    port: int = 443
    tls: bool = True
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as a URL."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"


def endpoint_for_url(url: str) -> Endpoint | None:
    """Parse a URL; ``None`` for one of an unusual form, or with more than scheme, host, port and path."""
    match = re.fullmatch(_URL, url)
    if match is None or int(match["port"] or 0) > 65535:
        return None
    tls = match["scheme"] == "https"
    port = int(match["port"] or (443 if tls else 80))
    return Endpoint(match["host"].strip("[]").lower(), port, tls, match["path"].removesuffix("/"))


def endpoint_for_region(region: str, *, fips: bool = False, dual_stack: bool = False) -> Endpoint | None:
    """Return Lambda's endpoint in *region*; ``None`` if the region's name follows no known rule.

    >>> endpoint_for_region("eu-west-1").url
    'https://lambda.eu-west-1.amazonaws.com'
    """
    for regions, ipv4, both in _PARTITIONS:
        if re.fullmatch(regions, region):
            return Endpoint(f"lambda{'-fips' * fips}.{region}.{both if dual_stack else ipv4}")
    return None
