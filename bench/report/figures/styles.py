"""Styles of all figures: colour and marker of each method, themes, labels and files."""

import io
import re
import textwrap
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import methods
from bench.common.atomic import write_whole
from bench.report.figures.svg import accessible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.degradation import Degradation

HUES = (
    ("#016ab8", "#117ed6", "#3194ed"),
    ("#d05600", "#b04700", "#f06609"),
    ("#14a56d", "#048d5c", "#07774d"),
    ("#975de6", "#8347cf", "#ab73fd"),
    ("#bd8702", "#a27300", "#896105"),
    ("#03737d", "#018994", "#0d9fac"),
    ("#d54194", "#bd2780", "#ed58aa"),
    ("#7c7c7c", "#686868", "#909090"),
)
"""Blue, vermilion, green, violet, ochre, teal, magenta and grey in three shades, of relative luminance 0.14, 0.20 and
0.28: each contrasts with white and with a dark page by 3:1 at least. The first shades of neighbours differ in lightness
too, for the colour-blind."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
"""As many as differ when small. Their number and that of the shades have no common divisor, so that 30 methods of one
hue look different."""

FAMILIES = (
    (r"BF-", 3),
    (r"bfcnn", 5),
    (r".*\b(with )?bias(es)?\b", 6),
    (r"F?DnCNN", 0),
    (r"BM3D", 1),
    (r"FFDNet", 2),
    (r"ADNet|ECNDNet", 4),
    (r"NLM", 5),
    (r"IRCNN", 6),
    (r"Wavelet", 7),
    (r"TV\b", 6),
    (r"Gaussian", 4),
    (r"Median", 3),
    (r"Bilateral", 2),
)
"""The hue of the methods whose names begin so, in any case; others have one by the hash of their first word."""

INK, SOFT, LINE, BAND, BACK = "#1c1e21", "#62676d", "#dcdfe3", "#f6f7f9", "#ffffff"
"""Text, lesser text, grid, areas and background: a page that is dark has others in their place (`svg.VARIABLES`)."""

COLUMN, WIDE = 3.5, 7.16
"""Inches: one and two columns of a paper."""

LETTERS = 8
"""Points of all text of a chart, at those widths."""

LABEL = 26
"""Letters of a line of a label."""

RESOLUTION = 300
"""Dots an inch of a PNG."""

_UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
"""Metadata without which the files of one figure are equal from day to day."""


@dataclass(frozen=True)
class Style:
    """How a method looks in a figure."""

    colour: str
    marker: str


def style(index: int) -> Style:
    """Return the style of a thing that is no method, by its number; numbers below 240 look different."""
    return _slot(index % len(HUES), index + index // len(HUES))


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """Return the style of each method, by its label.

    It belongs to the method, whatever stands beside it: a method and its variants have one hue, and differ in shade and
    marker; its net for gray and that for colour images look alike. Only where two that are not registered happen to
    look alike, the later in the alphabet takes the next look of that hue.
    """
    found: dict[str, Style] = {}
    known = _registered()
    names = {label: _without_colour(label) for label in labels}
    for name in sorted(set(names.values()), key=lambda name: (name not in known, name)):
        hue, first = _hue(name), known.get(name, _hash(name))
        looks = [_slot(hue, first + step) for step in range(len(MARKERS) * len(HUES[hue]))]
        found[name] = next((look for look in looks if look not in found.values()), looks[0])
    return {label: found[name] for label, name in names.items()}


def _slot(hue: int, place: int) -> Style:
    return Style(HUES[hue][place % len(HUES[hue])], MARKERS[place % len(MARKERS)])


@cache
def _registered() -> dict[str, int]:
    """Return the place of each registered method within its hue; nets that were trained here have none."""
    names = sorted({_without_colour(label) for label in methods.labels() if "(own " not in label})
    return {name: [other for other in names if _hue(other) == _hue(name)].index(name) for name in names}


def _without_colour(label: str) -> str:
    """Return the label of the same method for gray images: `CDnCNN-B` is `DnCNN-B`."""
    return re.sub(r"^C(?=DnCNN|BM3D)", "", label)


def _hue(name: str) -> int:
    known = (hue for pattern, hue in FAMILIES if re.match(pattern, name, re.IGNORECASE))
    return next(known, _hash(re.split(r"[ (@:]", name.lower())[0]) % len(HUES))


def _hash(text: str) -> int:
    return zlib.crc32(text.encode(errors="surrogatepass"))


def wrapped(label: str) -> str:
    """Return a label in lines that are short enough for the side of a chart."""
    return textwrap.fill(label, LABEL)


def literal(text: str) -> str:
    r"""Return a text as a figure can show it: no control characters, no halves of characters.

    Examples
    --------
    >>> literal("a\x00b\udc80\nc$_{$")
    'a\ufffdb\\udc80\nc$_{$'
    """
    whole = text.encode(errors="backslashreplace").decode()
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in whole)


def noise_title(noise: "Degradation") -> str:
    """Return how the heading of a figure says the noise."""
    return f"σ = {noise.sigma:g}" if noise.sigma is not None and noise.additive_gaussian else str(noise)


@contextmanager
def charts() -> Iterator[None]:
    """Draw charts in the block: a light grid, one size of letters, text of SVG files that stays text."""
    import seaborn as sns

    sizes = dict.fromkeys(
        ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize",
         "legend.title_fontsize", "figure.titlesize"), LETTERS,
    )  # fmt: skip
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK)
    greys = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), SOFT)
    thin = dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width", "grid.linewidth"), 0.6)
    rest = {
        "axes.grid.axis": "x", "grid.color": LINE, "axes.facecolor": "none",
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titlepad": 4,
        "xtick.major.size": 2.5, "ytick.major.size": 2.5, "legend.frameon": False, "legend.handlelength": 1.8,
        "font.sans-serif": ["DejaVu Sans"], "svg.fonttype": "none", "svg.hashsalt": "charts",
    }  # fmt: skip
    seaborn = sns.plotting_context("paper") | sns.axes_style("whitegrid")
    with _theme(seaborn | sizes | inks | greys | thin | rest):
        yield


@contextmanager
def panels() -> Iterator[None]:
    """Draw panels of pictures in the block: small letters and thin lines, for two columns of a paper."""
    thin: dict[Any, Any] = dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.5)
    with _theme({"font.size": 7, "axes.titlesize": 7, "axes.titlepad": 3, **thin}):
        yield


@contextmanager
def _theme(rc: dict[Any, Any]) -> Iterator[None]:
    """Set what all figures share: fonts that publishers take, and text that is no formula, as names are not."""
    import matplotlib as mpl

    mpl.use("Agg")
    with mpl.rc_context({"pdf.fonttype": 42, "text.parse_math": False, **rc}):
        yield


def save(
    figure: "Figure",
    path: Path,
    formats: Sequence[str],
    resolution: int | None = None,
    *,
    title: str = "",
    description: str = "",
) -> None:
    """Save a figure and close it.

    Parameters
    ----------
    path : Path
        Of the files, without ending; the ids of an SVG begin with its name.
    formats : sequence of str
        Their endings: ``"svg"``, ``"pdf"``, ``"png"``.
    resolution : int, optional
        Dots an inch of a PNG; `RESOLUTION` otherwise.
    title, description : str
        Of an SVG, for those who do not see it.

    Raises
    ------
    BenchError
        If a file cannot be written.
    """
    import matplotlib.pyplot as plt
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(literal(text.get_text()))
    for name in formats:
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
            back = "none" if name == "svg" else figure.get_facecolor()
            figure.savefig(buffer, format=name, dpi=resolution or RESOLUTION, metadata=_UNDATED[name], facecolor=back)
        figure.set_layout_engine("none")  # it took long, and holds for the other formats
        content = buffer.getvalue()
        if name == "svg":
            content = accessible(content, path.name, literal(title), literal(description)).encode()
        write_whole(path.with_name(f"{path.name}.{name}"), content)
    plt.close(figure)
