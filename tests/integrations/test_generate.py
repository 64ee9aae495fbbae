"""``lambdachain generate`` as a user runs it, with the real datamodel-code-generator and ruff."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from lambdachain import Contract, LambdaClient, RemoteError, remote
from lambdachain.testing import InProcessTransport, assert_compatible
from tests.support.contract_variety import CONTRACTS
from tests.support.modules import import_file

pytest.importorskip("datamodel_code_generator", reason="datamodel-code-generator is not installed")

RUN = [sys.executable, "-c", "from lambdachain.cli import main; main()", "generate"]
CLOSED_TUPLE = "root point"  # Python's types have no tuple whose last elements are optional


def generate(directory: Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command in a directory."""
    ran = subprocess.run([*RUN, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran


def write_json(path: Path, value: Any) -> None:
    """Write a value to a file."""
    path.write_text(json.dumps(value))


@pytest.fixture(scope="module")
def variety(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All contracts, generated into one module: starting the generator takes longest."""
    directory = tmp_path_factory.mktemp("variety")
    names = list[str]()
    for number, contract in enumerate(CONTRACTS.values()):
        write_json(directory / f"{number}.json", contract.schema())
        names += ["--name", f"contract_{number}"]
    files = [f"{number}.json" for number in range(len(CONTRACTS))]
    ran = generate(directory, *files, *names, "--output", "contracts.py")
    assert (
        ran.stderr == "note: a contract: a tuple is always complete; by the schema, its last elements may be left out\n"
    )
    return directory


@pytest.fixture(scope="module")
def generated(variety: Path) -> ModuleType:
    """The module of all contracts."""
    return import_file(variety / "contracts.py")


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != CLOSED_TUPLE])
def test_a_generated_contract_is_compatible_with_its_source(name: str, generated: ModuleType):
    """In both directions: each is as good a caller, and as good a callee, as the other."""
    source = CONTRACTS[name]
    contract: Contract[Any, Any] = getattr(generated, f"contract_{[*CONTRACTS].index(name)}")

    assert_compatible(source, contract)
    assert_compatible(contract, source)
    assert contract.function == source.function
    assert contract.qualifier == source.qualifier
    assert contract.idempotent == source.idempotent
    assert contract.envelope == source.envelope
    assert contract.description == source.description
    assert [error.__name__ for error in contract.errors] == sorted(error.__name__ for error in source.errors)


def test_a_generated_contract_has_the_same_schema(tmp_path: Path):
    """To the last keyword."""
    wanted = ("Scalars", "Constrained", "Money", "Moments", "Collections", "Choices")
    contracts = {name: CONTRACTS[name] for name in wanted}
    for name, contract in contracts.items():
        write_json(tmp_path / f"{name}.json", contract.schema())
    names = [argument for name in contracts for argument in ("--name", f"contract_{name}")]
    generate(tmp_path, *(f"{name}.json" for name in contracts), *names, "--output", "contracts.py")
    module = import_file(tmp_path / "contracts.py")

    for name, contract in contracts.items():
        assert getattr(module, f"contract_{name}").schema() == contract.schema()


@pytest.mark.typing
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_generated_module_type_checks(checker: str, variety: Path):
    """In strict mode, which the settings of the project set for pyright."""
    settings = {"typeCheckingMode": "strict", "include": ["contracts.py"]}
    write_json(variety / "pyrightconfig.json", settings)
    options = ["--strict", "contracts.py"] if checker == "mypy" else ["--pythonpath", sys.executable]
    ran = subprocess.run(
        [sys.executable, "-m", checker, *options], cwd=variety, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout


def test_a_generated_module_is_formatted_as_its_project_wants(tmp_path: Path):
    """By the settings of the pyproject.toml above the file."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.ruff]\nline-length = 60\n[tool.ruff.format]\nquote-style = 'single'\n"
    )
    write_json(tmp_path / "schema.json", CONTRACTS["errors"].schema())
    generate(tmp_path, "schema.json", "--output", "contracts.py")

    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "contracts.py"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0
    assert "'pay'" in (tmp_path / "contracts.py").read_text()


class Order(BaseModel):
    order_id: str
    note: str = ""


class Refused(RemoteError):
    reason: str


place = Contract("orders-place", request=Order, response=int, errors=[Refused])


@remote(place)
def place_order(order: Order) -> int:
    """Refuse orders with a note."""
    if order.note:
        raise Refused(reason=order.note)
    return len(order.order_id)


def test_a_caller_with_the_generated_contract_calls_the_callee(orders: Path):
    """Its response is typed, and its declared error is caught as the generated class."""
    module = import_file(orders / "contracts.py")

    client = LambdaClient()
    with InProcessTransport({place: place_order}):
        assert client.call(module.orders_place, module.Order(order_id="o-1")) == 3
        with pytest.raises(module.Refused) as refused:
            client.call(module.orders_place, module.Order(order_id="o-1", note="closed"))
    assert refused.value.reason == "closed"


def test_what_the_callee_defaults_is_left_out(tmp_path: Path):
    """A field that is optional and has no default in the schema is not sent as null."""
    write_json(tmp_path / "schema.json", CONTRACTS["Absent"].schema())
    generate(tmp_path, "schema.json", "--output", "contracts.py")
    module = import_file(tmp_path / "contracts.py")

    assert module.Absent().model_dump_json() == "{}"
    assert module.Absent(names=["a"]).model_dump(mode="json") == {"names": ["a"]}
    with pytest.raises(ValidationError):
        module.Absent(names=3)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a schema and the module that was generated from it."""
    directory = tmp_path_factory.mktemp("orders")
    write_json(directory / "orders.json", place.schema())
    generate(directory, "orders.json", "--output", "contracts.py")
    return directory


class TestFiles:
    @pytest.fixture
    def directory(self, orders: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(orders, tmp_path / "orders"))

    def test_the_output_is_reproducible(self, directory: Path):
        """To the byte, printed or written."""
        assert generate(directory, "orders.json").stdout == (directory / "contracts.py").read_text()

    @pytest.mark.parametrize("change", ["note: bytes", "note: str  # mine"])
    @pytest.mark.parametrize("check", [[], ["--check"]])
    def test_a_change_by_hand_is_never_overwritten(self, directory: Path, change: str, check: list[str]):
        """A comment is a change, too."""
        changed = (directory / "contracts.py").read_text().replace("note: str", change)
        (directory / "contracts.py").write_text(changed)

        ran = generate(directory, "orders.json", "--output", "contracts.py", *check, status=2)
        assert "contracts.py was changed by hand" in ran.stderr
        assert (directory / "contracts.py").read_text() == changed

    def test_a_file_of_somebody_else_is_never_overwritten(self, directory: Path):
        (directory / "mine.py").write_text("mine = 1\n")
        generate(directory, "orders.json", "--output", "mine.py", status=2)

        assert (directory / "mine.py").read_text() == "mine = 1\n"

    def test_another_formatter_is_not_a_change(self, directory: Path):
        """Quotes, line breaks and the order of imports may be different."""
        settings = ["--config", "line-length=40", "--config", "format.quote-style='single'"]
        subprocess.run([sys.executable, "-m", "ruff", "format", *settings, "contracts.py"], cwd=directory, check=True)
        assert "'orders-place'" in (directory / "contracts.py").read_text()

        generate(directory, "orders.json", "--output", "contracts.py")
        assert '"orders-place"' in (directory / "contracts.py").read_text()

    def test_a_new_version_of_the_contract_is_out_of_date(self, directory: Path):
        generate(directory, "orders.json", "--output", "contracts.py", "--check")
        write_json(directory / "orders.json", Contract("orders-place", request=Order, response=str).schema())
        ran = generate(directory, "orders.json", "--output", "contracts.py", "--check", status=1)

        assert ran.stderr == "contracts.py is out of date\n"


OPENAPI = """
openapi: 3.0.3
info: {title: Billing, version: "1"}
paths:
  /charges:
    post:
      operationId: chargeCard
      summary: Charge a card.
      parameters: [{name: X-Tenant, in: header, schema: {type: string}}]
      requestBody:
        content: {application/json: {schema: {$ref: '#/components/schemas/Charge'}}}
      responses:
        "200": {content: {application/json: {schema: {$ref: '#/components/schemas/Charged'}}}}
        "402": {description: declined}
    get:
      responses: {"200": {description: all}}
  /refunds:
    post:
      operationId: refund
      requestBody: {$ref: '#/components/requestBodies/Refund'}
      responses: {"204": {description: done}}
components:
  requestBodies:
    Refund: {content: {application/json; charset=utf-8: {schema: {type: object, properties: {charge: {type: string}}}}}}
  schemas:
    Charge:
      type: object
      required: [cents]
      properties:
        cents: {type: integer, minimum: 0, exclusiveMinimum: true}
        note: {type: string, nullable: true}
        currency: {type: string, enum: [EUR, USD], default: EUR}
    Charged:
      type: object
      required: [id, at]
      properties: {id: {type: string, format: uuid}, at: {type: string, format: date-time}}
"""


def test_openapi(tmp_path: Path):
    """Each operation with a JSON body is a contract; what a contract cannot have is reported."""
    (tmp_path / "billing.yaml").write_text(OPENAPI)
    functions = ["--function", "billing-charge:live", "--function", "billing-refund"]
    ran = generate(tmp_path, "billing.yaml", *functions, "--output", "contracts.py")
    module = import_file(tmp_path / "contracts.py")

    assert (module.billing_charge.function, module.billing_charge.qualifier) == ("billing-charge", "live")
    assert module.billing_charge.description == "Charge a card."
    assert module.Charge(cents=1).model_dump(mode="json") == {"cents": 1, "currency": "EUR"}
    with pytest.raises(ValidationError):
        module.Charge(cents=0)
    assert module.billing_refund.schema()["response"]["type"] == "null"
    assert "chargeCard: parameter X-Tenant is left out" in ran.stderr
    assert "chargeCard: responses 402 are left out" in ran.stderr


def test_one_operation_of_openapi(tmp_path: Path):
    """The others need no function."""
    (tmp_path / "billing.yaml").write_text(OPENAPI)
    ran = generate(tmp_path, "billing.yaml", "--operation", "refund", "--function", "billing-refund")

    assert "billing_refund = Contract" in ran.stdout
    assert "Charge" not in ran.stdout
    ran = generate(tmp_path, "billing.yaml", "--operation", "other", "--function", "f", status=2)
    assert "no operation 'other': it has chargeCard, refund" in ran.stderr


EVENT_PROPERTIES = {
    "detail": {"$ref": "#/components/schemas/OrderPlaced"},
    "detail-type": {"type": "string"},
    "resources": {"type": "array", "items": {"type": "object"}},
    "id": {"type": "string"},
    "source": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "account": {"type": "string"},
}
ORDER_PLACED = {
    "type": "object",
    "required": ["orderId", "lines"],
    "properties": {"orderId": {"type": "string"}, "lines": {"type": "array", "items": {"type": "number"}}},
}
AWS_EVENT = {
    "type": "object",
    "required": ["detail-type", "detail", "id", "source", "time", "account"],
    "x-amazon-events-detail-type": "OrderPlaced",
    "x-amazon-events-source": "shop.orders",
    "properties": EVENT_PROPERTIES,
}
REGISTRY = {
    "OpenApi3": {
        "openapi": "3.0.0",
        "info": {"version": "1.0.0", "title": "OrderPlaced"},
        "paths": {},
        "components": {"schemas": {"AWSEvent": AWS_EVENT, "OrderPlaced": ORDER_PLACED}},
    },
    "JSONSchemaDraft4": {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "title": "AWSEvent",
        "definitions": {"OrderPlaced": ORDER_PLACED},
        **AWS_EVENT,
        "properties": {**EVENT_PROPERTIES, "detail": {"$ref": "#/definitions/OrderPlaced"}},
    },
}


@pytest.mark.parametrize("kind", REGISTRY)
def test_eventbridge(kind: str, tmp_path: Path):
    """A schema of the registry, in either of its formats, is the request of the function that gets the events."""
    write_json(tmp_path / "event.json", REGISTRY[kind])
    generate(tmp_path, "event.json", "--function", "orders-archive", "--output", "contracts.py")
    module = import_file(tmp_path / "contracts.py")
    event = {
        "detail": {"orderId": "o-1", "lines": [1.5]},
        "detail-type": "OrderPlaced",
        "id": "1",
        "source": "shop.orders",
        "time": "2026-01-01T00:00:00Z",
        "account": "123456789012",
    }

    read = module.AWSEvent.model_validate(event)
    assert read.detail.orderId == "o-1"
    assert read.model_dump(mode="json", by_alias=True) == event
    assert module.orders_archive.schema()["response"]["type"] == "null"


def test_json_schemas_of_a_request_and_a_response(tmp_path: Path):
    """The response has a file of its own."""
    write_json(tmp_path / "request.json", {**ORDER_PLACED, "title": "Order"})
    write_json(tmp_path / "response.json", {"type": "array", "items": {"type": "integer"}})
    arguments = ["request.json", "--response", "response.json", "--function", "orders-price", "--name", "price"]
    generate(tmp_path, *arguments, "--output", "contracts.py")
    price = import_file(tmp_path / "contracts.py").price

    header = (tmp_path / "contracts.py").read_text().splitlines()[0]
    assert f"`lambdachain generate request.json {' '.join(arguments[3:])} --response response.json`" in header
    assert price.request.__name__ == "Order"
    assert price.response == list[int]


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("{", [], "schema.json is not JSON"),
        ("[]", [], "schema.json is not a schema: it has list instead of an object"),
        ("{}", [], "it is neither a contract's, nor OpenAPI, nor JSON Schema"),
        ('{"swagger": "2.0"}', [], "schema.json is not OpenAPI 3: convert it first"),
        ('{"openapi": "3.1.0"}', [], "no operation with a JSON request body"),
        ('{"type": "string"}', [], "pass --function for each of schema"),
        ('{"type": "string"}', ["--function", "no spaces"], "invalid function name"),
        ('{"type": "string"}', ["--function", "f", "--name", "a", "--name", "b"], "2 times --name for 1 contracts"),
        ('{"type": "string"}', ["--check"], "--check needs --output"),
        ('{"$ref": "other.json#/a"}', ["--function", "f"], "bundle it into one file first"),
        ('{"$ref": "#/$defs/Missing"}', ["--function", "f"], "no definition of #/$defs/Missing"),
        ('{"lambdachain": 2}', [], "not a contract schema"),
    ],
)
def test_mistakes_are_reported_in_one_line(text: str, arguments: list[str], message: str, tmp_path: Path):
    """Each says what is wrong, and where."""
    (tmp_path / "schema.json").write_text(text)
    ran = generate(tmp_path, "schema.json", *arguments, status=2)

    assert message in ran.stderr
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1


HOSTILE = '")) or print("run") or Decimal(str("'


def test_a_schema_cannot_write_code(tmp_path: Path):
    """Schemas come from others: what they say is data in the module, never code."""
    limits = {"gt": HOSTILE, "places": "2"}
    properties = {
        "decimal": {"type": "string", "format": "decimal", "x-lambdachain": limits},
        "text": {"type": "string", "pattern": HOSTILE, "default": HOSTILE, "description": HOSTILE},
        "imported": {"type": "string", "customTypePath": "antigravity.fly", "x-python-type": "antigravity.fly"},
        "choice": {"enum": [HOSTILE]},
    }
    schema = {"title": HOSTILE, "description": HOSTILE, "type": "object", "properties": properties}
    write_json(tmp_path / "schema.json", schema)
    generate(tmp_path, "schema.json", "--function", "f", "--output", "contracts.py")
    tree = ast.parse((tmp_path / "contracts.py").read_text())

    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "print" not in names
    assert "antigravity" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("name", ["a b", "class", "X: pass\nimport os"])
def test_an_error_needs_the_name_of_a_class(name: str, tmp_path: Path):
    """Its name is sent, so it cannot be changed."""
    write_json(tmp_path / "schema.json", {**place.schema(), "errors": {name: {"type": "object", "properties": {}}}})
    ran = generate(tmp_path, "schema.json", status=2)

    assert "is not a Python name" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_two_contracts_of_one_function(tmp_path: Path):
    """They need names, in the order of the schemas."""
    write_json(tmp_path / "orders.json", place.schema())
    ran = generate(tmp_path, "orders.json", "orders.json", status=2)

    assert "two contracts would be named orders_place: pass one --name for each" in ran.stderr


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "call-from-other-languages.md"


def test_the_page(tmp_path: Path):
    """Its commands run on its contract, and the generated module has the contract again."""
    text = PAGE.read_text()
    source = text.partition("```python\n# billing_contracts.py\n")[2].partition("```")[0]
    (tmp_path / "billing_contracts.py").write_text(source)
    section = text.partition("## Python in another repository")[2]
    commands = [line.removeprefix("$ lambdachain ") for line in section.splitlines() if line.startswith("$ ")]
    assert len(commands) == 3
    for command in commands:
        arguments, _, file = command.partition(" > ")
        ran = subprocess.run([*RUN[:-1], *arguments.split()], cwd=tmp_path, capture_output=True, text=True, check=True)
        if file:
            (tmp_path / file).write_text(ran.stdout)

    callee = import_file(tmp_path / "billing_contracts.py").charge
    caller = import_file(tmp_path / "charge_contracts.py").charge
    assert caller.schema() == callee.schema()
