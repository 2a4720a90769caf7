"""What a set would score under an input that ran on crops only, told from the inputs that ran on both.

Inputs that look alike on the crops, image by image, differ by like amounts on the set. What a set scores beyond its
crops is taken for a Gaussian process over their scores (Rasmussen and Williams 2006, algorithm 2.1).
"""

from collections.abc import Sequence

import numpy as np

ALIKE = {"psnr": 1.0, "ssim": 0.03}
"""Root mean square of the differences on crops within which two inputs look alike."""

COMMON, SLOPE, REST = 2.0, 0.14, 0.02
"""Standard deviations, in units of `ALIKE`: of what all inputs share, of what grows with the scores, and of the rest.

`make why METHOD=wavelet DATA=set12 NOISE=25 TARGET=each` shows what is found with them."""


class Guess:
    """Tells the score of a set from those of its crops.

    Parameters
    ----------
    crops : sequence of sequence of float
        Of each input that ran on both, the scores of the crops.
    numbers : sequence of float
        The scores of the set under the same inputs, one at least.
    metric : str
        ``"psnr"`` or ``"ssim"``.
    """

    def __init__(self, crops: Sequence[Sequence[float]], numbers: Sequence[float], metric: str) -> None:
        from scipy.linalg import cho_factor

        self.unit = ALIKE[metric]
        self.seen = np.asarray(crops, float) / self.unit
        beyond = np.asarray(numbers, float) / self.unit - self.seen.mean(1)
        self.factor = cho_factor(self._alike(self.seen) + REST**2 * np.eye(len(self.seen)))
        self.weights = self._solved(beyond)

    def __call__(self, crops: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of the set under each input, and the standard deviation of that guess.

        Parameters
        ----------
        crops : sequence of sequence of float
            The scores of the crops under each of some inputs.
        """
        new = np.asarray(crops, float) / self.unit
        alike = self._alike(new)
        own = 1 + COMMON**2 + SLOPE**2 * np.square(new - self.seen.mean(0)).mean(1)
        variance = own - np.einsum("ij,ji->i", alike, self._solved(alike.T))
        deviation = np.sqrt(np.maximum(variance, 0) + REST**2)
        return (new.mean(1) + alike @ self.weights) * self.unit, deviation * self.unit

    def _solved(self, right: np.ndarray) -> np.ndarray:
        from scipy.linalg import cho_solve

        solved: np.ndarray = cho_solve(self.factor, right)
        return solved

    def _alike(self, new: np.ndarray) -> np.ndarray:
        """Return the covariance of inputs with those that ran on both, (new, seen)."""
        middle = self.seen.mean(0)
        near = np.exp(-np.square(new[:, None] - self.seen[None]).mean(2) / 2)
        return near + COMMON**2 + SLOPE**2 * (new - middle) @ (self.seen - middle).T / new.shape[1]
