"""``lambdachain serve``: every function of a system on this machine."""
