import math
from dataclasses import asdict, replace

import pytest

import datasets
import methods
from bench.judge import verdict
from bench.judge.ledger import PROTOCOLS as LEDGER_PROTOCOLS
from bench.judge.ledger import Published, ledger, published
from bench.judge.verdict import draw_deviation, judge
from bench.plan.cell import describe
from bench.plan.protocol import PROTOCOLS
from bench.store.records import Record
from bench.store.results import gather


def result(psnr: float, *, protocol="standard", seeds=1, names=("DnCNN", "S"), sigma=25, mse=65.0):
    """A result on BSD68 with a mean PSNR."""
    shapes = [(481, 321)] * 53 + [(321, 481)] * 15
    records = []
    for seed in range(seeds):
        images = [
            {"image": str(i), "height": h, "width": w, "psnr": psnr, "mse": mse} for i, (h, w) in enumerate(shapes)
        ]
        records.append(
            Record(
                images,
                {
                    "identity": {"net": "x", "seed": seed},
                    "label": "X",
                    "net": {"published": list(names) if names else None},
                    "dataset": {"name": "bsd68", "colour": "gray", "ledger": ["bsd68", "gray"]},
                    "degradation": f"gaussian:{sigma}",
                    "sigma": sigma,
                    "random": True,
                    "protocol": asdict(PROTOCOLS[protocol]),
                    "seed": seed,
                },
            )
        )
    (gathered,) = gather(records)
    return gathered


def row(value="29.23", protocol="standard", note="") -> Published:
    return Published(
        "DnCNN", "S", "bsd68", "gray", "gaussian:25", protocol, "psnr", value, "", "P", "2017", "T", "", note
    )


@pytest.fixture
def against(monkeypatch):
    """Return a function that judges a result against one row."""

    def hold(measured, published_row):
        monkeypatch.setattr(verdict, "published", lambda names, **words: [published_row])
        return judge(measured)

    return hold


def test_words(against):
    assert against(result(29.235), row()).word == "reproduced"
    assert against(result(29.40), row()).word == "above"
    assert against(result(29.00), row()).word == "below"


def test_no_published_number_no_verdict():
    assert judge(result(29.23, names=None)) is None
    assert judge(result(29.23, sigma=26)) is None


def test_the_tolerance_is_rounding_and_the_two_draws(against):
    # One image of N samples: input deviation (10 / ln 10) sqrt(2 / N), output 0.6 sqrt(sigma) times that.
    single = 0.6 * 5 * 10 / math.log(10) * math.sqrt(2 / (481 * 321))
    independent = single / math.sqrt(68)
    pairs = 0.3 * (53 * 52 + 15 * 14)
    shared = single * math.sqrt(68 + pairs) / 68
    assert draw_deviation([(481, 321)] * 68, 1, 25, shared=False) == pytest.approx(independent)
    assert draw_deviation([(481, 321)] * 53 + [(321, 481)] * 15, 1, 25, shared=True) == pytest.approx(shared)
    for seeds in (1, 4):
        allowed = against(result(29.23, seeds=seeds), row()).allowed
        assert allowed == pytest.approx(0.005 + 2 * math.hypot(shared, independent / math.sqrt(seeds)))
    assert against(result(29.23), row("29.230")).allowed == pytest.approx(
        against(result(29.23), row()).allowed - 0.0045
    )


def test_float_outputs_differ_by_the_known_effect_of_rounding(against):
    # Rounding adds 1/12 to the MSE: 10 log10(1 + 1 / (12 * 6.5)) = 0.0553 dB at 40 dB.
    gap = (
        against(result(40, mse=6.5), row("40.00", "float")).allowed - against(result(40, mse=6.5), row("40.00")).allowed
    )
    assert gap == pytest.approx(0.0553, abs=1e-4)


@pytest.mark.parametrize(
    ("protocol", "published_row", "reason"),
    [
        ("clipped", row(), "here the noisy image is clipped"),
        ("standard", row(protocol="clipped"), "there the noisy image is clipped"),
        ("standard", row(protocol="other", note="PSNR on the Y channel"), "PSNR on the Y channel"),
        ("standard", row(protocol="derived"), "read off a chart"),
        ("standard", row("28.00", protocol="unstated"), "does not state its protocol"),
    ],
)
def test_another_protocol_is_not_comparable(against, protocol, published_row, reason):
    found = against(result(29.23, protocol=protocol), published_row)
    assert found.word == "not comparable"
    assert reason in found.reason


def test_an_unstated_protocol_that_agrees_is_reproduced_and_says_so(against):
    found = against(result(29.23), row(protocol="unstated"))
    assert found.word == "reproduced"
    assert "not stated" in found.reason


def test_seed0_and_standard_differ_by_their_draws_only(against):
    assert against(result(29.23, protocol="seed0"), row()).word == "reproduced"


