"""What papers print in two ways: the contradictions that people found by hand, and each kind of one by itself."""

from dataclasses import fields

import pytest

from bench.cli import make
from bench.common.paths import ROOT
from bench.common.tables import csv_text
from bench.judge.ledger import Published
from bench.studies.citations import citations

KNOWN = [
    # Found by hand in the tables (method, dataset, sigma, metric, original, copy).
    ("N3Net", "urban100", "50", "psnr", "26.82", "26.26"),
    ("CBM3D", "kodak24-500", "25", "psnr", "31.68", "32.15"),
    ("FFDNet", "bsd68", "15", "psnr", "31.63", "31.32"),
    ("FFDNet", "kodak24-500", "15", "psnr", "34.63", "34.55"),
    ("FFDNet", "kodak24-500", "15", "psnr", "34.63", "34.61"),
    ("FFDNet", "kodak24-500", "15", "psnr", "34.63", "34.31"),
    ("FFDNet", "mcmaster", "15", "psnr", "34.66", "34.47"),
    ("FFDNet", "mcmaster", "15", "psnr", "34.66", "34.70"),
    ("IRCNN", "set12", "15", "psnr", "32.77", "32.76"),
    ("IRCNN", "set12", "25", "psnr", "30.38", "30.37"),
    ("IRCNN", "set12", "50", "psnr", "27.14", "27.12"),
    ("BM3D", "bsd68", "15", "psnr", "31.07", "31.08"),
    ("BM3D", "bsd68", "50", "psnr", "25.62", "25.60"),
    ("FFDNet", "set12", "15", "psnr", "32.75", "32.77"),
    ("DnCNN", "bsd68", "15", "psnr", "31.73", "31.72"),
    ("ECNDNet", "set12", "15", "psnr", "34.52", "32.52"),
    ("BRDNet", "set12", "25", "psnr", "30.691", "30.61"),
    ("WNNM", "set12", "15", "psnr", "32.688", "32.70"),
    ("SANet", "set12", "50", "psnr", "27.072", "27.09"),
    ("BRDNet", "cc15", "pairs", "psnr", "36.863", "36.73"),
    ("CDnCNN", "cc15", "pairs", "psnr", "35.79", "37.95"),
    ("CSF", "cc15", "pairs", "psnr", "35.68", "35.68"),
    ("BM3D", "sidd-valid", "pairs", "psnr", "30.88", "25.65"),
    ("BM3D", "nam", "pairs", "psnr", "37.30", "39.84"),
    ("DnCNN", "-", "", "gflops", "1.39", "1.40"),
    ("DnCNN", "-", "", "gflops", "1.39", "0.94"),
]


@pytest.fixture(scope="module")
def found():
    return citations()


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known[0]}-{known[1]}-{known[2]}-{known[5]}")
def test_the_contradictions_that_are_known_are_found(found, known):
    pairs = [
        (c.method, c.dataset, c.degradation.removeprefix("gaussian:"), c.metric, c.original, c.copied) for c in found
    ]
    assert known in pairs


def test_rounding_and_what_was_measured_anew_by_the_same_hand_is_no_finding(found):
    # 27.206 of DnCNN-B is 27.21 elsewhere; 30.436 of DnCNN-S is 30.44; two runs of one FFDNet lie in one table.
    assert not [c for c in found if (c.method, c.variant, c.dataset) == ("DnCNN", "B", "set12")]
    assert [c.copied for c in found if c.original == "30.436"] == ["30.43"]
    assert not [c for c in found if c.dataset == "bm3d-set8"]


def test_the_committed_table_is_that_of_the_ledger(found):
    committed = (ROOT / "results" / "measured" / "citations.csv").read_text()
    assert committed == csv_text(found)
    assert f"lists the {len(found)} published numbers" in (ROOT / "docs" / "commands" / "citations.md").read_text()


def test_the_command_prints_and_writes_them(found, tmp_path, capsys):
    path = tmp_path / "c.csv"
    assert make.run_words(["citations", f"TABLE={path}"]) == 0
    assert path.read_text() == csv_text(found)
    assert "mean differs: 5" in capsys.readouterr().out


