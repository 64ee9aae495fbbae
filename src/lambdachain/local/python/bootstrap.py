"""Run AWS's ``awslambdaric`` on a Runtime API whose address has a path: ``python bootstrap.py``.

The client's native part takes such an address as it is. Its report of a handler that does not load is made by
``http.client``, which takes the path for a port; here it does not. The handler is what ``_HANDLER`` names, as in
Lambda's images: wrappers (``AWS_LAMBDA_EXEC_WRAPPER``) change it, or add options before the last argument. All else is
as with ``python -m awslambdaric app.handler``.

This runs in the function's interpreter, in which lambdachain need not be installed: it imports nothing of it. It stands
alone in its directory, for that is where Python looks for modules first, until `main` has put another in its place.
"""  # noqa: INP001 - as that says

from __future__ import annotations

import importlib
import os
import runpy
import sys
import time
from importlib.machinery import SourceFileLoader
from typing import Any

# Seconds after which a change of a file changes its modification time too, as Python's caches keep it: in seconds.
_RESOLUTION = 2


def main() -> None:
    """Run the runtime client as a module."""
    if not getattr(sys.flags, "safe_path", False):  # Python 3.11 and later
        sys.path[0] = os.getcwd()  # noqa: PTH109 - as python -m has it
    _skip_caching_new_files()
    sys.argv[1:] = [os.environ["_HANDLER"]]
    client = importlib.import_module("awslambdaric.lambda_runtime_client").LambdaRuntimeClient
    post_init_error = client.post_init_error

    def post(*args: Any, **kwargs: Any) -> Any:
        _support_path_in_address()
        return post_init_error(*args, **kwargs)

    client.post_init_error = post
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


def _skip_caching_new_files() -> None:
    """Cache no file that was just written: Python would take the cache for one that is changed in the same second."""
    set_data = SourceFileLoader.set_data

    def set_data_of_older_file(loader: SourceFileLoader, path: str, data: Any, **kwargs: Any) -> None:
        if time.time() - os.stat(loader.path).st_mtime > _RESOLUTION:  # noqa: PTH116 - as the loader does
            set_data(loader, path, data, **kwargs)

    SourceFileLoader.set_data = set_data_of_older_file  # type: ignore[method-assign,assignment]


def _support_path_in_address() -> None:
    """Let ``HTTPConnection("host:port/path")`` ask below that path. It is slow to import, and the process ends now."""
    import http.client

    class PathConnection(http.client.HTTPConnection):
        def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:
            address, slash, path = host.partition("/")
            super().__init__(address, *args, **kwargs)
            self._path = slash + path

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            super().putrequest(method, self._path + url, *args, **kwargs)

    http.client.HTTPConnection = PathConnection  # type: ignore[misc]


if __name__ == "__main__":
    main()
