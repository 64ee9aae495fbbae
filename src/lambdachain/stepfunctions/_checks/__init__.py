"""Check state machines against the contracts of the functions that they call."""
