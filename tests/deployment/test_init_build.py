"""SAM builds the project that ``lambdachain init`` writes: `make deployed` runs this, with the tools that deploy.

``LAMBDACHAIN_DEPLOY_TOOLS`` is the environment that has ``bin/sam``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdachain import LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

TOOLS = os.environ.get("LAMBDACHAIN_DEPLOY_TOOLS")
QUIET = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.mark.skipif(TOOLS is None, reason="`make deployed` runs these")
def test_each_function_contains_the_contracts_and_lambdachain(
    tmp_path: Path, lambda_endpoint: Callable[..., LocalEndpoint]
):
    """This lambdachain, not another project of that name; what was built runs."""
    project = tmp_path / "shop"
    write = "from lambdachain.cli import main; main()"
    subprocess.run([sys.executable, "-c", write, "init", project], capture_output=True, check=True)
    # SAM installs packages with the interpreter of the function's runtime, which is this one.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ran = subprocess.run(
        [f"{TOOLS}/bin/sam", "build"],
        cwd=project,
        env={**os.environ, **QUIET, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    built = {name: project / ".aws-sam" / "build" / name for name in ("PlaceOrder", "QuotePrice")}
    names = {"LAMBDACHAIN_QUOTE_PRICE": "QuotePrice"}
    lambda_endpoint(
        LocalFunction("PlaceOrder", "orders.handler", directory=built["PlaceOrder"], environment=names),
        LocalFunction("QuotePrice", "prices.handler", directory=built["QuotePrice"]),
    )
    placed = LambdaClient().call("PlaceOrder", {"product": "book", "quantity": 2})

    for directory in built.values():
        assert {each.name for each in directory.iterdir()} >= {"shop_contracts", "pydantic"}
        assert (directory / "lambdachain" / "resolvers.py").is_file()
    assert placed == {"product": "book", "cents": 2500}
