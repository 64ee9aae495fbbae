"""``serve --build``: packages of Python and Node.js, TypeScript; each once, in parallel, complete or not at all."""

from __future__ import annotations

import json
import shutil
import signal
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdachain.local._definitions._build_cache import BuildCache
from lambdachain.local._definitions._pyproject import ProjectRequirements, read_project, to_requirement
from tests.support.terminal import Terminal

APP = "def handler(event, context):\n    return 'served'\n"
WORDS = "from words import WORD\n\ndef handler(event, context):\n    return WORD\n"
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")


def write_zip(path: Path, files: Mapping[str, str]) -> None:
    """Write a zip file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def write_wheel(path: Path, word: str) -> None:
    """Write a wheel with a module ``words``."""
    metadata = "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        "words.py": f"WORD = {word!r}\n",
        "words-1.0.dist-info/METADATA": metadata,
        "words-1.0.dist-info/WHEEL": wheel,
        "words-1.0.dist-info/RECORD": "",
    }
    write_zip(path, files)


def test_requirements_are_installed_once(serve: Any, write: Any, tmp_path: Path):
    """Into a cache by content: of a wheel that the requirements name, too; and what is installed is found again."""
    directory = write(
        {
            "app/app.py": WORDS,
            "app/requirements.txt": "./words-1.0-py3-none-any.whl\n",
            "template.yaml": """
            Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: app, Handler: app.handler}}}
            """,
        }
    )
    cache = str(tmp_path / "cache")
    wheel = directory / "app/words-1.0-py3-none-any.whl"
    write_wheel(wheel, "one")
    first = serve("--build", XDG_CACHE_HOME=cache).call("F")
    again = serve("--build", XDG_CACHE_HOME=cache, PIP_NO_INDEX="1").call("F")
    installed = len(list((tmp_path / "cache/lambdachain/requirements").iterdir()))
    write_wheel(wheel, "two")
    changed = serve("--build", XDG_CACHE_HOME=cache).call("F")

    assert (first, again, changed) == ("one", "one", "two")
    assert (installed, len(list((tmp_path / "cache/lambdachain/requirements").iterdir()))) == (1, 2)


def test_requirements_that_cannot_be_installed_are_reported(serve: Any, write: Any, tmp_path: Path):
    """In one line; the function is not served, and nothing of them stays in the cache."""
    write({"bad/app.py": APP, "bad/requirements.txt": "./no-such-file.whl\n", "app.py": APP})
    served = serve("F=app.handler", "Bad=bad/app.handler", "--build", XDG_CACHE_HOME=str(tmp_path / "cache"))
    problem = served.wait_for("problem")

    assert served.call("F") == "served"
    assert served.wait_for("notice")["text"] == "not served: Bad (bad/requirements.txt cannot be installed)"
    assert problem["text"].lower().startswith("bad/requirements.txt cannot be installed: error: ")
    assert "no-such-file" in problem["text"]
    assert list((tmp_path / "cache/lambdachain/requirements").iterdir()) == []


def test_a_pyproject_names_the_packages(serve: Any, write: Any, tmp_path: Path):
    """Of PEP 621 and of Poetry; one that only configures tools needs no build."""
    directory = write(
        {
            "one/app.py": WORDS,
            "two/app.py": WORDS,
            "three/app.py": APP,
            "three/pyproject.toml": "[tool.ruff]\nline-length = 100\n",
        }
    )
    write_wheel(directory / "words-1.0-py3-none-any.whl", "installed")
    wheel = (directory / "words-1.0-py3-none-any.whl").as_uri()
    write(
        {
            "one/pyproject.toml": f"[project]\nname = 'x'\nversion = '1'\ndependencies = ['words @ {wheel}']\n",
            "two/pyproject.toml": f"[tool.poetry.dependencies]\npython = '^3.11'\nwords = {{url = '{wheel}'}}\n",
        }
    )
    functions = [f"{name}={name}/app.handler" for name in ("one", "two", "three")]
    served = serve("--build", *functions, XDG_CACHE_HOME=str(tmp_path / "cache"))

    assert [served.call(name) for name in ("one", "two", "three")] == ["installed", "installed", "served"]
    assert served.messages_of_type("problem") == []


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("^1.2.3", "x>=1.2.3,<2"),
        ("^0.2.3", "x>=0.2.3,<0.3"),
        ("^0.0.3", "x>=0.0.3,<0.0.4"),
        ("~1.2.3", "x>=1.2.3,<1.3"),
        ("~1", "x>=1,<2"),
        ("1.2", "x==1.2"),
        ("1.*", "x==1.*"),
        (">=1.2, <3", "x>=1.2,<3"),
        ("*", "x"),
        ({"version": "^1", "extras": ["a", "b"], "markers": "os_name == 'nt'"}, "x[a,b]>=1,<2; (os_name == 'nt')"),
        ({"version": "2", "python": "<3.12"}, "x==2; (python_full_version < '3.12')"),
        ({"git": "https://h/r.git", "tag": "v1"}, "x @ git+https://h/r.git@v1"),
        ({"url": "https://h/x.whl"}, "x @ https://h/x.whl"),
        ({"path": "/srv/x"}, "x @ file:///srv/x"),
    ],
    ids=str,
)
def test_versions_of_poetry(version: object, requirement: str):
    """As any installer reads them."""
    assert to_requirement("x", version) == requirement


@pytest.mark.parametrize("version", ["^a", "1 || 2", {"extras": ["a"]}], ids=str)
def test_versions_of_poetry_without_an_equivalent(version: object):
    """They are reported, and never guessed."""
    with pytest.raises(ValueError, match="x"):
        to_requirement("x", version)


def test_lock_files_are_constraints(write: Any):
    """The pinned versions of an index; a package that has two versions is left to the installer."""
    lock = """
    version = 1
    [[package]]
    name = "a"
    version = "1.0"
    source = { registry = "https://pypi.org/simple" }
    [[package]]
    name = "own"
    version = "0.1"
    source = { virtual = "." }
    [[package]]
    name = "two"
    version = "1.0"
    [[package]]
    name = "two"
    version = "2.0"
    """
    project = "[project]\ndependencies = ['a>=1', 'two']\n"
    directory = write(
        {"uv/pyproject.toml": project, "uv/uv.lock": lock, "p/pyproject.toml": project, "p/poetry.lock": lock}
    )
    expected = ProjectRequirements(("a>=1", "two"), ("a==1.0",))

    assert read_project(directory / "uv") == read_project(directory / "p") == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[project]\nname = 'x'\ndynamic = ['dependencies']\n", "only its build backend knows them"),
        ("[project\ndependencies = []\n", "is not valid TOML"),
    ],
)
def test_projects_that_cannot_be_read(text: str, reason: str, serve: Any, write: Any, tmp_path: Path):
    """The error says what to do, and names the function."""
    write({"bad/app.py": APP, "bad/pyproject.toml": text, "app.py": APP})
    served = serve("--build", "F=app.handler", "Bad=bad/app.handler", XDG_CACHE_HOME=str(tmp_path / "cache"))

    assert reason in served.wait_for("problem", fatal=True)["text"]
    assert "Bad" in served.wait_for("notice")["text"]


NODE = "{Type: AWS::Serverless::Function, Properties: {CodeUri: CODE, Handler: HANDLER, Runtime: nodejs20.x}}"
NODE_FILES = {
    "words/package.json": '{"name": "words", "version": "1.0.0", "main": "index.js"}',
    "words/index.js": "exports.WORD = 'installed';\n",
    "cjs/package.json": '{"dependencies": {"words": "file:../words"}}',
    "cjs/app.js": "const { WORD } = require('words');\nexports.handler = async () => WORD;\n",
    "esm/package.json": '{"type": "module", "dependencies": {"words": "../words"}}',
    "esm/app.js": "import words from 'words';\nexport const handler = async () => words.WORD;\n",
}


def write_node_template(*functions: tuple[str, str, str]) -> str:
    """Return a template with functions of Node.js: their names, directories and handlers."""
    text = [f"  {name}: {NODE.replace('CODE', code).replace('HANDLER', handler)}" for name, code, handler in functions]
    return "\n".join(["Resources:", *text, ""])


@needs_npm
def test_packages_of_node_are_installed_outside_the_project(serve: Any, write: Any, tmp_path: Path):
    """For ``require`` and for ``import``; nothing is written beside the code."""
    template = write_node_template(("Cjs", "cjs", "app.handler"), ("Esm", "esm", "app.handler"))
    directory = write({**NODE_FILES, "template.yaml": template})
    cache = tmp_path / "cache"
    served = serve("--build", XDG_CACHE_HOME=str(cache), npm_config_offline="true")

    assert [served.call(name) for name in ("Cjs", "Esm")] == ["installed", "installed"]
    assert served.messages_of_type("problem") == []
    assert not list(directory.glob("*/node_modules"))
    assert len(list((cache / "lambdachain/node").iterdir())) == 2


@needs_npm
@pytest.mark.parametrize("place", ["layer", "layer/nodejs"])
def test_packages_of_node_layers_are_installed(place: str, serve: Any, write: Any, tmp_path: Path):
    """Wherever the layer has its ``package.json``."""
    function = NODE.replace("CODE", "app").replace("HANDLER", "app.handler, Layers: [!Ref Words]")
    write(
        {
            **NODE_FILES,
            f"{place}/package.json": json.dumps({"dependencies": {"words": f"file:{tmp_path}/words"}}),
            "app/app.js": NODE_FILES["cjs/app.js"],
            "template.yaml": f"""
            Resources:
              Words: {{Type: AWS::Serverless::LayerVersion, Properties: {{ContentUri: layer}}}}
              F: {function}
            """,
        }
    )
    served = serve("--build", XDG_CACHE_HOME=str(tmp_path / "cache"), npm_config_offline="true")

    assert served.call("F") == "installed"


@needs_npm
def test_packages_of_node_that_cannot_be_installed(serve: Any, write: Any, tmp_path: Path):
    """Npm's last lines are reported, the function is skipped and named, and nothing stays in the cache."""
    write(
        {
            **NODE_FILES,
            "bad/package.json": '{"dependencies": {"gone": "file:./gone"}}',
            "bad/app.js": "",
            "template.yaml": write_node_template(("Cjs", "cjs", "app.handler"), ("Bad", "bad", "app.handler")),
        }
    )
    served = serve("--build", XDG_CACHE_HOME=str(tmp_path / "cache"), npm_config_offline="true")

    assert served.call("Cjs") == "installed"
    problem = served.wait_for("problem", fatal=True)["text"]
    assert problem.startswith("bad/package.json cannot be installed: npm error")
    assert served.wait_for("notice")["text"] == "not served: Bad (bad/package.json cannot be installed)"
    assert len(list((tmp_path / "cache/lambdachain/node").iterdir())) == 1