def row(value, paper="A", **changes):
    usual = dict.fromkeys((field.name for field in fields(Published)), "")
    usual |= {"method": "Net", "variant": "S", "dataset": "set12", "colour": "gray", "degradation": "gaussian:25"}
    usual |= {"protocol": "standard", "metric": "psnr", "table": "T", "address": f"https://{paper}.org"}
    return Published(**(usual | {"value": value, "paper": paper} | changes))


@pytest.mark.parametrize(
    ("original", "copied", "cause"),
    [
        ("30.436", "30.44", None),
        ("30.44", "30.436", None),
        ("30.4", "30.36", None),
        ("30.436", "30.43", "cut off"),
        ("30.40", "30.41", "another draw"),
        ("30.40", "30.45", "another draw"),
        ("31.63", "31.36", ""),
        ("31.69", "39.61", "the same digits in another order"),
        ("30.39", "31.39", "one digit differs"),
        ("30.39", "32.47", ""),
    ],
)
def test_the_cause_of_a_difference(original, copied, cause):
    found = citations([row(original), row(copied, "B")])
    if cause is None:
        assert found == []
        return
    (one,) = found
    assert (one.original, one.copied, one.finding) == (original, copied, "copy differs")
    assert (one.paper, one.copied_in, one.copied_address) == ("A , T", "B , T", "https://B.org")
    assert float(one.difference) == pytest.approx(float(copied) - float(original))
    assert cause in one.cause if cause else one.cause == ""


def test_a_number_of_the_row_beside_is_named():
    rows = [row("30.40"), row("28.10", method="Other", variant=""), row("28.10", "B")]
    assert [c.cause for c in citations(rows)] == ["it is the number of Other on set12"]
    # A few hundredths apart methods have equal numbers by chance.
    assert "Other" not in citations([row("28.20"), *rows[1:]])[0].cause


def test_rules_and_misprints_that_a_note_names_are_the_cause():
    assert (
        citations([row("30.4"), row("33", "B", protocol="other", note="Y channel")])[0].cause
        == "other rules: Y channel"
    )
    assert citations([row("30.4"), row("33", "B", note="x; MISPRINT of 30.4")])[0].cause == "MISPRINT of 30.4"


def test_a_table_that_does_not_name_its_copy_of_a_dataset_may_have_either():
    first = [row("35.0", dataset="kodak24"), row("34.6", dataset="kodak24-500")]
    for value in ("35.0", "34.6"):
        assert citations([*first, row(value, "B", dataset="kodak24-unstated")]) == []
    (one,) = citations([*first, row("34.2", "B", dataset="kodak24-unstated")])
    assert (one.dataset, one.original, one.copied) == ("kodak24-500", "34.6", "34.2")
    assert "which copy of the dataset" in one.cause


def test_a_table_that_does_not_name_the_variant_may_have_any():
    first = [row("34.80", variant="S"), row("33.45", variant="B")]
    assert citations([*first, row("33.45", "B", variant="")]) == []
    assert [c.variant for c in citations([*first, row("34.00", "B", variant="")])] == ["B"]


@pytest.mark.parametrize(("mean", "finding"), [("30.10", []), ("30.11", []), ("30.12", ["mean differs"])])
def test_a_printed_mean_is_that_of_its_images(mean, finding):
    images = [row(value, image=name) for value, name in (("30.00", "a"), ("30.11", "b"), ("30.20", "c"))]  # 30.1033
    assert [c.finding for c in citations([row(mean), *images])] == finding
    assert citations([row("33.00"), *images[:2], *(row("30", image=i, method="Full") for i in "abc")]) == []


def test_one_column_under_two_names_is_found():
    columns = [
        row(f"3{i}.5", paper, image=str(i), method=name) for name, paper in (("X", "A"), ("Y", "B")) for i in range(6)
    ]
    (one,) = citations(columns)
    assert (one.finding, one.method) == ("two names", "X")
    assert "printed for X and for Y" in one.cause
    assert citations([*columns[:6], *(row(c.value, "B", image=c.image, method="X") for c in columns[:6])]) == []
