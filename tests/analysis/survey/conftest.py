"""A fixture that surveys code given as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import dedent

import pytest

from lambdachain._analysis.survey.results import Survey
from lambdachain._analysis.survey.sources import Source
from lambdachain._analysis.survey.survey import survey

SurveyCode = Callable[..., Survey]

CONTRACTS = """
from lambdachain import Contract, RemoteError

class Declined(RemoteError):
    why: str

charge = Contract("billing-charge", request=int, response=int, errors=[Declined], qualifier="live")
mail = Contract("mail-send", request=str, response=None, idempotent=True)
"""


@pytest.fixture
def survey_code() -> SurveyCode:
    """Return a function that surveys files given by name; ``contracts.py`` is added unless it is among them."""

    def run(files: Mapping[str, str] | str, **environment: str) -> Survey:
        named = {"app.py": files} if isinstance(files, str) else files
        texts = {"contracts.py": CONTRACTS, **named}
        sources = [
            Source("code", name, tuple(name.removesuffix(".py").removesuffix("/__init__").split("/")), dedent(text))
            for name, text in texts.items()
        ]
        return survey(sources, environment)

    return run
