"""Checks whether calls can work from this process: its environment, and a DryRun of each function that its code calls.

No secrets are reported: of credentials only the source and the expiry.
"""
