"""Botocore's signer as an oracle."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambdachain._transports.http.signing import SigningKeys


def botocore_authorization(keys: SigningKeys, region: str, path: str, headers: dict[str, str], payload: bytes) -> str:
    """Sign as botocore does, at the date in the headers."""
    request = AWSRequest("POST", f"https://{headers['host']}{path}", headers, payload)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.token), "lambda", region)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    auth._inject_signature_to_request(request, signature)
    authorization: str = request.headers["Authorization"]
    return authorization
