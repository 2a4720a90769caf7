"""The paragraph of a paper that states how its numbers were measured, from the records alone."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bench.common.errors import visible
from bench.common.latex import latex_breakable
from bench.degradation import KINDS, PAIRS
from bench.judge.paired import LEVEL
from bench.plan.protocol import CHOICES
from bench.report.leaderboard import Leaderboard
from bench.report.paper.references import (
    BENCHMARK,
    HOLM,
    SSIM,
    WILCOXON,
    Reference,
    of,
    of_dataset,
    of_method,
)  # fmt: skip
from bench.score.metrics import WINDOW, WINDOW_SIGMA, decibels
from bench.store.results import Result

_RULES: Mapping[str, Mapping[str, str]] = {
    "noise_draw": {
        "independent": "the noise of each image is drawn independently, from the seed and the image's name",
        "reset": "the generator of NumPy is reset to the seed before each image, so that images of one size share one "
        "field of noise",
    },
    "noisy": {
        "float": "noisy images are neither clipped nor quantised",
        "clip": "noisy images are clipped to [0, 255], and not quantised",
        "uint8": "noisy images are clipped to [0, 255] and rounded to 8 bit",
    },
    "output": {
        "uint8": "outputs are clipped to [0, 255] and rounded to 8 bit before they are scored",
        "float": "outputs are clipped to [0, 255], and not rounded, before they are scored",
        "unclipped": "outputs are neither clipped nor rounded before they are scored",
    },
    "channel": {"rgb": "colour images are scored on their three channels together"},
}
"""What a paper says of the choices of a protocol; of others, what `CHOICES` says."""

_OPEN, _CLOSE = "\x02", "\x03"
"""Stand around the keys of a citation, until it is known what the text is for."""

_CITATION = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


def to_latex(boards: Sequence[Leaderboard]) -> str:
    """Return the paragraph in LaTeX, with citations of `references.bib`, a sentence a line."""
    return "\n".join(_in_latex(sentence) for sentence in sentences(boards)) + "\n"


def to_text(boards: Sequence[Leaderboard]) -> str:
    """Return the paragraph as plain text; the keys of its citations stand in brackets."""
    return "\n".join(visible(_CITATION.sub(r" [\1]", sentence)) for sentence in sentences(boards)) + "\n"


def sentences(boards: Sequence[Leaderboard]) -> list[str]:
    """Return the sentences, each true of all that it names; what differs between results has one sentence each."""
    results = [row.result for board in boards for row in board.entries]
    said = [
        *_compared(results),
        *_noise(results),
        *_protocol(results),
        *_seeds(results),
        *_metrics(results),
        *_knowledge(results),
        *_inference(results),
        *_left_out(results),
        *_hardware(results),
    ]
    return [f"{line[0].upper()}{line[1:]}." for line in said]


def _in_latex(sentence: str) -> str:
    pieces = _CITATION.split(sentence)  # text and keys by turns
    return "".join(rf"~\cite{{{piece}}}" if i % 2 else latex_breakable(piece) for i, piece in enumerate(pieces))


def _cite(found: Iterable[Reference]) -> str:
    keys = ",".join(one.key for one in found)
    return f"{_OPEN}{keys}{_CLOSE}" if keys else ""


def _compared(results: Sequence[Result]) -> Iterator[str]:
    methods = {_method(result): _cite(of_method(result)) for result in results}
    datasets = {_dataset(result): _cite(of_dataset(result)) for result in results}
    sizes: dict[str, int] = {}
    for result in results:
        size = len(result.records[0].images) + len(result.about.get("failed_images", ()))
        sizes[_dataset(result)] = max(size, sizes.get(_dataset(result), 0))
    named = [f"{name}{keys}" for name, keys in methods.items()]
    on = [f"{name}{keys}{_count(name, sizes[name])}" for name, keys in datasets.items()]
    verb = "compare" if len(named) > 1 else "measure"
    yield f"we {verb} {_list(named)} on {_list(on)} with denoising-bench{_cite(of(BENCHMARK))}"


def _count(name: str, images: int) -> str:
    """Say how many images a set has, where its name does not."""
    return "" if re.search(r"\d [a-z ]*images\b", name) else f" ({images} image{'s' * (images > 1)})"


def _noise(results: Sequence[Result]) -> Iterator[str]:
    """Yield how images are made noisy: for each kind, the levels that are of the same datasets."""
    for kind, of_kind in _by(results, lambda one: one.about["kind"]).items():
        by_levels: dict[tuple[str, ...], list[Result]] = {}
        for group in _by(of_kind, _dataset).values():
            levels = {one.degradation: float(one.about["strength"] or 0) for one in group}
            by_levels.setdefault(tuple(sorted(levels, key=lambda level: (levels[level], level))), []).extend(group)
        for levels_of_it, group in by_levels.items():
            yield _for(group, results) + _of_kind(str(kind), levels_of_it)


def _of_kind(kind: str, levels: Sequence[str]) -> str:
    if kind == PAIRS:
        return "the noisy images are those of the dataset"
    if all(re.fullmatch(r"gaussian:[\d.]+", level) for level in levels):
        sigmas = _list([level.partition(":")[2] for level in levels])
        return f"additive white Gaussian noise of standard deviation σ = {sigmas} is added, images from 0 to 255"
    about = f" ({KINDS[kind].summary})" if kind in KINDS else ""
    return f"images are degraded by {_list(levels)}{about}"


def _protocol(results: Sequence[Result]) -> Iterator[str]:
    """Yield the choices of the protocol: one sentence where all results have the same, and one for each where not."""
    scored = [one for one in results if one.has_reference]
    concerned = {
        "noise_draw": [one for one in results if one.about["random"]],
        "noisy": [one for one in results if one.about["random"]],
        "output": scored,
        "crop": [one for one in scored if one.rules.crop],
        "channel": [one for one in scored if one.about["dataset"]["colour"] == "rgb" and one.rules.gray == "none"],
        "gray": [one for one in results if one.rules.gray != "none"],
    }
    for choice, group in concerned.items():
        for value, those in _by(group, partial(_choice, choice)).items():
            yield _for(those, group if choice in ("noise_draw", "noisy", "output") else results) + _rule(choice, value)


def _rule(choice: str, value: Any) -> str:
    if choice == "crop":
        width = "as wide as the factor of the reduction" if value == "scale" else f"of {value} pixels"
        return f"a border {width} is left out of the scores"
    if said := _RULES.get(choice, {}).get(value):
        return said
    said = CHOICES[choice][value]
    if choice == "noise_draw":
        return f"the generator of noise is reset ({said})"
    return f"colour images are {said}" if choice in ("channel", "gray") else said


def _choice(choice: str, result: Result) -> Hashable:
    return getattr(result.rules, choice)


def _seeds(results: Sequence[Result]) -> Iterator[str]:
    random = [one for one in results if one.about["random"]]
    for seeds, group in _by(random, lambda one: tuple(one.seeds)).items():
        several = f"are means over the seeds {_list([str(seed) for seed in seeds])}"
        yield f"{_for(group, random)}numbers {several if len(seeds) > 1 else f'are of seed {seeds[0]}'}"


def _metrics(results: Sequence[Result]) -> Iterator[str]:
    if not any(one.has_reference for one in results):
        return
    yield f"PSNR has peak 255, is at most {decibels(0):.2f} dB, and is the mean of that of the images"
    yield (
        f"SSIM{_cite(of(SSIM))} has a Gaussian window of {WINDOW}×{WINDOW} pixels and standard deviation "
        f"{WINDOW_SIGMA:g}, and is averaged over channels"
    )
    yield (
        "best and second are marked where the images tell them from all that follow: Wilcoxon's signed-rank test of "
        f"paired differences{_cite(of(WILCOXON))}, corrected by Holm's method{_cite(of(HOLM))}, p < {LEVEL:g}"
    )


def _knowledge(results: Sequence[Result]) -> Iterator[str]:
    """Yield which methods are told the noise level."""
    said = {"known": "the true σ", "said": "a σ chosen by hand", "estimated": "an estimate of σ from each noisy image"}
    for told, group in _by(results, lambda one: one.about["told_sigma"]).items():
        labels = list(dict.fromkeys(map(_method, group)))
        everywhere = [one for one in results if _method(one) in labels]
        if told in said:
            place = "" if len(everywhere) == len(group) else f" ({_boards(group)})"
            yield f"{said[told]} is told to {_list(labels)}{place}"


def _inference(results: Sequence[Result]) -> Iterator[str]:
    """Yield what of a method's run is not the usual: self-ensemble, precision, tiles."""
    words = {
        "ensemble": "outputs are the mean over {} flips and rotations of the image",
        "precision": "outputs are computed in {}",
        "tile": "images are run in tiles of {0}×{0} pixels",
    }
    for name, text in words.items():
        changed = [one for one in results if name in one.about["identity"].get("inference", {})]
        for value, group in _by(changed, partial(_change, name)).items():
            yield f"with {_list(list(dict.fromkeys(map(_method, group))))}, {text.format(value)}"


