"""`python -m bench`: the command line."""

import sys

from bench.cli.make import run_words
from bench.common.interruption import leave

if __name__ == "__main__":
    leave(run_words(sys.argv[1:]))
