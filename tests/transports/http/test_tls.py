"""Which servers the transport trusts: no fewer checks than botocore's, and no more authorities loaded than needed."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.httpsession
import pytest

from lambdachain import HttpTransport, Invocation, NoAnswerError, Progress, Trouble
from lambdachain._transports.http import tls
from tests.support import faults
from tests.support.certificates import Authority
from tests.support.laboratory import Laboratory
from tests.support.responses import http_response

CALL = Invocation("orders")


@pytest.fixture(autouse=True)
def _no_bundle_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


@pytest.fixture
def authority() -> Authority:
    """An authority that nobody trusts."""
    return Authority("Unheard-of Root")


@contextmanager
def serving(certificate: Path) -> Iterator[Laboratory]:
    """Serve with *certificate*."""
    with Laboratory(certificate) as laboratory:
        laboratory.play(faults.SUCCESS)
        yield laboratory


@contextmanager
def sending(laboratory: Laboratory, host: str = "127.0.0.1") -> Iterator[HttpTransport]:
    """Send to *laboratory* under the name of *host*."""
    transport = HttpTransport(endpoint_url=laboratory.url.replace("127.0.0.1", host))
    yield transport
    transport.close()


@pytest.fixture
def botocore_trusts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Set the CA bundle in place of botocore's own."""

    def trust(*authorities: tuple[Authority, str]) -> None:
        parts = [a.write_to(tmp_path / "part.pem", label).read_text() for a, label in authorities]
        bundle = tmp_path / "bundle.pem"
        bundle.write_text("\n".join(parts))
        monkeypatch.setattr(tls, "find_ca_bundle", lambda: str(bundle))

    caches = (tls._load_context, tls._load_amazon_context, tls._load_full_context)
    for cached in caches:
        cached.cache_clear()
    yield trust
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("kind", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "a directory"])
def test_a_configured_bundle_is_trusted(
    kind: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variables that botocore reads; a directory must be hashed."""
    bundle = authority.write_to(tmp_path / "ca.pem")
    if kind == "a directory":
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    monkeypatch.setenv(kind if kind.isupper() else "AWS_CA_BUNDLE", str(tmp_path if kind == "a directory" else bundle))

    with serving(authority.issue(tmp_path / "server.key")) as laboratory, sending(laboratory) as transport:
        assert 200 == transport.send(CALL, timeout=10).status


def test_only_a_configured_bundle_is_trusted(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, botocore_trusts: Callable[..., None]
) -> None:
    """What botocore trusts otherwise is not trusted then."""
    botocore_trusts((authority, "Amazon Root CA 1"))
    other = Authority("Another Root").write_to(tmp_path / "other.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        _check_setup_error(transport, "CERTIFICATE_VERIFY_FAILED")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_unreadable_bundle_is_a_setup_error(
    content: str | None, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry would not help."""
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        _check_setup_error(transport, "cannot read the CA bundle")


@pytest.mark.parametrize("label", ["Amazon Root CA 1", "Starfield Services Root Certificate Authority - G2"])
def test_amazons_own_authorities_are_tried_first(
    label: str, authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """They sign AWS's certificates, so that the rest need not be loaded."""
    botocore_trusts((Authority("First"), "Some Root"), (authority, label), (Authority("Last"), "Some Other Root"))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        assert 200 == transport.send(CALL, timeout=10).status

    assert 0 == tls._load_full_context.cache_info().currsize
    assert 1 == len(tls._load_amazon_context().get_ca_certs())


def test_all_authorities_are_tried_if_amazons_do_not_know_the_issuer(
    authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """In another handshake, before anything is sent; from then on, all are loaded from the start."""
    botocore_trusts((Authority("Amazon"), "Amazon Root CA 1"), (authority, "Some Root"))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        first = transport.send(CALL, timeout=10)
        laboratory.settle()
        connections = laboratory.connections
        laboratory.drop_idle()
        transport.send(CALL, timeout=10)

        assert (200, 2, 3, 2) == (first.status, connections, laboratory.connections, laboratory.received)


def test_concurrent_first_calls_all_try_all_authorities(
    authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """Whichever thread finds out first that Amazon's own do not know the issuer."""
    botocore_trusts((Authority("Amazon"), "Amazon Root CA 1"), (authority, "Some Root"))
    start = threading.Barrier(8)

    def first(transport: HttpTransport) -> int:
        start.wait(10)
        return transport.send(CALL, timeout=10).status

    certificate = authority.issue(tmp_path / "server.pem")
    with serving(certificate) as laboratory, sending(laboratory) as transport, ThreadPoolExecutor(8) as threads:
        assert [200] * 8 == list(threads.map(first, [transport] * 8))


def test_a_request_that_is_not_read_ends_at_the_deadline(
    authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """Under TLS, too; a part of it may have been received."""
    botocore_trusts((authority, "Amazon Root CA 1"))
    large = Invocation("orders", payload=b"x" * 6_000_000)

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        laboratory.play(faults.Fault("stalled", lambda c: (c.read(1000), laboratory.closing.wait(1))))
        with pytest.raises(NoAnswerError) as caught:
            transport.send(large, timeout=0.3)

    assert (Progress.PERHAPS_SENT, Trouble.TIMEOUT) == (caught.value.progress, caught.value.trouble)


def test_an_unknown_issuer_is_rejected(
    authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """After all authorities have been tried."""
    botocore_trusts((Authority("Amazon"), "Amazon Root CA 1"), (Authority("Other"), "Some Root"))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        _check_setup_error(transport, "CERTIFICATE_VERIFY_FAILED")

        assert (2, 0) == (laboratory.connections, laboratory.received)


@pytest.mark.parametrize(
    ("host", "days", "reason"), [("other.example.com", 1, "mismatch"), ("127.0.0.1", -1, "expired")]
)
def test_other_certificate_errors_are_not_retried(
    *, host: str, days: int, reason: str, authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """No other authorities are tried."""
    botocore_trusts((authority, "Amazon Root CA 1"), (authority, "Some Root"))
    certificate = authority.issue(tmp_path / "server.pem", host, days=days)

    with serving(certificate) as laboratory, sending(laboratory) as transport:
        _check_setup_error(transport, reason)

        assert (1, 0) == (laboratory.connections, laboratory.received)


def test_a_host_name_is_checked(authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]) -> None:
    """And sent, for the server to choose its certificate by."""
    botocore_trusts((authority, "Amazon Root CA 1"))

    with serving(authority.issue(tmp_path / "server.pem", "localhost")) as laboratory:
        with sending(laboratory, "localhost") as transport:
            assert 200 == transport.send(CALL, timeout=10).status
        with sending(laboratory) as transport:
            _check_setup_error(transport, "mismatch")


def test_a_response_without_length_ends_with_close_notify_only(
    authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]
) -> None:
    """An attacker who cuts the connection cannot send TLS's close_notify in the server's name."""
    botocore_trusts((authority, "Amazon Root CA 1"))
    answer = http_response("200 OK", b"1234", {"Content-Length": None, "X-Amz-Executed-Version": "1"})

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        laboratory.play(faults.Fault("unwrapped", faults.send(answer, then=lambda c: c._sock.unwrap())))
        assert b"1234" == transport.send(CALL, timeout=10).payload
        laboratory.play(faults.Fault("cut", faults.send(answer, then=faults.close)))
        with pytest.raises(NoAnswerError) as caught:
            transport.send(CALL, timeout=10)

    assert (Progress.ANSWER_BEGUN, Trouble.CONNECTION) == (caught.value.progress, caught.value.trouble)


def test_a_session_is_resumed(authority: Authority, tmp_path: Path, botocore_trusts: Callable[..., None]) -> None:
    """A second connection needs half a handshake."""
    botocore_trusts((authority, "Amazon Root CA 1"))
    resumed: list[bool] = []

    def note(connection: Any) -> None:
        resumed.append(connection._sock.session_reused)
        faults.succeed(connection)

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        laboratory.play(faults.Fault("note", note))
        for _ in range(3):
            transport.send(CALL, timeout=10)
            laboratory.drop_idle()

    assert [False, True, True] == resumed


def test_the_bundle_is_the_one_that_botocore_loads() -> None:
    """Found without importing it."""
    assert botocore.httpsession.where() == tls.find_ca_bundle()


def test_amazons_authorities_are_in_it() -> None:
    """All four, and those of Starfield that sign them: a subset of what botocore trusts."""
    context, everyone = tls._load_amazon_context(), tls._load_full_context()

    names = {dict(part[0] for part in ca["subject"])["commonName"] for ca in context.get_ca_certs()}  # type: ignore[misc]
    assert {f"Amazon Root CA {number}" for number in range(1, 5)} < names
    assert "Starfield Services Root Certificate Authority - G2" in names
    assert all(ca in everyone.get_ca_certs() for ca in context.get_ca_certs())
    assert len(names) < 10 < len(everyone.get_ca_certs())


@pytest.mark.parametrize("make", [tls._load_amazon_context, tls._load_full_context])
def test_a_context_checks_certificate_and_name(make: Callable[[], ssl.SSLContext]) -> None:
    """The certificate and the name in it, over TLS 1.2 or later; one context serves all connections."""
    context = make()

    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context is make()


def test_a_bundle_without_comments_is_loaded_as_a_whole(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, botocore_trusts: Callable[..., None]
) -> None:
    """The bundle of an operating system has no comments to select by."""
    botocore_trusts()
    bundle = authority.write_to(tmp_path / "plain.pem")
    monkeypatch.setattr(tls, "find_ca_bundle", lambda: str(bundle))

    with serving(authority.issue(tmp_path / "server.pem")) as laboratory, sending(laboratory) as transport:
        assert 200 == transport.send(CALL, timeout=10).status


def test_without_any_bundle_the_systems_authorities_are_trusted(
    monkeypatch: pytest.MonkeyPatch, botocore_trusts: Callable[..., None]
) -> None:
    """If the packages are in an archive, there is no file to load."""
    botocore_trusts()
    monkeypatch.setattr(tls, "find_ca_bundle", lambda: None)

    assert ssl.CERT_REQUIRED is tls._load_amazon_context().verify_mode


def _check_setup_error(transport: HttpTransport, reason: str) -> None:
    with pytest.raises(NoAnswerError, match=f"(?i){reason}") as caught:
        transport.send(CALL, timeout=10)
    assert (Progress.NOTHING_SENT, Trouble.SETUP) == (caught.value.progress, caught.value.trouble)
