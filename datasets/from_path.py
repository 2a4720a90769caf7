"""A person's own images, by the path to them: a folder, pairs, one image, an archive, or radiographs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from datasets import depth, own_images, pair_words, pairs, radiographs
from datasets.archives import is_archive
from datasets.description import Dataset, Image, Part
from datasets.listing import Listing, counted, listing, matching, some
from datasets.personal import by_name, described, printable, roughness, same_files
from datasets.walking import refuse_system, typed_path

PAIRS, IMAGES = "pairs:", "images:"
"""Before a path: these are pairs, each of these is a clean image."""

_CONVERSION = "as stored, the white of each file to 255; an opaque alpha channel left out, EXIF turns made"

_NAMED_NOISY = (
    "the names of all images say noisy, and each counts as a clean one; NOISE=pairs takes them as noisy without a "
    "reference, and the folder with both sides is taken as pairs"
)


def from_word(word: str, white: float | None = None) -> Dataset | None:
    """Describe the images that a word on DATA stands for; None where it is no path.

    Parameters
    ----------
    word : str
        A path, a pattern of paths (`photos/*.png`), or one of these behind ``pairs:`` or ``images:``; after ``pairs:``
        also two folders or images, the clean one first (`pairs:a/x,b/y`), two patterns of such
        (`pairs:a/{name}_GT.png,a/{name}_N.png`), or a CSV file of two columns.
    white : float, optional
        The value of white of files that are deeper than 8 bits.

    Raises
    ------
    ValueError
        As `from_path`.
    """
    if is_path(word):
        return replace(from_path(typed_path(word), white=white), word=word)
    as_pairs, as_images = word.startswith(PAIRS), word.startswith(IMAGES)
    place = word.removeprefix(PAIRS).removeprefix(IMAGES) if as_pairs or as_images else word
    if as_pairs and pair_words.MARK in place:
        return replace(_of_pairs(pair_words.of_patterns(place), white), word=word)
    if sides := two_sides(word):
        return replace(_of_pairs(pair_words.of_sides(*sides), white), word=word)
    paired = as_pairs if as_pairs or as_images else None
    if is_path(place):
        dataset = from_path(typed_path(place), white=white, paired=paired)
    elif set(place) & set("*?[") and ("/" in place or ":" not in place):
        files = matching(place)
        pattern = printable(typed_path(place).relative_to(files.path).as_posix())
        whole = printable(f"folder {files.path.resolve().name}")
        dataset = _of_listing(files, white, paired=paired, typed=place)
        dataset = replace(dataset, name=f"{whole}/{pattern}", title=f"{whole}/{pattern}", whole=whole)
    elif as_pairs or as_images:
        raise ValueError(f"DATA={word}: {missing(place)}; expected the path of a folder, an archive or a CSV file")
    else:
        return None
    return replace(dataset, word=word)


def is_path(word: str) -> bool:
    """Whether something lies at a path that a person typed."""
    try:
        return bool(word) and typed_path(word).exists()
    except OSError:  # too long a name
        return False


def missing(word: str) -> str:
    """Say why no images are found at a path: nothing is there, or it may not be looked at."""
    try:
        typed_path(word).stat()
    except PermissionError as error:
        return f"what lies there may not be read ({error.strerror})"
    except (OSError, ValueError):  # also a NUL in it
        pass
    return "nothing lies there"


def two_sides(word: str) -> tuple[Path, Path] | None:
    """Return what lies at the two paths of ``pairs:CLEAN,NOISY``; None where a word is something else."""
    place = word.removeprefix(PAIRS)
    if place == word or is_path(place):
        return None
    for cut in (at for at, sign in enumerate(place) if sign == ","):
        clean, noisy = place[:cut].strip(), place[cut + 1 :].strip()
        if is_path(clean) and is_path(noisy):
            return typed_path(clean), typed_path(noisy)
    return None


def from_path(path: Path, *, noisy: bool = False, white: float | None = None, paired: bool | None = None) -> Dataset:
    """Describe the images that lie at a path.

    A folder of DICOM files is read as radiographs (`datasets.radiographs`), a zip or tar file as an archive of images
    with nothing unpacked to the disk, a CSV file as a list of pairs. Of any other folder the images in it and in its
    subfolders count, named by their path; pairs are found by the words in their names (`datasets.pairs`). Anything else
    is one image. The colour of the set is that of its first image that can be read; one of another colour is an error
    when it is read.

    Parameters
    ----------
    path : Path
        Where they lie.
    noisy : bool
        Whether images that come without noisy versions are noisy as they are, and have no reference.
    white : float, optional
        The value of white of files that are deeper than 8 bits; recognised where it is not given.
    paired : bool, optional
        Whether they are pairs; found out where it is not given.

    Raises
    ------
    ValueError
        If there is no image there, two share a name, a pair is not complete, the archive is refused (see
        `datasets.archives.Archive`), nothing says which value is white, or no image can be read.
    """
    if not (path.is_file() or path.is_dir()):
        raise ValueError(f"DATA={path}: is neither a folder nor a file; a pipe or a device may never end")
    refuse_system(path, f"DATA={path}")
    if path.suffix.lower() == ".csv":
        dataset = _of_pairs(pair_words.of_table(path), white)
    elif radiographs.is_radiographs(path):
        if white:
            raise ValueError(f"RANGE={white:g}: DICOM files say themselves which value is white; leave RANGE out")
        dataset = radiographs.from_folder(path)
    else:
        dataset = _of_listing(listing(path), white, path, paired=paired)
    return as_noisy(dataset) if noisy and not dataset.has_noisy else dataset


def as_noisy(dataset: Dataset) -> Dataset:
    """Return a dataset whose images are noisy as they are, and have no reference."""
    noisy = tuple(Image(image.name, noisy=image.clean) for image in dataset.images)
    return replace(dataset, images=noisy, warnings=())  # it is as a clean one that it may be warned of


def _of_listing(
    files: Listing, white: float | None, path: Path | None = None, *, paired: bool | None = None, typed: str = ""
) -> Dataset:
    """Describe listed files, as pairs or as single images; `typed` is the pattern that a person gave."""
    path = path or files.path
    word = typed or str(path)
    names = list(files.parts)
    try:
        layout = pairs.found(names, lambda name: _size(files.parts[name])) if paired is not False else None
    except pairs.UnclearError as error:
        advice = "give each image its pair" if error.alone else _how_to_name(path)
        raise ValueError(f'DATA={word}: {error}; {advice}; DATA="{IMAGES}{word}" takes each as a clean image') from None
    if layout:
        images = [Image(name, files.parts[clean], files.parts[noisy]) for name, clean, noisy in layout.pairs]
        by_name(path, [(image.name, image) for image in images])
        _, clean, noisy = layout.pairs[0]
        notes = [f"read as {counted(len(images), 'pair')}, told apart {layout.how}: {clean} is clean, {noisy} noisy"]
        if layout.others:
            notes.append(f"left out {counted(len(layout.others), 'image')} of no pair ({some(layout.others)})")
    elif paired:
        raise ValueError(f"DATA={PAIRS}{word}: no two names say clean and noisy; {_how_to_name(path)}")
    else:
        named = by_name(path, [(str(PurePosixPath(name).with_suffix("")), name) for name in names])
        images = [Image(name, files.parts[file]) for name, file in named.items()]
        below = sum("/" in name for name in names)
        notes = [f"{counted(below, 'image')} of {len(names)} from subfolders, named by their path"] * bool(below)
    dataset = _described(path, images, white, [*files.notes, *notes])
    if paired is None and not layout and pairs.all_noisy(f"{files.path.resolve().stem}/{name}" for name in names):
        return replace(dataset, warnings=(*dataset.warnings, _NAMED_NOISY))
    return dataset


def _of_pairs(files: pair_words.Named, white: float | None) -> Dataset:
    images = [Image(name, Part(clean), Part(noisy)) for name, clean, noisy in files.pairs]
    return _described(files.path, images, white, files.notes)


def _described(path: Path, images: Sequence[Image], white: float | None, notes: Sequence[str]) -> Dataset:
    try:
        files = depth.understood(images, white)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith("image ") else f"DATA={path}: {text}") from None
    dataset = described(
        path,
        files.images,
        conversion=_CONVERSION,
        reader=own_images.read,
        protocol="float" if files.deep else "standard",
        notes=(*notes, *files.notes),
        white=white,
    )
    return (
        replace(dataset, warnings=(*dataset.warnings, *same_files(dataset), *roughness(dataset)))
        if dataset.has_noisy
        else dataset
    )


def _how_to_name(path: Path) -> str:
    """Say how to ask for pairs."""
    if is_archive(path) and not path.is_dir():
        return "for pairs, name their files x_clean and x_noisy"
    return f'DATA="{PAIRS}{path}/{{name}}_GT.png,{path}/{{name}}_N.png", with your names, takes pairs'


def _size(part: Part) -> tuple[int, int] | None:
    try:
        return own_images.header(Path(part.file.local), part.at).size
    except ValueError:
        return None
