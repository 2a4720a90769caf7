"""The ledger as a list of numbers, and what becomes of each."""

import csv
import re
from collections import Counter
from dataclasses import replace

import pytest
import skimage.data
from PIL import Image

import datasets
import methods
from bench import degradation
from bench.common.errors import BenchError
from bench.common.paths import ROOT
from bench.common.tables import csv_text
from bench.judge.ledger import Published, ledger
from bench.judge.ledger_check import COLUMNS
from bench.judge.verdict import held
from bench.judge.verified import TABLE, sentence, state
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.memory import SCORES, Memory
from bench.store.records import Record
from bench.store.results import Result
from bench.studies.verify import judged as judged_module
from bench.studies.verify import numbers as numbers_module
from bench.studies.verify import study
from bench.studies.verify.confirm import confirm
from bench.studies.verify.judged import CAUSES, Judged, cause, judged, nearest
from bench.studies.verify.numbers import Number, measurable, protocols

DNCNN = "DnCNN: Beyond a Gaussian Denoiser (Zhang et al., TIP)"


def row(value="30.44", protocol="standard", *, image="", metric="psnr", paper=DNCNN, degradation="gaussian:25"):
    return Published(
        "DnCNN", "S", "set12", "gray", degradation, protocol, metric, value, image, paper, "2017", "T", "", ""
    )


def cell(protocol="standard", method="dncnn-s", seed="0"):
    (one,), failures = plan(Request(method, "set12", "25", protocol, seed))
    assert not failures
    return one


def known(memory, cell, psnr, **others):
    """Put scores of all images into a memory: the same for each but for those of `others`."""
    rows = [
        {"image": name, "height": 256, "width": 256}
        | dict.fromkeys(SCORES, 0.8)
        | {"mse": 60.0, "psnr": others.get(f"_{name}", psnr)}
        for name in cell.dataset.image_names()
    ]
    about = {"device": "cpu", "runtime": "torch", "jobs": 1, "threads": 2, "machine": "M", "started": "2026"}
    memory.put(cell, Record(rows, about | {"seconds": {"total": 9.0}}))


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "verify.csv", tmp_path / "runs")


def test_every_claim_is_measured_by_the_net_of_its_row():
    found = measurable()
    assert len(found) > 600
    for number in found:
        pairs = (number.cells[0].net.published, number.cells[0].net.published_ensemble)
        assert number.cells[0].method.name == "none" or (number.row.method, number.row.variant) in pairs
        assert (number.row.dataset, number.row.colour) == number.cells[0].dataset.ledger
        assert degradation.parse(number.row.degradation) == number.cells[0].degradation
        assert number.image in ("", *number.cells[0].dataset.image_names())
        assert number.cells[0].options == number.cells[0].method.options
    names = {number.cells[0].method.name for number in found}
    assert names >= {"adnet", "adnet-b", "ecndnet", "dncnn-3", "dncnn-b@buifd", "bm3d-2007", "ffdnet", "fdncnn", "none"}


def test_no_row_that_could_be_measured_is_forgotten():
    held = {number.row for number in measurable()}
    own = {net.published for method in methods.available().values() for net in method.nets if net.weights} - {None}
    sets = {entry.ledger for entry in datasets.available().values()}
    left = {
        (entry.method, entry.variant, entry.degradation)
        for entry in ledger()
        if (entry.method, entry.variant) in own
        and (entry.dataset, entry.colour) in sets
        and entry.protocol not in ("other", "derived")
        and entry.metric in numbers_module.MEASURED
        and entry not in held
    }
    # There are no weights of colour ADNets, of ECNDNet but for sigma 25, of colour DnCNN-S but for six sigmas; nets for
    # sRGB do not take the raw images of SIDD.
    for method, variant, noise in left:
        assert (method, variant) in (("ADNet", ""), ("ADNet", "B"), ("ECNDNet", ""), ("CDnCNN", "S")) or (
            "niid" in noise or "ramp" in noise or noise == "pairs"
        )
    assert ("ECNDNet", "", "gaussian:25") not in left
    assert ("CDnCNN", "S", "gaussian:50") not in left


