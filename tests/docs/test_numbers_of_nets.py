"""What pages say of nets that this project trained is in the committed tables and their records."""

import json
import re

import pytest

from bench.common.paths import ROOT
from tests.committed_tables import lines, number, rows, text


def test_the_five_methods_on_radiographs_have_what_was_measured():
    table = {row[0].strip("`"): row for row in lines("docs/seeds.md") if len(row) == 4}
    for method in ("ding-liu", "dncnn", "rdn-small", "cnn-dae", "dae", "bm3d"):
        row = table.get(method) or table["BM3D"]
        for cell, dataset, series in ((row[1], "pneumonia-mnist", "chest5"), (row[2], "chest-xray-256", "chest")):
            net = method if method == "bm3d" else f"{method}@own-{series}-25"
            assert cell == f"{number('chest', 'psnr', net=net, dataset=dataset):.2f}"
    fast = number("chest", "psnr", net="dncnn@own-fast-25", dataset="chest-xray-256")
    assert f"in full size, has {fast:.2f}" in table["dncnn"][3]
    best = max(float(row["psnr"]) for row in rows("chest-remedies") if row["net"] != "bm3d")
    assert table["cnn-dae"][3].endswith(f"give {best:.2f}")
    remedies = [row for row in lines("docs/results.md") if len(row) == 3 and row[0].startswith("`cnn-dae@own-chest")]
    assert len(remedies) == 8
    for net, _, psnr in remedies:
        measured = number("chest-remedies", "psnr", net=f"{net.strip('`')}-25")
        assert psnr.split(":")[0] == f"{measured:.2f}"
    last = number("chest", "psnr", net="median", dataset="chest-xray-256")
    left_out = f"(median {last:.2f} dB, `cnn-dae@own-chest-residual` {measured:.2f})"
    assert left_out in text("results/measured/README.md")


def test_weights_of_our_own_have_what_was_measured():
    """The first row that begins so, its table, and images and noise of each number in turn."""
    told = [row for row in lines("docs/results.md") if len(row) == 5]
    both = (("bsd68", 25), ("set12", 25))
    for beginning, table, net, cells in (
        ("`dncnn@own-fast`", "gpu-dncnn-fast-25", "dncnn@own-fast-25", both),
        ("`dncnn@own-fast` for sigma 50", "gpu-dncnn-fast-50", "dncnn@own-fast-50", (("bsd68", 50), ("set12", 50))),
        ("`dncnn@own-fast-muon`", "gpu-dncnn-fast-muon-25", "dncnn@own-fast-muon-25", both),
        (
            "`dncnn-b@own-fast`",
            "gpu-dncnn-b-fast-gaussian-0-55",
            "dncnn-b@own-fast-gaussian-0-55",
            (("bsd68", 15), ("bsd68", 25), ("bsd68", 50)),
        ),
        ("`bf-dncnn@own-fast`", "gpu-bf-dncnn-fast-gaussian-0-100", "bf-dncnn@own-fast-gaussian-0-100", both),
        ("`dncnn@own-small`", "own-small", "dncnn@own-small-25", both),
        ("`dncnn-b@own-small`", "own-small", "dncnn-b@own-small-gaussian-0-55", both[:1]),
        ("`dncnn-b@own-colour-small`", "own-small", "dncnn-b@own-colour-small-gaussian-0-55", (("cbsd68", 25),)),
        ("`rdn@own-colour-small`", "own-small", "rdn@own-colour-small-50", (("cbsd68", 50),)),
        ("`rdn@own-fast`", "gpu-rdn-fast", "rdn@own-fast-{}", tuple(("cbsd68", sigma) for sigma in (10, 30, 50, 70))),
        ("`msbf-resnet@own-short`", "own-small", "msbf-resnet@own-short-gaussian-1-40", (("cbsd68", 25),)),
    ):
        row = next(row for row in told if row[0].startswith(beginning))
        measured = [
            number(table, "psnr", net=net.format(sigma), dataset=dataset, degradation=f"gaussian:{sigma}")
            for dataset, sigma in cells
        ]
        assert row[3] == ", ".join(f"{psnr:.2f}" for psnr in measured), beginning
        if "; BM3D" in row[4]:
            package = (number(f"bm3d-{name}", "psnr", degradation=f"gaussian:{sigma}") for name, sigma in cells)
            assert row[4].split("; BM3D ")[1] == ", ".join(f"{psnr:.2f}" for psnr in package), beginning


def test_every_net_of_our_own_stands_in_the_table():
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    section = page.split("\n## Weights of our own\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`([\w-]+@own-[\w-]+)`", section))
    for first, last in re.findall(r"`([\w-]+@own-[\w-]+)` to `-(\d+)`", section):
        stem, begin = first.rsplit("-", 1)
        named |= {f"{stem}-{i}" for i in range(int(begin), int(last) + 1)}
    records = (ROOT / "methods" / "weights").rglob("*.json")
    assert named == {json.loads(path.read_text(encoding="utf-8"))["name"] for path in records}


