import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import datasets
from bench.common.files import sha256
from bench.plan.cell import Failure
from bench.plan.request import Request
from bench.run.settings import Settings
from bench.store.records import Store
from bench.studies.segment.evaluation import Scores, confusion
from bench.studies.segment.figure import PALETTE, VOID, coloured
from bench.studies.segment.study import build
from bench.studies.segment.table import median_image, over_seeds, paired, printable, printable_pairs
from bench.train import weights_file
from datasets.description import Dataset, File, Part
from datasets.description import Image as Entry
from datasets.labels import indexed
from methods.networks.segmentation import CompactUNet
from methods.sealed_json import sealed

ONE = Settings(device="cpu", jobs=1, threads=1)
GENERATOR = np.random.default_rng(0)


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """Register five noisy-looking images, dark above and bright below, with their label maps; the last is all void."""
    entries = []
    for i in range(5):
        labels = np.zeros((24, 32), np.uint8)
        labels[8 + 2 * i :] = 1
        image = np.where(labels[..., None] == 1, 190, 70) + GENERATOR.integers(-9, 9, (24, 32, 3))
        if i == 4:
            labels[:] = 9
        parts = []
        for kind, pixels in (("image", image.astype(np.uint8)), ("labels", labels)):
            path = tmp_path / f"{i}-{kind}.png"
            Image.fromarray(pixels).save(path)
            parts.append(Part(File(path.name, sha256(path), local=str(path))))
        entries.append(Entry(f"s{i}", parts[0], labels=parts[1]))
    made = Dataset(
        name="scenes", title="Scenes", colour="rgb", images=tuple(entries), source="made", licence="none",
        label_reader=indexed, classes={0: "dark", 1: "bright", 9: "none"}, void=9,
    )  # fmt: skip
    known = {**datasets.available(), "scenes": made}
    monkeypatch.setattr(datasets, "available", lambda: known)
    monkeypatch.setattr("bench.report.figures.styles.RESOLUTION", 60)
    return made


