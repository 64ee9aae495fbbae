"""A system is served by one command, called by boto3, reported line by line, and stopped without a trace."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

CHILD = """
    import os

    def handler(event, context):
        print("hello", event)
        greeting = os.environ.get("GREETING", "hello")
        return {"greeting": greeting, "arn": context.invoked_function_arn, "pid": os.getpid()}

    def fail(event, context):
        raise ValueError("on purpose")
    """
PARENT = """
    import boto3
    import json
    import os

    client = boto3.client("lambda")

    def handler(event, context):
        answer = client.invoke(FunctionName=os.environ["CHILD"], Payload=json.dumps(event))
        return json.load(answer["Payload"])
    """
TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function:
        Handler: app.handler
        Timeout: 20
    Resources:
      Child:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: child
          AutoPublishAlias: live
          Environment:
            Variables:
              GREETING: !Sub "hello from ${AWS::Region}"
      Parent:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: parent
          Environment:
            Variables:
              CHILD: !Ref Child.Alias
    """
SYSTEM = {"child/app.py": CHILD, "parent/app.py": PARENT, "template.yaml": TEMPLATE}


def test_the_functions_of_a_template_call_each_other(serve: Any, write: Any):
    """Without arguments, and with only the variables that it prints; callers are reported."""
    write(SYSTEM)
    served = serve()
    answer = served.call("Parent", {"name": "nina"})
    child = served.wait_for("invocation", function="Child")
    parent = served.wait_for("invocation", function="Parent")
    output = served.wait_for("printed", function="Child")

    assert answer["greeting"] == "hello from us-east-1"
    assert answer["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:Child:live"
    assert (child["caller"], child["version"], child["status"], child["cold"]) == ("Parent", "1", 200, True)
    assert (parent["caller"], parent["invocation_type"], parent["error"]) == (None, "RequestResponse", None)
    assert output["line"] == "hello {'name': 'nina'}"


def test_functions_from_arguments(serve: Any, write: Any):
    """Each with a directory and a handler; the second call is warm; failures and refusals are reported."""
    write(SYSTEM)
    served = serve("child=child/app.handler", "bad=child/app.fail")
    first, second = served.call("child"), served.call("child")
    failure = served.call("bad")
    with pytest.raises(served.client.exceptions.ResourceNotFoundException):
        served.call("nobody")
    refused = served.wait_for("invocation", function="nobody")
    calls = [message["cold"] for message in served.messages_of_type("invocation") if message["function"] == "child"]

    assert first["pid"] == second["pid"]
    assert calls == [True, False]
    assert failure["errorType"] == "ValueError"
    assert served.wait_for("invocation", function="bad")["error"] == "ValueError"
    assert (refused["status"], refused["error"], refused["version"]) == (404, "ResourceNotFoundException", None)


def test_functions_of_a_serverless_file(serve: Any, write: Any):
    """Named by service and stage; the command's environment and ``--parameter`` resolve its variables."""
    write(
        {
            "child/app.py": CHILD,
            "serverless.yml": """
            service: shop
            provider: {name: aws, runtime: python3.11}
            functions:
              greet:
                handler: child/app.handler
                environment:
                  GREETING: ${env:WORD}, ${param:who} of ${sls:stage}
            """,
        }
    )
    served = serve("--stage", "test", "--parameter", "who=nina", WORD="hi")

    assert served.call("shop-test-greet")["greeting"] == "hi, nina of test"


def test_functions_of_a_toml_file_with_versions(serve: Any, write: Any):
    """A published version keeps its own code; an env file overrides the file's variables."""
    write(
        {
            "child/app.py": CHILD,
            "old/app.py": "def handler(event, context):\n    return 'old'\n",
            "local.env": "GREETING=from the file\n",
            "lambdachain.toml": """
            [functions.greet]
            handler = "app.handler"
            directory = "child"
            environment = { GREETING = "from the table" }
            versions.1 = { directory = "old" }
            aliases = { live = "1" }
            """,
        }
    )
    served = serve("--env-file", "local.env")

    assert served.call("greet")["greeting"] == "from the file"
    assert served.call("greet", Qualifier="live") == "old"


def test_inline_code_is_served(serve: Any, write: Any):
    """In the module ``index``, as with CloudFormation."""
    write(
        {
            "template.yaml": """
            Resources:
              F:
                Type: AWS::Lambda::Function
                Properties:
                  FunctionName: inline
                  Handler: index.handler
                  Code:
                    ZipFile: |
                      def handler(event, context):
                          return __file__
            """
        }
    )
    served = serve()
    where = Path(served.call("inline"))
    status = served.stop(signal.SIGTERM)

    assert where.name == "index.py"
    assert status == 143
    assert not where.exists()


def test_account_and_region_are_in_the_arns(serve: Any, write: Any):
    """From the options; the region also from AWS_REGION."""
    write(SYSTEM)
    served = serve("child=child/app.handler", "--account-id", "210987654321", AWS_REGION="eu-central-1")

    assert served.call("child")["arn"] == "arn:aws:lambda:eu-central-1:210987654321:function:child"


def test_events_in_a_queue_file_outlive_the_process(serve: Any, write: Any, eventually: Any):
    """An event of a process killed before the delivery is delivered by the next process."""
    directory = write(
        {
            "app.py": """
            import pathlib, time

            def handler(event, context):
                while not pathlib.Path("open").exists():
                    time.sleep(0.05)
                pathlib.Path("done").write_text(event)
            """
        }
    )
    first = serve("slow=app.handler", "--queue", "events.db")
    first.client.invoke(FunctionName="slow", Payload='"kept"', InvocationType="Event")
    first.stop(signal.SIGKILL)
    (directory / "open").write_text("")
    second = serve("slow=app.handler", "--queue", "events.db")

    assert second.wait_for("invocation", invocation_type="Event")["function"] == "slow"
    assert (directory / "done").read_text() == "kept"


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything(how: signal.Signals, status: int, serve: Any, write: Any, find_processes: Any):
    """Even during a call; with the exit status of a signal."""
    write({"app.py": "import time\nprint('here')\n\ndef handler(event, context):\n    time.sleep(60)\n"})
    served = serve("slow=app.handler")
    client = served.client
    caller = threading.Thread(target=_call_in_vain, args=(client,))
    caller.start()
    served.wait_for("printed", line="here")
    ended = served.stop(how)
    caller.join()

    assert ended == status
    assert served.wait_for("stopped")["reason"] == how.name
    assert find_processes() == []


def _call_in_vain(client: Any) -> None:
    from botocore.exceptions import BotoCoreError

    with pytest.raises(BotoCoreError):
        client.invoke(FunctionName="slow")


def test_a_kill_leaves_no_process(serve: Any, write: Any, find_processes: Any, eventually: Any):
    """SIGKILL allows no clean-up; the watchdog kills the processes."""
    write(SYSTEM)
    served = serve()
    served.call("Parent")
    running = find_processes()
    served.stop(signal.SIGKILL)

    assert len(running) >= 3
    assert eventually(lambda: find_processes() == [])


def test_a_second_signal_exits_immediately(serve: Any, write: Any):
    """The same signal twice from a wrapper counts as one."""
    write(SYSTEM)
    served = serve()
    served.wait_for("serving")
    served.process.send_signal(signal.SIGINT)

    assert served.stop(signal.SIGINT) == 130
    assert served.wait_for("stopped")["reason"] == "SIGINT"


def test_output_for_people(write: Any, environment: dict[str, str], tmp_path: Path, command: list[str]):
    """A table, one line to copy, a line per call; functions' output with their names; no colors in a pipe."""
    write(SYSTEM)
    with subprocess.Popen(
        [*command, "serve", "--port", "0"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        head = [next(lines).rstrip("\n") for _ in range(10)]
        url = head[0].rpartition(" ")[2]
        (export,) = [line for line in head if line.startswith("  export ")]
        script = "import boto3; boto3.client('lambda').invoke(FunctionName='Child', Payload=b'5')"
        copied = ["sh", "-c", f'{export}; exec "$@"', "sh", *command[:1], "-c", script]
        subprocess.run(copied, env=environment, check=True)
        assert next(lines) == "Press Ctrl-C to stop.\n"
        rest = [next(lines), next(lines)]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)

    assert head == [
        f"template.yaml: 2 functions at {url}",
        "",
        "  function  handler      runtime     timeout  memory  versions and aliases".replace(
            "runtime     ", "runtime".ljust(len(_runtime()) + 2)
        ),
        f"  Child     app.handler  {_runtime()}  20 s     128 MB  1 live",
        f"  Parent    app.handler  {_runtime()}  20 s     128 MB",
        "",
        "Call them from another terminal, with any AWS SDK or the AWS CLI:",
        (
            f"  export AWS_ENDPOINT_URL_LAMBDA={url} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local "
            "AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1"
        ),
        "  aws lambda invoke --function-name Child /dev/stdout",
        "",
    ]
    assert rest[0] == "Child | hello 5\n"
    assert rest[1].split()[1:4] == ["Child", "RequestResponse", "200"]


def _runtime() -> str:
    import sys

    return "python{}.{}".format(*sys.version_info)


def test_quiet_prints_problems_only(serve: Any, write: Any, eventually: Any):
    """Neither the table nor calls nor output."""
    directory = write({**SYSTEM, "broken/app.py": "import no_such_module\n"})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = serve("child=child/app.handler", "broken=broken/app.handler", "--quiet", port=port)
    problem = served.wait_for("problem")
    import boto3

    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    client.invoke(FunctionName="child")
    served.stop(signal.SIGTERM)

    assert directory.exists()
    assert "no_such_module" in problem["text"]
    assert [message["type"] for message in served.messages] == ["problem"]


def test_every_call_is_printed_in_order(serve: Any, write: Any):
    """Also those that have ended right before the signal."""
    write({"app.py": "def handler(event, context):\n    return event\n"})
    served = serve("echo=app.handler")
    client = served.client
    called = [client.invoke(FunctionName="echo")["ResponseMetadata"]["RequestId"] for _ in range(50)]
    served.stop(signal.SIGTERM)
    served.wait_for("stopped")

    assert [message["request_id"] for message in served.messages_of_type("invocation")] == called


def test_a_web_page_is_refused_and_reported(serve: Any, write: Any):
    """As is a host name that was not allowed; an allowed one is accepted."""
    write(SYSTEM)
    served = serve("child=child/app.handler", "--allow-host", "box.example", "--allow-host", "other.example")
    port = int(served.wait_for("serving")["url"].rpartition(":")[2])

    def status(**fields: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/2015-03-31/functions/child/invocations", b"{}", fields)
        with connection.getresponse() as response:
            response.read()
        connection.close()
        return response.status

    assert [status(Host=f"{name}:{port}") for name in ("box.example", "other.example", "third.example")] == [
        200,
        200,
        403,
    ]
    assert served.wait_for("notice")["text"].startswith("rejected a request: its Host 'third.example:")
    assert status(Origin="https://evil.example") == 403


def test_a_closed_pipe_does_not_stop_the_service(
    write: Any, environment: dict[str, str], tmp_path: Path, command: list[str]
):
    """As with ``| head``."""
    write(SYSTEM)
    with subprocess.Popen(
        [*command, "serve", "--json", "--port", "0"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        exported = json.loads(process.stdout.readline())["environment"]
        process.stdout.close()
        script = "import boto3; [boto3.client('lambda').invoke(FunctionName='Child', Payload=b'5') for _ in range(3)]"
        called = subprocess.run([*command[:1], "-c", script], env={**environment, **exported}, check=False)
        process.send_signal(signal.SIGINT)

        assert called.returncode == 0
        assert process.wait(timeout=30) == 130


def test_it_warns_if_it_does_not_listen_on_loopback(serve: Any, write: Any):
    """Everybody who can reach it can run the functions."""
    write(SYSTEM)
    everywhere = "0.0.0.0"  # noqa: S104 - what the test is about
    quiet, loud = serve(), serve("--host", everywhere)
    warning = loud.wait_for("notice", loud=True)

    assert quiet.url.startswith("http://127.0.0.1:")
    assert everywhere in warning["text"]
    assert [message for message in quiet.messages_of_type("notice") if message["loud"]] == []


def test_other_files_that_could_be_served_are_named(serve: Any, write: Any):
    """In one line."""
    write({**SYSTEM, "serverless.yml": "service: shop\n"})
    served = serve()

    assert served.wait_for("serving")["described_by"] == "template.yaml"
    assert served.wait_for("notice")["text"] == "not read: serverless.yml; to use another file, pass its name"


@pytest.mark.skipif(os.name != "posix", reason="tries the version of this machine's own interpreter")
def test_a_runtime_of_another_version_is_served_by_this_one(serve: Any, write: Any):
    """With a warning."""
    write({**SYSTEM, "template.yaml": TEMPLATE.replace("Timeout: 20", "Timeout: 20\n        Runtime: python3.99")})
    served = serve()
    problem = served.wait_for("problem")

    assert (problem["line"], problem["key"], problem["fatal"]) == (7, "Globals.Function.Runtime", False)
    assert problem["text"] == (
        f"python3.{sys.version_info[1]} runs the function; python3.99 is not installed: "
        "run uv python install 3.99, or pyenv install 3.99 and pyenv global, or, on Ubuntu, "
        "apt install python3.99 from the PPA deadsnakes; then python3.99 -m pip install awslambdaric"
    )
    assert served.call("Child")["greeting"] == "hello from us-east-1"


def test_events_go_to_reachable_destinations(serve: Any, write: Any, eventually: Callable[..., Any]):
    """To a function that is served; a queue without an address is left out, with a warning."""
    write(
        {
            "app.py": "def handler(event, context):\n    return event\n",
            "template.yaml": """
            Resources:
              Source:
                Type: AWS::Serverless::Function
                Properties:
                  CodeUri: .
                  Handler: app.handler
                  EventInvokeConfig:
                    DestinationConfig:
                      OnSuccess: {Type: Lambda, Destination: !GetAtt Sink.Arn}
                      OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}
              Sink:
                Type: AWS::Serverless::Function
                Properties: {CodeUri: ., Handler: app.handler}
              Lost: {Type: AWS::SQS::Queue}
            """,
        }
    )
    served = serve()
    problem = served.wait_for("problem")
    served.client.invoke(FunctionName="Source", Payload="5", InvocationType="Event")

    assert problem["text"] == "on_failure goes to sqs, which has no address: pass --service sqs=URL; left out"
    assert problem["line"] == 8
    assert served.wait_for("invocation", function="Sink")["status"] == 200


def test_the_concurrency_is_limited(serve: Any, write: Any, eventually: Any) -> None:
    """One call more is throttled, with Lambda's reason."""
    app = """
        import pathlib, time
        def handler(event, context):
            pathlib.Path("../waiting").write_text("")
            while not pathlib.Path("../go").exists():
                time.sleep(0.01)
            return event
        """
    directory = write({"app/app.py": app})
    served = serve("a=app/app.handler", "b=app/app.handler", "--concurrency", "1")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(served.call, "a", 1)
        eventually((directory / "waiting").exists)
        with pytest.raises(ClientError) as refused:
            served.call("b", 2)
        (directory / "go").write_text("")

        assert refused.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        assert (running.result(), served.call("b", 3)) == (1, 3)


def test_a_concurrency_of_zero_is_refused(run: Any) -> None:
    """Nothing could run."""
    ended = run("serve", "a=app.handler", "--concurrency", "0")

    assert ended.returncode == 2
    assert "'--concurrency'" in ended.stderr
