"""Break the contract of an example in many ways: its own tests must fail for each. Run by hand, or by pytest.

``python tests/project/mutation_check.py`` prints what became of each; it fails if one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.project.small_pytest import run_pytest

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "examples" / "parent_child"
CONTRACT: Final = Path("contracts/purchase_contracts.py")


@dataclass(frozen=True)
class Mutation:
    """A change of the contract: one text is replaced by another."""

    name: str
    before: str
    after: str

    def applied(self, source: str) -> str:
        """Return the broken contract."""
        if source.count(self.before) != 1:
            raise ValueError(f"{self.name}: {self.before!r} is in the contract {source.count(self.before)} times")
        return source.replace(self.before, self.after)


CHILD: Final = 'child = Contract("ChildFunction", request=Purchase, response=Transaction, errors=[OutOfStock])'

MUTATIONS: Final = [
    Mutation("a request's field is renamed", "    quantity: int = Field(gt=0)", "    count: int = Field(gt=0)"),
    Mutation(
        "a request's field has another type", "quantity: int = Field(gt=0)", "quantity: str = Field(min_length=1)"
    ),
    Mutation("a request has one more field", "    quantity: int", "    customer_id: str\n    quantity: int"),
    Mutation("a request's field is called otherwise in JSON", "Field(min_length=1)", 'Field(alias="Product")'),
    Mutation("a constraint is gone", "quantity: int = Field(gt=0)", "quantity: int"),
    Mutation(
        "a request's field may be left out", "quantity: int = Field(gt=0)", "quantity: int = Field(gt=0, default=1)"
    ),
    Mutation("money is a float", "    amount: Decimal", "    amount: float"),
    Mutation("a field of the response is gone", "    transaction_id: UUID\n", ""),
    Mutation("an answer's field has another type", "    transaction_id: UUID\n", "    transaction_id: int\n"),
    Mutation("an error is no longer declared", ", errors=[OutOfStock])", ")"),
    Mutation("an error's field is renamed", "    available: int", "    left: int"),
    Mutation(
        "an error has another name",
        CHILD,
        f"class SoldOut(OutOfStock): ...\n\n\n{CHILD.replace('[OutOfStock]', '[SoldOut]')}",
    ),
    Mutation("the function has another name", 'Contract("ChildFunction"', 'Contract("ChildFunctionV2"'),
    Mutation("the answer is another", CHILD, CHILD.replace("response=Transaction", "response=Confirmation")),
    Mutation("a sale may be made twice", CHILD, CHILD.replace("errors=", "idempotent=True, errors=")),
]


def run_tests(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the example's own tests on the copy in *directory*."""
    inside = [directory, *(directory / part for part in ("contracts", "child", "parent"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, inside))}
    settings = ("-c", os.devnull, "--rootdir", ".", "--import-mode=importlib")
    return run_pytest(directory, environment, "-q", "-x", *settings, "tests")


def run_with(mutation: Mutation | None) -> subprocess.CompletedProcess[str]:
    """Run the example's own tests with its contract broken by *mutation*."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "example"
        shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutation is not None:
            contract = copy / CONTRACT
            contract.write_text(mutation.applied(contract.read_text()))
        return run_tests(copy)


def main() -> None:
    """Print the result of each mutation."""
    ran = run_with(None)
    if ran.returncode:
        sys.exit(f"the tests fail without any mutation:\n{ran.stdout}{ran.stderr}")
    survivors = 0
    for mutation in MUTATIONS:
        ran = run_with(mutation)
        survivors += ran.returncode == 0
        print(f"{'SURVIVED' if ran.returncode == 0 else 'caught  '}  {mutation.name}: {ran.stdout.splitlines()[-1]}")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
