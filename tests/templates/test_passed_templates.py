"""Nested stacks whose templates are in S3, and passed beside the template around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.deployment import DeployedFunction, merge_deployments, read_deployments
from lambdachain.cli._serve.system_loader import ServeRequest, load_system
from tests.templates.readers import AWS

BILLING: dict[str, Any] = {
    "Parameters": {"Ledger": {"Type": "String"}, "Stage": {"Type": "String", "Default": "dev"}},
    "Resources": {
        "Billing": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"Handler": "app.handler", "Environment": {"Variables": {"LEDGER": {"Ref": "Ledger"}}}},
        }
    },
    "Outputs": {"Name": {"Value": {"Ref": "Billing"}}},
}


def outer(url: Any, **properties: Any) -> dict[str, Any]:
    """Return a template with a nested stack at *url*, and a function that is passed the name of the nested one."""
    variables = {"BILLING": {"Fn::GetAtt": ["Nested", "Outputs.Name"]}}
    return {
        "Resources": {
            "Nested": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"TemplateURL": url, "Parameters": {"Ledger": "prod-ledger"}, **properties},
            },
            "Orders": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Handler": "app.handler", "Environment": {"Variables": variables}},
            },
        }
    }


def read(directory: Path, templates: dict[str, Any]) -> tuple[dict[str, DeployedFunction], list[str]]:
    """Read templates by their paths, in their order, and return the functions and the diagnostics."""
    paths = [directory / name for name in templates]
    for path, tree in zip(paths, templates.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(tree))
    found = merge_deployments(read_deployments(paths, TemplateContext(AWS)))
    assert len({each.name for each in found.functions}) == len(found.functions)
    return {each.name: each for each in found.functions}, [str(each) for each in found.diagnostics]


def test_directory_around_all_is_not_the_name_of_a_stack(tmp_path: Path):
    """A project's directory may have the name of its bucket: without parameters, any template would fit."""
    project = tmp_path / "shop"
    main = outer("https://s3.amazonaws.com/shop/template.yaml", Parameters={})
    main["Parameters"] = {"Stage": {"Type": "String"}}
    functions, diagnostics = read(
        project, {"main/outer.yaml": main, "ledger.yaml": {"Resources": BILLING["Resources"]}}
    )

    assert not functions["Orders"].environment
    assert any("its template is not on this machine" in one for one in diagnostics)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("https://s3.amazonaws.com/artifacts/billing.yaml", "stacks/billing.yaml"),
        ("https://s3.amazonaws.com/artifacts/billing/template.yaml", "billing/template.yaml"),
        ("https://s3.amazonaws.com/artifacts/billing/v1.2.3/template.yaml", "billing/deployment/billing.yaml"),
        ("https://s3.amazonaws.com/artifacts/billing/<VERSION>/packaged.yaml", "billing/template.json"),
        ("https://s3.amazonaws.com/artifacts/billing/template.yaml", "billing/deployment/charges.yaml"),
        ({"Fn::Sub": "https://${AWS::Region}.example.com/${AWS::AccountId}/billing.template"}, "billing.json"),
    ],
)
def test_passed_template_is_the_nested_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: Any, file: str, is_first: bool
):
    """With the parameters that it is passed and the outputs it has, once, in whichever order the files are passed."""
    monkeypatch.chdir(tmp_path)
    templates = {"main.yaml": outer(url), file: BILLING}
    functions, diagnostics = read(Path(), templates if is_first else dict(reversed(templates.items())))

    assert {name: dict(each.environment) for name, each in functions.items()} == {
        "Orders": {"BILLING": "Billing"},
        "Billing": {"LEDGER": "prod-ledger"},
    }
    assert diagnostics == []


@pytest.mark.parametrize(
    ("properties", "files"),
    [
        pytest.param({}, ["ledger.yaml"], id="another name"),
        pytest.param({}, ["ledger/template.yaml"], id="another directory"),
        pytest.param({"Parameters": {}}, ["billing.yaml"], id="a parameter without a value"),
        pytest.param({"Parameters": {"Ledger": "a", "Other": "b"}}, ["billing.yaml"], id="an unknown parameter"),
        pytest.param({}, ["a/billing.yaml", "b/billing.yaml"], id="two"),
    ],
)
def test_template_that_cannot_be_the_nested_stack_is_not_taken(
    tmp_path: Path, properties: dict[str, Any], files: list[str]
):
    """CloudFormation would refuse the parameters, or it may be either file: the nested stack is reported."""
    trees = [{**BILLING, "Resources": {f"Billing{n}": BILLING["Resources"]["Billing"]}} for n in range(len(files))]
    main = outer("https://s3.amazonaws.com/artifacts/billing.yaml", **properties)
    functions, diagnostics = read(tmp_path, {"main.yaml": main, **dict(zip(files, trees, strict=True))})

    assert len(functions) == 1 + len(files)
    assert not functions["Orders"].environment
    assert any(
        "the nested stack Nested are not read: its template is not on this machine" in one for one in diagnostics
    )


def test_nested_stack_at_a_path_is_read_once_if_it_is_passed_as_well(tmp_path: Path):
    """Its own file alone does not know the parameters."""
    functions, _ = read(tmp_path, {"stacks/billing.yaml": BILLING, "main.yaml": outer("stacks/billing.yaml")})

    assert dict(functions["Billing"].environment) == {"LEDGER": "prod-ledger"}


def test_templates_that_contain_each_other_are_read(tmp_path: Path):
    """CloudFormation refuses such a circle; reading it ends, and no function is lost."""
    other = {**outer("https://s3/orders.yaml"), "Parameters": {"Ledger": {"Type": "String"}}}
    other["Resources"]["Other"] = other["Resources"].pop("Orders")
    main = {**outer("https://s3/billing.yaml"), "Parameters": {"Ledger": {"Type": "String"}}}
    functions, diagnostics = read(tmp_path, {"orders.yaml": main, "billing.yaml": other})

    assert set(functions) == {"Orders", "Other"}
    assert any("contains itself" in one for one in diagnostics)


def test_serve_connects_the_files_that_it_is_passed(tmp_path: Path):
    """With what they export to each other, and with nested stacks, whose files are watched."""
    main = outer("https://s3/billing.yaml")
    main["Outputs"] = {"Orders": {"Value": {"Ref": "Orders"}, "Export": {"Name": "orders"}}}
    variables = {"ORDERS": {"Fn::ImportValue": "orders"}}
    shop = {"Handler": "app.handler", "Environment": {"Variables": variables}}
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    trees = {
        "shop.yaml": {"Resources": {"Shop": {"Type": "AWS::Serverless::Function", "Properties": shop}}},
        "billing.yaml": BILLING,
        "main.yaml": main,
    }
    for name, tree in trees.items():
        (tmp_path / name).write_text(yaml.safe_dump(tree))
    request = ServeRequest([*trees], tmp_path, TemplateContext(AWS), None, {}, lambda: tmp_path)
    loaded = load_system(request)

    assert {name: dict(each.function.environment) for name, each in loaded.declared.items()} == {
        "Shop": {"ORDERS": "Orders"},
        "Orders": {"BILLING": "Billing"},
        "Billing": {"LEDGER": "prod-ledger"},
    }
    assert {path.name for path in loaded.files} == {*trees}
    assert [str(each) for each in loaded.problems if each.fatal] == []
