"""A person's own claims are judged as published numbers are, and never taken for one; no key knows of them."""

import csv
import re
from dataclasses import asdict, replace
from io import StringIO

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli import make
from bench.common.errors import BenchError
from bench.judge.claims import claims, remark
from bench.judge.family import families
from bench.judge.ledger import Claim
from bench.judge.verdict import judge
from bench.plan.protocol import protocol
from bench.plan.request import Request, plan
from bench.report.columns import published_value
from bench.report.leaderboard import leaderboards, to_csv, to_markdown
from bench.report.page.html import html
from bench.store.records import Record, Store, described
from bench.store.results import gather

BODY = "def denoise(noisy, sigma):\n    return noisy\n"


@pytest.fixture
def mine(tmp_path):
    """Return a function that writes a person's file, with a line before its function, and returns its path."""

    def write(line="", name="mine"):
        path = tmp_path / f"{name}.py"
        path.write_text(f"{line}\n{BODY}")
        return str(path)

    return write


def cells_of(method, data="set12", noise="25", **words):
    cells, failures = plan(Request(method, data, noise, **words))
    assert not failures, failures
    return cells


@pytest.mark.parametrize(
    ("named", "published"),
    [
        ("'ADNet'", ("ADNet", "")),
        ("'adnet'", ("ADNet", "")),
        ("'adnet-b'", ("ADNet", "B")),
        ("('DnCNN', 'S')", ("DnCNN", "S")),
        ("['DnCNN', 'B']", ("DnCNN", "B")),
        ("'dncnn s'", ("DnCNN", "S")),
        ("('ADNet', '')", ("ADNet", "")),
        ("'bm3d'", ("BM3D", "")),
        ("'Restormer'", ("Restormer", "")),
    ],
)
def test_a_file_says_whose_published_numbers_it_is_held_against(mine, one_cell, named, published):
    said = one_cell(mine(f"PUBLISHED = {named}"), "set12")
    assert said.net.published == published
    assert one_cell(mine(), "set12", judged=" ".join(filter(None, published))).net.published == published
    plain = one_cell(mine(), "set12")
    assert plain.net.published is None
    assert plain.key == said.key  # it moves no pixel


def test_a_registered_name_means_its_net_for_the_images(mine, one_cell):
    path = mine("PUBLISHED = 'bm3d'")
    assert one_cell(path, "cbsd68").net.published == ("CBM3D", "")
    assert one_cell(mine("PUBLISHED = 'dncnn-s'"), "cbsd68").net.published != ("DnCNN", "S")
    assert one_cell(path, "cbsd68", judged="adnet-b").net.published is None  # which has no net for colour


def test_what_code_makes_of_its_own_constant_is_code(mine, one_cell, tmp_path):
    path = tmp_path / "mine.py"
    keys = []
    for name in ("ADNet", "DnCNN S"):
        path.write_text(f"PUBLISHED = {name!r}\nLEVEL = len(PUBLISHED)\n{BODY}")
        keys.append(one_cell(str(path), "set12").key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("line", "words", "cause"),
    [
        ("PUBLISHED = 'Adnett'", {}, "did you mean adnet"),
        ("PUBLISHED = 5", {}, "PUBLISHED = 5; expected a published method"),
        ("PUBLISHED = ('DnCNN', 3)", {}, "expected a published method, as 'ADNet' or ('DnCNN', 'S')"),
        ("PUBLISHED = ''", {}, "unknown published method"),
        ("", {"judged": "DnCNN T"}, "in AS= 'DnCNN T': did you mean"),
        ("", {"judged": "noisy input not clipped"}, "unknown published method in AS= 'noisy input not clipped'"),
        ("PUBLISHED = 'JPEG (input)'", {}, "unknown published method"),
    ],
)
def test_what_was_never_published_is_one_line(mine, line, words, cause):
    cells, (failure,) = plan(Request(mine(line), "set12", "25", **words))
    assert not cells
    assert cause in failure.cause
    assert "\n" not in failure.cause


def test_as_is_for_what_is_ones_own(mine, tiny_net):
    path = mine("PUBLISHED = 'ADNet'")
    own, registered = cells_of(f"{path},dncnn-s", judged="dncnn-b")
    assert (own.net.published, registered.net.published) == (("DnCNN", "B"), ("DnCNN", "S"))
    (weights,) = cells_of("dncnn", weights=str(tiny_net), judged="adnet")
    assert weights.net.published == ("ADNet", "")
    with pytest.raises(BenchError, match="AS=adnet: no method here is your own"):
        plan(Request("bm3d", "set12", "25", judged="adnet"))


