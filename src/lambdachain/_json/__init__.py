"""JSON: a value to bytes and back, what a schema says of it, and what does not fit."""
