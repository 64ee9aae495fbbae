"""The same baskets through both engines of ``lambdachain map``: this process, and a distributed map in moto.

The function runs in processes of the real runtime client, at the local endpoint; both engines call it there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

from moto_distributed_map import LocalStepFunctions, local_step_functions

from lambdachain.local import LocalEndpoint, LocalFunction

HERE = Path(__file__).parent
TARGET = "basket_contracts:price_basket"
ON_STEP_FUNCTIONS = ("--on", "step-functions", "--role", "arn:aws:iam::123456789012:role/maps", "--bucket", "maps")


@dataclass(frozen=True)
class System:
    """The function, Step Functions and S3 on this machine, and a directory for files."""

    directory: Path
    aws: LocalStepFunctions

    def write_baskets(self, count: int) -> None:
        """Write ``baskets.jsonl``; every tenth basket is empty."""
        baskets = ({"basket_id": f"b-{n}", "cents": [n, 5] if n % 10 else []} for n in range(1, count + 1))
        (self.directory / "baskets.jsonl").write_text("".join(f"{json.dumps(basket)}\n" for basket in baskets))

    def run_map(self, output: str, *options: str) -> str:
        """Run ``lambdachain map`` for the baskets, and return its summary."""
        arguments = ["map", TARGET, "baskets.jsonl", "--output", output, "--concurrency", "8", *options]
        code = "from lambdachain.cli import main; main()"
        variables = {**environ, **self.aws.environment, "PYTHONPATH": str(HERE)}
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code, *arguments],
            cwd=self.directory,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr  # some baskets are empty
        return done.stderr.splitlines()[-1]

    def read(self, name: str) -> dict[int, tuple[object, ...]]:
        """Return the outcome of each line in a file of results or failures, by either engine."""
        lines = (json.loads(line) for line in (self.directory / name).read_text().splitlines())
        return {each["line"]: (each.get("value"), each.get("error"), each.get("execution")) for each in lines}


@contextmanager
def system() -> Generator[System]:
    function = LocalFunction("BasketFunction", "basket_function.handler", directory=HERE, timeout=60)
    with (
        TemporaryDirectory() as directory,
        LocalEndpoint([function]) as endpoint,
        local_step_functions(endpoint.url) as aws,
    ):
        aws.client("s3").create_bucket(Bucket="maps")
        yield System(Path(directory), aws)


def main(count: int = 100) -> None:
    with system() as here:
        here.write_baskets(count)
        print("one process:   ", here.run_map("local.jsonl"))
        print("step functions:", here.run_map("remote.jsonl", *ON_STEP_FUNCTIONS))
        for local in ("local.jsonl", "local.failures.jsonl"):
            remote = local.replace("local", "remote")
            same = here.read(local) == here.read(remote)
            print(f"{local} and {remote} have {'the same outcomes' if same else 'other outcomes'}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