@pytest.fixture
def tiny_net(tmp_path):
    """Return weights of a small DnCNN."""
    from methods.networks.dncnn import DnCNN

    torch.save(DnCNN(3, 1, 2, norm=True).state_dict(), tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


def test_numbers_are_claims_of_the_one_result(mine):
    cells = cells_of(f"{mine()},median", seed="0,1")
    rows = claims("30.58,ssim:0.861, MSE:57.2", cells)
    assert set(rows) == {cell.key for cell in cells if cell.owned}
    for claimed in rows.values():
        assert [(row["metric"], row["value"]) for row in claimed] == [
            ("psnr", "30.58"),
            ("ssim", "0.861"),
            ("mse", "57.2"),
        ]
        assert {(row["method"], row["dataset"], row["degradation"]) for row in claimed} == {
            ("mine", "set12", "gaussian:25")
        }
    for text in ("mse:0.0009", "mse:58.52"):  # another unit is told by the verdict, where the measured one is known
        assert not remark(text, claims(text, cells))
    registered = cells_of("median")
    assert set(claims("25.1", registered)) == {registered[0].key}
    assert claims("none", registered) == {registered[0].key: []}


@pytest.mark.parametrize(
    ("text", "words", "cause"),
    [
        ("30.58", {"noise": "15,25"}, "one number, and NOISE has 2 (gaussian:15, gaussian:25)"),
        ("30.58", {"data": "set12,bsd68"}, "one number, and DATA has 2"),
        ("30.58", {"protocol": "standard,float"}, "one number, and PROTOCOL has 2"),
        ("30.58", {"ensemble": "1,8"}, "one number, and METHOD has 2"),
        ("30,58", {}, "claims psnr twice"),
        ("30.58dB", {}, "'30.58dB' is no number"),
        ("-3", {}, "psnr -3 lies outside"),
        ("nan", {}, "'nan' is no number"),
        ("ssim:86.1", {}, "ssim 86.1 lies outside -1 to 1 (in percent it is ssim:0.861)"),
        ("ssim:8.6", {}, "in dB ssim:0.862"),
        ("0.861", {}, "psnr 0.861 lies outside 3 to 60 (as an SSIM it is ssim:0.861)"),
        ("0.0009", {}, "as an MSE of images from 0 to 1 it is mse:58.52)"),
        ("78.71", {}, "as an MSE it is mse:78.71, and of images from 0 to 1 with peak 255 a PSNR of 30.58)"),
        ("mse:-1", {}, "mse -1 lies outside 0 to 65025;"),
        ("inf", {}, "'inf' is no number"),
        ("mse:nan", {}, "'nan' is no number"),
        ("mse:2e-3", {}, "'2e-3' is no number"),
        ("lpips:0.1", {}, "unknown metric 'lpips'"),
        ("params_M:3", {}, "unknown metric 'params_m'"),
        ("psnr:", {}, "'' is no number"),
        (",", {}, "an empty list"),
        ("nowhere.csv", {}, "nowhere.csv: No such file"),
        ("30.58", {"data": "rni6", "noise": "pairs"}, "dataset rni6 has no clean images to measure against"),
    ],
)
def test_a_claim_that_says_nothing_clear_is_one_line(mine, text, words, cause):
    with pytest.raises(BenchError) as error:
        claims(text, cells_of(mine(), **words))
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def table(path, *rows):
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # as spreadsheets write it
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


ROW = {"method": "mine", "dataset": "set12", "degradation": "25", "metric": "psnr", "value": "30.58"}


def test_a_file_claims_for_each_result_of_its_own(mine, tmp_path):
    cells = cells_of(f"{mine()},dncnn-s", noise="15,25,50")
    path = table(
        tmp_path / "claims.csv",
        ROW | {"paper": "Mine", "year": "2026", "table": "Table 1"},
        ROW | {"metric": "ssim", "value": "0.86"},
        ROW | {"value": "99", "image": "C.man"} | {"value": "31"},
        ROW | {"degradation": "gaussian:50", "value": "27.1", "colour": "gray"},
        ROW | {"degradation": "15", "value": "33", "colour": "rgb"},
        ROW | {"method": "DnCNN", "variant": "S", "degradation": "15", "value": "32.9"},
        ROW | {"value": "29"},
    )
    found = claims(path, cells)
    by_cell = {(c.label, str(c.degradation)): [r["value"] for r in found.get(c.key, [])] for c in cells}
    assert by_cell == {
        ("mine", "gaussian:15"): [],
        ("mine", "gaussian:25"): ["30.58", "0.86"],
        ("mine", "gaussian:50"): ["27.1"],
        ("DnCNN-S", "gaussian:15"): ["32.9"],
        ("DnCNN-S", "gaussian:25"): [],
        ("DnCNN-S", "gaussian:50"): [],
    }
    assert (
        remark(path, found)
        == f"CLAIM={path}: 4 of 7 rows are of these results; those of single images (1) are not judged"
    )
    assert remark("30.58,ssim:0.861", claims("30.58,ssim:0.861", cells_of(mine()))) == ""
    first = next(rows[0] for rows in found.values() if rows[0]["value"] == "30.58")
    assert Claim(**first).source == f"your claim (Mine 2026, Table 1, {path}, line 2)"


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([{"method": "mine", "dataset": "set12", "noise": "25", "metric": "psnr", "value": "30"}],
         "lacks 'degradation' and has unknown 'noise'"),
        ([ROW | {f"{'x' * 99}{i}": "" for i in range(30_000)}],
         f"has unknown {', '.join([repr('x' * 40)] * 3)} and 29997 more"),
        ([ROW, ROW | {"value": "30.58 dB"}], "line 3: value '30.58 dB' is no number"),
        ([ROW | {"value": ""}], "line 2: value is empty"),
        ([ROW | {"metric": "seconds"}], "unknown metric 'seconds'"),
        ([ROW | {"degradation": "gausian:25"}], "unknown degradation 'gausian'"),
        ([ROW | {"protocol": "mine"}], "protocol 'mine' is unknown"),
        ([ROW | {"method": "other"}], "no row is of what runs (mine on set12, gaussian:25); its rows are of other on"),
        ([ROW | {"degradation": "15"}], "its rows are of mine on set12, gaussian:15"),
        ([ROW, ROW | {"metric": "ssim", "value": "0.86"}, ROW | {"value": "30.85"}],
         "line 4: claims psnr 30.85 of mine on set12, gaussian:25, and "),
    ],
)  # fmt: skip
def test_a_file_that_is_no_file_of_claims_is_one_line(mine, tmp_path, rows, cause):
    path = table(tmp_path / "claims.csv", *rows)
    with pytest.raises(BenchError, match=r"claims\.csv") as error:
        claims(path, cells_of(mine()))
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def test_of_claims_under_several_protocols_that_of_the_run_is_taken(mine, tmp_path):
    rows = ("standard", "30.58"), ("clipped", "28.4"), ("float", "30.6")
    path = table(tmp_path / "claims.csv", *(ROW | {"protocol": name, "value": value} for name, value in rows))
    for name, value in (*rows, ("seed0", "30.58")):
        (cell,) = plan(Request(mine(), "set12", "25", name))[0]
        assert [row["value"] for row in claims(path, [cell])[cell.key]] == [value]


