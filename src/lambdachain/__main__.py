"""``python -m lambdachain``: the command, also where its script is not on the PATH."""

from __future__ import annotations

from lambdachain.cli import main

if __name__ == "__main__":
    main()
