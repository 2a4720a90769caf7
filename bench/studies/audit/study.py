"""`make audit`: what makes a comparison unfair, found in the pixels.

Test images (or a crop, mirror image, rotation, smaller or JPEG copy) in training sets, scenes that several test sets
hold, and copies of a test image that differ.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common.errors import BenchError, one_line
from bench.judge.audit_findings import COMMITTED, Finding, read, summary, write

if TYPE_CHECKING:
    from bench.studies.audit.exact import Candidate, Place
    from bench.studies.audit.features import Gallery
    from bench.studies.audit.verify import Comparison
    from datasets import Dataset

__all__ = ["COMMITTED", "Finding", "audit", "build", "read"]


def build(data: str, out: Path, table: Path | None = None) -> Iterator[str]:
    """Audit datasets and write what was found; yield lines to print.

    Parameters
    ----------
    data : str
        A comma list of datasets and folders of images; ``train:`` before one says that methods are trained on it.
        Empty or ``all``: every registered dataset whose files are on this machine.
    out : Path
        The folder that gets `audit.csv`.
    table : Path, optional
        Where the table goes instead.

    Raises
    ------
    BenchError
        If a word names nothing, or no dataset can be read.
    """
    from bench.studies.audit.features import gallery

    galleries: list[Gallery] = []
    for dataset, training in _chosen(data):
        if data.strip() in ("", "all") and not _is_here(dataset):
            yield f"skipped  {dataset.name}: its files are not on this machine; name it in DATA to download it"
            continue
        try:
            galleries.append(gallery(dataset, training=training))
        except (BenchError, ValueError) as error:
            yield f"skipped  {dataset.name}: {one_line(error)}"
            continue
        found = galleries[-1]
        role = "training" if training else "test"
        yield f"read     {dataset.name}: {len(found)} {role} images, {len(found.points)} keypoints"
    if not any(not found.training for found in galleries):
        raise BenchError(f"DATA={data}: no test set could be read; name at least one, for example DATA=set12,train400")
    tests = sum(len(found) for found in galleries if not found.training)
    yield f"compare  {tests} test images with {sum(map(len, galleries))} images; some minutes for a thousand"
    findings = audit(galleries)
    place = table or out / "audit.csv"
    write(findings, place)
    yield from summary(findings, {found.dataset: len(found) for found in galleries})
    yield f"{len(findings)} findings in {place}"


def audit(galleries: "Sequence[Gallery]") -> list[Finding]:
    """Compare every test image with every training image and with every other test image.

    Parameters
    ----------
    galleries : sequence of Gallery
        The datasets, see `bench.studies.audit.features.gallery`.

    Returns
    -------
    list of Finding
        Sorted by problem and names; the best match of a pair of images.
    """
    from bench.studies.audit.exact import Place

    queries = [Place(g, i) for g, found in enumerate(galleries) if not found.training for i in range(len(found))]
    best: dict[tuple[Place, Place], Comparison] = {}
    for first, second, supposed in _candidates(galleries, queries):
        known = best.get((first, second))
        if known is not None and (known.on_grid or known.share * known.correlation > 0.98):
            continue
        found = _compared(galleries, first, second, supposed)
        if found is not None and (known is None or _goodness(found) > _goodness(known)):
            best[first, second] = found
    return sorted(_finding(galleries, *pair, found) for pair, found in best.items())


def _candidates(galleries: "Sequence[Gallery]", queries: "Sequence[Place]") -> "Iterator[Candidate]":
    """Yield the pairs to look at closely, the cheapest and surest first; a pair of test images once."""
    from bench.studies.audit.exact import Blocks, Thumbnails
    from bench.studies.audit.matching import candidates, transform

    def wanted(first: "Place", second: "Place") -> bool:
        return galleries[second.gallery].training or (first.gallery, first.image) < (second.gallery, second.image)

    for route in (Blocks(galleries), Thumbnails(galleries)):
        for query in queries:
            for candidate in route.candidates(query, galleries[query.gallery].gray(query.image)):
                if wanted(*candidate[:2]):
                    yield candidate
    for first, second, flip in candidates(galleries, queries):
        if wanted(first, second):
            found = transform(galleries, first, second, flip)
            if found is not None:
                yield first, second, found


def _compared(
    galleries: "Sequence[Gallery]", first: "Place", second: "Place", transform: object
) -> "Comparison | None":
    from bench.studies.audit.verify import compare

    one, other = (galleries[place.gallery].gray(place.image) for place in (first, second))
    return compare(one, other, transform)  # type: ignore[arg-type]


def _goodness(found: "Comparison") -> tuple[bool, float]:
    return found.on_grid, found.share * found.correlation


def _finding(galleries: "Sequence[Gallery]", first: "Place", second: "Place", found: "Comparison") -> Finding:
    from bench.studies.audit.wording import problem, relation, where

    one, other = galleries[first.gallery], galleries[second.gallery]
    shapes = [(int(g.sizes[p.image, 0]), int(g.sizes[p.image, 1])) for g, p in ((one, first), (other, second))]
    return Finding(
        problem(found, one.dataset, same=first.gallery == second.gallery, training=other.training),
        one.dataset,
        one.names[first.image],
        other.dataset,
        other.names[second.image],
        relation(found),
        round(found.share, 4),
        round(found.correlation, 4),
        found.maximum,
        found.equal if math.isnan(found.equal) else round(found.equal, 4),
        where(found, shapes[0], shapes[1]),
    )


def _chosen(data: str) -> "Iterable[tuple[Dataset, bool]]":
    import datasets
    from bench.common.parsing import split, unknown

    known = datasets.available()
    words = list(known) if data.strip() in ("", "all") else split(data)
    chosen: dict[str, tuple[Dataset, bool]] = {}
    for word in words:
        name = word.removeprefix("train:")
        if name in known:
            dataset = known[name]
        elif Path(name).expanduser().exists():
            from datasets.from_path import from_path

            dataset = from_path(Path(name).expanduser())
        else:
            raise unknown("dataset", name, known, "; see make list, or give the path of a folder of images")
        # A validation set is held out, too.
        held_out = dataset.role == "test" or dataset.name.endswith("-val")
        chosen[dataset.name] = dataset, not held_out or name != word
    return chosen.values()


def _is_here(dataset: "Dataset") -> bool:
    """Whether all files of a dataset's pictures are on this machine."""
    from bench.common.files import cache_folder, mirrors

    folders = [folder / "data" for folder in (cache_folder(), *mirrors())]
    files = {part.file.path: part.file for image in dataset.images for part in (image.clean or image.noisy,) if part}
    return all(
        Path(file.local).is_file() if file.local else any((folder / path).is_file() for folder in folders)
        for path, file in files.items()
    )
