"""What `cdk synth` writes is read as it is deployed: names of stacks, exports between them, nested stacks, assets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import DeployedFunction, read_deployment
from lambdachain.local._definitions._sources import find_files, read_system
from tests.templates.readers import AWS, diagnostics, functions

ASSET = "0" * 64
BUCKET = {"Fn::Sub": "cdk-assets-${AWS::AccountId}-${AWS::Region}"}


def function(**variables: Any) -> dict[str, Any]:
    """Return a function as the CDK writes it without metadata: its code is an object in S3."""
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": BUCKET, "S3Key": f"{ASSET}.zip"},
            "Handler": "app.handler",
            "Runtime": "python3.13",
            "Environment": {"Variables": variables},
        },
    }


def exported(name: str, attribute: dict[str, Any]) -> dict[str, Any]:
    """Return an output as the CDK exports it."""
    return {"Value": attribute, "Export": {"Name": f"Front:{name}"}}


INNER: dict[str, Any] = {
    "Parameters": {"Callee": {"Type": "String"}},
    "Resources": {"Inner": function(CALLEE={"Ref": "Callee"})},
    "Outputs": {"InnerName": {"Value": {"Ref": "Inner"}}},
}
FRONT: dict[str, Any] = {
    "Resources": {
        "Front": function(STACK={"Ref": "AWS::StackName"}, INNER={"Fn::GetAtt": ["Nested", "Outputs.InnerName"]}),
        "Nested": {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {
                "TemplateURL": {"Fn::Join": ["", ["https://s3.amazonaws.com/", BUCKET, "/inner-hash.json"]]},
                "Parameters": {"Callee": {"Ref": "Front"}},
            },
        },
    },
    "Outputs": {
        "One": exported("OutputRefFront", {"Ref": "Front"}),
        "Two": exported("OutputInner", {"Fn::GetAtt": ["Nested", "Outputs.InnerName"]}),
        "Unknown": exported("OutputUnknown", {"Fn::GetAtt": ["Table", "StreamArn"]}),
    },
}
BACK: dict[str, Any] = {
    "Resources": {
        "Back": function(
            FRONT={"Fn::ImportValue": "Front:OutputRefFront"},
            INNER={"Fn::ImportValue": "Front:OutputInner"},
            UNKNOWN={"Fn::ImportValue": "Front:OutputUnknown"},
        )
    }
}


def stack(name: str, *dependencies: str, **properties: str) -> dict[str, Any]:
    """Return a stack of the manifest."""
    return {
        "type": "aws:cloudformation:stack",
        "properties": {"templateFile": f"{name}.template.json", **properties},
        "dependencies": list(dependencies),
    }


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Write the output of an app with two stacks, one of which has a nested one."""
    assets = {
        "files": {
            ASSET: {"source": {"path": f"asset.{ASSET}"}, "destinations": {"d": {"objectKey": f"{ASSET}.zip"}}},
            "i": {"source": {"path": "Inner.nested.json"}, "destinations": {"d": {"objectKey": "inner-hash.json"}}},
        }
    }
    artifacts = {
        "Front.assets": {"type": "cdk:asset-manifest"},
        "Front": stack("Front", "Front.assets", stackName="shop-front"),
        "Back": stack("Back", "Front", "Front.assets"),
    }
    written = {
        "manifest.json": {"artifacts": artifacts},
        "Front.assets.json": assets,
        "Front.template.json": FRONT,
        "Inner.nested.json": INNER,
        "Back.template.json": BACK,
    }
    for name, tree in written.items():
        (tmp_path / name).write_text(json.dumps(tree))
    (tmp_path / f"asset.{ASSET}").mkdir()
    return tmp_path


def read_all(app: Path, **context: Any) -> dict[str, DeployedFunction]:
    """Read every function of the app."""
    files = find_files(app).files
    deployments = [read_deployment(file, TemplateContext(AWS, **context)) for file in files]
    return {function.name: function for deployment in deployments for function in deployment.functions}


def test_stacks_know_each_other(app: Path):
    """Their names, what they export, and their nested stacks, whose templates are assets; code is found too."""
    found = read_all(app)

    assert {name: dict(each.environment) for name, each in found.items()} == {
        "Front": {"STACK": "shop-front", "INNER": "Inner"},
        "Inner": {"CALLEE": "Front"},
        "Back": {"FRONT": "Front", "INNER": "Inner"},
    }
    assert {each.directory.name for each in found.values()} == {f"asset.{ASSET}"}
    assert found["Back"].deferred_environment == {"UNKNOWN": "import Front:OutputUnknown"}


def test_values_of_the_user_take_precedence(app: Path):
    """Over the name of a stack and over what another one exports."""
    found = read_all(app, stage="mine", parameters={"Front:OutputRefFront": "other", "Front:OutputUnknown": "known"})

    assert found["Front"].environment["STACK"] == "mine"
    assert found["Back"].environment == {"FRONT": "other", "INNER": "Inner", "UNKNOWN": "known"}


def test_the_same_is_served(app: Path):
    """With a line for each value that is not known."""
    front, back = (read_system(file, TemplateContext(AWS)).declarations for file in find_files(app).files)

    assert diagnostics(front) == []
    assert functions(front)["Front"].environment == {"STACK": "shop-front", "INNER": "Inner"}
    assert list(functions(front)) == ["Front", "Inner"]
    assert functions(back)["Back"].environment == {"FRONT": "Front", "INNER": "Inner"}
    (line,) = diagnostics(back)
    assert "another stack exports 'Front:OutputUnknown'" in line


def test_stacks_that_import_from_each_other_are_read(app: Path):
    """CloudFormation refuses such a circle; reading it ends."""
    manifest = json.loads((app / "manifest.json").read_text())
    manifest["artifacts"]["Front"]["dependencies"].append("Back")
    (app / "manifest.json").write_text(json.dumps(manifest))
    (app / "Back.template.json").write_text(
        json.dumps({**BACK, "Outputs": {"Name": {"Value": {"Ref": "Back"}, "Export": {"Name": "back"}}}})
    )
    (app / "Front.template.json").write_text(
        json.dumps({**FRONT, "Resources": {"Front": function(BACK={"Fn::ImportValue": "back"})}})
    )
    found = read_all(app)

    assert found["Front"].environment == {"BACK": "Back"}
    assert found["Back"].environment == {"FRONT": "Front"}


def test_stage_is_in_a_directory_of_its_own(app: Path):
    """One that names the directory it is in is not read again and again."""
    stages = {
        name: {"type": "cdk:cloud-assembly", "properties": {"directoryName": name}} for name in (".", "..", "assembly")
    }
    (app / "assembly").mkdir()
    (app / "assembly/manifest.json").write_text((app / "manifest.json").read_text())
    (app / "manifest.json").write_text(json.dumps({"artifacts": stages}))

    assert [file.relative_to(app) for file in find_files(app).files] == [
        Path("assembly/Front.template.json"),
        Path("assembly/Back.template.json"),
    ]
