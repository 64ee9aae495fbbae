"""Errors of ``serve`` are one line with location and fix, never a traceback, and the other functions are served."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = "def handler(event, context):\n    return 'good'\n"


def template(*functions: str) -> str:
    """Write a template with these functions and a valid one."""
    kind = "AWS::Serverless::Function"
    good = f"  Good: {{Type: {kind}, Properties: {{CodeUri: good, Handler: app.handler}}}}\n"
    return "Resources:\n" + good + "".join(f"  Bad: {{Type: {kind}, Properties: {{{each}}}}}\n" for each in functions)


MISTAKES = {
    "unknown intrinsic": (
        "CodeUri: good, Handler: app.handler, Environment: {Variables: {A: !Magic x}}",
        (3, "Resources.Bad.Properties.Environment.Variables.A", "Fn::Magic is not supported", False),
    ),
    "no directory": (
        "CodeUri: nowhere, Handler: app.handler",
        (3, "Resources.Bad.Properties.CodeUri", "directory 'nowhere' does not exist", True),
    ),
    "an archive": (
        "CodeUri: code.zip, Handler: app.handler",
        (3, "Resources.Bad.Properties.CodeUri", "'code.zip' is not a zip file", True),
    ),
    "no such module": (
        "CodeUri: good, Handler: main.handler",
        (
            3,
            "Resources.Bad.Properties.Handler",
            "Bad's handler 'main.handler' in good cannot be loaded: No module",
            False,
        ),
    ),
    "no such function": (
        "CodeUri: good, Handler: app.main",
        (
            3,
            "Resources.Bad.Properties.Handler",
            "Bad's handler 'app.main' in good cannot be loaded: Handler 'main'",
            False,
        ),
    ),
    "raises at import": (
        "CodeUri: bad, Handler: app.handler",
        (
            3,
            "Resources.Bad.Properties.Handler",
            "Bad's handler 'app.handler' in bad cannot be loaded: no settings (RuntimeError, app.py:2)",
            False,
        ),
    ),
    "exits at import": (
        "CodeUri: exits, Handler: app.handler",
        (
            3,
            "Resources.Bad.Properties.Handler",
            (
                "Bad's handler 'app.handler' in exits cannot be loaded: "
                "its process exits with status 7 while loading the module"
            ),
            False,
        ),
    ),
    "no such runtime": (
        "CodeUri: good, Handler: app.handler, Runtime: ruby3.3",
        (3, "Resources.Bad.Properties.Runtime", "runtime 'ruby3.3' cannot be served", True),
    ),
    "a runtime that is not installed": (
        "CodeUri: good, Handler: app.handler, Runtime: nodejs22.x",
        (3, "Resources.Bad.Properties.Runtime", "", True),
    ),
    "a name twice": (
        "CodeUri: good, Handler: app.handler, FunctionName: Good",
        (3, "Resources.Bad", "duplicate function 'Good': template.yaml:2: Resources.Good", True),
    ),
}


@pytest.mark.parametrize(("properties", "output"), MISTAKES.values(), ids=MISTAKES)
def test_an_error_is_one_line_and_the_other_function_is_served(
    properties: str, output: tuple[int, str, str, bool], serve: Any, write: Any
):
    """With file, line and key."""
    write(
        {
            "good/app.py": GOOD,
            "bad/app.py": "import os\nraise RuntimeError('no settings')\n",
            "exits/app.py": "import sys\nsys.exit(7)\n",
            "code.zip": "",
            "template.yaml": template(properties),
        }
    )
    # where no Node.js can be found
    served = serve(PATH="/nowhere") if "nodejs" in properties else serve()
    problem = served.wait_for("problem")
    line, key, text, fatal = output

    assert (problem["source"], problem["line"], problem["key"]) == ("template.yaml", line, key)
    assert problem["text"].startswith(text)
    assert "\n" not in problem["text"]
    assert problem["fatal"] is fatal
    assert served.call("Good") == "good"


def test_an_error_that_functions_share_is_reported_once(serve: Any, write: Any):
    """A shared default is one line, however many functions have it."""
    write(
        {
            "app.py": GOOD,
            "serverless.yml": """
            service: shop
            provider: {name: aws, runtime: python3.MINOR, environment: {KEY: "${ssm:/shop/key}"}}
            functions:
              one: {handler: app.handler}
              two: {handler: app.handler}
            """.replace("MINOR", str(sys.version_info.minor)),
        }
    )
    served = serve()
    served.wait_for("serving")

    assert ["provider.environment.KEY"] == [problem["key"] for problem in served.messages_of_type("problem")]
    assert [served.call(f"shop-dev-{name}") for name in ("one", "two")] == ["good", "good"]


def test_each_event_destination_is_reported_at_its_own_line(serve: Any, write: Any):
    """A dead-letter queue is in its own property or resource."""
    write(
        {
            "app.py": GOOD,
            "template.yaml": """
            Resources:
              Good:
                Type: AWS::Lambda::Function
                Properties:
                  Code: .
                  Handler: app.handler
                  DeadLetterConfig: {TargetArn: !GetAtt Lost.Arn}
              Ends:
                Type: AWS::Lambda::EventInvokeConfig
                Properties:
                  FunctionName: !Ref Good
                  Qualifier: $LATEST
                  DestinationConfig: {OnFailure: {Destination: !GetAtt Lost.Arn}}
              Lost: {Type: AWS::SQS::Queue}
            """,
        }
    )
    served = serve()
    served.wait_for("serving")

    assert {
        "dead_letter": "Resources.Good.Properties.DeadLetterConfig",
        "on_failure": "Resources.Ends.Properties",
    } == {problem["text"].split()[0]: problem["key"] for problem in served.messages_of_type("problem")}


def test_a_port_in_use(run: Any, write: Any):
    """The most common error."""
    write({"app.py": GOOD})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "a=app.handler", "--port", str(port))

    assert ran.returncode == 1
    assert ran.stderr == (
        f"error: lambdachain serve: port {port} on 127.0.0.1 is already in use: "
        "stop that program, or pass another --port\n"
    )
    assert ran.stdout == ""


NOTHING = "error: lambdachain serve: nothing to serve: pass functions (orders=app.handler), or a file; found none of "


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ([], 1, NOTHING),
        (["nothing.yaml"], 1, "error: nothing.yaml: no such file\n"),
        (["orders"], 1, "error: orders: no such file; write functions as NAME=[DIRECTORY/]MODULE.FUNCTION, such as "),
        (["app.handler"], 1, "error: app.handler: no such file; write functions as "),
        (["x/app.handler"], 1, "error: x/app.handler: no such file; write functions as "),
        (
            ["app.py"],
            1,
            (
                "error: app.py: code, not a template; write functions as NAME=[DIRECTORY/]MODULE.FUNCTION, such as "
                "app=app.handler\n"
            ),
        ),
        (["a=app"], 1, "error: argument 'a=app': handler 'app' is not 'module.function', such as 'app.handler'\n"),
        (["a=app:handler"], 1, "error: argument 'a=app:handler': handler 'app:handler' is not 'module.function', "),
        (
            ["a=app.py:f"],
            1,
            "error: argument 'a=app.py:f': handler 'app.py:f' is not 'module.function', such as 'app.f'",
        ),
        (["a=x/app.handler"], 1, "error: argument 'a=x/app.handler': directory 'x' does not exist\n"),
        (["a=app.handler", "--env-file", "no.env"], 1, "error: no.env: cannot be read: "),
        (["a=app.handler", "--host", "no.such.host.invalid"], 1, "error: lambdachain serve: "),
        (["a=app.handler", "--queue", "no/such/directory/q.db"], 1, "error: lambdachain serve: "),
        (
            ["a=app.handler", "--allow-host", "http://x"],
            1,
            "error: lambdachain serve: allowed_hosts: 'http://x' is not ",
        ),
        (["--port", "70000"], 2, "Error: Invalid value for '--port'"),
        (["--parameter", "x"], 2, "Error: Invalid value for '--parameter'"),
        (
            ["--service", "s3=http://x"],
            2,
            "Error: --service s3=http://x: expected sqs, sns or events, and an http:// or https:// URL",
        ),
        (["--service", "s3=http://user:secret@x"], 2, "Error: --service s3=http://***@x: expected sqs, sns or events"),
        (["--account-id", "x"], 2, "Error: --account-id or --region is not valid in an ARN: "),
        (["--no-such-option"], 2, "Error: No such option"),
    ],
)
def test_a_start_failure_is_one_line(arguments: list[str], status: int, line: str, run: Any, write: Any):
    """And an exit status that is not zero."""
    write({"app.py": GOOD})
    ran = run("serve", *arguments)
    (last,) = [each for each in ran.stderr.splitlines(keepends=True) if each.lower().startswith("error")]

    assert ran.returncode == status
    assert last.startswith(line)
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_the_secrets_of_an_env_file_are_not_printed(run: Any, write: Any):
    """An invalid line is reported by its number."""
    write({"app.py": GOOD, "local.env": "A=1\nSECRET s3cr3t\n"})
    ran = run("serve", "a=app.handler", "--env-file", "local.env")

    assert ran.stderr == "error: local.env:2: not of the form NAME=VALUE\n"


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError(name)
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {module!r} else real(name, package)
sys.meta_path.insert(0, Missing())
from lambdachain.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("click", "lambdachain: click is not installed: pip install 'lambdachain[local]'\n"),
        ("yaml", "Error: lambdachain serve needs PyYAML, not installed here: pip install 'lambdachain[local]'\n"),
        (
            "httptools",
            "Error: lambdachain serve needs httptools, not installed here: pip install 'lambdachain[local]'\n",
        ),
        ("aiohttp", "Error: lambdachain serve needs aiohttp, not installed here: pip install 'lambdachain[local]'\n"),
    ],
)
def test_without_the_extra_it_says_what_to_install(module: str, line: str):
    """In one line."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module), "serve", "a=app.handler"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (1, line)


@pytest.mark.parametrize(
    ("module", "status", "line"),
    [
        ("yaml", 2, "error: reading a template needs PyYAML: pip install 'lambdachain[local]'\n"),
        ("aiohttp", 0, "least_privilege/template.yaml: 2 functions checked: grants match the calls\n"),
    ],
)
def test_reading_a_template_needs_pyyaml_only(module: str, status: int, line: str):
    """The extra ``cli`` brings it; what ``serve`` needs is not required."""
    arguments = ["policy", "parent_child", "--check", "least_privilege/template.yaml"]
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module), *arguments],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (status, line)


def test_help_loads_nothing_heavy():
    """It is printed immediately."""
    script = (
        "import sys\nfrom lambdachain.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'boto3', 'botocore', 'pydantic', 'aiohttp', 'asyncio', 'yaml', 'watchfiles', 'tenacity'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True)

    assert "serve" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"


def test_the_command_is_installed():
    """As ``lambdachain``, next to the interpreter."""
    from importlib.metadata import entry_points

    (command,) = entry_points(group="console_scripts", name="lambdachain")

    assert command.value == "lambdachain.cli:main"
