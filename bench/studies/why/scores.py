"""The score of one image under choices of output, channel, crop, peak and window; what is shared is computed once."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from bench.score.metrics import LEAST_MSE
from bench.studies.why.choices import CROPS, Choices
from bench.studies.why.outputs import OUTPUT, channels_of
from bench.studies.why.structure import KINDS, Moments, means, moments, similarity, smaller

if TYPE_CHECKING:
    import numpy as np

FIXED = {"255": 255.0, "256": 256.0, "254": 254.0, "235": 235.0, "219": 219.0, "100": 100.0, "1": 1.0}
FIXED |= {"unit": 255.0**2, "2": 510.0, "unsquared": 255.0**0.5, "summed": 255.0 / 3**0.5}
"""Peaks in grey levels."""


def _overflow(clean: "np.ndarray", scored: "np.ndarray") -> "np.ndarray":
    """Return the square of the difference of two images of type uint8, as that type holds it."""
    import numpy as np

    return (np.rint(clean) - np.rint(scored)) ** 2 % 256


ERROR: "Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]" = {
    "square": lambda clean, scored: (clean - scored) ** 2,
    "overflow": _overflow,
    "absolute": lambda clean, scored: abs(clean - scored),
}
"""``function(clean, scored)`` returns the map whose mean is called the mean squared error."""


class Scored:
    """One image: its reference, what the method got, and what it gave.

    Parameters
    ----------
    clean, noisy, output : ndarray, shape (H, W, C)
        Grey levels, 255 = white, the latter two not clipped.
    """

    def __init__(self, clean: "np.ndarray", noisy: "np.ndarray", output: "np.ndarray") -> None:
        self.clean, self.noisy, self.output = clean, noisy, output
        self._pairs: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        self._rings: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._moments: dict[tuple[str, str, str], Moments] = {}
        self._means: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def number(self, choices: Choices, metric: str) -> float:
        """Return the PSNR (dB), the mean squared error or the SSIM of the image."""
        if metric == "ssim":
            return self._ssim(choices)
        error = self._error(choices)
        return error if metric == "mse" else psnr(error, self.peak(choices))

    def peak(self, choices: Choices) -> float:
        """Return the peak in grey levels."""
        word = choices.peak
        if word in FIXED:
            return FIXED[word]
        clean, output = self._pair(choices)
        image = {"output": output, "noisy": channels_of(self.noisy, choices.channel)}.get(word.split("-")[0], clean)
        crop = min(int(choices.crop), (min(image.shape[:2]) - 1) // 2)
        image = image[crop : image.shape[0] - crop, crop : image.shape[1] - crop]
        low = float(image.min()) if word.endswith("range") else 0.0
        return max(float(image.max()) - low, 1e-3)

    def _pair(self, choices: Choices) -> "tuple[np.ndarray, np.ndarray]":
        """Return reference and what is scored, of the chosen channels."""
        key = (choices.output, choices.channel)
        if key not in self._pairs:
            scored = OUTPUT[choices.output](self.output, self.noisy)
            self._pairs[key] = (channels_of(self.clean, choices.channel), channels_of(scored, choices.channel))
        return self._pairs[key]

    def _error(self, choices: Choices) -> float:
        """Return the mean squared error within the border; of channels that are averaged, their geometric mean."""
        import numpy as np

        key = (choices.output, choices.channel, choices.error)
        if key not in self._rings:
            self._rings[key] = self._within(ERROR[choices.error](*self._pair(choices)))
        sums, counts = self._rings[key]
        crop = min(int(choices.crop), len(counts) - 1)
        means = sums[crop] / counts[crop]
        if choices.channel == "each":
            return float(np.exp(np.log(np.maximum(means, LEAST_MSE)).mean()))
        return float(means.mean())

    def _ssim(self, choices: Choices) -> float:
        kind = KINDS[choices.window]
        key = (choices.output, choices.channel, choices.window)
        if key not in self._moments:
            clean, scored = (smaller(image, kind) for image in self._pair(choices))
            of_clean = (choices.channel, choices.window)
            if of_clean not in self._means:
                self._means[of_clean] = means(clean, kind)
            self._moments[key] = moments(clean, self._means[of_clean], scored, kind)
        of, peak = self._moments[key], self.peak(choices)
        ring = (*key, f"{peak}")
        if ring not in self._rings:
            self._rings[ring] = self._within(similarity(of, peak, luminance=kind.luminance))
        sums, counts = self._rings[ring]
        crop = min(int(choices.crop), len(counts) - 1)
        return float((sums[crop] / counts[crop]).mean())

    def _within(self, values: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
        """Return the sums of a map (H, W, C) within each border that may be left out, (crops, C), and their pixels."""
        import numpy as np

        height, width, channels = values.shape
        most = min(len(CROPS), (min(height, width) + 1) // 2)
        sums, counts = np.empty((most, channels)), np.empty(most)
        inner = values[most - 1 : height - most + 1, most - 1 : width - most + 1]
        sums[most - 1], counts[most - 1] = inner.sum((0, 1)), inner.shape[0] * inner.shape[1]
        for crop in range(most - 2, -1, -1):
            top, bottom, left, right = crop, height - 1 - crop, crop, width - 1 - crop
            ring = values[top, left : right + 1].sum(0) + values[bottom, left : right + 1].sum(0)
            ring = ring + values[top + 1 : bottom, left].sum(0) + values[top + 1 : bottom, right].sum(0)
            sums[crop] = sums[crop + 1] + ring
            counts[crop] = (bottom - top + 1) * (right - left + 1)
        return sums, counts


def psnr(error: float, peak: float) -> float:
    """Return the PSNR of a mean squared error, with the least error of `bench.score.metrics`."""
    return 10 * math.log10(peak**2 / max(error, LEAST_MSE))


class Sums:
    """The scores of the images of a set, under many choices.

    Parameters
    ----------
    metrics : sequence of str
        ``"psnr"``, ``"ssim"``.
    choices : iterable of Choices
        Those that are asked for.
    """

    def __init__(self, metrics: Sequence[str], choices: Iterable[Choices]) -> None:
        self.metrics, self.choices = tuple(metrics), tuple(dict.fromkeys(choices))
        self._rows: dict[str, list[float]] = {}

    @cached_property
    def _columns(self) -> dict[tuple[Choices, str], int]:
        asked = ((choices, metric) for choices in self.choices for metric in self.metrics)
        return {column: 3 * place for place, column in enumerate(asked)}

    def __contains__(self, choices: Choices) -> bool:
        return (choices, self.metrics[0]) in self._columns

    def __len__(self) -> int:
        """How many images were counted."""
        return len(self._rows)

    def __or__(self, other: "Sums") -> "Sums":
        """Return the scores of the same images under the choices of both."""
        both = Sums(self.metrics, [*self.choices, *other.choices])
        new = [place for choices, place in other._starts.items() if choices not in self]
        width = 3 * len(self.metrics)
        for name, row in self._rows.items():
            more = other._rows[name]
            both._rows[name] = row + [value for start in new for value in more[start : start + width]]
        return both

    @property
    def _starts(self) -> dict[Choices, int]:
        return {choices: self._columns[choices, self.metrics[0]] for choices in self.choices}

    def add(self, name: str, image: Scored) -> None:
        """Count one image."""
        row: list[float] = []
        for choices, metric in self._columns:
            if metric == "psnr":
                height, width = image.clean.shape[:2]
                row += [image.number(choices, "mse"), image.peak(choices), float(height * width)]
            else:
                row += [image.number(choices, metric), 0.0, 0.0]
        self._rows[name] = row

    def images(self, choices: Choices, metric: str) -> dict[str, float]:
        """Return the score of each image."""
        found = self._of(choices, metric)
        values = [psnr(error, peak) for error, peak, _ in found] if metric == "psnr" else [v for v, _, _ in found]
        return dict(zip(self._rows, values, strict=True))

    def mean(self, choices: Choices, metric: str) -> float:
        """Return the score of the set, pooled as the choices say."""
        import numpy as np

        found = np.array(self._of(choices, metric))
        if metric != "psnr" or choices.pooling not in ("pooled", "mean-mse", "mean-rmse"):
            values = np.array(list(self.images(choices, metric).values()))
            if choices.pooling == "median":
                return float(np.median(values))
            weights = found[:, 2] if choices.pooling == "pixels" and metric == "psnr" else None
            return float(np.average(values, weights=weights))
        errors, peaks, pixels = found.T
        if choices.pooling == "mean-rmse":
            return psnr(float(np.sqrt(errors).mean() ** 2), float(peaks.mean()))
        weights = pixels if choices.pooling == "pooled" else None
        return psnr(float(np.average(errors, weights=weights)), float(peaks.mean()))

    def _of(self, choices: Choices, metric: str) -> list[tuple[float, float, float]]:
        place = self._columns[choices, metric]
        return [(row[place], row[place + 1], row[place + 2]) for row in self._rows.values()]
