"""The command line: words in, tables or one JSON object out, and an exit code.

0: done. 1: cut short, or a check failed. 2: bad input, said in a sentence.
"""

import sys

from kvsim.errors import InputError

BAD_INPUT = 2
CUT_SHORT = 1
SIGINT_EXIT = 130
"""What typer makes of a Ctrl-C that no command has heard."""


def main() -> None:
    """Entry point of `kvsim`."""
    from kvsim.cli.app import app

    try:
        app()
    except InputError as error:
        sys.stderr.write(f"kvsim: {error}\n")
        sys.exit(BAD_INPUT)
    except SystemExit as ending:
        if ending.code != SIGINT_EXIT:
            raise
        sys.stderr.write("kvsim: interrupted; nothing was written.\n")
        sys.exit(CUT_SHORT)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `| head` does
        sys.exit(CUT_SHORT)
