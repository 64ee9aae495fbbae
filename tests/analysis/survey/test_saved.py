"""Surveys that were saved answer as the ones that were computed, and only as long as nothing they depend on changes."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from lambdachain._analysis.permissions.required_permissions import find_required_permissions
from lambdachain._analysis.survey.installed import InstalledPackages
from lambdachain._analysis.survey.project import Project
from lambdachain._analysis.survey.results import CodeUnit, Survey
from lambdachain._analysis.survey.saved import SavedSurvey, find_survey_file
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey_project

CODE = """
import os
import boto3
from pydantic import BaseModel
from lambdachain import Contract, LambdaClient, remote
from lambdachain.resolvers import from_env, mapping, prefix
from shop.names import AUDIT

class Order(BaseModel):
    items: int

charge = Contract("billing-charge", request=Order, response=int)
place = Contract("orders-place", request=Order, response=int)

def deployed(name):
    return f"v2-{name}"

def send(function):
    boto3.client("lambda").invoke(FunctionName=function, InvocationType="Event")

@remote(place)
def handler(order: Order) -> int:
    LambdaClient(resolve=prefix("prod-")).fire(charge, order)
    LambdaClient(resolve=mapping({"billing-charge": "BILL"})).fire(charge, order)
    LambdaClient(resolve=from_env()).fire(charge, order)
    LambdaClient(resolve=deployed).fire(charge, order)
    LambdaClient().call(compute(), order)
    send(os.environ["MAIL"])
    send(AUDIT)
    return 1
"""
NAMES = 'AUDIT = "shop-audit"\n'
HANDLER = CodeUnit("app.py", "handler")


class Runs:
    """Runs of a command on code in a directory: each reads what the runs before have saved."""

    def __init__(self, directory: Path) -> None:
        self.cache = directory / "cache"
        self.packages = directory / "packages"
        self.computed = 0
        self.write_package(NAMES)

    def write_package(self, text: str) -> None:
        """Install the package that the code imports."""
        path = self.packages / "shop" / "names.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name("__init__.py").touch()
        path.write_text(text)

    def start(self, text: str = CODE, **environment: str) -> SavedSurvey:
        """Return the survey of a run."""
        sources = [Source("code", "app.py", ("app",), dedent(text))]
        installed = InstalledPackages([self.packages])

        def compute() -> Survey:
            self.computed += 1
            return survey_project(Project(sources, installed), environment)

        return SavedSurvey(find_survey_file(self.cache, sources, environment), installed, compute)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return runs in a directory of their own."""
    return Runs(tmp_path)


def ask(survey: Survey) -> list[object]:
    """Ask a survey all that the commands ask, and return the answers as text."""
    needs = find_required_permissions(survey)
    contracts = [handler.contract for handler in survey.handlers]
    with_mail = survey.in_environment({"MAIL": "shop-mail"}).reachable_from([HANDLER])
    return [
        repr(survey.contracts),
        repr([(name, read()) for contract in contracts for name, read in contract.schemas.items()]),
        [str(one) for one in needs.functions],
        [str(one) for one in needs.unresolved],
        [call.function for call in with_mail.calls],
        sorted(survey.reachable_units(HANDLER)),
        survey.locate_handler(HANDLER),
        survey.locate_handler(CodeUnit("app.py", "missing")),
        sorted(survey.units.items()),
        sorted(survey.uses),
        len(survey.uses),
        survey.roots,
    ]


def run(runs: Runs, text: str = CODE, **environment: str) -> list[object]:
    """Run to the end, and return the answers."""
    saved = runs.start(text, **environment)
    answers = ask(saved.survey)
    saved.save()
    return answers


def test_a_second_run_answers_the_same_without_computing(runs: Runs):
    """Contracts, schemas, calls, deployed names, environments, units: nothing is parsed again."""
    first = run(runs)

    assert "shop-audit" in str(first)
    assert "prod-billing-charge" in str(first)
    assert "v2-billing-charge" in str(first)
    assert "shop-mail" in str(first)
    assert run(runs) == first
    assert runs.computed == 1


