"""Powertools' Logger writes the fields of our records as keys of its JSON."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from lambdachain import CallError, LambdaClient, RetryPolicy, ThrottledError
from lambdachain.testing import StubTransport


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_fields_are_keys(level: str):
    """With the keys that the application's logger adds by itself."""
    stream, ours = io.StringIO(), logging.getLogger("lambdachain")
    logger: Any = Logger(service=f"orders-{level}", stream=stream, level=level)
    handlers, before, propagate = ours.handlers[:], ours.level, ours.propagate
    try:
        copy_config_to_registered_loggers(logger, include={"lambdachain"})
        with StubTransport() as stub:
            stub.on("orders-double").raises(ThrottledError)
            with pytest.raises(CallError):
                LambdaClient(retry=RetryPolicy.never()).call("orders-double", "secret-canary")
    finally:
        ours.handlers[:], ours.propagate = handlers, propagate
        ours.setLevel(before)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    ends = [record for record in records if record.get("lambdachain_record") == "call"]

    assert [(one["service"], one["lambdachain_error"], one["lambdachain_attempts"]) for one in ends] == [
        (f"orders-{level}", "ThrottledError", 1)
    ]
    assert "secret-canary" not in stream.getvalue()
