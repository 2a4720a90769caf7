"""The console that commands print to."""

from typing import Any

from rich.console import Console

from bench.common.errors import visible_lines


def console(width: int = 120, *, stderr: bool = False) -> Console:
    """Return the console for standard output, or error; of that width in columns where it is no terminal."""
    out = plain(stderr=stderr)
    return out if out.is_terminal else plain(width=width, stderr=stderr)


class Plain(Console):
    """A console that prints letters as they stand, and lets no name move the cursor."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print texts as `bench.common.errors.visible` spells them, line by line."""
        super().print(*(visible_lines(o) if isinstance(o, str) else o for o in objects), **how)


def plain(**how: Any) -> Console:
    """Return a console that prints letters as they stand: `set:b:` is no picture, `[red]` no colour."""
    return Plain(highlight=False, emoji=False, markup=False, **how)
