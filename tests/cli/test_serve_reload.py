"""With ``--reload``, a function is what its files say now; what runs ends as it began."""

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


def test_a_call_gets_the_code_as_it_is_now(serve: Any, write: Any):
    """A module that the handler imports counts, and a directory on its search path."""
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
    """Python takes its cached code for a file's if size and modification time, in seconds, are the same."""
    directory = write({"a/app.py": APP, "a/words.py": "WORD = 'old'\n"})
    words, soon = directory / "a" / "words.py", time.time() + 600  # new for as long as the test takes
    os.utime(words, (soon, soon))
    served = serve("a=a/app.handler", "--reload")
    before = served.call("a")
    words.write_text("WORD = 'new'\n")
    os.utime(words, (soon, soon))
    served.wait_for("reloaded")

    assert (before, served.call("a")) == ("old", "new")


def test_what_is_not_touched_stays_warm(serve: Any, write: Any):
    """Only the functions whose files have changed start anew."""
    pid = "import os\n\ndef handler(event, context):\n    return os.getpid()\n"
    directory = write({"a/app.py": pid, "b/app.py": pid})
    served = serve("a=a/app.handler", "b=b/app.handler", "--reload")
    a, b = served.call("a"), served.call("b")
    (directory / "a" / "app.py").write_text(pid + "\n# changed\n")

    assert served.wait_for("reloaded")["functions"] == ["a"]
    assert served.call("a") != a
    assert served.call("b") == b


def test_a_call_in_flight_ends_on_the_old_code(serve: Any, write: Any, eventually: Any):
    """While later ones get the new code already."""
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


def test_a_broken_handler_is_told_of_and_mended(serve: Any, write: Any, eventually: Any):
    """The line comes without a call; the function is served all the time."""
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


def test_the_file_that_describes_the_system_is_read_again(serve: Any, write: Any, eventually: Any):
    """New settings, a new function; a mistake in it leaves everything as it was."""
    directory = write({"app/app.py": APP, "app/words.py": WORDS})
    described = directory / "lambdachain.toml"
    described.write_text(TOML.format(name="a", word="one"))
    served = serve("--reload")
    first = served.call("a")
    described.write_text(TOML.format(name="a", word="two") + TOML.format(name="b", word="three"))
    assert eventually(lambda: served.all_of("reloaded"))
    second, added = served.call("a"), served.call("b")
    described.write_text("[functions.a\n")
    problem = served.wait_for("problem")

    assert (first, second, added) == ("one", "two", "three")
    assert problem["text"].startswith("not TOML: ")
    assert served.wait_for("notice")["text"] == "no longer declared, still served as before: a, b"
    assert served.call("a") == "two"


def versioned(word: str) -> str:
    """Write a handler that answers with a word."""
    return f"def handler(event, context):\n    return {word!r}\n"


def fill(directory: Path, word: str) -> None:
    """Write the handler into a directory that is made for it."""
    directory.mkdir(parents=True)
    (directory / "app.py").write_text(versioned(word))


def removed_and_made(directory: Path, word: str) -> None:
    """As a build script does it."""
    shutil.rmtree(directory / "dist")
    fill(directory / "dist", word)


def renamed(directory: Path, word: str) -> None:
    """As a build tool does it that never leaves a half of it."""
    fill(directory / "new", word)
    (directory / "dist").rename(directory / f"old-{word}")
    (directory / "new").rename(directory / "dist")


def parent_made(directory: Path, word: str) -> None:
    """With everything above it."""
    shutil.rmtree(directory)
    fill(directory / "dist", word)


def linked(directory: Path, word: str) -> None:
    """As a deployment does it that can go back."""
    fill(directory / f"release-{word}", word)
    if not (directory / "dist").is_symlink():
        shutil.rmtree(directory / "dist")
    (directory / "link").symlink_to(directory / f"release-{word}")
    (directory / "link").replace(directory / "dist")


@pytest.mark.parametrize("build", [removed_and_made, renamed, parent_made, linked])
def test_a_directory_that_is_made_anew(
    serve: Any, write: Any, eventually: Any, build: Callable[[Path, str], None]
) -> None:
    """However often, and whatever is written into it later."""
    directory = write({"build/dist/app.py": versioned("first")})
    served = serve("a=build/dist/app.handler", "--reload")
    answers = [served.call("a")]
    for word in ("second", "third"):
        build(directory / "build", word)
        assert eventually(lambda word=word: served.call("a") == word)
    (directory / "build" / "dist" / "app.py").write_text(versioned("changed in place"))

    assert answers == ["first"]
    assert eventually(lambda: served.call("a") == "changed in place")


def test_a_directory_that_is_a_link_from_the_beginning(serve: Any, write: Any, eventually: Any) -> None:
    """It is followed to wherever it leads."""
    directory = write({"release-first/app.py": versioned("first")})
    (directory / "dist").symlink_to(directory / "release-first")
    served = serve("a=dist/app.handler", "--reload")
    answers = [served.call("a")]
    for word in ("second", "third"):
        linked(directory, word)
        assert eventually(lambda word=word: served.call("a") == word)
    (directory / "dist" / "app.py").write_text(versioned("changed in place"))

    assert answers == ["first"]
    assert eventually(lambda: served.call("a") == "changed in place")


def test_a_directory_that_is_gone_for_a_while(serve: Any, write: Any, eventually: Any) -> None:
    """The function is served as it was, other functions go on, and it is reloaded when the directory is back."""
    directory = write({"a/app.py": versioned("first"), "b/app.py": versioned("b")})
    served = serve("a=a/app.handler", "b=b/app.handler", "--reload")
    served.call("a")
    shutil.rmtree(directory / "a")
    (directory / "b" / "app.py").write_text(versioned("b, changed"))
    assert eventually(lambda: served.call("b") == "b, changed")
    fill(directory / "a", "second")

    assert eventually(lambda: served.call("a") == "second")
    (directory / "a" / "app.py").write_text(versioned("third, in place"))
    assert eventually(lambda: served.call("a") == "third, in place")


def test_a_search_path_that_comes_later(serve: Any, write: Any, eventually: Any) -> None:
    """As a layer does that is built after the endpoint was started; and one that is made anew."""
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


def replaced_by_rename(path: Path, text: str) -> None:
    """As many editors save."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def folder_replaced(path: Path, text: str) -> None:
    """As a checkout of another branch may do it."""
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(text)


def link_switched(path: Path, text: str) -> None:
    """To another file, in another directory."""
    other = path.parent.parent / f"other-{len(text)}"
    other.mkdir()
    (other / path.name).write_text(text)
    (path.parent / "link").symlink_to(other / path.name)
    (path.parent / "link").replace(path)


@pytest.mark.parametrize("save", [replaced_by_rename, folder_replaced, link_switched])
def test_a_file_of_variables_that_is_replaced(
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


def test_a_template_whose_directory_is_made_anew(serve: Any, write: Any, eventually: Any) -> None:
    """Its functions are found again."""
    directory = write({"app/app.py": APP, "app/words.py": WORDS, "conf/system.toml": ""})
    described = directory / "conf" / "lambdachain.toml"
    text = TOML.replace('"app"', '"../app"')
    described.write_text(text.format(name="a", word="one"))
    served = serve("conf/lambdachain.toml", "--reload")
    first = served.call("a")
    for word in ("two", "three"):
        folder_replaced(described, text.format(name="a", word=word))
        assert eventually(lambda word=word: served.call("a") == word)

    assert first == "one"
