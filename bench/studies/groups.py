"""The cells that a study compares with each other: those that see the same noisy images."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.common.errors import BenchError
from bench.common.naming import distinct_names
from bench.plan import fingerprint
from bench.plan.cell import Cell, Failure
from bench.plan.resolve import dataset_words, ready_datasets
from bench.run.images import spread
from bench.store.records import Store
from bench.studies.naming import method_identity


@dataclass(frozen=True)
class Group:
    """Cells of one dataset, degradation and protocol."""

    # What they share, as a request has it: `dataset`, `degradation`, `protocol`, and `seed` where seeds are apart.
    # Datasets of one name are told apart.
    about: dict[str, str]
    # The cells of each method by its name in tables, one a seed, in the order of the request. Methods of one name are
    # told apart.
    methods: dict[str, list[Cell]]

    @property
    def cells(self) -> list[Cell]:
        """All cells."""
        return [cell for cells in self.methods.values() for cell in cells]

    @property
    def first(self) -> Cell:
        """The first cell of the first method."""
        return next(iter(self.methods.values()))[0]


def check_whole(cells: Sequence[Cell], command: str) -> None:
    """Refuse protocols that score a part of the image, where a study measures all of it.

    Raises
    ------
    BenchError
        If a cell has such a protocol.
    """
    for cell in cells:
        if cell.protocol.channel != "rgb" or cell.protocol.crop not in (0, "scale"):
            raise BenchError(
                f"PROTOCOL={cell.protocol.name}: make {command} measures every channel and pixel; leave channel and "
                "crop out"
            )


def unusable(causes: Mapping[str, str], data: str) -> Iterator[str | Failure]:
    """Say which datasets a study cannot use: a failure for each that was named, a line that counts those of ``"all"``.

    Parameters
    ----------
    causes : mapping
        Why, by the names of the datasets.
    data : str
        As typed on DATA.
    """
    words = dataset_words(data)
    of_all = [name for name in causes if "all" in words and name in ready_datasets() and name not in words]
    for name, cause in causes.items():
        if name not in of_all:
            yield Failure({"dataset": name}, cause)
    if of_all:
        yield f"left out, since they lack what this needs ({len(of_all)}): {', '.join(of_all)}"


def fewer(cell: Cell, images: int) -> Cell:
    """Return a cell with so many images of its dataset, spread evenly over it; their noise stays as it is.

    0, or as many as there are or more: the cell itself.
    """
    dataset = cell.dataset
    if not 0 < images < len(dataset.images):
        return cell
    kept = replace(dataset, images=tuple(dataset.images[i] for i in spread(images, len(dataset.images))), ledger=None)
    return replace(cell, dataset=kept, data=fingerprint.of_data(kept))


def grouped(cells: Iterable[Cell], *, seeds_apart: bool = False) -> list[Group]:
    """Put those cells together that see the same noisy images."""
    groups = []
    for name, of_it in by_dataset(cells).items():
        members: dict[tuple[str, ...], list[Cell]] = {}
        for cell in of_it:
            seed = (str(cell.seed),) if seeds_apart else ()
            members.setdefault((str(cell.degradation), cell.protocol.name, *seed), []).append(cell)
        for shared, alike in members.items():
            about = zip(("dataset", "degradation", "protocol", "seed"), (name, *shared), strict=False)
            groups.append(Group(dict(about), by_method(alike)))
    return groups


def warned(group: Group, store: Store) -> str:
    """Return what is likely wrong with the results of a group, a line each; empty where nothing seems to be.

    A cell that was finished before runs no more, and so says it nowhere else.
    """
    found = {
        f"\nWARNING: {name}: {line}": None
        for name, cells in group.methods.items()
        for cell in cells
        for line in store.get(cell, ("image",)).provenance.get("warnings", ())
    }
    return "".join(found)


def by_dataset(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each dataset, known by its content, by names that tell datasets apart."""
    members: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        members.setdefault((cell.dataset.name, cell.data), []).append(cell)
    paths = [cells[0].own["dataset"] for cells in members.values()]
    return dict(zip(distinct_names([name for name, _ in members], paths), members.values(), strict=True))


def by_method(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each method, known by its content, by names that tell methods apart."""
    members: dict[str, list[Cell]] = {}
    for cell in cells:
        members.setdefault(method_identity(cell), []).append(cell)
    own = [cells[0].own for cells in members.values()]
    labels = [cells[0].plain_label for cells in members.values()]
    paths, commands = [one["method"] for one in own], [one["command"] for one in own]
    return dict(zip(distinct_names(labels, paths, commands), members.values(), strict=True))
