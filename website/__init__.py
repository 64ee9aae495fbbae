"""The documentation site: assembled from docs/ and the docstrings, built by Zensical (`make docs`)."""
