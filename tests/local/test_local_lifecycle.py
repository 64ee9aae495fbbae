"""Starting and stopping, cleanly or not: no process is left, and no secret of the machine is exposed."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lambdachain.local import LocalEndpoint, LocalFunction

FUNCTIONS = Path(__file__).parent / "functions"


def sleeper(**options):
    """Declare a function that sleeps."""
    return LocalFunction("sleep", "app.sleep", directory=FUNCTIONS, timeout=60, **options)


def spawner(**options):
    """Declare a function that starts a process."""
    return LocalFunction("spawn", "app.spawn", directory=FUNCTIONS, timeout=60, **options)


def read_pids(path):
    """Read what the function ``spawn`` has recorded: its own process and its child."""
    return json.loads(path.read_text())


def test_not_running():
    """The URL of an endpoint that is not running is an error with advice."""
    endpoint = LocalEndpoint([sleeper()])

    with pytest.raises(RuntimeError, match=r"not running: use it in a with statement, or call start\(\) first"):
        _ = endpoint.url
    assert "LocalEndpoint(sleep: not running)" == repr(endpoint)
    endpoint.close()


def test_start_and_close_by_hand(client_of):
    """An endpoint can be started, closed and started again; closing twice does nothing."""
    endpoint = LocalEndpoint([sleeper()])
    threads = threading.active_count()
    for _ in range(2):
        assert endpoint.start() is endpoint
        assert client_of(endpoint).invoke(FunctionName="sleep", Payload=b'{"seconds": 0}')["Payload"].read().isdigit()
        endpoint.close()
        endpoint.close()

    assert threads >= threading.active_count()


def test_start_twice():
    """Starting a running endpoint is refused."""
    with LocalEndpoint([sleeper()]) as endpoint, pytest.raises(RuntimeError, match="already running, at http://127"):
        endpoint.start()


def test_arn():
    """ARNs have the account and region of the endpoint."""
    endpoint = LocalEndpoint([sleeper()], account_id="111122223333", region="cn-north-1")

    assert "arn:aws-cn:lambda:cn-north-1:111122223333:function:sleep" == endpoint.arn("sleep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"account_id": "12"}, "invalid account id '12': expected text of 12 digits", id="account"),
        pytest.param({"region": "Mars"}, "invalid region 'Mars'", id="region"),
    ],
)
def test_bad_location(options, message):
    """An account or region that is not valid in an ARN is refused immediately."""
    with pytest.raises(ValueError) as caught:
        LocalEndpoint([sleeper()], **options)

    assert str(caught.value).startswith(message)


def test_port_in_use():
    """The message names a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            LocalEndpoint([sleeper()], port=port).start()


def test_all_interfaces():
    """An endpoint that listens on all interfaces passes its functions an address that they can call."""
    with LocalEndpoint([sleeper()], host="0.0.0.0") as endpoint:  # noqa: S104
        assert endpoint.url.startswith("http://127.0.0.1:")


def test_close_kills_idle_processes(client_of, is_running):
    """No process is left when an endpoint has closed."""
    with LocalEndpoint([sleeper()]) as endpoint:
        pid = int(client_of(endpoint).invoke(FunctionName="sleep", Payload=b'{"seconds": 0}')["Payload"].read())
        assert is_running(pid)

    assert not is_running(pid)


@pytest.mark.parametrize("invocation_type", ["RequestResponse", "Event"])
def test_close_with_a_call_in_flight(invocation_type, is_running, eventually, tmp_path):
    """Closing does not wait for calls in flight: their callers lose the connection, their processes die."""
    path = tmp_path / "pids.json"
    with LocalEndpoint([spawner()]) as endpoint:
        connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=60)
        event = json.dumps({"path": str(path), "seconds": 600})
        headers = {"X-Amz-Invocation-Type": invocation_type}
        connection.request("POST", "/2015-03-31/functions/spawn/invocations", event, headers)
        eventually(path.exists)
        own, child = read_pids(path)

    assert not is_running(own)
    eventually(lambda: not is_running(child))
    if invocation_type == "RequestResponse":
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()
    connection.close()


def test_close_while_processes_start():
    """Closing in the middle of cold starts leaves nothing and does not hang."""
    with LocalEndpoint([sleeper()]) as endpoint:
        connections = [http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=60) for _ in range(4)]
        for connection in connections:
            connection.request("POST", "/2015-03-31/functions/sleep/invocations", b'{"seconds": 600}')

    for connection in connections:
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse()
        connection.close()


