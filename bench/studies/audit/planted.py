"""What the audit finds and what it misses: overlaps of many kinds and strengths, planted in photographs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice

import numpy as np

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes a test image and another photograph, both uint8 (H, W), and returns the training image."""

AT_ONCE = 4
"""Kinds and strengths audited together: of more copies of one test image the audit looks at the likeliest alone."""

SMALLEST = 256
"""The shorter side of a photograph, into which every piece fits."""

NOTHING = "nothing shared"
"""The kinds whose pairs must not be found."""


@dataclass(frozen=True)
class Found:
    """How many planted overlaps of one kind and strength were found.

    Attributes
    ----------
    kind, strength : str
        What was done to the test image before it went into the training set.
    found, of : int
        Overlaps found, and planted.
    wrong : int
        Findings of a training image with another test image than its own.
    """

    kind: str
    strength: str
    found: int
    of: int
    wrong: int


def build_limits(data: str, count: int = 6) -> list[dict[str, str | int]]:
    """Return the rows of the table of limits, measured on photographs of a dataset.

    Parameters
    ----------
    data : str
        A dataset, or a folder: twice `count` of its images are taken, evenly spread.
    count : int
        Test images, and other photographs.

    Raises
    ------
    BenchError, ValueError
        If its files cannot be read, or there are too few of them.
    """
    from bench.common.errors import BenchError
    from bench.plan.resolve import known_dataset
    from bench.run.images import pictures, spread
    from datasets.images import to_gray

    dataset = known_dataset(data)
    if len(dataset.images) < 2 * count:
        raise BenchError(f"DATA={data}: {len(dataset.images)} images; expected {2 * count} photographs or more")
    chosen = [dataset.images[place].name for place in spread(2 * count, len(dataset.images))]
    images = {p.name: to_gray(p.clean)[..., 0] for p in pictures(dataset, chosen) if p.clean is not None}
    if min(min(image.shape) for image in images.values()) < SMALLEST:
        raise BenchError(f"DATA={data}: an image has a side below {SMALLEST} pixels; expected larger photographs")
    return [asdict(found) for found in measured(dict(list(images.items())[::2]), list(images.values())[1::2])]


def measured(tests: Mapping[str, np.ndarray], hosts: Sequence[np.ndarray]) -> Iterator[Found]:
    """Plant each kind of overlap in each test image, audit them, and count.

    Parameters
    ----------
    tests : mapping of str to ndarray
        Photographs by name, uint8 (H, W).
    hosts : sequence of ndarray
        Others, in which pieces are planted, and which are a part of the training set.
    """
    others = {f"host {k}": host for k, host in enumerate(hosts)}
    wrong = 0
    for some in _batched([(kind, strength) for kind, strengths in KINDS.items() for strength in strengths], AT_ONCE):
        training = {
            (kind, strength, name): np.ascontiguousarray(KINDS[kind][strength](test, hosts[k % len(hosts)]))
            for kind, strength in some
            for k, (name, test) in enumerate(tests.items())
        }
        pairs = _pairs(tests, {"|".join(key): image for key, image in training.items()} | others)
        wrong += sum(b in others for _, b in pairs)
        for kind, strength in some:
            own = sum((name, f"{kind}|{strength}|{name}") in pairs for name in tests)
            every = sum(b.startswith(f"{kind}|{strength}|") for _, b in pairs)
            yield Found(kind, strength, own, len(tests), every - own)
    yield Found(NOTHING, "another photograph", 0, 0, wrong)
    yield Found(NOTHING, "drawings of one kind", 0, 0, len(_pairs(drawings(), {})))


