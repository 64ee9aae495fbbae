"""Spark, Dagster and joblib send functions by cloudpickle, with the clients that they close over."""

from __future__ import annotations

import pickle
import subprocess
import sys

import boto3
import cloudpickle
import pytest

from lambdachain import (
    AsyncLambdaClient,
    BotoTransport,
    Contract,
    ContractError,
    HttpTransport,
    LambdaClient,
    resolvers,
)
from lambdachain.testing import StubTransport


def test_a_function_that_closes_over_a_client_is_sent():
    """To another process, where the client chooses its transport."""
    double = Contract("orders-double", request=int, response=int)
    client = LambdaClient(resolve=resolvers.prefix("prod-"))

    def call(number: int) -> int:
        return client.call(double, number)

    pickled = cloudpickle.dumps(call)
    script = (
        "import pickle\nfrom lambdachain.testing import StubTransport\n"
        "with StubTransport() as stub:\n"
        f"    call = pickle.loads({pickled!r})\n"
        "    stub.on('prod-orders-double').returns(42)\n    print(call(21))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ran.stdout.strip() == "42", ran.stderr


@pytest.mark.parametrize(
    "value",
    [
        LambdaClient(),
        AsyncLambdaClient(),
        LambdaClient(hooks=[lambda _invocation, proceed: proceed()]),
        HttpTransport(region="eu-west-1"),
        BotoTransport(region="eu-west-1"),
        LambdaClient().bind(Contract("f", request=int, response=int), timeout=3),
    ],
    ids=repr,
)
def test_what_is_lazy_is_sent(value: object):
    """With hooks that pickle alone would refuse."""
    assert repr(pickle.loads(cloudpickle.dumps(value))) == repr(value)


def test_explicit_credentials_are_refused():
    """Nothing secret is in a pickle."""
    session = boto3.Session(aws_access_key_id="AKIA", aws_secret_access_key="secret", region_name="eu-west-1")
    client = LambdaClient(BotoTransport(session=session))
    with pytest.raises(ContractError, match="a session may hold credentials"):
        cloudpickle.dumps(lambda: client)


def test_a_stub_stays_in_its_process():
    """A test's transport replaces a client's own in the process of the test."""
    with StubTransport() as stub:
        stub.on("f").returns(1)
        assert pickle.loads(cloudpickle.dumps(LambdaClient())).call("f", None) == 1
