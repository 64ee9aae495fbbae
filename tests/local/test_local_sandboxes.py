"""How processes are started, reused and replaced."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError


def test_reuse(result):
    """The process of one call serves the next, and keeps its module's state."""
    first, second = result("describe"), result("describe")

    assert (first["pid"], first["calls"] + 1) == (second["pid"], second["calls"])


def test_concurrent_calls(result, tmp_path):
    """Concurrent calls run at the same time, each in its own process."""
    event = {"directory": str(tmp_path), "number": 8}

    with ThreadPoolExecutor(8) as threads:
        pids = list(threads.map(lambda _: result("meet", event), range(8)))

    assert 8 == len(set(pids))


@pytest.mark.parametrize(
    ("function", "fatal"),
    [
        pytest.param("end", {"os_exit": 3}, id="exit"),
        pytest.param("end", {"signal": 9}, id="killed"),
    ],
)
def test_replaced_after_crash(result, function, fatal):
    """The call after a crash is served by a new process."""
    before = result(function, {})
    crash = result(function, fatal)
    after = result(function, {})

    assert "Runtime.ExitError" == crash["errorType"]
    assert before != after
    assert isinstance(after, int)


def test_replaced_after_timeout(result, is_running):
    """A process that timed out is dead when its caller gets the response; the next call has a new one."""
    before = result("hasty", {"seconds": 0})
    timeout = result("hasty", {"seconds": 60})
    after = result("hasty", {"seconds": 0})

    assert "Sandbox.Timedout" == timeout["errorType"]
    assert before != after
    assert not is_running(before)


def test_replaced_after_dying_while_idle(result, eventually, is_running):
    """A process that ends between two calls affects neither of them."""
    before = result("end", {})
    os.kill(before, signal.SIGKILL)
    eventually(lambda: not is_running(before))
    after = result("end", {})

    assert isinstance(after, int)
    assert before != after


def test_call_racing_with_an_idle_death(result):
    """Of calls made while idle processes die, each gets a result or AWS's error for a crash; none hangs."""
    answers = [result("end", {"after": 0.001 * n}) for n in range(10)]

    assert all(isinstance(answer, int) or answer["errorType"] == "Runtime.ExitError" for answer in answers)


def test_killed_with_its_children(result, eventually, is_running, tmp_path):
    """Processes that a crashed function has started die with it."""
    path = tmp_path / "pids.json"
    result("spawn", {"path": str(path), "status": 1})

    own, child = json.loads(path.read_text())
    eventually(lambda: not is_running(own) and not is_running(child))


def test_tenants_are_kept_apart(result):
    """A process that has served one tenant never serves another."""
    first = result("tenants", TenantId="tenant-a")
    second = result("tenants", TenantId="tenant-b")
    again = result("tenants", TenantId="tenant-a")

    assert first["pid"] != second["pid"]
    assert first["pid"] == again["pid"]


def test_reserved_concurrency(client, result, eventually, tmp_path):
    """A call beyond the reserved concurrency is throttled, and accepted once a permit is free."""
    event = {"directory": str(tmp_path), "number": 3}

    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(result, "reserved", event) for _ in range(2)]
        eventually(lambda: len(list(tmp_path.iterdir())) == 2)
        with pytest.raises(ClientError) as caught:
            result("reserved", event)
        (tmp_path / "third").touch()
        pids = {call.result() for call in running}

    assert "ReservedFunctionConcurrentInvocationLimitExceeded" == caught.value.response["Reason"]
    assert result("reserved", event) in pids


def test_max_sandboxes(result):
    """Calls beyond the number of processes wait for one, and all are served."""
    with ThreadPoolExecutor(4) as threads:
        pids = list(threads.map(lambda _: result("narrow", {"seconds": 0.02}), range(4)))

    assert 1 == len(set(pids))


def test_max_sandboxes_with_tenants(result, is_running):
    """With one process allowed, that of another tenant makes room."""
    first = result("narrow-tenants", {"seconds": 0}, TenantId="a")
    second = result("narrow-tenants", {"seconds": 0}, TenantId="b")

    assert first != second
    assert not is_running(first)


def test_response_too_large_ends_the_process(result, client):
    """After an oversize response the function is served by a new process."""
    too_large = result("sized", {"bytes": 7_000_000})
    fine = result("sized", {"bytes": 10})

    assert ("Function.ResponseSizeTooLarge", "xxxxxxxx") == (too_large["errorType"], fine)