@pytest.fixture
def segmenter(tmp_path):
    """Return the file of a network that calls a pixel bright where red, green and blue are so together."""
    net = CompactUNet(2, features=1, levels=1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.zero_()
                module.weight[:, :, module.weight.shape[2] // 2, module.weight.shape[3] // 2] = 1
                if module.bias is not None:
                    module.bias.zero_()
        # What lies above the middle passes the ReLUs; class 0 has a logit of a twentieth, class 1 what passes.
        net.head.weight[0] = 0
        net.head.bias[0] = 0.05
    path = tmp_path / "weights" / "segmenter@own-scenes.safetensors"
    weights_file.write_weights(net.state_dict(), path)
    record = {"kind": "segmenter", "classes": ["dark", "bright"], "held_out_mean_iou": 93.21}
    path.with_suffix(".json").write_text(sealed(record))
    return path


def ran(tmp_path, *words, **how):
    how = {"segmenter": str(tmp_path / "weights" / "segmenter@own-scenes.safetensors"), "settings": ONE, **how}
    found = list(build(Request(*words), tmp_path / "out", **how))
    return [one for one in found if isinstance(one, str)], [one.cause for one in found if isinstance(one, Failure)]


@pytest.fixture
def levels(method_file):
    """Return a method that gives one level everywhere."""
    return method_file("def denoise(noisy, sigma, level=100.0):\n    return noisy * 0 + level / 255\n", "levels")


def test_table_file_and_figure(tmp_path, scenes, segmenter, levels, reported):
    texts, failures = ran(
        tmp_path, f"{levels},{levels}:level=200,median", "scenes", "40", table=tmp_path / "all" / "table.csv"
    )
    assert not failures
    assert "Scenes, gaussian:40, protocol standard, seed 0, 5 images; segmented by segmenter@own-scenes" in texts[0]
    assert "(held-out mean IoU 93.2 %)" in texts[0]
    (file,) = (tmp_path / "out" / "segment").glob("scenes-gaussian-40-standard-0-*.csv")
    assert texts[1] == f"{file} (and .png)"
    rows = list(csv.DictReader(file.open()))
    assert [row["input"] for row in rows] == ["noisy", "levels", "levels level=200", "Median", "clean"]
    assert [row["method"] for row in rows] == ["", "levels", "levels", "median", ""]
    # All dark, or all bright: 8, 10, 12 and 14 of 24 rows are dark; the fifth image is void.
    dark = (8 + 10 + 12 + 14) / (4 * 24)
    assert [float(row["iou dark"]) for row in rows[1:3]] == pytest.approx([dark, 0], abs=1e-5)
    assert [float(row["iou bright"]) for row in rows[1:3]] == pytest.approx([0, 1 - dark], abs=1e-5)
    assert [float(row["mean_iou"]) for row in rows[1:3]] == pytest.approx([dark / 2, (1 - dark) / 2], abs=1e-5)
    assert float(rows[4]["mean_iou"]) == 1
    assert float(rows[0]["mean_iou"]) < float(rows[3]["mean_iou"]) <= 1
    assert [row["images"] for row in rows] == ["5"] * 5
    (part,) = reported(tmp_path / "out", "segment").parts
    shown = dict(zip(part.tables[0].heads, part.tables[0].rows[1], strict=True))
    assert (shown["Images"], float(shown["dark"])) == ("levels", pytest.approx(100 * dark, abs=0.06))
    assert "SEGMENTER=segmenter@own-scenes.safetensors" in part.command
    with Image.open(file.with_suffix(".png")) as figure:
        assert figure.size[0] > 6 * 1.7 * 60  # noisy, three methods, clean, truth
        colours = {colour for _, colour in figure.convert("RGB").getcolors(figure.size[0] * figure.size[1])}
    assert {PALETTE[0], PALETTE[1]} <= colours
    assert (tmp_path / "all" / "table.csv").read_text() == file.read_text()


def test_records_are_those_of_make_bench(tmp_path, scenes, segmenter, levels, one_cell, monkeypatch):
    ran(tmp_path, str(levels), "scenes", "40")
    cell = one_cell(str(levels), "scenes", "40")
    assert Store(tmp_path / "out" / "runs").has(cell)
    monkeypatch.setattr("bench.run.engine.run_cell", lambda *words: pytest.fail("a cell ran again"))
    texts, _ = ran(tmp_path, str(levels), "scenes", "40")
    assert "levels" in texts[0]


def test_fewer_images_have_the_same_noise_and_records_of_their_own(tmp_path, scenes, segmenter, levels):
    ran(tmp_path, str(levels), "scenes", "40")
    few, _ = ran(tmp_path, str(levels), "scenes", "40", images=2)
    assert "2 images" in few[0]
    assert len(list((tmp_path / "out" / "runs").glob("scenes/*.parquet"))) == 1
    (path,) = (tmp_path / "out" / "segment" / "runs").glob("scenes/*.parquet")
    (all_of_them,) = (tmp_path / "out" / "runs").glob("scenes/*.parquet")
    from bench.store.records import read

    noisy = {row["image"]: row["noisy_psnr"] for row in read(all_of_them).images}
    found = {row["image"]: row["noisy_psnr"] for row in read(path).images}
    assert found == {name: noisy[name] for name in found}
    assert len(found) == 2


def test_several_noises_and_seeds(tmp_path, scenes, segmenter, levels):
    texts, _ = ran(tmp_path, str(levels), "scenes", "20,40", "", "0,1", table=tmp_path / "t.csv")
    assert sum("segmented by" in text for text in texts) == 4
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert {(row["degradation"], row["seed"]) for row in rows} == {
        (f"gaussian:{sigma}", seed) for sigma in (20, 40) for seed in "01"
    }


def test_another_question_has_files_of_its_own(tmp_path, scenes, segmenter, levels):
    other = segmenter.with_name("segmenter@own-other.safetensors")
    net = load_file(segmenter)
    net["head.bias"] += 0.01
    save_file(net, other)
    other.with_suffix(".json").write_text(segmenter.with_suffix(".json").read_text())
    questions = [
        ((str(levels), "scenes", "40"), {}),
        ((str(levels), "scenes", "40"), {"segmenter": str(other)}),
        ((str(levels), "scenes", "40"), {"images": 3}),
        ((str(levels), "scenes", "40"), {"image": "s1"}),
        ((f"{levels},median", "scenes", "40"), {}),
        ((f"{levels}:level=200", "scenes", "40"), {}),
    ]
    for count, (words, how) in enumerate(questions, 1):
        texts, failures = ran(tmp_path, *words, **how)
        assert not failures
        assert len(list((tmp_path / "out" / "segment").glob("*.csv"))) == count
        assert len(list((tmp_path / "out" / "segment").glob("*.png"))) == count
    assert ran(tmp_path, *words, **how)[0] == texts  # the last one again
    assert len(list((tmp_path / "out" / "segment").glob("*.csv"))) == len(questions)


@pytest.mark.parametrize(
    ("words", "how", "cause"),
    [
        (
            ("median", "cbsd68", "25"),
            {},
            "dataset cbsd68 has no classes 0, 1, 2, ... to segment; take camvid or voc2012",
        ),
        (("median", "camvid", "25"), {}, "its 2 classes (dark, bright) are not the 11 of dataset camvid (sky,"),
        (
            ("median", "voc2012", "25"),
            {"segmenter": ""},
            "no segmentation network for the 21 classes of dataset voc2012",
        ),
        (("median", "scenes", "25"), {"segmenter": "x.pt"}, "SEGMENTER=x.pt: no such file"),
        (("median", "scenes", "25"), {"image": "s9"}, "IMAGE=s9: dataset scenes has no such image"),
        (("medin", "scenes", "25"), {}, "unknown method 'medin': did you mean median"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, scenes, segmenter, words, how, cause):
    texts, (failure,) = ran(tmp_path, *words, **how)
    assert not texts
    assert cause in failure
    assert "\n" not in failure


def row(name, psnr, iou):
    return {"input": name, "psnr": psnr, "mean_iou": iou, "accuracy": iou, "iou dark": iou, "iou bright": math.nan}


@pytest.fixture
def numbered(scenes, one_cell):
    """Return a function that makes a cell of own weights with a name, trained for some noise."""
    cell = one_cell("median", "scenes", "25")

    def make(name, trained=(30.0, 30.0)):
        return replace(cell, method=replace(cell.method, name=name), net=replace(cell.net, trained=trained))

    return make


def test_mean_and_deviation_over_seeds(numbered):
    rows = [
        row("noisy", 18.0, 0.2),
        *(row(f"joint-{i}", psnr, iou) for i, (psnr, iou) in enumerate([(28.0, 0.50), (29.0, 0.54), (30.0, 0.52)])),
        row("alone-0", 30.0, 0.4), row("alone-1", 32.0, 0.5), row("other-7", 25.0, 0.3), row("clean", math.inf, 0.6),
    ]  # fmt: skip
    names = {one["input"]: f"ding-liu@own-{one['input']}" for one in rows if one["input"] not in ("noisy", "clean")}
    seeds = over_seeds(rows, {label: numbered(name) for label, name in names.items()})
    assert [one["input"] for one in seeds] == [
        "ding-liu@own-joint-*, mean of 3", "ding-liu@own-joint-*, standard deviation of 3",
        "ding-liu@own-alone-*, mean of 2", "ding-liu@own-alone-*, standard deviation of 2",
    ]  # fmt: skip
    # Squared distances of 1 + 0 + 1 over n - 1 = 2; of 0.02 twice.
    assert (seeds[0]["psnr"], seeds[1]["psnr"]) == pytest.approx((29.0, 1.0))
    assert (seeds[0]["mean_iou"], seeds[1]["mean_iou"]) == pytest.approx((0.52, 0.02))
    assert (seeds[2]["psnr"], seeds[3]["psnr"]) == pytest.approx((31.0, 2**0.5))
    text = printable(rows, seeds)
    (line,) = (line for line in text.splitlines() if "joint-*" in line)
    for part in ("mean ± deviation of 3", "29.00 ± 1.00", "52.00 ± 2.00", "+32.00"):
        assert part in line
    (line,) = (line for line in text.splitlines() if "joint-1" in line)
    assert line.split() == ["joint-1", "29.00", "54.00", "54.00", "+34.00", "85"]  # 34 of the 40 points up to clean


def test_seeds_are_compared_pair_by_pair(numbered):
    from scipy.stats import nct, t, ttest_rel, wilcoxon

    alone = np.array([0.40, 0.43, 0.39, 0.45, 0.41, 0.44, 0.42])
    joint = alone + np.array([0.010, 0.004, 0.012, -0.002, 0.008, 0.006, 0.011])
    rows = [row(f"alone-{i}", 31 + 0.1 * i, value) for i, value in enumerate(alone)]
    rows += [row(f"joint-{i}", 30 + 0.1 * i, joint[i]) for i in (3, 1, 2, 0, 5, 4, 6)]  # in any order
    rows += [row("noisy", 18.0, 0.2), row("other-0", 25.0, 0.3), row("clean", math.inf, 0.6)]
    names = {one["input"]: f"ding-liu@own-{one['input']}" for one in rows if one["input"] not in ("noisy", "clean")}
    methods = {label: numbered(name) for label, name in names.items()}
    mean, low, high, p, shown = paired(rows, methods)
    assert mean["input"] == "ding-liu@own-joint-* minus ding-liu@own-alone-*, 7 pairs: mean"
    test = ttest_rel(joint, alone)
    interval = test.confidence_interval(0.95)
    assert mean["mean_iou"] == pytest.approx(np.mean(joint - alone))
    assert (low["mean_iou"], high["mean_iou"]) == pytest.approx((interval.low, interval.high))
    assert p["mean_iou"] == pytest.approx(wilcoxon(joint, alone).pvalue)
    assert (mean["psnr"], low["psnr"], high["psnr"]) == pytest.approx((-1, -1, -1))
    assert math.isnan(mean["iou bright"])
    # Of Student's test with a true gain of that size: its power by the noncentral t distribution.
    size = shown["mean_iou"] / np.std(joint - alone, ddof=1)
    assert nct.sf(t.ppf(0.975, 6), 6, size * 7**0.5) == pytest.approx(0.8, abs=0.03)
    (line,) = printable_pairs([mean, low, high, p, shown]).strip().splitlines()
    gain, least = 100 * mean["mean_iou"], 100 * shown["mean_iou"]
    for part in (f"mean IoU {gain:+.2f} points", f"p {p['mean_iou']:.2g};", f"{least:.2f} would", "PSNR -1.00 dB"):
        assert part in line
    # Too few pairs, or other seeds, are not compared.
    assert paired(rows[:5] + rows[7:12], methods) == []
    assert paired(rows[1:], methods) == []
    assert printable_pairs([]) == ""


def test_numbers_that_are_no_seeds_are_not_put_together(numbered):
    rows = [row("a", 1.0, 0.1), row("b", 2.0, 0.2)]
    of_noise = {"a": numbered("bf-dncnn@own-small-0-10", (0, 10)), "b": numbered("bf-dncnn@own-small-0-30", (0, 30))}
    assert over_seeds(rows, of_noise) == []
    assert over_seeds(rows, {"a": numbered("bf-dncnn@0-10"), "b": numbered("bf-dncnn@0-30")}) == []


def test_the_image_of_the_figure_is_one_of_average_gain():
    true = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])

    def counts(wrong):
        found = true.clone()
        found[0, :wrong] = 1
        return confusion(true, found, 2, 9)

    void = confusion(torch.full_like(true, 9), true, 2, 9)
    noisy = Scores("noisy", {}, {"a": counts(4), "b": counts(4), "c": counts(4), "d": void})
    method = Scores("method", {}, {"a": counts(0), "b": counts(2), "c": counts(3), "d": void})
    assert median_image([noisy, method, noisy]) == "b"


def test_colours_of_classes():
    colours = coloured(torch.tensor([[0, 2, 255]]), 255)
    assert [tuple(colour) for colour in colours[0].tolist()] == [PALETTE[0], PALETTE[2], VOID]
    assert len(set(PALETTE)) == len(PALETTE) == 21  # as many as PASCAL VOC has classes
