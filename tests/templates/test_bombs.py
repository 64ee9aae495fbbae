"""Files that stand for more than they are: refused with where and why, before they fill the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.templates.readers import diagnostics, parse, read

_LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)
_MERGES = "\n".join(
    ["a0: &a0 {x: 1, y: 2}"]
    + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}" for n in range(1, 12)]
)
BOMBS = {
    "aliases of aliases": (_LAUGHS, "more than 200,000 values after its aliases are expanded"),
    "merges of merges": (_MERGES, "more than 200,000 values after its aliases are expanded"),
    "a list in a list": ("a: " + "[" * 150 + "]" * 150, "nested too deeply: more than 100 levels"),
    "a list in a list for ever": ("a: " + "[" * 100_000, "nested too deeply: more than 100 levels"),
    "a mapping in a mapping": ("a: " + "{b: " * 150 + "1" + "}" * 150, "nested too deeply: more than 100 levels"),
    "short forms in short forms": ("a: " + "!Sub [" * 150 + "]" * 150, "nested too deeply: more than 100 levels"),
    "a key of aliases": (_LAUGHS.replace("a11:", "b:") + "\n? *a10\n: 1", "a key must be text"),
    "a key in itself": ("? &a [*a]\n: 1", "a key must be text"),
    "a number of many digits": ("a: " + "9" * 100_000, "a number of more than 1,000 characters"),
    "a number of base 60": ("a: 1" + ":59" * 200_000, "a number of more than 1,000 characters"),
    "a number beyond all": ("a: 1" + ":59" * 300 + ".5", "not valid YAML: int too large to convert to float"),
    "an alias in itself": ("a: &a [*a]", "an alias contains itself"),
    "a merge of itself": ("a: &a {<<: *a, b: 1}", "an alias contains itself"),
    "two merges of each other": ("a: &a {<<: &b {<<: *a}}", "an alias contains itself"),
    "an alias in itself, deeper": ("a: &a {b: {c: [1, *a]}}", "an alias contains itself"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("frame", ["Resources: {}\n", "service: shop\nfunctions: {}\n"])
def test_a_bomb_is_one_problem(bomb: str, frame: str):
    """In a template and in a serverless.yml."""
    text, complaint = BOMBS[bomb]
    (problem,) = diagnostics(parse(frame + text))
    assert complaint in problem
    assert problem.startswith("template.yaml")


def test_aliases_within_reason_are_written_out():
    """A block that many functions share."""
    text = "service: shop\nx: &x {timeout: 7}\ny: &y {<<: *x, handler: app.f}\nfunctions:\n"
    text += "".join(f"  f{n}: *y\n" for n in range(50))
    declarations = parse(text, "serverless.yml")
    assert len(declarations.functions) == 50
    assert {each.function.timeout for each in declarations.functions} == {7}


def test_a_json_template_is_bounded_too():
    """JSON is read as YAML."""
    (problem,) = diagnostics(parse('{"Resources": ' + '{"a": ' * 5_000 + "1" + "}" * 5_001, "template.json"))
    assert "nested too deeply" in problem


def test_a_toml_file_is_bounded_too():
    """By its nesting, for it has no references."""
    (problem,) = diagnostics(parse("a = " + "[" * 50_000 + "]" * 50_000, "lambdachain.toml"))
    assert "nested too deeply" in problem


def _template(value: str, more: str = "") -> str:
    properties = f"Runtime: python3.13, Handler: app.f, CodeUri: ., Environment: {{Variables: {{X: {value}}}}}"
    return f"Resources:\n  F: {{Type: AWS::Serverless::Function, Properties: {{{properties}}}}}\n{more}"


def _chain(link: str, length: int) -> str:
    """Make parameters of SSM, each of which refers to the next."""
    lines = [
        f"  P{n}: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: {link.format(n=n + 1)}}}}}\n"
        for n in range(length)
    ]
    return "".join(lines) + f"  P{length}: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: end}}}}\n"


@pytest.mark.parametrize(
    ("link", "length", "complaint"),
    [
        ('!Sub "${{P{n}.Value}}${{P{n}.Value}}"', 40, "too large after its references are followed"),
        ('!Join ["", [!GetAtt P{n}.Value, !GetAtt P{n}.Value]]', 40, "too large after its references are followed"),
        ("!GetAtt P{n}.Value", 5_000, "nested too deeply"),
        ('!Base64 {{"Fn::GetAtt": [P{n}, Value]}}', 60, ""),
    ],
)
def test_references_that_multiply_are_a_problem(link: str, length: int, complaint: str):
    """Each refers to the next, and twice at that."""
    found = diagnostics(parse(_template("!GetAtt P0.Value", _chain(link, length))))
    assert len(found) == 1
    assert complaint in found[0]
    assert "Environment.Variables.X" in found[0]


def test_one_text_of_many_references_is_a_problem():
    """Short where it is written, and of gigabytes where it is worked out."""
    more = f"Parameters: {{A: {{Type: String, Default: {'z' * 20_000}}}}}\n"
    (problem,) = diagnostics(parse(_template(f"!Sub '{'${A}' * 20_000}'", more)))
    assert "too large after its references are followed" in problem


def test_variables_inside_variables_are_a_problem():
    """Each level would look through the whole text again."""
    value = "${self:" * 5_000 + "}" * 5_000
    function = f"functions:\n  f: {{handler: app.f, runtime: python3.13, environment: {{X: '{value}'}}}}\n"
    (problem,) = diagnostics(parse(f"service: shop\n{function}", "serverless.yml"))
    assert "too large after its references are followed" in problem or "nested too deeply" in problem


def test_conditions_that_multiply_are_a_problem():
    """They have no text, and take time."""
    conditions = "".join(f"  C{n}: !And [!Condition C{n + 1}, !Condition C{n + 1}]\n" for n in range(40))
    text = _template("!If [C0, a, b]") + f'Conditions:\n{conditions}  C40: !Equals ["a", "a"]\n'
    (problem,) = diagnostics(parse(text))
    assert "too large after its references are followed" in problem


@pytest.mark.parametrize(
    ("link", "length", "complaint"),
    [
        ("${{self:custom.v{n}}}${{self:custom.v{n}}}", 40, "too large after its references are followed"),
        ("[ '${{self:custom.v{n}}}', '${{self:custom.v{n}}}' ]", 40, "too large after its references are followed"),
        ("${{self:custom.v{n}}}", 5_000, "nested too deeply"),
    ],
)
def test_variables_that_multiply_are_a_problem(link: str, length: int, complaint: str):
    """The same of the Serverless Framework."""
    custom = "".join(f"  v{n}: {link.format(n=n + 1)}\n" for n in range(length)) + f"  v{length}: end\n"
    function = "functions:\n  f: {handler: app.f, runtime: python3.13, environment: {X: '${self:custom.v0}'}}\n"
    found = diagnostics(parse(f"service: shop\n{function}custom:\n{custom}", "serverless.yml"))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    "value", ["${self:custom.x}", "a${self:custom.y}", "${self:custom}", "${self:}", "${env:NONE, ${self:custom.x}}"]
)
def test_a_variable_that_refers_to_itself_is_a_problem(value: str):
    """By whatever way."""
    function = "functions:\n  f: {handler: app.f, runtime: python3.13, environment: {X: '${self:custom.x}'}}\n"
    text = f"service: shop\n{function}custom:\n  x: '{value}'\n  y: '${{self:custom.x}}'\n"
    found = diagnostics(parse(text, "serverless.yml"))
    assert len(found) == 1, found


def test_a_file_without_end_is_not_read(tmp_path: Path):
    """Neither the file itself nor what it includes."""
    (tmp_path / "serverless.yml").write_text(
        "service: shop\nfunctions:\n  f: {handler: app.f, environment: {X: '${file(/dev/zero)}'}}\n"
    )
    declarations = read(tmp_path / "serverless.yml")
    assert "has no value" in diagnostics(declarations)[0]
    (tmp_path / "lambdachain.toml").symlink_to("/dev/zero")
    assert "more than 16,777,216 bytes" in diagnostics(read(tmp_path / "lambdachain.toml"))[0]