def result(psnr, *rows, sigma=25, rules="standard", published=("DnCNN", "S")):
    """A result on 68 images of BSD68's size with claims of it."""
    about = {
        "identity": {"net": "x", "seed": 0, "protocol": rules, "degradation": sigma},
        "label": "mine",
        "net": {"published": list(published) if published else None},
        "dataset": {"name": "bsd68", "colour": "gray", "ledger": ["bsd68", "gray"]},
        "degradation": f"gaussian:{sigma}",
        "sigma": sigma,
        "random": True,
        "protocol": asdict(protocol(rules)),
        "seed": 0,
        "claims": rows,
    }
    image = {"height": 321, "width": 481, "psnr": psnr, "ssim": 0.83, "mse": 70.0}
    (one,) = gather([Record([image | {"image": str(i)} for i in range(68)], about)])
    return one


def claim(value="29.50", metric="psnr", protocol="as run"):
    words = (
        "method",
        "variant",
        "dataset",
        "colour",
        "degradation",
        "image",
        "paper",
        "year",
        "table",
        "address",
        "note",
    )
    return dict.fromkeys(words, "") | {"metric": metric, "value": value, "protocol": protocol, "origin": "CLAIM=x"}


@pytest.mark.parametrize(
    ("psnr", "title"), [(29.50, "claim reproduced"), (29.60, "above the claim"), (29.40, "below the claim")]
)
def test_a_claim_takes_the_place_of_the_ledger_and_says_so(psnr, title):
    # DnCNN-S has 29.23 in the ledger.
    found = judge(result(psnr, claim()))
    assert found.title == title
    assert found.is_of_a_claim
    assert found.published.number == 29.50
    assert "29.50 dB in your claim (CLAIM=x)" in found.reason
    ledger = judge(result(29.23))
    assert (ledger.title, ledger.published.value, ledger.is_of_a_claim) == ("reproduced", "29.23", False)


