"""``lambdachain map``: call a function once for each line of a file, and resume after a crash."""
