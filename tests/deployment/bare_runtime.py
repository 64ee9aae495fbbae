"""An interpreter with Lambda's runtime client and nothing else, so that a package has to bring what it imports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import boto3

from lambdachain import BotoTransport, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction

# In the caller's package: the caller's own response, and which modules it could import.
PROBE = """
import sys
from importlib.util import find_spec

import checkout_function


def handler(event, context):
    modules = ("boto3", "botocore", "urllib3", "certifi", "lambdachain")
    receipt = checkout_function.handler(event, context)
    return {"receipt": receipt, "found": [name for name in modules if find_spec(name)], "pydantic": pydantic()}


def pydantic():
    return sys.modules["pydantic"].__file__
"""


def find_requirements(names: Iterable[str]) -> set[str]:
    """Return the names of distributions and of all that they require here, extras apart."""
    found = set[str]()
    wanted = [*names]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            needed = [one for one in distribution(name).requires or () if ";" not in one]
            wanted += [re.split(r"[^\w.-]", one)[0] for one in needed]
    return found


def link_distributions(names: Iterable[str], directory: Path) -> None:
    """Put distributions of this environment, and what they require, into a directory, by symbolic links."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in find_requirements(names):
        found = distribution(name)
        site = Path(str(found.locate_file("")))
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (directory / top).symlink_to(site / top)


def make_interpreter(directory: Path) -> str:
    """Create an environment whose only packages are those of the runtime; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "python"], check=True)
    link_distributions(["awslambdaric"], directory / "runtime")
    [site] = (directory / "python").glob("lib/python*/site-packages")
    (site / "runtime.pth").write_text(f"{directory / 'runtime'}{os.linesep}")
    return str(directory / "python" / "bin" / "python")


def call_checkout(checkout: Path, pricing: Path, interpreter: str) -> Any:
    """Serve two packages in processes of the runtime client, and call the first, which calls the second."""
    (checkout / "probe.py").write_text(PROBE)
    environment = {"PRICING_FUNCTION": "pricing"}
    functions = [
        LocalFunction(
            "checkout", "probe.handler", directory=checkout, environment=environment, python=interpreter, timeout=30
        ),
        LocalFunction("pricing", "pricing_function.handler", directory=pricing, python=interpreter, timeout=30),
    ]
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    with (
        LocalEndpoint(functions) as endpoint,
        LambdaClient(BotoTransport(session=session, endpoint_url=endpoint.url), timeout=60) as client,
    ):
        return client.call("checkout", {"order_id": "A-1", "products": {"Keyboard": 2}})
