"""What `pip install .` runs: it says that the repository itself is the program.

The packages `bench`, `methods` and `datasets` would come to lie under these names beside all others.
"""

import sys
from typing import Any, NoReturn


def refuse(*words: Any, **options: Any) -> NoReturn:
    """End the installation with one line, whatever pip asks for."""
    sys.exit(
        "denoising-bench is not installed: it runs where it lies. Type make bench there, or python -m pip install -r "
        "requirements.txt -c constraints.txt and then python -m bench"
    )


build_wheel = build_sdist = build_editable = get_requires_for_build_wheel = get_requires_for_build_editable = refuse
"""The functions of PEP 517 and PEP 660."""
