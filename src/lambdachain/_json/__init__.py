"""JSON: a value to bytes and back, its schema, and errors for what does not fit."""
