"""The environment of the measured programs: a server, and the variables of a Lambda function that calls it.

The measured programs trust the server by their own defaults: a fake certifi has botocore's bundle with the server's
authority added, so each program loads what it would load for AWS.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.certificates import write_self_signed

BENCHMARKS = Path(__file__).parent.parent


class Environment(NamedTuple):
    """The interpreter that is measured, and its environment variables."""

    python: str
    variables: dict[str, str]

    def command(self, *arguments: object) -> list[str]:
        """Return the command of a probe."""
        return [self.python, "-m", "cost.probe", *map(str, arguments)]


@contextmanager
def prepare(python: str, sizes: Sequence[int]) -> Iterator[Environment]:
    """Run a server with responses of these sizes, in numbers of items."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with run_server(python, ["-m", "cost.server"], sizes, key) as where:
        yield where


@contextmanager
def run_server(python: str, server: Sequence[str], arguments: Sequence[object], key: Any) -> Iterator[Environment]:
    """Run *server*, which gets a PEM file with *key* and the arguments, and prints its port."""
    with tempfile.TemporaryDirectory() as directory:
        pem = Path(directory, "server.pem")
        _write_bundle(Path(directory, "certifi"), python, write_self_signed(pem, key))
        environment = _environment(directory)
        command = [python, *server, str(pem), *map(str, arguments)]
        running = subprocess.Popen(  # noqa: S603 - our own
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with running:
            assert running.stdin is not None  # noqa: S101 - for type checkers
            assert running.stdout is not None  # noqa: S101
            port = int(running.stdout.readline())
            yield Environment(python, {**environment, "AWS_ENDPOINT_URL_LAMBDA": f"https://127.0.0.1:{port}"})
            running.stdin.close()


def _environment(directory: str) -> dict[str, str]:
    """Return the relevant variables of a function in Lambda, and none of this program's own."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join((directory, str(BENCHMARKS))),
        # The same order of sets and dicts, and so the same number of instructions, in every run.
        "PYTHONHASHSEED": "0",
        "HOME": directory,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
        "AWS_SECRET_ACCESS_KEY": "none",
        # As long as a real token, because it is signed and sent with every request.
        "AWS_SESSION_TOKEN": "none" * 100,
        "_X_AMZN_TRACE_ID": "Root=1-65a1b2c3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0",
        "COST_AUTHORITY": str(Path(directory, "server.pem")),
    }


def _write_bundle(package: Path, python: str, pem: Path) -> None:
    """Write a package certifi whose bundle is that of botocore and the certificate in *pem*."""
    _, begin, certificate = pem.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    found = "import os, botocore; print(os.path.join(os.path.dirname(botocore.__file__), 'cacert.pem'))"
    bundle = subprocess.run([python, "-c", found], capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603
    package.mkdir()
    package.joinpath("cacert.pem").write_bytes(
        Path(bundle).read_bytes() + b'\n# Label: "Amazon Root CA of these measurements"\n' + begin + certificate
    )
    package.joinpath("__init__.py").write_text(f"def where():\n    return {str(package / 'cacert.pem')!r}\n")
