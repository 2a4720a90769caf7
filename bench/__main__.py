"""`python -m bench`: the command line."""

import sys

from bench.cli.make import run_words

if __name__ == "__main__":
    sys.exit(run_words(sys.argv[1:]))
