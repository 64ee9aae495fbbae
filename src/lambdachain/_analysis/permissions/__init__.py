"""Permissions to call functions: what a caller needs, how that is written down, and what a template grants.

Invoke, InvokeWithResponseStream and DryRun are all allowed by ``lambda:InvokeFunction``, on the very address that is
called: a policy on a function's own ARN allows none of its versions and aliases, one on an alias allows that alias
only.
"""
