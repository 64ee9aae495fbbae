"""What can be served is served: zip files, layers, the CDK's assets, nested stacks, built code."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

APP = "def handler(event, context):\n    return 'served'\n"
WORDS = "from words import WORD\n\ndef handler(event, context):\n    return WORD\n"


def write_zip(path: Path, files: Mapping[str, str], mode: int = 0o644) -> None:
    """Write a zip file with the permissions of a Unix system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, text)


def test_zip_files_and_single_files_are_code(serve: Any, write: Any):
    """Of SAM, CloudFormation and serverless.yml."""
    directory = write(
        {
            "single.py": APP,
            "template.yaml": """
            Resources:
              Zip:
                Type: AWS::Serverless::Function
                Properties: {CodeUri: dist/code.zip, Handler: app.handler}
              Single:
                Type: AWS::Lambda::Function
                Properties: {Code: single.py, Handler: single.handler}
            """,
            "serverless.yml": f"""
            service: shop
            provider: {{name: aws, runtime: python{sys.version_info[0]}.{sys.version_info[1]}}}
            functions:
              own: {{handler: app.handler, package: {{artifact: dist/code.zip}}}}
              shared: {{handler: app.handler}}
            package: {{artifact: dist/code.zip}}
            """,
        }
    )
    write_zip(directory / "dist/code.zip", {"app.py": APP})
    served = serve("template.yaml", "serverless.yml")
    names = ("Zip", "Single", "shop-dev-own", "shop-dev-shared")

    assert {name: served.call(name) for name in names} == dict.fromkeys(names, "served")
    assert served.messages_of_type("problem") == []


def test_programs_of_a_zip_file_can_be_executed(serve: Any, write: Any):
    """The ``bootstrap`` of a runtime of its own."""
    directory = write(
        {
            "template.yaml": """
            Resources:
              Own:
                Type: AWS::Serverless::Function
                Properties: {CodeUri: own.zip, Runtime: provided.al2023}
            """
        }
    )
    write_zip(directory / "own.zip", {"bootstrap": "#!/bin/sh\nexit 7\n"}, 0o755)
    problem = serve().wait_for("problem")

    assert problem["text"].endswith("cannot be loaded: its process exits with status 7 while loading the module")


def test_a_changed_zip_file_is_served_after_a_reload(serve: Any, write: Any, eventually: Any):
    """A process of the old one keeps its files."""
    template = "Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: a.zip, Handler: app.handler}}}\n"
    directory = write({"template.yaml": template})
    write_zip(directory / "a.zip", {"app.py": APP})
    served = serve("--reload")
    first = served.call("F")
    write_zip(directory / "new.zip", {"app.py": APP.replace("served", "again")})
    (directory / "new.zip").rename(directory / "a.zip")
    assert eventually(lambda: served.messages_of_type("reloaded"))

    assert (first, served.call("F")) == ("served", "again")


