"""What a comparison of two images is called, and where one lies in the other, in words."""

import math

import numpy as np

from bench.judge.audit_findings import DIFFERING, DUPLICATE, OVERLAP, VALIDATION, WITHIN
from bench.studies.audit.geometry import angle, apply, mirrors, scale
from bench.studies.audit.verify import Comparison

_ALL = 0.985  # share of an image that counts as all of it: a warped copy loses its edge pixels
_STRETCHED = 0.03  # logarithm of the greatest over the least scale
_TONE = 4.0  # gray levels that a change of tone must move the levels by
_EVERY = 0.9995  # share of pixels that a change of tone explains, from which it explains all
_FEW = 0.9  # share of equal pixels from which the others are a change in a part


def problem_of(comparison: Comparison, dataset: str, *, same: bool, training: bool) -> str:
    """Return which problem an image of a dataset and one that shares pixels with it are (`bench.judge.audit_findings`).

    Parameters
    ----------
    dataset : str
        The set of the first.
    same : bool
        Whether it is the set of the second, too.
    training : bool
        Whether the second is of a training set.
    """
    if training:
        return VALIDATION if dataset.endswith("-val") else OVERLAP
    if same:
        return WITHIN
    return DUPLICATE if comparison.maximum == 0 else DIFFERING


def relation_of(comparison: Comparison) -> str:
    """Return what the first image is to the second, see `Finding.relation`."""
    parts = []
    whole, whole_back = comparison.share >= _ALL, comparison.share_back >= _ALL
    if not (whole and whole_back):
        parts.append("crop" if whole else "contains" if whole_back else "overlap")
    if mirrors(comparison.transform):
        parts.append("flipped")
    if abs(_turn(comparison)) > 0.5:
        parts.append("rotated")
    if abs(math.log(scale(comparison.transform))) > 0.01:
        parts.append("rescaled")
    if stretched(comparison):
        parts.append("stretched")
    if negative(comparison):
        parts.append("negative")
    elif tone_changed(comparison):
        parts.append("tone changed")
    parts.extend(_pixels(comparison))
    return ", ".join(parts) or "identical"


def _pixels(comparison: Comparison) -> list[str]:
    """Say how pixels that fall on each other differ, apart from their tone."""
    if not comparison.on_grid or comparison.maximum == 0:
        return []
    if comparison.maximum == 1:
        return ["at most 1 level apart"]
    if comparison.near >= _EVERY:
        return []
    return ["partly changed"] if comparison.near >= _FEW or comparison.equal >= 0.5 else ["re-encoded"]


def stretched(comparison: Comparison) -> bool:
    """Whether the transform is no turn and scale alone: it is wider, narrower or sheared."""
    values = np.linalg.svd(comparison.transform[:, :2], compute_uv=False)
    return bool(math.log(values[0] / values[1]) > _STRETCHED)


def negative(comparison: Comparison) -> bool:
    """Whether the second image shows as dark what is bright in the first."""
    return comparison.tone[-1][1] < comparison.tone[0][1]


def tone_changed(comparison: Comparison) -> bool:
    """Whether the second image shows the first one's gray levels as others."""
    return max(abs(tone - level) for level, tone in comparison.tone) > _TONE


def place_of(comparison: Comparison, first: tuple[int, int], second: tuple[int, int]) -> str:
    """Return where the first image lies in the second: rows and columns from start to (without) end."""
    parts = []
    if mirrors(comparison.transform):
        parts.append("mirrored left to right")
    turn = _turn(comparison)
    if abs(turn) > 0.05:
        parts.append(f"turned {turn:.1f}".removesuffix(".0") + " degrees counterclockwise")
    if comparison.on_grid:
        top, left, bottom, right = _box(comparison.transform, first)
        inside = max(top, 0), min(bottom, second[0]), max(left, 0), min(right, second[1])
        parts.append(f"at rows {top}:{bottom}, columns {left}:{right} of b")
        if (top, bottom, left, right) != (inside[0], inside[1], inside[2], inside[3]):
            parts.append(f"b has rows {inside[0]}:{inside[1]}, columns {inside[2]}:{inside[3]} of it")
    else:
        middle = apply(comparison.transform, np.array([[(first[1] - 1) / 2, (first[0] - 1) / 2]]))[0]
        if stretched(comparison):
            across, down = np.linalg.norm(comparison.transform[:, :2], axis=0)
            parts.append(f"times {across:.3f} along its rows and {down:.3f} along its columns")
        else:
            parts.append(f"times {scale(comparison.transform):.3f}")
        parts.append(f"its centre at row {middle[1]:.1f}, column {middle[0]:.1f} of b")
    if tone_changed(comparison):
        parts.append("levels " + " ".join(f"{a:.0f}:{b:.0f}" for a, b in comparison.tone))
    return "; ".join(parts)


def _box(transform: np.ndarray, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of an image of a shape in the other one."""
    gone = apply(transform, np.array([[0, 0], [shape[1] - 1, shape[0] - 1]], np.float64))
    (left, top), (right, bottom) = np.rint(gone.min(axis=0)), np.rint(gone.max(axis=0))
    return int(top), int(left), int(bottom) + 1, int(right) + 1


def _turn(comparison: Comparison) -> float:
    return round(angle(comparison.transform), 2)
