"""``--reload`` serves the current content of files; invocations in flight finish with the old code."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

APP = """
    import pathlib, time, words

    def handler(event, context):
        if event == "wait":
            pathlib.Path("../waiting").write_text("")
            while not pathlib.Path("../go").exists():
                time.sleep(0.02)
        return words.WORD
    """


def test_a_call_runs_the_changed_code(serve: Any, write: Any):
    """Modules that the handler imports are watched, and directories on its search path."""
    directory = write(
        {"a/app.py": APP, "lib/words.py": "WORD = 'old'\n", "b/app.py": APP, "b/words.py": "WORD = 'b'\n"}
    )
    (directory / "local.env").write_text("PYTHONPATH=../lib\n")
    served = serve("a=a/app.handler", "b=b/app.handler", "--reload", "--env-file", "local.env")
    before = served.call("a")
    (directory / "lib" / "words.py").write_text("WORD = 'new one'\n")
    reloaded = served.wait_for("reloaded")

    assert before == "old"
    assert reloaded["changed"] == "lib/words.py"
    assert served.call("a") == "new one"
    assert served.call("b") == "b"


def test_a_change_within_a_second(serve: Any, write: Any):
    """Python uses its bytecode cache if a file's size and modification time, in seconds, are unchanged."""
    directory = write({"a/app.py": APP, "a/words.py": "WORD = 'old'\n"})
    words, soon = directory / "a" / "words.py", time.time() + 600  # new for as long as the test takes
    os.utime(words, (soon, soon))
    served = serve("a=a/app.handler", "--reload")
    before = served.call("a")
    words.write_text("WORD = 'new'\n")
    os.utime(words, (soon, soon))
    served.wait_for("reloaded")

    assert (before, served.call("a")) == ("old", "new")


def test_unchanged_functions_stay_warm(serve: Any, write: Any):
    """Only the functions whose files have changed are restarted."""
    pid = "import os\n\ndef handler(event, context):\n    return os.getpid()\n"
    directory = write({"a/app.py": pid, "b/app.py": pid})
    served = serve("a=a/app.handler", "b=b/app.handler", "--reload")
    a, b = served.call("a"), served.call("b")
    (directory / "a" / "app.py").write_text(pid + "\n# changed\n")

    assert served.wait_for("reloaded")["functions"] == ["a"]
    assert served.call("a") != a
    assert served.call("b") == b


def test_a_call_in_flight_ends_on_the_old_code(serve: Any, write: Any, eventually: Any):
    """Later calls already run the new code."""
    directory = write({"app/app.py": APP, "app/words.py": "WORD = 'old'\n"})
    served = serve("a=app/app.handler", "--reload")
    answers: list[Any] = []
    client = threading.Thread(target=lambda: answers.append(served.call("a", "wait")))
    client.start()
    eventually((directory / "waiting").exists)
    (directory / "app" / "words.py").write_text("WORD = 'new one'\n")
    served.wait_for("reloaded", changed="app/words.py")
    later = served.call("a")
    (directory / "go").write_text("")
    client.join()

    assert (answers, later) == (["old"], "new one")


def test_a_broken_handler_is_reported_and_can_be_fixed(serve: Any, write: Any, eventually: Any):
    """It is reported without a call; the function is served all the time."""
    directory = write({"app/app.py": APP, "app/words.py": "WORD = 'old'\n"})
    served = serve("a=app/app.handler", "--reload")
    served.wait_for("serving")
    (directory / "app" / "words.py").write_text("WORD = \n")
    problem = served.wait_for("problem")
    failure = served.call("a")
    (directory / "app" / "words.py").write_text("WORD = 'mended'\n")

    assert "a's handler 'app.handler' in app cannot be loaded: " in problem["text"]
    assert failure["errorType"] == "Runtime.UserCodeSyntaxError"
    assert eventually(lambda: served.call("a") == "mended")


TOML = '[functions.{name}]\nhandler = "app.handler"\ndirectory = "app"\nenvironment = {{ WORD = "{word}" }}\n'
WORDS = "import os\nWORD = os.environ['WORD']\n"


def test_the_declaring_file_is_read_again(serve: Any, write: Any, eventually: Any):
    """New settings and a new function apply; an error in the file changes nothing."""
    directory = write({"app/app.py": APP, "app/words.py": WORDS})
    described = directory / "lambdachain.toml"
    described.write_text(TOML.format(name="a", word="one"))
    served = serve("--reload")
    first = served.call("a")
    described.write_text(TOML.format(name="a", word="two") + TOML.format(name="b", word="three"))
    assert eventually(lambda: served.messages_of_type("reloaded"))
    second, added = served.call("a"), served.call("b")
    described.write_text("[functions.a\n")
    problem = served.wait_for("problem")

    assert (first, second, added) == ("one", "two", "three")
    assert problem["text"].startswith("not valid TOML: ")
    assert served.wait_for("notice")["text"] == "no longer declared, still served as before: a, b"
    assert served.call("a") == "two"


def handler_source(word: str) -> str:
    """Write a handler that returns a word."""
    return f"def handler(event, context):\n    return {word!r}\n"


def fill(directory: Path, word: str) -> None:
    """Write the handler into a new directory."""
    directory.mkdir(parents=True)
    (directory / "app.py").write_text(handler_source(word))


def remove_and_create(directory: Path, word: str) -> None:
    """As a build script does."""
    shutil.rmtree(directory / "dist")
    fill(directory / "dist", word)


