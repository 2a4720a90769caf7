"""Numbers that pages quote are those of the committed tables beside them."""

import csv
import re

import pytest

from bench.common.paths import ROOT

MEASURED = ROOT / "results" / "measured"


def rows(name):
    with (MEASURED / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(table, column, **fields):
    """Return the number in a column of the one row that has these fields."""
    (row,) = [row for row in rows(table) if all(row[name] == value for name, value in fields.items())]
    return float(row[column])


def text(page):
    """Return a page on one line, with the signs of ASCII."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").replace("−", "-").split())


def lines(page):
    """Return the cells of every line of a table of a page, without bold."""
    found = re.findall(r"^\|(.*)\|$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [[cell.strip().replace("**", "").replace("−", "-") for cell in line.split("|")] for line in found]


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


def test_what_came_out_on_a_gpu_is_in_its_tables():
    said = text("docs/gpu.md")
    times = {
        (row["method"], row["batch"], row["precision"], row["layout"]): float(row["milliseconds"])
        for row in rows("gpu-forward")
        if row["compiled"] == "no"
    }
    gains = {key: one / times[(*key[:3], "channels-last")] for key, one in times.items() if key[3] == "NCHW"}
    low = [gain for key, gain in gains.items() if key[2] != "fp32" and key[1] == "16"]
    exact = [1 / gain for key, gain in gains.items() if key[2] == "fp32" and key[1] == "16"]
    assert f"channels-last is {min(low):.1f} to {max(low):.1f} times as fast in half precision and TF32" in said
    assert f"and {min(exact):.1f} to {max(exact):.1f} times as slow in exact float32" in said
    worst = max(float(row["difference"]) for row in rows("gpu-agreement"))
    assert f"{len(rows('gpu-agreement'))} networks" in said
    assert f"by more than {worst:.5f} dB" in said
    trained = [1 / float(row["ratio"]) for row in rows("gpu-train-speed")]
    assert f"trains {trained[0]:.1f} times" in said
    assert f"8 patches {trained[1]:.1f} times" in said
    for name in ("DnCNN-S", "FFDNet (IPOL)", "BF-DnCNN 0-55"):
        (row,) = [row for row in lines("docs/gpu.md") if row[0] == name]
        fields = {"method": name, "compiled": "no"}
        first = number("gpu-precision", "psnr", precision="fp32", **fields)
        assert float(row[1].split(" dB")[0]) == pytest.approx(first, abs=0.0006)
        for cell, precision in zip(row[2:5], ("tf32", "bf16", "fp16"), strict=True):
            lost, milliseconds = (float(part) for part in cell.split(","))
            assert lost == pytest.approx(number("gpu-precision", "difference", precision=precision, **fields), rel=0.35)
            assert milliseconds == pytest.approx(times[name, "16", precision, "channels-last"], abs=0.006)


def test_members_of_the_trainable_family_have_what_was_measured():
    block = ""
    members = 0
    for row in [row for row in lines("docs/seeds.md") if len(row) == 6 and row[1] in ("Laplacian", "Gaussian", "none")]:
        block = row[0].strip("`") or block
        pyramid = {"none": "single"}.get(row[1], row[1].lower())
        net = f"msbf-{block}@own-{pyramid}-gaussian-1-40"
        for cell, sigma in zip(row[2:5], (10, 25, 50), strict=True):
            assert cell == f"{number('msbf-family', 'psnr', net=net, degradation=f'gaussian:{sigma}'):.2f}"
        largest = number("msbf-family", "inhomogeneity", net=net, degradation="gaussian:10")
        assert float(row[5]) == pytest.approx(largest, rel=0.16)
        members += 1
    assert members == 9


def test_what_segmentation_gains_is_in_its_table():
    table = {row[0]: row[1:] for row in lines("docs/results.md") if len(row) == 4}
    names = {"noisy": "noisy", "clean": "clean", "CBM3D": "CBM3D"}
    for name, given in names.items():
        assert table[name][1].split()[0] == f"{100 * number('ding-liu-power', 'mean_iou', input=given):.2f}"
    for name, kind in (("trained alone", "alone"), ("trained through the network", "joint")):
        of = f"ding-liu@own-{kind}-power-*"
        mean = 100 * number("ding-liu-power", "mean_iou", input=f"{of}, mean of 10")
        deviation = 100 * number("ding-liu-power", "mean_iou", input=f"{of}, standard deviation of 10")
        assert table[f"denoised, {name}"][1] == f"{mean:.2f} ± {deviation:.2f}"
    both = "ding-liu@own-joint-power-* minus ding-liu@own-alone-power-*, 10 pairs"
    gains = [
        100 * number("ding-liu-power", "mean_iou", input=f"{both}: {what}")
        for what in ("mean", "lower end of 95 %", "upper end of 95 %")
    ]
    assert "+{:.2f} points of mean IoU (95 % interval over seeds: {:.2f} to {:.2f};".format(*gains) in text(
        "docs/results.md"
    )
    first = [
        number("segment-camvid", "psnr", input=f"ding-liu@own-{kind}-small-*, mean of 3") for kind in ("alone", "joint")
    ]
    assert f"Joint training costs {first[0] - first[1]:.2f} dB" in text("results/measured/README.md")


def test_the_two_ffdnets_differ_as_verify_says():
    def difference(dataset, sigma):
        """Return that of the paper's own number, under the very noise of its authors."""
        return next(
            float(row["difference"])
            for row in rows("verify")
            if (row["method"], row["dataset"], row["degradation"]) == ("FFDNet", dataset, f"gaussian:{sigma}")
            and (row["metric"], row["image"], row["protocol"]) == ("psnr", "", "matlab0")
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
