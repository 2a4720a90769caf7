"""Cells whose outputs another program wrote: the file of each image, and what cannot be true of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.adapters.outputs import Load, path_words
from bench.common.errors import BenchError, DoesNotFit
from bench.plan.cell import Cell
from methods import Method


def are_outputs(method: Method) -> bool:
    """Whether the results of a method are files that another program wrote."""
    return isinstance(method.load, Load)


def with_files(cell: Cell) -> Cell:
    """Return a cell with the files of its images, where its results are files; else the cell as it is.

    Raises
    ------
    BenchError
        If an image has no file or could have two, or something is asked for that only a method that runs can do.
    """
    load = cell.method.load
    if not isinstance(load, Load):
        return cell
    changes = cell.inference.changes(local=False)
    if changes.pop("output", "") == "255":
        raise BenchError(f"{load.where}: OUTPUT=255 is for methods that run; say white=255 behind the path")
    if changes:
        asked = ", ".join(f"{name.upper()}={value}" for name, value in changes.items())
        raise BenchError(f"{load.where}: {asked} changes how a method runs, and outputs are finished; leave it out")
    if not cell.dataset.has_clean:
        raise DoesNotFit(
            f"{load.where}: dataset {cell.dataset.name} has no references, and the score without one runs the method; "
            "outputs can be scored on images with references only",
            "outputs for images without references",
        )
    words = path_words(cell.dataset.name, cell.degradation, cell.protocol.name, cell.seed)
    assigned = load.for_images(cell.dataset.image_names(), words)
    return replace(cell, method=replace(cell.method, load=assigned))


def clashes(cells: Sequence[Cell]) -> dict[str, str]:
    """Return, by the keys of cells, why their outputs cannot be true: one file for two noisy images.

    Cells that differ in how outputs are scored may share files; cells with other images, noise or seeds may not.
    """
    uses: dict[str, list[Cell]] = {}
    for cell in cells:
        if isinstance(cell.method.load, Load):
            for file, _ in cell.method.load.files.values():
                uses.setdefault(str(file), []).append(cell)
    causes: dict[str, str] = {}
    for path, users in uses.items():
        differing = [part for part, values in _inputs(users).items() if len(values) > 1]
        if differing:
            causes |= {cell.key: _cause(cell, path, differing) for cell in users if cell.key not in causes}
    return causes


def _inputs(cells: Sequence[Cell]) -> Mapping[str, set[tuple[str, ...]]]:
    """Return what of some cells determines the noisy images, by the words of a request."""
    return {
        "dataset": {(cell.dataset.noise_name, cell.dataset.source) for cell in cells},
        "noise": {(str(cell.degradation),) for cell in cells},
        "seed": {(str(cell.seed),) for cell in cells},
        "protocol": {(cell.protocol.noise_draw, cell.protocol.noisy, cell.protocol.gray) for cell in cells},
    }


def _cause(cell: Cell, path: str, differing: Sequence[str]) -> str:
    pattern = "/".join(f"{{{part}}}" for part in differing)
    return (
        f"METHOD={cell.method.paper}: {path} would be the output for more than one {' and '.join(differing)}, and each "
        f"has its own noisy image; tell them apart in the path, as in outputs:results/{pattern}/{{name}}.png"
    )
