"""The Runtime API of a sandbox serves that sandbox only, and requests that its state does not allow do no harm."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambdachain._lambda_api.delivery import Body, Delivery
from lambdachain.local import LocalEndpoint, LocalFunction, _connection_owner, _runtime_api
from lambdachain.local._runtime_api import InitFailed, Ready, Returned, RuntimeApi, Streamed, Streaming
from lambdachain.local._runtimes_node import RIC_VARIABLE

NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"
ANSWER = "/2018-06-01/runtime/invocation/one/response"

PYTHON = """
import json, os, pathlib, subprocess, sys, time

def handler(event, context):
    report = {"address": os.environ["AWS_LAMBDA_RUNTIME_API"], "id": context.aws_request_id, "pid": os.getpid()}
    if "report" in event:
        pathlib.Path(event["report"] + ".new").write_text(json.dumps(report))
        os.rename(event["report"] + ".new", event["report"])
        while not os.path.exists(event["go"]):
            time.sleep(0.005)
    return report

def main(event, context):
    main = sys.modules["__main__"]
    return {"path": sys.path[0], "argv": sys.argv[1:], "name": main.__name__, "spec": main.__spec__.name}

def child(event, context):
    ran = subprocess.run([sys.executable, "-c", event["code"]], stdout=subprocess.PIPE, text=True, **event["options"])
    return ran.stdout.strip()
"""
NODE = """
import fs from "node:fs";

