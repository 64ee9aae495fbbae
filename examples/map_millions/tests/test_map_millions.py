"""The function alone, and the baskets of the demo, but fewer, through both engines."""

from __future__ import annotations

import pytest
from basket_contracts import Basket, EmptyBasket, Price, price_basket
from basket_function import handler
from map_millions_demo import ON_STEP_FUNCTIONS, system

from lambdachain.testing import assert_handler_fulfils


def test_the_function_fulfils_its_contract() -> None:
    assert_handler_fulfils(price_basket, handler)


def test_a_basket_has_a_price_unless_it_is_empty() -> None:
    assert handler.local(Basket(basket_id="b-1", cents=[2, 3])) == Price(basket_id="b-1", cents=5)
    with pytest.raises(EmptyBasket):
        handler.local(Basket(basket_id="b-2", cents=[]))


def test_both_engines_write_the_same_files() -> None:
    with system() as here:
        here.write_baskets(40)
        local = here.run_map("local.jsonl")
        remote = here.run_map("remote.jsonl", *ON_STEP_FUNCTIONS)

        assert local == "36 lines done, in local.jsonl; 4 failed (4 EmptyBasket), in local.failures.jsonl"
        assert remote == local.replace("local", "remote")
        assert here.read("remote.jsonl") == here.read("local.jsonl")
        assert here.read("remote.failures.jsonl") == here.read("local.failures.jsonl")
        assert (here.directory / "remote.jsonl").read_bytes() == (here.directory / "local.jsonl").read_bytes()
