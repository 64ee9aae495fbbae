"""A web page can neither run a function nor read a response; programs are not affected."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdachain import AccessDeniedError, BotoTransport, HttpTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

NOTE = """
import pathlib

def handler(event, context):
    if event is not None:
        pathlib.Path(event).touch()
    return "noted"
"""

INVOKE = "/2015-03-31/functions/note/invocations"
STREAM = "/2021-11-15/functions/note/response-streaming-invocations"
PATHS = [
    pytest.param("POST", INVOKE, id="invoke"),
    pytest.param("POST", STREAM, id="stream"),
    pytest.param("GET", "/2015-03-31/functions/note", id="get"),
    pytest.param("GET", "/2015-03-31/functions/note/configuration", id="configuration"),
    pytest.param("GET", "/2015-03-31/functions/", id="list"),
    pytest.param("OPTIONS", INVOKE, id="preflight"),
    pytest.param("PUT", "/anything/else", id="unknown"),
    pytest.param("HEAD", "/", id="head"),
]

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://evil.example:{port}"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "file://"},
    {"Origin": "chrome-extension://abcdefghijklmnop"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://127.evil.example"},
    {"Origin": "http://evillocalhost"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://localhost:80@evil.example"},
    {"Origin": "http://localhost\\@evil.example"},
    {"Origin": "http://evil.example#localhost"},
    {"Origin": "http://evil.example/localhost"},
    {"Origin": "http://localhost https://evil.example"},
    {"Origin": "http://2130706433.evil.example"},
    {"Origin": "http://0.0.0.0:{port}"},
    {"Origin": "HTTPS://EVIL.EXAMPLE"},
    {"Referer": "https://evil.example/page?x=http://localhost/"},
    {"Referer": "http://localhost.evil.example/"},
    {"Referer": "http://localhost@evil.example/"},
    {"Sec-Fetch-Site": "cross-site"},
    {"sec-fetch-site": "Cross-Site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:3000"},
    {"Origin": "http://localhost:3000", "Referer": "https://evil.example/"},
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "EVIL.example."},
    {"Host": "localhost.evil.example:{port}"},
    {"Host": "127.evil.example:{port}"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost@evil.example"},
    {"Host": "evil.example#localhost"},
    {"Host": "localhost, evil.example"},
    {"Host": "0.0.0.0:{port}"},
    {"Host": "[::]:{port}"},
    {"Host": "192.0.2.1:{port}"},
    {"Host": "[2001:db8::1]:{port}"},
    {"Host": "2130706433.evil.example"},
    {"Host": "host.docker.internal:{port}"},
    {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}", "Sec-Fetch-Site": "same-origin"},
]

WELCOME = [
    {},
    {"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "https://LOCALHOST"},
    {"Origin": "http://[::1]:3000"},
    {"Origin": "http://app.localhost:3000"},
    {"Origin": "http://127.8.8.8"},
    {"Referer": "http://localhost:3000/page?next=https://evil.example/"},
    {"Sec-Fetch-Site": "none"},
    {"Host": "localhost"},
    {"Host": "LocalHost:{port}"},
    {"Host": "localhost.:{port}"},
    {"Host": "127.0.0.1"},
    {"Host": "127.8.8.8:{port}"},
    {"Host": "[::1]:{port}"},
    {"Host": "[::ffff:127.0.0.1]:{port}"},
    {"Host": "lambda.localhost:{port}"},
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a function that leaves a file when it runs."""
    path = tmp_path_factory.mktemp("note")
    (path / "app.py").write_text(NOTE)
    return path


@pytest.fixture(scope="module")
def note(directory: Path) -> LocalFunction:
    """Declare that function."""
    return LocalFunction("note", "app.handler", directory=directory, timeout=60)


@pytest.fixture(scope="module")
def serving(note: LocalFunction) -> Iterator[LocalEndpoint]:
    """Serve it."""
    with LocalEndpoint([note]) as endpoint:
        yield endpoint


def get_port(endpoint: LocalEndpoint) -> int:
    """Return the port that it listens on."""
    port = urlsplit(endpoint.url).port
    assert port is not None
    return port


