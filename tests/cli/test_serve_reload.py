"""With ``--reload``, a function is what its files say now; what runs ends as it began."""

from __future__ import annotations

import threading
from typing import Any

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

    assert "a's handler 'app.handler' in app does not import: " in problem["text"]
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
    assert served.wait_for("notice")["text"] == "still served as before: a, b"
    assert served.call("a") == "two"
