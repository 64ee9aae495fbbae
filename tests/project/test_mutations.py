"""The tests of an example, written as our pages describe, fail for every defect in its contract."""

from __future__ import annotations

import pytest

from tests.project.mutation_check import MUTATIONS, Mutation, run_with

pytestmark = pytest.mark.mutations


def test_the_example_s_tests_pass_unchanged():
    """Otherwise they would fail for every mutation."""
    ran = run_with(None)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_contract_is_noticed(mutation: Mutation):
    """By a test that fails, or by one that cannot even be imported."""
    ran = run_with(mutation)

    assert ran.returncode in (1, 2), ran.stdout + ran.stderr
    assert "failed" in ran.stdout or "error" in ran.stdout
