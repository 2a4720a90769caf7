"""What makes a run as a whole suspicious: outputs of other noise, a method that opens what it is held against."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.plan.cell import Cell
from bench.run.sample import Output, Sample
from bench.run.scoring import arrays_of
from bench.store.opened import Opened
from datasets.listing import counted, some

if TYPE_CHECKING:
    import numpy as np

    from bench.score import belonging


def traces(cell: Cell, outputs: list[Output]) -> "list[belonging.Trace]":
    """Return what finished outputs of one shape have of the noise that was drawn for them; of others nothing."""
    from bench.score import belonging

    if not cell.outputs or not cell.degradation.random:
        return []
    images = zip(*arrays_of(outputs), strict=True)
    return [belonging.trace(clean, noisy, denoised) for clean, noisy, denoised in images if clean is not None]


def untraced(found: "list[belonging.Trace]") -> list[str]:
    """Return a line where finished outputs have nothing of the noise that was drawn for them."""
    from bench.score import belonging

    return [belonging.UNTRACED] * belonging.untraced(found)


@dataclass(frozen=True)
class Look:
    """What is to be known of a person's clean image beside the others.

    Attributes
    ----------
    pixels : str
        Hash of its pixels, whatever its file is.
    equal : bool
        Whether it has three channels, and they are equal.
    """

    pixels: str
    equal: bool


def looks(cell: Cell, samples: list[Sample]) -> dict[str, Look]:
    """Return what is to be known of a person's clean images, by name; of registered sets nothing."""
    if cell.dataset.ledger is not None:
        return {}
    import numpy as np

    found = {}
    for sample in samples:
        if sample.clean is not None:
            pixels = hashlib.sha256(repr(sample.clean.shape).encode() + sample.clean.tobytes()).hexdigest()
            equal = sample.clean.shape[2] == 3 and not np.ptp(sample.clean, axis=2).any()
            found[sample.name] = Look(pixels, bool(equal))
    return found


def odd_images(cell: Cell, found: Mapping[str, Look]) -> list[str]:
    """Return a line on images that count several times in a mean, and one on gray images among colour ones.

    Those of one file have a line already, and several noisy images that were taken of one scene may share it.
    """
    files = {image.name: (image.clean.file.sha256, image.clean.at) for image in cell.dataset.images if image.clean}
    copies: dict[str, list[str]] = {}
    for name, look in found.items():
        copies.setdefault(look.pixels, []).append(name)
    several = [names for names in copies.values() if len({files[name] for name in names}) > 1]
    lines = []
    if several and not cell.degradation.recorded:
        count = sum(map(len, several))
        lines.append(f"{some(several[0])} ({count} in all) have the same pixels in other files, and count so often")
    gray = [name for name, look in found.items() if look.equal]
    if gray and len(gray) < len(found):
        lines.append(
            f"{some(gray)} are gray among colour images ({len(gray)} of {len(found)}: three equal channels), and are "
            "measured in colour, with noise of its own in each channel: put them in another folder"
        )
    return lines


ROUNDED = (
    "outputs are whole grey levels: they were rounded before they came here, and this protocol says that they are not"
)
"""What is noted where a protocol without rounding cannot take it back; worth some thousandths of a dB."""


def rounded(cell: Cell, outputs: list[Output]) -> list[bool]:
    """Return for outputs of one shape whether each is of whole grey levels, made of noise that is not.

    Under protocols that round outputs nothing is looked at.
    """
    if cell.protocol.output != "float":
        return []
    _, noisy, denoised = arrays_of(outputs)
    return [_is_whole(output) and not _is_whole(given) for given, output in zip(noisy, denoised, strict=True)]


def _is_whole(image: "np.ndarray") -> bool:
    """Whether all values of an image, 1.0 = white, are whole levels of 8 bit."""
    import numpy as np

    levels = image * 255
    return bool(np.abs(levels - np.rint(levels)).max() < LEVEL)


LEVEL = 1e-3
"""Of a grey level: as near float32 comes to whole ones."""


def references_opened(cell: Cell, opened: Opened) -> list[str]:
    """Return a line where a method opened images, or copies of them, that its results are held against."""
    contents = set(opened.files.values())
    files = {image.clean.file for image in cell.dataset.images if image.clean} if contents else set()
    names = sorted(file.path for file in files if file.sha256 in contents)
    if not names:
        return []
    return [f"opens {counted(len(names), 'file')} of the clean images that it is held against ({some(names)})"]
