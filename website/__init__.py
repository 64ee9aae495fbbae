"""The documentation site: its source is assembled from docs/ and the docstrings, and Zensical builds it (`make docs`)."""
