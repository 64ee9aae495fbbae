"""Permissions to call functions: what a caller requires, policies that grant it, and what a template grants.

``lambda:InvokeFunction`` allows Invoke, InvokeWithResponseStream and DryRun, but only on the exact ARN that is called:
a policy on the ARN of a function does not allow its versions and aliases, and one on an alias allows only that alias.
"""