KILLED = """
import http.client, json, time
from lambdachain.local import LocalEndpoint, LocalFunction

functions = [LocalFunction(name, f"app.{{name}}", directory={functions!r}, timeout=60) for name in ("sleep", "spawn")]
with LocalEndpoint(functions) as endpoint:
    idle = http.client.HTTPConnection(endpoint.url.removeprefix("http://"))
    idle.request("POST", "/2015-03-31/functions/sleep/invocations", b'{{"seconds": 0}}')
    pid = json.loads(idle.getresponse().read())
    event = json.dumps({{"path": {path!r}, "seconds": 600}})
    headers = {{"X-Amz-Invocation-Type": "Event"}}
    idle.request("POST", "/2015-03-31/functions/spawn/invocations", event, headers)
    idle.getresponse().read()
    print(pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_endpoint_killed(number, is_running, eventually, tmp_path):
    """When the endpoint's own process is killed, idle and busy processes die, and their children too."""
    path = tmp_path / "pids.json"
    script = KILLED.format(functions=str(FUNCTIONS), path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as endpoint:
        idle = int(endpoint.stdout.readline())
        eventually(path.exists)
        pids = [idle, *read_pids(path)]
        assert [True, True, True] == [is_running(pid) for pid in pids]
        endpoint.send_signal(number)

    eventually(lambda: not any(is_running(pid) for pid in pids))


def test_endpoint_never_closed():
    """A program that does not close its endpoint exits nevertheless."""
    script = (
        "from lambdachain.local import LocalEndpoint, LocalFunction\n"
        f"LocalEndpoint([LocalFunction('sleep', 'app.sleep', directory={str(FUNCTIONS)!r})]).start()\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)

    assert 0 == finished.returncode


def test_no_secrets_of_this_machine(monkeypatch, client_of, tmp_path):
    """Functions see no credentials, profile or proxy of this machine, only fake credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-token")
    monkeypatch.setenv("AWS_PROFILE", "canary-profile")
    monkeypatch.setenv("DATABASE_PASSWORD", "canary-password")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = canary-file\naws_secret_access_key = canary-file\n"
    )
    functions = [
        LocalFunction(name, f"app.{name}", directory=FUNCTIONS, timeout=30) for name in ("describe", "credentials")
    ]
    with LocalEndpoint(functions) as endpoint:
        monkeypatch.delenv("AWS_PROFILE")
        client = client_of(endpoint)
        described = client.invoke(FunctionName="describe")["Payload"].read().decode()
        found = json.load(client.invoke(FunctionName="credentials")["Payload"])

    assert "canary" not in described
    assert re.fullmatch("LOCAL[0-9A-F]{15}", found[0])
    assert ["local-secret-access-key", "local-session-token"] == found[1:]


def test_credentials_of_the_function(client_of):
    """A function may have its own credentials."""
    environment = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own", "AWS_SESSION_TOKEN": "own"}
    function = LocalFunction("credentials", "app.credentials", directory=FUNCTIONS, timeout=30, environment=environment)
    with LocalEndpoint([function]) as endpoint:
        found = json.load(client_of(endpoint).invoke(FunctionName="credentials")["Payload"])

    assert ["own", "own", "own"] == found


def test_directory_that_disappears(client_of, tmp_path):
    """A function whose process cannot be started is refused with the reason; the others are served."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with LocalEndpoint([LocalFunction("gone", "app.handler", directory=gone), sleeper()]) as endpoint:
        gone.rmdir()
        client = client_of(endpoint)
        with pytest.raises(ClientError) as caught:
            client.invoke(FunctionName="gone")
        fine = client.invoke(FunctionName="sleep", Payload=b'{"seconds": 0}')["Payload"].read()

    assert ("ServiceException", 500) == (
        caught.value.response["Error"]["Code"],
        caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
    )
    assert "the function's process could not be started: " in caught.value.response["Error"]["Message"]
    assert fine.isdigit()


def test_no_descriptors_leak(client_of, eventually):
    """A crash releases every descriptor of its process."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("this system does not list a process's descriptors")
    with LocalEndpoint([LocalFunction("end", "app.end", directory=FUNCTIONS, timeout=30)]) as endpoint:
        client = client_of(endpoint)
        client.invoke(FunctionName="end", Payload=b'{"os_exit": 1}')["Payload"].read()
        before = len(list(descriptors.iterdir()))
        for _ in range(3):
            client.invoke(FunctionName="end", Payload=b'{"os_exit": 1}')["Payload"].read()

        eventually(lambda: len(list(descriptors.iterdir())) <= before)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param(["aiohttp"], "lambdachain.local needs aiohttp, not installed here", id="aiohttp"),
        pytest.param(["httptools"], "lambdachain.local needs httptools, not installed here", id="httptools"),
        pytest.param(
            ["aiohttp", "awslambdaric"],
            "lambdachain.local needs aiohttp and awslambdaric, not installed here",
            id="both",
        ),
    ],
)
def test_extra_not_installed(missing, message):
    """Without the extra, the import error names the one to install."""
    script = f"import sys\nfor name in {missing}: sys.modules[name] = None\nimport lambdachain.local"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert f"ImportError: {message}: pip install 'lambdachain[local]'" == finished.stderr.splitlines()[-1]


def test_without_http_apis_it_starts_without_aiohttp():
    """Importing it would take a third of the start."""
    script = """
import sys
from lambdachain.local import LocalEndpoint, LocalFunction
with LocalEndpoint([LocalFunction("f", "app.handler")]):
    print("aiohttp" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout == "False\n"
