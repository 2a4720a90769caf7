"""Numbers that pages quote are those of the committed tables beside them."""

import math
import re

import pytest

from bench.common.paths import ROOT
from bench.judge.spread import deviation_of_mean, spread
from bench.judge.tolerance import AGREE
from tests.committed_tables import lines, number, rows, text


def effect(choice):
    return number("footguns-set12", "psnr_effect", switches=choice)


def in_colour(protocol):
    usual = number("footguns-cbsd68", "psnr", protocol="standard")
    return number("footguns-cbsd68", "psnr", protocol=protocol) - usual


def pooled():
    return number("conformance", "difference", implementation="torchmetrics, all images in one call")


def ssims():
    """Return what the five definitions of SSIM give on the same images."""
    return [
        float(row["value"])
        for row in rows("conformance")
        if row["what"].startswith("SSIM") and row["implementation"] == "definition"
    ]


def test_the_first_page_says_what_choices_are_worth():
    psnrs = (
        number("footguns-set12", "psnr", switches=choice)
        for choice in ("noisy=uint8", "none", "images=limited", "channel=y")
    )
    said = text("README.md")
    assert '"has" {:.1f}, {:.1f}, {:.1f} or {:.1f} dB'.format(*psnrs) in said
    assert f"clipped or not ({-effect('noisy=uint8'):.1f} dB, in colour {-in_colour('clipped'):.1f})" in said
    assert f"gray by another formula ({effect('images=limited'):.1f} dB)" in said
    assert f"pooled PSNR ({-pooled():.1f} dB)" in said
    assert len(ssims()) == 5
    assert f"five things called SSIM ({max(ssims()) - min(ssims()):.2f})" in said


def test_what_a_search_for_planted_choices_names():
    def named(size, decimals, *words):
        found = [row[f"named_{decimals}_decimals"] for row in rows("why-planted-set12") if row["switches"] == size]
        return sum(word in words for word in found), len(found)

    shown, said = ("first", "among others"), text("docs/commands/why.md")
    (choices, of_choices), (pairs, of_pairs) = (named(size, 5, *shown) for size in "12")
    first = named("1", 5, "first")[0]
    assert choices == of_choices
    assert (
        f"all of {choices} planted choices are named from five decimals, {first} of them first, and {pairs} of "
        f"{of_pairs} pairs;"
    ) in said
    assert f"two decimals {named('1', 2, *shown)[0]} of the choices and {named('2', 2, *shown)[0]} of the pairs" in said
    held = [named("2", decimals, *shown, "in the file") for decimals in (5, 2)]
    assert f"all {held[0][0]} pairs stand from five decimals, and {held[1][0]} from two" in said
    assert held[0][0] == of_pairs


def test_the_ways_to_another_number_are_those_of_the_search():
    said = {row[1]: row[2] for row in lines("docs/footguns.md") if len(row) == 4}

    def of(beginning):
        (found,) = [value for name, value in said.items() if name.startswith(beginning)]
        return found

    for beginning, choice in (
        ("The noisy image is clipped", "noisy=uint8"), ("Gray by another formula", "images=limited"),
        ("scored on such a Y", "channel=y"), ("The peak of PSNR", "peak=max"), ("its range", "peak=range"),
        ("2, as scikit-image", "peak=2"), ("255 for images", "peak=unit"), ("The mean", "pooling=mean-mse"),
        ("PSNR of the error of all", "pooling=pooled"), ("median of", "pooling=median"),
        ("images weighted", "pooling=pixels"), ("stretched", "output=stretch"), ("self-ensemble", "inference=x8"),
    ):  # fmt: skip
        assert of(beginning) == f"{effect(choice):+.2f} dB", beginning
    assert of("the same, colour") == f"{in_colour('clipped'):+.2f} dB"
    assert of("colour images: only Y") == f"{in_colour('standard+channel=y'):+.2f} dB"
    assert of("the same, by one call") == f"{pooled():+.2f} dB"


