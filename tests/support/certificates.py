"""Certificates for the TLS servers of tests and benchmarks: self-signed, or signed by an authority of the test."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def write_self_signed(path: Path, key: PrivateKey | None = None) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1 as PEM; clients trust it by the same file."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = _common_name("127.0.0.1")
    # An authority itself (ca), because OpenSSL accepts nothing else as the end of a chain of trust.
    return _write_pem(path, key, _sign(name, key, name, key.public_key(), host="127.0.0.1", ca=True))


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        self.certificate = _sign(self._name, self._key, self._name, self._key.public_key(), ca=True)

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def write_to(self, path: Path, label: str | None = None) -> Path:
        """Write its certificate as a bundle, with the comment above it that certifi's bundle has."""
        path.write_text((f'# Label: "{label}"\n# Serial: 1\n' if label else "") + self.pem)
        return path

    def issue(self, path: Path, host: str = "127.0.0.1", *, days: int = 1) -> Path:
        """Write a key and a certificate for *host*; with negative *days* it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(self._name, self._key, _common_name(host), key.public_key(), host=host, days=days)
        return _write_pem(path, key, certificate)


def _sign(
    issuer: x509.Name,
    issuer_key: PrivateKey,
    subject: x509.Name,
    subject_key: Any,
    *,
    host: str | None = None,
    ca: bool = False,
    days: int = 1,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(issuer, subject, subject_key, x509.random_serial_number())
        # Well in the past, so that a certificate with negative days is still consistent.
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if host is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _write_pem(path: Path, key: PrivateKey, certificate: x509.Certificate) -> Path:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
