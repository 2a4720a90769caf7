"""`python -m bench`: the command line."""

from bench.cli.app import main
from bench.common.interruption import leave

if __name__ == "__main__":
    leave(main())
