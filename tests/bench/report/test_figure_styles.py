"""The look of a method in figures: its own, whatever stands beside it."""

from itertools import combinations

import pytest

import methods
from bench.report.figures.styles import HUES, styles

WHITE, DARK = "#ffffff", "#14171a"


def luminance(colour):
    """Return the relative luminance, as WCAG 2 defines it."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def hue(look):
    return next(place for place, shades in enumerate(HUES) if look.colour in shades)


@pytest.mark.parametrize("back", [WHITE, DARK])
def test_every_colour_is_seen_on_both_pages(back):
    for colour in sum(HUES, ()):
        darker, lighter = sorted((luminance(colour), luminance(back)))
        assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_a_method_looks_the_same_whatever_stands_beside_it():
    own = ["my net", "my net (epoch_20.pth)", "x$_{$", "_", "été", "\udc80", "DnCNN-B (best.pth)", "net b x8"]
    labels = [*methods.labels(), *own]
    together = styles(labels)
    published = {label for label in methods.labels() if "(own " not in label}
    for label in labels:
        alone = styles([label])[label]
        assert hue(alone) == hue(together[label])
        if label in published:
            assert alone == together[label]
    assert styles(reversed(labels)) == together


@pytest.mark.parametrize(
    "family",
    [
        ("DnCNN-S", "DnCNN-B", "CDnCNN-B", "DnCNN-3", "DnCNN-B x8", "DnCNN-B (10 layers of 16) (own small)"),
        ("BM3D", "CBM3D", "BM3D profile=lc", "BM3D x8"),
        ("BF-DnCNN 0-55", "BF-DnCNN (10 layers of 16) (own small-0-10)", "BF-UNet 0-100"),
        ("my_net", "my_net (a.pth)", "my_net tile 64"),
    ],
)
def test_variants_share_the_hue_and_look_different(family):
    looks = styles(family)
    assert len({hue(look) for look in looks.values()}) == 1
    for one, other in combinations(family, 2):
        if other != f"C{one}":
            assert looks[one] != looks[other]


def test_the_net_for_colour_looks_like_the_one_for_gray():
    looks = styles(["CBM3D", "BM3D", "DnCNN-B", "CDnCNN-B", "Curvelets", "urvelets"])
    assert looks["CBM3D"] == looks["BM3D"]
    assert looks["CDnCNN-B"] == looks["DnCNN-B"]
    assert looks["Curvelets"] != looks["urvelets"]


def test_methods_that_papers_compare_differ_in_hue():
    usual = ["BM3D", "DnCNN-S", "FFDNet (IPOL)", "ADNet", "BF-DnCNN 0-55", "NLM", "IRCNN", "Wavelet"]
    assert len({hue(look) for look in styles(usual).values()}) == 8


def test_registered_methods_look_different():
    series = {net.label for method in methods.available().values() if method.of_a_series for net in method.nets}
    labels = [label for label in methods.labels() - series if not label.startswith(("CDnCNN", "CBM3D"))]
    assert len(set(styles(labels).values())) == len(labels)


def test_thirty_variants_of_one_method_look_different():
    assert len(set(styles(f"net {i}" for i in range(30)).values())) == 30
    assert len(styles(f"net {i}" for i in range(31))) == 31
