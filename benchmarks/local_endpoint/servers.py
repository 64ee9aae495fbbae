"""Servers of the Invoke API, each in a process of its own, and the clients that call them."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
from botocore.config import Config

HERE: Final = Path(__file__).parent
# The names of the functions: the emulator knows one only.
WARM, COLD, WAIT, EMULATED = "warm", "cold-{}", "wait", "function"
_MAIN: Final = "from lambdachain.cli import main; main()"


class Server(NamedTuple):
    """A running server."""

    port: int
    pid: int


@contextmanager
def endpoint(python: str, cold: int, together: int) -> Iterator[Server]:
    """Run ``lambdachain serve`` as a user does, with *cold* functions that have never been called.

    *together* is how many calls at a time it accepts: by default, that depends on the cores of the machine.
    """
    names = [WARM, *map(COLD.format, range(cold))]
    limit = ["--concurrency", str(together)]
    functions = [f"{WAIT}=echo.wait", *(f"{name}=echo.handler" for name in names)]
    with _running(lambda port: [python, "-c", _MAIN, "serve", "--port", str(port), *limit, *functions]) as server:
        _await_idle(server.pid)
        yield server


@contextmanager
def emulator(python: str, directory: Path, handler: str = "echo.handler") -> Iterator[Server]:
    """Run AWS's emulator from the ``aws-sam-cli`` that is installed in *directory*, in front of a function."""
    rie = _binary(directory)

    def command(port: int) -> Sequence[str]:
        listen = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        listen += ["--runtime-api-address", f"127.0.0.1:{_free_port(other_than=port)}"]
        return [str(rie), *listen, python, "-m", "awslambdaric", handler]

    with _running(command) as server:
        yield server


@contextmanager
def minimal_server(python: str) -> Iterator[Server]:
    """Run the server that responds immediately."""
    with _running(lambda port: [python, str(HERE / "minimal_server.py"), str(port)]) as server:
        yield server


def client(server: Server, connections: int = 1) -> Any:
    """Create a boto3 client without retries."""
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - nobody looks at it
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=connections),
    )


def memory(server: Server) -> Mapping[str, float]:
    """Return the current and peak memory of a server in MB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(fields[field].split()[0]) / 1024 for name, field in (("now", "VmRSS"), ("most", "VmHWM"))}


def cpu(server: Server) -> float:
    """Return the CPU seconds that the process of a server has taken; its functions are processes of their own."""
    threads = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def start(python: str, number: int) -> float:
    """Return the seconds from the start of ``lambdachain serve`` until it accepts connections, with many functions."""
    functions = [f"{COLD.format(position)}=echo.handler" for position in range(number)]
    begun = time.perf_counter()
    with _running(lambda port: [python, "-c", _MAIN, "serve", "--port", str(port), *functions]):
        return time.perf_counter() - begun


def _binary(directory: Path) -> Path:
    kind = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    return directory / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{kind}"


@contextmanager
def _running(command: Callable[[int], Sequence[str]]) -> Iterator[Server]:
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    process = subprocess.Popen(  # noqa: S603 - what is measured
        command(port),
        cwd=HERE,
        env={**environment, "AWS_LAMBDA_FUNCTION_TIMEOUT": "30"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(port, process)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _free_port(other_than: int = 0) -> int:
    """Return a port on which nothing listens; the kernel may choose one that was chosen, and is not used yet, again."""
    port = other_than
    while port == other_than:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = int(listener.getsockname()[1])
    return port


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen; its status is {process.poll()}")


def _await_idle(pid: int) -> None:
    """Wait until a process and its children have been idle for a second: handlers are tried at the start."""
    stat = Path(f"/proc/{pid}/stat")
    before, idle = "", 0
    while idle < 5:
        time.sleep(0.2)
        used = " ".join(stat.read_text().rpartition(")")[2].split()[11:15])
        idle = idle + 1 if used == before else 0
        before = used
