"""Handlers that do what the tests ask of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import boto3
from botocore.config import Config

print("the module is loaded")

calls = count(1)


def echo(event, context):
    """Return the event."""
    return event


def nothing(event, context):
    """Return None."""
    return None  # noqa: RET501 - what the test is about


def raw(event, context):
    """Return bytes, which the runtime sends as they are."""
    return b'{"made": "by hand"}'


def describe(event, context):
    """Return everything that a function can know."""
    client_context = context.client_context
    return {
        "event": event,
        "calls": next(calls),
        "pid": os.getpid(),
        "request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "tenant_id": context.tenant_id,
        "custom": client_context.custom if client_context else None,
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
    }


def credentials(event, context):
    """Return the credentials that boto3 finds."""
    found = boto3.Session().get_credentials().get_frozen_credentials()
    return [found.access_key, found.secret_key, found.token]


def fail(event, context):
    """Raise, from *deep* calls down where asked to."""
    if event.get("deep"):
        fail_deep(event["deep"])
    raise LookupError(event.get("message", "no such order"))


def fail_deep(depth):
    """Raise *depth* calls further down."""
    if depth:
        fail_deep(depth - 1)
    raise LookupError("deep down")


def unserialisable(event, context):
    """Return what cannot be JSON."""
    return {1, 2}


def sleep(event, context):
    """Sleep for *seconds*."""
    time.sleep(event["seconds"])
    return os.getpid()


def meet(event, context):
    """Wait until *number* callers are here at the same time."""
    here = Path(event["directory"])
    (here / context.aws_request_id).touch()
    while len(list(here.iterdir())) < event["number"]:
        time.sleep(0.01)
    return os.getpid()


def end(event, context):
    """End the process in one of many ways, or live on."""
    print("the end is near")
    match event:
        case {"sys_exit": status}:
            sys.exit(status)
        case {"os_exit": status}:
            os._exit(status)
        case {"signal": number}:
            os.kill(os.getpid(), number)
        case {"interrupt": _}:
            raise KeyboardInterrupt
        case {"after": seconds}:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)
    return os.getpid()


def sized(event, context):
    """Return text that is *bytes* long as JSON."""
    return "x" * (event["bytes"] - 2)


def measure(event, context):
    """Return the length of the event."""
    return len(event)


def speak(event, context):
    """Print *lines* and one more to standard error."""
    for line in event["lines"]:
        print(line)
    print("to standard error", file=sys.stderr)


def chatter(event, context):
    """Print *bytes* of text."""
    print("x" * event["bytes"])


def note(event, context):
    """Leave the event and what came with it in a file."""
    custom = context.client_context.custom if context.client_context else None
    seen = {"event": event, "custom": custom, "request_id": context.aws_request_id}
    path = Path(event["path"])
    path.with_suffix(".part").write_text(json.dumps(seen))
    path.with_suffix(".part").rename(path)


def relay(event, context):
    """Call another function the way any function on AWS would."""
    client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    response = client.invoke(FunctionName=event["function"], Payload=json.dumps(event["payload"]))
    return {"answer": json.load(response["Payload"]), "failed": "FunctionError" in response}


def spawn(event, context):
    """Start a process that would outlive this one, and sleep or end."""
    child = subprocess.Popen(["sleep", "600"])
    path = Path(event["path"])
    path.with_suffix(".part").write_text(json.dumps([os.getpid(), child.pid]))
    path.with_suffix(".part").rename(path)
    if "status" in event:
        os._exit(event["status"])
    time.sleep(event.get("seconds", 0))
    child.returncode = 0


def hungry(event, context):
    """Allocate *mb* megabytes of memory, here or in a child, and keep them for a second."""
    if event.get("child"):
        script = f"import time; held = b'x' * ({event['mb']} << 20); time.sleep(1)"
        return subprocess.run([sys.executable, "-c", script], check=False).returncode
    held = b"x" * (event["mb"] << 20)
    time.sleep(1)
    return len(held)


def descend(event, context):
    """Call the functions of *route* in a loop; return how deep that goes."""
    route = event["route"]
    following = route[(route.index(context.function_name) + 1) % len(route)]
    client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    try:
        response = client.invoke(FunctionName=following, Payload=json.dumps({**event, "depth": event["depth"] + 1}))
    except client.exceptions.RecursiveInvocationException as stopped:
        return {"depth": event["depth"], "words": str(stopped)}
    return json.load(response["Payload"])


def echoing_events(event, context):
    """Fire the same event at itself, and leave a file for each time it ran."""
    (Path(event["directory"]) / context.aws_request_id).touch()
    boto3.client("lambda").invoke(FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(event))


def flaky(event, context):
    """Leave a file for each time it ran, and fail the first *failures* times."""
    here = Path(event["directory"])
    (here / f"{time.time_ns()}-{os.getpid()}").touch()
    if len(list(here.iterdir())) <= event["failures"]:
        raise LookupError("not yet")
    return "at last"


def keep(event, context):
    """Leave the event in a file of its own, named by the request."""
    path = Path(os.environ["KEEP"]) / f"{context.aws_request_id}-{time.time_ns()}"
    path.with_suffix(".part").write_text(json.dumps({"event": event, "arn": context.invoked_function_arn}))
    path.with_suffix(".part").rename(path.with_suffix(".json"))
    return "kept"
