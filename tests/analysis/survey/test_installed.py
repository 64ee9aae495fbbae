"""Contracts, clients and handlers in installed packages: found as text, never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from lambdachain._analysis.survey.installed import InstalledPackages, find_site_directories
from lambdachain._analysis.survey.project import Project
from lambdachain._analysis.survey.results import Survey
from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.survey import survey_project

CONTRACTS = """
from lambdachain import Contract, LambdaClient
raise SystemExit("imported")
charge = Contract("billing-charge", request=int, response=int)
client = LambdaClient()
"""
APP = """
from lambdachain import LambdaClient
from shop_contracts import charge
LambdaClient().call(charge, 1)
"""


def write(directory: Path, files: dict[str, str]) -> Path:
    """Write files into a directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return directory


def survey_with(code: Path, *directories: Path) -> Survey:
    """Survey code with the packages in some directories installed."""
    return survey_project(Project(read_sources([code]), InstalledPackages(directories)))


@pytest.mark.parametrize(
    ("files", "app"),
    [
        ({"shop_contracts.py": CONTRACTS}, APP),
        ({"shop_contracts/__init__.py": CONTRACTS}, APP),
        ({"shop_contracts/__init__.py": "from .billing import charge", "shop_contracts/billing.py": CONTRACTS}, APP),
        ({"shop_contracts/__init__.py": "from shop_contracts.a.b import *", "shop_contracts/a/b.py": CONTRACTS}, APP),
        ({"shop/contracts.py": CONTRACTS}, APP.replace("shop_contracts", "shop.contracts")),
        ({"shop/contracts.py": CONTRACTS}, "import shop.contracts as c\nc.client.call(c.charge, 1)"),
        ({"shop_contracts.py": CONTRACTS}, "from shop_contracts import charge, client\nclient.call(charge, 1)"),
        ({"shop_contracts.py": CONTRACTS}, "import shop_contracts as c\nc.client.bind(c.charge).call(1)"),
        ({"shop_contracts.py": CONTRACTS}, "from shop_contracts import *\nclient.call(charge, 1)"),
    ],
)  # fmt: skip
def test_a_contract_in_an_installed_package_is_followed(tmp_path: Path, files: dict[str, str], app: str):
    """A module, a package, a namespace package; through re-exports."""
    site, code = write(tmp_path / "site", files), write(tmp_path / "code", {"app.py": app})
    found = survey_with(code, site)

    assert [(call.function, Path(call.location.file).name) for call in found.calls] == [("billing-charge", "app.py")]
    assert found.unresolved == ()


def test_calls_in_installed_packages_are_not_those_of_the_code(tmp_path: Path):
    """Only what the code imports is read, to find out what a name is."""
    site = write(tmp_path / "site", {"shop_contracts.py": f"{CONTRACTS}client.call(charge, 1)"})
    found = survey_with(write(tmp_path / "code", {"app.py": "import shop_contracts"}), site)

    assert (found.calls, found.unresolved) == ((), ())


@pytest.mark.parametrize(
    "app",
    [
        APP,
        "from lambdachain import LambdaClient\nimport shop_contracts\nLambdaClient().fire(shop_contracts.charge, 1)",
        "from lambdachain import Contract\nfrom shop_contracts import client\nclient.call('billing-charge', 1)",
        "from lambdachain import Contract\nfrom shop_contracts import charge\ncharge.call(1)",
        "import boto3\nfrom shop_contracts import NAME\nboto3.client('lambda').invoke(FunctionName=NAME)",
    ],
)
def test_a_module_that_is_not_found_is_named(tmp_path: Path, app: str):
    """With what to do; so that code that calls functions never seems to call none."""
    found = survey_with(write(tmp_path, {"app.py": app}))
    [unresolved] = found.unresolved

    assert "no module 'shop_contracts' was found: add its directory, or --python" in unresolved.why
    assert found.calls == ()


def test_a_package_that_does_not_mention_lambdachain_is_not_read(tmp_path: Path):
    """It is installed, so it is not missing; but its functions and objects are known by their names only."""
    site = write(tmp_path / "site", {"names.py": "NAME = open('name').read()\ndef find_name(): return 'f'"})
    app = "import boto3\nfrom names import {0}\nboto3.client('lambda').invoke(FunctionName={0})"
    for name in ("NAME", "find_name"):
        [unresolved] = survey_with(write(tmp_path / "code", {"app.py": app.format(name)}), site).unresolved

        assert unresolved.why.endswith(f"{name} is imported from names, which is not read")


LIBRARY = {
    "library/__init__.py": "from .modes import (\n    Mode as Mode,\n    NAME,\n)\nfrom library.more import *\n",
    "library/modes.py": """
        import enum
        class Mode(enum.Enum):
            EVENT = "Event"
            def describe(self): return self.value
        class Text(str, enum.Enum):
            EVENT = "Event"
        class Base(enum.Enum):
            pass
        class Kinds:
            EVENT: str = "Event"
            BY_NAME = {"event": "Event"}
        EVENT: str = "Event"
        event = Mode.EVENT
        NAME = "mail"
        """,
    "library/more.py": "STARRED = 'Event'\ndef work(): return missing",
}


