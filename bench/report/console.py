"""The console that commands print to."""

from typing import Any

from rich.console import Console


def console(width: int = 120) -> Console:
    """Return the console for standard output; of that width in columns where it is no terminal."""
    out = plain()
    return out if out.is_terminal else plain(width=width)


def plain(**how: Any) -> Console:
    """Return a console that prints letters as they stand: `set:b:` is no picture, `[red]` no colour."""
    return Console(highlight=False, emoji=False, markup=False, **how)
