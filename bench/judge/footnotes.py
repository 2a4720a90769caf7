"""Footnotes of tables: where numbers are not what they seem."""

from collections.abc import Iterator, Sequence

from bench.common.naming import listed
from bench.judge.audit_findings import Part, overlap_footnotes
from bench.judge.family import families
from bench.judge.verdict import known_nets
from bench.store.results import Result
from datasets.listing import some

SELF_SCORE = (
    "self-score estimates mean squared error plus noise variance, in squared grey levels, from held-out pixels: it "
    "ranks methods, the lower the better, where noise is independent from pixel to pixel; on photographs out of a "
    "camera it often errs (results/measured/README.md)"
)
"""Explains the order of images without a reference."""

PREDICTED_NOISE = (
    "noise dB: PSNR of the noise that the method took away, output not clipped; peak 255: the same with peak 255 for "
    "images whose white is 1 (48.13 dB more), as the CIFAR-100 study of the small RDN prints it"
)
"""Explains the two columns of noise with a mean."""


def averaged(results: Sequence[Result]) -> str:
    """Say over which seeds the numbers are means, whose they are where they differ, and what ± is.

    A degradation without chance has seed 0 whatever was asked, and says nothing of the others.
    """
    groups: dict[tuple[int, ...], list[Result]] = {}
    for result in [one for one in results if one.about["random"]] or results:
        groups.setdefault(tuple(result.seeds), []).append(result)
    several = "; ± is the standard deviation over them" * any(len(seeds) > 1 for seeds in groups)
    if len(groups) == 1:
        (seeds,) = groups
        return f"mean over seeds {listed(seeds)}{several}"
    labels = [{result.label for result in group} for group in groups.values()]
    shared = {label for label in set[str]().union(*labels) if sum(label in group for group in labels) > 1}

    def named(result: Result) -> str:
        where = f" on {result.dataset}, {result.noise}" if result.label in shared else ""
        return f"{result.label}{where}"

    whose = (f"{listed(seeds)} of {some(list(dict.fromkeys(map(named, of))))}" for seeds, of in groups.items())
    return f"seeds differ: mean over seeds {'; over seeds '.join(whose)}{several}"


def seeds_said(results: Sequence[Result]) -> bool:
    """Whether a table that says no seeds must say `averaged`: they are several, or not the same of all."""
    random = [tuple(result.seeds) for result in results if result.about["random"]]
    return len(set(random)) > 1 or any(len(seeds) > 1 for seeds in random)


def footnotes(results: Sequence[Result]) -> list[str]:
    """Return the footnotes of a table of results, a line each.

    They warn of results that are likely false, say how a person's things were understood, and which of their files is
    one that is registered, name methods whose numbers deviate from the published ones throughout, methods that were
    given an estimate of sigma, networks that onnxruntime could not run, and test images that stand, whole or in part,
    in a set that the method was trained on or in another test set of the table (`bench.judge.audit_findings`).
    """
    lines = _remarks(results, "warnings", "WARNING: ") + _of_images(results) + _remarks(results, "notes")
    lines += [str(family) for family in families(results) if family.systematic]
    lines += [*_known_files(results), *_estimates(results), *_fallbacks(results)]
    names = list(dict.fromkeys(result.dataset for result in results))
    parts = _parts(results)
    for name in names:
        here = [result for result in results if result.dataset == name]
        trained_on = {result.label: tuple(result.about["net"]["trained_on"]) for result in here}
        lines += overlap_footnotes([name], trained_on, parts)
    lines += overlap_footnotes(names, {}, parts)
    return list(dict.fromkeys(lines))


def _remarks(results: Sequence[Result], kind: str, head: str = "") -> list[str]:
    """Return what the records say in their `notes` or `warnings`, each line once with all results that say it."""
    sayers: dict[str, list[str]] = {}
    for result in results:
        for line in remarks(result, kind):
            sayers.setdefault(line, []).append(f"{result.label} on {result.dataset}, {result.noise}")
    return [f"{head}{'; '.join(dict.fromkeys(who))}: {line}" for line, who in sayers.items()]


def remarks(result: Result, kind: str) -> list[str]:
    """Return the lines of one kind, `notes` or `warnings`, that the records of a result hold."""
    return list(dict.fromkeys(line for record in result.records for line in record.provenance.get(kind, ())))


def _of_images(results: Sequence[Result]) -> list[str]:
    """Return how a person's images were understood, by dataset."""
    return [f"{result.dataset}: {note}" for result in results for note in result.about["dataset"].get("notes", ())]


def _parts(results: Sequence[Result]) -> dict[str, Part]:
    """Return which set the parts of sets are of, and which images they have."""
    wholes = {result.dataset: str(result.about["dataset"].get("noise_name", "")) for result in results}
    parts = {name: whole for name, whole in wholes.items() if whole not in ("", name)}
    images = {result.dataset: result.images("seconds").keys() for result in results if result.dataset in parts}
    return {name: (whole, images[name]) for name, whole in parts.items()}


def _known_files(results: Sequence[Result]) -> Iterator[str]:
    """Name the net whose registered weights a person's own file has, to the byte, and warn where it is no net for it.

    Such a result has no published numbers, since they were asked for under another name, or for another noise.
    """
    for result in results:
        method, net = next(iter(known_nets(result)), ("", None))
        if net is None:
            continue
        own, sigma = result.about["weights"], result.about["sigma"]
        wrong = sigma is not None and not net.covers(sigma)
        trained = f", trained for sigma {'-'.join(f'{s:g}' for s in dict.fromkeys(net.trained))}" if net.trained else ""
        yield (
            f"{'WARNING: ' * wrong}{result.label} on {result.dataset}, {result.noise}: {own['path']} is the file of "
            f"{net.label} ({net.id}{trained}); METHOD={method} has its published numbers"
        )


def _estimates(results: Sequence[Result]) -> list[str]:
    estimated: dict[tuple[str, str, str], dict[str, None]] = {}
    for result in results:
        if result.about["told_sigma"] == "estimated":
            values = result.images("told_sigma").values()
            span = f"{min(values):.1f} to {max(values):.1f}"
            estimated.setdefault((result.dataset, result.noise, span), {})[result.label] = None
    return [
        f"{dataset}, {noise}: {', '.join(labels)} told an estimate of sigma, from each image itself ({span})"
        for (dataset, noise, span), labels in estimated.items()
    ]


def _fallbacks(results: Sequence[Result]) -> list[str]:
    labels: dict[str, list[str]] = {}
    for result in results:
        for reason in {record.provenance["fallback"] for record in result.records} - {""}:
            labels.setdefault(reason, []).append(result.label)
    return [
        f"{', '.join(dict.fromkeys(group))} ran in PyTorch, since onnxruntime cannot: {reason}"
        for reason, group in labels.items()
    ]
