"""Draw the pictures of terminal sessions in README and the pages, each from a real run: ``make pictures``.

The commands run in a terminal of 118 columns, in an empty directory. Durations and request ids are those of the run;
the port is shown as the usual one, 9001, which may be in use while this runs.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import boto3
from rich.console import Console
from rich.text import Text

from tests.support.dry_run_server import serve_dry_runs
from tests.support.terminal import Terminal

HERE: Final = Path(__file__).parent
WIDTH: Final = 118
CTRL_C: Final = b"\x03"
PROMPT: Final = "\x1b[1;32m$\x1b[0m "
# The pages have the same files: run-a-system-locally.md, map-a-file.md, ask-the-doctor.md.
SYSTEM: Final = {
    "template.yaml": """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Handler: app.handler, Timeout: 10}
Resources:
  PlaceOrder:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: orders, Environment: {Variables: {CHARGE_FUNCTION: !Ref Charge}}}
  Charge:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: charge, AutoPublishAlias: live}
""",
    "orders/app.py": """
import json, os, boto3

client = boto3.client("lambda")

def handler(event, context):
    answer = client.invoke(FunctionName=os.environ["CHARGE_FUNCTION"], Payload=json.dumps(event))
    return {"placed": json.load(answer["Payload"])["charged"]}
""",
    "charge/app.py": """
def handler(event, context):
    print("charging", event["cents"])
    return {"charged": event["cents"] > 0}
""",
}
BILLING: Final = {
    "billing_contracts.py": """
from pydantic import BaseModel
from lambdachain import Contract

class Order(BaseModel):
    order_id: str
    cents: int

class Charge(BaseModel):
    charge_id: str

charge = Contract("billing-charge", request=Order, response=Charge)
""",
    "app.py": """
import time
from billing_contracts import Charge, Order, charge
from lambdachain import remote

@remote(charge)
def handler(order: Order) -> Charge:
    time.sleep(0.02)
    if order.cents == 13:
        raise ValueError("unlucky")
    return Charge(charge_id=f"c-{order.order_id}")
""",
    "orders.jsonl": "".join(f'{{"order_id": "o-{number}", "cents": {number}}}\n' for number in range(1500)),
}
CALLER: Final = {
    "src/app.py": """
from lambdachain import Contract, LambdaClient, remote

charge = Contract("DeniedCharge", request=int, response=str, qualifier="live")
client = LambdaClient()

@remote("orders-place")
def handler(cents: int) -> str:
    client.fire("Archive", cents)
    return client.call(charge, cents)
""",
}


def record_serve(directory: Path, environment: dict[str, str]) -> Iterator[str]:
    """Serve two functions, one of which calls the other."""
    _write(directory, SYSTEM)
    with _run("lambdachain serve --port 0", directory, environment) as terminal:
        terminal.show("Ctrl-C")
        _client(terminal).invoke(FunctionName="PlaceOrder", Payload=b'{"cents": 500}')
        _client(terminal).invoke(FunctionName="PlaceOrder", Payload=b'{"cents": 700}')
        terminal.show("(?s)charging.* 700.*RequestResponse.*RequestResponse.*\n")
        shown = terminal.shown.replace("\r", "")
        terminal.press(CTRL_C)
        terminal.end()
    yield f"{PROMPT}lambdachain serve\n{shown}"


def record_map(directory: Path, environment: dict[str, str]) -> Iterator[str]:
    """Map a file: the progress bar in the middle, and the end."""
    _write(directory, BILLING)
    command = "lambdachain map billing_contracts:charge orders.jsonl --output charged.jsonl"
    with _run("lambdachain serve --port 0 billing-charge=app.handler", directory, environment) as server:
        export = server.show(r"export (.*)\r?\n")[1]
        server.show("Ctrl-C")
        shown = _show(command, directory, {**environment, **dict(re.findall(r"(\w+)=(\S+)", export))})
        server.press(CTRL_C)
        server.end()
    frames = [frame for frame in re.split(r"\r", shown) if "/1500 " in frame]
    end = re.split(r"\r", shown)[-1]
    yield f"{PROMPT}{command}\n{frames[len(frames) // 2].rstrip()}\n{end.lstrip()}"
    first, second, *_ = (directory / "charged.jsonl").read_text().splitlines()
    yield f"{PROMPT}head -n 2 charged.jsonl\n{first}\n{second}\n"


def record_doctor(directory: Path, environment: dict[str, str]) -> Iterator[str]:
    """Ask the doctor about code, one of whose callees may not be invoked."""
    _write(directory, CALLER)
    with serve_dry_runs() as (url, _):
        keys = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
        settings = {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_REGION": "eu-west-1", **keys}
        shown = _show("lambdachain doctor src", directory, {**environment, **settings})
        yield f"{PROMPT}lambdachain doctor src\n{shown}"


def draw(text: str, title: str) -> str:
    """Draw what a terminal shows as SVG, without fonts from the network."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title=title, unique_id=title.replace(" ", "-"))
    return re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text.lstrip("\n"))


def _run(command: str, directory: Path, environment: dict[str, str]) -> Terminal:
    return Terminal(command.split(), (60, WIDTH), cwd=directory, env=environment)


def _show(command: str, directory: Path, environment: dict[str, str]) -> str:
    """Run a command to its end, and return what it has shown."""
    with _run(command, directory, environment) as terminal:
        terminal.end()
        return terminal.shown.replace("\r\n", "\n")


def _client(terminal: Terminal) -> boto3.client:
    found = terminal.show(r"AWS_ENDPOINT_URL_LAMBDA=(\S+)")
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    return boto3.client("lambda", endpoint_url=found[1], **keys)


RECORDERS: Final[dict[str, Callable[[Path, dict[str, str]], Iterator[str]]]] = {
    "serve": record_serve,
    "map": record_map,
    "doctor": record_doctor,
}


def main() -> None:
    """Draw all pictures, or those that are named."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": "/nonexistent", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    for name in sys.argv[1:] or RECORDERS:
        with tempfile.TemporaryDirectory() as directory:
            text = "".join(RECORDERS[name](Path(directory), environment))
            text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:9001", text)
            (HERE / f"{name}.svg").write_text(draw(text, f"lambdachain {name}"))


if __name__ == "__main__":
    main()
