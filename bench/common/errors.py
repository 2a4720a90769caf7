"""The one exception a person is meant to read, and what goes into its line."""

import json
import re

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f\x7f]")
"""Colours and movements of the cursor, and characters that show nothing."""


class BenchError(Exception):
    """Bad input or a failed step, said in one line: what, where, expected, what to do."""


class DoesNotFit(BenchError):  # noqa: N818 - said of a combination, which may be meant
    """A combination of parts that are right each by itself.

    Parameters
    ----------
    text : str
        What is wrong, as of any `BenchError`.
    kind : str
        What does not fit, as a plural that is counted: ``"gray nets on colour images"``.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


def one_line(error: BaseException) -> str:
    """Return an error as one line of text.

    Errors that were written for a person (`BenchError`, and the `ValueError` and
    `FileNotFoundError` of methods and datasets) stand as they are; any other one is
    preceded by its type, since its text alone seldom says what happened. A package that is not installed is named, and
    so is a file that cannot be had.

    Examples
    --------
    >>> one_line(PermissionError(13, "Permission denied", "shut/net.py"))
    'shut/net.py: Permission denied'
    >>> one_line(ModuleNotFoundError("No module named 'pywt'", name="pywt"))
    'needs the package PyWavelets, which is not installed: pip install PyWavelets'
    """
    if package := lacking(error):
        return f"needs the package {package}, which is not installed: pip install {package}"
    if text := of_file(error):
        return shortened(text)
    text = shortened(" ".join(str(error).split()))
    if isinstance(error, (BenchError, ValueError)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


MOST_LETTERS = 1500
"""An error has no more letters: it may quote what was typed, or a file."""


def shortened(text: str, most: int = MOST_LETTERS) -> str:
    """Return a text with its middle left out, where it is too long to be read.

    Examples
    --------
    >>> text = shortened("a" * 5000 + "b")
    >>> text[740:790], text[-5:]
    ('aaaaaaaaaa ... (3501 letters left out) ... aaaaaaa', 'aaaab')
    """
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} letters left out) ... {text[-half:]}"


def of_file(error: BaseException) -> str:
    """Return which file cannot be had, and why, as the system says it; empty for any other error."""
    if not isinstance(error, OSError) or error.filename is None or not error.strerror:
        return ""
    return f"{error.filename}: {error.strerror}"


def lacking(error: BaseException) -> str:
    """Return the name by which pip knows the package whose import failed; empty for any other error."""
    if not isinstance(error, ImportError):
        return ""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name and name not in ("bench", "methods", "datasets"):
        return _BY_IMPORT.get(name, name)
    said = re.match(r"([\w-]+) is not installed", str(error))  # as scikit-image says it
    return said[1] if said else ""


_BY_IMPORT = {"pywt": "PyWavelets", "skimage": "scikit-image", "cv2": "opencv-python-headless", "PIL": "pillow"}
"""Packages that pip knows by another name than `import` does."""


def visible(text: str, keep: str = "") -> str:
    r"""Return a text as one line that moves no cursor: control characters, turned writing and no-UTF-8 are spelled.

    Parameters
    ----------
    text : str
        Any text.
    keep : str
        Letters that stay as they are.

    Examples
    --------
    >>> visible("a\x1b[2J\tb\n\u202ec"), visible("café [/b]")
    ('a\\x1b[2J\\tb\\n\\u202ec', 'café [/b]')
    """
    return _UNSEEN.sub(
        lambda letter: letter[0] if letter[0] in keep else letter[0].encode("unicode_escape").decode(), text
    )


def visible_lines(text: str) -> str:
    """Return a text whose lines are as `visible` spells each."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    r"""Return a text in JSON with each letter spelled that `visible` spells, as JSON does: it means the same.

    Examples
    --------
    >>> print(visible_json('["caf\u00e9 \x9b2J \ud800"]'))
    ["café \u009b2J \ud800"]
    """
    return _UNSEEN.sub(lambda letter: letter[0] if letter[0] == "\n" else json.dumps(letter[0])[1:-1], text)


_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def last_line(printed: bytes) -> str:
    r"""Return the last line that a program has printed, as the end of a message; empty where there is none.

    Examples
    --------
    >>> last_line(b"50%\r100%\n\x1b[31mno licence\x1b[0m\n\n")
    ': no licence'
    """
    text = _CONTROL.sub("", printed.decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:160]}" if lines else ""
