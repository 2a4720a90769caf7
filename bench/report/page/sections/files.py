"""The files that studies left in an output folder, as sections show them: read, checked, copied beside the page."""

import base64
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.report.page.html import later
from bench.report.page.sections.content import Cell, Figure, Part, Table
from bench.store.records import distinct_slug
from bench.store.study_files import About, read_about, table_of

if TYPE_CHECKING:
    import numpy as np

LONG = 40
"""Rows from which on a table is loaded when it is opened."""

IGNORED = (".pdf", ".tex")
"""Endings of what studies write for papers."""


@dataclass(frozen=True)
class Answer:
    """A table of a study, with what stands beside it."""

    path: Path
    about: About
    rows: list[dict[str, Any]]


class StudyFiles:
    """The studies of an output folder.

    Parameters
    ----------
    out : Path
        The output folder; the report is in its ``report/``.
    warn : callable
        Gets a line for each file that cannot be used.
    one_file : bool
        The page needs no other file: what would lie beside it is within it.
    """

    def __init__(self, out: Path, warn: Callable[[str], None], *, one_file: bool = False) -> None:
        self.out, self.folder, self.warn, self.one_file = out, out / "report", warn, one_file
        self.data: dict[str, Any] = {}
        """What the page loads when it is wanted, by its name."""
        self._written: set[Path] = set()

    def answers(
        self, study: str, words: Sequence[str], numbers: Sequence[str], *, empty: bool = False
    ) -> Iterator[Answer]:
        """Give the tables of a study that have these columns, by their names; of other files say why not.

        Those without a row are left out, unless they may be `empty`.
        """
        there = self.of(study)
        tables = {path.with_suffix("") for path in there if path.suffix == ".csv"}
        for path in there:
            stem = path.with_suffix("")
            if path.suffix == ".csv" and stem.name.endswith("-images"):
                if stem.with_name(stem.name.removesuffix("-images")) in tables:
                    continue  # the rows of single images
            elif path.suffix != ".csv":
                if path.suffix not in (".json", ".png"):
                    self.leave_out(path, f"it is nothing that make {study} writes")
                elif stem not in tables:
                    self.leave_out(path, "there is no table beside it")
                continue
            try:
                yield Answer(path, read_about(stem), table_of(path, words, numbers, empty=empty))
            except BenchError as error:
                self.leave_out(path, str(error))

    def of(self, study: str) -> list[Path]:
        """Return the files in the folder of a study that a section may be made of."""
        folder = self.out / study
        if not folder.is_dir():
            return []
        files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
        return [path for path in files if path.suffix not in IGNORED]

    def leave_out(self, path: Path, cause: str) -> None:
        """Say that a file is left out, and why."""
        self.warn(f"left out {path}: {cause}")

    def part(self, answer: Answer, caption: str = "", **content: Any) -> Part:
        """Return the part of an answer: its title, command and files, and its picture where there is one."""
        picture = self.picture(answer.path.with_suffix(".png"), caption)
        return Part(
            title=answer.about.title,
            command=answer.about.command,
            files=() if self.one_file else (("CSV", self._copied(answer.path)),),
            **content | {"figures": (*content.get("figures", ()), *([picture] if picture else []))},
        )

    def picture(self, path: Path, caption: str) -> Figure | None:
        """Return a figure of a study (PNG), copied beside the page; None where there is none that can be read."""
        from PIL import Image

        if not path.is_file():
            return None
        try:
            with Image.open(path, formats=["PNG"]) as image:
                width, height = image.size
                image.verify()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            self.leave_out(path, "it is no picture that can be read")
            return None
        # Figures of studies have 300 dots an inch, about two for one of a screen.
        return Figure(caption, address=self._copied(path), width=width // 2, height=height // 2)

    def tile(self, name: str, pixels: "np.ndarray", caption: str) -> Figure:
        """Return a picture (H, W, C), uint8, as a figure whose pixels stay sharp; `name` is that of its file."""
        from PIL import Image

        content = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
        height, width = pixels.shape[:2]
        address = self._beside(self.folder / "studies" / "pictures" / f"{name}.png", content.getvalue())
        return Figure(caption, address=address, width=width, height=height, sharp=True)

    def put(self, name: str, content: Any) -> str:
        """Write what the page loads when it is wanted; return its name."""
        self.data[name] = content
        if not self.one_file:
            self._write(self.folder / f"{name}.js", later(name, content).encode())
        return name

    def shown(self, table: Table, part: str) -> Table:
        """Return a table as the page has it: one of many rows is put into a file of its own."""
        if len(table.rows) <= LONG:
            return table
        rows = [[field.text if isinstance(field, Cell) else field for field in row] for row in table.rows]
        content = {"heads": table.heads, "words": table.words, "rows": rows}
        return replace(table, later=self.put(f"data/table-{distinct_slug(part)}", content))

    def tidy(self) -> None:
        """Remove the copies of an earlier report that this one has no more."""
        for path in sorted((self.folder / "studies").rglob("*")):
            if path.is_file() and path.suffix in (".csv", ".png") and path not in self._written:
                path.unlink()

    def _copied(self, path: Path) -> str:
        return self._beside(self.folder / "studies" / path.parent.name / path.name, path.read_bytes())

    def _beside(self, target: Path, content: bytes) -> str:
        """Write a file beside the page, or keep a picture within it; return its address."""
        if self.one_file:
            return f"data:image/png;base64,{base64.b64encode(content).decode()}"
        self._write(target, content)
        return "/".join(quote_from_bytes(os.fsencode(part)) for part in target.relative_to(self.folder).parts)

    def _write(self, path: Path, content: bytes) -> None:
        write_whole(path, content)
        self._written.add(path)
