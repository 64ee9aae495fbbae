"""What every other package builds on: errors, addresses, invocations, results, metadata, clocks, redaction."""
