"""A full disk: events that cannot be stored are rejected, and everything resumes once there is space."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parent / "functions"

PRELUDE = """
import json, logging, os, resource, sys, threading, time
from http.client import HTTPConnection
from pathlib import Path
from lambdachain.local import LocalEndpoint, LocalFunction

logged = []
class Keep(logging.Handler):
    def emit(self, record):
        logged.append(record.getMessage())
logging.getLogger("lambdachain.local").addHandler(Keep())

where, functions, kept = map(Path, sys.argv[1:])
limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
room = where / "room"

def fill():
    if os.path.ismount(where):
        with room.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass
    else:
        biggest = max(path.stat().st_size for path in where.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (biggest, limit))

def free():
    if os.path.ismount(where):
        room.unlink()
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def eventually(question):
    deadline = time.monotonic() + 60
    while not (answer := question()):
        assert time.monotonic() < deadline, (logged, reported)
        time.sleep(0.02)
    return answer

reported = []
def fire(endpoint, function, event):
    connection = HTTPConnection(endpoint.url.removeprefix("http://"))
    connection.request(
        "POST", f"/2015-03-31/functions/{function}/invocations", json.dumps(event), {"X-Amz-Invocation-Type": "Event"}
    )
    response = connection.getresponse()
    answer = [response.status, response.headers.get("x-amzn-ErrorType"), response.read().decode()]
    connection.close()
    return answer

def function(name, handler, **options):
    return LocalFunction(name, f"app.{handler}", directory=functions, timeout=60, **options)
"""

REFUSED = (
    PRELUDE
    + """
with LocalEndpoint([function("keep", "echo")], queue=where / "events.db", observer=reported.append) as endpoint:
    before = fire(endpoint, "keep", 1)
    eventually(lambda: reported)
    fill()
    full = []
    while not full or full[-1][0] == 202:  # a last one may still find room
        full.append(fire(endpoint, "keep", "x" * 200_000))
    accepted = sum(status == 202 for status, *_ in full) + 1
    direct = HTTPConnection(endpoint.url.removeprefix("http://"))
    direct.request("POST", "/2015-03-31/functions/keep/invocations", "2")
    synchronous = direct.getresponse().status
    direct.close()
    free()
    after = fire(endpoint, "keep", 3)
    eventually(lambda: sum(each.status == 200 for each in reported) == accepted + 2)
print(json.dumps({"before": before, "refused": full[-1], "sync": synchronous, "after": after, "logged": logged}))
"""
)

UNDER_WAY = (
    PRELUDE
    + """
go = kept / "go"
waits = LocalFunction("waits", "waits.handler", directory=kept, timeout=60)
(kept / "waits.py").write_text(
    "import pathlib, time\\ndef handler(event, context):\\n"
    "    here = pathlib.Path(event)\\n    (here / context.aws_request_id).touch()\\n"
    "    while not (here / 'go').exists():\\n        time.sleep(0.01)\\n"
)
with LocalEndpoint([waits, function("keep", "echo")], queue=where / "events.db", observer=reported.append) as endpoint:
    before = fire(endpoint, "waits", str(kept))
    eventually(lambda: [path for path in kept.iterdir() if len(path.name) == 36])
    fill()
    while fire(endpoint, "keep", "x" * 200_000)[0] == 202:
        pass
    go.touch()
    eventually(lambda: any(each.function == "waits" for each in reported))
    free()
    after = fire(endpoint, "waits", str(kept))
    eventually(lambda: sum(each.function == "waits" and each.status == 200 for each in reported) == 2)
from lambdachain.local._event_queue import EventQueue
left = len(EventQueue(where / "events.db"))
ran = sum(each.function == "waits" and each.status == 200 for each in reported)
print(json.dumps({"before": before, "after": after, "left": left, "ran": ran, "logged": logged}))
"""
)

GONE = (
    PRELUDE
    + """
queue = where / "events.db"
with LocalEndpoint([function("keep", "echo")], queue=queue, observer=reported.append) as endpoint:
    before = fire(endpoint, "keep", 1)
    eventually(lambda: reported)
    queue.unlink()
    gone = fire(endpoint, "keep", 2)
print(json.dumps({"before": before, "refused": gone, "logged": logged}))
"""
)


@pytest.fixture(name="run", params=["a file that may not grow", "a full file system"])
def _run(request, tmp_path):
    """Run a script with a small disk: a limit on file sizes, or a file system in memory."""
    where, kept = tmp_path / "disk", tmp_path / "kept"
    where.mkdir()
    kept.mkdir()
    mounted = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=512k tmpfs {where} && exec "$@"', "sh"]
    wrapped = mounted if request.param == "a full file system" else []
    if wrapped:
        try:
            subprocess.run([*wrapped, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("nobody but root may mount a file system")

    def run(script):
        ran = subprocess.run(
            [*wrapped, sys.executable, "-c", script, str(where), str(FUNCTIONS), str(kept)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


def is_rejection(answer):
    """Check whether a response says that Lambda did not accept the event."""
    status, error_type, body = answer
    return (status, error_type, json.loads(body)["Type"]) == (500, "ServiceException", "Service")


def test_events_while_the_disk_is_full(run):
    """``fire`` gets Lambda's own error, calls keep working, events resume once there is space; it is logged once."""
    reported = run(REFUSED)

    assert [202, None, ""] == reported["before"] == reported["after"]
    assert is_rejection(reported["refused"])
    assert 200 == reported["sync"]
    assert 1 == sum("cannot keep events in" in line for line in reported["logged"])
    assert 1 == sum("the event queue can be written again" in line for line in reported["logged"])
    assert not any("xxxx" in line for line in reported["logged"])


def test_an_event_that_ends_while_the_disk_is_full(run):
    """It is not delivered again, and leaves the queue once there is space to write that."""
    reported = run(UNDER_WAY)

    assert [202, None, ""] == reported["after"]
    assert 2 == reported["ran"]
    assert reported["left"] <= 1  # what had just been accepted, perhaps


def test_a_queue_that_was_deleted(run):
    """SQLite would keep the events in a file without a name, lost with the process: they are rejected."""
    reported = run(GONE)

    assert is_rejection(reported["refused"])
    assert any("the file was deleted or replaced" in line for line in reported["logged"])