def _change(name: str, result: Result) -> Hashable:
    return result.about["identity"]["inference"][name]


def _left_out(results: Sequence[Result]) -> Iterator[str]:
    for one in results:
        if one.failed_images:
            where = f"on {_dataset(one)} with {one.degradation}, the mean of {_method(one)}"
            yield f"{where} is of {one.counted} images, since it failed on others"


def _hardware(results: Sequence[Result]) -> Iterator[str]:
    """Yield machines, runtimes and versions; of a package of several versions, all of them."""
    ran = [one for one in results if one.about["runtime"]]  # the rest are outputs of another program
    for (machine, device), group in _by(ran, lambda one: (one.about["machine"], one.about["device"])).items():
        where = machine if device == "cpu" else f"{device} ({machine})"
        yield f"{_for(group, ran)}methods ran on {where}"
    versions: dict[str, dict[str, None]] = {}
    for one in results:
        for package, version in one.about["identity"].get("packages", {}).items():
            versions.setdefault(package, {})[version] = None
    listed = [f"{package} {' and '.join(sorted(found))}" for package, found in sorted(versions.items())]
    commits = sorted({str(one.about["commit"])[:7] for one in results if one.about["commit"]})
    code = f", at commit{'s' * (len(commits) > 1)} {_list(commits)} of the benchmark" if commits else ""
    if listed:
        yield f"versions are {_list(listed)}{code}"


