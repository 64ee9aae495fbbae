"""``lambdachain init``: names, directories that it may write into, and failures that leave nothing behind."""

from __future__ import annotations

import keyword
import os
import resource
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from lambdachain import __version__
from lambdachain.cli._exit_status import ExitStatus
from lambdachain.cli._init.project_files import render_project, write_files
from lambdachain.cli._init.project_name import ProjectName, derive_name, parse_name
from lambdachain.cli._init.requirement import format_requirement

Run = Callable[..., subprocess.CompletedProcess[str]]


def read_tree(directory: Path) -> dict[str, bytes | None]:
    """Return every file below a directory with its content, and every directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None for path in directory.rglob("*")
    }


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("shop", "shop"),
        ("my shop", "my-shop"),
        ("My_Shop", "my-shop"),
        ("--shop--", "shop"),
        ("my.shop", "my-shop"),
        (r"C:\projects\shop", "c-projects-shop"),
        ("Größe", "grosse"),
        ("café", "cafe"),
        ("shop-订单", "shop"),
        ("\uff12\uff10\uff12\uff14", "app-2024"),
        ("2fa", "app-2fa"),
        ("test", "test"),
        ("import", "import"),
        ("json", "json"),
        ("lambdachain", "lambdachain"),
        ("$HOME`id`", "home-id"),
        ("shop\n\x1b[2J", "shop-2j"),
        ("shop\udcff", "shop"),
        (f"{'x' * 127}-tail", "x" * 127),
        ("订单", None),
        ("...", None),
        ("", None),
    ],
)
def test_the_name_is_derived_from_the_directory(directory: str, name: str | None):
    """Whatever the directory is called, every form of the name is valid where it is used."""
    derived = derive_name(directory)

    assert (derived and derived.name) == name
    if derived is not None:
        assert parse_name(derived.name) == derived
        assert derived.contracts.isidentifier()
        assert not keyword.iskeyword(derived.contracts)
        assert derived.contracts not in sys.stdlib_module_names
        assert derived.contracts != "lambdachain"


@pytest.mark.parametrize("name", ["", "2fa", "my shop", "-shop", "shop-", "a--b", "größe", "a/b", "x" * 129, "a\n"])
def test_a_name_that_is_not_valid_is_rejected(name: str, run: Run, tmp_path: Path):
    """Not changed into another one: the user chose it."""
    ran = run("init", f"--name={name}")

    assert ran.returncode == ExitStatus.USAGE
    assert ran.stderr.startswith("error: --name: ")
    assert read_tree(tmp_path) == {}


@pytest.mark.parametrize("name", ["null", "true", "no", "on", "e1", "a" * 128, "zz-top"])
def test_settings_contain_the_name_as_text(name: str):
    """YAML reads some words as other values."""
    files = {str(path): text for path, text in render_project(ProjectName(name), "lambdachain>=0.1.0").items()}
    template = yaml.safe_load(files["template.yaml"].replace("!", ""))
    project = tomllib.loads(files["pyproject.toml"])
    sam = tomllib.loads(files["samconfig.toml"])

    assert template["Description"] == name
    assert project["project"]["name"] == f"{name}-contracts"
    assert sam["default"]["deploy"]["parameters"]["stack_name"] == name
    assert f"src/{name.replace('-', '_')}_contracts/__init__.py" in files


@pytest.mark.parametrize(
    ("record", "requirement"),
    [
        (None, f"lambdachain>={__version__}"),
        ({"url": "file:///code/lambdachain", "dir_info": {"editable": True}}, "lambdachain @ file:///code/lambdachain"),
        ({"url": "https://example.com/a.whl", "archive_info": {}}, "lambdachain @ https://example.com/a.whl"),
        (
            {"url": "https://example.com/r", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}, "subdirectory": "py"},
            "lambdachain @ git+https://example.com/r@1a2b#subdirectory=py",
        ),
    ],
    ids=["index", "directory", "archive", "repository"],
)
def test_the_project_requires_lambdachain_from_where_it_is_installed(record: dict[str, Any] | None, requirement: str):
    """Not from an index that may have another project of that name."""
    assert format_requirement(record) == requirement

    files = {str(path): text for path, text in render_project(ProjectName("shop"), requirement).items()}
    assert files["src/requirements.txt"] == f"{requirement}\n"
    assert tomllib.loads(files["pyproject.toml"])["project"]["dependencies"] == [requirement]


@pytest.mark.parametrize(
    ("directory", "enter"),
    [
        ("shop", ["cd shop"]),
        ("deep/er/shop", ["cd deep/er/shop"]),
        ("my shop", ["cd 'my shop'"]),
        ("-shop", ["cd ./-shop"]),
        ("shop/", ["cd shop/"]),
        ("shop\udcff", [r"cd 'shop\udcff'"]),
        (".", []),
        ("./", []),
    ],
)
def test_a_new_directory_is_created(run: Run, tmp_path: Path, directory: str, enter: list[str]):
    """With those above it; the output says what to do next."""
    ran = run("init", "--name", "shop", "--", directory)
    head, *commands = ran.stdout.splitlines()

    assert (ran.returncode, head) == (ExitStatus.DONE, "Wrote 14 files of the project shop. Next:")
    assert [line.strip() for line in commands] == [
        *enter,
        'python -m pip install -e ".[dev]"',
        "python -m pytest",
        "lambdachain serve",
        "README.md says how to call, change and deploy it.",
    ]
    assert {"README.md", "src", "template.yaml"} <= {each.name for each in (tmp_path / directory).iterdir()}


def test_the_current_directory_names_the_project(run: Run, tmp_path: Path):
    """Also if it is a repository without files and has a virtual environment and an editor's settings."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[core]\n")
    (tmp_path / ".vscode").mkdir()
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    before = read_tree(tmp_path)
    ran = run("init")

    name = derive_name(tmp_path.name)
    assert name is not None
    assert ran.stdout.startswith(f"Wrote 14 files of the project {name.name}. ")
    assert before.items() < read_tree(tmp_path).items()


