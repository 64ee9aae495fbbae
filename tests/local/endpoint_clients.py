"""A common interface to the clients that people use: boto3, the AWS CLI and the SDK for JavaScript."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = Path(__file__).parent
# Where the example has npm install it.
JAVASCRIPT = HERE.parents[1] / "examples" / "node_to_python"
ERROR = re.compile(
    r"An error occurred \((\w+)\) when calling the Invoke operation(?: \(reached max retries: 0\))?: (.*)", re.DOTALL
)


@dataclass(frozen=True)
class Answer:
    """The outcome of a call; a field is ``None`` if there is none, or the client does not report it."""

    status: int | None = None
    refused: str | None = None
    message: str | None = None
    reason: str | None = None
    payload: bytes = b""
    function_error: str | None = None
    version: str | None = None
    log: bytes | None = None


class Boto3:
    """boto3, in this process."""

    missing = None

    def __init__(self, url: str, scratch: Path) -> None:
        self._client = boto3.client(
            "lambda",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def invoke(self, **options: Any) -> Answer:
        """Call a function."""
        try:
            response = self._client.invoke(**options)
        except ClientError as refused:
            said = refused.response
            status = said["ResponseMetadata"]["HTTPStatusCode"]
            return Answer(status, said["Error"]["Code"], said["Error"]["Message"], said.get("Reason"))
        return _to_answer(response, response["Payload"].read())

    def reports(self, answer: Answer) -> Answer:
        """Return what this client reports of a response."""
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


class AwsCli:
    """The AWS CLI, in its own process."""

    missing = None if find_spec("awscli") else "the AWS CLI is not installed in this environment"

    def __init__(self, url: str, scratch: Path) -> None:
        variables = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
        self._place = ("--endpoint-url", url, "--region", "us-east-1", "--output", "json")
        self._out, self._in = scratch / "out", scratch / "in"
        self._lines = Lines([sys.executable, str(HERE / "aws_cli_runs.py")], variables)

    def invoke(self, **options: Any) -> Answer:
        """Call a function."""
        self._out.unlink(missing_ok=True)
        response = self._lines.ask(["lambda", "invoke", *self._arguments(options), *self._place, str(self._out)])
        if response["status"]:
            error = ERROR.search(response["complained"].strip())
            assert error, response
            return Answer(refused=error[1], message=error[2])
        assert not response["complained"]
        return _to_answer(json.loads(response["printed"]), self._out.read_bytes())

    def _arguments(self, options: Mapping[str, Any]) -> Sequence[str]:
        arguments: list[str] = []
        for name, value in options.items():
            if name == "Payload":
                self._in.write_bytes(value)
            option = re.sub("(?=[A-Z])", "-", name).lower()
            arguments += [f"-{option}", f"fileb://{self._in}" if name == "Payload" else value]
        return arguments

    def reports(self, answer: Answer) -> Answer:
        """Return what this client reports of a response: of a rejection, neither status nor reason."""
        return replace(answer, status=None, reason=None) if answer.refused else answer

    def close(self) -> None:
        """Stop its process."""
        self._lines.close()


class JavaScript:
    """``@aws-sdk/client-lambda``, in a Node.js process."""

    missing = (
        None
        if shutil.which("node") and (JAVASCRIPT / "node_modules" / "@aws-sdk" / "client-lambda").is_dir()
        else "Node.js and the AWS SDK for JavaScript are not both installed: make javascript"
    )

    def __init__(self, url: str, scratch: Path) -> None:
        self._lines = Lines(["node", str(HERE / "javascript" / "call.mjs"), str(JAVASCRIPT), url], {})

    def send(self, command: str, **options: Any) -> Any:
        """Send a command and return the outcome."""
        return _bytes_in(self._lines.ask({"command": command, "input": _bytes_out(options)}))

    def invoke(self, **options: Any) -> Answer:
        """Call a function."""
        response = self.send("InvokeCommand", **options)
        if refused := response.get("refused"):
            status = response["$metadata"]["httpStatusCode"]
            return Answer(status, refused["name"], refused["message"], refused.get("Reason"))
        return _to_answer(response, response.get("Payload") or b"")

    def reports(self, answer: Answer) -> Answer:
        """Return what this client reports of a response."""
        return answer

    def close(self) -> None:
        """Stop its process."""
        self._lines.close()


CLIENTS: Mapping[str, Callable[[str, Path], Boto3 | AwsCli | JavaScript]] = {
    "boto3": Boto3,
    "AWS CLI": AwsCli,
    "SDK for JavaScript": JavaScript,
}


class Lines:
    """A program that reads requests and prints responses as lines of JSON."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, question: Any) -> Any:
        """Send a request and return the response."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"{self._process.args} has ended"
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _to_answer(response: Mapping[str, Any], payload: bytes) -> Answer:
    log = response.get("LogResult")
    return Answer(
        status=response["StatusCode"],
        payload=payload,
        function_error=response.get("FunctionError"),
        version=response.get("ExecutedVersion"),
        log=None if log is None else base64.b64decode(log),
    )


def _bytes_out(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return {name: _bytes_out(each) for name, each in value.items()} if isinstance(value, dict) else value


def _bytes_in(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes_in(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"base64"}:
        return base64.b64decode(value["base64"])
    return {name: _bytes_in(each) for name, each in value.items()}
