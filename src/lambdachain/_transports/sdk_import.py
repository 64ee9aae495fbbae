"""Import boto3 or botocore where a call turns out to need it: a deployment package may leave them out."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

from lambdachain._core.invocation import NoAnswerError, Progress, Trouble


def import_sdk(module: str, needed_for: str) -> Any:
    """Import *module* of boto3 or botocore.

    Raises:
        NoAnswerError: It is not installed; the message names *needed_for*, what the call needs it for.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        # A module that an installed SDK misses is an installation that is broken in another way.
        if exc.name is None or exc.name.partition(".")[0] != module.partition(".")[0]:
            raise
        _raise_missing(exc.name.partition(".")[0], needed_for)


def _raise_missing(package: str, needed_for: str) -> NoReturn:
    raise NoAnswerError(
        f"{package} is not installed, and {needed_for} needs it: add boto3 to the deployment package "
        "(Lambda's own Python runtimes have it)",
        progress=Progress.NOTHING_SENT,
        trouble=Trouble.SETUP,
    ) from None