def test_a_claim_needs_no_published_method_and_each_metric_has_its_own():
    one = result(29.0, claim("0.830", "ssim"), published=None)
    assert judge(one) is None
    assert judge(one, "ssim").title == "SSIM claim reproduced"
    assert judge(one, "mse") is None


def test_a_claim_of_a_method_with_the_name_of_an_input_is_of_the_method():
    named = claim("29.50") | {"method": "noisy input"}
    found = judge(result(29.50, named))
    assert (found.title, found.difference) == ("claim reproduced", pytest.approx(0))


def test_claims_that_differ_from_seed_to_seed_are_not_held_against_one_without_a_word():
    numbers = [("29.50", "CLAIM=29.50"), ("31", "CLAIM=31"), ("29.50", "CLAIM=29.50")]
    rows = [claim(value) | {"origin": origin} for value, origin in numbers]
    one = result(29.5)
    records = [
        Record(one.records[0].images, one.about | {"seed": seed, "claims": [row]}) for seed, row in enumerate(rows)
    ]
    found = judge(replace(one, records=tuple(records)))
    assert found.published.number == 29.50
    assert "in your claim (CLAIM=29.50; another seed's is CLAIM=31);" in found.reason
    same = judge(replace(one, records=(records[0], records[2])))
    assert "in your claim (CLAIM=29.50);" in same.reason


@pytest.mark.parametrize("rules", ["standard", "torch0", "clipped", "standard+channel=y+crop=4"])
def test_a_claim_without_a_protocol_is_of_the_one_that_runs(rules):
    one = result(29.51, claim(), rules=rules)
    drawn_alike = rules == "torch0"
    # Under a generator that begins anew the claim has the very same noise: 0.005 of rounding and 0.001 dB are allowed.
    assert judge(one).title == ("above the claim" if drawn_alike else "claim reproduced")
    assert judge(one).allowed == pytest.approx(0.006) if drawn_alike else judge(one).allowed > 0.01


@pytest.mark.parametrize(
    ("value", "metric", "meant"),
    [
        ("0.002", "mse", "an MSE of images from 0 to 1, and that is mse:130.1"),  # 2.7 dB from the 70 measured
        ("0.0011", "mse", "an MSE of images from 0 to 1, and that is mse:71.53"),
        ("8.4", "mse", "an RMSE, and that is mse:70.56"),
        ("0.033", "mse", "an RMSE of images from 0 to 1, and that is mse:70.81"),
        ("29.6", "mse", "a PSNR, and that is mse:71.3"),
        ("8.6", "psnr", "an RMSE, and that is psnr:29.44"),
        ("0.17", "ssim", "1 - SSIM, and that is ssim:0.8300"),
        ("0.085", "ssim", "(1 - SSIM) / 2, and that is ssim:0.8300"),
    ],
)
def test_a_claim_in_another_unit_is_not_judged_but_told(value, metric, meant):
    found = judge(result(29.5, claim(value, metric)), metric)
    assert found.word == "not comparable"
    assert found.reason.endswith(f"{float(value):g} seems to be {meant}")


@pytest.mark.parametrize(
    ("value", "metric", "word"),
    [("75.0", "mse", "below"), ("60.0", "mse", "above"), ("20", "mse", "above"), ("0", "mse", "above"),
     ("33.1", "psnr", "below"), ("24.5", "psnr", "above"), ("0.60", "ssim", "above"), ("0.95", "ssim", "below")],
)  # fmt: skip
def test_a_claim_that_is_merely_wrong_is_judged(value, metric, word):
    assert judge(result(29.5, claim(value, metric)), metric).word == word


