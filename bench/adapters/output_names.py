"""Which file in a folder belongs to which image: by names alone, never by order."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from bench.common.errors import BenchError, DoesNotFit
from datasets.listing import some
from datasets.personal import printable
from datasets.walking import files_below

ENDINGS = (".png", ".npy", ".tif", ".tiff", ".mat", ".bmp", ".pgm", ".ppm", ".jpg", ".jpeg", ".webp")
"""Of files that can be an output; others in a folder, as notes, do not count."""

UNRELATED = "outputs of other images"
"""What does not fit, where no image of a set has a file."""

_ODD = re.compile(r'[%:\\*?"<>|\x00-\x1f]|(?:^|(?<=/))\.|[. ](?=/|$)')
_LETTER, _NUMBER = re.compile(r"[^\W_]"), re.compile(r"[1-9]\d*$")
_Stems = Mapping[str, Sequence[Path]]
"""Files by their names without ending."""

_PROBES = 20
"""So many names are held against the files to find what these have around a name."""
_MOST_PAIRS = 1_000_000
"""So many pairs of a name and a file are looked at one by one."""


def safe(name: str) -> str:
    """Return the name of an image as one that every file system takes; `unquote` gives it back.

    A slash stays, as that of a subfolder.

    Examples
    --------
    >>> safe("scene 1/x:y")
    'scene 1/x%3Ay'
    """
    return _ODD.sub(lambda odd: f"%{ord(odd[0]):02X}", name)


def files_in(folder: Path, where: str, *, deep: bool) -> list[Path]:
    """Return the files of a folder that can be outputs, in the order of their names.

    Parameters
    ----------
    folder : Path
        Where they lie.
    where : str
        How messages begin.
    deep : bool
        Whether those in subfolders count too.
    """
    found = files_below(folder, where) if deep else folder.iterdir()
    hidden = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in hidden if path.suffix.lower() in ENDINGS and path.is_file())


def assigned(where: str, names: Sequence[str], folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Find the file of each image in a folder.

    A file has the name of its image; else the same name but for capitals; else one that stands between a beginning and
    an end that all files share, as in `01_out`; else the only name in which that of the image is a word of its own, as
    in `01_25.31dB`.

    Parameters
    ----------
    where : str
        How messages begin.
    names : sequence of str
        Of the images.
    folder : Path
        Where the files lie.

    Returns
    -------
    dict of Path
        The file of each image.
    list of str
        How that was understood, a line each.

    Raises
    ------
    BenchError
        If an image has no file, or could have two.
    """
    if not folder.is_dir():
        raise BenchError(f"{where}: there is no folder {folder}; expected one that holds a file for each image")
    files = files_in(folder, where, deep=any("/" in name for name in names))
    if not files:
        below = sorted({path.parent.relative_to(folder).as_posix() for path in files_in(folder, where, deep=True)})
        more = f"; its folders do: {some(below)}" if below else ""
        raise BenchError(f"{where}: {folder} holds no image, as {', '.join(ENDINGS[:5])}{more}")
    stems = _stems(folder, files, names)
    keys = {name: safe(name) for name in names}
    nearest: dict[str, str] = {}
    for level in (_exact, _folded, _between, _word):
        chosen, how = level(where, keys, stems)
        nearest = max(nearest, chosen, key=len)
        if len(set(chosen.values())) == len(names):
            break
    else:
        cause = f"{where}: {_missing(names, nearest, stems, folder)}"
        raise BenchError(cause) if nearest else DoesNotFit(cause, UNRELATED)
    by_name = {name: _only(where, name, stems[stem]) for name, stem in chosen.items()}
    extra = sorted(path.name for stem, paths in stems.items() if stem not in chosen.values() for path in paths)
    lines = [how] if how else []
    lines += [f"{folder} also holds {some(extra)}, which belong to no image and do not count"] if extra else []
    return by_name, lines


