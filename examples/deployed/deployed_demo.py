"""What each template deploys, served here by ``lambdachain serve`` and called once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from lambdachain import BotoTransport, LambdaClient

HERE = Path(__file__).parent
CALLER = {
    "sam/template.yaml": "Checkout:live",
    "serverless/serverless.yml": "deployed-dev-checkout",
    "terraform/lambdachain.toml": "checkout:live",
}
BASKET = {"order_id": "A-1", "products": {"Keyboard": 2, "Monitor": 1}}


@contextmanager
def system() -> Generator[Path]:
    """Copy the system, and package its code without dependencies: this environment has them."""
    with TemporaryDirectory() as directory:
        copy = Path(directory) / "deployed"
        shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("build", "cdk.out", ".*", "__pycache__"))
        build = [sys.executable, "build.py", "--only-code"]
        subprocess.run(build, cwd=copy, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        yield copy


@contextmanager
def serve(file: Path) -> Generator[dict[str, Any]]:
    """Run ``lambdachain serve`` until the end of the block; return the environment that it prints for callers."""
    command = [sys.executable, "-c", "from lambdachain.cli import main; main()", "serve", str(file)]
    command += ["--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            messages = map(json.loads, process.stdout or ())
            yield next(message["environment"] for message in messages if message["type"] == "serving")
        finally:
            process.terminate()
            process.communicate()


def local_client(environment: dict[str, str]) -> LambdaClient:
    session = boto3.Session(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    return LambdaClient(BotoTransport(session=session, endpoint_url=environment["AWS_ENDPOINT_URL_LAMBDA"]), timeout=30)


def main() -> None:
    with system() as directory:
        for file, caller in CALLER.items():
            with serve(directory / file) as environment, local_client(environment) as client:
                receipt = client.call(caller, BASKET, response=dict[str, str])
                print(f"{file}: {caller} returned {receipt['text']!r}")


if __name__ == "__main__":
    main()