def replace_by_rename(directory: Path, word: str) -> None:
    """As an atomic build tool does."""
    fill(directory / "new", word)
    (directory / "dist").rename(directory / f"old-{word}")
    (directory / "new").rename(directory / "dist")


def create_with_parents(directory: Path, word: str) -> None:
    """With all its parents."""
    shutil.rmtree(directory)
    fill(directory / "dist", word)


def replace_link(directory: Path, word: str) -> None:
    """As a deployment with rollback does."""
    fill(directory / f"release-{word}", word)
    if not (directory / "dist").is_symlink():
        shutil.rmtree(directory / "dist")
    (directory / "link").symlink_to(directory / f"release-{word}")
    (directory / "link").replace(directory / "dist")


@pytest.mark.parametrize("build", [remove_and_create, replace_by_rename, create_with_parents, replace_link])
def test_a_directory_that_is_created_again(
    serve: Any, write: Any, eventually: Any, build: Callable[[Path, str], None]
) -> None:
    """Any number of times, and with later changes in it."""
    directory = write({"build/dist/app.py": handler_source("first")})
    served = serve("a=build/dist/app.handler", "--reload")
    answers = [served.call("a")]
    for word in ("second", "third"):
        build(directory / "build", word)
        assert eventually(lambda word=word: served.call("a") == word)
    (directory / "build" / "dist" / "app.py").write_text(handler_source("changed in place"))

    assert answers == ["first"]
    assert eventually(lambda: served.call("a") == "changed in place")


def test_a_directory_that_is_a_link_from_the_beginning(serve: Any, write: Any, eventually: Any) -> None:
    """The link is followed to each of its targets."""
    directory = write({"release-first/app.py": handler_source("first")})
    (directory / "dist").symlink_to(directory / "release-first")
    served = serve("a=dist/app.handler", "--reload")
    answers = [served.call("a")]
    for word in ("second", "third"):
        replace_link(directory, word)
        assert eventually(lambda word=word: served.call("a") == word)
    (directory / "dist" / "app.py").write_text(handler_source("changed in place"))

    assert answers == ["first"]
    assert eventually(lambda: served.call("a") == "changed in place")


def test_a_directory_that_is_missing_for_a_while(serve: Any, write: Any, eventually: Any) -> None:
    """It is served as before, other functions keep running, and it is reloaded when the directory exists again."""
    directory = write({"a/app.py": handler_source("first"), "b/app.py": handler_source("b")})
    served = serve("a=a/app.handler", "b=b/app.handler", "--reload")
    served.call("a")
    shutil.rmtree(directory / "a")
    (directory / "b" / "app.py").write_text(handler_source("b, changed"))
    assert eventually(lambda: served.call("b") == "b, changed")
    fill(directory / "a", "second")

    assert eventually(lambda: served.call("a") == "second")
    (directory / "a" / "app.py").write_text(handler_source("third, in place"))
    assert eventually(lambda: served.call("a") == "third, in place")


def test_a_search_path_that_is_created_later(serve: Any, write: Any, eventually: Any) -> None:
    """As a layer that is built after the start; and one that is created again."""
    directory = write({"app/app.py": APP, "app/words.py": "WORD = 'own'\n"})
    (directory / "local.env").write_text("PYTHONPATH=../layer/python\n")
    (directory / "app" / "words.py").rename(directory / "words.py")
    served = serve("a=app/app.handler", "--reload", "--env-file", "local.env")
    missing = served.call("a")
    for word in ("first", "second"):
        if (directory / "layer").exists():
            shutil.rmtree(directory / "layer")
        (directory / "layer" / "python").mkdir(parents=True)
        (directory / "layer" / "python" / "words.py").write_text(f"WORD = {word!r}\n")
        assert eventually(lambda word=word: served.call("a") == word)

    assert missing["errorType"] == "Runtime.ImportModuleError"


def save_by_rename(path: Path, text: str) -> None:
    """As many editors save."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def replace_directory(path: Path, text: str) -> None:
    """As a checkout of another branch may do."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(text)


def switch_link(path: Path, text: str) -> None:
    """To another file in another directory."""
    other = path.parent.parent / f"other-{len(text)}"
    other.mkdir()
    (other / path.name).write_text(text)
    (path.parent / "link").symlink_to(other / path.name)
    (path.parent / "link").replace(path)


@pytest.mark.parametrize("save", [save_by_rename, replace_directory, switch_link])
def test_an_env_file_that_is_replaced(
    serve: Any, write: Any, eventually: Any, save: Callable[[Path, str], None]
) -> None:
    """More than once."""
    directory = write({"app/app.py": APP, "app/words.py": WORDS, "env/local.env": "WORD=one\n"})
    served = serve("a=app/app.handler", "--reload", "--env-file", "env/local.env")
    answers = [served.call("a")]
    for word in ("second", "the third"):
        save(directory / "env" / "local.env", f"WORD={word}\n")
        assert eventually(lambda word=word: served.call("a") == word)

    assert answers == ["one"]


def test_a_template_whose_directory_is_created_again(serve: Any, write: Any, eventually: Any) -> None:
    """Its functions are found again."""
    directory = write({"app/app.py": APP, "app/words.py": WORDS, "conf/system.toml": ""})
    described = directory / "conf" / "lambdachain.toml"
    text = TOML.replace('"app"', '"../app"')
    described.write_text(text.format(name="a", word="one"))
    served = serve("conf/lambdachain.toml", "--reload")
    first = served.call("a")
    for word in ("two", "three"):
        replace_directory(described, text.format(name="a", word=word))
        assert eventually(lambda word=word: served.call("a") == word)

    assert first == "one"