LAYERS = {
    "sam": "Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}",
    "cloudformation": "Type: AWS::Lambda::LayerVersion, Properties: {Content: layer}",
    "zip": "Type: AWS::Lambda::LayerVersion, Properties: {Content: layer.zip}",
    "metadata": "Type: AWS::Lambda::LayerVersion, Metadata: {aws:asset:path: layer}, Properties: {Content: {S3Key: x}}",
    "assets": "Type: AWS::Lambda::LayerVersion, Properties: {Content: {S3Bucket: !Sub 'b-${X}', S3Key: l.zip}}",
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("inside", ["python", "python/lib/python{}.{}/site-packages"], ids=["python", "site-packages"])
def test_layers_are_on_the_search_path(layer: str, inside: str, serve: Any, write: Any):
    """As in ``/opt``."""
    module = f"{inside.format(*sys.version_info)}/words.py"
    directory = write(
        {
            "app/app.py": WORDS,
            f"layer/{module}": "WORD = 'of the layer'\n",
            "Stack.assets.json": json.dumps(
                {"files": {"l": {"source": {"path": "layer"}, "destinations": {"aws": {"objectKey": "l.zip"}}}}}
            ),
            "template.json": f"""
            Resources:
              Words: {{{layer}}}
              F:
                Type: AWS::Serverless::Function
                Properties: {{CodeUri: app, Handler: app.handler, Layers: [!Ref Words]}}
            """,
        }
    )
    write_zip(directory / "layer.zip", {module: "WORD = 'of the layer'\n"})
    served = serve("template.json")

    assert served.call("F") == "of the layer"
    assert served.messages_of_type("problem") == []


def test_layers_of_a_service_and_the_last_of_two(serve: Any, write: Any):
    """Lambda unpacks layers one over the other."""
    directory = write(
        {
            "app.py": WORDS,
            "first/python/words.py": "WORD = 'first'\n",
            "serverless.yml": """
            service: shop
            provider: {name: aws, runtime: python3.11}
            layers: {first: {path: first}, last: {package: {artifact: last.zip}}}
            functions:
              f: {handler: app.handler, layers: [!Ref FirstLambdaLayer, !Ref LastLambdaLayer]}
            """,
        }
    )
    write_zip(directory / "last.zip", {"python/words.py": "WORD = 'last'\n"})

    assert serve().call("shop-dev-f") == "last"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_node_layers_are_on_the_search_path(serve: Any, write: Any):
    """``nodejs/node_modules`` in a zip file."""
    directory = write(
        {
            "app/app.js": "const words = require('words');\nexports.handler = async () => words.WORD;\n",
            "template.yaml": """
            Resources:
              Words: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer.zip}}
              F:
                Type: AWS::Serverless::Function
                Properties: {CodeUri: app, Handler: app.handler, Runtime: nodejs20.x, Layers: [!Ref Words]}
            """,
        }
    )
    write_zip(directory / "layer.zip", {"nodejs/node_modules/words/index.js": "exports.WORD = 'of the layer';\n"})

    assert serve().call("F") == "of the layer"


def test_layers_that_are_not_here_are_reported(serve: Any, write: Any):
    """The function is served without them."""
    directory = write(
        {
            "app/app.py": APP,
            "bad.zip": "not a zip file",
            "template.yaml": """
            Resources:
              Bucket: {Type: AWS::Lambda::LayerVersion, Properties: {Content: {S3Bucket: b, S3Key: k}}}
              Gone: {Type: AWS::Lambda::LayerVersion, Properties: {Content: gone}}
              Bad: {Type: AWS::Lambda::LayerVersion, Properties: {Content: bad.zip}}
              F:
                Type: AWS::Serverless::Function
                Properties:
                  CodeUri: app
                  Handler: app.handler
                  Layers: [arn:aws:lambda:us-east-1:1:layer:x:1, !Ref Bucket, !Ref Gone, !Ref Bad]
            """,
        }
    )
    served = serve()
    assert served.call("F") == "served"
    texts = [problem["text"] for problem in served.messages_of_type("problem")]

    assert texts == [
        "layer 'arn:aws:lambda:us-east-1:1:layer:x:1' is not on this machine; the layer is left out",
        "the code is in S3: set Content to a directory on this machine; the layer is left out",
        f"layer {str(directory / 'gone')!r} does not exist",
        f"layer {str(directory / 'bad.zip')!r} is not a zip file; the layer is left out",
    ]


def cdk_output(**assets: str) -> dict[str, str]:
    """Return the files of a CDK app whose functions have no metadata."""
    files = {
        key: {"source": {"path": path}, "destinations": {"aws": {"objectKey": f"{key}.zip"}}}
        for key, path in assets.items()
    }
    function = {"S3Bucket": {"Fn::Sub": "cdk-assets-${AWS::AccountId}"}, "S3Key": "code.zip"}
    properties = {"Code": function, "Handler": "app.handler", "FunctionName": "orders", "Runtime": "python3.x"}
    stack = {"Resources": {"F1": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Shop.template.json"}}
    return {
        "cdk.out/manifest.json": json.dumps({"artifacts": {"Shop": artifact, "Tree": {"type": "cdk:tree"}}}),
        "cdk.out/Shop.template.json": json.dumps(stack),
        "cdk.out/Shop.assets.json": json.dumps({"files": files}),
        "cdk.out/asset.code/app.py": APP,
    }


@pytest.mark.parametrize("arguments", [[], ["cdk.out"], ["cdk.out/Shop.template.json"]], ids=str)
def test_output_of_the_cdk_is_served(arguments: list[str], serve: Any, write: Any):
    """Without an argument, as a directory, and as one template; the assets are found by their keys."""
    write(cdk_output(code="asset.code"))
    served = serve(*arguments)

    assert served.call("orders") == "served"
    assert served.wait_for("serving")["described_by"] == "cdk.out/Shop.template.json"


NESTED = {
    "template.yaml": """
    Resources:
      Orders:
        Type: AWS::CloudFormation::Stack
        Properties:
          TemplateURL: orders/template.yaml
          Parameters: {Word: !GetAtt Words.Outputs.Word}
      Words: {Type: AWS::Serverless::Application, Properties: {Location: words/template.yaml}}
      Off: {Type: AWS::Serverless::Application, Condition: Never, Properties: {Location: gone.yaml}}
      Outer:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: app
          Handler: app.handler
          Environment: {Variables: {WORD: !GetAtt Orders.Outputs.Name}}
    Conditions: {Never: !Equals [a, b]}
    """,
    "orders/template.yaml": """
    Parameters: {Word: {Type: String}, Stage: {Type: String, Default: dev}}
    Resources:
      Inner:
        Type: AWS::Serverless::Function
        Properties:
          FunctionName: !Sub "${AWS::StackName}-${Stage}"
          CodeUri: ../app
          Handler: app.handler
          Environment: {Variables: {WORD: !Ref Word}}
    Outputs: {Name: {Value: !Ref Inner}}
    """,
    "words/template.yaml": """
    Resources: {Topic: {Type: AWS::SNS::Topic}}
    Outputs: {Word: {Value: !GetAtt Topic.TopicName}}
    """,
    "app/app.py": "import os\n\ndef handler(event, context):\n    return os.environ['WORD']\n",
}


def test_nested_stacks_are_served(serve: Any, write: Any):
    """With their parameters and outputs, in any order; a parameter that is not passed keeps its own default."""
    write(NESTED)
    served = serve("--parameter", "Stage=prod")

    assert served.call("local-Orders-dev") == "Topic"
    assert served.call("Outer") == "local-Orders-dev"
    assert served.messages_of_type("problem") == []


def test_a_nested_stack_that_contains_itself_is_reported(serve: Any, write: Any):
    """And the other functions are served."""
    stack = "Again: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: template.yaml}}"
    function = "F: {Type: AWS::Serverless::Function, Properties: {CodeUri: app, Handler: app.handler}}"
    write({"app/app.py": APP, "template.yaml": f"Resources:\n  {stack}\n  {function}\n"})
    served = serve()

    assert served.call("F") == "served"
    assert served.wait_for("problem")["text"] == (
        "the functions of the nested stack Again are not read: template.yaml contains itself"
    )


BUILT = {
    "template.yaml": """
    Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: src, Handler: app.handler}}}
    """,
    "src/app.py": "import built\n",
    ".aws-sam/build/template.yaml": """
    Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: F, Handler: app.handler}}}
    """,
    ".aws-sam/build/F/app.py": APP,
}


def test_what_sam_has_built_is_served(serve: Any, write: Any):
    """A line says so."""
    write(BUILT)
    served = serve()

    assert served.call("F") == "served"
    assert served.wait_for("serving")["described_by"] == ".aws-sam/build/template.yaml"
    assert "pass template.yaml to serve the sources" in served.wait_for("notice")["text"]


@pytest.mark.parametrize(("arguments", "is_old"), [([], True), (["template.yaml"], False)], ids=["old", "named"])
def test_an_old_build_and_another_file_are_not_mixed_up(arguments: list[str], is_old: bool, serve: Any, write: Any):
    """A line says which of the two is served."""
    directory = write({**BUILT, "src/app.py": APP.replace("served", "source")})
    os.utime(directory / "template.yaml", (2_000_000_000, 2_000_000_000))
    served = serve(*arguments)

    assert served.call("F") == "source"
    assert served.wait_for("serving")["described_by"] == "template.yaml"
    if is_old:
        text = served.wait_for("notice")["text"]
        assert text.startswith("template.yaml is newer than .aws-sam/build/template.yaml, which is not used")


def test_a_handler_that_needs_a_build_says_which(serve: Any, write: Any):
    """Requirements, where an import fails."""
    write({"app.py": "import no_such_module\n", "requirements.txt": "no-such-module\n"})
    text = serve("F=app.handler").wait_for("problem")["text"]

    assert text.endswith("if it needs a package of requirements.txt, run sam build, or pass --build to install them")


@pytest.mark.parametrize(
    ("tag", "place"),
    [
        pytest.param(
            f"cpython-{sys.version_info[0]}{sys.version_info[1]}-riscv64-linux-gnu", "package", id="a machine"
        ),
        pytest.param("cpython-39-x86_64-linux-gnu", "layer/python", id="another version, in a layer"),
    ],
)
def test_a_package_that_was_built_for_another_machine_is_named(tag: str, place: str, serve: Any, write: Any):
    """As after a build for Lambda: the error alone reads as if something were missing."""
    write(
        {
            "template.yaml": """
                Resources:
                  Native:
                    Type: AWS::Serverless::Function
                    Properties: {CodeUri: package, Handler: app.handler, Layers: [!Ref Shared]}
                  Shared:
                    Type: AWS::Serverless::LayerVersion
                    Properties: {ContentUri: layer}
            """,
            "package/app.py": "import native_core._native\ndef handler(event, context): ...\n",
            "layer/python/shared.py": "",
            f"{place}/native_core/__init__.py": "",
            f"{place}/native_core/_native.{tag}.so": "",
        }
    )
    text = serve("template.yaml").wait_for("problem", key="Resources.Native.Properties.Handler")["text"]

    assert "No module named 'native_core._native'" in text
    assert f"{place}/native_core/_native.{tag}.so was built for" in text
    assert text.endswith("which cannot load it: serve the sources without it, or build it for this machine")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({"app.ts": "export const handler = async () => 1;\n"}, "app.ts is TypeScript: pass --build to compile it"),
        (
            {"app.js": "require('words');\n", "package.json": "{}"},
            "if it needs a package, run npm install in ., or sam",
        ),
    ],
    ids=["typescript", "npm"],
)
def test_a_node_handler_that_needs_a_build_says_which(files: dict[str, str], hint: str, serve: Any, write: Any):
    """TypeScript, and packages that are not installed."""
    function = "{Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: app.handler, Runtime: nodejs20.x}}"
    write({**files, "template.yaml": f"Resources: {{F: {function}}}\n"})

    assert hint in serve().wait_for("problem")["text"]


IMAGES = {
    "Dockerfile": (
        "Metadata: {DockerContext: hello, Dockerfile: Dockerfile}, Properties: {PackageType: Image}",
        "lambdachain serve Bad=hello/app.handler",
    ),
    "ImageConfig": (
        "Metadata: {DockerContext: hello}, Properties: {PackageType: Image, ImageConfig: {Command: [main.run]}}",
        "lambdachain serve Bad=hello/main.run",
    ),
    "unknown": (
        "Properties: {PackageType: Image, ImageUri: x}",
        "lambdachain serve Bad=DIR/HANDLER, with the handler that the CMD of its Dockerfile names",
    ),
}


@pytest.mark.parametrize(("image", "remedy"), IMAGES.values(), ids=IMAGES)
def test_a_function_of_an_image_says_how_it_can_be_served(image: str, remedy: str, run: Any, write: Any):
    """A run that serves nothing fails."""
    write(
        {
            "hello/Dockerfile": 'FROM public.ecr.aws/lambda/python:3.12\nCMD ["app.handler"]\n',
            "template.yaml": f"Resources: {{Bad: {{Type: AWS::Serverless::Function, {image}}}}}\n",
        }
    )
    ran = run("serve")

    assert ran.returncode == 1
    assert ran.stderr.rstrip().endswith(f"serve its code without the image instead: {remedy}")
    assert ran.stdout == ""


def test_the_remedy_of_an_image_works(serve: Any, write: Any):
    """The function that is declared once more is not among those that are skipped."""
    image = "Metadata: {DockerContext: hello}, Properties: {PackageType: Image}"
    write(
        {
            "hello/app.py": APP,
            "template.yaml": f"Resources: {{F: {{Type: AWS::Serverless::Function, {image}}}}}\n",
        }
    )
    served = serve("F=hello/app.handler", "template.yaml")

    assert served.call("F") == "served"
    assert served.messages_of_type("notice") == []


def test_functions_that_are_not_served_are_named_in_one_line(serve: Any, write: Any):
    """By the reason."""
    function = "Type: AWS::Serverless::Function, Properties: "
    write(
        {
            "app.py": APP,
            "template.yaml": f"""
            Resources:
              F: {{{function} {{CodeUri: ., Handler: app.handler}}}}
              A: {{{function} {{CodeUri: ., Handler: app.handler, Runtime: java21}}}}
              B: {{{function} {{CodeUri: ., Handler: app.handler, Runtime: java21}}}}
              C: {{{function} {{CodeUri: gone, Handler: app.handler}}}}
              E: {{{function} {{CodeUri: gone.zip, Handler: app.handler}}}}
              D: {{{function} {{CodeUri: ., Handler: app.handler, MemorySize: 1GB}}}}
            """,
        }
    )

    assert serve().wait_for("notice")["text"] == (
        "not served: A, B (runtime 'java21' cannot be served); D (MemorySize must be a number, not '1GB'); "
        "C (directory 'gone' does not exist); E (file 'gone.zip' does not exist)"
    )


def test_a_run_that_serves_none_of_several_functions_names_them(run: Any, write: Any):
    """In its last line."""
    java = "{Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: app.handler, Runtime: java21}}"
    write({"template.yaml": f"Resources: {{A: {java}, B: {java}}}\n"})
    ran = run("serve")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1] == (
        "error: lambdachain serve: nothing to serve; not served: A, B (runtime 'java21' cannot be served)"
    )


