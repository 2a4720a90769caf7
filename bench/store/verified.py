"""Records that were verified earlier and have not changed since: their scores in one file, which is only a copy.

To open 100,000 small files takes minutes, and their scores in one file take seconds. The records stay the truth: a
file whose size, times or inode differ from those at its verification is read and verified again, and without this file,
or where it is damaged, all are.
"""

import json
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.common.atomic import write_whole
from bench.common.errors import BenchError
from bench.store.parquet import decoded, encoded

WORTH = 500
"""Records that must have been verified since the file was written before it is written again."""

SETTLED = 2.0
"""Seconds that a record must have lain unchanged: within less a clock may not tell two versions apart."""

Content = tuple[list[dict[str, Any]], dict[str, Any]]
"""Rows of scores, and provenance."""

_Entry = tuple[list[int], bool, bytes]
"""The state of a file, whether its pictures were verified too, and its content."""


class Verified:
    """The scores of the records of a folder, as they were when each was last verified.

    Parameters
    ----------
    folder : Path
        Of the records; the file `verified.parquet` lies in it.
    columns : sequence of str
        What of an image counts as its scores; a copy with other columns is not used.
    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self.folder, self.columns = folder, list(columns)
        self._entries: dict[str, _Entry] | None = None
        self._new = 0

    @property
    def path(self) -> Path:
        """Where the copy lies."""
        return self.folder / "verified.parquet"

    def has(self, path: Path) -> bool:
        """Whether a record was verified, and is unchanged."""
        return self._entry(path, pictures=False) is not None

    def read(self, path: Path, *, pictures: bool) -> Content:
        """Return the scores of a record, which is verified unless it was, and is unchanged.

        Parameters
        ----------
        path : Path
            Of the record.
        pictures : bool
            Whether its pictures must have been verified too.

        Raises
        ------
        BenchError
            If it is damaged, or no record, as `bench.store.parquet.decoded`, or the record of another cell.
        """
        entry = self._entry(path, pictures=pictures)
        if entry is not None:
            rows, provenance = json.loads(zlib.decompress(entry[2]))
            return rows, provenance
        before = _state(path)
        content = decoded(path, self.columns, whole=pictures)
        _check_name(path, content[1])
        if before is not None and _state(path) == before and time.time() - max(before[1:3]) / 1e9 > SETTLED:
            self._note(path, (before, pictures, _packed(content)))
        return content

    def save(self) -> None:
        """Write the copy, where enough is new to be worth it; who cannot write it verifies again."""
        if self._new < WORTH or self._new < len(self._known()) // 10:
            return
        rows = [
            {"name": name, "state": state, "pictures": pictures, "content": content}
            for name, (state, pictures, content) in sorted(self._known().items())
            if _state(self.folder / name) == state
        ]
        self._new = 0
        try:
            write_whole(self.path, encoded(rows, {"columns": self.columns}))
        except BenchError:
            return  # as in a folder that is only read

    def _entry(self, path: Path, *, pictures: bool) -> _Entry | None:
        entry = self._known().get(self._name(path))
        if entry is None or (pictures and not entry[1]) or _state(path) != entry[0]:
            return None
        return entry

    def _known(self) -> dict[str, _Entry]:
        if self._entries is None:
            self._entries = {}
            try:
                rows, about = decoded(self.path)
                if about == {"columns": self.columns}:
                    self._entries = {row["name"]: (row["state"], row["pictures"], row["content"]) for row in rows}
            except (BenchError, KeyError):
                pass  # there is none yet, or it is damaged: all records are verified again
        return self._entries

    def _note(self, path: Path, entry: _Entry) -> None:
        if entry[2]:
            self._known()[self._name(path)] = entry
            self._new += 1

    def _name(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"


def _check_name(path: Path, provenance: Any) -> None:
    """Raise `BenchError` where a file has the name of another cell than its record is of."""
    key = provenance.get("key", "") if isinstance(provenance, dict) else ""
    if key and not path.stem.endswith(f"_{key}"):
        raise BenchError(
            f"its name is that of another cell: it is the record of {str(key)[:80]}; give it its name back"
        )


def _packed(content: Content) -> bytes:
    """Return scores as few bytes; none, where a file holds what no record does."""
    try:
        return zlib.compress(json.dumps(content).encode(), 1)
    except (TypeError, ValueError):
        return b""


def _state(path: Path) -> list[int] | None:
    """Return what changes with a file: its size, times of content and of status (ns), and inode."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
