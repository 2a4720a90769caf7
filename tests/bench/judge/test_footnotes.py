import csv
import io
import re
from dataclasses import asdict, replace

import pytest

from bench.judge.footnotes import averaged, footnotes
from bench.plan.protocol import PROTOCOLS
from bench.plan.request import Request, plan
from bench.report.leaderboard import leaderboards, to_csv, to_markdown
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Record
from bench.store.results import gather
from tests.bench.report.synthetic import boards_of, record


def result(label, dataset, *, trained_on=(), told="not told", noise="25", **columns):
    """A result of one image, with what tables need."""
    row = {"image": "a", "height": 8, "width": 8, "told_sigma": 3.0, "psnr": 30.0, "ssim": 0.9, "mse": 65.0}
    row |= {"noisy_psnr": 20.0, "noisy_ssim": 0.5, "noisy_mse": 650.0, "noise_psnr": 29.0, "seconds": 0.1}
    row |= {"self_mse": 700.0, "self_error": 5.0} | columns
    about = {
        "identity": {"net": label, "dataset": dataset, "degradation": noise},
        "label": label,
        "net": {"published": None, "trained_on": list(trained_on), "trained": None},
        "dataset": {"name": dataset, "title": dataset, "colour": "gray", "ledger": [dataset, "gray"]},
        "degradation": noise,
        "kind": noise.partition(":")[0],
        "strength": None,
        "sigma": None,
        "random": False,
        "told_sigma": told,
        "protocol": {"name": "standard"},
        "seed": 0,
        "extrapolates": False,
        "started": "2026-01-01",
        "runtime": "onnxruntime",
        "fallback": "",
        "device": "cpu",
        "threads": 2,
        "jobs": 1,
    }
    (gathered,) = gather([Record([row], about)])
    return gathered


def test_a_test_image_that_a_method_was_trained_on_is_named():
    both = [result("DnCNN-S", "set12", trained_on=("train400",)), result("CDnCNN-B", "cbsd68", trained_on=("cbsd432",))]
    (line,) = [line for line in footnotes(both) if "trained" in line]
    # Facts of the data: 52,256 of 65,536 pixels lie elsewhere; CDnCNN-B did not run on set12.
    assert "set12" in line
    assert "29 %" in line
    assert "train400/test_020" in line
    assert "DnCNN-S was trained" in line
    assert not [line for line in footnotes([result("BM3D", "set12")]) if "trained" in line]


def test_of_a_part_of_a_set_only_its_own_images_are_named():
    """Facts of the data: set12's 04 lies in train400/test_020, and no other image of set12 in a training set."""
    parts = [result("DnCNN-S", f"set12:{image}", trained_on=("train400",)) for image in ("04", "05")]
    for part, image in zip(parts, ("04", "05"), strict=True):
        part.about["dataset"]["noise_name"] = "set12"
        part.records[0].images[0]["image"] = image
    (line,) = [line for line in footnotes(parts) if "trained" in line]
    assert line.startswith("set12:04: ")
    assert "train400/test_020" in line


def test_test_sets_that_share_scenes_are_named_where_both_stand_in_the_table():
    lines = footnotes([result("BM3D", "kodak24"), result("BM3D", "live1")])
    assert any("kodak24" in line and "live1" in line and "19 of 29" in line for line in lines)
    assert footnotes([result("BM3D", "kodak24")]) == []


def test_an_estimated_sigma_is_named():
    told = [result(name, "rni6", told="estimated", noise="pairs") for name in ("FFDNet", "BM3D")]
    (line,) = footnotes([*told, result("DnCNN-B", "rni6", noise="pairs")])
    assert line == "rni6, pairs: FFDNet, BM3D told an estimate of sigma, from each image itself (3.0 to 3.0)"


@pytest.mark.parametrize(
    ("sigma", "known", "line"),
    [
        (15.0, True, "WARNING: mine on set12, 15: net.pth is the file of DnCNN-S (KAIR) (dncnn-s-25@kair, trained for"),
        (
            25.0,
            True,
            "mine on set12, 25: net.pth is the file of DnCNN-S (KAIR) (dncnn-s-25@kair, trained for sigma 25)",
        ),
        (None, True, "mine on set12, 0: net.pth is the file of DnCNN-S (KAIR)"),
        (15.0, False, ""),
    ],
)
def test_a_file_that_is_of_a_registered_net_is_named_and_its_sigma_held_against_the_noise(sigma, known, line):
    # The digest of dncnn_25.pth, as KAIR publishes it.
    digest = "0451a70de9b672ae037270498fbb1c17a1c1c4403785df586ff65df5b858e5b0" if known else "0" * 64
    own = result("mine", "set12", noise=f"{sigma or 0:g}")
    own.about.update(sigma=sigma, weights={"path": "net.pth", "sha256": digest, "local": "net.pth"})
    found = footnotes([own])
    assert [text.startswith(line) for text in found] == [True] * bool(line), found
    own.about["weights"]["local"] = ""  # the registered method itself
    assert footnotes([own]) == []


def test_notes_stand_in_every_form_of_the_table():
    boards = leaderboards([result("DnCNN-S", "set12", trained_on=("train400",))])
    assert "- Note: set12" in to_markdown(boards)
    (row,) = csv.DictReader(io.StringIO(to_csv(boards)))
    assert "train400/test_020" in row["notes"]


def test_a_row_of_a_file_has_the_footnotes_of_its_own_result():
    both = [result("DnCNN-S", "set12", trained_on=("train400",)), result("BM3D", "set12", told="estimated")]
    rows = {row["method"]: row["notes"] for row in csv.DictReader(io.StringIO(to_csv(leaderboards(both))))}
    assert "DnCNN-S was trained" in rows["DnCNN-S"]
    assert "estimate" not in rows["DnCNN-S"]
    assert rows["BM3D"] == "set12, 25: BM3D told an estimate of sigma, from each image itself (3.0 to 3.0)"