def _by(results: Iterable[Result], value: Callable[[Result], Hashable]) -> dict[Any, list[Result]]:
    groups: dict[Any, list[Result]] = {}
    for result in results:
        groups.setdefault(value(result), []).append(result)
    return groups


def _for(group: Sequence[Result], everything: Sequence[Result]) -> str:
    """Return of which results a sentence is, ``"for Set12, "``; empty where it is of all."""
    if len(group) == len(everything):
        return ""
    inside = set(map(id, group))
    for kind, name in (("", _dataset), ("the protocol ", lambda one: one.protocol), ("", _method)):
        names = list(dict.fromkeys(map(name, group)))
        if all(id(one) in inside for one in everything if name(one) in names):
            return f"for {kind}{_list(names)}, "
    return f"for {_boards(group)}, "


def _boards(group: Sequence[Result]) -> str:
    return "; ".join(
        f"{_list(list(dict.fromkeys(map(_method, those))))} on {dataset} with {noise}, protocol {protocol}"
        for (dataset, noise, protocol), those in _by(
            group, lambda one: (_dataset(one), one.degradation, one.protocol)
        ).items()
    )


def _method(result: Result) -> str:
    return _plain(result.label)


def _dataset(result: Result) -> str:
    return _plain(result.dataset_name or str(result.about["dataset"]["title"]))


def _plain(text: str) -> str:
    """Return a name without the letters that stand for something here."""
    return text.translate({ord(letter): None for letter in (_OPEN, _CLOSE)})


def _list(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    Examples
    --------
    >>> _list(["a"]), _list(["a", "b"]), _list(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
