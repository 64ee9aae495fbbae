"""Environment variables from a file of ``NAME=VALUE`` lines."""

from __future__ import annotations

from io import StringIO

from lambdachain._templates.diagnostics import Location, TemplateError


def parse_env_file(text: str, source: str) -> dict[str, str]:
    """Parse the variables of an env file, in dotenv's syntax: quotes, ``export``, comments.

    >>> parse_env_file("export TABLE='orders'  # local", ".env")
    {'TABLE': 'orders'}

    Raises:
        TemplateError: A line is not of the form ``NAME=VALUE``; the message names the line.
    """
    from dotenv.parser import parse_stream

    variables: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise TemplateError(Location(source, line=binding.original.line), "not of the form NAME=VALUE")
        if binding.key is not None and binding.value is not None:
            variables[binding.key] = binding.value
    return variables
