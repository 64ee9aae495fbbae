"""Whether calls can work from here: the surroundings of this process, and a DryRun of what its code calls.

Nothing secret is told: of credentials where they come from and when they end, never what they are.
"""
