"""What pages say of speed, of a GPU and of many cells is in the committed tables."""

import json
import re

import pytest

from bench.common.paths import ROOT
from tests.committed_tables import lines, number, rows, text


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
        lost, milliseconds = (float(part) for part in row[5].split(","))
        fields["compiled"] = "yes"
        assert lost == pytest.approx(number("gpu-precision", "difference", precision="bf16", **fields), rel=0.05)
        of = {"batch": "16", "precision": "bf16", "layout": "channels-last"}
        assert milliseconds == pytest.approx(number("gpu-forward", "milliseconds", **of, **fields), abs=0.006)
    losses = [-float(row["difference"]) for row in rows("gpu-precision") if row["precision"] == "fp16"]
    assert f"loses {max(losses):.3f} dB at most" in said
    sets = [row["dataset"] for row in rows("gpu-agreement")]
    assert f"{sets.count('set12')} on Set12, and {sets.count('set5')} in colour on Set5" in said
    loop, cell, _ = rows("gpu-evaluation")
    assert f"takes {float(loop['ratio']):.2f} of the time of the plain loop" in said
    assert f"takes {float(cell['ratio']):.1f} times as long as its forward passes" in said
    alone = times["FFDNet (IPOL)", "16", "fp32", "NCHW"]
    run = number("gpu-precision", "milliseconds", method="FFDNet (IPOL)", precision="fp32", compiled="no")
    assert f"takes {run:.1f} ms an image (`gpu-precision.csv`), where nothing else goes on {alone:.1f}" in said
    for net in (
        "dncnn@own-fast-25", "dncnn@own-fast-50", "dncnn@own-fast-muon-25", "bf-dncnn@own-fast-gaussian-0-100",
        "dncnn-b@own-fast-gaussian-0-55", "rdn@own-fast-50",
    ):  # fmt: skip
        record = json.loads((ROOT / "methods" / "weights" / f"{net}.json").read_text(encoding="utf-8"))
        assert re.search(rf"{record['steps']:,} (steps )?in {record['seconds'] / 60:.1f}\b", said), net
    for dataset, of_gain in (("bsd68", "{:.2f} dB more on BSD68"), ("set12", "and {:.2f} on Set12")):
        muon, adamw = (
            number(f"gpu-dncnn-fast-{name}", "psnr", net=f"dncnn@own-fast-{name}", dataset=dataset)
            for name in ("muon-25", "25")
        )
        assert of_gain.format(muon - adamw) in said


def test_what_limits_the_speed_is_in_its_table():
    def of(beginning, column="measured"):
        (row,) = [row for row in rows("speed") if row["what"].startswith(beginning)]
        return float(row[column])

    said = text("docs/speed.md")
    planned = (of("10,000 cells planned"), of("100,000 cells planned"))
    assert "10,000 cells planned | {:.1f} s of processor time; 100,000: {:.1f} s".format(*planned) in said
    assert f"| {of('5,000 images'):.1f} s of processor time for the whole command" in said
    network = 1 / of("evaluation with DnCNN-S, onnxruntime", "ratio")
    assert f"| {100 * network:.0f} % of a cell of DnCNN-S is the network" in said
    passes = of("evaluation with DnCNN-S, onnxruntime", "reference") / of(
        "DnCNN-S on 12 images of bsd68, torch", "reference"
    )
    aim = of("DnCNN-S on 12 images of bsd68, onnxruntime", "aim")
    assert f"alone take {passes:.2f} of the whole plain loop, so that the aim of {aim:.2f}" in said
    assert f"{of('PSNR, SSIM and MSE', 'ratio'):.2f} of scikit-image's time" in said
    assert f"{of('a finished grid again'):.2f} s of processor time for a finished grid" in said


def test_what_many_cells_cost_is_in_its_table():
    page = [row for row in lines("docs/scale.md") if len(row) in (3, 4)]
    simulated = {row["what"].removeprefix("simulated: "): row for row in rows("scale") if row["count"] == "64"}
    for choice in (
        "longest first", "order of the request", "longest first, 128 workers without a GPU",
        "longest first, 256 workers without a GPU", "longest first, 0 workers without a GPU",
        "longest first, GPU 20 times the CPU", "longest first, GPU 500 times the CPU",
        "2000 of the cells, longest first", "2000 of the cells, order of the request",
    ):  # fmt: skip
        row = simulated[choice]
        busy, cells = re.findall(r"GPUs ([\d.]+)% busy.* ([\d.]+) cells/s", row["remark"])[0]
        said = [line[1:] for line in page if len(line) == 4 and line[1] == f"{float(row['seconds']):,.0f}"]
        assert any(
            float(line[1].split()[0]) == pytest.approx(float(busy), abs=0.51)
            and float(line[2]) == pytest.approx(float(cells), rel=0.02)
            for line in said
        ), choice
    slow = float(simulated["longest first, the command takes 0.1 s a cell"]["seconds"])
    assert f"enough for 64 workers ({slow:,.0f} seconds)" in text("docs/scale.md")
    costs = {row[0]: row[1] for row in page if len(row) == 3}
    for what, said, digits in (
        ("run and scored: median, 32x32", "images run and scored (median)", 1),
        ("planned", "cells planned", 2),
        ("stored", "records stored", 1),
        ("checked whether finished, first", "whether records are finished, the first time", 1),
        ("checked whether finished, again", "the same again", 2),
        ("read for a report, again", "records read for a report, again", 1),
        ("gathered over seeds", "records gathered over seeds", 2),
    ):
        each = [1000 * float(row["seconds"]) / int(row["count"]) for row in rows("scale") if row["what"] == what]
        assert costs[said] == f"{min(each):.{digits}f} to {max(each):.{digits}f} ms", what
    stored = [row for row in rows("scale") if row["what"] == "stored"]
    given = number("scale", "seconds", part="cells", what="given to a worker of Dask, and taken back") / 240
    each = given + float(stored[-1]["seconds"]) / int(stored[-1]["count"])
    assert f"{1000 * each:.1f} ms of its processor time a cell" in text("docs/scale.md")
    assert f"({1000 * given:.1f} ms of processor time each" in text("docs/scale.md")
    idle = number("speed", "measured", what="100,000 cells planned")
    assert f"100,000 cells were planned in {idle:.1f} s" in text("docs/scale.md")
    sizes = [row["remark"].split()[0] for row in stored]
    assert f"{sizes[0]} to {sizes[-1]} KB with images of 32x32" in text("docs/scale.md")
    (remark,) = [row["remark"] for row in rows("torture") if row["what"].startswith("bench and report in a folder")]
    bench, report, memory = re.findall(r"(\d+) s and (\d+) s of processor time, ([\d.]+) GB", remark)[0]
    spoken = f"takes {bench} s of processor time and `make report` {report} s, with {memory} GB"
    assert spoken in text("docs/scale.md")