@pytest.mark.parametrize(
    ("entry", "random", "expected"),
    [
        (row(), True, ["standard,noise_draw=matlab-0"]),
        (row(), False, ["standard"]),
        (row(paper="ADNet (Tian et al., Neural Networks)"), True, ["standard,noise_draw=matlab-0"]),
        (row(protocol="torch12"), True, ["torch12"]),
        (row(protocol="float", paper="DnCNN-PyTorch (SaoYan)"), True, ["float"]),
        (row(protocol="clipped", paper="BUIFD (TIP)"), True, ["standard,noisy=clip,output=float"]),
        (row(protocol="clipped"), True, ["clipped"]),
        (row(protocol="sr"), False, ["sr"]),
        (replace(row(paper="BRDNet (Tian et al.)"), method="CBM3D"), False, ["float,output=unclipped"]),
        (row(paper="BF-CNN (Mohan et al., ICLR)", protocol="float"), True, ["float"]),
        (row(protocol="standard", paper="nobody"), True, ["matlab0", "standard"]),
        (row(protocol="unstated", paper="nobody"), True, ["matlab0", "standard"]),
        (row(protocol="unstated", paper="DnCNN-PyTorch (SaoYan)"), True, ["matlab0", "float", "standard"]),
        (row(protocol="unstated", paper="DnCNN-PyTorch (SaoYan)"), False, ["standard"]),
    ],
)
def test_a_row_is_measured_under_its_own_rules_and_the_noise_of_its_source(entry, random, expected):
    assert protocols(entry, random=random) == expected


def test_a_number_of_one_image_is_held_against_that_image(memory):
    matlab = cell("matlab0")
    known(memory, matlab, 30.44, _05=30.28)
    entry = row("30.28", image="Monarch")
    one = judged(Number(entry, (matlab,), "05"), memory)
    assert one.word == "reproduced"
    assert one.row(memory)["measured"] == pytest.approx(30.28)
    assert one.row(memory)["allowed"] == pytest.approx(0.006)
    assert judged(Number(replace(entry, value="30.30"), (matlab,), "05"), memory).word == "below"


def test_of_several_protocols_the_one_that_fits_is_taken(memory):
    entry = row("30.47", protocol="unstated")
    matlab, plain = cell("matlab0"), cell()
    number = Number(entry, (matlab, plain))
    assert judged(number, memory).verdict is None
    known(memory, matlab, 31.0)
    first = judged(number, memory)
    assert (first.word, first.cell) == ("not comparable", matlab)
    assert [one.key for one in study._waiting([number], memory, set())] == [plain.key]
    known(memory, plain, 30.471)
    assert judged(number, memory).cell == plain
    assert judged(number, memory).tried == 2


def test_what_one_seed_leaves_open_is_measured_with_more(memory):
    plain = cell()
    number = Number(row("30.44", paper="DnCNN-PyTorch (SaoYan)"), (plain,))
    known(memory, plain, 30.50)
    undecided = judged(number, memory)
    assert undecided.word == "undecided"
    assert undecided.seeds_needed
    waiting = study._waiting([number], memory, set())
    assert [one.seed for one in waiting] == list(range(1, undecided.seeds_needed))
    for seed in waiting:
        known(memory, seed, 30.46)
    settled = judged(number, memory)
    assert settled.word == "reproduced"
    assert settled.row(memory)["seeds"] == " ".join(map(str, range(undecided.seeds_needed)))
    assert not study._waiting([number], memory, set())


def test_one_draw_of_ours_is_not_believed_that_a_number_is_off(memory):
    plain = cell()
    number = Number(row("30.44", paper="DnCNN-PyTorch (SaoYan)"), (plain,))
    known(memory, plain, 30.60)
    assert judged(number, memory).word == "above"
    assert not study._waiting([number], memory, set())  # no draw is as far off
    limits = judged(number, memory).verdict.tolerance
    off = 30.44 + limits.allowed + limits.ours
    known(memory, plain, off)
    assert judged(number, memory).word == "above"
    waiting = study._waiting([number], memory, set())
    assert [one.seed for one in waiting] == [1, 2, 3, 4]
    for seed in waiting:
        known(memory, seed, off)
    assert judged(number, memory).word == "above"
    assert judged(number, memory).row(memory)["seeds"] == "0 1 2 3 4"
    assert not study._waiting([number], memory, set())


