"""Clean and noisy images found by their names: in two folders, with two endings, or two in the folder of each scene."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from datasets.listing import counted, some

_CLEAN = r"ground[ _-]?truth|noise[ _-]?(?:free|less)|clean|clear|gts?|targets?|hq|references?|ref|mean|originals?|orig"
_NOISY = r"noisy|noise|noised|inputs?|in|lq|real|degraded|corrupted"
_NOISY_ONLY = ("noisy", "noised", "lq", "degraded", "corrupted")
_HUMP = "(?-i:(?<=[a-z])(?=[A-Z]))"
"""Between two words that a capital alone parts, as in `sceneNoisy`."""

_WORD = re.compile(
    rf"[\s_.\-]*(?:(?<![a-z])|{_HUMP})(?:(?P<clean>{_CLEAN})|(?P<noisy>{_NOISY}))(?:(?![a-z])|{_HUMP})", re.IGNORECASE
)
_FOLDER = re.compile(rf"{_WORD.pattern}[\s_.\-]*\d*", re.IGNORECASE)
CLEAN, NOISY = SIDES = ("clean", "noisy")


@dataclass(frozen=True)
class Pairs:
    """Pairs of files.

    Attributes
    ----------
    pairs : tuple of (str, str, str)
        Name of the image, its clean and its noisy file.
    others : tuple of str
        Files that belong to none.
    how : str
        How they were told apart, in words.
    """

    pairs: tuple[tuple[str, str, str], ...]
    others: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class _Reading:
    """What files are if the words for clean and noisy count at one place: side and name of each that has a side."""

    how: str
    sides: dict[str, tuple[str, str]]

    def keyed(self, side: str) -> dict[str, list[str]]:
        """Return the files of a side by the name of their image."""
        keys: dict[str, list[str]] = {}
        for file, (its, name) in self.sides.items():
            if its == side:
                keys.setdefault(name.lower(), []).append(file)
        return keys

    @property
    def both(self) -> list[str]:
        """The names of the images that have both sides."""
        noisy = self.keyed(NOISY)
        return [key for key in self.keyed(CLEAN) if key in noisy]

    @property
    def several(self) -> str:
        """Names the images of one side that one of the other side would have; empty where there are none."""
        for side in SIDES:
            for key, files in self.keyed(side).items():
                if len(files) > 1 and key in self.both:
                    return f"{some(files)} are {counted(len(files), f'{side} image')} of one scene"
        return ""

    @property
    def problem(self) -> str:
        """Why these are no pairs; empty where they are."""
        if self.several:
            return self.several
        clean, noisy = self.keyed(CLEAN), self.keyed(NOISY)
        alone = [(file, NOISY) for key, files in clean.items() if key not in noisy for file in files]
        alone += [(file, CLEAN) for key, files in noisy.items() if key not in clean for file in files]
        if not alone:
            return ""
        missing = sorted({side for _, side in alone})
        return f"{some(file for file, _ in alone)}: no {' or '.join(missing)} image of that name"


class UnclearError(ValueError):
    """Images that are probably pairs and not plainly so; `alone`: some of them lack a partner."""

    def __init__(self, problem: str, *, alone: bool = False) -> None:
        super().__init__(problem)
        self.alone = alone


def found(files: Sequence[str], size: Callable[[str], tuple[int, int] | None]) -> Pairs | None:
    """Find the pairs among files; None where they are single images.

    Parameters
    ----------
    files : sequence of str
        Their paths below one folder, with ``/``.
    size : callable
        Gives height and width of a file's image; None where it cannot be read.

    Raises
    ------
    UnclearError
        If they look like pairs and are not complete, or cannot be told apart.

    Examples
    --------
    >>> found(["a_mean.png", "a_real.png"], lambda file: (8, 8)).pairs
    (('a', 'a_mean.png', 'a_real.png'),)
    """
    readings = [
        _by_folder(files, cut=False),
        _by_folder(files, cut=True),
        _by_name(files),
        _by_one_word(files),
        _by_scene(files),
    ]
    named = [reading for reading in readings if {side for side, _ in reading.sides.values()} == set(SIDES)]
    for reading in named:
        if reading.both and not reading.problem:
            return _pairs(files, reading)
    named = [reading for reading in named if reading.how not in (_ONE_WORD, _SCENES) or reading.both]
    if named:
        best = max(named, key=lambda reading: len(reading.both))
        raise UnclearError(best.problem, alone=not best.several)
    _refuse_likely(files, size)
    return None


def _pairs(files: Sequence[str], reading: _Reading) -> Pairs:
    clean, noisy = reading.keyed(CLEAN), reading.keyed(NOISY)
    names = {key: reading.sides[clean[key][0]][1] or PurePosixPath(clean[key][0]).stem for key in reading.both}
    pairs = tuple((names[key], clean[key][0], noisy[key][0]) for key in reading.both)
    return Pairs(pairs, tuple(file for file in files if file not in reading.sides), reading.how)


_ONE_WORD, _SCENES = "by a word in one of the two names", "as the two images of each folder"


def _by_folder(files: Iterable[str], *, cut: bool) -> _Reading:
    """Read the words in names of folders; with `cut`, words in names of files are no part of the image's name."""
    sides = {}
    for file in files:
        *folders, stem = _stem(file).split("/")
        side = _side(folders)
        if side:
            sides[file] = (side, _name([*(_FOLDER.sub("", folder) for folder in folders), _cut(stem) if cut else stem]))
    return _Reading("by their folders", sides)


