"""The folder `pictures` beside the page: its file names, and what is removed from it."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.common.atomic import ADVICE, write_whole
from bench.common.errors import BenchError
from bench.store.records import slug

LIST = "pictures/files.txt"
"""The files that a report wrote, so that the next one removes what it has no more, and nothing of a person's own."""


class Files:
    """Pictures beside a page, or inside it; those of an earlier report are removed at the end.

    Parameters
    ----------
    folder : Path
        That of the page.
    one_file : bool
        Pictures are inside the page.
    """

    def __init__(self, folder: Path, *, one_file: bool = False) -> None:
        self.folder, self.one_file = folder, one_file
        self._written: set[str] = set()

    def put(self, name: str, png: bytes, *, script: bool = True) -> str:
        """Keep a picture, and as a script what pages from disk may read the pixels of; return its address."""
        code = base64.b64encode(png).decode()
        if self.one_file:
            return f"data:image/png;base64,{code}"
        address = f"pictures/{name}.png"
        self._write(address, png)
        if script:
            self._write(f"pictures/{name}.js", f'report.put("pictures/{name}","{code}");\n'.encode())
        return address

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        self._written.add(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)  # not flushed one by one: there are thousands, and a report is soon made again
        except OSError as error:
            raise BenchError(f"cannot write {path} ({error.strerror}); {ADVICE}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        _tidy(self.folder, self._written, interrupted=kind is not None)


def _tidy(folder: Path, written: set[str], *, interrupted: bool) -> None:
    """Remove the pictures that an earlier report wrote and this one did not, and note those of this one."""
    listed = folder / LIST
    before = set(listed.read_text(encoding="utf-8").splitlines()) if listed.is_file() else set()
    ours = {name for name in before if name.startswith("pictures/") and ".." not in name.split("/")}
    if interrupted:
        written = written | ours
    for name in ours - written:
        path = folder / name
        path.unlink(missing_ok=True)
        for parent in list(path.relative_to(folder).parents)[:-2]:  # that of the image, that of the leaderboard
            if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                (folder / parent).rmdir()
    if written:
        write_whole(listed, "".join(f"{name}\n" for name in sorted(written)))
    else:
        listed.unlink(missing_ok=True)


def file_names(texts: Sequence[str]) -> list[str]:
    """Return a file name for each text, safe and like no other one, also where upper and lower case are the same.

    Examples
    --------
    >>> file_names(["DnCNN", "../x", "BM3D", "bm3d"])
    ['dncnn', 'x_d6b96a97d147', 'bm3d_e062a33857ad', 'bm3d_033b3207da53']
    """
    parts = [slug(text) for text in texts]
    count = Counter(parts)
    names = []
    for i, (text, part) in enumerate(zip(texts, parts, strict=True)):
        if count[part] == 1 and re.fullmatch(r"[^.].{,77}[^.]|[^.]", part):
            names.append(part)
        else:  # a slug has no underscore, and `_clean` and `_noisy` are none of these
            again = f" {i}" if text in texts[:i] else ""
            code = hashlib.sha256(f"{text}{again}".encode(errors="surrogatepass")).hexdigest()[:12]
            names.append(f"{part.strip('.-') or 'x'}_{code}")
    return names