class Raw:
    """A connection that sends exactly the given bytes."""

    def __init__(self, endpoint: LocalEndpoint) -> None:
        self.port = get_port(endpoint)
        self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._answers.close()
        self._socket.close()

    def ask(self, first: str, *lines: str, body: bytes = b"null") -> tuple[int, dict[str, str], bytes]:
        """Send a request and read the response."""
        head = "\r\n".join([first, *lines, "Content-Type: text/plain", f"Content-Length: {len(body)}"])
        self._socket.sendall(f"{head}\r\n\r\n".encode() + body)
        status = int(self._answers.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._answers.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if first.startswith("HEAD"):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            content = b""
            while size := int(self._answers.readline(), 16):
                content += self._answers.read(size + 2)[:-2]
            self._answers.readline()
            return status, headers, content
        return status, headers, self._answers.read(int(headers.get("content-length", "0")))


def ask(
    endpoint: LocalEndpoint, method: str, path: str, fields: dict[str, str], body: bytes = b"null"
) -> tuple[int, dict[str, str], bytes]:
    """Send one request with *fields*, and with the endpoint's Host unless they contain one."""
    with Raw(endpoint) as raw:
        named = {"Host": f"127.0.0.1:{raw.port}", **fields}
        lines = [f"{name}: {value.replace('{port}', str(raw.port))}" for name, value in named.items()]
        return raw.ask(f"{method} {path} HTTP/1.1", *lines, body=body)


@pytest.mark.parametrize("fields", FOREIGN, ids=str)
@pytest.mark.parametrize("path", [INVOKE, STREAM], ids=["invoke", "stream"])
def test_a_web_page_runs_nothing(serving, tmp_path, caplog, path, fields):
    """It gets 403 in Lambda's format and no CORS permission; one line is logged, without untrusted text."""
    trace = tmp_path / "ran"
    with caplog.at_level(logging.WARNING, "lambdachain.local"):
        status, headers, body = ask(serving, "POST", path, fields, json.dumps(str(trace)).encode())

    assert status == 403
    assert not trace.exists()
    assert headers["x-amzn-errortype"] == "AccessDeniedException"
    assert not any(name.startswith("access-control-") for name in headers)
    assert "was rejected" in json.loads(body)["Message"]
    lines = [record.getMessage() for record in caplog.records if record.name == "lambdachain.local"]
    assert len(lines) == 1
    assert lines[0].startswith("rejected a request: ")
    assert str(trace) not in lines[0]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "fields", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=str
)
def test_every_path_is_closed_to_web_pages(serving, method, path, fields):
    """For any method, known or not."""
    assert ask(serving, method, path, fields)[0] == 403


@pytest.mark.parametrize("fields", WELCOME, ids=str)
@pytest.mark.parametrize("path", [INVOKE, STREAM], ids=["invoke", "stream"])
def test_local_clients_are_accepted(serving, path, fields):
    """Programs, pages that this machine serves, and the address bar."""
    status, _, body = ask(serving, "POST", path, fields)

    assert status == 200
    assert b'"noted"' in body


def test_each_request_of_a_connection_is_checked(serving):
    """A proxy may send requests of many senders over one connection."""
    with Raw(serving) as raw:
        host = f"Host: 127.0.0.1:{raw.port}"
        first = raw.ask(f"POST {INVOKE} HTTP/1.1", host)[0]
        second = raw.ask(f"POST {INVOKE} HTTP/1.1", host, "Origin: https://evil.example")[0]
        third = raw.ask(f"POST {INVOKE} HTTP/1.1", host)[0]

    assert (first, second, third) == (200, 403, 200)


def test_a_request_without_host_is_accepted(serving):
    """A browser always sends one; a program that uses HTTP/1.0 need not."""
    with Raw(serving) as raw:
        assert raw.ask(f"POST {INVOKE} HTTP/1.0")[0] == 200
    with Raw(serving) as raw:
        assert raw.ask(f"POST {INVOKE} HTTP/1.0", "Origin: https://evil.example")[0] == 403


@pytest.mark.parametrize("name", ["Host", "Origin", "Referer", "Sec-Fetch-Site"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_duplicate_header_is_checked_too(serving, tmp_path, name, turned):
    """Whichever of the two a server would use, the request is refused."""
    good, bad = {
        "Host": ("127.0.0.1", "evil.example"),
        "Origin": ("http://localhost", "https://evil.example"),
        "Referer": ("http://localhost/", "https://evil.example/"),
        "Sec-Fetch-Site": ("same-origin", "cross-site"),
    }[name]
    values = (bad, good) if turned else (good, bad)
    host = () if name == "Host" else ("Host: 127.0.0.1",)
    trace = tmp_path / "ran"
    with Raw(serving) as raw:
        lines = [f"{name}: {value}" for value in values]
        status = raw.ask(f"POST {INVOKE} HTTP/1.1", *host, *lines, body=json.dumps(str(trace)).encode())[0]

    assert status in (400, 403)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example{path}", 403),
        ("http://localhost@evil.example{path}", 403),
        ("HTTP://EVIL.EXAMPLE{path}", 403),
        ("http://127.0.0.1{path}", 200),
    ],
)
def test_the_host_of_an_absolute_url_is_checked_too(serving, target, status):
    """It takes precedence over the header."""
    with Raw(serving) as raw:
        assert raw.ask(f"POST {target.format(path=INVOKE)} HTTP/1.1", "Host: 127.0.0.1")[0] == status
    with Raw(serving) as raw:
        assert raw.ask(f"POST {target.format(path=INVOKE)} HTTP/1.1", "Host: evil.example")[0] == 403


def test_an_event_of_a_web_page_is_not_queued(note, directory, tmp_path):
    """Neither is any other request of a page."""
    trace = tmp_path / "ran"
    with LocalEndpoint([note], clock="virtual") as endpoint:
        fields = {"Origin": "https://evil.example", "X-Amz-Invocation-Type": "Event"}
        status = ask(endpoint, "POST", INVOKE, fields, json.dumps(str(trace)).encode())[0]

        assert (status, endpoint.deliver()) == (403, 0)
    assert not trace.exists()


