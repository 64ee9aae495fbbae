"""What code says about calls, read from its syntax trees: nothing is imported, nothing is run.

The way of a file: ``sources`` (text) → ``scopes`` (who binds which name) → ``values`` (what an expression may be) →
``survey`` (contracts, handlers, calls) → ``found`` (plain values, each with file and line). What cannot be decided from
the text alone is among them, and never guessed.
"""
