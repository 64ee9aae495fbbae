"""One endpoint with every function of the tests, called by a real boto3 client and by plain HTTP."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.config import Config

from lambdachain.local import LocalEndpoint, LocalFunction, LocalVersion

FUNCTIONS = Path(__file__).parent / "functions"

BROKEN_MODULES = {
    "bad_import": "import no_such_module_anywhere\n",
    "bad_syntax": "def handler(event, context:\n    return (\n",
    "raises": "print('about to fail')\nraise RuntimeError('no configuration')\n",
    "exits": "import sys\nsys.exit(0)\n",
    "exits_with_7": "import sys\nsys.exit(7)\n",
    "slow": "import time\ntime.sleep(600)\n",
    "leisurely": "import time\ntime.sleep(1.5)\ndef handler(event, context):\n    return 'loaded'\n",
    "no_handler": "",
}


@dataclass(frozen=True)
class Reply:
    """A response over plain HTTP; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="session")
def broken_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the modules that cannot be loaded."""
    directory = tmp_path_factory.mktemp("broken")
    for name, source in BROKEN_MODULES.items():
        (directory / f"{name}.py").write_text(source)
    return directory


@pytest.fixture(scope="session")
def endpoint(broken_modules: Path) -> Iterator[LocalEndpoint]:
    """Serve every function of the tests."""

    def function(name: str, **options: Any) -> LocalFunction:
        settings = {"directory": FUNCTIONS, "timeout": 30, **options}
        return LocalFunction(name, settings.pop("handler", f"app.{name}"), **settings)

    plain = (
        "echo nothing raw credentials fail unserialisable sleep meet end sized measure speak chatter note relay spawn"
    )
    functions = [
        *(function(name) for name in plain.split()),
        function("describe", memory=512, environment={"STAGE": "test", "GREETING": "grüß dich"}),
        function("published", handler="app.describe", versions={"1": LocalVersion()}, aliases={"live": "1"}),
        function("stream", handler="any", runtime="provided", directory=FUNCTIONS / "streaming"),
        function("hasty", handler="app.sleep", timeout=1),
        function("reserved", handler="app.meet", reserved_concurrency=2),
        function("parked", handler="app.note", reserved_concurrency=0),
        function("narrow", handler="app.sleep", max_sandboxes=1),
        function("tenants", handler="app.describe", tenant_isolation=True),
        function("narrow-tenants", handler="app.sleep", max_sandboxes=1, tenant_isolation=True),
        *(
            function(name, handler=f"{name}.handler", directory=broken_modules)
            for name in BROKEN_MODULES
            if name not in ("slow", "leisurely")
        ),
        function("slow", handler="slow.handler", directory=broken_modules, timeout=1),
        function("leisurely", handler="leisurely.handler", directory=broken_modules, timeout=1),
    ]
    with LocalEndpoint(functions) as running:
        yield running


def make_client(endpoint: LocalEndpoint) -> Any:
    """Create a boto3 client for an endpoint, without retries."""
    return boto3.client(
        "lambda",
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
    )


@pytest.fixture(scope="session")
def client(endpoint: LocalEndpoint) -> Any:
    """Create a client of the shared endpoint."""
    return make_client(endpoint)


@pytest.fixture(scope="session")
def client_of() -> Callable[[LocalEndpoint], Any]:
    """Create a client of a test's own endpoint."""
    return make_client


@pytest.fixture(scope="session")
def result(client: Any) -> Callable[..., Any]:
    """Call a function and decode its payload, whether it is a result or a failure."""

    def call(function: str, event: Any = None, **options: Any) -> Any:
        response = client.invoke(FunctionName=function, Payload=json.dumps(event), **options)
        return json.load(response["Payload"])

    return call


@pytest.fixture(scope="session")
def post(endpoint: LocalEndpoint) -> Callable[..., Reply]:
    """Send an Invoke request over plain HTTP."""
    address = urlsplit(endpoint.url)

    def send(
        function: str, body: bytes = b"{}", headers: Mapping[str, str] | None = None, *, query: str = "", path: str = ""
    ) -> Reply:
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        path = path or f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        try:
            connection.request("POST", path + query, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture(scope="session")
def is_running() -> Callable[[int], bool]:
    """Check whether a process is running; a zombie is not."""

    def probe(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            pass
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    return probe


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a function returns something true, and return that."""

    def wait(question: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 90
        while not (answer := question()):
            assert time.monotonic() < deadline, "it did not come to pass in 90 seconds"
            time.sleep(0.01)
        return answer

    return wait
