"""Which variables each command takes, read from the program in a process of its own."""

import json
import subprocess
import sys

from bench.common.paths import ROOT

_PROGRAM = """
import json
from bench.cli import make
print(json.dumps({name: list(make.variables(name)) for name in make._typed_names()}))
"""


def of_commands() -> dict[str, list[str]]:
    """Return the variables of each command of make; studies know nothing of the command line that calls them."""
    said = subprocess.run([sys.executable, "-c", _PROGRAM], cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(said.stdout))
