"""Signature help shows each option of a call: the docstrings list what the methods take, and nothing else."""

from __future__ import annotations

import inspect
import re

import pytest

from lambdachain import (
    AsyncLambdaClient,
    AsyncRemoteFunction,
    CallOptions,
    LambdaClient,
    MapOptions,
    RemoteFunction,
    RemoteHandler,
)
from lambdachain._transports.default import default_async_transport, default_transport

ONE_CALL = ["call", "invoke", "fire", "can_invoke", "bind"]
METHODS = [
    *(f"{kind}.{name}" for kind in ("LambdaClient", "AsyncLambdaClient") for name in (*ONE_CALL, "stream")),
    *(f"{kind}.{name}" for kind in ("LambdaClient", "AsyncLambdaClient") for name in ("map", "fire_map")),
    *(f"RemoteHandler.{name}" for name in (*ONE_CALL, "map")),
    *("RemoteFunction.with_options", "AsyncRemoteFunction.with_options"),
]
CLASSES = {
    kind.__name__: kind
    for kind in (LambdaClient, AsyncLambdaClient, RemoteHandler, RemoteFunction, AsyncRemoteFunction)
}


def _method(path: str):
    kind, _, name = path.partition(".")
    return getattr(CLASSES[kind], name)


def _get_described_arguments(path: str) -> dict[str, str]:
    """Return the arguments that a method's docstring lists, with their descriptions."""
    section = inspect.getdoc(_method(path)).partition("Args:\n")[2].partition("\nRaises:")[0]
    joined = re.sub(r"\n {8}", " ", section)
    return dict(line.strip().split(": ", 1) for line in joined.splitlines() if line.strip())


@pytest.mark.parametrize("path", METHODS)
def test_every_option_is_described(path):
    """By its name, in the order of the signature, which is where editors look for the text."""
    kind = MapOptions if path.endswith("map") else CallOptions
    parameters = [name for name in inspect.signature(_method(path)).parameters if name not in ("self", "options")]

    assert [*_get_described_arguments(path)] == [*parameters, *kind.__annotations__]


@pytest.mark.parametrize("name", [*ONE_CALL, "stream", "map", "fire_map"])
def test_both_clients_describe_an_option_alike(name):
    """The text of one cannot change without the other."""
    options = MapOptions.__annotations__
    blocking, asynchronous = (
        {option: text for option, text in _get_described_arguments(f"{kind}.{name}").items() if option in options}
        for kind in ("LambdaClient", "AsyncLambdaClient")
    )

    assert blocking == asynchronous


def test_binding_describes_options_as_a_call_does():
    """What ``bind`` and ``with_options`` keep is what ``call`` takes."""
    described = {
        option: [
            _get_described_arguments(path)[option] for path in ("LambdaClient.bind", "RemoteFunction.with_options")
        ]
        for option in CallOptions.__annotations__
    }
    once = _get_described_arguments("LambdaClient.call")

    assert described == {option: [once[option]] * 2 for option in described}
    assert {option: text for option, text in once.items() if option in described} == _listed_by_call_options()


def _listed_by_call_options() -> dict[str, str]:
    return dict(re.findall(r"``(\w+)``: (.+)", inspect.getdoc(CallOptions) or ""))


@pytest.mark.parametrize(
    ("client", "default"), [(LambdaClient, default_transport), (AsyncLambdaClient, default_async_transport)]
)
@pytest.mark.parametrize("inside", [True, False], ids=["inside Lambda", "elsewhere"])
def test_the_docstring_of_a_client_names_the_default_transport(monkeypatch, client, default, inside):
    """Its docstring is what an editor shows: it names the class that is made, inside Lambda and elsewhere."""
    monkeypatch.delenv("LAMBDACHAIN_TRANSPORT", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    if inside:
        monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    text = re.sub(r"\s+", " ", inspect.getdoc(client)).partition("transport: ")[2].partition(" timeout: ")[0]
    within, _, elsewhere = text.partition("inside Lambda")

    assert f"``{type(default()).__name__}``" in (within if inside else elsewhere)
