"""Archives read safely: the members of a zip, tar or tar.gz file, each as bytes, nothing unpacked to the disk."""

import lzma
import re
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
_BLOCK = 512  # of a tar file
_SMALL = 1 << 20  # below this many bytes, no compression ratio is suspicious
# What the readers of zip, tar and gzip files were seen to raise on damaged ones.
_DAMAGE = (OSError, EOFError, LookupError, MemoryError, OverflowError, RuntimeError, ValueError, lzma.LZMAError,
           struct.error, tarfile.TarError, zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What an archive may at most be.

    Attributes
    ----------
    member : int
        Bytes of one member that is read.
    total : int
        Bytes of all members together.
    count : int
        How many members.
    ratio : int
        Bytes that come out for each byte that is stored.
    """

    member: int = 1 << 30
    total: int = 16 << 30
    count: int = 500_000
    ratio: int = 200


LIMITS = Limits()


@dataclass(frozen=True)
class _Entry:
    """A member: its bytes, those it takes in the archive, why it cannot be read (if so), and where it is."""

    size: int
    packed: int
    refusal: str
    place: zipfile.ZipInfo | int


class Archive:
    """An archive, open for reading.

    Names are those of plain members, with ``/`` between folders and no ``./`` before them.
    A name that climbs out of the archive, more members or bytes than the limits allow, and damage of
    the index are refused at once. A member that is encrypted, a link, a device, there twice, or too
    large is refused when it is read, since the others may be all that is wanted.

    Parameters
    ----------
    path : Path
        A zip, tar or tar.gz file; its content says which.
    limits : Limits
        What it may at most be.

    Raises
    ------
    ValueError
        If it is refused; one line that says why.
    """

    def __init__(self, path: Path, limits: Limits = LIMITS) -> None:
        self._path, self._limits = path, limits
        self._entries: dict[str, _Entry] = {}
        self._total = self._count = 0
        self._lock = threading.Lock()
        with _damage(path):
            self._raw: IO[bytes] = path.open("rb")
        try:
            with _damage(path):
                self._index()
        except BaseException:
            self._raw.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its members, in its order; folders are no members."""
        return tuple(self._entries)

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises
        ------
        ValueError
            If there is no such member, or it is refused or damaged.
        """
        if name not in self._entries:
            raise refused(self._path, f"there is no {name!r} in it; expected the archive as its publisher made it")
        entry = self._entries[name]
        self._check(name, entry)
        with _damage(self._path), self._lock:
            content = self._content(entry)
        if len(content) != entry.size:
            raise refused(self._path, f"{name!r} ends after {len(content)} of {entry.size} bytes; fetch it again")
        return content

    def _check(self, name: str, entry: _Entry) -> None:
        if entry.refusal:
            raise refused(self._path, f"{name!r} {entry.refusal}")
        if entry.size > self._limits.member:
            raise refused(self._path, f"{name!r} has {entry.size} bytes, at most {self._limits.member} are read")
        if entry.size > max(_SMALL, self._limits.ratio * entry.packed):
            raise refused(
                self._path,
                f"{name!r} grows from {entry.packed} to {entry.size} bytes, more than {self._limits.ratio} times; "
                "it looks made to fill the memory",
            )

    def _content(self, entry: _Entry) -> bytes:
        if isinstance(entry.place, zipfile.ZipInfo):
            with self._zip.open(entry.place) as member:
                return member.read(entry.size + 1)
        self._raw.seek(entry.place)
        return self._raw.read(entry.size)

    def _index(self) -> None:
        start = self._raw.read(_BLOCK)
        self._raw.seek(0)
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            self._index_zip()
        elif start[:2] == b"\x1f\x8b":
            self._raw = _inflated(self._path, self._raw, self._limits)
            self._index_tar()
        elif start[257:262] == b"ustar" or self._path.suffix == ".tar":
            self._index_tar()
        else:
            raise refused(self._path, "it is no archive that can be read; expected zip, tar or tar.gz")

    def _index_zip(self) -> None:
        self._zip = zipfile.ZipFile(self._raw)
        for info in self._zip.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            refusal = ""
            if info.flag_bits & 1:
                refusal = "is encrypted; make an archive without a password"
            elif kind == stat.S_IFLNK:
                refusal = "is a link; expected the file itself"
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                refusal = "is no plain file"
            entry = _Entry(info.file_size, info.compress_size, refusal, info)
            self._add(info.orig_filename, entry, folder=info.is_dir())

    def _index_tar(self) -> None:
        with tarfile.open(fileobj=self._raw, mode="r:") as tar:
            for info in tar:
                if info.size < 0:
                    raise refused(self._path, f"{info.name!r} has {info.size} bytes; do not use this archive")
                refusal = ""
                if info.issym() or info.islnk():
                    refusal = "is a link; expected the file itself"
                elif not info.isreg() or info.issparse():
                    refusal = "is no plain file"
                size = info.size if info.isreg() else 0
                self._add(info.name, _Entry(size, size, refusal, info.offset_data), folder=info.isdir())
            self._raw.seek(tar.offset)
        # A tar file that was cut between two members, or has a damaged header, seems to end there: only the
        # block of zeros at its end says that it is whole.
        if self._raw.read(_BLOCK) != bytes(_BLOCK):
            raise refused(self._path, "it is cut or damaged: the mark at its end is missing; fetch it again")

    def _add(self, name: str, entry: _Entry, *, folder: bool) -> None:
        self._count += 1
        if self._count > self._limits.count:
            raise refused(self._path, f"it has more than {self._limits.count} members")
        self._total += entry.size
        if self._total > self._limits.total:
            raise refused(self._path, f"its members have more than {self._limits.total} bytes together")
        own = _safe(self._path, name)
        if folder or not own:
            return
        if own in self._entries:
            entry = _Entry(0, 0, "is in it twice; nobody can say which is meant", 0)
        self._entries[own] = entry


def is_archive(path: Path) -> bool:
    """Whether a file's ending is one of an archive that `Archive` reads."""
    return path.name.lower().endswith(_ENDINGS)


def members(path: Path) -> tuple[str, ...]:
    """Return the names of the members of an archive, see `Archive`."""
    return _opened(path).names


def read_member(path: Path, name: str) -> bytes:
    """Return the content of one member of an archive.

    The index of the archives read last stays in memory, so that many members are read quickly; a tar.gz file is
    inflated once, into a file without a name that goes with this process.

    Raises
    ------
    ValueError
        If the archive or the member is refused, see `Archive`.
    """
    return _opened(path).read(name)


def _opened(path: Path) -> Archive:
    with _damage(path):
        status = path.stat()
    return _remembered(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _remembered(path: Path, size: int, changed: int) -> Archive:
    return Archive(path)


def _inflated(path: Path, packed: IO[bytes], limits: Limits) -> IO[bytes]:
    import gzip

    most = min(limits.total, max(_SMALL, limits.ratio * path.stat().st_size))
    out = tempfile.TemporaryFile()  # noqa: SIM115 # it is handed back open
    try:
        with packed, gzip.GzipFile(fileobj=packed) as stream:
            while chunk := stream.read(_SMALL):
                if out.tell() + len(chunk) > most:
                    raise refused(
                        path,
                        f"more than {most} bytes come out of it, it looks made to fill the disk; no more were read",
                    )
                out.write(chunk)
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


def _safe(path: Path, name: str) -> str:
    """Return a member's name without ``./``; refuse those that leave the folder they are unpacked into."""
    parts = name.split("/")
    climbs = ".." in parts or name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name)
    if climbs or not name.isprintable():
        raise refused(path, f"the name {name!r} of a member leads out of it; do not use this archive")
    return "/".join(part for part in parts if part not in ("", "."))


class _RefusedError(ValueError):
    """An archive that is refused, with the line for a person."""


def refused(path: Path, why: str) -> ValueError:
    """Return the error that says in one line why an archive is refused."""
    return _RefusedError(f"archive {path}: {why}")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say in one line what the readers of zip, tar and gzip files raise."""
    try:
        yield
    except _RefusedError:
        raise
    except FileNotFoundError:
        raise refused(path, "it is gone; put it back and run again") from None
    except _DAMAGE as error:
        raise refused(path, f"it is cut or damaged ({' '.join(str(error).split())}); fetch it again") from None