def _batched(items: Sequence[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """Yield items some at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _pairs(tests: Mapping[str, np.ndarray], training: Mapping[str, np.ndarray]) -> set[tuple[str, str]]:
    """Return which test image shares pixels with which training image; without these, with which other one."""
    from bench.studies.audit.features import of_images
    from bench.studies.audit.study import audit

    galleries = [of_images("tests", tests, training=False)]
    galleries += [of_images("training", training, training=True)] if training else []
    return {(finding.image_a, finding.image_b) for finding in audit(galleries)}


def drawings() -> dict[str, np.ndarray]:
    """Return test boards and logos, uint8: squares and stripes of other sizes, words of other letters in one type."""
    import cv2

    rows, columns = np.indices((240, 320))

    def scaled(pattern: np.ndarray, dark: int, bright: int) -> np.ndarray:
        return np.where(pattern, bright, dark).astype(np.uint8)

    made = {f"board of {n}": scaled((rows // n + columns // n) % 2, 0, 255) for n in (16, 20, 24, 40)}
    made |= {f"stripes of {n}": scaled(columns // n % 2, 40, 200) for n in (8, 12, 20)}
    made |= {f"grid of {n}": scaled((rows % n > 1) & (columns % n > 1), 0, 230) for n in (16, 32)}
    page: np.ndarray
    for word in ("BENCH", "NOISE", "IMAGE", "BENCHES"):
        page = np.full((160, 320), 255, np.uint8)
        cv2.putText(page, word, (20, 100), cv2.FONT_HERSHEY_DUPLEX, 2, 30, 4, cv2.LINE_AA)
        cv2.rectangle(page, (8, 30), (310, 125), 90, 3)
        made[f"logo {word}"] = page
    for words in ("Figure 1: results", "Figure 2: methods"):
        page = np.full((200, 320), 250, np.uint8)
        for line in range(6):
            cv2.putText(page, words, (10, 30 + 28 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 20, 1, cv2.LINE_AA)
        made[f"page {words}"] = page
    return made


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 + 3 for length in image.shape)
    return image[top : top + side, left : left + side]


def _crop(test: np.ndarray, host: np.ndarray, side: int) -> np.ndarray:
    return _middle(test, side)


def _piece(test: np.ndarray, host: np.ndarray, side: int, quality: int = 0) -> np.ndarray:
    """Put a piece of the test image into another photograph."""
    made = host.copy()
    made[37 : 37 + side, 53 : 53 + side] = _middle(test, side)
    return _jpeg(made, host, quality) if quality else made


def _caption(test: np.ndarray, host: np.ndarray, share: float, quality: int = 0) -> np.ndarray:
    """Write over a band at the bottom."""
    import cv2

    made = test.copy()
    height = round(share * len(test))
    made[-height:] = 20
    cv2.putText(made, "caption 2024", (8, len(made) - max(3, height // 4)), cv2.FONT_HERSHEY_SIMPLEX,
                max(0.3, height / 40), 240, 1, cv2.LINE_AA)  # fmt: skip
    return _jpeg(made, host, quality) if quality else made


def _jpeg(test: np.ndarray, host: np.ndarray, quality: int) -> np.ndarray:
    import cv2

    _, content = cv2.imencode(".jpg", test, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def _resized(test: np.ndarray, host: np.ndarray, width: float, height: float) -> np.ndarray:
    from PIL import Image

    size = (max(1, round(width * test.shape[1])), max(1, round(height * test.shape[0])))
    return np.asarray(Image.fromarray(test).resize(size, Image.Resampling.BICUBIC))


def _narrow_crop(test: np.ndarray, host: np.ndarray, width: float) -> np.ndarray:
    return _resized(_middle(test, 200), host, width, 1)


def _thumbnail(test: np.ndarray, host: np.ndarray, side: int) -> np.ndarray:
    return _resized(test, host, side / test.shape[1], side / test.shape[0])


def _warped(test: np.ndarray, host: np.ndarray, shear: float = 0, degrees: float = 0, tilt: float = 0) -> np.ndarray:
    """Shear, turn or tilt about the middle, and keep what lies inside."""
    import cv2

    height, width = test.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    turn = math.radians(degrees)
    linear = np.array([[math.cos(turn), math.sin(turn) + shear], [-math.sin(turn), math.cos(turn)]])
    whole = np.eye(3)
    whole[:2] = np.column_stack([linear, middle - linear @ middle])
    lean = np.eye(3)
    lean[2] = (tilt / width, 0, 1 - tilt / 2)
    warped = cv2.warpPerspective(test, lean @ whole, (width, height), flags=cv2.INTER_CUBIC)
    inside = cv2.warpPerspective(np.ones_like(test), lean @ whole, (width, height))
    # The largest central rectangle of the proportions that holds image pixels alone.
    for cut in range(0, min(height, width) // 2 - 20, 2):
        part = np.s_[cut : height - cut, round(cut * width / height) : width - round(cut * width / height)]
        if inside[part].all():
            return warped[part]
    return warped


def _levels(test: np.ndarray, host: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.clip(np.rint(255 * change(test / 255)), 0, 255).astype(np.uint8)


def _noisy(test: np.ndarray, host: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, sigma, test.shape)
    return np.clip(np.rint(test + noise), 0, 255).astype(np.uint8)


def _blurred(test: np.ndarray, host: np.ndarray, deviation: float) -> np.ndarray:
    import cv2

    return np.asarray(cv2.GaussianBlur(test, (0, 0), deviation))


def _negative(test: np.ndarray, host: np.ndarray, then: Change) -> np.ndarray:
    return then(255 - test, host)


def _mirrored(test: np.ndarray, host: np.ndarray, then: Change) -> np.ndarray:
    return then(test[:, ::-1], host)


def _same(test: np.ndarray, host: np.ndarray) -> np.ndarray:
    return test


KINDS: Mapping[str, Mapping[str, Change]] = {
    "exact crop, side in pixels": {f"{n}": partial(_crop, side=n) for n in (24, 32, 48, 64, 100, 200)},
    "exact piece in another photograph, side in pixels": {
        f"{n}": partial(_piece, side=n) for n in (24, 32, 48, 64, 100, 150, 200)
    },
    "piece in another photograph as JPEG 75, side in pixels": {
        f"{n}": partial(_piece, side=n, quality=75) for n in (100, 150, 200)
    },
    "caption over a share of it": {f"{n:.0%}": partial(_caption, share=n) for n in (0.02, 0.05, 0.1, 0.2, 0.4)},
    "caption over a share of it, JPEG 75": {
        f"{n:.0%}": partial(_caption, share=n, quality=75) for n in (0.02, 0.05, 0.1, 0.2)
    },
    "JPEG, quality": {f"{n}": partial(_jpeg, quality=n) for n in (75, 30, 10, 5)},
    "smaller, factor": {f"{n:g}": partial(_resized, width=n, height=n) for n in (0.75, 0.5, 0.25, 0.125)},
    "thumbnail, side in pixels": {f"{n}": partial(_thumbnail, side=n) for n in (64, 48, 32, 28, 16)},
    "narrower, factor": {f"{n:g}": partial(_resized, width=n, height=1) for n in (0.9, 0.8, 0.7, 0.5)},
    "narrower crop of 200 pixels, factor": {f"{n:g}": partial(_narrow_crop, width=n) for n in (0.9, 0.8, 0.7)},
    "sheared, by": {f"{n:g}": partial(_warped, shear=n) for n in (0.05, 0.1, 0.2, 0.3)},
    "turned, degrees": {f"{n}": partial(_warped, degrees=n) for n in (3, 10, 30, 45)},
    "tilted, perspective": {f"{n:g}": partial(_warped, tilt=n) for n in (0.05, 0.1, 0.2)},
    "negative": {
        "whole": partial(_negative, then=_same),
        "whole, JPEG 50": partial(_negative, then=partial(_jpeg, quality=50)),
        "whole, half size": partial(_negative, then=partial(_resized, width=0.5, height=0.5)),
        "crop of 100": partial(_negative, then=partial(_crop, side=100)),
        "crop of 200, JPEG 75": partial(_negative, then=lambda test, host: _jpeg(_middle(test, 200), host, 75)),
    },
    "tone": {
        "gamma 0.5": partial(_levels, change=lambda x: x**0.5),
        "gamma 2": partial(_levels, change=lambda x: x**2),
        "contrast 0.3": partial(_levels, change=lambda x: 0.35 + 0.3 * x),
        "16 levels": partial(_levels, change=lambda x: np.rint(15 * x) / 15),
    },
    "noise, sigma": {f"{n}": partial(_noisy, sigma=n) for n in (5, 15, 25, 50)},
    "blur, deviation in pixels": {f"{n}": partial(_blurred, deviation=n) for n in (1, 2, 4)},
    "mirrored": {
        "whole": partial(_mirrored, then=_same),
        "half size, JPEG 50": partial(
            _mirrored, then=lambda test, host: _jpeg(_resized(test, host, 0.5, 0.5), host, 50)
        ),
        "crop of 150, JPEG 50": partial(_mirrored, then=lambda test, host: _jpeg(_middle(test, 150), host, 50)),
    },
}
