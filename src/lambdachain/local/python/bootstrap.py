"""Run AWS's ``awslambdaric`` on a Runtime API whose address has a path: ``python bootstrap.py``.

The client's native part accepts such an address. Its report of a handler that does not load is sent by
``http.client``, which parses the path as part of the port; this script works around that. The handler is the one in
``_HANDLER``, as in Lambda's images: wrappers (``AWS_LAMBDA_EXEC_WRAPPER``) change it, or add options before the last
argument. Everything else is as with ``python -m awslambdaric app.handler``.

This runs in the function's interpreter, where lambdachain need not be installed, so it imports nothing of lambdachain.
It is alone in its directory, because Python searches that directory first, until `main` replaces it.
"""  # noqa: INP001 - see there

from __future__ import annotations

import importlib
import os
import runpy
import sys
import time
from importlib.machinery import SourceFileLoader
from typing import Any

# Python's bytecode caches store modification times in whole seconds: two changes within a second look like one.
_RESOLUTION = 2


def main() -> None:
    """Run the runtime client as ``python -m awslambdaric`` does."""
    if not getattr(sys.flags, "safe_path", False):  # Python 3.11 and later
        sys.path[0] = os.getcwd()  # noqa: PTH109 - like python -m
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
    """Skip the bytecode cache of a file that was just changed: it would survive another change in the same second."""
    set_data = SourceFileLoader.set_data

    def set_data_of_older_file(loader: SourceFileLoader, path: str, data: Any, **kwargs: Any) -> None:
        if time.time() - os.stat(loader.path).st_mtime > _RESOLUTION:  # noqa: PTH116 - like the loader
            set_data(loader, path, data, **kwargs)

    SourceFileLoader.set_data = set_data_of_older_file  # type: ignore[method-assign,assignment]


def _support_path_in_address() -> None:
    """Make ``HTTPConnection("host:port/path")`` prefix its requests with the path.

    Only on a failed import: http.client is slow to import.
    """
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
