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


def parsed(text: str) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    ValueError
        If it is no JSON, or is not as it was written, by its `checksum`. One without any is believed.
    """
    content = json.loads(text)
    if isinstance(content, dict) and content.get("checksum", checksum := _checksum(text)) != checksum:
        raise ValueError("it is not as it was written, by its checksum (take that out if you changed it yourself)")
    return content


def _checksum(text: str) -> str:
    plain = re.sub('"checksum":"[^"]*"', '"checksum":""', "".join(text.split()))
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()
