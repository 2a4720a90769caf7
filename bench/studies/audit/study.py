"""`make audit`: what makes a comparison unfair, found in the pixels.

Test images (or a crop, mirror image, rotation, smaller or JPEG copy) in training sets, scenes that several test sets
hold, and copies of a test image that differ.
"""

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
from bench.common.errors import BenchError, one_line
from bench.common.naming import distinct_names
from bench.judge.audit_findings import Finding, summary, write
from bench.plan import fingerprint
from bench.plan.cell import Failure
from bench.plan.resolve import dataset_words, known_dataset
from bench.store.study_files import without_machine, write_about
from bench.studies.naming import stem
from datasets import Dataset

if TYPE_CHECKING:
    from bench.studies.audit.exact import Candidate, Place
    from bench.studies.audit.features import Gallery
    from bench.studies.audit.verify import Comparison

TRAINING = "train:"
"""Before a word on DATA: methods are trained on it."""


def build(data: str, out: Path, table: Path | None = None) -> Iterator[str | Failure]:
    """Audit datasets and write what was found; yield lines to print, and what could not be looked at.

    Parameters
    ----------
    data : str
        A comma list of datasets, folders and archives of images; ``train:`` before one says that methods are trained
        on it. Empty or ``all``: every registered dataset whose files are on this machine.
    out : Path
        The folder of results; the table of findings goes to ``audit/`` in it.

    Raises
    ------
    BenchError
        If no test set can be read.
    """
    from bench.studies.audit.features import gallery

    everything = data.strip() in ("", "all")
    galleries: list[Gallery] = []
    read: list[tuple[str, str, bool]] = []
    failures: list[Failure] = []
    for name, dataset, training in _chosen(list(datasets.available()) if everything else dataset_words(data)):
        if everything and isinstance(dataset, Dataset) and not _is_here(dataset):
            yield f"skipped  {name}: its files are not on this machine; name it in DATA to download it"
            continue
        try:
            if not isinstance(dataset, Dataset):
                raise dataset
            galleries.append(gallery(dataset, name, training=training))
            read.append((name, fingerprint.of_data(dataset), training))
        except (BenchError, ValueError, OSError) as error:
            failures.append(Failure({"dataset": name}, one_line(error)))
            continue
        role = "training" if training else "test"
        yield f"read     {name}: {len(galleries[-1])} {role} images, {len(galleries[-1].points)} keypoints"
    if not any(not found.training for found in galleries):
        causes = "; ".join(failure.cause for failure in failures) or "name at least one, as in DATA=set12,train400"
        raise BenchError(f"DATA={data}: no test set could be read: {causes}")
    yield from failures
    tests = sum(len(found) for found in galleries if not found.training)
    yield f"compare  {tests} test images with {sum(map(len, galleries))} images; some minutes for a thousand"
    findings = audit(galleries)
    title = ["all"] if everything else [name for name, *_ in read]
    path = Path(f"{stem(out / 'audit', title, (), read=read)}.csv")
    for file in filter(None, (path, table)):
        write(findings, file)
    typed = "all" if everything else ",".join(map(_typed, dataset_words(data)))
    names = "all datasets that were there" if everything else ", ".join(title)
    write_about(path.with_suffix(""), names, f"make audit DATA={shlex.quote(typed)}")
    yield from summary(findings, {found.dataset: len(found) for found in galleries})
    yield f"{len(findings)} findings in {table or path}"


def audit(galleries: "Sequence[Gallery]") -> list[Finding]:
    """Compare every test image with every training image and with every other test image.

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
    from bench.studies.audit.matching import candidates, transforms

    def wanted(first: "Place", second: "Place") -> bool:
        return galleries[second.gallery].training or (first.gallery, first.image) < (second.gallery, second.image)

    for route in (Blocks(galleries), Thumbnails(galleries)):
        for query in queries:
            for candidate in route.candidates(query, galleries[query.gallery].gray(query.image)):
                if wanted(*candidate[:2]):
                    yield candidate
    for first, second, flip in candidates(galleries, queries):
        if wanted(first, second):
            for found in transforms(galleries, first, second, flip):
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
    from bench.studies.audit.relation import place_of, problem_of, relation_of

    one, other = galleries[first.gallery], galleries[second.gallery]
    shapes = [(int(g.sizes[p.image, 0]), int(g.sizes[p.image, 1])) for g, p in ((one, first), (other, second))]
    return Finding(
        problem_of(found, one.dataset, same=first.gallery == second.gallery, training=other.training),
        one.dataset,
        one.names[first.image],
        other.dataset,
        other.names[second.image],
        relation_of(found),
        round(found.share, 4),
        round(found.correlation, 4),
        found.maximum,
        found.equal if math.isnan(found.equal) else round(found.equal, 4),
        place_of(found, shapes[0], shapes[1]),
    )


def _chosen(requested: Sequence[str]) -> Iterator[tuple[str, Dataset | Exception, bool]]:
    """Return of each word a name that tells its dataset apart, the dataset or why there is none, and its role."""
    found: list[tuple[str, Dataset | Exception]] = []
    for word in requested:
        try:
            found.append((word, known_dataset(word.removeprefix(TRAINING))))
        except (BenchError, ValueError, OSError) as error:
            found.append((word, error))
    names = [dataset.name if isinstance(dataset, Dataset) else word for word, dataset in found]
    paths = [dataset.source if isinstance(dataset, Dataset) else "" for _, dataset in found]
    for name, (word, dataset) in zip(distinct_names(names, paths), found, strict=True):
        # A validation set is held out, too.
        held_out = isinstance(dataset, Dataset) and (dataset.role == "test" or dataset.name.endswith("-val"))
        yield name, dataset, word.startswith(TRAINING) or not held_out


def _typed(word: str) -> str:
    """Return a word on DATA without whose machine it is: of a path the last four parts."""
    training, name = (TRAINING, word.removeprefix(TRAINING)) if word.startswith(TRAINING) else ("", word)
    return training + (name if name in datasets.available() else without_machine(name))


def _is_here(dataset: Dataset) -> bool:
    """Whether all files of a dataset's pictures are on this machine."""
    from bench.common.files import cache_folder, mirrors

    folders = [folder / "data" for folder in (cache_folder(), *mirrors())]
    files = {part.file.path: part.file for image in dataset.images for part in (image.clean or image.noisy,) if part}
    return all(
        Path(file.local).is_file() if file.local else any((folder / path).is_file() for folder in folders)
        for path, file in files.items()
    )
