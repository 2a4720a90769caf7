"""What a reader of a table must know: where its numbers are not what they seem."""

from collections.abc import Sequence

from bench.store.results import Result

SELF_SCORE = (
    "self-score estimates mean squared error plus noise variance, in squared grey levels, from held-out pixels: it "
    "ranks methods, the lower the better, where noise is independent from pixel to pixel; on photographs out of a "
    "camera it often errs (results/measured/README.md)"
)
"""What tables of images without a reference say of their order."""


PREDICTED_NOISE = (
    "noise dB: PSNR of the noise that the method took away, output not clipped; peak 255: the same with peak 255 for "
    "images whose white is 1 (48.13 dB more), as the CIFAR-100 study of the small RDN prints it"
)
"""What tables of noise with a mean say of their two columns."""


def notes(results: Sequence[Result]) -> list[str]:
    """Return footnotes for a table of results, a line each.

    Where a method was told an estimate of sigma; where a test image, or a part of it, stands in a set that
    the method was trained on or in another test set of the table (`bench.studies.audit.study`).
    """
    from bench.studies.audit.study import notes as found

    lines = _estimates(results)
    names = list(dict.fromkeys(result.dataset for result in results))
    for name in names:
        here = [result for result in results if result.dataset == name]
        lines += found([name], {result.label: tuple(result.about["net"]["trained_on"]) for result in here})
    lines += found(names, {})  # what several test sets hold
    return list(dict.fromkeys(lines))


def _estimates(results: Sequence[Result]) -> list[str]:
    told: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        if result.about["told_sigma"] == "estimated":
            values = result.images("told_sigma").values()
            span = f"{min(values):.1f} to {max(values):.1f}"
            told.setdefault((result.dataset, result.noise, span), []).append(result.label)
    return [
        f"{dataset}, {noise}: {', '.join(labels)} told an estimate of sigma, from each image itself ({span})"
        for (dataset, noise, span), labels in told.items()
    ]
