"""What to serve, as its authors wrote it down: arguments, ``lambdachain.toml``, a template, ``serverless.yml``.

Reading is pure: text goes in, functions and problems come out. A problem never hides the functions beside it.
"""
