"""Which hosts are this machine, and which only look like it."""

from __future__ import annotations

import pytest

from lambdachain._core.loopback import get_host, is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "[::1]",
        "::1%lo",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "localhost",
        "LocalHost",
        "localhost.",
        "bucket.localhost",
    ],
)
def test_this_machine(host: str):
    """By its addresses, or by a name that is reserved for it."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "AWS",
        "localhost.evil.example",
        "localhost..",
        "127.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.",
        "evil-localhost",
        "mylocalhost",
        "::1.evil.example",
        "[::1].evil.example",
        "[127.0.0.1",
        "127.1",
        "127",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1:80",
        "0.0.0.0",  # noqa: S104 - not to bind to
        "::",
        "::ffff:192.0.2.1",
        "169.254.169.254",
        "10.0.0.1",
        "\u217docalhost",
        "localhost\u3002evil",
        " localhost",
        "lambda.eu-west-1.amazonaws.com",
    ],
)
def test_another_machine(host: str):
    """Or possibly another one: such names and forms resolve to different hosts in different programs."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:4566/x", "localhost"),
        ("http://[::1]:9", "::1"),
        ("http://localhost@evil.example", "evil.example"),
        ("http://localhost:80@evil.example/", "evil.example"),
        ("http://evil.example\\@localhost", ""),
        ("http://evil.example/\n@localhost", ""),
        ("http://local host", ""),
        ("http://[::1", ""),
        ("localhost:4566", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url(url: str, host: str):
    """None if programs parse the URL differently."""
    assert get_host(url) == host
