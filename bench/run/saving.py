"""The noisy and the denoised images of a run as files, lossless and named so that `METHOD=outputs:` reads them back."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.adapters.output_names import safe
from bench.adapters.outputs import SAVED, path_words
from bench.common.atomic import whole
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.tables import as_field, rows_of, write_csv
from bench.plan.cell import Cell, Failure, understood
from bench.plan.request import Request, inputs
from bench.plan.resolve import EXPECTED
from bench.run.sample import samples
from bench.store.records import Record

if TYPE_CHECKING:
    import numpy as np

NOISY = "noisy"
"""The folder of noisy images, and the name of the table in it that says what they are."""

TREE = "{dataset}/{noise}/{protocol}/seed{seed}"
"""The folders below that which a person names, as a pattern of `METHOD=outputs:`."""

FORMATS = ("npy", "tiff", "png")
"""Of noisy images: real numbers in the first two; 8 bit in the last."""


class Saver:
    """Saves the images of the cells of a campaign.

    Parameters
    ----------
    folder : Path
        Gets `TREE`, in it a folder for each method, and one of noisy images.
    cells : sequence of Cell
        Of the campaign.

    Raises
    ------
    BenchError
        If two cells would have the same files.
    """

    def __init__(self, folder: Path, cells: Sequence[Cell]) -> None:
        self.folder = folder
        self.images, self._methods, self._noisy, self._exact = 0, dict[str, None](), set[Path](), False
        places: dict[Path, Cell] = {}
        for cell in cells:
            _check_images(folder, cell)
            saved = rows_of(self._place(cell) / SAVED)[:1]
            if any(row.get("origin") not in (None, as_field(_origin(cell))) for row in saved):
                raise BenchError(
                    f"SAVE={folder}: {self._place(cell)} holds the images of another method of that name, "
                    f"{saved[0]['origin']}; give another folder, or delete that one"
                )
            other = places.setdefault(self._place(cell), cell)
            if other is not cell:
                raise BenchError(
                    f"SAVE={folder}: two methods or datasets have one name ({cell.title}), and so the same files; "
                    "save them in two runs, each with its own folder"
                )

    def save(self, cell: Cell, record: Record) -> None:
        """Save the images of a cell that is finished.

        Parameters
        ----------
        cell : Cell
            Finished.
        record : Record
            With its pictures; of a cell that `needs_floats`, with its outputs in `exact` as they were scored.
        """
        import numpy as np

        noisy = place(self.folder, cell) / NOISY
        if noisy not in self._noisy:
            save_noisy(self.folder, cell, failed={})  # the record names those that cannot be read
            self._noisy.add(noisy)
        channels = 3 if cell.dataset.colour == "rgb" else 1
        for row in record.images:
            image = row.get("exact")
            if image is None:
                pixels = np.frombuffer(row["denoised"], np.uint8)
                image = pixels.reshape(row["height"], row["width"], channels) / np.float32(255)
            ending = "npy" if needs_floats(cell) else "png"
            _write(self._place(cell) / f"{safe(row['image'])}.{ending}", image)
        failed = record.provenance.get("failed_images", {})
        rows = [
            {"image": name, "cause": failed.get(name), "origin": _origin(cell)} for name in cell.dataset.image_names()
        ]
        write_csv(self._place(cell) / SAVED, rows)
        self.images += len(record.images)
        self._methods[self._place(cell).name] = None
        self._exact |= needs_floats(cell)

    def summary(self) -> str:
        """Say in a line what was saved where, and how it is read back."""
        paths = (f"{self.folder}/{TREE}/{method}/{{name}}" for method in self._methods)
        said = ":white=1" if self._exact else ""
        methods = ",".join(f"outputs:'{path}'{said}" if "," in path else f"outputs:{path}{said}" for path in paths)
        quoted = shlex.quote(methods) if set(methods) & set('$`"!\\') else f'"{methods}"'
        return (
            f"{self.images} denoised images are in {self.folder}, with the noisy ones; they are read back with "
            f"METHOD={quoted}"
        )

    def _place(self, cell: Cell) -> Path:
        name = safe(cell.label).replace("/", "%2F")
        return place(self.folder, cell) / (name if name != NOISY else f"{NOISY} (method)")


def place(folder: Path, cell: Cell) -> Path:
    """Return the folder of what all methods share: dataset, noise, protocol and seed."""
    words = path_words(cell.dataset.name, cell.degradation, cell.protocol.name, cell.seed)
    return folder / TREE.format_map(words)


def _origin(cell: Cell) -> str:
    """Return where a method comes from, which tells methods of one name apart."""
    return cell.own["command"] or cell.own["method"] or cell.method.name


def _check_images(folder: Path, cell: Cell) -> None:
    """Raise `BenchError` where images of another dataset lie already that has the name of the cell's."""
    inside = place(folder, cell) / NOISY
    if any(row.get("data") not in (None, cell.data) for row in rows_of(inside / f"{NOISY}.csv")[:1]):
        raise BenchError(
            f"{inside} holds noisy images of another {cell.dataset.name}, or of this one before it changed; give "
            "another folder, or delete that one"
        )