def test_untrusted_text_is_escaped_and_truncated_in_the_log(serving, caplog):
    """It cannot control a terminal."""
    with caplog.at_level(logging.WARNING, "lambdachain.local"):
        ask(serving, "POST", INVOKE, {"Origin": "http://\x9b2J" + "e" * 5_000})

    line = caplog.records[-1].getMessage()
    assert line.isascii()
    assert len(line) < 200


@pytest.mark.parametrize(
    ("allowed", "sent"),
    [
        ("host.docker.internal", "host.docker.internal:{port}"),
        ("Host.Docker.Internal.", "HOST.docker.internal"),
        ("my_service", "my_service:{port}"),
        ("192.0.2.1", "192.0.2.1:{port}"),
        ("2001:DB8::1", "[2001:db8:0::1]:{port}"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_further_hosts_can_be_allowed(note, allowed, sent):
    """For clients in containers; a subdomain of an allowed name is not allowed."""
    with LocalEndpoint([note], allowed_hosts=[allowed]) as endpoint:
        assert ask(endpoint, "GET", "/2015-03-31/functions/note", {"Host": sent})[0] == 200
        own = {"Host": "host.docker.internal:1", "Origin": "http://host.docker.internal:1"}
        assert ask(endpoint, "GET", "/2015-03-31/functions/note", {"Host": f"x.{sent}"})[0] == 403
        assert (ask(endpoint, "GET", "/2015-03-31/functions/note", own)[0] == 200) == (allowed[0] in "hH")
        assert ask(endpoint, "GET", "/2015-03-31/functions/note", {"Host": "127.0.0.1"})[0] == 200


def test_the_own_origin_includes_the_port(note):
    """A page from another port of an allowed host is refused."""
    host = {"Host": "box.example:{port}"}
    with LocalEndpoint([note], allowed_hosts=["box.example"]) as endpoint:
        for origin, status in [("http://box.example:{port}", 200), ("http://box.example", 403)]:
            assert ask(endpoint, "POST", INVOKE, {**host, "Origin": origin})[0] == status


@pytest.mark.parametrize("allowed", ["http://name", "name:9001", "", "*", ".example.com", "a b", "user@name", "-x"])
def test_an_invalid_host_cannot_be_allowed(note, allowed):
    """It would silently allow nothing."""
    with pytest.raises(ValueError, match=r"^allowed_hosts: .* is not a host name or an IP address"):
        LocalEndpoint([note], allowed_hosts=[allowed])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.0.2.1:{port}", 200),
        ("0.0.0.0:{port}", 200),
        ("localhost:{port}", 200),
        ("evil.example:{port}", 403),
        ("192.0.2.1.evil.example:{port}", 403),
        ("2130706433", 403),
    ],
)
def test_listening_everywhere_accepts_any_address_as_host(note, host, status):
    """An address cannot be rebound, unlike a name."""
    with LocalEndpoint([note], host="0.0.0.0") as endpoint:  # noqa: S104 - what this is about
        assert ask(endpoint, "GET", "/2015-03-31/functions/note", {"Host": host})[0] == status
        evil = {"Host": host, "Origin": "https://evil.example"}
        assert ask(endpoint, "POST", INVOKE, evil)[0] == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_the_host_that_is_listened_on_is_allowed(note, host):
    """By its name, and by its address, which functions use."""
    with LocalEndpoint([note], host=host) as endpoint:
        client = boto3.client(
            "lambda",
            endpoint_url=endpoint.url,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )
        assert client.invoke(FunctionName="note", Payload=b"null")["StatusCode"] == 200


def by_name(endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the endpoint's address with a name that resolves to this machine."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: resolve(
            "127.0.0.1" if host in ("rebound.example", b"rebound.example") else host, *rest, **named
        ),
    )
    return f"http://rebound.example:{get_port(endpoint)}"


@pytest.mark.allow_real_invokes
def test_a_client_with_another_host_gets_advice(serving, monkeypatch):
    """boto3 and lambdachain's own transports report it: denied, and not executed."""
    url = by_name(serving, monkeypatch)
    plain = boto3.client("lambda", endpoint_url=url, region_name="us-east-1")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*rebound\.example.*--allow-host NAME"):
        plain.invoke(FunctionName="note", Payload=b"null")
    for transport in (BotoTransport(endpoint_url=url), HttpTransport(endpoint_url=url)):
        with LambdaClient(transport) as client, pytest.raises(AccessDeniedError, match="--allow-host NAME"):
            client.call("note", None)


@pytest.mark.allow_real_invokes
def test_a_client_with_an_allowed_host_is_not_affected(note, monkeypatch):
    """Over every blocking transport."""
    with LocalEndpoint([note], allowed_hosts=["rebound.example"]) as endpoint:
        url = by_name(endpoint, monkeypatch)
        for transport in (BotoTransport(endpoint_url=url), HttpTransport(endpoint_url=url)):
            with LambdaClient(transport) as client:
                assert client.call("note", None) == "noted"