def test_a_claim_of_another_protocol_is_not_comparable():
    assert judge(result(29.5, claim(protocol="clipped"))).title == "claim not comparable"
    assert judge(result(29.5, claim(protocol="standard"))).title == "claim reproduced"
    # A claim that does not say how its noise was drawn is allowed more than one of the protocol that runs.
    named, as_run = (judge(result(29.5, claim(protocol=p))) for p in ("standard", "as run"))
    assert named.allowed > as_run.allowed


def test_claims_are_in_no_family_of_published_numbers():
    low = [result(value - 0.09, sigma=sigma) for value, sigma in ((31.73, 15), (29.23, 25), (26.23, 50))]
    claimed = [result(r.mean("psnr"), claim(f"{r.mean('psnr') + 0.09:.2f}"), sigma=r.sigma) for r in low]
    assert [family.systematic for family in families(low)] == [True]
    assert families(claimed) == []


def test_a_record_that_is_there_is_judged_by_what_is_said_of_it_later(mine, tmp_path, photographs, one_cell):
    store = Store(tmp_path / "runs")
    plain, named = (one_cell(mine(line), photographs) for line in ("", "PUBLISHED = 'ADNet'"))
    store.put(plain, Record([{"image": "camera"}], {"key": f"{plain.key}-opened", "net": {"published": None}}))
    path = store.paths()[0]
    store._found.clear()

    def of(cell):
        store.claim(cell)
        return store._read(path, None).provenance

    assert of(plain)["net"]["published"] is None
    assert list((tmp_path / "runs").glob("claims/*")) == []  # nothing is written where nothing is said
    assert of(named)["net"]["published"] == ["ADNet", ""]
    assert of(plain)["net"]["published"] is None


@pytest.mark.parametrize(
    ("changed", "published"),
    [
        ({}, ["DnCNN", "S"]),
        ({"own": {"code": "0123"}}, ["DnCNN", "B"]),
        ({"weights": {"sha256": "0" * 64, "local": ""}}, ["DnCNN", "B"]),
        ({"method": "gone"}, ["DnCNN", "B"]),
    ],
)
def test_a_record_of_a_registered_net_is_judged_by_what_the_registry_says_today(tmp_path, changed, published):
    """A record from before its published name was mended was judged by the old one."""
    (cell,) = cells_of("dncnn-s")
    about = described(cell)
    about |= {"net": about["net"] | {"published": ["DnCNN", "B"]}} | changed
    store = Store(tmp_path / "runs")
    store.put(cell, Record([{"image": "01"}], about))
    assert store.get(cell).provenance["net"]["published"] == published


def torch_psnr(folder):
    """Mean PSNR of images with the noise of a generator that begins at 0 for each, clipped: by the definition."""
    values = []
    for path in sorted(folder.iterdir()):
        clean = torch.from_numpy(np.asarray(Image.open(path)).astype("float32") / 255)[None, None]
        torch.manual_seed(0)
        noisy = clean + torch.FloatTensor(clean.size()).normal_(mean=0, std=25 / 255)
        values.append(-10 * np.log10(float(((noisy.clamp(0, 1) - clean).double() ** 2).mean())))
    return float(np.mean(values))


def test_a_claim_is_told_from_the_ledger_in_each_table_and_moves_no_key(mine, tmp_path, photographs, capsys):
    psnr = torch_psnr(photographs)

    def bench(**typed):
        words = [f"{name}={value}" for name, value in typed.items()]
        assert make.run_words(["bench", *words, f"OUT={tmp_path}"]) == 0
        return capsys.readouterr().out

    words = {"METHOD": mine(), "DATA": photographs, "PROTOCOL": "torch0"}
    assert "not published" in bench(**words)
    store = Store(tmp_path / "runs")
    paths = store.paths()
    text = bench(**words, CLAIM=f"{psnr:.3f}")
    assert "1 of 1 cells are finished already" in text
    assert "claim reproduced" in text
    assert "paper" not in text
    assert f"your claim (CLAIM={psnr:.3f})" in " ".join(text.split())
    boards = leaderboards(gather(store.scores()))  # as make report has them
    (row,) = csv.DictReader(StringIO(to_csv(boards)))
    assert (row["psnr_published"], row["psnr_claimed"], row["verdict"]) == ("", f"{psnr:.3f}", "claim reproduced")
    assert row["source"] == f"your claim (CLAIM={psnr:.3f})"
    assert published_value(boards[0].entries[0], "psnr") is None  # which charts mark
    page = html(boards, (), {}, ())
    assert all("your claim" in shown for shown in (page, to_markdown(boards)))
    assert ">source</a>" not in page
    assert "below the claim" in bench(**words, CLAIM=f"{psnr + 0.02:.3f}")
    assert "below the claim" in bench(**words)  # it was said of this result
    assert "not published" in bench(**words, CLAIM="none")
    assert store.paths() == paths