def test_a_new_question_is_answered_by_computing(runs: Runs):
    """What was asked before stays; what is asked now is kept for the next run."""
    run(runs)
    other = runs.start()
    calls = other.survey.in_environment({"MAIL": "other-mail"}).find_calls(HANDLER)
    other.save()
    again = runs.start().survey

    assert "other-mail" in str(calls)
    assert again.in_environment({"MAIL": "other-mail"}).find_calls(HANDLER) == calls
    assert run(runs)
    assert runs.computed == 2


def test_a_run_that_asked_nothing_new_leaves_the_file(runs: Runs):
    """Only the time of its use changes."""
    run(runs)
    [file] = runs.cache.iterdir()
    before = file.read_bytes()
    os.utime(file, (0, 0))
    run(runs)

    assert file.read_bytes() == before
    assert file.stat().st_mtime > 0


def change_package(runs: Runs) -> None:
    """Change a constant in the installed package."""
    runs.write_package('AUDIT = "other-audit"\n')


def remove_module(runs: Runs) -> None:
    """Remove a module of it."""
    (runs.packages / "shop" / "names.py").unlink()


def move_packages(runs: Runs) -> None:
    """Install it in another directory."""
    runs.packages = runs.packages.rename(runs.packages.with_name("site"))


@pytest.mark.parametrize("change", [change_package, remove_module, move_packages])
def test_a_change_of_a_package_is_noticed(runs: Runs, change: Callable[[Runs], None]):
    """What was saved before a change is not an answer after it, but there is one file for both."""
    run(runs)
    change(runs)
    run(runs)

    assert runs.computed == 2
    assert len([*runs.cache.iterdir()]) == 1


def test_other_code_and_other_variables_are_other_surveys(runs: Runs):
    """Each keeps its own answers."""
    for _ in range(2):
        run(runs)
        run(runs, CODE + "\n")
        run(runs, MAIL="shop-mail")

    assert runs.computed == 3
    assert len([*runs.cache.iterdir()]) == 3


def test_a_file_that_changes_while_it_is_read_is_not_taken_for_the_new_one(runs: Runs):
    """The version of a package is from before it was read."""
    saved = runs.start()
    ask(saved.survey)
    runs.write_package('AUDIT = "changed-while-running"\n')
    saved.save()

    assert "changed-while-running" in str(run(runs))


class Harmful:
    """Runs code when it is read from a pickle."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("harmed",)


def write_with_checksum(file: Path, content: bytes) -> None:
    """Write a file whose checksum is right."""
    file.write_bytes(hashlib.sha256(content).digest() + content)


def change_last_byte(file: Path) -> None:
    """Change one bit."""
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def replace_by_directory(file: Path) -> None:
    """Have something else where the file was."""
    file.unlink()
    file.mkdir()


DAMAGES: Mapping[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "a byte changed": change_last_byte,
    "another value": lambda file: write_with_checksum(file, pickle.dumps([1])),
    "not a pickle": lambda file: write_with_checksum(file, b"\xff\xff"),
    "a pickle that runs code": lambda file: write_with_checksum(file, pickle.dumps(Harmful())),
    "a directory": replace_by_directory,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_ignored(runs: Runs, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is as if there were none, and no code in it runs."""
    monkeypatch.chdir(tmp_path)
    first = run(runs)
    [file] = runs.cache.iterdir()
    DAMAGES[damage](file)

    assert run(runs) == first
    assert runs.computed == 2
    assert not (tmp_path / "harmed").exists()


def test_without_a_place_to_write_to_nothing_is_kept(runs: Runs):
    """A run ends as if there were no cache."""
    runs.cache.write_text("a file, not a directory")

    assert run(runs) == run(runs)
    assert runs.computed == 2


def test_the_files_that_were_not_used_for_the_longest_time_are_removed(runs: Runs):
    """The directory does not grow without end."""
    names = list(write_old_files(runs.cache))
    run(runs)
    left = {path.name for path in runs.cache.iterdir()}

    assert len(left) == 32
    assert left.issuperset(names[-31:])


def write_old_files(directory: Path) -> Iterable[str]:
    """Write files that were used one after the other."""
    directory.mkdir()
    for number in range(40):
        file = directory / f"{number}.survey"
        file.touch()
        os.utime(file, (number, number))
        yield file.name
