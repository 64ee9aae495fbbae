"""Which files are read: the user's own, each once; what cannot be read is reported in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lambdachain._analysis.survey.sources import read_sources
from lambdachain._analysis.survey.survey import survey


def write(directory: Path, *files: str) -> None:
    """Create empty files."""
    for file in files:
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def read_files(*bases: Path) -> tuple[list[str], list[str]]:
    """Return the files that are read and the directories that are skipped, relative to the first base."""
    skipped: list[Path] = []
    read = [source.file for source in read_sources(bases, on_vendored=skipped.append)]
    return [os.path.relpath(file, bases[0]) for file in read], [str(one.relative_to(bases[0])) for one in skipped]


def test_packages_that_pip_unpacked_beside_the_code_are_skipped(tmp_path: Path):
    """What the metadata of a distribution lists; the user's own modules beside them are read."""
    write(tmp_path, "app.py", "requests/api.py", "six.py", "shared/names.py")
    write(tmp_path, "requests-2.32.dist-info/METADATA", "six-1.16.dist-info/METADATA")
    (tmp_path / "requests-2.32.dist-info/RECORD").write_text("requests/api.py,sha256=x,1\n../../bin/x,,\n")
    (tmp_path / "six-1.16.dist-info/RECORD").write_text("six.py,sha256=x,1\n")

    assert read_files(tmp_path) == (["app.py", "shared/names.py"], ["requests"])


def test_a_distribution_without_a_list_of_its_files_is_found_by_its_name(tmp_path: Path):
    """And by top_level.txt, where older installers left that only."""
    write(tmp_path, "app.py", "click/core.py", "yaml/main.py", "click-8.dist-info/METADATA", "PyYAML-6.dist-info/x")
    (tmp_path / "PyYAML-6.dist-info/top_level.txt").write_text("_yaml\nyaml\n")

    assert read_files(tmp_path) == (["app.py"], ["click", "yaml"])


def test_layers_are_read_except_for_what_is_installed_in_them(tmp_path: Path):
    """``layer/python`` may have the code that functions share."""
    write(tmp_path, "layer/python/shared.py", "layer/python/botocore/__init__.py", "layer/python/botocore/client.py")
    write(tmp_path, "layer/python/lib/python3.12/site-packages/x.py")

    read, skipped = read_files(tmp_path)
    assert read == ["layer/python/shared.py"]
    assert skipped == ["layer/python/botocore", "layer/python/lib/python3.12/site-packages"]


@pytest.mark.parametrize("name", ["cdk.out", ".aws-sam", ".serverless", "node_modules", ".venv", "venv"])
def test_directories_of_tools_are_skipped(tmp_path: Path, name: str):
    """They have copies of the code, which would be reported twice."""
    write(tmp_path, "app.py", f"{name}/asset/app.py")

    assert read_files(tmp_path) == (["app.py"], [name])


def test_a_virtual_environment_of_any_name_is_skipped(tmp_path: Path):
    """Tools write ``pyvenv.cfg``; a directory of the user that is named ``env`` has none."""
    write(tmp_path, "env/app.py", "py312/pyvenv.cfg", "py312/lib/x.py")

    assert read_files(tmp_path) == (["env/app.py"], ["py312"])


def test_a_directory_that_is_named_is_read(tmp_path: Path):
    """Whoever names botocore wants botocore."""
    write(tmp_path, "botocore/__init__.py")

    assert read_files(tmp_path / "botocore") == (["__init__.py"], [])


def test_overlapping_code_bases_are_read_once(tmp_path: Path):
    """``graph src src/orders``."""
    write(tmp_path, "orders/app.py")

    assert read_files(tmp_path, tmp_path / "orders")[0] == ["orders/app.py"]


def test_a_broken_link_is_one_line(tmp_path: Path):
    """And the other files are read."""
    (tmp_path / "app.py").write_text("from lambdachain import LambdaClient\nLambdaClient().call('mail', 1)\n")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    found = survey(read_sources([tmp_path]))

    assert [call.function for call in found.calls] == ["mail"]
    assert [(Path(one.location.file).name, one.why) for one in found.unresolved] == [
        ("gone.py", "cannot read the file: it is a broken symbolic link")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_must_not_be_read_is_one_line(tmp_path: Path):
    """With the system's reason."""
    write(tmp_path, "secret.py")
    (tmp_path / "secret.py").chmod(0)

    assert [one.why for one in survey(read_sources([tmp_path])).unresolved] == [
        "cannot read the file: Permission denied"
    ]
