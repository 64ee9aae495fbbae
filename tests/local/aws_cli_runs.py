"""Run the AWS CLI repeatedly: read a list of arguments per line, and print the outcome as a line.

It measures the CLI itself, without the second that it takes to start.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout


def main() -> None:
    """Run until standard input ends."""
    from awscli.clidriver import create_clidriver

    cli, answers = create_clidriver(), sys.stdout
    for line in sys.stdin:
        printed, complained = io.StringIO(), io.StringIO()
        with redirect_stdout(printed), redirect_stderr(complained):
            status = cli.main(json.loads(line))
        told = {"status": status, "printed": printed.getvalue(), "complained": complained.getvalue()}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