def test_a_generator_that_is_reset_has_no_more_seeds(memory):
    matlab = cell("matlab0")
    number = Number(row("30.44", paper="nobody"), (matlab,))
    known(memory, matlab, 30.465)
    assert judged(number, memory).word == "undecided"
    assert judged(number, memory).seeds_needed
    assert not study._waiting([number], memory, set())


def test_seeds_of_two_versions_of_the_code_are_not_mixed(memory):
    zero, one, two = (replace(cell(), seed=seed) for seed in range(3))
    number = Number(row(), (zero,))
    for of, psnr in ((replace(zero, code="earlier"), 30.4), (replace(one, code="earlier"), 30.5), (two, 31.0)):
        known(memory, of, psnr)
    found = judged(number, memory).row(memory)
    assert (found["seeds"], found["key"]) == ("0 1", replace(zero, code="earlier").key)
    assert found["measured"] == pytest.approx(30.45)
    known(memory, zero, 30.6)
    found = judged(number, memory).row(memory)
    assert (found["seeds"], found["key"], found["measured"]) == ("0 2", zero.key, pytest.approx(30.8))


def test_scores_of_earlier_code_stand_where_two_images_come_out_the_same(memory, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, shape in (("a", (40, 60)), ("b", (50, 40)), ("c", (40, 60))):
        Image.fromarray(skimage.data.camera()[: shape[0], 200 : 200 + shape[1]]).save(folder / f"{name}.png")
    (one,), _ = plan(Request("nlm", str(folder)))
    record = run_cell(one)
    old = replace(one, code="earlier code")
    memory.put(old, record)
    assert [(cell.key, differing) for cell, differing in confirm([one], memory, Settings())] == [(one.key, "")]
    assert memory.has(one)
    assert memory.cells[one.key]["confirmed"] == "b a"
    assert memory.get(one).mean("psnr") == pytest.approx(record.mean("psnr"))
    moved = [row | {"psnr": row["psnr"] + (0.01 if row["image"] == "a" else 0)} for row in record.images]
    memory.put(old, replace(record, images=moved))
    ((_, differing),) = confirm([one], memory, Settings())
    assert differing.startswith("a has psnr ")
    assert not memory.has(one)


def measured(committed, net, dataset, noise, protocol):
    """The result of a cell whose scores are committed."""
    memory, everything = committed
    cells = {cell.key: cell for one in everything for cell in one.number.cells}
    asked = (net, dataset, f"gaussian:{noise}", protocol)
    (found,) = (c for c in cells.values() if (c.net.id, c.dataset.name, str(c.degradation), c.protocol.name) == asked)
    return Result((memory.get(found),))


def test_a_wrong_net_is_refused(committed):
    """DnCNN-B for DnCNN-S, 0.07 dB apart in the mean of Set12, as it was really measured; and KAIR's way round."""
    of_s, of_b = row("30.436"), replace(row("30.362"), variant="B")
    result = measured(committed, "dncnn-b", "set12", 25, "matlab0")
    assert held(result, of_b).word == "reproduced"
    assert held(result, of_s).word == "below"
    for image, printed in (("05", "30.28"), ("02", "33.06")):
        assert held(result.only(image), replace(of_s, value=printed, image="x")).word == "below"
    trained_otherwise = measured(committed, "ffdnet", "set12", 25, "matlab0")
    assert held(trained_otherwise, replace(row("30.44"), method="FFDNet", variant="")).word == "above"


def test_a_wrong_protocol_is_refused(committed):
    result = measured(committed, "dncnn-s-25", "set12", 25, "matlab0")
    assert held(result, row("30.436")).word == "reproduced"
    assert held(result, row("30.436", protocol="clipped")).word == "not comparable"
    assert held(result, row("30.436", protocol="sr")).word == "not comparable"
    assert held(result, row("31.05", protocol="unstated")).word == "not comparable"
    assert held(result, row("31.05")).word == "below"  # limited-range gray is worth 0.6 dB


def test_a_wrong_copy_of_the_images_is_refused(committed):
    """The 500x500 crops of Kodak24 for the whole images: 0.1 dB."""
    entry = replace(
        row("34.48", degradation="gaussian:15", paper="FFDNet (Zhang et al., TIP)"), method="CDnCNN", variant="B"
    )
    crops = measured(committed, "cdncnn-b", "kodak24-500", 15, "matlab0")
    assert held(crops, entry).word == "reproduced"
    assert held(crops, replace(entry, value="34.60")).word == "below"


def test_what_was_measured_elsewhere_is_shown_where_no_file_is(tmp_path):
    """No weights, no images, no network: the committed memory answers, and nothing runs."""
    for name in ("verify-cells.csv", "verify-images.csv"):
        (tmp_path / name).write_text(TABLE.with_name(name).read_text(encoding="utf-8"), encoding="utf-8")
    said = [str(line) for line in study.build(["adnet"], [], tmp_path / "out", table=tmp_path / "verify.csv")]
    with TABLE.open(encoding="utf-8", newline="") as table:
        words = [
            line["verdict"] for line in csv.DictReader(table) if (line["method"], line["variant"]) == ("ADNet", "")
        ]
    assert f"{words.count('reproduced')} of {len(list(filter(None, words)))} measured numbers reproduced" in said[-1]
    assert (tmp_path / "verify.csv").read_text(encoding="utf-8") == TABLE.read_text(encoding="utf-8")


def test_methods_and_datasets_that_are_none_are_named(tmp_path):
    with pytest.raises(BenchError, match=r"unknown METHOD 'adnett'.*adnet"):
        list(study.build(["adnett"], [], tmp_path))
    said = "no published number that can be measured is of tv on set12; there are of tv: none; of set12: adnet, "
    with pytest.raises(BenchError, match=said):
        list(study.build(["tv"], ["set12"], tmp_path))
    for table in (tmp_path, tmp_path / "verify.md"):
        with pytest.raises(BenchError, match="expected the name of a CSV file"):
            list(study.build(["dncnn-s"], ["set12"], tmp_path, table=table))
    with pytest.raises(BenchError, match=r"of dncnn-3 on cc15; there are of dncnn-3: .*classic5.*; of cc15: "):
        list(study.build(["dncnn-3"], ["cc15"], tmp_path))


@pytest.fixture
def building(memory, monkeypatch):
    """Return `build` for two numbers of one set, which runs nothing."""
    numbers = Number(row(), (cell("matlab0"),)), Number(row(paper="DnCNN-PyTorch (SaoYan)"), (cell(),))
    monkeypatch.setattr(study, "measurable", lambda: numbers)
    monkeypatch.setattr(study, "run_campaign", lambda *_: (_ for _ in ()).throw(study.SpentError()))
    folder = memory.folder.parent

    def build(method=("dncnn-s",), **how):
        return list(study.build(method, ["set12"], folder, table=folder / "verify.csv", **how))

    return build


def test_a_table_that_is_cut_is_said(memory, building):
    known(memory, cell("matlab0"), 30.44)
    memory.images_path.write_text("".join(memory.images_path.read_text().splitlines(keepends=True)[:-1]))
    for said in (building(), building(["dncnn-s", "all"])[-4:]):
        assert "verify-images.csv lacks images of DnCNN-S on set12, gaussian:25, matlab0, seed 0" in "\n".join(said)
    assert "0 of 2 published numbers are measured; 2 cells of 24 images" in building()[1]
    memory.cells_path.unlink()
    assert "verify-cells.csv lacks 1 of the cells of verify-images.csv" in building()[0]


def test_the_budget_holds_for_what_earlier_code_measured_too(memory, building, monkeypatch):
    compared = []
    for one in (cell("matlab0"), cell()):
        known(memory, replace(one, code="earlier"), 30.44)
    monkeypatch.setattr(study, "confirm", lambda cells, *_: ((compared.append(one) or one, "") for one in cells))
    said = building(budget=1e-9)
    assert said[0].startswith("2 cells are known from earlier code")
    assert len(compared) == 1
    assert "the budget is spent" in said[-2]
    building()
    assert len(compared) == 3


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """Return the memory that is committed, and what the judge makes of it today."""
    memory = Memory(TABLE, tmp_path_factory.mktemp("no runs"))
    return memory, [judged(number, memory) for number in measurable()]


def test_the_committed_table_says_what_the_judge_says_today_of_the_committed_scores(committed):
    """To the letter: a difference, a key or a protocol that was changed by hand is seen as a verdict is."""
    memory, everything = committed
    assert memory.left_out == {}
    with memory.cells_path.open(newline="", encoding="utf-8") as table:
        assert all(line["checksum"] for line in csv.DictReader(table))
    made = csv_text([one.row(memory) for one in everything], digits=6).splitlines()
    assert TABLE.read_text(encoding="utf-8").splitlines() == made


def test_a_cause_explains_no_more_than_it_says(memory):
    ffdnet = replace(row("30.43"), method="FFDNet", variant="")
    assert cause(ffdnet, 0.049).startswith("other weights")
    assert cause(ffdnet, 0.5) == cause(ffdnet, -0.5) == ""  # another fault
    assert cause(replace(ffdnet, metric="ssim"), 0.002).startswith("other weights")
    assert cause(replace(ffdnet, metric="ssim"), 0.049) == ""
    known(memory, cell(), 29.4)
    assert judged(Number(ffdnet, (cell(),)), memory).row(memory)["cause"] == ""
    known(memory, cell(), 30.6)
    assert judged(Number(ffdnet, (cell(),)), memory).row(memory)["cause"].startswith("other weights")
    other = cell("clipped")  # a protocol that comes nearer, with a difference that nothing explains
    known(memory, other, 30.2)
    both = judged(Number(ffdnet, (cell(), other)), memory)
    assert both.tried == 2
    assert both.cell == cell()


def test_a_cause_that_leaves_more_than_two_hundredths_is_the_nearest_and_explains_nothing(tmp_path, monkeypatch):
    table = tmp_path / "causes.csv"
    head = "method,variant,dataset,degradation,metric,image,paper,value,least,most,left,cause,evidence\n"
    table.write_text(
        f"{head}M,,,,psnr,,,,,,0.03,far,x\nM,,,,psnr,,,,-1,0.1,-0.021,near,x\nM,,,,psnr,,,1.0,,,0.02,known,x\n"
    )
    monkeypatch.setattr(judged_module, "CAUSES", table)
    judged_module._causes.cache_clear()
    row = dict.fromkeys(COLUMNS, "") | {"method": "M", "metric": "psnr"}
    found = [cause(Published(**row | {"value": value}), 0.1) for value in ("1.0", "2.0")]
    line = row | {"published": "2.0"}
    close = [nearest(line | {"difference": difference}) for difference in ("0.1", "0.2")]
    none = nearest(line | {"difference": "0.1", "method": "N"})
    judged_module._causes.cache_clear()
    assert found == ["known", ""]
    assert close == [("near", -0.021), ("far", 0.03)]
    assert none is None


def test_the_spread_of_published_numbers_is_that_which_the_tolerance_takes(committed):
    """By the table: differences of PSNRs of BF-CNN, BUIFD and SaoYan, whose code sets no seed."""
    said = study.calibration(committed[1])
    count, size, beyond = re.findall(r"[\d.]+(?= PSNRs| standard| of them)", said)
    assert 0.8 < float(size) < 1.25
    assert int(beyond) <= 4
    text = (ROOT / "docs" / "concepts" / "verdict.md").read_text(encoding="utf-8")
    assert f"check: {count} of those" in text
    assert f"root mean square of {size} standard deviations, and {beyond} lie" in " ".join(text.split())
    assert study.calibration([Judged(committed[1][0].number)]) == ""


def test_readme_and_causes_speak_of_the_committed_table(committed):
    said = sentence(Counter(state(one.row(committed[0])) for one in committed[1]))
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {(entry.method, entry.paper, entry.value) for entry in ledger()}
    with CAUSES.open(newline="", encoding="utf-8") as table:
        for known in csv.DictReader(table):
            assert known["cause"]
            assert known["evidence"]
            assert any(
                all(
                    asked in ("", has)
                    for asked, has in zip((known["method"], known["paper"], known["value"]), row, strict=True)
                )
                for row in rows
            )