def test_a_directory_may_be_a_link(run: Run, tmp_path: Path):
    """To an empty directory: the link stays, and names the project."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shop").symlink_to("elsewhere")
    ran = run("init", "shop")

    assert ran.stdout.startswith("Wrote 14 files of the project shop. ")
    assert (tmp_path / "shop").is_symlink()
    assert (tmp_path / "elsewhere" / "src" / "shop_contracts" / "__init__.py").is_file()


@pytest.mark.parametrize("entry", ["notes.txt", "template.yaml", ".env", ".gitignore", "src", "venv", "dangling"])
def test_a_directory_with_anything_in_it_is_refused(run: Run, tmp_path: Path, entry: str):
    """Before anything is written, also if no file of the project has that name."""
    place = tmp_path / "shop" / entry
    place.parent.mkdir()
    if entry in {"src", "venv"}:
        place.mkdir()
    elif entry == "dangling":
        place.symlink_to("nowhere")
    else:
        place.write_text("mine\n")
    before = read_tree(tmp_path)
    ran = run("init", "shop")

    assert ran.returncode == ExitStatus.USAGE
    assert ran.stderr.startswith(f"error: shop is not empty: {entry}. Nothing was written: ")
    assert (ran.stdout, read_tree(tmp_path)) == ("", before)


def test_a_second_run_changes_nothing(run: Run, tmp_path: Path):
    """It names the files of the first."""
    run("init", "shop")
    (tmp_path / "shop" / "src" / "orders.py").write_text("mine\n")
    before = read_tree(tmp_path)
    ran = run("init", "shop")

    assert ran.returncode == ExitStatus.USAGE
    assert "shop is not empty: .gitignore, README.md, pyproject.toml, samconfig.toml, src and 2 more" in ran.stderr
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize(
    ("directory", "status", "message"),
    [
        ("", ExitStatus.USAGE, "DIRECTORY is empty: pass a path, or . for the current directory"),
        ("file", ExitStatus.USAGE, "file is a file, not a directory"),
        ("link", ExitStatus.USAGE, "link is a symbolic link to a directory that does not exist"),
        ("订单", ExitStatus.USAGE, "cannot derive a name from the directory '订单': pass --name"),
        ("file/deep/shop", ExitStatus.USAGE, "file is a file, not a directory"),
        ("link/shop", ExitStatus.USAGE, "link is a symbolic link to a directory that does not exist"),
        ("/proc/shop", ExitStatus.FILE, "/proc/shop: No such file or directory"),
        ("x" * 300, ExitStatus.FILE, f"{'x' * 300}: File name too long"),
    ],
    ids=["empty", "file", "link", "no letters", "below a file", "below a link", "not writable", "too long"],
)
def test_a_directory_that_cannot_be_used_is_an_error(
    run: Run, tmp_path: Path, directory: str, status: ExitStatus, message: str
):
    """In one line, and nothing is written."""
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "link").symlink_to("nowhere")
    before = read_tree(tmp_path)
    ran = run("init", directory)

    assert (ran.returncode, ran.stderr) == (status, f"error: {message}\n")
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize(
    ("directory", "message"),
    [("shop", "shop/.gitignore: Permission denied"), ("shop/deep/new", "shop/deep: Permission denied")],
)
def test_a_directory_that_is_read_only_is_an_error(
    command: list[str], environment: dict[str, str], tmp_path: Path, directory: str, message: str
):
    """It stays empty."""
    # Root may write everywhere, unless it gives up the capability.
    as_user = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    if as_user and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere")
    (tmp_path / "shop").mkdir(mode=0o500)
    ran = subprocess.run(
        [*as_user, *command, "init", directory],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (ExitStatus.FILE, f"error: {message}\n")
    assert read_tree(tmp_path) == {"shop": None}


@pytest.mark.parametrize("exists", [True, False], ids=["an empty directory", "a new directory"])
def test_a_failed_write_leaves_nothing(command: list[str], environment: dict[str, str], tmp_path: Path, exists: bool):
    """As on a full disk: here, no file may have more than 1500 bytes, and the README has."""
    if exists:
        (tmp_path / "deep" / "shop").mkdir(parents=True)
    before = read_tree(tmp_path)
    ran = subprocess.run(
        [*command, "init", "deep/shop"],
        cwd=tmp_path,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (ExitStatus.FILE, "error: deep/shop/README.md: File too large\n")
    assert read_tree(tmp_path) == before


class _Interrupted(dict[PurePosixPath, str]):
    """Files of which Ctrl-C interrupts the third."""

    def items(self) -> Iterator[tuple[PurePosixPath, str]]:  # type: ignore[override]
        yield PurePosixPath("a"), "1"
        yield PurePosixPath("b/c/d"), "2"
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(tmp_path: Path):
    """Directories that were there stay, and so do their files."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("mine\n")
    before = read_tree(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, _Interrupted())

    assert read_tree(tmp_path) == before


def test_a_file_that_came_in_between_is_kept(tmp_path: Path):
    """Another program wrote it after the directory was found empty; a link is not followed either."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "b").symlink_to(tmp_path / "elsewhere")
    before = read_tree(tmp_path)
    with pytest.raises(FileExistsError):
        write_files(tmp_path / "shop", {PurePosixPath("a"): "1", PurePosixPath("b"): "2"})

    assert read_tree(tmp_path) == before
