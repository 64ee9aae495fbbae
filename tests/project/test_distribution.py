"""What is uploaded to the package index: the metadata of the wheel, and the source archive."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from website.links import CODE_HOST as REPOSITORY
from website.links import ROOT, find_anchors, find_links

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())

_FILE: Final = re.compile(
    r"(?:https://github\.com/lambdachain/lambdachain/blob|https://raw\.githubusercontent\.com/lambdachain/lambdachain)"
    r"/v(?P<version>[^/]+)/(?P<path>[^#]+)(?:#(?P<anchor>.+))?"
)
_WORKFLOW: Final = re.compile(rf"{REPOSITORY}/actions/workflows/([\w.-]+?)(?:/badge\.svg)?")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both distributions, with the package index out of reach."""
    directory = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    ran = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return directory


@pytest.fixture(scope="module")
def metadata(distributions: Path) -> Message:
    """Return the metadata of the wheel."""
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(wheel.read(name).decode())


def test_every_link_on_the_package_index_leads_somewhere(metadata: Message):
    """None is relative; those into the repository are to files, headings and workflows that the tagged commit has."""
    links = [link.target for link in find_links(metadata.get_payload())]
    relative = [link for link in links if not link.startswith("https://")]
    own = [link for link in links if "lambdachain/lambdachain" in link]
    dead: list[str] = []
    for link in own:
        if workflow := _WORKFLOW.fullmatch(link):
            exists = (ROOT / ".github" / "workflows" / workflow[1]).exists()
        else:
            found = _FILE.fullmatch(link)
            assert found, link
            page = ROOT / found["path"]
            exists = found["version"] == metadata["Version"] and page.exists()
            exists = exists and (found["anchor"] is None or found["anchor"] in find_anchors(page.read_text()))
        dead += [] if exists else [link]

    assert relative == []
    assert dead == []
    assert len(own) > 60


def test_the_badges_are_true():
    """They show the versions of Python and the licence that the metadata has."""
    badges = re.findall(r"img\.shields\.io/badge/([^)]+)\)", (ROOT / "README.md").read_text())
    versions = [
        classifier.rpartition(" ")[2]
        for classifier in PROJECT["project"]["classifiers"]
        if classifier.startswith("Programming Language :: Python :: 3.")
    ]

    assert badges == [
        f"python-{versions[0]}_to_{versions[-1]}-blue",
        f"license-{PROJECT['project']['license'].replace('-', '--')}-blue",
    ]
    assert PROJECT["project"]["requires-python"] == f">={versions[0]}"


def test_the_metadata_has_what_an_index_shows(metadata: Message):
    """A home, issues, documentation, a changelog."""
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))

    assert urls["Homepage"] == REPOSITORY
    assert urls["Issues"] == f"{REPOSITORY}/issues"
    assert {"Documentation", "Changelog", "Source"} <= set(urls)
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_every_extra_adds_something():
    """An extra whose packages the base has already would promise what is there anyway."""
    base = {re.split(r"[^\w-]", one)[0] for one in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]

    assert {name for name, needs in extras.items() if {re.split(r"[^\w-]", one)[0] for one in needs} <= base} == set()


def test_the_local_extra_has_the_whole_command():
    """``lambdachain[local]`` is the one piece of advice for the command line."""
    extras = PROJECT["project"]["optional-dependencies"]

    assert set(extras["cli"]) <= set(extras["local"])


def test_the_source_archive_has_every_tracked_file(distributions: Path):
    """So its tests can run from it."""
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        tracked = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    else:
        tracked = set(
            subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        )
        tracked = {name for name in tracked if name and (ROOT / name).exists()}

    assert tracked - names == set()
    assert {
        name for name in names if re.search(r"(^|/)(\.venv|node_modules|__pycache__|\.pytest_cache)", name)
    } == set()


def test_the_wheel_has_the_package_only(distributions: Path):
    """Its types too; no tests, no pages."""
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    sources = {
        f"lambdachain/{path.relative_to(ROOT / 'src' / 'lambdachain')}" for path in (ROOT / "src").rglob("*.py*")
    }

    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"lambdachain"}
    assert {name for name in sources if "__pycache__" not in name} <= set(names)
    assert "lambdachain/py.typed" in names


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_of_a_terminal_stands_alone(picture: Path):
    """It needs no font from the network, shows nothing of the machine that drew it, and a page has it."""
    svg = picture.read_text()
    shown = "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")  # noqa: S314 - our own file
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]

    assert "@font-face" not in svg
    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|work)\b\S*", shown) == []
    assert any(f"images/{picture.name})" in page.read_text() for page in pages)
    assert f"$ lambdachain {picture.stem}" in shown