def test_a_template_without_functions_fails(run: Any, write: Any):
    """And says so."""
    write({"template.yaml": "Resources: {Topic: {Type: AWS::SNS::Topic}}\n"})
    ran = run("serve")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "warning: template.yaml: defines no Lambda functions\n"
        "error: lambdachain serve: nothing to serve: template.yaml has no functions\n"
    )


def test_interpreters_are_probed_at_the_same_time(serve: Any, write: Any, tmp_path: Path):
    """Each probe waits for the other one to start."""
    probe = (
        "#!/bin/sh\ntouch DIRECTORY/OWN-probed\nwhile [ ! -e DIRECTORY/OTHER-probed ]; do sleep 0.01; done\nexit 1\n"
    )
    names = {"python3.98": "python3.99", "python3.99": "python3.98"}
    template = ["Resources:"]
    files: dict[str, str] = {}
    for own, other in names.items():
        replaced = probe.replace("DIRECTORY", str(tmp_path)).replace("OWN", own).replace("OTHER", other)
        files[f"bin/{own}"] = replaced
        properties = f"{{CodeUri: ., Handler: app.handler, Runtime: {own}}}"
        template.append(f"  F{own[-2:]}: {{Type: AWS::Serverless::Function, Properties: {properties}}}")
    directory = write({**files, "app.py": APP, "template.yaml": "\n".join([*template, ""])})
    for name in names:
        (directory / "bin" / name).chmod(0o755)
    served = serve(PATH=f"{directory}/bin:{os.environ['PATH']}")

    assert [served.call(name) for name in ("F98", "F99")] == ["served"] * 2


def test_an_interpreter_is_probed_once(serve: Any, write: Any, tmp_path: Path):
    """Also one that cannot run functions."""
    function = "{Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: app.handler, Runtime: python3.99}}"
    directory = write(
        {
            "bin/python3.99": f"#!/bin/sh\necho probe >> {tmp_path}/probes\nexit 1\n",
            "app.py": APP,
            "template.yaml": f"Resources: {{A: {function}, B: {function}, C: {function}}}\n",
        }
    )
    (directory / "bin/python3.99").chmod(0o755)
    served = serve(PATH=f"{directory}/bin:{os.environ['PATH']}")

    assert [served.call(name) for name in "ABC"] == ["served"] * 3
    assert (tmp_path / "probes").read_text() == "probe\n"
