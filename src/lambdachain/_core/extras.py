"""The extras of the package: ``pip install "lambdachain[otel]"``."""


def explain_missing(what: str, libraries: str, extra: str) -> str:
    """Return the message for libraries that are not installed.

    >>> explain_missing("lambdachain.xray", "aws-xray-sdk", "xray")
    "lambdachain.xray needs aws-xray-sdk, not installed here: pip install 'lambdachain[xray]'"
    """
    return f"{what} needs {libraries}, not installed here: pip install 'lambdachain[{extra}]'"
