"""What tools show of the public names: where each is from, and what its calls take."""

from __future__ import annotations

import inspect
import pickle
import pickletools
import subprocess
import sys
import traceback
import typing
from importlib import import_module

import pytest
from pydantic import BaseModel, TypeAdapter

import lambdachain

MODULES = [
    "lambdachain",
    "lambdachain.local",
    "lambdachain.testing",
    "lambdachain.sqs",
    "lambdachain.stepfunctions",
    "lambdachain.doctor",
    "lambdachain.resolvers",
]
# A name that two modules have is shown as the first one's.
PUBLIC = {
    name: (module, value)
    for module in reversed(MODULES)
    for name in import_module(module).__all__
    if inspect.isclass(value := getattr(import_module(module), name)) or inspect.isfunction(value)
}
PUBLIC |= {
    name: ("lambdachain.progress", getattr(import_module("lambdachain.progress"), name)) for name in ("Bar", "bar")
}
# Their fields name types of boto3's, tenacity's or pydantic's, which are not imported for them.
DEFERRED = {"Contract", "RetryPolicy", "remote"}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_shown_where_users_import_it_from(name):
    """In tracebacks, ``repr``, ``help()`` and pickles."""
    module, value = PUBLIC[name]

    assert (value.__module__, value.__qualname__) == (module, name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_pickled_by_its_public_name(name):
    """So a pickle does not depend on which private module has it."""
    module, value = PUBLIC[name]
    texts = [text for _, text, _ in pickletools.genops(pickle.dumps(value)) if isinstance(text, str)]

    assert texts == [module, name]
    assert pickle.loads(pickle.dumps(value)) is value


def test_a_process_that_has_imported_nothing_unpickles():
    """The names are looked up where they are first asked for, by pickle too."""
    error = lambdachain.ThrottledError("slow down", reason="ConcurrentInvocationLimitExceeded", retry_after=1.0)
    pickled = pickle.dumps([error, lambdachain.RetryPolicy(max_attempts=2), lambdachain.FunctionArn.parse(_ARN)])
    script = f"import pickle; error, policy, arn = pickle.loads({pickled!r}); print(error.retry_after, policy, arn)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == f"1.0 RetryPolicy(max_attempts=2) {_ARN}"


_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


def test_a_traceback_shows_the_public_name():
    """People paste it into a search box."""
    shown = traceback.format_exception_only(lambdachain.ThrottledError("slow down"))

    assert shown == ["lambdachain.ThrottledError: slow down\n"]


_HINTS = """
import inspect, typing
from importlib import import_module
for module, name in {names!r}:
    typing.get_type_hints(getattr(import_module(module), name))
"""


def test_type_hints_are_found():
    """Regardless of what was imported before: pydantic, cattrs and typeguard read annotations like that."""
    names = [(module, name) for name, (module, _) in PUBLIC.items() if name not in DEFERRED]

    subprocess.run([sys.executable, "-c", _HINTS.format(names=names)], check=True)


@pytest.mark.parametrize("name", ["Receipt", "Permission", "InvokeResult", "FunctionArn", "Invocation", "Outcome"])
def test_pydantic_takes_a_public_type_for_a_field(name):
    """A model may have a receipt, or an invocation, among its fields."""
    kind = getattr(lambdachain, name)
    arbitrary = {"arbitrary_types_allowed": True}
    model = type("Model", (BaseModel,), {"__annotations__": {"value": kind}, "model_config": arbitrary})

    assert model.model_fields["value"].annotation is kind


def test_a_receipt_is_validated_by_pydantic():
    """Its fields are types, not the names of types that only its own module knows."""
    receipt = TypeAdapter(lambdachain.Receipt).validate_python(
        {"request_id": "r-1", "attempts": [(None, 202, "r-1", 0.1)]}
    )

    assert receipt == lambdachain.Receipt("r-1", (lambdachain.Attempt(None, 202, "r-1", 0.1),))


@pytest.mark.parametrize("name", [name for name, (_, value) in PUBLIC.items() if inspect.isfunction(value)])
def test_the_source_of_a_function_is_found(name):
    """By ``inspect.getsource``, as notebooks do."""
    assert inspect.getsource(PUBLIC[name][1]).lstrip().startswith("def ")


def test_the_source_of_a_method_is_found():
    """Of a class as a whole it is not, as ``inspect`` looks for that in the module that the class is shown in."""
    assert inspect.getsource(lambdachain.LambdaClient.bind).lstrip().startswith("def bind(")


def test_the_type_parameters_of_a_result_are_kept():
    """``InvokeResult[int]`` has the response type where tools look for it."""
    assert typing.get_args(lambdachain.InvokeResult[int]) == (int,)
