"""Resolvers: from a contract's name to that of the deployed function."""

from __future__ import annotations

from typing import Any

import pytest

from lambdachain import CallError, Contract, ContractError, Execution, FunctionNotFoundError, remote
from lambdachain.resolvers import from_env, mapping, prefix


def test_prefix_adds_text_before_a_name() -> None:
    """To every name, an empty one, too."""
    assert ["prod-orders", "orders"] == [prefix("prod-")("orders"), prefix("")("orders")]


def test_mapping_looks_names_up() -> None:
    """A name that is not in the mapping is used as it is; later changes of the mapping count."""
    names = {"orders": "orders-1A2B"}
    resolve = mapping(names)

    assert ("orders-1A2B", "billing") == (resolve("orders"), resolve("billing"))
    names["billing"] = "billing-3C4D"
    assert "billing-3C4D" == resolve("billing")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("orders", "LAMBDACHAIN_ORDERS"),
        ("billing-charge", "LAMBDACHAIN_BILLING_CHARGE"),
        ("a.b_c-1", "LAMBDACHAIN_A_B_C_1"),
    ],
)
def test_from_env_reads_a_variable(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named after the contract, in upper case, and read at the call."""
    resolve = from_env()
    monkeypatch.setenv(variable, "deployed-1A2B")

    assert "deployed-1A2B" == resolve(name)


def test_from_env_accepts_another_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """``{NAME}`` may be anywhere in it."""
    monkeypatch.setenv("ORDERS_FUNCTION_ARN", "arn:aws:lambda:eu-west-1:123456789012:function:orders")

    assert "arn:aws:lambda:eu-west-1:123456789012:function:orders" == from_env("{NAME}_FUNCTION_ARN")("orders")


CHARGE: Contract[int, int] = Contract("billing-charge", request=int, response=int, qualifier="live")


@remote("mail-send")
def send(text: str) -> None:
    """A handler: a key of the mapping, too."""


@pytest.mark.parametrize(
    ("variables", "name"),
    [({CHARGE: "TARGET_FN"}, "billing-charge"), ({send: "TARGET_FN"}, "mail-send"), ({"x.y": "TARGET_FN"}, "x.y")],
)
def test_from_env_reads_existing_variables(
    variables: dict[Any, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By contract, handler or name; any other name is read from the variable named after it."""
    resolve = from_env(variables)
    monkeypatch.setenv("TARGET_FN", "deployed")
    monkeypatch.setenv("LAMBDACHAIN_OTHER", "other-1A2B")

    assert ("deployed", "other-1A2B") == (resolve(name), resolve("other"))


def test_a_missing_variable_of_a_mapping_is_named() -> None:
    """That of the mapping, or that of the pattern."""
    resolve = from_env({CHARGE: "NO_SUCH_VARIABLE"})

    with pytest.raises(FunctionNotFoundError, match="the environment variable NO_SUCH_VARIABLE is not set"):
        resolve("billing-charge")
    with pytest.raises(FunctionNotFoundError, match="the environment variable LAMBDACHAIN_MAIL_SEND is not set"):
        resolve("mail-send")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (None, r"from_env takes a pattern .*, or a mapping .*, not NoneType"),
        (["CHARGE_FN"], r"not list"),
        (CHARGE, r"not Contract"),
        ({1: "CHARGE_FN"}, "from_env: int is not a contract, a handler, or a name"),
        ({CHARGE: None}, "from_env: the variable of billing-charge must be its name, not None"),
        ({CHARGE: ""}, "from_env: the variable of billing-charge must be its name, not ''"),
        ({CHARGE: "A", "billing-charge": "B"}, "from_env: billing-charge has two variables, A and B: remove one"),
    ],
)
def test_a_mapping_that_is_not_valid_is_an_error_where_it_is_made(variables: Any, message: str) -> None:
    """Not only when a function is called."""
    with pytest.raises(ContractError, match=message):
        from_env(variables)


def test_a_missing_variable_is_named() -> None:
    """The error is that of a missing function, and names the variable."""
    with pytest.raises(FunctionNotFoundError, match="LAMBDACHAIN_BILLING_CHARGE") as caught:
        from_env()("billing-charge")

    assert isinstance(caught.value, CallError)
    assert ("billing-charge", Execution.NOT_EXECUTED, False) == (
        caught.value.function,
        caught.value.execution,
        caught.value.retryable,
    )


@pytest.mark.parametrize("value", ["", "not a name"])
def test_an_invalid_value_of_a_variable_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or foreign value is not sent to Lambda: the address is not valid."""
    from lambdachain import Contract, InvalidArnError, LambdaClient

    monkeypatch.setenv("LAMBDACHAIN_ORDERS", value)
    contract: Contract[int, int] = Contract("orders", request=int, response=int)

    with pytest.raises(InvalidArnError, match="function name"):
        LambdaClient(resolve=from_env()).call(contract, 1)