def _by_name(files: Iterable[str]) -> _Reading:
    """Read the words in names of files."""
    sides = {}
    for file in files:
        *folders, stem = _stem(file).split("/")
        side = _side([stem])
        if side:
            sides[file] = (side, _name([*(_FOLDER.sub("", folder) for folder in folders), _cut(stem)]))
    return _Reading("by their names", sides)


def _by_one_word(files: Sequence[str]) -> _Reading:
    """Read names where a word stands in one of the two only: `a.png` and `a_noisy.png`."""
    sides = _by_name(files).sides
    words = {side for side, _ in sides.values()}
    if len(words) == 1:
        other = NOISY if words == {CLEAN} else CLEAN
        keys = {name.lower() for _, name in sides.values()}
        plain = {file: (other, _stem(file)) for file in files if file not in sides and _stem(file).lower() in keys}
        sides = sides | plain if len(plain) == len(keys) else {}
    return _Reading(_ONE_WORD, sides)


def _by_scene(files: Iterable[str]) -> _Reading:
    """Read a clean and a noisy image in the folder of each scene, whatever else their names are."""
    sides = _by_name(files).sides
    nested = {file: side for file, (side, _) in sides.items() if "/" in file}
    return _Reading(_SCENES, {file: (side, file.rpartition("/")[0]) for file, side in nested.items()})


def side_of(text: str) -> str:
    """Return ``"clean"`` or ``"noisy"`` as the last word of a text says, empty where none does."""
    return _side([text])


def all_noisy(files: Iterable[str]) -> bool:
    """Whether every path says that its image is noisy, by a word that says nothing else.

    Examples
    --------
    >>> all_noisy(["a_noisy.png", "noisy/b.png"]), all_noisy(["real_1.png"]), all_noisy(["noisy/denoised/clean_a.png"])
    (True, False, False)
    """
    last = ([match for part in _stem(file).split("/") for match in _WORD.finditer(part)][-1:] for file in files)
    return all(words and (words[0]["noisy"] or "").lower() in _NOISY_ONLY for words in last)


def _stem(file: str) -> str:
    return str(PurePosixPath(file).with_suffix(""))


def _side(parts: Sequence[str]) -> str:
    """Return the side that the last word in the last part with one says; empty where there is none."""
    words = [match for part in parts for match in _WORD.finditer(part)]
    return (words[-1].lastgroup or "") if words else ""


def _cut(stem: str) -> str:
    return _WORD.sub("", stem)


def _name(parts: Iterable[str]) -> str:
    return "/".join(filter(None, (part.strip(" _.-") for part in parts)))


def _refuse_likely(files: Sequence[str], size: Callable[[str], tuple[int, int] | None]) -> None:
    """Raise `UnclearError` where files without the words are probably pairs: same names, same sizes."""
    folders: dict[str, dict[str, str]] = {}
    for file in files:
        first, slash, rest = file.partition("/")
        if slash:
            folders.setdefault(first, {})[_stem(rest)] = file
    same = [one for one in folders if sum(folders[one].keys() == other.keys() for other in folders.values()) > 1]
    if same and all(len({size(folders[one][name]) for one in same}) == 1 for name in folders[same[0]]):
        raise UnclearError(f"the folders {some(same)} have images of the same names and sizes")
    endings: dict[str, dict[str, str]] = {}
    for file in files:
        match = re.fullmatch(r"(.*[^\W_])[ _\-]([A-Za-z]\w*)", _stem(file))
        if match:
            endings.setdefault(match[1], {})[match[2]] = file
    kinds = {tuple(sorted(group)) for group in endings.values()}
    if len(kinds) != 1 or sum(map(len, endings.values())) != len(files):
        return
    (kind,) = kinds
    worded = any(_side([ending]) for ending in kind)
    alike = all(len({size(file) for file in group.values()}) == 1 for group in endings.values())
    if len(kind) == 2 and (len(endings) > 1 or worded) and alike:
        raise UnclearError(f"all names end in _{kind[0]} or _{kind[1]}, two of one size each")
