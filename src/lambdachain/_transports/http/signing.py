"""Signature Version 4: pure functions of a request, a date and a key.

The steps and their names are those of AWS's "Create a signed AWS API request" (IAM User Guide); botocore's
``SigV4Auth`` and AWS's published test vectors are the tests' oracles.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

ALGORITHM: Final = "AWS4-HMAC-SHA256"


class SigningKeys(NamedTuple):
    """Credentials that sign one request; the repr shows four characters of the access key."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"SigningKeys({self.access_key[:4]}...)"


class Signer:
    """Signs requests to one service in one region; the derived key is good for a day and is cached."""

    def __init__(self, region: str, service: str = "lambda") -> None:
        self._region = region
        self._service = service
        self._scope = f"/{region}/{service}/aws4_request"
        self._latest: tuple[str, str, hmac.HMAC] | None = None

    def authorization(
        self, keys: SigningKeys, stamp: str, route: str, headers: Mapping[str, str], payload: bytes
    ) -> str:
        """Return the value of the header ``Authorization``.

        Args:
            keys: The credentials.
            stamp: The date as ``20150830T123600Z``, which is also sent as a header.
            route: Method, canonical path and canonical query, each followed by a line feed.
            headers: All headers to sign: names in lower case and sorted, values without superfluous spaces.
            payload: The body.
        """
        names = ";".join(headers)
        fields = "".join([f"{name}:{value}\n" for name, value in headers.items()])
        canonical = f"{route}{fields}\n{names}\n{sha256(payload).hexdigest()}"
        scope = stamp[:8] + self._scope
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        # A copy has absorbed the key, which takes as long as the text.
        mac = self.derive_key(keys.secret_key, stamp[:8]).copy()
        mac.update(text.encode())
        return f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={mac.hexdigest()}"

    def derive_key(self, secret: str, date: str) -> hmac.HMAC:
        """Return an HMAC with the key that signs on a *date*, ``20150830``; it is derived once."""
        # One tuple, replaced as a whole: threads that race derive the same key twice, and never mix two keys.
        latest = self._latest
        if latest is not None and latest[0] == date and latest[1] == secret:
            return latest[2]
        key = hmac.new(signing_key(secret, date, self._region, self._service), digestmod="sha256")
        self._latest = (date, secret, key)
        return key


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key that signs for one date, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
