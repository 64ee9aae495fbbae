"""What importing costs, and which way imports go."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lambdachain

SOURCE = Path(lambdachain.__file__).parent

# From the ground up: a module imports only what stands above it in this list.
LAYERS = [
    ["_text"],
    ["_version", "_errors", "_event_stream", "_foreign", "_loopback", "_tls_socket", "_wire"],
    ["_copies"],
    ["_alarm", "_budget", "_clock", "_fork_safety", "_single_flight"],
    ["_json"],
    ["_annotations", "_arn"],
    ["_metadata"],
    ["_remote_error", "_invocation", "_results", "_receipts", "_retry", "_scope"],
    ["_stand_in", "_destination", "_streaming", "_success"],
    ["_offload"],
    ["_contract_schema"],
    ["_compatibility"],
    ["_contract", "_failures", "_options", "_client_context", "resolvers"],
    ["_boto"],
    ["_classify", "_callee"],
    ["_plan", "_signature", "_loop", "_service"],
    ["_answer"],
    ["_http", "_in_threads"],
    ["_async_boto"],
    ["_async_http"],
    ["_default_transport"],
    ["_attempts"],
    ["_hedging"],
    ["_async_attempts"],
    ["_fan_out"],
    ["_calls", "progress"],
    ["_async_caller", "_caller"],
    ["_mapping", "_streams"],
    ["_async_mapping", "_async_streams"],
    ["_async_remote_function", "_remote_function"],
    ["_async_client", "_client"],
    ["_handler"],
    ["_survey"],
    ["_grants"],
    ["_call_graph", "_diagnosis"],
    ["doctor", "local", "testing"],
    ["cli"],
    ["__init__", "_pytest_plugin"],
]
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}


def _imports(path: Path) -> set[str]:
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and path.parent == SOURCE:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("lambdachain."):
            found.add((node.module or "").split(".")[1])
    return found


def test_every_module_has_its_place():
    """No module stands outside the layers."""
    modules = {path.stem for path in SOURCE.glob("*.py")} | {path.name for path in SOURCE.iterdir() if path.is_dir()}

    assert set(LEVEL) == modules - {"__pycache__"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down_only(path: Path):
    """A module imports from lower layers only; ``local`` from any of the core."""
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    upward = [name for name in _imports(path) if LEVEL[name] >= LEVEL[own] and name != own]

    assert upward == []


def test_importing_loads_nothing_heavy():
    """``import lambdachain`` leaves boto3, botocore, tenacity, asyncio and pydantic for when they are needed."""
    heavy = {"boto3", "botocore", "tenacity", "asyncio", "urllib3", "pydantic", "pydantic_core", "importlib.metadata"}
    script = f"import lambdachain, lambdachain.resolvers, sys; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_a_handler_loads_no_client():
    """A module that only handles loads neither boto3, botocore, tenacity nor asyncio."""
    script = (
        "import sys\nfrom lambdachain import Contract, RemoteError, remote\nfrom pydantic import BaseModel\n"
        "class A(BaseModel):\n    x: int\n"
        "class Bad(RemoteError):\n    y: int\n"
        "@remote(Contract('f', request=A, response=A, errors=[Bad]))\ndef handler(a: A) -> A: return a\n"
        "assert handler({'x': 1}, None) == {'x': 1}\n"
        "print(sorted({'boto3', 'botocore', 'tenacity', 'asyncio'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


_CORE = {
    "_answer",
    "_arn",
    "_attempts",
    "_budget",
    "_callee",
    "_caller",
    "_calls",
    "_client",
    "_client_context",
    "_clock",
    "_contract",
    "_copies",
    "_default_transport",
    "_errors",
    "_invocation",
    "_json",
    "_json.codec",
    "_json.collector",
    "_json.core_schema",
    "_json.large_numbers",
    "_json.misfit",
    "_metadata",
    "_options",
    "_plan",
    "_remote_function",
    "_results",
    "_retry",
    "_scope",
    "_stand_in",
    "_success",
}
_COLD_START = """
import sys
from pydantic import BaseModel

def loaded(stage):
    new = set(sys.modules) - before
    before.update(new)
    print(stage, *sorted(name for name in new if "." not in name or name.startswith("lambdachain.")))

class Order(BaseModel):
    cents: int

class Placed(BaseModel):
    total: int

Order.model_validate_json(Order(cents=1).model_dump_json())
before = set(sys.modules)
from lambdachain import Contract, Invocation, LambdaClient, Outcome
loaded("import")

class Echo:
    def send(self, invocation, /, *, timeout):
        return Outcome(200, b'{"total": 2}', executed_version="1")

    def close(self):
        pass

client = LambdaClient(Echo())
place = Contract("orders-place", request=Order, response=Placed)
loaded("declared")
assert client.call(place, Order(cents=2)) == Placed(total=2)
loaded("called")
assert client.call(place, Order(cents=3), timeout=3) == Placed(total=2)
loaded("again")
"""


def test_each_stage_of_a_cold_start_loads_what_it_needs_and_no_more():
    """What comes in beside pydantic, module by module, until a call is through; a further call loads nothing."""
    ran = subprocess.run([sys.executable, "-c", _COLD_START], capture_output=True, text=True, check=True)
    stages = {stage: set(modules) for stage, *modules in map(str.split, ran.stdout.splitlines())}

    assert stages["import"] - {"gc", "json", "_json"} == {"lambdachain", *(f"lambdachain.{module}" for module in _CORE)}
    assert [set(), set(), set()] == [stages["declared"], stages["called"], stages["again"]]


def test_importing_loads_no_module_of_ours():
    """Each name is looked up where it is first asked for."""
    script = "import lambdachain, sys; print(sorted(name for name in sys.modules if name.startswith('lambdachain')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "['lambdachain']"


def test_public_names_are_those_that_type_checkers_see():
    """``__init__.py`` and ``__init__.pyi`` have one list of names, in order; each is found, where both say it is."""
    listed = ast.parse((SOURCE / "__init__.pyi").read_text()).body
    imported = {a.name: node.module for node in listed if isinstance(node, ast.ImportFrom) for a in node.names}
    declared = next(ast.literal_eval(node.value) for node in listed if isinstance(node, ast.Assign))

    assert sorted(imported) == declared == lambdachain.__all__ == dir(lambdachain)
    assert imported == lambdachain._HOMES
    assert all(getattr(lambdachain, name) is not None for name in declared)


def test_a_name_that_is_not_there_is_an_attribute_error():
    """As for any module."""
    with pytest.raises(AttributeError, match="'lambdachain' has no attribute 'LambdaCleint'"):
        _ = lambdachain.LambdaCleint


def _functions() -> list[tuple[str, int]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]


def test_the_house_is_small_rooms():
    """No module over 450 lines, no function over 60, the median function under 10."""
    modules = {path.name: path.read_text().count("\n") for path in SOURCE.rglob("*.py")}
    lengths = sorted(length for _, length in _functions())

    assert {name: lines for name, lines in modules.items() if lines > 450} == {}
    assert [function for function in _functions() if function[1] > 60] == []
    assert lengths[len(lengths) // 2] < 10


def test_no_third_party_at_the_top_of_a_module():
    """boto3, botocore, pydantic and tenacity are imported where they are first needed (or for the type checker)."""
    lazy = {"boto3", "botocore", "pydantic", "pydantic_core", "tenacity", "typing_extensions"}
    found = {
        f"{path.name}: {name}"
        for path in SOURCE.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if name.split(".")[0] in lazy
    }

    assert found == set()
