"""The queue on disk: no accepted event is lost, however the endpoint ends."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.events import EventState, new_event_state
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.local._event_queue import EventQueue

FUNCTIONS = Path(__file__).parent / "functions"
EVENTS = 1_000

KILLED = """
import http.client, json, sys, time
from lambdachain.local import LocalEndpoint, LocalFunction

keep = LocalFunction(
    "keep", "app.keep", directory={functions!r}, timeout=60, environment={{"KEEP": {kept!r}}}, max_sandboxes=2
)
with LocalEndpoint([keep], queue={queue!r}) as endpoint:
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"))
    for number in range({events}):
        headers = {{"X-Amz-Invocation-Type": "Event"}}
        connection.request("POST", "/2015-03-31/functions/keep/invocations", str(number), headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 202
    print("fired", flush=True)
    time.sleep(600)
"""


def delivery(number=1, function="orders"):
    """Create an event."""
    return Delivery(f"id-{number}", f"arn:{function}", "Root=1", b"{}", tenant_id="blue")


def test_killed_with_events_in_the_queue(tmp_path, eventually):
    """An endpoint that is killed with 1,000 events in its queue delivers all of them after a restart."""
    kept, queue = tmp_path / "kept", tmp_path / "events.db"
    kept.mkdir()
    script = KILLED.format(functions=str(FUNCTIONS), kept=str(kept), queue=str(queue), events=EVENTS)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as endpoint:
        assert "fired\n" == endpoint.stdout.readline()
        endpoint.kill()
    before = numbers(kept)

    keep = LocalFunction("keep", "app.keep", directory=FUNCTIONS, timeout=60, environment={"KEEP": str(kept)})
    with LocalEndpoint([keep], queue=queue, clock="virtual") as endpoint:
        endpoint.deliver()

    assert len(set(before)) < EVENTS, "the endpoint was killed too late for the test to mean anything"
    assert set(range(EVENTS)) == set(numbers(kept))
    # At least once: of those that ran at the kill, two at a time, some may have run twice.
    assert len(numbers(kept)) <= EVENTS + 2


def numbers(kept):
    """Read which events ran, once for each run."""
    return [json.loads(path.read_text())["event"] for path in kept.glob("*.json")]


def test_closed_with_a_retry_pending(client_of, tmp_path):
    """A pending retry runs after a restart, with the right count."""
    ran = tmp_path / "ran"
    ran.mkdir()
    flaky = LocalFunction("flaky", "app.flaky", directory=FUNCTIONS, timeout=30)
    reported = []
    settings = {"queue": tmp_path / "events.db", "clock": "virtual", "observer": reported.append}
    with LocalEndpoint([flaky], **settings) as endpoint:
        event = json.dumps({"directory": str(ran), "failures": 9})
        client_of(endpoint).invoke(FunctionName="flaky", InvocationType="Event", Payload=event)
        endpoint.advance(0)
    with LocalEndpoint([flaky], **settings) as endpoint:
        endpoint.advance(61)

    assert [1, 2] == [each.attempt for each in reported]


def test_without_a_file_nothing_is_kept(client_of, tmp_path):
    """An endpoint without a file starts with an empty queue."""
    flaky = LocalFunction("flaky", "app.flaky", directory=FUNCTIONS, timeout=30)
    endpoint = LocalEndpoint([flaky], clock="virtual")
    with endpoint:
        event = json.dumps({"directory": str(tmp_path), "failures": 9})
        client_of(endpoint).invoke(FunctionName="flaky", InvocationType="Event", Payload=event)
        endpoint.advance(0)
    with endpoint:
        assert 0 == endpoint.deliver()


def test_events_of_an_unknown_function(tmp_path, caplog):
    """Events of a function that is not served stay in the queue, and it is logged."""
    queue = EventQueue(tmp_path / "events.db")
    queue.put("gone", delivery(), new_event_state(0), None)
    queue.close()
    echo = LocalFunction("echo", "app.echo", directory=FUNCTIONS, timeout=30)
    with LocalEndpoint([echo], queue=tmp_path / "events.db", clock="virtual") as endpoint:
        assert 0 == endpoint.deliver()

    queue = EventQueue(tmp_path / "events.db")
    assert "events for gone stay in the queue: this endpoint has no such function" in caplog.messages
    assert 1 == len(queue)
    queue.close()


def test_file_in_use(tmp_path):
    """Two endpoints cannot share a queue: the second does not start, with the reason."""
    echo = LocalFunction("echo", "app.echo", directory=FUNCTIONS, timeout=30)
    with LocalEndpoint([echo], queue=tmp_path / "events.db"):
        other = LocalEndpoint([echo], queue=tmp_path / "events.db")
        with pytest.raises(OSError, match=r"cannot keep events in .*events\.db: another endpoint uses this file"):
            other.start()


def test_file_that_is_not_a_queue(tmp_path):
    """Any other file is left unchanged."""
    content = b"not a database, but long enough to be looked at\n" * 100
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    echo = LocalFunction("echo", "app.echo", directory=FUNCTIONS, timeout=30)
    with pytest.raises(OSError, match=r"cannot keep events in .*notes\.txt: file is not a database"):
        LocalEndpoint([echo], queue=path).start()

    assert content == path.read_bytes()


def test_order_and_due():
    """The event that is due first comes first; one that is not due yet, or is in flight, does not."""
    queue = EventQueue(None)
    for number, due in ((1, 5.0), (2, 3.0), (3, 9.0)):
        queue.put("orders", delivery(number), EventState(0.0, due), caller="parent")

    first, second, none = (queue.take(["orders"], 6.0) for _ in range(3))
    assert (["id-2", "id-1"], None) == ([first.delivery.request_id, second.delivery.request_id], none)
    assert ("parent", delivery(2)) == (first.caller, first.delivery)
    assert 9.0 == queue.next_due(["orders"])
    assert (None, ["orders"]) == (queue.next_due(["other"]), queue.unknown_functions(["other"]))

    queue.put_back(first, EventState(0.0, 7.0, runs=1))
    assert EventState(0.0, 7.0, runs=1) == queue.take(["orders"], 8.0).state
    queue.close()


def test_ending_is_atomic():
    """An event leaves the queue together with the events that follow from it, or not at all."""
    queue = EventQueue(None)
    queue.put("orders", delivery(), new_event_state(0), None)
    event = queue.take(["orders"], 0)
    with pytest.raises(sqlite3.IntegrityError), queue.completing(event):
        queue.put("other", replace(delivery(2), payload=None), new_event_state(0), None)
    assert 1 == len(queue)

    with queue.completing(event):
        queue.put("other", delivery(2), new_event_state(0), "orders")
    assert (["other"], 1) == (queue.unknown_functions([]), len(queue))
    queue.close()


def test_only_its_owner_reads_a_queue(tmp_path):
    """That includes the files that SQLite keeps next to it."""
    before = os.umask(0)
    try:
        queue = EventQueue(tmp_path / "events.db")
        queue.put("orders", delivery(), new_event_state(0.0), None)
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
        queue.close()
        (tmp_path / "events.db").chmod(0o644)
        queue = EventQueue(tmp_path / "events.db")
        queue.put("orders", delivery(), new_event_state(0.0), None)
        assert len(queue) == 2
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
        queue.close()
    finally:
        os.umask(before)


def test_a_queue_does_not_follow_a_broken_link(tmp_path):
    """It would create a file that somebody else chose."""
    (tmp_path / "events.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"cannot keep events in .*events\.db: it is a broken symbolic link"):
        EventQueue(tmp_path / "events.db")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_not_a_queue_is_left_unchanged(tmp_path):
    """The name was a mistake."""
    (tmp_path / "notes.txt").write_text("these are notes " * 100)
    (tmp_path / "notes.txt").chmod(0o644)
    with pytest.raises(OSError, match="file is not a database"):
        EventQueue(tmp_path / "notes.txt")
    assert stat.S_IMODE((tmp_path / "notes.txt").stat().st_mode) == 0o644
