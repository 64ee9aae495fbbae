"""The cost of importing, and the direction of imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import lambdachain
from lambdachain._core import errors

SOURCE = Path(lambdachain.__file__).parent

# From the bottom up: a package imports only from those before it in this list.
LAYERS = [
    ["_core"],
    ["_json"],
    ["_transports"],
    ["_contracts", "_lambda_api"],
    ["_calling", "resolvers"],
    ["_fan_out"],
    ["_client", "progress"],
    ["_analysis", "_handler"],
    ["_templates"],
    ["agents", "compat", "doctor", "httpx", "local", "sqs", "stepfunctions"],
    ["testing"],
    ["cli"],
    ["__init__", "__main__", "_pytest_plugin"],
    ["datadog", "durable", "otel", "powertools", "sentry", "xray"],
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCE.rglob("*.py")
}


def get_imports(module: str) -> set[str]:
    """Return the modules of the package that a module imports, anywhere in its code."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set[str]()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            found |= {name if (name := f"{source}.{alias.name}") in MODULES else source for alias in node.names}
    return {name for name in found if name in MODULES} - {module, "lambdachain"}


def test_every_package_has_its_layer():
    """No package or top-level module is missing from the layers, and few are private."""
    packages = {module.split(".")[1] for module in MODULES if "." in module} | {"__init__"}

    assert set(LEVEL) == packages
    assert len([name for name in packages if name.startswith("_") and not name.endswith("__")]) <= 12


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module: str):
    """A package imports from lower layers only."""
    own = module.split(".")[1] if "." in module else "__init__"
    imported = {name.split(".")[1] for name in get_imports(module)}

    assert [name for name in sorted(imported) if name != own and LEVEL[name] >= LEVEL[own]] == []


def test_there_are_no_import_cycles():
    """Inside packages, too: there is an order in which every module comes after those that it imports."""
    order = TopologicalSorter({module: get_imports(module) for module in MODULES})

    assert len([*order.static_order()]) == len(MODULES)


def test_importing_loads_nothing_heavy():
    """``import lambdachain`` does not import boto3, botocore, tenacity, asyncio or pydantic."""
    heavy = {"boto3", "botocore", "tenacity", "asyncio", "urllib3", "pydantic", "pydantic_core", "importlib.metadata"}
    script = f"import lambdachain, lambdachain.resolvers, sys; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


def test_a_handler_loads_no_client():
    """A module that only has a handler imports neither boto3, botocore, tenacity nor asyncio."""
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
    "_calling",
    "_calling.response",
    "_calling.attempts",
    "_calling.compiled_call",
    "_calling.options",
    "_calling.prepared_call",
    "_calling.retry",
    "_calling.retry_budget",
    "_calling.success",
    "_calling.target",
    "_client",
    "_client.base_invoker",
    "_client.invoker",
    "_client.client",
    "_client.lifecycle",
    "_client.remote_function",
    "_contracts",
    "_contracts.contract",
    "_core",
    "_core.arn",
    "_core.client_context",
    "_core.clock",
    "_core.current_invocation",
    "_core.errors",
    "_core.invocation",
    "_core.metadata",
    "_core.fork_hooks",
    "_core.results",
    "_core.type_guards",
    "_json",
    "_json.codec",
    "_json.core_schema",
    "_json.gc_paused",
    "_json.float_overflow_scan",
    "_json.payload_validation",
    "_transports",
    "_transports.argument_checks",
    "_transports.default",
    "_transports.transport_override",
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
    """The modules that are imported after pydantic, until a call has succeeded; a further call imports none."""
    ran = subprocess.run([sys.executable, "-c", _COLD_START], capture_output=True, text=True, check=True)
    stages = {stage: set(modules) for stage, *modules in map(str.split, ran.stdout.splitlines())}

    assert stages["import"] - {"gc", "json", "_json"} == {"lambdachain", *(f"lambdachain.{module}" for module in _CORE)}
    assert [set(), set(), set()] == [stages["declared"], stages["called"], stages["again"]]


def test_importing_lambdachain_loads_none_of_its_modules():
    """Each name is imported when it is first used."""
    script = "import lambdachain, sys; print(sorted(name for name in sys.modules if name.startswith('lambdachain')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "['lambdachain']"


def test_public_names_are_those_that_type_checkers_see():
    """``__init__.py`` and ``__init__.pyi`` list the same names in the same modules; the errors come from one list."""
    stub = [node for node in ast.parse((SOURCE / "__init__.pyi").read_text()).body if isinstance(node, ast.ImportFrom)]
    exported = {alias.asname: node.module for node in stub for alias in node.names if alias.name != "*"}

    assert [node.module for node in stub for alias in node.names if alias.name == "*"] == ["_core.errors"]
    assert exported == lambdachain._HOMES
    assert sorted([*exported, *errors.__all__]) == lambdachain.__all__ == dir(lambdachain)
    assert all(getattr(lambdachain, name) is not None for name in lambdachain.__all__)


def test_a_wildcard_import_has_every_public_name():
    """Though ``__all__`` is only computed when it is read."""
    script = "from lambdachain import *; import lambdachain; print(set(lambdachain.__all__) - set(globals()))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"


def test_an_unknown_name_is_an_attribute_error():
    """As for any module."""
    for name in ("LambdaCleint", "ThrotledError", "describe_details"):
        with pytest.raises(AttributeError, match=f"'lambdachain' has no attribute '{name}'"):
            getattr(lambdachain, name)


def _functions() -> list[tuple[str, int]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (f"{path.name}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]


def test_modules_and_functions_are_small():
    """No module over 450 lines, no function over 60, the median function under 10."""
    modules = {path.name: path.read_text().count("\n") for path in SOURCE.rglob("*.py")}
    lengths = sorted(length for _, length in _functions())

    assert {name: lines for name, lines in modules.items() if lines > 450} == {}
    assert [function for function in _functions() if function[1] > 60] == []
    assert lengths[len(lengths) // 2] < 10


def test_no_third_party_import_at_the_top_of_a_module():
    """boto3, botocore, pydantic and tenacity are imported where they are first needed (or for type checkers)."""
    lazy = {"boto3", "botocore", "pydantic", "pydantic_core", "tenacity", "typing_extensions"}
    found = {
        f"{path.name}: {name}"
        for path in SOURCE.glob("_*/**/*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        if name.split(".")[0] in lazy
    }

    assert found == set()


@pytest.mark.parametrize("module", ["otel", "xray", "datadog", "sentry", "httpx", "powertools", "durable"])
def test_a_missing_library_is_named_with_its_extra(module: str):
    """In an environment that has none of them, as after a plain install."""
    libraries = ("opentelemetry", "aws_xray_sdk", "ddtrace", "sentry_sdk", "httpx", "aws_lambda_powertools")
    blocked = (*libraries, "aws_durable_execution_sdk_python")
    script = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\nimport lambdachain.{module}"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    last = ran.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: lambdachain.{module} needs ")
    assert last.endswith(f": pip install 'lambdachain[{module}]'")
