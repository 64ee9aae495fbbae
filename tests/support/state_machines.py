"""State machines in moto's interpreter of Amazon States Language, with their calls of Lambda sent to another server."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws

ROLE = "arn:aws:iam::123456789012:role/state-machine"
REGION = "us-east-1"
_RETRIER = "moto.stepfunctions.parser.asl.component.common.retry.retrier_decl.time"
_JSONATA = "moto.stepfunctions.parser.asl.jsonata.jsonata._eval_jsonata"


class Interpreter:
    """Runs definitions to their end."""

    def __init__(self, lambda_url: str) -> None:
        # As Step Functions, boto3 sends each request once; its own retries would be counted as the definition's.
        self._settings = {
            "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_MAX_ATTEMPTS": "1",
        }
        self.client = make_client("stepfunctions")
        self._numbers = count(1)

    def run(self, definition: Mapping[str, Any], value: object) -> dict[str, Any]:
        """Run a definition with an input, and return the description of the ended execution."""
        # Here, since each test has an environment of its own.
        with patch.dict(os.environ, self._settings):
            return self._run(definition, value)

    def _run(self, definition: Mapping[str, Any], value: object) -> dict[str, Any]:
        arn = self.client.create_state_machine(
            name=f"machine-{next(self._numbers)}", definition=json.dumps(definition), roleArn=ROLE
        )["stateMachineArn"]
        # Without a name, moto takes the second execution for the first.
        name = f"run-{next(self._numbers)}"
        started = self.client.start_execution(stateMachineArn=arn, input=json.dumps(value), name=name)
        tick = threading.Event()
        while True:
            execution: dict[str, Any] = self.client.describe_execution(executionArn=started["executionArn"])
            if execution["status"] != "RUNNING":
                return execution
            tick.wait(0.02)


def make_client(service: str) -> Any:
    """Make a client for moto's AWS."""
    return boto3.client(service, region_name=REGION)


@contextmanager
def interpreter(lambda_url: str) -> Generator[Interpreter]:
    """Send this process's calls of AWS to moto, and those of Lambda to a server; retries do not wait."""
    logger = logging.getLogger("moto")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs every failure of a state
    try:
        with (
            patch(_RETRIER, SimpleNamespace(sleep=lambda _: None)),
            patch(_JSONATA, _evaluate_jsonata),
            mock_aws(config={"stepfunctions": {"execute_state_machine": True}}),
        ):
            yield Interpreter(lambda_url)
    finally:
        logger.setLevel(level)


def _evaluate_jsonata(expression: str) -> Any:
    """Evaluate JSONata, for which moto has no evaluator of its own."""
    from jsonata import Jsonata

    return Jsonata(expression).evaluate(None)
