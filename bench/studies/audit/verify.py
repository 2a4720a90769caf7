"""Whether one image holds pixels of another, under a transform that may take it there: the pixels decide."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.studies.audit.geometry import apply, compose, inverse, scale
from bench.studies.audit.pieces import equal, is_drawing

FINE, COARSE = 1.0, 4.0
"""Standard deviations in pixels: what is finer is lost in a JPEG copy, what is coarser is alike in unrelated images."""

_BLOCK = 16
_TEXTURE = 5.0  # gray levels, of the detail between the two: flatter blocks suffer in a strong JPEG
_ENOUGH = 16  # blocks; smooth images with fewer are judged by fainter ones
_FAINT = 1.5
_SAME = 0.6  # correlation of a block's detail, from which it is the same
_COPY = 0.96  # share of the blocks that must be the same: JPEG of quality 10 leaves 0.99, frames of a still camera 0.90
_DETAIL = 0.75  # correlation of all detail
_CHANCE = 0.2  # correlation of all detail, below which no finer fit helps
_BLOCKS = 4
_PIECE = 400  # equal pixels that are a piece
_ALL = 0.98  # share of a drawing that must be equal
_FREQUENT = 5  # pixels of a level, from which their median says what became of it
_MOST = 0.9  # share of the pixels at such levels, without which a straight line is fitted
_PERCENTILES = (2, 25, 50, 75, 98)
_FRAME = 40  # the frame that does not count is a fortieth of the shorter side
_SMALL = 64  # pixels: images with a shorter side are compared in blocks of half the side


@dataclass(frozen=True)
class Comparison:
    """How one image lies in another."""

    transform: np.ndarray  # (2, 3): from (column, row) of the first image to the second
    on_grid: bool  # whether pixels fall on pixels: a shift, with a mirror and quarter turns at most
    # Of the pixels of the first that the second holds, and of the second that the first holds.
    share: float
    share_back: float
    correlation: float  # of the common pixels, after a blur of one pixel; of a negative, without its sign
    maximum: float  # greatest difference in gray levels of common pixels; only where they fall on each other, else NaN
    equal: float  # share of the common pixels that are equal, or NaN
    # Gray levels of the first, from dark to bright, and what they are in the second.
    tone: tuple[tuple[float, float], ...]
    near: float  # share of the common pixels that are at most one level from each other after that tone, or NaN


def compare(first: np.ndarray, second: np.ndarray, transform: np.ndarray) -> Comparison | None:
    """Return how the second image holds the first, or None where its pixels are others.

    Both are looked at on the coarser of the two grids. The detail between two blurs is compared block by block: most
    blocks that have detail must have the same. So a neighbouring frame of a film, another view of a scene or
    another radiograph of the same build is no copy, though its keypoints agree and its correlation is high.

    Parameters
    ----------
    first, second : ndarray of uint8, shapes (H, W) and (h, w)
    transform : ndarray, shape (2, 3)
        Supposed, from (column, row) of the first to the second; it is snapped to whole pixels where that fits better,
        and fitted finely elsewhere.
    """
    snapped = _snapped(first, second, transform)
    if snapped is not None:
        found = _judge(first, second, snapped, on_grid=True)
        if found is not None:
            return found
    if _whole(transform):
        return _piece(first, second, transform)
    laid = _laid(first, second, transform)
    if laid is None or abs(correlation := detail(*laid[:3])[0]) < _CHANCE:
        return None
    fitted = _fitted(255 - first if correlation < 0 else first, second, transform)
    return _judge(first, second, fitted, on_grid=False)


def _judge(first: np.ndarray, second: np.ndarray, transform: np.ndarray, *, on_grid: bool) -> Comparison | None:
    laid = _laid(first, second, transform)
    if laid is None:
        return None
    if not _same_detail(*laid[:3]):
        return None
    found = _measured(transform, on_grid, laid)
    if min(found.share, found.share_back) > _ALL and found.equal > _ALL:
        return found
    return None if is_drawing(first) and is_drawing(second) else found


def _piece(first: np.ndarray, second: np.ndarray, transform: np.ndarray) -> Comparison | None:
    """Return how much of two images is equal pixel by pixel, where the rest is not: a piece, or all but a caption.

    Only what looks like a photograph counts: boards, logos and letters are equal in images of their kind.
    """
    laid = _laid(first, second, transform)
    if laid is None:
        return None
    one, other, inside, share, share_back = laid
    part = max((equal(one, other, inside), equal(255 - one, other, inside)), key=np.count_nonzero)
    number = int(part.sum())
    if number < _PIECE:
        return None
    of_both = number / inside.sum()
    if of_both < 0.5:  # the rest is of other photographs
        inside, share, share_back = part, share * of_both, share_back * of_both
    return _measured(transform, True, (one, other, inside, share, share_back))


def _measured(
    transform: np.ndarray, on_grid: bool, laid: tuple[np.ndarray, np.ndarray, np.ndarray, float, float]
) -> Comparison:
    one, other, inside, share, share_back = laid
    blurred = (_blur(one, FINE)[inside], _blur(other, FINE)[inside])
    correlation = abs(float(np.corrcoef(*blurred)[0, 1]))
    a, b = one[inside], other[inside]
    tone = _tone(a, b) if on_grid else _tone(*blurred)
    maximum = equal = near = float("nan")
    if on_grid:
        difference = np.abs(a - b)
        maximum, equal = float(difference.max()), float((difference == 0).mean())
        near = float((np.abs(tone(a) - b) <= 1.5).mean())
    levels = np.percentile(a, _PERCENTILES)
    pairs = tuple((float(x), float(y)) for x, y in zip(levels, tone(levels), strict=True))
    return Comparison(transform, on_grid, share, share_back, correlation, maximum, equal, pairs, near)


def _snapped(first: np.ndarray, second: np.ndarray, transform: np.ndarray) -> np.ndarray | None:
    """Return the nearest transform that takes pixels to pixels, if there is one near enough."""
    linear = np.rint(transform[:, :2])
    if np.abs(transform[:, :2] - linear).max() > 0.02 or abs(round(float(np.linalg.det(linear)))) != 1:
        return None
    middle = _middle_of_overlap(first, second, transform)
    if middle is None:
        return None
    shift = np.rint(apply(transform, middle[None])[0] - linear @ middle)
    start = np.column_stack([linear, shift])
    laid = _laid(first, second, start)
    if laid is None:
        return None
    one, other, inside, *_ = laid
    best, least = start, np.inf
    for down, right in sorted(
        ((i, j) for i in range(-2, 3) for j in range(-2, 3)), key=lambda s: abs(s[0]) + abs(s[1])
    ):
        # Both lie on the second's grid, where another shift moves the first.
        mine, theirs = _moved(one.shape[0], down), _moved(one.shape[1], right)
        both = inside[mine[0], theirs[0]]
        a, b = one[mine[0], theirs[0]][both], other[mine[1], theirs[1]][both]
        if len(a) < 100 or a.std() == 0 or b.std() == 0:
            continue
        # What the best straight tone leaves: nothing for an exact copy, tone changed or not.
        residual = 1 - np.corrcoef(a, b)[0, 1] ** 2
        if residual < least:
            best, least = np.column_stack([linear, shift + np.array([right, down])]), residual
        if least < 1e-9:
            break
    return best


def _moved(length: int, by: int) -> tuple[slice, slice]:
    """Return the slices of two lines of a length that meet when the first is moved by some pixels."""
    return slice(max(0, -by), length - max(0, by)), slice(max(0, by), length + min(0, by))


def _fitted(first: np.ndarray, second: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Move a transform by fractions of a pixel to where the images agree best (Evangelidis and Psarakis, PAMI 2008)."""
    import cv2

    laid = _laid(first, second, transform)
    if laid is None:
        return transform
    coarse_first = scale(transform) > 1  # the first image has the coarser grid
    one, other, inside, *_ = laid
    correction: np.ndarray = np.eye(2, 3, dtype=np.float32)
    steps = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-5)
    mask = inside.astype(np.uint8)
    try:
        _, correction = cv2.findTransformECC(
            one.astype(np.float32), other.astype(np.float32), correction, cv2.MOTION_AFFINE, steps, mask, 5
        )
    except cv2.error:  # it found no way to agree: the transform stays as it is
        return transform
    move = np.asarray(correction, np.float64)  # from the grid of `one` to that of `other`, both the coarser grid
    if np.abs(apply(move, _corners(one.shape)) - _corners(one.shape)).max() > 0.03 * max(one.shape) + 3:
        return transform
    # On the first's grid, `other` is the second laid there: second = transform(move(first)).
    return compose(transform, move) if coarse_first else compose(move, transform)