def test_without_a_reference_the_order_is_that_of_the_score():
    nan = float("nan")
    empty = dict.fromkeys(("psnr", "ssim", "mse", "noisy_psnr", "noisy_ssim", "noisy_mse", "noise_psnr"), nan)
    worse = result("A", "rni6", noise="pairs", **empty)
    better = result("B", "rni6", noise="pairs", **(empty | {"self_mse": 600.0}))
    (board,) = leaderboards([worse, better])
    assert [entry.result.label for entry in board.entries] == ["B", "A"]
    text = to_markdown([board])
    assert "| B | 600.00 | 5.00 | 3.0 |" in text
    assert "nan" not in text.lower()
    rows = list(csv.DictReader(io.StringIO(to_csv([board]))))
    assert [row["psnr"] for row in rows] == ["", ""]
    assert rows[0]["self_mse"] == "600.0"


def test_the_predicted_noise_has_both_conventions(photographs):
    (cell,), _ = plan(Request("median", str(photographs), "gaussian:mean=0.1,std=0.1", "standard"))
    record = run_cell(cell, Settings("cpu", jobs=1))
    boards = leaderboards(gather([record]))
    assert "noise (dB) | noise, peak 255 (dB)" in to_markdown(boards)
    (row,) = csv.DictReader(io.StringIO(to_csv(boards)))
    # 20 log10(255) is 48.1308.
    difference = float(row["noise_psnr_peak_255_of_white_1"]) - float(row["noise_psnr"])
    assert difference == pytest.approx(48.1308, abs=2e-4)
    # A mean of 0.1 that the method leaves in is an error of at least 0.01 on the unit scale: 20 dB.
    assert float(row["noise_psnr"]) < 20


def test_the_printed_error_of_the_noise_stands_beside_the_measured_one():
    """The logs of the small RDN have an L1 column of the test images of CIFAR-100: 0.061266 for this noise."""
    from methods import available as methods

    row = {"noise_psnr": 21.7, "noise_l1": 0.0625}
    measured = result("RDN", "cifar100", noise="gaussian:mean=0.01,std=0.255", **row)
    (net,) = (net for net in methods()["rdn-small"].nets if net.id == "rdn-small")
    about = measured.about
    about["net"] = {**about["net"], "published": list(net.published)}
    about["dataset"] |= {"ledger": ["cifar100", "rgb"], "colour": "rgb"}
    about |= {"protocol": asdict(PROTOCOLS["standard"]), "sigma": 65.0, "random": True}
    (board,) = leaderboards([measured])
    (line,) = csv.DictReader(io.StringIO(to_csv([board])))
    assert (line["noise_l1"], line["noise_l1_published"]) == ("0.0625", "0.061266")
    assert line["verdict"] == "not comparable"  # the PSNR of the logs is of training images
    table = to_markdown([board])
    assert "noise L1 | paper" in table
    assert "0.0625 | 0.061266" in table


def test_all_nine_noises_of_the_grid_are_one_word():
    cells, failures = plan(Request("median", "builtin", "rdn-grid"))
    assert not failures
    found = {tuple(map(float, re.findall(r"mean=([\d.]+),std=([\d.]+)", str(c.degradation))[0])) for c in cells}
    assert found == {(mean, std) for mean in (0.01, 0.255, 0.5) for std in (0.01, 0.255, 0.5)}
    assert all(cell.protocol == PROTOCOLS["standard"] for cell in cells)
    assert replace(cells[0], seed=1).key != cells[0].key


def test_a_method_under_two_protocols_is_named_once():
    one = result("Median", "set12", told="estimated")
    one.about["notes"] = ["read as 8 bit"]
    assert footnotes([one, one])[:2] == [
        "Median on set12, 25: read as 8 bit",
        "set12, 25: Median told an estimate of sigma, from each image itself (3.0 to 3.0)",
    ]


def test_seeds_that_differ_are_said_with_those_whose_they_are():
    made = [record("NLM", 25, [30.0], seed=7), *(record("Median", 25, [29.0], seed=seed) for seed in range(4))]
    nlm, median = gather(made)
    assert averaged([median]) == "mean over seeds 0-3; ± is the standard deviation over them"
    said = "seeds differ: mean over seeds 7 of NLM; over seeds 0-3 of Median; ± is the standard deviation over them"
    assert averaged([nlm, median]) == said
    assert f"- {said}\n" in to_markdown(boards_of(*made))
    other = gather([record("NLM", 50, [25.0], seed=1)])
    assert averaged([nlm, *other]) == (
        f"seeds differ: mean over seeds 7 of NLM on {nlm.dataset}, 25; over seeds 1 of NLM on {nlm.dataset}, 50"
    )
    lone = boards_of(record("NLM", 25, [30.0], seed=7), record("Median", 25, [29.0], seed=0))
    assert "\n- seeds differ: mean over seeds 7 of NLM; over seeds 0 of Median\n" in to_markdown(lone)


def test_a_degradation_without_chance_has_no_seeds_that_differ():
    drawn = [record("NLM", 25, [30.0], seed=seed) for seed in range(2)]
    fixed = record("NLM", 10, [30.0], degradation="jpeg:10", kind="jpeg", random=False)
    assert averaged(gather([*drawn, fixed])) == "mean over seeds 0, 1; ± is the standard deviation over them"
    assert averaged(gather([fixed])) == "mean over seeds 0"
