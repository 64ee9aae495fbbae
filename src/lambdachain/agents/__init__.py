"""Contracts as the tools of language models: for MCP servers, pydantic-ai agents and Bedrock's Converse API.

One module for all three, because what matters is the same: the name, the description and the schemas follow from the
contract, and ``describe_error_for_model`` is the one place that decides what a model reads about a failed call, above
all whether it may call again. Neither mcp nor pydantic-ai is imported before one of their functions is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from ._bedrock import run_bedrock_tool_use, to_bedrock_tool
from ._error_texts import describe_error_for_model

if TYPE_CHECKING:
    from ._mcp import to_mcp_tool
    from ._pydantic_ai import to_pydantic_ai_tool

__all__ = [
    "describe_error_for_model",
    "run_bedrock_tool_use",
    "to_bedrock_tool",
    "to_mcp_tool",
    "to_pydantic_ai_tool",
]

# The module of each function whose library is an extra, the library's module, and the extra.
_OPTIONAL: Final = {
    "to_mcp_tool": ("._mcp", "mcp", "mcp"),
    "to_pydantic_ai_tool": ("._pydantic_ai", "pydantic_ai", "pydantic-ai"),
}


def __getattr__(name: str) -> object:
    if name not in _OPTIONAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, library, extra = _OPTIONAL[name]
    try:
        value: object = getattr(import_module(module, __name__), name)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != library:
            raise
        raise ModuleNotFoundError(f"{name} needs {library}: pip install 'lambdachain[{extra}]'", name=exc.name) from exc
    globals()[name] = value
    return value


for _public in (describe_error_for_model, run_bedrock_tool_use, to_bedrock_tool):
    _public.__module__ = __name__
