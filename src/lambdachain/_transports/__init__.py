"""How an invocation reaches Lambda: the interface to transports, its adapters, and the transports themselves."""