def _stems(folder: Path, files: Iterable[Path], names: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files by their path below the folder, without the ending."""
    whole = {safe(name) for name in names}
    stems: dict[str, list[Path]] = {}
    for path in files:
        below = PurePosixPath(path.relative_to(folder).as_posix())
        # `a.b` may be the name of an image whose file is `a.b.png`, or of a file `a.b` without another ending.
        stem = printable(str(below) if str(below) in whole else str(below.with_suffix("")))
        stems.setdefault(stem, []).append(path)
    return stems


def _exact(where: str, keys: Mapping[str, str], stems: _Stems) -> tuple[dict[str, str], str]:
    """Find names that are equal, odd characters written as they are or as `safe` writes them."""
    plain = {unquote(stem): stem for stem in stems} | {stem: stem for stem in stems}
    return {
        name: key if key in stems else plain[name] for name, key in keys.items() if key in stems or name in plain
    }, ""


def _folded(where: str, keys: Mapping[str, str], stems: _Stems) -> tuple[dict[str, str], str]:
    folded: dict[str, list[str]] = {}
    for stem in stems:
        folded.setdefault(_fold(stem), []).append(stem)
    wanted = Counter(_fold(key) for key in keys.values())
    chosen = {
        name: folded[_fold(key)][0]
        for name, key in keys.items()
        if len(folded.get(_fold(key), ())) == wanted[_fold(key)] == 1
    }
    return chosen, ""


def _between(where: str, keys: Mapping[str, str], stems: _Stems) -> tuple[dict[str, str], str]:
    """Find what stands before and after the name in every file: one such pair, or an error."""
    folded = {_fold(stem): stem for stem in stems}
    around: Counter[tuple[str, str]] = Counter()
    probed = min(len(keys), _PROBES)
    for key in list(keys.values())[:probed]:
        around.update({pair for stem in folded for pair in _around(stem, _fold(key), alone=len(keys) == 1)})

    def found(pair: tuple[str, str]) -> dict[str, str]:
        stems = {name: f"{pair[0]}{_fold(key)}{pair[1]}" for name, key in keys.items()}
        return {name: folded[stem] for name, stem in stems.items() if stem in folded}

    whole = [pair for pair, count in around.items() if count >= probed and len(found(pair)) == len(keys)]
    if not whole:
        return (found(around.most_common(1)[0][0]) if around else {}), ""
    if len(whole) > 1:
        name, key = next(iter(keys.items()))
        could = sorted(found(pair)[name] for pair in whole)
        first = stems[could[0]][0]
        raise BenchError(
            f"{where}: {some(could)} could each be the output for image {name}; say which one in the path, as in "
            f"outputs:{first.parent}/{first.name.replace(key, '{name}', 1)}"
        )
    before, after = whole[0]
    return found(whole[0]), f"an output is named {before}NAME{after} where NAME is the name of its image"


def _fold(text: str) -> str:
    """Return a name without capitals, its accents as one character each, which other systems write as two."""
    return unicodedata.normalize("NFC", text).casefold()


def _around(stem: str, key: str, *, alone: bool) -> Iterable[tuple[str, str]]:
    """Return what stands before and after a name in a text, for each place where it stands.

    A number is no part of another, though zeros may stand before it. A name that stands `alone`, with no others to
    confirm what is around it, is a word: `a` stands in `cat` by chance.
    """
    at = stem.find(key)
    while at >= 0:
        before, after = stem[:at], stem[at + len(key) :]
        digits = (key[:1].isdigit() and _NUMBER.search(before)) or (key[-1:].isdigit() and after[:1].isdigit())
        if not digits and not (alone and _LETTER.search(before[-1:] + after[:1])):
            yield before, after
        at = stem.find(key, at + 1)


def _word(where: str, keys: Mapping[str, str], stems: _Stems) -> tuple[dict[str, str], str]:
    """Find the only file in whose name the name of the image is a word: no letter or digit beside it."""
    chosen: dict[str, str] = {}
    if len(keys) * len(stems) > _MOST_PAIRS:
        return chosen, ""
    for name, key in keys.items():
        word = re.compile(rf"(?<![^\W_]){re.escape(key)}(?![^\W_])", re.IGNORECASE)
        could = [stem for stem in stems if word.search(stem)]
        if len(could) == 1:
            chosen[name] = could[0]
    name = next(iter(chosen), "")
    return chosen, name and f"an output is the one file that has the name of its image in its own: {chosen[name]}"


def _only(where: str, name: str, paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        both = some([path.name for path in paths])
        raise BenchError(f"{where}: image {name} has {both}; say which one, as in outputs:folder/{{name}}.png")
    return paths[0]


def _missing(names: Sequence[str], chosen: Mapping[str, str], stems: Mapping[str, Sequence[Path]], folder: Path) -> str:
    """Say which images have no file, and which files belong to no image."""
    missing = [name for name in names if name not in chosen]
    extra = [path.name for stem, paths in stems.items() if stem not in chosen.values() for path in paths]
    line = f"{len(missing)} of {len(names)} images have no file in {folder}: {some(missing)}"
    return f"{line}; it holds besides {some(extra)}" if extra else line