def of_net(method, dataset, degradation, psnr, inference):
    """A result of one 256x256 image by a method's first net, with what its record says of net and dataset."""
    data = datasets.available()[dataset]
    about = {
        "identity": {"inference": inference} if inference else {},
        "label": method,
        "net": describe(methods.available()[method].nets[0]),
        "dataset": {"name": dataset, "colour": data.colour, "ledger": data.ledger or (dataset, data.colour)},
        "degradation": degradation,
        "sigma": float(degradation.partition(":")[2]) if ":" in degradation else None,
        "random": ":" in degradation,
        "protocol": asdict(PROTOCOLS[data.protocol or "standard"]),
        "seed": 0,
    }
    return gather([Record([{"image": "a", "height": 256, "width": 256, "psnr": psnr, "mse": 9.0}], about)])[0]


# The README of the winner of the NTIRE 2020 raw track prints each number with and without self-ensemble.
@pytest.mark.parametrize(
    ("dataset", "inference", "psnr", "printed", "variant"),
    [
        ("siddplus-valid-raw", {}, 52.79, "52.79", "no ensemble"),
        ("siddplus-valid-raw", {"ensemble": 8}, 52.80, "52.80", "8x self-ensemble"),
        ("sidd-valid-raw", {}, 52.35, "52.35", "no ensemble"),
        ("sidd-valid-raw", {"ensemble": 8}, 52.38, "52.38", "8x self-ensemble"),
    ],
)
def test_a_self_ensemble_is_held_against_the_number_of_one(dataset, inference, psnr, printed, variant):
    found = judge(of_net("mwrcanet", dataset, "pairs", psnr, inference))
    assert (found.published.value, found.published.variant, found.word) == (printed, variant, "reproduced")
    worse = judge(of_net("mwrcanet", dataset, "pairs", psnr - 0.02, inference))
    assert (worse.published, worse.word) == (found.published, "not comparable")
    assert "does not state its protocol" in worse.reason


def test_a_self_ensemble_without_a_published_number_of_one_is_not_comparable():
    plain, ensembled = (judge(of_net("dncnn", "set12", "gaussian:25", 30.44, how)) for how in ({}, {"ensemble": 8}))
    assert plain.published == ensembled.published
    assert (plain.word, ensembled.word) == ("reproduced", "not comparable")
    assert "here with self-ensemble, there without" in ensembled.reason


@pytest.mark.parametrize(
    ("names", "dataset", "colour", "values"),
    [
        (("DnCNN", "S"), "set12", "gray", (32.86, 30.44, 27.18)),
        (("DnCNN", "B"), "set12", "gray", (32.68, 30.36, 27.21)),
        (("BM3D", ""), "set12", "gray", (32.37, 29.97, 26.72)),
        (("DnCNN", "S"), "bsd68", "gray", (31.73, 29.23, 26.23)),
        (("DnCNN", "B"), "bsd68", "gray", (31.61, 29.16, 26.23)),
        (("BM3D", ""), "bsd68", "gray", (31.07, 28.57, 25.62)),
        (("CDnCNN", "B"), "cbsd68", "rgb", (33.89, 31.23, 27.92)),
        (("CDnCNN", "S"), "cbsd68", "rgb", (33.99, 31.31, 28.01)),
    ],
)
def test_the_ledger_has_the_numbers_of_the_papers(names, dataset, colour, values):
    for sigma, value in zip((15, 25, 50), values, strict=True):
        rows = published(names, dataset=dataset, colour=colour, degradation=f"gaussian:{sigma}", metric="psnr")
        assert round(rows[0].number, 2) == value
        assert rows[0].protocol == "standard"


def test_every_row_of_the_ledger_is_sound():
    rows = ledger()
    assert len(rows) > 4000
    keys = [
        (r.method, r.variant, r.dataset, r.colour, r.degradation, r.metric, r.image, r.protocol, r.value) for r in rows
    ]
    assert len(set(keys)) == len(keys)
    for entry in rows:
        assert entry.protocol in LEDGER_PROTOCOLS
        assert math.isfinite(entry.number)
        assert entry.paper
        assert entry.address
        assert entry.protocol not in ("other", "clipped") or entry.note
        assert entry.metric != "psnr" or entry.protocol == "other" or 3 < entry.number < 60, entry


def test_the_small_rdns_psnr_of_the_noise_is_held_in_its_own_convention(monkeypatch):
    # 69.81 is printed for noise of mean 0.01 and deviation 0.255; in the usual convention it is 48.13 dB less.
    printed = replace(row("69.814149", protocol="other", note="on training data"), metric="psnr_noise_255")
    monkeypatch.setattr(verdict, "published", lambda names, metric, **words: [printed] if metric != "psnr" else [])
    measured = result(21.5)
    for image in measured.records[0].images:
        image["noise_psnr"] = 21.69
    found = judge(measured)
    assert found.word == "not comparable"
    assert found.difference == pytest.approx(21.69 + 48.1308 - 69.814149, abs=1e-4)
    assert "peak 255 for white 1; here 69.82" in found.reason
