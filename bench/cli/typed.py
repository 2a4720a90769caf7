"""What is typed for the options of any command, looked at before the command begins."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from bench.common.atomic import check_writable
from bench.common.errors import BenchError
from bench.common.parsing import number, whole

WRITTEN = ("out", "to", "table", "save")
"""Options that name what a command writes."""


class Command(TyperCommand):
    """A command whose numbers are as people write them, and whose files can be written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words, as typer does.

        Raises
        ------
        BenchError
            If a number is none, which `int` and `float` took for one (``1_0``, other digits), or something cannot be
            written where it is to go.
        """
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in self.params:
            if isinstance(text := given.get(parameter.name), str):
                _check_number(parameter, text)
        left = super().parse_args(ctx, args)
        for name in WRITTEN:
            if path := ctx.params.get(name):
                check_writable(Path(path))
                _check_folders(Path(path), *(("runs", "training", str(self.name)) if name == "out" else ()))
        return left


def variable(parameter: Any) -> str:
    """Return the name of an option as make has it."""
    return str(parameter.name).upper().rstrip("_")


def _check_folders(out: Path, *names: str) -> None:
    """Raise `BenchError` for what lies in OUT, where a command writes a folder, and is none that can be written to."""
    for path in (out / name for name in names if (out / name).exists()):
        check_writable(path / "folder" if path.is_file() else path)


def kind(parameter: Any) -> str:
    """Return ``"int"``, ``"float"`` or another word for what an option takes."""
    if hasattr(parameter, "bare_type"):
        return str(parameter.bare_type())
    name = str(parameter.type.name)  # before typer 0.29; "int range" in 0.27.2 and 0.28, "integer range" elsewhere
    return next((word for word in ("int", "float") if name.startswith(word)), name)


def _check_number(parameter: Any, text: str) -> None:
    wanted = kind(parameter)
    read = whole(text.removeprefix("-")) if wanted == "int" else number(text)
    if wanted in _NUMBERS and (read is None or text != text.strip()):
        raise BenchError(f"{variable(parameter)}={text}: expected {_NUMBERS[wanted]}")


_NUMBERS = {"int": "a whole number", "float": "a number"}
