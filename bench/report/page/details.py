"""What is loaded when a person opens a board: the scores of its images, and all that is known of each row."""

import math
from collections.abc import Iterator
from typing import Any

import methods
from bench.common.naming import listed
from bench.judge.footnotes import footnotes
from bench.report.columns import Entry
from bench.report.leaderboard import Leaderboard
from bench.report.page.again import again
from bench.score.metrics import shown

DIGITS = {"psnr": 4, "ssim": 6, "mse": 4}
"""Decimals of the scores of images, as the page has them; more would be read by nobody, and be most of the file."""


def board_data(board: Leaderboard) -> dict[str, Any]:
    """Return what the page shows of a board beside its table, as plain data.

    Returns
    -------
    dict
        `images`: the names that all methods have; `scores`: by metric, for each method, the score of each image, None
        where there is none; `noisy`: by metric, those of the noisy images; `details`: for each method pairs of a
        heading and a text.
    """
    results = [entry.result for entry in board.entries]
    by_metric = {metric: [result.images(metric) for result in results] for metric in shown()}
    first = next(iter(by_metric.values()))
    images = [name for name in first[0] if all(name in of_method for of_method in first)]
    return {
        "images": images,
        "scores": {
            metric: [[_rounded(metric, of_method[name]) for name in images] for of_method in values]
            for metric, values in by_metric.items()
        },
        "noisy": {
            metric: [_rounded(metric, scores[name]) for name in images]
            for metric, scores in ((m, results[0].images(f"noisy_{m}")) for m in shown())
        },
        "details": [list(details(entry)) for entry in board.entries],
    }


def _rounded(metric: str, value: float) -> float | None:
    return round(value, DIGITS.get(metric, 6)) if math.isfinite(value) else None


def details(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield all that is known of a row: a heading and a text."""
    result = entry.result
    about, net = result.about, result.about["net"]
    weights = about["weights"]
    yield "Measure it again", again(result)
    for metric, verdict in entry.verdicts.items():
        title = shown()[metric].title if metric in shown() else metric
        yield f"{title} and the paper", f"{verdict.title}: {verdict.reason}"
    if address := entry.verdict and entry.verdict.published.address:
        yield "Source of the number", address
    yield "Method", _described(about)
    yield "Paper", about["paper"]
    if weights:
        yield "Weights", ", ".join(filter(None, (weights["url"] or weights["path"], f"licence: {weights['licence']}")))
    yield "Protocol", f"{result.protocol}: {result.rules.summary(drawn=about['random'])}"
    yield "Sigma", _sigma(result.about)
    if net["trained"]:
        low, high = net["trained"]
        ends = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        yield "Trained on sigma", ends + (f"; sets {', '.join(net['trained_on'])}" if net["trained_on"] else "")
    deviation = result.deviation("psnr")
    spread = f"; PSNR ± {deviation:.2g} dB over them" if math.isfinite(deviation) else ""
    yield "Seeds", listed(result.seeds) + spread
    seconds = result.mean("seconds")
    if math.isfinite(seconds) and result.runtime:
        yield "Time", f"{seconds:.3g} s an image; {result.runtime}; {about['machine']}"
    yield from _costs(about)
    if lines := footnotes([result]):
        yield "Mind", "\n".join(lines)


def _described(about: dict[str, Any]) -> str:
    method = methods.available().get(about["method"])
    return ", ".join(filter(None, (method.title if method else about["label"], about["net"]["id"])))


def _sigma(about: dict[str, Any]) -> str:
    told = {
        "known": "told to the method",
        "said": "the method was told another, by SIGMA",
        "estimated": "the method was told an estimate from each image",
        "not told": "not told to the method",
    }[about["told_sigma"]]
    return f"{about['sigma']:g}, {told}" if about["sigma"] is not None else told


def _costs(about: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if about.get("parameters"):
        yield "Parameters", f"{about['parameters']:,}"
    if about.get("macs_per_megapixel"):
        yield "Multiply-accumulates", f"{about['macs_per_megapixel'] / 1e9:.4g} billion a megapixel"
    if about.get("bytes_per_pixel"):
        yield "Activations", f"{about['bytes_per_pixel']:.4g} bytes a pixel"
    if about.get("peak_memory"):
        yield "Largest memory", f"{about['peak_memory'] / 2**20:.0f} MiB, of the whole process"
