"""Typed function-to-function calls on AWS Lambda."""
