"""The tools that deploy the examples build them, and what they build is served: `make deployed` installs and runs them.

``LAMBDACHAIN_DEPLOY_TOOLS`` is the environment that has them: ``bin/sam``, ``bin/hadolint``, ``bin/python`` with
aws-cdk-lib, ``node_modules`` with aws-cdk and osls.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from deployed_demo import BASKET, local_client, serve

from tests.deployment.bare_runtime import call_checkout, make_interpreter
from tests.support.page_reader import parse_fences

EXAMPLES = Path(__file__).parents[2] / "examples"
TOOLS = Path(os.environ.get("LAMBDACHAIN_DEPLOY_TOOLS", "."))

pytestmark = pytest.mark.skipif("LAMBDACHAIN_DEPLOY_TOOLS" not in os.environ, reason="`make deployed` runs these")

# Fake, and never sent: the tools only want to see some.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "eu-west-1"}
QUIET = {"SAM_CLI_TELEMETRY": "0", "SLS_TELEMETRY_DISABLED": "1", "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}
LEFT_OUT = shutil.ignore_patterns("build", "cdk.out", ".*", "__pycache__", "node_modules")
UNCHECKED_HASH = b"\x01\x00\x00\x00"  # the flags of a .pyc file whose source is not looked at (PEP 552)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a tool; return its output."""
    path = os.pathsep.join([str(TOOLS / "bin"), str(TOOLS / "node_modules" / ".bin"), os.environ["PATH"]])
    environment = {**os.environ, **CREDENTIALS, **QUIET, "PATH": path, **variables}
    executable = shutil.which(command[0], path=path)
    assert executable is not None, f"{command[0]} is not installed"
    ran = subprocess.run(
        [executable, *command[1:]], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def find_python(wanted: str) -> Path | None:
    """Return an interpreter of a version, of those on the PATH."""
    for directory in map(Path, os.environ["PATH"].split(os.pathsep)):
        candidate = directory / f"python{wanted}"
        if (
            candidate.is_file()
            and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return candidate
    return None


def find_errors(template: Path) -> list[str]:
    """Return the errors that cfn-lint finds; its warnings are about what the tools add, such as a DependsOn."""
    api = import_module("cfnlint.api")
    found = api.lint_file(template, config=api.ManualArgs(regions=["eu-west-1"]))
    return [str(match) for match in found if match.rule.severity == "error"]


def call(file: Path, function: str) -> Any:
    """Serve a file, and call a function of it."""
    with serve(file) as environment, local_client(environment) as client:
        return client.call(function, BASKET)


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, ".", cwd=EXAMPLES.parent)
    [wheel] = directory.glob("*.whl")
    return wheel


@pytest.fixture(scope="module", name="system")
def _system(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Copy the example, and build it from the wheel for this interpreter."""
    system = tmp_path_factory.mktemp("system") / "deployed"
    shutil.copytree(EXAMPLES / "deployed", system, ignore=LEFT_OUT)
    subprocess.run([sys.executable, "build.py", "--local", "--lambdachain", wheel], cwd=system, check=True)
    return system


def test_the_built_packages_run_where_boto3_is_not_installed(system: Path, tmp_path: Path) -> None:
    """They were installed by pip, from the wheel; the interpreter has no packages but the runtime client."""
    packages = [tmp_path / "checkout", tmp_path / "pricing"]
    for package in packages:
        shutil.unpack_archive(system / "build" / f"{package.name}.zip", package)
    answer = call_checkout(*packages, make_interpreter(tmp_path))

    assert answer["receipt"] == {"order_id": "A-1", "text": "49.80 to pay"}
    assert answer["found"] == ["lambdachain"]


def test_a_package_is_a_fraction_of_one_with_boto3(system: Path, wheel: Path, tmp_path: Path) -> None:
    """Without the compiled modules, 3.6 MB instead of 21."""
    run("python", "-m", "pip", "install", "--quiet", "--no-compile", "--target", tmp_path / "all", wheel, cwd=tmp_path)
    dependencies = system / "build" / "dependencies" / "python"
    sizes = []
    for name, directory in (("slim", dependencies), ("full", tmp_path / "all")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as package:
            for path in directory.rglob("*"):
                if path.is_file() and path.suffix != ".pyc":
                    package.write(path, path.relative_to(directory))
        sizes.append((tmp_path / f"{name}.zip").stat().st_size)

    assert (tmp_path / "all" / "boto3").is_dir()
    assert not (dependencies / "boto3").exists()
    assert 4 * sizes[0] < sizes[1]
    assert sizes[0] < 5_000_000


def _read_fence(containing: str) -> str:
    page = (EXAMPLES.parent / "docs" / "how-to" / "deploy.md").read_text()
    [body] = [fence.body for fence in parse_fences(page) if containing in fence.body]
    return body


def check_page_package(directory: Path) -> None:
    """Check that a package has lambdachain, for the page's architecture, and nothing of boto3."""
    installed = {path.name for path in directory.iterdir()}

    assert {"lambdachain", "pydantic", "pydantic_core", "tenacity"} <= installed
    assert installed & {"boto3", "botocore", "urllib3", "s3transfer"} == set()
    assert [*directory.rglob("*.pyc")] == []
    assert [path.name for path in directory.rglob("*.so")] == ["_pydantic_core.cpython-313-aarch64-linux-gnu.so"]


def test_the_commands_of_the_page_leave_boto3_out(wheel: Path, tmp_path: Path) -> None:
    """With pip, as it prints them."""
    run(
        "sh",
        "-ec",
        _read_fence("--no-deps lambdachain").replace("lambdachain", str(wheel)),
        cwd=tmp_path,
    )
    check_page_package(tmp_path / "build" / "python")


def test_the_setting_of_the_page_leaves_boto3_out(wheel: Path, tmp_path: Path) -> None:
    """With uv, as it prints it."""
    project = f"""
[project]
name = "orders"
version = "1"
requires-python = ">=3.11"
dependencies = ["lambdachain"]
[tool.uv.sources]
lambdachain = {{ path = "{wheel}" }}
"""
    (tmp_path / "pyproject.toml").write_text(project + _read_fence("exclude-dependencies"))
    run("sh", "-ec", _read_fence("uv export"), cwd=tmp_path, UV_PYTHON=sys.executable)
    check_page_package(tmp_path / "build" / "python")


def test_modules_are_compiled_for_good(system: Path) -> None:
    """Python loads them whatever the times of the files in the package are."""
    compiled = list((system / "build" / "dependencies").rglob("*.pyc"))

    assert len(compiled) > 100
    assert {path.read_bytes()[4:8] for path in compiled} == {UNCHECKED_HASH}


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")])
def test_a_package_is_for_the_architecture_of_its_function(
    architecture: str, machine: str, wheel: Path, tmp_path: Path
) -> None:
    """Whatever machine builds it."""
    system = tmp_path / "deployed"
    shutil.copytree(EXAMPLES / "deployed", system, ignore=LEFT_OUT)
    run("python", "build.py", "--architecture", architecture, "--lambdachain", wheel, cwd=system)
    native = [path.name for path in (system / "build" / "dependencies").rglob("*.so")]

    assert native == [f"_pydantic_core.cpython-313-{machine}-linux-gnu.so"]


def test_sam_builds_the_system(system: Path) -> None:
    """Its layer is there already, so that this needs neither Docker nor Python 3.13."""
    run("sam", "build", cwd=system / "sam")
    built = system / "sam" / ".aws-sam" / "build" / "template.yaml"

    assert find_errors(built) == []
    assert call(built, "Checkout:live")["text"] == "248.80 to pay"


def test_sam_builds_the_template_of_least_privilege(wheel: Path, tmp_path: Path) -> None:
    """With a layer that has the contracts and what they need, for the architecture of the functions."""
    python = find_python("3.13")
    if python is None:
        pytest.skip("python3.13, with which SAM builds for that runtime, is not on the PATH")
    for name in ("least_privilege", "parent_child"):
        shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=LEFT_OUT)
    (tmp_path / "parent_child" / "contracts" / "requirements.txt").write_text(f"{wheel}\n")
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    sam = shutil.which("sam", path=str(TOOLS / "bin"))
    run(str(sam), "build", cwd=tmp_path / "least_privilege", PATH=path)
    built = tmp_path / "least_privilege" / ".aws-sam" / "build"
    layer = built / "Contracts" / "python"

    assert find_errors(built / "template.yaml") == []
    assert (layer / "purchase_contracts.py").is_file()
    assert [path.name for path in (layer / "pydantic_core").glob("*.so")] == [
        "_pydantic_core.cpython-313-aarch64-linux-gnu.so"
    ]
    assert (built / "ParentFunction" / "parent_function.py").is_file()


def _find_function(template: Path, prefix: str) -> str:
    tree = json.loads(template.read_text())
    [name] = [
        name
        for name, one in tree["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function" and name.startswith(prefix)
    ]
    return str(name)


def test_cdk_synthesizes_the_system(system: Path) -> None:
    """Its output grants what the code calls, and is served."""
    run("cdk", "synth", "--quiet", cwd=system / "cdk")
    output = system / "cdk" / "cdk.out"
    template = output / "Deployed.template.json"
    check = [sys.executable, "-c", "from lambdachain.cli import main; main()", "policy", system, "--check", template]
    checked = subprocess.run(check, cwd=system, capture_output=True, text=True, check=False)

    assert find_errors(template) == []
    assert "2 functions checked: grants match the calls" in checked.stderr
    assert call(output, f"{_find_function(template, 'Checkout')}:live")["text"] == "248.80 to pay"


def test_serverless_packages_the_system(system: Path) -> None:
    """By osls, the maintained continuation of version 3, which needs no account; the same file is served."""
    run("osls", "package", cwd=system / "serverless")
    template = system / "serverless" / ".serverless" / "cloudformation-template-update-stack.json"
    resources: Mapping[str, Any] = json.loads(template.read_text())["Resources"]
    role = resources["CheckoutRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]

    assert find_errors(template) == []
    assert resources["PricingSnapStartLambdaAlias"]["Properties"]["Name"] == "snapstart"
    assert role["Resource"] == {"Ref": "PricingSnapStartLambdaAlias"}
    assert call(system / "serverless" / "serverless.yml", "deployed-dev-checkout")["text"] == "248.80 to pay"


def test_terraform_accepts_the_configuration(system: Path) -> None:
    """By the schemas of the providers, where their registry can be reached."""
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed")
    directory = system / "terraform"
    command = [terraform, "init", "-backend=false", "-input=false"]
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if ran.returncode != 0 and "registry" in ran.stderr:
        pytest.skip("the registry of Terraform's providers cannot be reached")

    assert ran.returncode == 0, ran.stderr
    run("terraform", "validate", cwd=directory)


def test_the_image_is_built_by_a_dockerfile_without_complaint(system: Path) -> None:
    """By hadolint; Docker itself is not needed for that."""
    run("hadolint", "Dockerfile", cwd=system)
