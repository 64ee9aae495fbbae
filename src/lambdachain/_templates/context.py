"""What a template may refer to beyond itself: an account, a stage, parameters, variables, other files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambdachain._lambda_api.aws_location import AwsLocation

from .document import Document
from .files import read_bounded
from .variables import Variables


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file may refer to beyond itself.

    Attributes:
        place: The account and the region.
        stage: The stage: ``${sls:stage}``, ``${opt:stage}``.
        parameters: Values of parameters, and of anything else that only AWS would know.
        environment: The variables of this process: ``${env:...}``.
    """

    place: AwsLocation
    stage: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def variables_of(document: Document, directory: Path, around: Surroundings) -> Variables:
    """Prepare to work out the variables of a ``serverless.yml`` that lies in *directory*."""

    def read(name: str) -> str:
        return read_bounded(directory / name)

    return Variables(
        document,
        options=around.parameters,
        environment=around.environment,
        place=around.place,
        stage=around.stage,
        read=read,
    )
