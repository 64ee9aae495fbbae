"""How an invocation reaches Lambda: the seam, its adapters, and the transports below it."""