def test_typescript_without_esbuild(run: Any, write: Any):
    """The error has the remedy."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    directory = write({"app.ts": "", "template.yaml": write_node_template(("F", ".", "app.handler"))})
    (directory / "bin").mkdir()
    (directory / "bin/node").symlink_to(node)
    ran = run("serve", "--build", PATH=str(directory / "bin"))

    assert ran.returncode == 1
    assert "app.ts is TypeScript, and there is no esbuild: run npm install --save-dev esbuild" in ran.stderr


@pytest.mark.skipif(shutil.which("esbuild") is None, reason="needs esbuild on the PATH")
def test_typescript_is_bundled(serve: Any, write: Any, tmp_path: Path, eventually: Any):
    """With the packages that it imports; a change of a source is compiled after a reload."""
    source = (
        "import { WORD } from 'words';\nimport { own } from './own';\nexport const handler = async () => WORD + own;\n"
    )
    directory = write(
        {
            **NODE_FILES,
            "cjs/src/app.ts": source,
            "cjs/src/own.ts": "export const own: string = ' one';\n",
            "template.yaml": write_node_template(("F", "cjs", "src/app.handler")),
        }
    )
    served = serve("--build", "--reload", XDG_CACHE_HOME=str(tmp_path / "cache"), npm_config_offline="true")
    assert served.call("F") == "installed one"

    (directory / "cjs/src/new").write_text("export const own: string = ' two';\n")
    (directory / "cjs/src/new").rename(directory / "cjs/src/own.ts")
    assert eventually(lambda: served.call("F") == "installed two")


def test_progress_is_shown_on_a_terminal(write: Any, tmp_path: Path, command: list[str], environment: dict[str, str]):
    """A line when a build starts, and one when it ends, with the function's name."""
    directory = write({"app.py": WORDS, "requirements.txt": "./words-1.0-py3-none-any.whl\n"})
    write_wheel(directory / "words-1.0-py3-none-any.whl", "one")
    with Terminal(
        [*command, "serve", "F=app.handler", "--build", "--port", "0"],
        cwd=directory,
        env={**environment, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    ) as terminal:
        terminal.show("Press Ctrl-C")
        terminal.process.send_signal(signal.SIGINT)
        terminal.end()

    assert "F: installing requirements.txt" in terminal.shown
    assert "F: installed requirements.txt in " in terminal.shown


BUILD_SYSTEM = "[build-system]\nrequires = []\nbuild-backend = 'slow'\nbackend-path = ['.']\n"
SLOW_BACKEND = """
import pathlib, time
def _wait(*_args, **_kwargs):
    pathlib.Path(MARKER).touch()
    time.sleep(600)
build_wheel = get_requires_for_build_wheel = prepare_metadata_for_build_wheel = _wait
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_an_interrupted_build_leaves_nothing_that_is_used(
    how: signal.Signals,
    serve: Any,
    write: Any,
    *,
    tmp_path: Path,
    eventually: Any,
    find_processes: Any,
):
    """The run ends at once; what a killed one leaves behind is removed by the next one."""
    marker = tmp_path / "started"
    write(
        {
            "app.py": WORDS,
            "requirements.txt": "./slow\n",
            "slow/pyproject.toml": BUILD_SYSTEM,
            "slow/slow.py": SLOW_BACKEND.replace("MARKER", repr(str(marker))),
        }
    )
    cache = tmp_path / "cache"
    installed = cache / "lambdachain/requirements"
    served = serve("F=app.handler", "--build", XDG_CACHE_HOME=str(cache))
    assert eventually(marker.exists)
    status = served.stop(how)
    assert eventually(lambda: find_processes() == [])

    if how is not signal.SIGKILL:
        assert status == 128 + how
        assert list(installed.iterdir()) == []
        return
    assert [path.name.startswith("partial-") for path in installed.iterdir()] == [True]
    BuildCache(installed).find_or_build("other", lambda path: (path / "x").touch())
    assert [path.name for path in installed.iterdir()] == ["other"]


def test_builds_run_at_the_same_time(serve: Any, write: Any, tmp_path: Path):
    """Two builds that wait for each other both end."""
    backend = """
import pathlib, time
def _meet(*_args, **_kwargs):
    pathlib.Path(OWN).touch()
    while not pathlib.Path(OTHER).exists():
        time.sleep(0.01)
    raise SystemExit("met")
build_wheel = get_requires_for_build_wheel = prepare_metadata_for_build_wheel = _meet
"""
    files: dict[str, str] = {}
    for own, other in (("a", "b"), ("b", "a")):
        source = backend.replace("OWN", repr(str(tmp_path / f"{own}-met"))).replace(
            "OTHER", repr(str(tmp_path / f"{other}-met"))
        )
        files |= {
            f"{own}/app.py": APP,
            f"{own}/requirements.txt": "./project\n",
            f"{own}/project/pyproject.toml": BUILD_SYSTEM.replace("slow", "x"),
            f"{own}/project/x.py": source,
        }
    write({**files, "app.py": APP})
    served = serve("F=app.handler", "A=a/app.handler", "B=b/app.handler", "--build", XDG_CACHE_HOME=str(tmp_path / "c"))

    assert served.call("F") == "served"
    assert len(served.messages_of_type("problem")) == 2
