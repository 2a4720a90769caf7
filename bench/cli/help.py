"""What one command does and takes (make help COMMAND)."""

from textwrap import fill
from typing import Any

WIDTH = 80
"""Columns of the text."""


def explained(command: str, does: str, takes: dict[str, Any]) -> str:
    """Return what a command does, and each variable that it takes with what it may be.

    Parameters
    ----------
    command : str
        As make has it.
    does : str
        A sentence.
    takes : dict
        Its variables, each with the parameter of the program.
    """
    lines = [fill(f"make {command}: {does}", WIDTH)]
    lines += ["", "Variables:" if takes else "It takes no variable."]
    for name, parameter in takes.items():
        usual, flag = parameter.default, getattr(parameter, "is_flag", False)  # an argument is none
        said = "" if usual in (None, "", False) else f" (default {usual})"
        text = f"{parameter.help or ''}{said}".strip() or ("1 or 0" if flag else "")
        head = f"  {name + '=1' * flag}".ljust(14)
        lines.append(fill(f"{head} {text}", WIDTH, subsequent_indent=" " * 15, break_on_hyphens=False))
    return "\n".join(lines)
