"""Pictures: what every method made of an image, as lossless files beside the page or inside it."""

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.images import BoardImage, board_images, chosen
from bench.report.leaderboard import Leaderboard
from bench.report.page.picture_files import Files, file_names
from bench.score.scorer import LUMA
from bench.store.records import Store

if TYPE_CHECKING:
    import numpy as np

SIDE = 192
"""Pixels of the square shown of an image on the page, its middle; the viewer shows all of it."""

THUMBNAILS = 4000
"""Pictures that stand on the page itself: where there are more, each leaderboard has its hardest images there, and the
viewer has all."""

EMBEDDED = 3
"""Images of a leaderboard in a page that needs no other file."""

SCALES = (5, 10, 15, 20, 30, 40, 60, 80, 120)
"""Grey levels at the ends of a scale of errors."""

COLOURS = ("053061", "2166ac", "92c5de", "f7f7f7", "f4a582", "b2182b", "67001f")
"""Of errors, from too dark over right to too bright, in equal steps (ColorBrewer's RdBu)."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the error of a colour image (ITU-R BT.601)."""


@dataclass(frozen=True)
class Panel:
    """One picture of an image: what it is, its PNG, its score, and the map of its error.

    Attributes
    ----------
    title, caption : str
        ``clean``, ``noisy`` or a method; and its PSNR.
    source, error : str
        Addresses of the PNG, and of the middle of its error (or of its change of the noisy image), where it has one.
    """

    title: str
    caption: str
    source: str
    error: str = ""


@dataclass(frozen=True)
class Strip:
    """The pictures of one image: clean (where there is one), noisy, then each method's."""

    image: str
    height: int
    width: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Pictures:
    """The pictures of a leaderboard.

    Attributes
    ----------
    strips : tuple of Strip
        Hardest image first.
    missing : int
        How many of the chosen images are not to be had any more.
    scale : int
        Grey levels at the ends of the colours of errors, one for all methods.
    on_page : int
        How many strips stand on the page; the viewer has all.
    """

    strips: tuple[Strip, ...]
    missing: int
    scale: int
    on_page: int