def test_nets_for_radiographs_mosaics_and_ranges_have_what_was_measured():
    told = {row[0]: row for row in lines("docs/results.md") if len(row) == 5}

    def row(beginning):
        return next(cells for first, cells in told.items() if first.startswith(beginning))

    def beside(table, dataset, *nets):
        return ", ".join(f"{number(table, 'psnr', net=net, dataset=dataset):.2f}" for net in nets)

    small = "pneumonia-mnist"
    assert row("`cnn-dae@own-chest5`")[3] == beside("chest", small, "cnn-dae@own-chest5-25", "dae@own-chest5-25")
    assert row("`dae-stacked@own-small`")[3] == beside("chest", small, "dae-stacked@own-small-25")
    three = ("dncnn@own-chest5-25", "rdn-small@own-chest5-25", "ding-liu@own-chest5-25")
    assert row("`dncnn@own-chest5`")[3] == beside("chest", small, *three)
    assert row("`cnn-dae@own-chest`")[3] == beside("chest", "chest-xray-256", "cnn-dae@own-chest-25")
    four = [f"{name}@own-chest-25" for name in ("dncnn", "rdn-small", "ding-liu", "dae")]
    assert row("`dncnn@own-chest`")[3] == beside("chest", "chest-xray-256", *four)
    grid = {"net": "rdn-small@own-grid-gaussian-mean=0.01-std=0.255", "degradation": "gaussian:mean=0.01,std=0.255"}
    assert row("`rdn-small@own-grid`")[3] == f"{number('rdn-grid', 'psnr', **grid):.2f}"
    pairs = ("mwrcanet@own-small-pairs", "mwresnet@own-small-pairs")
    real = [beside("own-real", images, *pairs).replace(", ", " and ") for images in ("polyu-20", "cc15")]
    assert row("`mwrcanet@own-small`")[3] == "; ".join(real)
    ranges = [
        number(
            "bias-free-small-set12", "psnr", net=f"{name}-dncnn@own-small-0-10-gaussian-0-10", degradation="gaussian:55"
        )
        for name in ("bf", "biased")
    ]
    assert row("`bf-dncnn@own-small-0-10`")[3] == ", ".join(f"{psnr:.2f}" for psnr in ranges)


def test_what_more_time_buys_is_in_the_records():
    told = [row for row in lines("docs/results.md") if len(row) == 6 and " min" in row[1]]
    assert len(told) == 7
    for name, trained, *cells in told:
        net, _, sigma = name.replace("`", "").partition(" at sigma ")
        noise = sigma or ("gaussian-0-100" if net.startswith("bf-") else "25")
        record = json.loads((ROOT / "methods" / "weights" / f"{net}-{noise}.json").read_text(encoding="utf-8"))
        assert trained.endswith(f"{record['seconds'] / 60:.1f} min"), name
        for cell, share in zip(cells, (0.25, 0.5, 0.75, 1), strict=True):
            by = share * record["history"][-1]["seconds"]
            assert cell == f"{[one['psnr'] for one in record['history'] if one['seconds'] <= by][-1]:.2f}", name


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


def test_what_was_tried_of_ding_liu_is_in_its_tables():
    found = {row["weights"]: float(row["held_out_mean_iou"]) for row in rows("ding-liu-lambda")}
    page = lines("docs/seeds.md")
    gains = page[page.index(["0.005", "0.0198", "0.08", "0.32"]) + 2]
    for weight, gain in zip(("0.005", "0.0198", "0.08", "0.32"), gains, strict=True):
        pairs = (
            found[f"ding-liu@own-joint-try-{weight}-{seed}"] - found[f"ding-liu@own-alone-try-{weight}-{seed}"]
            for seed in (101, 102)
        )
        assert gain == f"{sum(pairs) / 2:+.2f}", weight

    def of(table, what, column="mean_iou"):
        both = "ding-liu@own-joint-power-* minus ding-liu@own-alone-power-*, 10 pairs"
        return number(table, column, input=f"{both}: {what}")

    said = {row[0]: row[2] for row in page if len(row) == 3}
    for row, table in (("gain, points", "ding-liu-power"), ("seen by a network", "ding-liu-power-other")):
        (cell,) = [cell for name, cell in said.items() if name.startswith(row)]
        mean, low, high = (100 * of(table, what) for what in ("mean", "lower end of 95 %", "upper end of 95 %"))
        chance = of(table, "p of Wilcoxon's test")
        assert cell.startswith(f"{mean:+.2f} ({low:.2f} to {high:.2f}), p = {chance:.3f}")
    assert (
        f"for {-of('ding-liu-power', 'mean', 'psnr'):.2f} dB less" in said["gain, points of mean IoU (95 % interval)"]
    )
    assert f"would have shown {100 * of('ding-liu-power', 'would have shown'):.2f} points" in text("docs/seeds.md")


def test_five_of_seven_gray_nets_are_worse_than_the_noisy_image():
    weak = [row for row in rows("bfcnn-gray-bsd68") if row["degradation"] == "gaussian:10"]
    worse = [row for row in weak if float(row["psnr"]) < float(row["noisy_psnr"])]
    assert (len(worse), len(weak)) == (5, 7)
    assert "at sigma 10 five of the seven are worse than the noisy image" in text("docs/seeds.md")
