"""What ``examples/deployed/build.py`` packages: everything that a function imports, without boto3."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lambdachain
from tests.deployment.bare_runtime import call_checkout, link_distributions, make_interpreter

DEPLOYED = Path(__file__).parents[2] / "examples" / "deployed"


@pytest.fixture(name="system")
def _system(tmp_path: Path) -> Path:
    """Copy the example without what was built in it."""
    copy = tmp_path / "deployed"
    shutil.copytree(DEPLOYED, copy, ignore=shutil.ignore_patterns("build", "cdk.out", ".*", "__pycache__"))
    return copy


def build(system: Path, *options: str) -> None:
    """Run the example's build."""
    subprocess.run([sys.executable, "build.py", *options], cwd=system, check=True, stdout=subprocess.PIPE)


def unpack(system: Path, function: str) -> Path:
    """Unpack a function's package, as Lambda does."""
    directory = system / "unpacked" / function
    with zipfile.ZipFile(system / "build" / f"{function}.zip") as package:
        package.extractall(directory)
    return directory


def test_a_package_has_the_code_the_contracts_and_nothing_else(system: Path) -> None:
    """No file of the other function, and no cache of a source."""
    (system / "checkout" / "__pycache__").mkdir()
    (system / "checkout" / "__pycache__" / "checkout_function.cpython-313.pyc").write_bytes(b"")
    build(system, "--only-code")

    with zipfile.ZipFile(system / "build" / "checkout.zip") as package:
        assert package.namelist() == ["pricing_contracts.py", "checkout_function.py"]
        assert {entry.external_attr >> 16 for entry in package.infolist()} == {0o644}


def test_the_same_sources_give_the_same_package(system: Path) -> None:
    """So a deployment that changes nothing uploads nothing."""
    build(system, "--only-code")
    first = (system / "build" / "pricing.zip").read_bytes()
    (system / "pricing" / "pricing_function.py").touch()
    build(system, "--only-code")

    assert (system / "build" / "pricing.zip").read_bytes() == first


def test_functions_call_each_other_where_boto3_is_not_installed(system: Path, tmp_path: Path) -> None:
    """In processes of the real runtime client, whose interpreter has no packages but that client.

    ``make deployed`` does the same with a package that pip has installed from the wheel.
    """
    build(system, "--only-code")
    packages = [unpack(system, function) for function in ("checkout", "pricing")]
    for package in packages:
        link_distributions(["pydantic", "tenacity"], package)
        (package / "lambdachain").symlink_to(Path(lambdachain.__file__).parent)
    answer = call_checkout(*packages, make_interpreter(tmp_path))

    assert answer["receipt"] == {"order_id": "A-1", "text": "49.80 to pay"}
    assert answer["found"] == ["lambdachain"]
    assert Path(answer["pydantic"]).is_relative_to(packages[0])


def test_a_package_without_a_dependency_fails(system: Path, tmp_path: Path) -> None:
    """The interpreter of these tests really has no packages of its own."""
    build(system, "--only-code")
    packages = [unpack(system, function) for function in ("checkout", "pricing")]

    with pytest.raises(lambdachain.FunctionError, match="No module named 'pydantic'"):
        call_checkout(*packages, make_interpreter(tmp_path))