def test_methods_stand_beside_their_papers_with_what_was_measured():
    labels = {"BM3D, package of 2020": "BM3D"}
    told = [row for row in lines("docs/results.md") if len(row) == 7 and row[6].endswith(".csv`")]
    assert len(told) == 14
    for method, dataset, *cells, seeds, table in told:
        for sigma, cell in zip((15, 25, 50), cells, strict=True):
            measured, published = re.findall(r"[\d.]+", cell)
            fields = {"dataset": dataset.lower(), "degradation": f"gaussian:{sigma}"}
            if table == "`verify.csv`":
                of = {"method": "BM3D", "metric": "psnr", "image": "", "with": "BM3D (2007)", "published": published}
                assert f"{number('verify', 'measured', **fields, **of):.2f}" == measured
                continue
            fields |= {"method": labels.get(method, method), "seeds": seeds}
            assert f"{number(table.strip('`').removesuffix('.csv'), 'psnr', **fields):.2f}" == measured
            assert number(table.strip("`").removesuffix(".csv"), "psnr_published", **fields) == float(published)


def test_the_two_ffdnets_differ_as_verify_says():
    def difference(dataset, sigma):
        """Return that of the number whose noise is known to be the authors'; of the one that DPIR prints it is not."""
        return next(
            float(row["difference"])
            for row in rows("verify")
            if (row["method"], row["dataset"], row["degradation"]) == ("FFDNet", dataset, f"gaussian:{sigma}")
            and (row["metric"], row["image"], row["protocol"]) == ("psnr", "", "matlab0")
            and not row["paper"].startswith("DPIR")
        )

    said = text("results/measured/README.md")
    for dataset, sigmas, sentence in (
        ("set12", (15, 25), "Set12 {:+.3f} and {:+.3f} dB at sigma 15 and 25"),
        ("bsd68", (15, 50, 25), "BSD68 {:+.3f} and {:+.3f} at 15 and 50 ({:+.3f} at 25 is rounding)"),
        (
            "kodak24-500",
            (15, 25, 35, 50, 75),
            "crops of Kodak24 {:+.3f}, {:+.3f}, {:+.3f}, {:+.3f} and {:+.3f} dB at sigma 15, 25, 35, 50 and 75",
        ),
    ):
        assert sentence.format(*(difference(dataset, sigma) for sigma in sigmas)) in said


def test_the_audit_found_what_its_page_says():
    said = text("docs/concepts/audit.md")
    found = rows("audit", ROOT / "results")

    def images(side, **fields):
        return {row[f"image_{side}"] for row in found if all(row[name] == value for name, value in fields.items())}

    def share(dataset, image, training):
        of = {"dataset_a": dataset, "image_a": image, "dataset_b": training}
        (row,) = [row for row in found if of.items() <= row.items()]
        return f"{100 * float(row['share']):.0f} %"

    assert f"{share('set12', '04', 'train400')} of its pixels stand in `train400`, all of them in `cbsd432`" in said
    assert share("set12", "04", "cbsd432") == "100 %"
    assert f"likewise ({share('set5', 'woman', 'train400')}, {share('set5', 'woman', 'cbsd432')})" in said
    assert f"{len(images('b', dataset_a='kodak24', dataset_b='live1'))} of LIVE1's 29 scenes" in said
    within = {"dataset_a": "polyu", "dataset_b": "polyu"}
    assert f"{len(images('a', **within) | images('b', **within))} of PolyU's 100 crops" in said
    both = images("a", dataset_a="pneumonia-mnist-val", dataset_b="pneumonia-mnist-train")
    assert f"{len(both)} images of PneumoniaMNIST" in said
    assert len(images("b", image_a="baboon", dataset_b="cc15")) == 2
    sets = {"set12", "set5", "classic5", "live1"}
    shared = {row["image_b"] for row in found if {row["dataset_a"], row["dataset_b"]} <= sets} - {"butterfly"}
    (names,) = re.findall(r"LIVE1 share ([a-z, ]+), not always", said)  # butterfly is a crop of monarch
    assert set(re.split(", | and ", names)) == shared


