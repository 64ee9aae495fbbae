"""Declarations of what to serve: command-line arguments, a ``lambdachain.toml``, or a template of `_templates`.

Reading is pure: text goes in; functions, and diagnostics for those that cannot be served, come out.
"""
