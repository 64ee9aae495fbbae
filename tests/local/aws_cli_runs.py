"""Run the AWS CLI again and again: a list of arguments a line, and for each a line of what came of it.

The CLI itself, without the second that it takes to start.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout


def main() -> None:
    """Run until nothing more is asked."""
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