def needs_floats(cell: Cell) -> bool:
    """Whether the scores rest on more of an output than its 8 bits, which are all that a record holds."""
    return cell.protocol.output == "float" or "mean=" in str(cell.degradation)


def save_noisy(folder: Path, cell: Cell, ending: str = "", failed: dict[str, Exception] | None = None) -> Path:
    """Save the noisy images of a cell, and a table of them.

    Parameters
    ----------
    folder : Path
        As of `Saver`.
    cell : Cell
        Says images, noise, protocol and seed.
    ending : str
        One of `FORMATS`; empty: PNG where the protocol rounds noisy images to 8 bit, else `.npy`.
    failed : dict, optional
        Gets the error of each image that cannot be read, and is left out; otherwise it is raised.

    Returns
    -------
    Path
        The folder with the images and `noisy.csv`.

    Raises
    ------
    BenchError
        If the format would change the images, or a file cannot be written.
    """
    eight_bit = cell.protocol.noisy == "uint8" and not cell.degradation.recorded
    ending = ending or ("png" if eight_bit else "npy")
    inside = place(folder, cell) / NOISY
    _check_images(folder, cell)
    about = {
        "dataset": cell.dataset.name, "degradation": str(cell.degradation), "protocol": cell.protocol.name,
        "seed": cell.seed, "data": cell.data,
    }  # fmt: skip
    rows = []
    for sample in samples(cell, failed=failed):
        if ending == "png" and not _is_8_bit(sample.noisy):
            raise BenchError(
                f"FORMAT=png rounds and clips noisy image {sample.name}, and protocol {cell.protocol.name} does not; "
                "give PROTOCOL=clipped, or FORMAT=npy or tiff"
            )
        path = inside / f"{safe(sample.name)}.{ending}"
        _write(path, sample.noisy)
        sigma = None if sample.sigma is None else sample.sigma * 255
        name = path.relative_to(inside).as_posix()
        rows.append({"image": sample.name, "file": name, "sha256": sha256(path), "sigma": sigma, **about})
    write_csv(inside / f"{NOISY}.csv", rows)
    return inside


def noisy_images(request: Request, folder: Path, ending: str = "") -> Iterator[str | Failure]:
    """Save the noisy images that a request asks for, whatever method; yields a line for each cell, or what failed.

    Parameters
    ----------
    request : Request
        Its data, noise, protocol and seed count.
    folder, ending
        As of `save_noisy`.
    """
    cells, failures = inputs(request)
    yield from failures
    said: set[str] = set()
    for cell in cells:
        failed: dict[str, Exception] = {}
        try:
            inside = save_noisy(folder, cell, ending, failed)
            yield f"{len(cell.dataset.images) - len(failed)} noisy images in {inside}"
            lines = [line for line in understood([cell], warnings=True) if line not in said]
            said.update(lines)
            yield from (f"note: {line}" for line in lines)
            yield from (Failure(cell.request, f"image {name}: {one_line(error)}") for name, error in failed.items())
        except EXPECTED as error:
            yield Failure(cell.request, one_line(error))


def _is_8_bit(image: "np.ndarray") -> bool:
    import numpy as np

    levels = image.astype(np.float64) * 255
    return bool(np.abs(levels - np.clip(np.rint(levels), 0, 255)).max() < 1e-3)


def _write(path: Path, image: "np.ndarray") -> None:
    from bench.adapters import image_files

    with whole(path) as beside:
        image_files.write(beside, image)
