"""The call graph of a survey: who calls whom, warnings about it, and its output formats."""
