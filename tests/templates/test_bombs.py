"""Small files that expand to more than memory holds are refused, with the location and the reason."""

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
def test_yaml_bomb_is_one_diagnostic(bomb: str, frame: str):
    """In a template and in a ``serverless.yml``."""
    text, message = BOMBS[bomb]
    if frame and "a number" in bomb and ":59" in text:
        pytest.skip("base 60 is text in YAML 1.2, which the Serverless Framework reads")
    (line,) = diagnostics(parse(frame + text))
    assert message in line
    assert line.startswith("template.yaml")


def test_aliases_within_the_limits_are_expanded():
    """Such as a block that many functions share."""
    text = "service: shop\nx: &x {timeout: 7}\ny: &y {<<: *x, handler: app.f}\nfunctions:\n"
    text += "".join(f"  f{n}: *y\n" for n in range(50))
    declarations = parse(text, "serverless.yml")
    assert len(declarations.functions) == 50
    assert {each.function.timeout for each in declarations.functions} == {7}


def test_json_template_has_the_same_limits():
    """JSON is parsed as YAML."""
    (line,) = diagnostics(parse('{"Resources": ' + '{"a": ' * 5_000 + "1" + "}" * 5_001, "template.json"))
    assert "nested too deeply" in line


def test_toml_file_has_a_limit_of_nesting():
    """It needs no other, because TOML has no references."""
    (line,) = diagnostics(parse("a = " + "[" * 50_000 + "]" * 50_000, "lambdachain.toml"))
    assert "nested too deeply" in line


def _template(value: str, more: str = "") -> str:
    properties = f"Runtime: python3.13, Handler: app.f, CodeUri: ., Environment: {{Variables: {{X: {value}}}}}"
    return f"Resources:\n  F: {{Type: AWS::Serverless::Function, Properties: {{{properties}}}}}\n{more}"


def _chain(link: str, length: int) -> str:
    """Return SSM parameters that refer each to the next."""
    lines = [
        f"  P{n}: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: {link.format(n=n + 1)}}}}}\n"
        for n in range(length)
    ]
    return "".join(lines) + f"  P{length}: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: end}}}}\n"


@pytest.mark.parametrize(
    ("link", "length", "message"),
    [
        ('!Sub "${{P{n}.Value}}${{P{n}.Value}}"', 40, "too large after its references are followed"),
        ('!Join ["", [!GetAtt P{n}.Value, !GetAtt P{n}.Value]]', 40, "too large after its references are followed"),
        ("!GetAtt P{n}.Value", 5_000, "nested too deeply"),
        ('!Base64 {{"Fn::GetAtt": [P{n}, Value]}}', 60, ""),
    ],
)
def test_references_that_multiply_are_one_diagnostic(link: str, length: int, message: str):
    """Each value refers to the next one twice."""
    lines = diagnostics(parse(_template("!GetAtt P0.Value", _chain(link, length))))
    assert len(lines) == 1
    assert message in lines[0]
    assert "Environment.Variables.X" in lines[0]


def test_text_of_many_references_is_one_diagnostic():
    """Short in the file, and gigabytes when it is resolved."""
    more = f"Parameters: {{A: {{Type: String, Default: {'z' * 20_000}}}}}\n"
    (line,) = diagnostics(parse(_template(f"!Sub '{'${A}' * 20_000}'", more)))
    assert "too large after its references are followed" in line


def test_deeply_nested_variables_are_one_diagnostic():
    """Each level would scan the whole text again."""
    value = "${self:" * 5_000 + "}" * 5_000
    function = f"functions:\n  f: {{handler: app.f, runtime: python3.13, environment: {{X: '{value}'}}}}\n"
    (line,) = diagnostics(parse(f"service: shop\n{function}", "serverless.yml"))
    assert "too large after its references are followed" in line or "nested too deeply" in line


def test_conditions_that_multiply_are_one_diagnostic():
    """They produce no text, but take time."""
    conditions = "".join(f"  C{n}: !And [!Condition C{n + 1}, !Condition C{n + 1}]\n" for n in range(40))
    text = _template("!If [C0, a, b]") + f'Conditions:\n{conditions}  C40: !Equals ["a", "a"]\n'
    (line,) = diagnostics(parse(text))
    assert "too large after its references are followed" in line


@pytest.mark.parametrize(
    ("link", "length", "message"),
    [
        ("${{self:custom.v{n}}}${{self:custom.v{n}}}", 40, "too large after its references are followed"),
        ("[ '${{self:custom.v{n}}}', '${{self:custom.v{n}}}' ]", 40, "too large after its references are followed"),
        ("${{self:custom.v{n}}}", 5_000, "nested too deeply"),
    ],
)
def test_variables_that_multiply_are_one_diagnostic(link: str, length: int, message: str):
    """The variables of the Serverless Framework, as above."""
    custom = "".join(f"  v{n}: {link.format(n=n + 1)}\n" for n in range(length)) + f"  v{length}: end\n"
    function = "functions:\n  f: {handler: app.f, runtime: python3.13, environment: {X: '${self:custom.v0}'}}\n"
    lines = diagnostics(parse(f"service: shop\n{function}custom:\n{custom}", "serverless.yml"))
    assert len(lines) == 1
    assert message in lines[0]


def test_many_bombs_cost_no_more_than_a_few():
    """A file has a limit too; each value is reported, and what needs none of them is served."""
    custom = "".join(f"  v{n}: ${{self:custom.v{n + 1}}}${{self:custom.v{n + 1}}}\n" for n in range(40))
    variables = ", ".join(f"X{n}: '${{self:custom.v0}}'" for n in range(1_000))
    functions = f"functions:\n  f: {{handler: app.f, environment: {{{variables}}}}}\n"
    declarations = parse(f"service: shop\n{functions}custom:\n{custom}  v40: end\n", "serverless.yml")

    assert len(diagnostics(declarations)) == 1_000
    assert all("too large after its references are followed" in line for line in diagnostics(declarations))
    assert [each.function.name for each in declarations.functions] == ["shop-dev-f"]


@pytest.mark.parametrize(
    "value", ["${self:custom.x}", "a${self:custom.y}", "${self:custom}", "${self:}", "${env:NONE, ${self:custom.x}}"]
)
def test_variable_that_refers_to_itself_is_one_diagnostic(value: str):
    """Directly, or through others."""
    function = "functions:\n  f: {handler: app.f, runtime: python3.13, environment: {X: '${self:custom.x}'}}\n"
    text = f"service: shop\n{function}custom:\n  x: '{value}'\n  y: '${{self:custom.x}}'\n"
    lines = diagnostics(parse(text, "serverless.yml"))
    assert len(lines) == 1, lines


def test_endless_file_is_refused(tmp_path: Path):
    """As the file itself, and as one that it includes."""
    (tmp_path / "serverless.yml").write_text(
        "service: shop\nfunctions:\n  f: {handler: app.f, environment: {X: '${file(/dev/zero)}'}}\n"
    )
    declarations = read(tmp_path / "serverless.yml")
    assert "has no value" in diagnostics(declarations)[0]
    (tmp_path / "lambdachain.toml").symlink_to("/dev/zero")
    assert "more than 16,777,216 bytes" in diagnostics(read(tmp_path / "lambdachain.toml"))[0]
