"""The files of a folder that any program opens, as the kernel of Linux tells it; readers written in C among them."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

MOST = 1000
"""Folders and links that are watched; a larger tree is hardly the folder of a method."""

_OPENED, _WRITTEN, _LOST, _IS_FOLDER = 0x20, 0x2 | 0x8 | 0x80 | 0x100, 0x4000, 0x40000000
_HEAD = struct.Struct("iIII")


class Watch:
    """Watches folders and all that is in them, from its making until `read`.

    Attributes
    ----------
    complete : bool
        Whether everything is watched: Linux, and not too many folders.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.complete = False
        self._paths: dict[int, list[Path]] = {}
        if not folders or not sys.platform.startswith("linux"):
            self.complete = not folders
            return
        self._library = ctypes.CDLL(None, use_errno=True)
        self._queue = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._queue >= 0:
            numbers = [self._add(path) for path in _watchable(folders)]
            self.complete = min(numbers, default=0) >= 0 and len(numbers) < MOST

    def _add(self, path: Path) -> int:
        number = int(self._library.inotify_add_watch(self._queue, os.fsencode(path), _OPENED | _WRITTEN))
        if number >= 0:
            self._paths.setdefault(number, []).append(path)
        return number

    def read(self) -> list[str]:
        """Return the files that were opened and not written, and end the watch."""
        opened: dict[Path, None] = {}
        written: set[Path] = set()
        for number, kinds, name in self._events():
            if kinds & _LOST:
                self.complete = False
            if kinds & _IS_FOLDER:
                continue
            for path in (place / name for place in self._paths.get(number, ())):
                if kinds & _OPENED:
                    opened.setdefault(path)
                if kinds & _WRITTEN:
                    written.add(path)
        return [str(path) for path in opened if path not in written and path.is_file()]

    def _events(self) -> Iterator[tuple[int, int, str]]:
        if not self._paths:
            return
        try:
            while True:
                try:
                    events = os.read(self._queue, 1 << 16)
                except BlockingIOError:
                    return
                except OSError:  # the method has closed it
                    self.complete = False
                    return
                place = 0
                while place < len(events):
                    number, kinds, _, length = _HEAD.unpack_from(events, place)
                    place += _HEAD.size + length
                    yield number, kinds, os.fsdecode(events[place - length : place].rstrip(b"\0"))
        finally:
            os.close(self._queue)


def _watchable(folders: Sequence[str]) -> Iterator[Path]:
    """Give folders and those in them, nearest first, and links to files, which their folder does not see opened."""
    waiting = [Path(folder) for folder in folders]
    for folder in waiting:  # it grows
        yield folder
        try:
            entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
        except OSError:
            continue
        yield from (path for path in entries if path.is_symlink() and path.is_file())
        if len(waiting) < MOST:
            waiting += [path for path in entries if path.is_dir() and not path.is_symlink()]
