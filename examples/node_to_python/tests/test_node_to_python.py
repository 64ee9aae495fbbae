"""Node.js calls Python: through the SDK where npm has installed it, otherwise with the requests that the SDK sends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from node_to_python_demo import HERE, lambda_a
from quote_function import Quote, QuoteRequest, UnknownProduct, handler, quote_price

from lambdachain import FunctionError, LambdaClient
from lambdachain.local import LocalEndpoint, LocalFunction
from lambdachain.testing import LambdaContext, LambdaEndpoint

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")

KEYBOARDS = QuoteRequest(product="Keyboard", quantity=3)
SOURCES = ("lambda_a.mjs", "invoke.mjs", "package.json")

client = LambdaClient(timeout=20)


def deployed(directory: Path) -> list[LocalFunction]:
    return [
        LocalFunction("LambdaA", "lambda_a.handler", runtime="nodejs", directory=directory, timeout=10, memory=256),
        LocalFunction("QuotePrice", "quote_function.handler", directory=HERE),
    ]


@pytest.fixture(name="system", params=["as installed", "without npm"])
def _system(request: pytest.FixtureRequest, lambda_endpoint: LambdaEndpoint, tmp_path: Path) -> LocalEndpoint:
    """Serve LambdaA with the packages that npm has installed, and a copy of it without any."""
    if request.param == "as installed":
        return lambda_endpoint(*deployed(HERE))
    for source in SOURCES:
        shutil.copy(HERE / source, tmp_path)
    return lambda_endpoint(*deployed(tmp_path))


@pytest.mark.usefixtures("system")
def test_node_gets_the_response_of_python() -> None:
    told = client.call(lambda_a, KEYBOARDS)

    assert told.text == "3 x Keyboard: 74.70"
    assert told.through in {"@aws-sdk/client-lambda", "fetch"}


@pytest.mark.usefixtures("system")
def test_node_reads_the_fields_of_a_declared_error() -> None:
    assert client.call(lambda_a, QuoteRequest(product="Abacus", quantity=1)).text == "no Abacus here"


@pytest.mark.usefixtures("system")
def test_node_does_not_mistake_an_error_for_a_response() -> None:
    with pytest.raises(FunctionError, match="QuotePrice failed: RequestRejectedError") as failed:
        client.call("LambdaA", {"product": "Keyboard", "quantity": 0})

    assert failed.value.error_type == "Error"


def test_the_sdk_is_used_where_npm_has_installed_it(lambda_endpoint: LambdaEndpoint) -> None:
    if not (HERE / "node_modules" / "@aws-sdk" / "client-lambda").is_dir():
        pytest.skip("the AWS SDK for JavaScript is not installed: make example-node_to_python")
    lambda_endpoint(*deployed(HERE))

    assert client.call(lambda_a, KEYBOARDS).through == "@aws-sdk/client-lambda"


def test_the_python_function_alone(lambda_context: LambdaContext) -> None:
    assert handler.local(KEYBOARDS) == Quote(total=Decimal("74.70"))
    assert handler({"product": "Keyboard", "quantity": 1}, lambda_context) == {"total": "24.90"}
    with pytest.raises(UnknownProduct):
        handler.local(QuoteRequest(product="Abacus", quantity=1))
    assert quote_price.errors == (UnknownProduct,)


TSC = HERE / "node_modules" / "typescript" / "bin" / "tsc"
COMPILER = HERE / "node_modules" / "json-schema-to-typescript"


@pytest.mark.skipif(not TSC.exists(), reason="TypeScript is not installed: make javascript")
def test_the_caller_type_checks_against_the_contract(tmp_path: Path) -> None:
    def check() -> str:
        command = ["node", str(TSC), "--project", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603

    for source in (*SOURCES, "quote_price.ts", "tsconfig.json"):
        shutil.copy(HERE / source, tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    assert check() == ""

    types = tmp_path / "quote_price.ts"
    types.write_text(types.read_text().replace("total: string", "sum: string").replace('"QuotePrice"', '"PriceQuote"'))
    errors = check()
    assert "Property 'total' does not exist" in errors
    assert """Type '"QuotePrice"' is not assignable to type '"PriceQuote"'""" in errors


@pytest.mark.skipif(not COMPILER.exists(), reason="json-schema-to-typescript is not installed: make javascript")
def test_the_types_are_those_of_the_contract() -> None:
    command = [sys.executable, "-c", "from lambdachain.cli import main; main()", "schema", "quote_function:quote_price"]
    ran = subprocess.run(  # noqa: S603
        [*command, "--as", "typescript", "--check", "quote_price.ts"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