def pictures(
    store: Store, boards: Sequence[Leaderboard], each: int, folder: Path, *, one_file: bool = False
) -> dict[str, Pictures]:
    """Make the pictures of `each` images (0: all) of every leaderboard, from the hardest to the easiest, by its anchor.

    Parameters
    ----------
    store, boards : Store, sequence of Leaderboard
        Where the pixels lie, and of what.
    each : int
        Images of a leaderboard.
    folder : Path
        The folder of the page: PNG files and the same bytes as scripts are written to `pictures` in it, and what
        an earlier report left there is removed.
    one_file : bool
        No file is written: the addresses hold the PNGs themselves, of a few images (`EMBEDDED`).

    Raises
    ------
    BenchError
        If a file cannot be written.
    """
    thumbnails = sum(2 * len(board.entries) + 2 for board in boards)
    on_page = EMBEDDED if one_file else max(1, THUMBNAILS // max(1, thumbnails))
    each = min(each or EMBEDDED, EMBEDDED) if one_file else each
    images = board_images(store, boards, each)
    with Files(folder, one_file=one_file) as files:
        return {
            board.anchor: _pictures(board, images[board.anchor], chosen(board, each), on_page, files)
            for board in boards
        }


def viewer_data(boards: Sequence[Leaderboard], made: Mapping[str, Pictures]) -> dict[str, Any]:
    """Return what the viewer has to know: of each leaderboard what its panels are, and of each image where they lie."""
    return {
        "colours": COLOURS,
        "scales": SCALES,
        "luminance": LUMINANCE,
        "boards": {
            board.anchor: _of_board(board, of_it)
            for board in boards
            if (of_it := made.get(board.anchor)) and of_it.strips
        },
    }


def _of_board(board: Leaderboard, made: Pictures) -> dict[str, Any]:
    rules, first = board.entries[0].result.rules, made.strips[0]
    return {
        "title": f"{board.title}, {board.noise}, protocol {board.protocol}",
        "reference": board.has_reference,
        "scale": made.scale,
        "channel": [*LUMA[rules.channel][0], LUMA[rules.channel][1]] if rules.channel in LUMA else None,
        "panels": [panel.title for panel in first.panels],
        "images": [
            {
                "name": strip.image,
                "size": [strip.width, strip.height],
                "captions": [panel.caption for panel in strip.panels],
                # Those inside the page are taken from there.
                "files": [
                    p.source.removesuffix(".png") if not p.source.startswith("data:") else "" for p in strip.panels
                ],
            }
            for strip in made.strips
        ],
    }


def _pictures(
    board: Leaderboard, images: Iterator[BoardImage], order: Sequence[str], on_page: int, files: Files
) -> Pictures:
    folders = dict(zip(order, file_names(order), strict=True))
    methods = file_names([entry.result.label for entry in board.entries])
    scale, strips = 0, []
    for image in images:
        scale = scale or _scale(image)
        strips.append(_strip(board, image, scale, files, f"{board.anchor}/{folders[image.name]}", methods))
    strips.sort(key=lambda strip: order.index(strip.image))
    return Pictures(tuple(strips), len(order) - len(strips), scale, on_page)


def _strip(
    board: Leaderboard, image: BoardImage, scale: int, files: Files, place: str, methods: Sequence[str]
) -> Strip:
    rows = [next(r for r in e.result.records[0].images if r["image"] == image.name) for e in board.entries]
    noisy = _eight_bit(image.noisy)
    reference = noisy if image.clean is None else image.clean
    panels = []
    if image.clean is not None:
        panels.append(Panel("clean", "", files.put(f"{place}/_clean", _png(_eight_bit(image.clean)))))
    panels.append(Panel("noisy", _decibels(rows[0]["noisy_psnr"]), files.put(f"{place}/_noisy", _png(noisy))))
    for entry, row, pixels, method in zip(board.entries, rows, image.outputs, methods, strict=True):
        name = f"{place}/{method}"
        error = files.put(f"{name}_error", _error_map(pixels, reference, scale), script=False)
        panels.append(Panel(entry.result.label, _decibels(row["psnr"]), files.put(name, _png(pixels)), error))
    height, width = noisy.shape[:2]
    return Strip(image.name, height, width, tuple(panels))


def _decibels(psnr: float) -> str:
    return "" if psnr != psnr else f"{psnr:.2f} dB"


def _scale(image: BoardImage) -> int:
    """Return the scale that holds three deviations of the middle one of the methods."""
    import numpy as np

    reference = _eight_bit(image.noisy) if image.clean is None else image.clean
    sizes = [np.sqrt(np.mean((output - reference.astype(np.float32)) ** 2)) for output in image.outputs]
    return next((scale for scale in SCALES if scale >= 3 * np.median(sizes)), SCALES[-1])


def _eight_bit(levels: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return levels if levels.dtype == np.uint8 else np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def _error_map(pixels: "np.ndarray", reference: "np.ndarray", scale: int) -> bytes:
    """Return the middle of a signed error as a PNG; of colour images that of the luminance."""
    import numpy as np
    from PIL import Image

    error = _middle(pixels).astype(np.float32) - _middle(reference)
    error = error @ np.array(LUMINANCE, np.float32) if error.shape[2] == 3 else error[..., 0]
    # 255 steps, so that no error has a colour of its own.
    picture = Image.fromarray((np.rint(np.clip(error / scale, -1, 1) * 127) + 127).astype(np.uint8))
    picture.putpalette(_palette())
    return _encoded(picture)


def _palette() -> bytes:
    """Return red, green and blue of the 255 steps of an error."""
    import numpy as np

    anchors = np.array([list(bytes.fromhex(colour)) for colour in COLOURS])
    at = np.linspace(0, len(COLOURS) - 1, 255)
    return bytes(
        np.rint([np.interp(at, range(len(COLOURS)), channel) for channel in anchors.T]).astype(np.uint8).T.ravel()
    )


def _middle(pixels: "np.ndarray") -> "np.ndarray":
    from datasets.images import centre_crop

    return centre_crop(pixels, *(min(SIDE, length) for length in pixels.shape[:2]))


def _png(pixels: "np.ndarray") -> bytes:
    from PIL import Image

    return _encoded(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def _encoded(picture: Any) -> bytes:
    content = io.BytesIO()
    # Noise has no repetitions to look for: smaller and three times faster than usual.
    picture.save(content, "PNG", compress_level=6, compress_type=zlib.Z_RLE)
    return content.getvalue()
