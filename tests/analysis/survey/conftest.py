"""Code as text, surveyed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent

import pytest

from lambdachain._analysis.survey.results import Survey
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey

Look = Callable[..., Survey]

CONTRACTS = """
from lambdachain import Contract, RemoteError

class Declined(RemoteError):
    why: str

charge = Contract("billing-charge", request=int, response=int, errors=[Declined], qualifier="live")
mail = Contract("mail-send", request=str, response=None, idempotent=True)
"""


@pytest.fixture
def look() -> Look:
    """Survey files, given by name; ``contracts.py`` is there unless it is given."""

    def surveyed(files: Mapping[str, str] | str, **environment: str) -> Survey:
        given = {"app.py": files} if isinstance(files, str) else files
        texts = {"contracts.py": CONTRACTS, **given}
        sources = [
            Source("code", name, tuple(name.removesuffix(".py").removesuffix("/__init__").split("/")), dedent(text))
            for name, text in texts.items()
        ]
        return survey(sources, environment)

    return surveyed
