"""JSON files with a checksum over all they hold: what was changed since it was written is told from what was not."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any


def sealed(content: Mapping[str, Any]) -> str:
    """Return an object as JSON with a `checksum`.

    That is the SHA-256 of the text without spaces and ends of lines, in which the checksum itself is empty.
    """
    text = json.dumps({**content, "checksum": ""}, indent=1) + "\n"
    return text.replace('"checksum": ""', f'"checksum": "{_checksum(text)}"')


BY_HAND = "none"
"""The `checksum` of a file that a person changed and means."""


def parsed(text: str, *, by_hand: bool = False) -> Any:
    """Return what a JSON file with a checksum holds.

    Parameters
    ----------
    text : str
        The file.
    by_hand : bool
        Whether its `checksum` may be `BY_HAND`; the caller then tells people so.

    Raises
    ------
    ValueError
        If it is no JSON, or an object that is not as it was written, by its `checksum`, or that has none.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("checksum") == _checksum(text):
        return content
    if by_hand and changed_by_hand(content):
        return content
    advice = f' (write "checksum": "{BY_HAND}" in it if you changed it yourself)' if by_hand else ""
    cause = "is not as it was written, by its checksum" if "checksum" in content else "has no checksum"
    raise ValueError(f"it {cause}{advice}")


def changed_by_hand(content: Mapping[str, Any]) -> bool:
    """Whether a file that was read says that a person changed it."""
    return content.get("checksum") == BY_HAND


def _checksum(text: str) -> str:
    plain = re.sub('"checksum":"[^"]*"', '"checksum":""', "".join(text.split()))
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()
