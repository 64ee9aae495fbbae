"""Find the function that a request of the API names: names and qualifiers validated by the service model. Pure.

More is accepted here than in ``_core.arn``: AWS responds to a name of 65 characters, a qualifier ``$latest`` and an ARN
that ends after ``function`` with "not found", not with a validation error (recorded 2025).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from lambdachain._core.arn import FunctionArn
from lambdachain._core.errors import InvalidArnError

from . import responses
from .aws_location import LATEST, AwsLocation
from .responses import Violation


@dataclass(frozen=True)
class StringConstraint:
    """The service model's constraints on a string: its pattern and maximum length."""

    member: str
    pattern: str
    longest: int

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern, re.ASCII)

    def violations(self, text: str) -> Iterator[Violation]:
        """Yield the constraints that *text* violates."""
        if not self.regex.fullmatch(text):
            yield Violation(text, self.member, f"Member must satisfy regular expression pattern: {self.pattern}")
        if not text:
            yield Violation(text, self.member, "Member must have length greater than or equal to 1")
        if len(text) > self.longest:
            yield Violation(text, self.member, f"Member must have length less than or equal to {self.longest}")


_QUALIFIER_CONSTRAINT: Final = StringConstraint("qualifier", r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", 128)
_FUNCTION_CONSTRAINT: Final = StringConstraint(
    "functionName",
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    256,
)
# The pattern's groups: region and account, each with the colon after it, name, qualifier.
_PARTS: Final = (3, 9, 11, 13)


def address_violations(function: str, qualifier: str | None) -> Iterator[Violation]:
    """Yield the constraints that a function in the path, and a qualifier in the query, violate."""
    if qualifier is not None:
        yield from _QUALIFIER_CONSTRAINT.violations(qualifier)
    yield from _FUNCTION_CONSTRAINT.violations(function)


def resolve_function(
    function: str,
    qualifier: str | None,
    location: AwsLocation,
    functions: Mapping[str, Container[str]],
    *,
    unqualified: str | None = LATEST,
    action: str = "InvokeFunction",
) -> FunctionArn:
    """Return the ARN of the function that a request names.

    Args:
        function: The function in the path, decoded.
        qualifier: The qualifier in the query.
        location: The account and region of the functions.
        functions: The names of all functions, each with its versions and aliases.
        unqualified: The qualifier in the error message if the request has none.
        action: The request's IAM action.

    Raises:
        ApiError: There is no such function.
    """
    found = _FUNCTION_CONSTRAINT.regex.fullmatch(function)
    violations = list(address_violations(function, qualifier))
    if violations or found is None:
        raise responses.constraints_violated(violations)
    region, account_id, name, suffix = found.group(*_PARTS)
    if region and region != f"{location.region}:":
        raise responses.region_not_reachable(region[:-1], location.region)
    if account_id and account_id != f"{location.account_id}:":
        raise responses.account_not_allowed(location.account_id, function, action)
    if qualifier is not None and suffix not in {None, qualifier}:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise responses.parameter_invalid(message)
    named = qualifier or suffix
    if (named or LATEST) in functions.get(name, ()):
        with suppress(InvalidArnError):  # a name that no function can have, where a stub takes every function to exist
            return location.arn(name, named)
    raise responses.function_not_found(location.text(name, named or unqualified))
