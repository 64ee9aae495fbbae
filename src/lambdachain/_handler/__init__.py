"""The callee's side: ``remote()`` and the Lambda handlers that it makes."""