@pytest.mark.parametrize("name", ["DnCNN-S", "dncnn", "dncnn-s-25", "DnCNN-S x8"])
def test_a_claim_in_a_file_is_of_no_other_way_to_run_the_method(name, tmp_path):
    """The plain number was claimed, and the self-ensemble was judged by it too, beside it and where it ran alone."""
    cells = [cell for ensemble in ("1", "8") for cell in cells_of("dncnn", ensemble=ensemble)]
    assert [cell.label for cell in cells] == ["DnCNN-S", "DnCNN-S x8"]
    path = table(tmp_path / "claims.csv", ROW | {"method": name, "value": "30.44"})
    of_ensemble = name.endswith("x8")
    for run in (cells, [cells[of_ensemble]]):
        if name != "dncnn-s-25":
            assert list(claims(path, run)) == [cells[of_ensemble].key]
    with pytest.raises(BenchError, match=r"no row is of what runs \(DnCNN-S"):
        claims(path, cells if name == "dncnn-s-25" else [cells[not of_ensemble]])


@pytest.mark.parametrize(
    ("method", "words", "label"),
    [
        ("dncnn-s", {"precision": "bf16"}, "DnCNN-S bf16"),
        ("ffdnet", {"sigma": "15"}, "FFDNet (IPOL) told 15"),
        ("bm3d:profile=lc", {}, "BM3D profile=lc"),
        ("wavelet", {"tile": 64}, "Wavelet tile 64"),
        ("dncnn-s", {"ensemble": "8", "precision": "bf16"}, "DnCNN-S x8 bf16"),
    ],
)
def test_a_claim_of_a_method_is_not_held_against_it_with_changed_options(method, words, label, tmp_path):
    (cell,) = cells_of(method, **words)
    plain, labelled = (
        table(tmp_path / f"{n}.csv", ROW | {"method": name}) for n, name in enumerate((method.partition(":")[0], label))
    )
    assert list(claims(labelled, [cell])) == [cell.key]
    with pytest.raises(BenchError, match=f"no row is of what runs \\({re.escape(label)} on set12"):
        claims(plain, [cell])
    (usual,) = cells_of(method.partition(":")[0])
    assert list(claims(plain, [usual])) == [usual.key]


def test_a_claim_of_a_published_self_ensemble_is_of_no_plain_result(tmp_path):
    cells = [
        replace(cell, net=replace(cell.net, published=("Net", "plain"), published_ensemble=("Net", "+")))
        for ensemble in ("1", "8")
        for cell in cells_of("dncnn-s", ensemble=ensemble)
    ]
    for variant, cell in zip(("plain", "+"), cells, strict=True):
        path = table(tmp_path / "claims.csv", ROW | {"method": "Net", "variant": variant})
        assert list(claims(path, cells)) == [cell.key]


def test_what_is_ones_own_in_a_file_is_claimed_by_its_plain_name(mine, tiny_net, tmp_path):
    path = table(tmp_path / "claims.csv", ROW, ROW | {"method": "dncnn"})
    (own,) = cells_of(mine(), output="residual")
    (weights,) = cells_of("dncnn", weights=str(tiny_net))
    assert [list(claims(path, [cell])) for cell in (own, weights)] == [[own.key], [weights.key]]


def test_claims_of_single_images_are_said_not_to_be_judged(mine, tmp_path):
    cells = cells_of(mine())
    path = table(
        tmp_path / "claims.csv",
        ROW,
        ROW | {"image": "C.man"},
        ROW | {"image": "House", "metric": "ssim", "value": "0.8"},
    )
    assert remark(path, claims(path, cells)).endswith(
        "1 of 3 rows are of these results; those of single images (2) are not judged"
    )
    alone = table(tmp_path / "alone.csv", ROW | {"image": "C.man"})
    with pytest.raises(BenchError, match=r"its rows are of mine on set12, gaussian:25, C\.man$"):
        claims(alone, cells)