def test_what_a_draw_moves_is_in_its_table():
    said = text("docs/concepts/verdict.md")
    table = [row for row in rows("draws") if row["dataset"] == "bsd68"]

    def ratios(method, sigma, side="64", images="20"):
        of = {"sigma": f"{sigma}.0", "side": side, "images": images}
        return {row["method"]: float(row["psnr_ratio"]) for row in table if of.items() <= row.items()}[method]

    whole = {sigma: ratios("DnCNN-S", sigma, "", "10") for sigma in (15, 25, 50)}
    assert f"{whole[15]:.1f} times as much at sigma 15 (DnCNN-S on BSD68), {whole[50]:.1f} times at 50" in said
    for sigma, ratio in whole.items():
        assert f"has {ratios('DnCNN-S', sigma) / ratio:.1f} of its spread" in said
    least, most = ratios("DnCNN-S", 15), ratios("DnCNN-S", 50)  # beyond them it grows with the square root of sigma
    at = {10: least * math.sqrt(10 / 15), 50: most, 100: most * math.sqrt(100 / 50)}
    free = [float(row["psnr_ratio"]) / at[float(row["sigma"])] for row in table if row["method"].startswith("BF-")]
    assert f"without biases moves {min(free):.1f} to {max(free):.1f} times as far as DnCNN-S" in said
    assert ratios("DnCNN bias 0-10", 100) / at[100] == pytest.approx(0.25, abs=0.01)  # "a quarter as far"
    deviations = {}
    for sigma in whole:
        one = spread("psnr", "DnCNN-S", "bsd68", sigma, 1)
        shapes = [(321, 481)] * 53 + [(481, 321)] * 15
        deviations[sigma] = [deviation_of_mean(shapes, 1, one, shared=shared) for shared in (False, True)]
    wider = [round(shared / alone) for alone, shared in deviations.values()]
    assert (min(wider), max(wider)) == (3, 4)
    assert "three to four times as wide on BSD68" in said
    alone, shared = deviations[25]
    spoken = f"deviation of {alone:.3f} dB with independent draws, of {shared:.3f} dB with one shared field"
    assert spoken in text("results/README.md")
    draws = AGREE * math.hypot(alone, shared)
    assert f"allowed ±{0.005 + draws:.4f} = rounding 0.005 + noise draws {draws:.4f}" in text(
        "docs/tutorials/verdict.md"
    )


def test_under_the_noise_of_the_authors_only_rounding_is_left():
    of = {"method": "DnCNN", "variant": "S", "dataset": "set12", "metric": "psnr", "protocol": "matlab0"}
    found = [row for row in rows("verify") if of.items() <= row.items()]
    means = [row for row in found if re.fullmatch(r"\d+\.\d{3}", row["published"])]
    images = [abs(float(row["difference"])) for row in found if row["image"]]
    assert (len(means), len(images)) == (3, 36)
    assert max(abs(float(row["difference"])) for row in means) < 0.0005
    assert max(images) < 0.005
    assert "the means within 0.0005 dB, each of the twelve images within 0.005" in text("docs/concepts/protocol.md")
    (mean,) = [row for row in means if row["published"] == "30.436"]
    said = f"to the last printed digit ({float(mean['measured']):.3f}, `diff` {float(mean['difference']) + 0:+.3f})"
    assert said.replace("-0.000", "+0.000") in text("docs/tutorials/reproduce.md")
    of = {"metric": "psnr", "image": "", "with": "BM3D (2007)", "degradation": "gaussian:15"}
    bm3d = [
        -number("verify", "difference", **of, dataset=dataset, published=published)
        for dataset, published in (("bsd68", "31.07"), ("set12", "32.37"))
    ]
    assert "met to {:.3f} dB on BSD68 and to {:.3f} dB on Set12".format(*bm3d) in text("docs/tutorials/verdict.md")