export const handler = async (event, context) => {
  const report = { address: process.env.AWS_LAMBDA_RUNTIME_API, id: context.awsRequestId, pid: process.pid };
  if (event.report) {
    fs.writeFileSync(event.report + ".new", JSON.stringify(report));
    fs.renameSync(event.report + ".new", event.report);
    while (!fs.existsSync(event.go)) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return report;
};
"""
BOOTSTRAP = f"""#!{sys.executable}
import http.client, importlib, json, os, types
import app

def ask(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    response = connection.getresponse()
    return response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()

while True:
    request_id, event = ask("GET", "next")
    context = types.SimpleNamespace(aws_request_id=request_id)
    ask("POST", request_id + "/response", json.dumps(app.handler(json.loads(event), context)))
"""
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node on the PATH")
needs_linux = pytest.mark.skipif(not _connection_owner.is_supported(), reason="needs sock_diag (Linux)")

RUNTIMES = [
    pytest.param("python"),
    pytest.param("node", marks=needs_node),
    pytest.param("provided", marks=needs_linux),
]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one handler in every runtime's language."""
    directory = tmp_path_factory.mktemp("code")
    (directory / "app.py").write_text(PYTHON)
    (directory / "appjs.mjs").write_text(NODE)
    (directory / "broken.py").write_text("import no_such_module_anywhere\n")
    (directory / "brokenjs.mjs").write_text("import 'no-such-module-anywhere';\n")
    (directory / "bootstrap").write_text(BOOTSTRAP)
    (directory / "bootstrap").chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def functions(code: Path) -> list[LocalFunction]:
    """Declare it for every runtime that is installed."""
    options: dict[str, Any] = {"directory": code, "timeout": 60, "max_sandboxes": 1}
    python = [
        LocalFunction("python", "app.handler", **options),
        LocalFunction("main", "app.main", **options),
        LocalFunction("child", "app.child", **options),
        LocalFunction("broken-python", "broken.handler", **options),
        LocalFunction("provided", "app.handler", runtime="provided", **options),
    ]
    node = [
        LocalFunction("node", "appjs.handler", runtime="nodejs", **options),
        LocalFunction("broken-node", "brokenjs.handler", runtime="nodejs", **options),
    ]
    return python + node if shutil.which("node") else python


@pytest.fixture
def serve(functions, client_of) -> Iterator[Callable[..., Any]]:
    """Serve them; call by name."""
    with LocalEndpoint(functions) as endpoint:
        client = client_of(endpoint)

        def call(function: str, event: Any = None) -> Any:
            response = client.invoke(FunctionName=function, Payload=json.dumps({} if event is None else event))
            return json.load(response["Payload"])

        yield call


def bare(address: str) -> str:
    """Return an address without its secret."""
    return address.partition("/")[0]


def ask(address: str, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """Send a request as some process of this machine, and read the response."""
    host, slash, prefix = address.partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, slash + prefix + path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


def outsiders(address: str) -> list[str]:
    """Return the addresses that an outsider might try; the right one too if the system reports connection owners."""
    host, _, secret = address.partition("/")
    known = [address] if _runtime_api.is_supported() else []
    guesses = ["", "/", "/x", "/" + "A" * 32, f"/x/{secret}" if secret else "/x/y"]
    if secret:
        guesses += [
            f"/{secret[:-1]}",
            f"/{secret.swapcase()}",
            f"//{secret}",
            f"/{secret[:-1]}~",
            f"/x/../{secret[:-2]}",
        ]
    return [*known, *(host + guess for guess in guesses)]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_stray_poll_takes_no_invocation(serve, caplog, runtime):
    """Not from a warm sandbox either, which the next call finds unchanged; each is logged."""
    warm = serve(runtime)
    with caplog.at_level(logging.WARNING, "lambdachain.local"):
        tried = [ask(guess, "GET", NEXT) for guess in outsiders(warm["address"])]
        after = [serve(runtime) for _ in range(3)]

    assert {(status, said["errorType"]) for status, said in tried} == {(403, "Forbidden")}
    assert {report["pid"] for report in after} == {warm["pid"]}
    lines = [record.getMessage() for record in caplog.records if record.name == "lambdachain.local"]
    assert lines == [
        f"rejected a request to the Runtime API of {runtime}: it comes from a process outside the sandbox"
    ] * len(tried)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["response", "error"])
def test_a_forged_response_is_refused(serve, eventually, tmp_path, runtime, kind):
    """Even with the right id, while the invocation runs."""
    report, go = tmp_path / "report", tmp_path / "go"
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(serve, runtime, {"report": str(report), "go": str(go)})
        eventually(report.exists)
        running = json.loads(report.read_text())
        forged = f"/2018-06-01/runtime/invocation/{running['id']}/{kind}"
        statuses = {ask(guess, "POST", forged, b'"forged"')[0] for guess in outsiders(running["address"])}
        statuses |= {ask(guess, "GET", NEXT)[0] for guess in outsiders(running["address"])}
        statuses |= {ask(guess, "POST", INIT_ERROR, b'"forged"')[0] for guess in outsiders(running["address"])}
        go.touch()

        assert call.result() == running
    assert statuses == {403}
    assert serve(runtime)["pid"] == running["pid"]


OUT_OF_TURN = "InvalidStateTransition"


def test_a_poll_that_the_state_does_not_allow_is_refused():
    """A second poll, or one before the response; the invocation continues."""

    async def test(api: RuntimeApi, address: str) -> None:
        runtime, surplus = await Talk.to(address), await Talk.to(address)
        runtime.say("GET", NEXT)
        assert await api.events.get() == Ready()
        surplus.say("GET", NEXT)
        status, _, body = await surplus.hear()
        assert (status, json.loads(body)["errorType"]) == (403, OUT_OF_TURN)
        await api.deliver(delivery("one"), 0)
        assert (await runtime.hear())[1]["lambda-runtime-aws-request-id"] == "one"
        for path, expected in [(NEXT, 403), ("/2018-06-01/runtime/something/else", 404)]:
            surplus.say("GET", path)
            assert (await surplus.hear())[0] == expected
        for request_id, expected in [("two", 400), ("one", 202), ("one", 400)]:
            surplus.say("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"1")
            assert (await surplus.hear())[0] == expected
        assert await api.events.get() == Returned(Body(b"1", 1))
        assert api.events.empty()
        await runtime.close()
        await surplus.close()

    with_api(test)


def test_each_sandbox_has_a_secret_of_its_own(serve, functions, client_of, caplog):
    """Of 24 bytes, passed to its own processes only, and never printed by the endpoint."""
    with caplog.at_level(logging.DEBUG):
        addresses = [serve("python")["address"] for _ in range(2)]
        with LocalEndpoint(functions) as other:
            client = client_of(other)
            addresses += [json.load(client.invoke(FunctionName="python", Payload=b"{}")["Payload"])["address"]]
            described = client.get_function(FunctionName="python")
            text = repr(other)
    first, again, another = (address.partition("/")[2] for address in addresses)

    assert first == again
    assert first != another
    assert len(first) == 32
    assert not any(secret in f"{described}{text}" for secret in (first, another))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("lambdachain")]
    assert not any(secret in line for secret in (first, another) for line in ours)


@pytest.mark.parametrize("function", ["broken-python", pytest.param("broken-node", marks=needs_node)])
def test_a_failed_start_is_reported_below_the_path(serve, function):
    """With the runtime clients' own errors."""
    error = serve(function)

    assert re.search("no.such.module.anywhere", error["errorMessage"])
    assert error["errorType"] in ("Runtime.ImportModuleError", "Error")


def test_python_runs_as_by_dash_m(serve, code):
    """What a program sees of how it was started."""
    assert serve("main") == {
        "path": str(code),
        "argv": ["app.main"],
        "name": "__main__",
        "spec": "awslambdaric.__main__",
    }


ASK_WITHOUT_PATH = """
import http.client, os
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")[0])
connection.request("GET", "/2018-06-01/runtime/invocation/next")
print(connection.getresponse().read().decode())
"""


@needs_linux
@pytest.mark.parametrize(
    ("source", "options"),
    [
        pytest.param(ASK_WITHOUT_PATH, {}, id="a child"),
        pytest.param(ASK_WITHOUT_PATH, {"start_new_session": True}, id="in a session of its own"),
        pytest.param(
            f"import os\nparent = os.getpid()\nif os.fork() == 0:\n    while os.getppid() == parent: pass\n"
            f"    exec({ASK_WITHOUT_PATH!r})",
            {},
            id="left behind",
        ),
    ],
)
def test_a_child_process_belongs_to_its_sandbox(serve, source, options):
    """So it needs no secret; here it polls when it must not."""
    assert json.loads(serve("child", {"code": source, "options": options}))["errorType"] == OUT_OF_TURN


@needs_linux
def test_another_sandbox_is_outside(serve):
    """Even if it knows the address."""
    warm = serve("python")
    url = f"http://{warm['address']}{NEXT}"
    source = f"import os\nos.environ['AWS_LAMBDA_RUNTIME_API'] = {bare(warm['address'])!r}\n{ASK_WITHOUT_PATH}"
    report = f"""
import urllib.request
try:
    urllib.request.urlopen({url!r})
except OSError as exc:
    print(exc.read().decode())
"""

    for each in (source, report):
        assert json.loads(serve("child", {"code": each, "options": {}}))["errorType"] == "Forbidden"
    assert serve("python")["pid"] == warm["pid"]


@pytest.mark.parametrize("runtime", [each for each in RUNTIMES if each.values != ("provided",)])
def test_without_connection_owners_the_secret_is_needed(serve, monkeypatch, runtime):
    """As on macOS."""
    monkeypatch.delenv(RIC_VARIABLE, raising=False)  # aws-lambda-ric takes none; it runs on Linux only
    monkeypatch.setattr(_runtime_api, "is_supported", lambda: False)
    warm = serve(runtime)

    assert {ask(guess, "GET", NEXT)[0] for guess in outsiders(warm["address"])} == {403}
    assert serve(runtime)["pid"] == warm["pid"]
    assert serve(f"broken-{runtime}")["errorType"] in ("Runtime.ImportModuleError", "Error")


def test_without_connection_owners_a_bootstrap_still_runs(serve, monkeypatch):
    """Only its port protects it; the threat model describes that."""
    monkeypatch.setattr(_runtime_api, "is_supported", lambda: False)

    assert serve("provided")["address"] == bare(serve("provided")["address"])


def delivery(request_id: str, payload: bytes = b"{}") -> Delivery:
    """Create an invocation."""
    return Delivery(request_id=request_id, invoked_arn="arn", payload=payload, trace_id="Root=1")


class Talk:
    """A connection to a Runtime API, driven by the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: str) -> None:
        self._reader, self._writer, self._prefix = reader, writer, prefix

    @classmethod
    async def to(cls, address: str) -> Talk:
        host, slash, secret = address.partition("/")
        name, _, port = host.partition(":")
        return cls(*await asyncio.open_connection(name, int(port)), slash + secret)

    def say(self, method: str, path: str, body: bytes = b"", *headers: str, size: int | None = None) -> None:
        """Send a request, or its beginning."""
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"Content-Length: {len(body) if size is None else size}"]
        self._writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def write(self, content: bytes) -> None:
        self._writer.write(content)

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """Read a response."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def working(api: RuntimeApi, address: str) -> Talk:
    """Connect as the runtime does, and take the invocation "one"."""
    talk = await Talk.to(address)
    talk.say("GET", NEXT)
    assert await api.events.get() == Ready()
    await api.deliver(delivery("one"), 0)
    assert (await talk.hear())[1]["lambda-runtime-aws-request-id"] == "one"
    return talk


async def until(condition: Callable[[], bool]) -> None:
    """Run the loop until a condition holds."""
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def with_api(test: Callable[[RuntimeApi, str], Any]) -> None:
    """Run a coroutine on an API that belongs to this process."""

    async def run() -> None:
        api = RuntimeApi("function")
        address = await api.open(with_path=True)
        api.serve_process(os.getpid())
        try:
            async with asyncio.timeout(60):
                await test(api, address)
        finally:
            await api.close()

    asyncio.run(run())


def test_a_client_that_polls_and_disconnects_takes_no_invocation():
    """A client whose connection broke polls again; the runtime is ready once."""

    async def test(api: RuntimeApi, address: str) -> None:
        first = await Talk.to(address)
        first.say("GET", NEXT)
        assert await api.events.get() == Ready()
        await first.close()
        await until(lambda: not api._connections)
        second = await Talk.to(address)
        second.say("GET", NEXT)
        await until(lambda: api._polling_client is not None)
        await api.deliver(delivery("one"), 0)
        status, headers, _ = await second.hear()
        second.say("POST", ANSWER, b"1")
        assert (status, headers["lambda-runtime-aws-request-id"]) == (200, "one")
        assert await api.events.get() == Returned(Body(b"1", 1))
        assert api.events.empty()
        await second.close()

    with_api(test)


def test_an_invocation_waits_for_the_next_poll():
    """If its client disconnected before it was sent."""

    async def test(api: RuntimeApi, address: str) -> None:
        first = await Talk.to(address)
        first.say("GET", NEXT)
        assert await api.events.get() == Ready()
        await first.close()
        await until(lambda: not api._connections)
        await api.deliver(delivery("one"), 0)
        second = await Talk.to(address)
        second.say("GET", NEXT)
        assert (await second.hear())[0] == 200
        assert api.events.empty()
        await second.close()

    with_api(test)


def test_a_poll_that_disconnects_during_a_response_is_dropped():
    """So that it does not block the next one."""

    async def test(api: RuntimeApi, address: str) -> None:
        first, second = await working(api, address), await Talk.to(address)
        first.say("POST", ANSWER, b"1", size=2)
        await until(api._report_lock.locked)
        second.say("GET", NEXT)
        await second.close()
        await until(lambda: len(api._connections) == 2 and any(client.is_disconnected for client in clients))
        first.write(b"1")
        assert (await first.hear())[0] == 202
        assert await api.events.get() == Returned(Body(b"11", 2))
        await until(lambda: len(api._connections) == 1)
        first.say("GET", NEXT)
        assert await api.events.get() == Ready()
        await api.deliver(delivery("two"), 0)
        assert (await first.hear())[1]["lambda-runtime-aws-request-id"] == "two"
        await first.close()

    clients: list[Any] = []
    accept = RuntimeApi._accept

    def accepted(api: RuntimeApi, client: Any) -> None:
        clients.append(client)
        accept(api, client)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RuntimeApi, "_accept", accepted)
        with_api(test)


@pytest.mark.parametrize("leaves", [True, False])
def test_an_invocation_has_one_response(leaves):
    """Of two concurrent responses the first counts, unless it breaks off; then the next may."""

    async def test(api: RuntimeApi, address: str) -> None:
        first, second = await working(api, address), await Talk.to(address)
        first.say("POST", ANSWER, b"1", size=2)
        await until(api._report_lock.locked)
        second.say("POST", ANSWER, b"2")
        assert (await second.hear())[0] == 403
        if leaves:
            await first.close()
            await until(lambda: not api._report_lock.locked())
            second.say("POST", ANSWER, b"3")
            assert (await second.hear())[0] == 202
        else:
            first.write(b"1")
            assert (await first.hear())[0] == 202
            await first.close()
        assert await api.events.get() == Returned(Body(b"3", 1) if leaves else Body(b"11", 2))
        assert api.events.empty()
        await second.close()

    with_api(test)


def test_a_poll_may_arrive_before_the_end_of_a_stream():
    """The two may use different connections, as those of aws-lambda-ric do."""

    async def test(api: RuntimeApi, address: str) -> None:
        asking, streaming = await working(api, address), await Talk.to(address)
        mode = "Lambda-Runtime-Function-Response-Mode: streaming"
        streaming.say("POST", ANSWER, b"a", mode, size=2)
        assert await api.events.get() == Streaming(b"a")
        asking.say("GET", NEXT)
        streaming.write(b"b")
        assert (await streaming.hear())[0] == 202
        assert [await api.events.get() for _ in range(3)] == [Streaming(b"b"), Streamed(None), Ready()]
        await api.deliver(delivery("two"), 0)
        assert (await asking.hear())[1]["lambda-runtime-aws-request-id"] == "two"
        await asking.close()
        await streaming.close()

    with_api(test)


def test_an_initialization_error_is_accepted_before_the_first_invocation_only():
    """Until then it is, even during a poll."""

    async def test(api: RuntimeApi, address: str) -> None:
        asking, failing = await Talk.to(address), await Talk.to(address)
        asking.say("GET", NEXT)
        assert await api.events.get() == Ready()
        failing.say("POST", INIT_ERROR, b"{}")
        assert (await failing.hear())[0] == 202
        assert await api.events.get() == InitFailed(Body(b"{}", 2))
        await api.deliver(delivery("one"), 0)
        await asking.hear()
        failing.say("POST", INIT_ERROR, b"{}")
        assert (await failing.hear())[0] == 403
        assert api.events.empty()
        await asking.close()
        await failing.close()

    with_api(test)


@needs_linux
def test_a_process_that_cannot_be_inspected_needs_the_secret(monkeypatch):
    """Such as a program with capabilities: the system hides its descriptors."""
    listdir = os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if str(path).endswith("/fd"):
            raise PermissionError(path)
        return listdir(path)

    async def test(api: RuntimeApi, address: str) -> None:
        assert _connection_owner.is_supported()
        monkeypatch.setattr(os, "listdir", refuse)
        without, having = await Talk.to(bare(address)), await Talk.to(address)
        without.say("GET", NEXT)
        assert (await without.hear())[0] == 403
        having.say("GET", NEXT)
        assert await api.events.get() == Ready()
        await without.close()
        await having.close()

    with_api(test)


@needs_linux
def test_a_report_of_an_ended_process_counts():
    """Nobody holds its end of the connection any more, and it has not waited for the response."""
    code = (
        "import socket, sys\n"
        "host, port = sys.argv[1].split(':')\n"
        "talk = socket.create_connection((host, int(port)))\n"
        f"talk.sendall(b'POST {INIT_ERROR} HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}')\n"
    )

    async def run() -> None:
        api = RuntimeApi("function")
        address = await api.open(with_path=False)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, address)
        await process.wait()
        api.serve_process(process.pid)
        async with asyncio.timeout(60):
            assert await api.events.get() == InitFailed(Body(b"{}", 2))
        await api.close()

    asyncio.run(run())