def _laid(
    first: np.ndarray, second: np.ndarray, transform: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float] | None:
    """Lay one image over the other on the coarser grid.

    Returns
    -------
    tuple
        Both images there (float64), where both have pixels, and the shares; None where they hardly meet.
    """
    import cv2

    zoom = scale(transform)
    if not 1 / 24 < zoom < 24:
        return None
    onto_first = zoom > 1
    target, source = (first, second) if onto_first else (second, first)
    back = transform if onto_first else inverse(transform)  # from the target's grid to the source
    shrink = scale(back)
    pixels: np.ndarray = source.astype(np.float32)
    steps = np.linalg.norm(back[:, :2], axis=1)  # columns and rows of the source from one pixel to the next
    if steps.max() > 1.05:
        across, down = 0.5 * np.sqrt(np.maximum(steps**2 - 1, 1e-4))
        pixels = cv2.GaussianBlur(pixels, (0, 0), across, sigmaY=down)
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_NEAREST if _whole(back) else cv2.INTER_CUBIC)
    height, width = target.shape
    laid = cv2.warpAffine(pixels, back, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    edge = 0.5 + 1e-6
    inside = (x > -edge) & (y > -edge) & (x < source.shape[1] - 1 + edge) & (y < source.shape[0] - 1 + edge)
    number = int(inside.sum())
    if number < 100:
        return None
    share_target, share_source = number / target.size, min(1.0, number * shrink**2 / source.size)
    pair = (target.astype(np.float64), laid.astype(np.float64))
    if onto_first:
        return *pair, inside, share_target, share_source
    return pair[1], pair[0], inside, share_source, share_target


def _same_detail(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> bool:
    correlation, same, number = detail(one, other, inside)
    if correlation < -_CHANCE:
        correlation, same, number = detail(255 - one, other, inside)
    return number >= _BLOCKS and correlation >= _DETAIL and same >= _COPY


def detail(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> tuple[float, float, int]:
    """Compare the detail of two images that lie on one grid.

    Returns
    -------
    correlation : float
        Of all detail.
    same : float
        Share of the blocks with detail whose own correlation is high.
    number : int
        How many blocks have detail.
    """
    import cv2

    rows, columns = np.nonzero(inside)
    part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    one, other, inside = one[part], other[part], inside[part]
    # The frame stays out: scans and copies differ in their last rows more than anywhere else.
    frame = 2 * (min(one.shape) // _FRAME) + 1
    weight = cv2.erode(
        inside.astype(np.float64), np.ones((frame, frame)), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    a, b = ((_within(x, weight, FINE) - _within(x, weight, COARSE)) * weight for x in (one, other))
    small = min(one.shape) < _SMALL
    side = max(6, min(one.shape) // 4) if small else _BLOCK
    sums = [_tiles(x, side) for x in (a * a, b * b, a * b, weight.astype(np.float64))]
    full = sums[3] >= side**2 / 2
    aa, bb, ab, n = (x[full] for x in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.maximum(aa, bb) / n
        textured = strength > _TEXTURE**2
        if textured.sum() < _ENOUGH:
            textured = strength > _FAINT**2
        each = np.where(aa * bb > 0, ab / np.sqrt(aa * bb), 0)[textured]
        total = float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
    return total, float((each > _SAME).mean()) if each.size else 0.0, int(each.size)


def _tiles(values: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (length // side for length in values.shape)
    return values[: rows * side, : columns * side].reshape(rows, side, columns, side).sum(axis=(1, 3))


def _blur(values: np.ndarray, deviation: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _within(values: np.ndarray, weight: np.ndarray, deviation: float) -> np.ndarray:
    """Blur, with the pixels of weight 0 left out."""
    return _blur(values * weight, deviation) / np.maximum(_blur(weight, deviation), 1e-6)


def _tone(a: np.ndarray, b: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return what the levels of the first image are in the second: the median at every level that is frequent."""
    order = np.argsort(a, kind="stable")
    levels, starts, counts = np.unique(np.rint(a[order]), return_index=True, return_counts=True)
    frequent = counts >= _FREQUENT
    if counts[frequent].sum() < _MOST * len(a):
        return np.polynomial.Polynomial.fit(a, b, min(1, len(levels) - 1))
    pieces = [b[order[start : start + n]] for start, n in zip(starts[frequent], counts[frequent], strict=True)]
    medians = np.array([np.median(piece) for piece in pieces])
    return lambda x: np.interp(x, levels[frequent], medians)


def _middle_of_overlap(first: np.ndarray, second: np.ndarray, transform: np.ndarray) -> np.ndarray | None:
    rows, columns = (np.arange(0, length, max(1, length // 64)) for length in first.shape)
    points = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float64)
    gone = apply(transform, points)
    inside = ((gone >= 0) & (gone <= np.array(second.shape[::-1]) - 1)).all(axis=1)
    return points[inside].mean(axis=0) if inside.any() else None


def _corners(shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape
    return np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)


def _whole(transform: np.ndarray) -> bool:
    return bool(np.array_equal(transform, np.rint(transform)))