@pytest.mark.parametrize(
    "code",
    [
        "from library.modes import Mode\nkind = Mode.EVENT.value",
        "from library import Mode as M\nkind = M.EVENT.value",
        "import library\nkind = library.Mode.EVENT.value",
        "import library.modes as m\nkind = m.Text.EVENT",
        "from library import modes\nkind = modes.Mode['EVENT'].value",
        "from library.modes import event\nkind = event.value",
        "from library.modes import Base\nclass Own(Base): EVENT = 'Event'\nkind = Own.EVENT.value",
        "from library.modes import EVENT\nkind = EVENT",
        "from library.modes import Kinds\nkind = Kinds.EVENT",
        "from library.modes import *\nkind = Mode.EVENT.value",
        "from library import STARRED\nkind = STARRED",
        "from library import *\nkind = STARRED",
        "import library\nkind = library.STARRED",
    ],
)
def test_a_constant_of_any_installed_package_is_read(tmp_path: Path, code: str):
    """An enum's member, a constant of a module or class; directly, re-exported, or by ``import *``."""
    call = "import boto3, library\nboto3.client('lambda').invoke(FunctionName=library.NAME, InvocationType=kind)"
    found = survey_with(write(tmp_path / "code", {"app.py": f"{code}\n{call}"}), write(tmp_path / "site", LIBRARY))

    assert [(one.function, one.mode.value) for one in found.calls] == [("mail", "fire")]
    assert found.unresolved == ()


def test_a_parameter_of_an_installed_enum_may_be_any_member(tmp_path: Path):
    """As of one in the code, unless calls that are in sight pass one."""
    code = (
        "import boto3\nfrom library.modes import Mode\ndef send(kind: Mode):\n  boto3.client('lambda').invoke("
        "FunctionName='mail', InvocationType=kind.value)"
    )
    found = survey_with(write(tmp_path / "code", {"app.py": code}), write(tmp_path / "site", LIBRARY))

    assert [(one.function, one.mode.value) for one in found.calls] == [("mail", "fire")]


def test_a_file_that_cannot_be_parsed_is_not_followed(tmp_path: Path):
    """It is not the user's, so it is no error; what is imported from it is unresolved."""
    site = write(tmp_path / "site", {"shop_contracts.py": "lambdachain ("})

    assert len(survey_with(write(tmp_path / "code", {"app.py": APP}), site).unresolved) == 1


@pytest.mark.parametrize("site", ["lib/python3.13/site-packages", "Lib/site-packages"])
@pytest.mark.parametrize("python", ["", "bin/python"])
def test_the_packages_of_a_virtual_environment_are_found(tmp_path: Path, site: str, python: str):
    """By its directory, or its interpreter, which is not run."""
    venv = write(tmp_path / "venv", {"bin/python": "exit 1", f"{site}/shop_contracts.py": CONTRACTS})
    found = survey_with(write(tmp_path / "code", {"app.py": APP}), *find_site_directories(venv / python))

    assert [call.function for call in found.calls] == ["billing-charge"]


@pytest.mark.parametrize("form", ["pth", "finder"])
def test_an_editable_installation_is_followed(tmp_path: Path, form: str):
    """A path configuration file, or the finder that setuptools generates."""
    package = write(tmp_path / "elsewhere", {"shop_contracts/__init__.py": CONTRACTS})
    pth = f"import something; something.install()\n\n{package}\n"
    finder = f"MAPPING: dict[str, str] = {{'shop_contracts': {str(package / 'shop_contracts')!r}}}\nNAMESPACES = {{}}\n"
    name, text = ("shop.pth", pth) if form == "pth" else ("__editable___shop_1_0_finder.py", finder)
    venv = write(tmp_path / "venv", {f"lib/python3.13/site-packages/{name}": text})
    found = survey_with(write(tmp_path / "code", {"app.py": APP}), *find_site_directories(venv))

    assert [call.function for call in found.calls] == ["billing-charge"]


def run(code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of lambdachain in a directory."""
    command = [sys.executable, "-c", "from lambdachain.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["graph", "policy"])
def test_commands_take_the_environment(tmp_path: Path, command: str):
    """With ``--python``; a directory without packages is an error."""
    venv = write(tmp_path / "venv", {"lib/python3.13/site-packages/shop_contracts.py": CONTRACTS})
    code = write(tmp_path / "code", {"app.py": APP})

    assert "billing-charge" in run(code, command, "--json", "--python", str(venv)).stdout
    assert "no installed packages found" in run(code, command, "--python", str(code)).stderr


def test_code_without_the_word_lambdachain_may_call_an_installed_contract(tmp_path: Path):
    """The client may be in the package, too, so the code itself need not import lambdachain."""
    code = write(tmp_path / "code", {"app.py": "from shop_contracts import charge, client\nclient.call(charge, 1)\n"})
    packages = write(tmp_path / "site", {"shop_contracts.py": CONTRACTS})

    assert [call.function for call in survey_with(code, packages).calls] == ["billing-charge"]
    assert [call.function for call in survey_with(code).calls] == []
