"""`python -m bench`: the command line."""

import sys

from bench.common.interruption import end_at_once

if __name__ == "__main__":
    end_at_once()
    from bench.cli.make import run_words
    from bench.common.interruption import leave

    leave(run_words(sys.argv[1:]))
