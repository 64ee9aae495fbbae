"""What a template may refer to beyond itself: an account and region, a stage, parameters, environment variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from lambdachain._lambda_api.aws_location import AwsLocation


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """Values from outside a template that its values are resolved with.

    Attributes:
        aws_location: The account and the region that the template is deployed to.
        stage: The stage of a ``serverless.yml`` (``${sls:stage}``, ``${opt:stage}``), or a template's stack name.
        parameters: Values of parameters, and of anything else that only AWS knows, such as
            ``Database.Endpoint.Address`` or the name of an export; they take precedence over what is known here.
        environment: The environment variables of this process: ``${env:...}``.
        exports: What other stacks export, by name; and their outputs, by ``cf:stack.Output``.
        templates: The files that are read together: a nested stack whose template is in S3 may be among them.
    """

    aws_location: AwsLocation
    _: KW_ONLY
    stage: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    exports: Mapping[str, str] = field(default_factory=dict[str, str])
    templates: Sequence[Path] = ()
