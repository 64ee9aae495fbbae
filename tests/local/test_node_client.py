"""Functions in Node.js, run by the bundled runtime client: compared with AWS's, if that is built."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.local import _runtimes_node as node_runtime

FUNCTIONS: Final = Path(__file__).parent / "functions"
NODE: Final = FUNCTIONS / "node"
OURS: Final = Path(node_runtime.__file__).parent / "node" / "bootstrap.mjs"
REAL: Final = Path(
    os.environ.get(
        node_runtime.RIC_VARIABLE, Path(__file__).parents[2] / ".node-ric" / "node_modules" / "aws-lambda-ric"
    )
)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
needs_real = pytest.mark.skipif(
    not (REAL / "dist" / "rapid-client.node").is_file(), reason="aws-lambda-ric is not built here: make node-ric"
)

EVENT: Final = {"n": 1, "ü": "é"}
ANSWERS: Final[dict[str, object]] = {
    "app.echo": EVENT,
    "app.nothing": None,
    "app.unicode": "grüß dich 🎉 \u2028",
    "app.oddities": {"b": [None], "c": None, "d": "1970-01-01T00:00:00.000Z"},
    "app.nested.handler": "nested",
    "app.byCallback": {"called": EVENT},
    "app.byCallbackAtOnce": "at once",
    "app.byCallbackWhenIdle": "when idle",
    "app.byCallbackTwice": "first",
    "app.thenable": "then",
    "app.promiseAndCallback": "callback",
    "app.failsLater": "answered",
    "app.methods.handler": "the runtime's",
    "app.byDone": "done",
    "app.bySucceed": "succeeded",
    "app.silent": None,
    "app.logs": None,
    "module.handler": {"module": EVENT},
    "esm/app.handler": "a .js file that is a module",
    "script.handler": "a script",
    "folder/app.handler": "in a folder",
}
FAILURES: Final[dict[str, tuple[str, str]]] = {
    "app.byFail": ("TypeError", "failed"),
    "app.byFailWithNothing": ("string", "handled"),
    "app.callbackError": ("RangeError", "called back"),
    "app.callbackText": ("string", "only text"),
    "app.throws": ("OutOfStock", "none left"),
    "app.rejects": ("OutOfStock", "none left"),
    "app.rejectsText": ("string", "text"),
    "app.rejectsNothing": ("string", "handled"),
    "app.rejectsObject": ("object", "[object Object]"),
    "app.rejectsUnreadable": ("TypeError", "Cannot convert object to primitive value"),
    "app.causes": ("Error", "outer"),
    "app.circular": ("Error", "Unable to stringify response body"),
    "app.bigint": ("Error", "Unable to stringify response body"),
    "app.returnsFunction": ("TypeError", "Wrong arguments"),
    "app.returnsUnwritable": ("Error", "Unable to stringify response body"),
    "app.throwsNumber": ("number", "42"),
    "app.aggregates": ("AggregateError", "several"),
    "app.deletes": ("Error", "a%7Fb"),
    "app.uncaught": ("Error", "in a timer"),
    "app.unhandled": ("Runtime.UnhandledPromiseRejection", "Error: nobody waits"),
    "app.exits": ("Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 3"),
    "app.nested": ("Runtime.HandlerNotFound", "app.nested is not a function"),
    "app.notAFunction": ("Runtime.HandlerNotFound", "app.notAFunction is not a function"),
    "app.nope": ("Runtime.HandlerNotFound", "app.nope is undefined or not exported"),
    "folder/../app.echo": (
        "Runtime.MalformedHandlerName",
        (
            "'folder/../app.echo' is not a valid handler name. "
            "Use absolute paths when specifying root directories in handler names."
        ),
    ),
}
BROKEN_MODULES: Final = {
    "raises.js": ("throw new Error('no configuration');", "Error"),
    "requires.js": ("require('no-such-module');", "Runtime.ImportModuleError"),
    "imports.mjs": ("import 'no-such-module';", "Error"),
    "syntax.js": ("exports.handler = async (", "Runtime.UserCodeSyntaxError"),
    "exits.js": ("process.exit(7);", "Runtime.ExitError"),
    "late.mjs": (
        "setTimeout(() => { throw new Error('while loading'); }, 0); await new Promise((r) => setTimeout(r, 500));",
        "Error",
    ),
}


class Answer:
    """What a call gave, without what differs from run to run: ids, times, and lines of the runtime's own in traces."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.failed = "FunctionError" in response
        self.payload = json.loads(self._same(response["Payload"].read().decode()))
        if self.failed and "trace" in self.payload:
            self.payload["trace"] = [line for line in self.payload["trace"] if not _is_of_runtime(line)]
        log = self._same(base64.b64decode(response["LogResult"]).decode()).split("\n")
        self.log = [_without_stack(line) for line in log if not re.match("$|START|END|REPORT|Executing", line)]

    @staticmethod
    def _same(text: str) -> str:
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?=\t)", "TIME", text)
        return re.sub(r"- [^\"\\]*?(handler\.mjs|aws-lambda-ric/dist/index\.mjs)", "- RUNTIME", text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and vars(self) == vars(other)

    __hash__ = None

    def __repr__(self) -> str:
        return repr(vars(self))


def _is_of_runtime(line: str) -> bool:
    return line.startswith("    at ") and "/functions/node/" not in line and "/broken/" not in line


def _without_stack(line: str) -> str:
    """Remove stacks from the error at the end of a log line."""
    words, found, error = line.partition("\t{")
    if not found:
        return line
    return words + json.dumps(json.loads("{" + error, object_hook=lambda fields: {**fields, "stack": None}))


Call = Callable[..., list[Answer]]


@pytest.fixture(name="call")
def _call(client_of: Callable[[LocalEndpoint], Any], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a handler a few times, reusing its process if it survives."""

    def call(handler: str, directory: Path = NODE, *, real: bool = False, times: int = 1) -> list[Answer]:
        if real:
            monkeypatch.setenv(node_runtime.RIC_VARIABLE, str(REAL))
        else:
            monkeypatch.delenv(node_runtime.RIC_VARIABLE, raising=False)
        function = LocalFunction("node", handler, runtime="nodejs", directory=directory, timeout=10)
        context = base64.b64encode(b'{"custom":{"tag":"blue"}}').decode()
        asked = {"FunctionName": "node", "Payload": json.dumps(EVENT), "LogType": "Tail", "ClientContext": context}
        with LocalEndpoint([function]) as endpoint:
            client = client_of(endpoint)
            return [Answer(client.invoke(**asked)) for _ in range(times)]

    return call


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write modules that cannot be loaded."""
    directory = tmp_path_factory.mktemp("node") / "broken"
    directory.mkdir()
    for name, (source, _) in BROKEN_MODULES.items():
        (directory / name).write_text(source)
    return directory


@needs_node
@pytest.mark.parametrize("handler", ANSWERS)
def test_every_way_to_respond_is_accepted(handler: str, call: Call):
    """Promise, callback, context, and no response at all; scripts and modules."""
    [answer] = call(handler)

    assert (answer.failed, answer.payload) == (False, ANSWERS[handler])


@needs_node
@pytest.mark.parametrize("handler", FAILURES)
def test_every_way_to_fail_is_reported(handler: str, call: Call):
    """Type and message as Node's runtime writes them, and a stack trace if there is one."""
    [answer] = call(handler)

    assert answer.failed
    assert (answer.payload["errorType"], answer.payload["errorMessage"]) == FAILURES[handler]
    assert "stackTrace" not in answer.payload


@needs_node
@pytest.mark.parametrize("module", BROKEN_MODULES)
def test_a_module_that_does_not_load_is_a_failure_of_its_call(module: str, call: Call, broken: Path):
    """For any reason."""
    [answer] = call(f"{Path(module).stem}.handler", broken)

    assert (answer.failed, answer.payload["errorType"]) == (True, BROKEN_MODULES[module][1])


@needs_node
def test_a_trace_begins_with_the_error_and_the_users_own_line(call: Call):
    """As Node's runtime writes it: ``trace``, without ``requestId``."""
    [answer] = call("app.throws")

    assert list(answer.payload) == ["errorType", "errorMessage", "trace"]
    assert answer.payload["trace"][0] == "OutOfStock: none left"
    assert re.fullmatch(r"    at exports\.throws \[as handler\] \(.*/app\.js:\d+:\d+\)", answer.payload["trace"][1])


@needs_node
def test_the_context_is_lambdas(call: Call):
    """Its name, version, limits, ids, and the client's context."""
    [answer] = call("app.describe")

    assert answer.payload | {"runtime": "", "traceId": ""} == {
        "name": "node",
        "version": "$LATEST",
        "memory": "128",
        "arn": "arn:aws:lambda:us-east-1:123456789012:function:node",
        "client": {"custom": {"tag": "blue"}},
        "group": "/aws/lambda/node",
        "stream": True,
        "remaining": True,
        "requestId": 36,
        "runtime": "",
        "traceId": "",
    }
    assert answer.payload["traceId"] == "Root="
    assert re.fullmatch(r"AWS_Lambda_nodejs\d+\.x", answer.payload["runtime"])


@needs_node
def test_the_log_has_time_request_and_level(call: Call):
    """One line for each message, with its line feeds replaced."""
    [answer] = call("app.logs")

    assert answer.log == [
        "TIME\tID\tINFO\ta { b: 1 } %s c",
        "TIME\tID\tWARN\ttwo\rlines",
        "TIME\tID\tERROR\te",
        "TIME\tID\tDEBUG\td",
        "TIME\tID\tINFO\t5%",
        "TIME\tID\tTRACE\tt",
    ]


@needs_node
def test_what_a_handler_does_after_its_callback_is_part_of_the_invocation(call: Call):
    """The response waits until nothing is left to do."""
    [answer] = call("app.byCallbackWhenIdle")

    assert answer.log == ["TIME\tID\tINFO\tafter the callback"]


@needs_node
def test_a_process_is_reused(call: Call):
    """Also after errors that a handler throws, but not after those that end the process."""
    assert [answer.payload for answer in call("app.counts", times=3)] == [1, 2, 3]


# The process of app.failsLater ends at some moment of the second call, in which the real client may even crash.
COMPARED: Final = [*(set(ANSWERS) - {"app.failsLater"}), *FAILURES, "app.describe", "app.counts"]


@needs_node
@needs_real
@pytest.mark.parametrize("handler", sorted(COMPARED))
def test_the_real_client_behaves_the_same(handler: str, call: Call):
    """Payload and log, the first time and the second."""
    assert call(handler, times=2) == call(handler, times=2, real=True)


@needs_node
@needs_real
@pytest.mark.parametrize("module", BROKEN_MODULES)
def test_the_real_client_reports_the_same_failed_load(module: str, call: Call, broken: Path):
    """Payload and log."""
    handler = f"{Path(module).stem}.handler"

    assert call(handler, broken) == call(handler, broken, real=True)


# ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class OneInvocation:
    """A Runtime API that serves one invocation and records what is posted, byte for byte, with trailers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def posted(self) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Return the headers, the body and the trailers of the response."""
        stream = self._accept()
        http.client.parse_headers(stream)
        stream.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: application/json\r\n"
            b"Lambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Deadline-Ms: 99999999999999\r\n"
            b"Lambda-Runtime-Trace-Id: Root=1\r\nLambda-Runtime-Invoked-Function-Arn: arn\r\n"
            b"Connection: close\r\n\r\nnull"
        )
        stream.close()
        stream = self._accept()
        headers = dict(http.client.parse_headers(stream).items())
        body = b"".join(self._chunks(stream))
        trailers = dict(http.client.parse_headers(stream).items())
        stream.close()
        return headers, body, trailers

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> Any:
        connection, _ = self._listener.accept()
        connection.settimeout(30)
        stream = connection.makefile("rwb")
        connection.close()
        stream.readline()
        return stream

    @staticmethod
    def _chunks(stream: Any) -> Iterator[bytes]:
        while size := int(stream.readline(), 16):
            yield stream.read(size)
            stream.readline()


def _run_streaming(handler: str, client: Path) -> tuple[dict[str, str], bytes, dict[str, str]]:
    """Run a handler by one of the clients, and return what it posts."""
    api = OneInvocation()
    environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": api.address}
    process = subprocess.Popen(
        ["node", client, handler], cwd=NODE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        headers, body, trailers = api.posted()
    finally:
        process.kill()
        process.wait()
        api.close()
    headers.pop("Host")
    return headers, body, {name: _comparable(name, value) for name, value in trailers.items()}


def _comparable(name: str, value: str) -> Any:
    if not name.endswith("Body"):
        return value
    error = json.loads(base64.b64decode(value))
    return error | {"trace": [line for line in error["trace"] if not _is_of_runtime(line)]}


@needs_node
def test_a_stream_is_sent_in_chunks():
    """Marked as a stream; anything but text and bytes is serialized as JSON."""
    headers, body, trailers = _run_streaming("app.streams", OURS)

    assert headers["Lambda-Runtime-Function-Response-Mode"] == "streaming"
    assert (headers["Content-Type"], headers["Transfer-Encoding"]) == ("application/octet-stream", "chunked")
    assert (body, trailers) == (b'one,{"two":2}', {})


@needs_node
def test_an_http_stream_begins_with_its_status():
    """Eight zero bytes separate it from the body."""
    headers, body, _ = _run_streaming("app.streamsHttp", OURS)

    assert headers["Content-Type"] == "application/vnd.awslambda.http-integration-response"
    assert body == b'{"statusCode":418}' + bytes(8) + b"tea"


@needs_node
@pytest.mark.parametrize(("handler", "sent"), [("app.streamsAndFails", b"one,"), ("app.failsToStream", b"")])
def test_a_stream_that_fails_reports_it_in_trailers(handler: str, sent: bytes):
    """Earlier parts have been sent; the type and body of the error follow."""
    _, body, trailers = _run_streaming(handler, OURS)

    assert body == sent
    assert trailers["Lambda-Runtime-Function-Error-Type"] == "OutOfStock"
    assert trailers["Lambda-Runtime-Function-Error-Body"]["errorMessage"] == "none left"


@needs_node
def test_a_streaming_handler_that_is_not_async_fails():
    """It must be async."""
    _, _, trailers = _run_streaming("app.streamsAtOnce", OURS)

    assert trailers["Lambda-Runtime-Function-Error-Type"] == "string"


@needs_node
@needs_real
@pytest.mark.parametrize("handler", ["streams", "streamsHttp", "streamsAndFails", "failsToStream", "streamsAtOnce"])
def test_the_real_client_streams_the_same(handler: str):
    """Headers, body, trailers."""
    assert _run_streaming(f"app.{handler}", OURS) == _run_streaming(f"app.{handler}", REAL / "bin" / "index.mjs")
