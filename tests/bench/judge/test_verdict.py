import csv
import math
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

import datasets
import methods
from bench.judge import ledger as ledger_module
from bench.judge import spread as spread_module
from bench.judge import tolerance as tolerance_module
from bench.judge.family import families
from bench.judge.ledger import PROTOCOLS as LEDGER_PROTOCOLS
from bench.judge.ledger import Published, ledger, published, reference
from bench.judge.spread import PSNR_OF_NOISE, Spread, deviation_of_mean, spread
from bench.judge.verdict import judge
from bench.plan.cell import describe
from bench.plan.protocol import CHOICES, PROTOCOLS
from bench.plan.protocol import protocol as protocol_of
from bench.store.records import Record
from bench.store.results import gather


def result(psnr: float, *, protocol="standard", seeds=1, names=("DnCNN", "S"), sigma=25, mse=65.0, label="DnCNN-S"):
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
                    "label": label,
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

    def hold(measured, published_row, metric="psnr"):
        monkeypatch.setattr(ledger_module, "published", lambda names, **words: [published_row])
        return judge(measured, metric)

    return hold


def test_words(against):
    assert against(result(29.235), row()).word == "reproduced"
    assert against(result(29.40), row()).word == "above"
    assert against(result(29.00), row()).word == "below"


def test_no_published_number_no_verdict():
    assert judge(result(29.23, names=None)) is None
    assert judge(result(29.23, sigma=26)) is None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_the_mean_psnr_of_noisy_images_deviates_as_drawn_noise_does(channels, shared):
    shapes = [(24, 24)] * 3 + [(24, 40)]
    rng, draws = np.random.default_rng(0), 3000
    fields = [rng.normal(0, 25, (draws, channels * h * w)) for h, w in ([(24, 24), (24, 40)] if shared else shapes)]
    psnrs = [10 * np.log10(255**2 / (field**2).mean(axis=1)) for field in fields]
    mean = np.average(psnrs, axis=0, weights=[3, 1] if shared else None)
    noise = Spread(PSNR_OF_NOISE, 1.0)
    # The deviation of 3000 draws is known to 1.3 %.
    assert deviation_of_mean(shapes, channels, noise, shared=shared) == pytest.approx(mean.std(), rel=0.05)


BSD68 = [(481, 321)] * 53 + [(321, 481)] * 15


def drawn_means(rng, draws, one, *, shared):
    """Mean scores of BSD68 over noise draws, image by image: independent, or correlated within a shape."""
    deviation = one.deviation / np.sqrt(481 * 321)
    own = rng.normal(0, deviation, (draws, 68))
    if not shared:
        return own.mean(axis=1)
    of_shape = np.repeat(rng.normal(0, deviation, (draws, 2)), (53, 15), axis=1)
    return (np.sqrt(one.correlation) * of_shape + np.sqrt(1 - one.correlation) * own).mean(axis=1)


@pytest.mark.parametrize("sigma", [15, 25, 50])
@pytest.mark.parametrize(
    "paper", ["FFDNet (Zhang et al., TIP)", "DnCNN-PyTorch (SaoYan)"], ids=["reset", "independent"]
)
@pytest.mark.parametrize(("protocol", "seeds"), [("standard", 1), ("standard", 4), ("seed0", 1)])
@pytest.mark.parametrize("label", ["DnCNN-S", "BF-UNet 0-55"])
def test_of_equal_methods_99_in_100_agree_and_of_those_a_margin_apart_5_are_reproduced(
    against, sigma, paper, protocol, seeds, label
):
    """PSNRs of BSD68 are drawn with the deviation and the correlation of results/measured/draws.csv."""
    rng, draws, one = np.random.default_rng(0), 4000, spread("psnr", label, "bsd68", sigma, 1)
    reset = paper.startswith("FFDNet")
    ours = np.mean([drawn_means(rng, draws, one, shared=protocol == "seed0") for _ in range(seeds)], axis=0)
    chance = ours - drawn_means(rng, draws, one, shared=reset)
    entry = replace(row("29.2300"), paper=paper)
    limits = against(result(29.23, protocol=protocol, seeds=seeds, sigma=sigma, label=label), entry).tolerance
    assert np.mean([limits.agrees(d) for d in chance]) == pytest.approx(0.99, abs=0.006)
    apart = np.mean([limits.excludes(limits.margin + d) for d in chance])
    assert apart == pytest.approx(0.05, abs=0.02)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Return a function that puts rows in the place of results/measured/draws.csv."""
    head = "method,dataset,side,images,sigma,channels,psnr_ratio,psnr_correlation,ssim_deviation,ssim_correlation\n"

    def put(rows):
        table = tmp_path / "draws.csv"
        table.write_text(head + rows, encoding="utf-8")
        monkeypatch.setattr(spread_module, "TABLE", table)
        monkeypatch.setattr(spread_module, "REFERENCE", {1: ("A",), 3: ("B", "b")})
        spread_module._curves.cache_clear()

    yield put
    spread_module._curves.cache_clear()


def test_a_set_without_draws_of_its_own_has_the_mean_of_those_with_as_many_channels(drawn):
    middle = "A,one,64,9,25.0,1,1,0,1,0\nB,three,64,9,25.0,3,1,0,1,0\n"
    drawn("A,one,,9,25.0,1,2,0.3,0.4,0.1\nA,two,,9,25.0,1,3,0.5,0.6,0.3\nb,three,,9,25.0,3,5,0.4,0.2,0\n" + middle)
    gray, colour = (spread("psnr", of, "another", 25.0, channels) for of, channels in (("A", 1), ("B", 3)))
    assert gray == Spread(pytest.approx(2.5 * PSNR_OF_NOISE), pytest.approx(0.4))
    assert colour == Spread(pytest.approx(5 * PSNR_OF_NOISE), 0.4)


def test_a_method_moves_as_much_more_as_it_does_on_the_middle_of_images_and_one_that_was_not_measured_as_the_most(
    drawn,
):
    whole = "A,one,,9,25.0,1,2,0.3,0.4,0.1\nA,one,,9,100.0,1,4,0.3,0.8,0.1\n"
    middle = "A,one,64,9,25.0,1,1,0,0.5,0\nC,one,64,9,25.0,1,1.5,0,0.75,0\nD,one,64,9,25.0,1,0.8,0,1,0\n"
    drawn(whole + middle + "A,one,64,9,100.0,1,2,0,1,0\nC,one,64,9,100.0,1,6,0,1,0\n")
    of = {name: spread("psnr", name, "one", 25.0, 1).deviation / PSNR_OF_NOISE for name in "ACDX"}
    assert of == pytest.approx({"A": 2, "C": 3, "D": 1.6, "X": 3})
    assert spread("ssim", "X", "one", 25.0, 1) == Spread(pytest.approx(0.8), 0.1)
    assert spread("psnr", "C", "one", 100.0, 1).deviation == pytest.approx(12 * PSNR_OF_NOISE)
    assert spread("psnr", "C", "one", 400.0, 1).deviation == pytest.approx(24 * PSNR_OF_NOISE)  # the root of the sigma
    assert spread("psnr", "C", "one", 62.5, 1).deviation == pytest.approx(3 * 3.75 / 1.5 * PSNR_OF_NOISE)


def test_every_method_of_the_table_was_measured_beside_the_reference():
    with spread_module.TABLE.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert {"BF-UNet 0-55", "DnCNN-B (BUIFD)", "BM3D", "DnCNN bias 0-10"} < {row["method"] for row in rows}
    for row in rows:
        words = row["method"], row["dataset"], float(row["sigma"]), int(row["channels"])
        # Nothing that was measured moves more than twice as far as DnCNN-S, or less than a fifth of it.
        plain = spread("psnr", spread_module.REFERENCE[words[-1]][0], *words[1:]).deviation
        assert 0.2 < spread("psnr", *words).deviation / plain < 2
        assert spread("ssim", *words).deviation > 0


def test_a_source_of_independent_draws_allows_less_and_more_seeds_of_ours_narrow_it(against):
    independent, reset = (replace(row(), paper=p) for p in ("DnCNN-PyTorch (SaoYan)", "FFDNet (Zhang et al., TIP)"))
    wide, narrow = (against(result(29.23), entry).allowed for entry in (reset, independent))
    assert narrow < 0.6 * wide
    assert against(result(29.23, seeds=5), independent).allowed < narrow
    # What was called reproduced when the tolerance was twice a wide deviation.
    assert against(result(29.23 + 0.049), independent).word == "above"
    assert against(result(29.23 + 0.049), reset).word == "above"


@pytest.mark.parametrize(("colour", "channels"), [("gray", 1), ("rgb", 3)])
def test_noisy_images_deviate_by_theory_and_all_of_one_shape_together_where_the_draw_is_not_known(colour, channels):
    measured = result(20.17)
    measured.about["dataset"]["colour"] = colour
    found = tolerance_module.tolerance(measured, replace(row("20.17"), method="noisy input"))
    # The relative deviation of a mean square of N normal numbers is sqrt(2 / N), and 4.34 dB are a factor of e.
    one = 10 / math.log(10) * math.sqrt(2 / (481 * 321 * channels))
    assert found.theirs == pytest.approx(one * math.sqrt(53**2 + 15**2) / 68)
    assert found.ours == pytest.approx(one / math.sqrt(68))


def test_without_noise_only_rounding_and_arithmetic_are_allowed():
    measured = result(29.23, sigma=0)
    assert tolerance_module.tolerance(measured, row()).allowed == pytest.approx(0.005 + 0.001)
    assert tolerance_module.tolerance(result(29.23, sigma=0.5), row()).deviation > 0
    of_mse = tolerance_module.tolerance(measured, replace(row("65.00"), metric="mse"))
    assert of_mse.allowed == pytest.approx(0.005 + 65 * (10 ** (0.001 / 10) - 1), rel=1e-3)
    of_ssim = tolerance_module.tolerance(measured, replace(row("0.9000"), metric="ssim"))
    assert of_ssim.allowed == pytest.approx(0.00005 + 0.00002)
    assert (of_mse.margin, of_ssim.margin) == (pytest.approx(65 * (10 ** (0.1 / 10) - 1)), 0.003)


def test_where_the_draws_leave_the_margin_open_the_verdict_is_undecided(against, monkeypatch):
    monkeypatch.setattr(tolerance_module, "spread", lambda *words: Spread(300.0, 0.3))
    found = against(result(29.23), row())
    assert found.word == "undecided"
    assert "a difference of 0.1 is not ruled out: no number of seeds" in found.reason
    monkeypatch.setattr(tolerance_module, "spread", lambda *words: Spread(140.0, 0.0))
    found = against(result(29.23), row())
    needed = found.tolerance.seeds_needed(found.difference, 1)
    assert f"{needed} seeds would" in found.reason
    assert against(result(29.23, seeds=needed), row()).word == "reproduced"
    assert against(result(29.23, seeds=needed - 1), row()).word == "undecided"


def test_a_number_printed_with_more_decimals_allows_less(against):
    printed = {value: against(result(29.23), row(value)).allowed for value in ("29.2", "29.23", "29.230")}
    assert printed["29.2"] - printed["29.23"] == pytest.approx(0.05 - 0.005)
    assert printed["29.23"] - printed["29.230"] == pytest.approx(0.005 - 0.0005)


def test_what_rounding_an_output_costs_is_taken_from_the_difference(against):
    error = np.random.default_rng(0).normal(0, 2.55, 2_000_000)
    mse = (error**2).mean()
    cost = 10 * np.log10((np.rint(error) ** 2).mean() / mse)
    assert cost > 0.05
    here, there = result(40, mse=mse), result(40, mse=mse, protocol="float")
    assert against(here, row("40.00", "float")).tolerance.shift == pytest.approx(-cost, abs=2e-3)
    assert against(there, row("40.00")).tolerance.shift == pytest.approx(cost, abs=2e-3)
    assert against(here, row("40.00")).tolerance.shift == 0
    assert against(result(40 - cost, mse=mse), row("40.00", "float")).word == "reproduced"
    assert against(result(40 + cost, mse=mse), row("40.00", "float")).word == "above"


@pytest.mark.parametrize(
    ("theirs", "here"),
    [("standard", "float"), ("sr", "float"), ("sr-rgb", "standard"), ("float", "standard"), ("clipped", "standard"),
     ("torch0", "standard"), ("torch12", "standard")],
)  # fmt: skip
def test_rounding_on_one_side_shifts_by_a_twelfth_of_a_squared_level(theirs, here):
    sign = 1 if here == "standard" else -1  # rounding here makes our error larger
    measured, entry = result(40.0, protocol=here, mse=6.5), row("40.00", theirs)
    limits = tolerance_module.tolerance(measured, entry)
    assert limits.shift == pytest.approx(-sign * 10 * math.log10((6.5 + 1 / 12) / 6.5))
    of_mse = tolerance_module.tolerance(measured, replace(entry, metric="mse", value="6.50"))
    assert of_mse.shift == pytest.approx(sign / 12, rel=0.01)
    for image in measured.records[0].images:
        image["ssim"] = 0.9
    assert tolerance_module.tolerance(measured, replace(entry, metric="ssim", value="0.9000")).shift == 0
    same = {"standard": ("standard", "sr"), "float": ("float", "clipped", "sr-rgb", "torch0", "torch12")}[here]
    for other in (*same, "unstated", "derived", "other"):
        assert tolerance_module.tolerance(measured, row("40.00", other)).shift == 0


def test_how_the_noise_of_a_row_was_drawn_is_said_by_its_protocol_its_source_or_not_at_all():
    draws = {
        row(protocol="torch0"): "torch-0",
        replace(row(), paper="DnCNN-PyTorch (SaoYan)"): "independent",
        replace(row(), paper=DNCNN): "matlab-0",
        row(): "unknown",
    }
    assert {entry: tolerance_module.noise_draw(entry) for entry in draws} == draws


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


@pytest.mark.parametrize("published_row", [row(), row(protocol="unstated")])
@pytest.mark.parametrize(
    ("word", "choices"),
    [
        ("standard+channel=y", "channel=y"),
        ("standard+gray=mean", "gray=mean"),
        ("standard+crop=4", "crop=4"),
        ("standard+channel=y-full+crop=3", "crop=3 and channel=y-full"),
    ],
)
def test_choices_that_no_published_number_has_are_not_comparable(against, published_row, word, choices):
    measured = result(29.23)
    measured.about["protocol"] = asdict(protocol_of(word))
    found = against(measured, published_row)
    assert found.word == "not comparable"
    assert found.reason.endswith(f": here {choices}, as no published number")


def test_a_mean_that_lacks_an_image_is_not_comparable(against):
    measured = result(29.23)
    measured.about["failed_images"] = {"lacking": "memory"}
    found = against(measured, row())
    assert (found.word, found.reason) == ("not comparable", "29.23 dB in P 2017, T: 68 of 69 images, there all")


def test_what_is_claimed_of_the_protocol_that_runs_is_comparable_under_any(against):
    assert against(result(29.23, protocol="clipped"), row(protocol="as run")).word == "reproduced"


@pytest.mark.parametrize("name", ["sr", "sr-rgb"])
def test_a_border_of_the_scale_and_the_luma_are_choices_that_published_numbers_have(against, name):
    assert against(result(29.23, protocol=name), row(protocol=name)).word == "reproduced"


def test_the_luma_is_comparable_only_with_what_says_so(against):
    assert against(result(29.23, protocol="sr-rgb"), row(protocol="unstated")).word == "not comparable"


def test_the_number_of_a_noisy_image_is_held_against_the_noisy_image(against):
    measured = result(29.23)
    for image in measured.records[0].images:
        image["noisy_psnr"] = 20.18
    found = against(measured, replace(row("20.17"), method="noisy input"))
    assert found.difference == pytest.approx(0.01)
    assert found.word == "reproduced"


def test_an_unstated_protocol_that_agrees_is_reproduced_and_says_so(against):
    found = against(result(29.23), row(protocol="unstated"))
    assert found.word == "reproduced"
    assert "not stated" in found.reason


def test_the_reason_says_number_source_what_was_allowed_and_what_was_not_stated(against):
    stated, silent = against(result(29.23), row()), against(result(29.23), row(protocol="unstated"))
    assert stated.reason == f"29.23 dB in P 2017, T; allowed ±{stated.tolerance.terms}"
    assert silent.reason == f"29.23 dB in P 2017, T; allowed ±{silent.tolerance.terms}; its protocol is not stated"
    of_mse = against(result(29.23), replace(row("65.0"), metric="mse"), "mse")
    assert of_mse.reason.startswith("65.0 in P 2017, T; allowed ±")
    above = against(result(29.40), row())
    assert above.reason == f"29.23 dB in P 2017, T; allowed ±{above.tolerance.terms}"
    other = against(result(29.23), row("28.00", protocol="unstated"))
    assert other.reason == "28.00 dB in P 2017, T: the source does not state its protocol"
    assert (other.difference, other.allowed) == (pytest.approx(1.23), silent.allowed)


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({"options": {"profile": "lc"}}, "here with profile=lc, there as published"),
        ({"inference": {"precision": "bf16"}}, "here computed in bf16, there in fp32"),
        ({"inference": {"sigma": 15.0}}, "here the method was told SIGMA=15, there the usual sigma"),
        (
            {"inference": {"ensemble": 8}},
            "here with self-ensemble, there without (worth 0.05 dB for DnCNN on Set12 at sigma 25)",
        ),
        ({"inference": {"tile": 64}}, "here in tiles, which change what the method sees of an image"),
    ],
)
@pytest.mark.parametrize("protocol", ["standard", "unstated"])
def test_another_way_of_running_is_neither_reproduced_nor_failed(against, identity, reason, protocol):
    measured = result(29.23)
    about = measured.records[0].provenance
    about["identity"] |= identity
    about |= {"method": "bm3d"}
    found = against(measured, row(protocol=protocol))
    assert found.word == "not comparable"
    assert found.reason.endswith(f": {reason}")


@pytest.mark.parametrize(
    ("told", "here", "reason"),
    [
        ("estimated", "patches:4", ""),
        ("estimated", "", "here the method was told the usual sigma, there SIGMA=patches:4"),
        ("said", 4.0, "here the method was told SIGMA=4, there SIGMA=patches:4"),
        ("not told", "", ""),
    ],
)
def test_what_a_method_was_told_is_held_against_what_the_source_says(against, told, here, reason):
    measured, entry = result(35.19), replace(row("35.19"), method="CBM3D", paper="BRDNet (Tian et al.)")
    measured.about["told_sigma"] = told
    measured.about["identity"] |= {"inference": {"sigma": here}} if here else {}
    found = against(measured, entry)
    assert found.word == ("not comparable" if reason else "reproduced")
    assert found.reason.endswith(reason)


def test_a_persons_file_of_the_name_of_a_method_has_not_its_spread(against):
    registered, own, unknown = result(29.23), result(29.23), result(29.23, label="another")
    own.about["own"] = {"code": "0123"}
    of = [against(one, row()).tolerance.theirs for one in (registered, own, unknown)]
    assert of[0] < of[1] == of[2]


def test_to_be_told_the_sigma_of_the_noise_is_nothing_else_than_usual(against):
    measured = result(29.23)
    measured.about["told_sigma"] = "said"
    for said, word in ((25.0, "reproduced"), (25.5, "not comparable"), ("patches", "not comparable")):
        measured.about["identity"] |= {"inference": {"sigma": said}}
        assert against(measured, row()).word == word


@pytest.mark.parametrize(
    ("file", "sigma", "names", "there"),
    [
        ("dncnn/cszn/specifics/sigma=25.mat", 25, ("DnCNN", "S"), ""),
        ("dncnn/cszn/specifics/sigma=25.mat", 50, ("DnCNN", "S"), "DnCNN-S (dncnn-s-25), there those of DnCNN S"),
        ("dncnn/cszn/specifics/sigma=25.mat", 25, ("DnCNN", "B"), "DnCNN-S (dncnn-s-25), there those of DnCNN B"),
        ("dncnn/cszn/GD_Gray_Blind.mat", 50, ("DnCNN", "B"), ""),
        ("ffdnet/ffdnet_weights_gray.pth", 25, ("CDnCNN", "B"), "FFDNet (IPOL) (ffdnet), there those of CDnCNN B"),
        ("mine.pth", 25, ("CDnCNN", "B"), ""),
    ],
)
def test_a_registered_file_of_weights_is_no_other_net(against, file, sigma, names, there):
    """Under AS= the file of DnCNN-S was held against the numbers of DnCNN-B, and was "undecided" with +0.06 dB."""
    measured, entry = result(29.23, names=names, sigma=sigma), replace(row(), method=names[0], variant=names[1])
    known = {net.weights.path: net.weights for m in methods.available().values() for net in m.nets if net.weights}
    digest = known[file].sha256 if file in known else "0" * 64
    measured.about["weights"] = {"path": "net.pth", "sha256": digest, "local": "net.pth"}
    found = against(measured, entry)
    assert found.word == ("not comparable" if there else "reproduced")
    assert not there or found.reason.endswith(f"here the weights of {there}")
    measured.about["weights"]["local"] = ""  # the registered method itself, which is held against its own numbers
    assert against(measured, entry).word == "reproduced"


def test_seeds_are_advised_only_under_a_protocol_that_has_them(against):
    entry = replace(row("29.2"), paper="DnCNN-PyTorch (SaoYan)")  # 0.05 dB of rounding
    several, fixed = (against(result(29.241, protocol=name), entry) for name in ("standard", "matlab0"))
    assert several.word == fixed.word == "undecided"
    assert several.reason.endswith("2 seeds would")
    assert fixed.reason.endswith("this protocol has one seed; more seeds of PROTOCOL=standard may tell")


def test_it_is_said_whether_the_digits_or_the_draw_of_a_published_number_leave_it_undecided(against):
    entry = replace(row("29"), paper="DnCNN-PyTorch (SaoYan)")  # 0.5 dB of rounding
    assert against(result(29.03), entry).reason.endswith("the published number has too few digits")
    one_image = result(29.17).only("0")  # 0.033 dB of deviation
    assert against(one_image, replace(entry, value="29.2300")).reason.endswith("the published draw alone is too wide")


def test_options_that_are_the_usual_ones_or_of_no_registered_method_are_no_other_way(against):
    for name, options in (("bm3d", {"profile": "np", "other": "x"}), ("mine", {"profile": "lc"}), ("", {"a": "b"})):
        measured = result(29.23)
        measured.about["identity"] |= {"options": options}
        if name:
            measured.about["method"] = name
        assert against(measured, row()).word == "reproduced"


def test_ssim_and_mse_have_verdicts_of_their_own(against):
    measured = result(29.23, mse=77.6)
    for image in measured.records[0].images:
        image["ssim"] = 0.8278
    of = {"ssim": replace(row("0.8278"), metric="ssim"), "mse": replace(row("77.6"), metric="mse")}
    for metric, entry in of.items():
        assert against(measured, entry, metric).word == "reproduced"
    assert against(measured, replace(of["ssim"], value="0.8250"), "ssim").word == "above"
    assert against(measured, replace(of["mse"], value="79.0"), "mse").word == "below"
    # A PSNR and its MSE deviate alike: 0.1 dB are 2.33 % of an MSE.
    psnr, mse = against(measured, row()).tolerance, against(measured, of["mse"], "mse").tolerance
    assert mse.deviation / 77.6 == pytest.approx(1 - 10 ** (-psnr.deviation / 10), rel=0.01)


def test_numbers_that_deviate_the_same_way_are_judged_as_one(monkeypatch):
    """Each passes by itself, the three together do not."""
    printed = {15: "31.07", 25: "28.57", 50: "25.62"}
    monkeypatch.setattr(
        ledger_module, "published",
        lambda names, degradation, **words: [
            replace(row(printed[int(degradation.partition(":")[2])]), paper="DnCNN-PyTorch (SaoYan)")
        ],
    )  # fmt: skip
    three = [result(float(value) + 0.013, sigma=sigma) for sigma, value in printed.items()]
    assert {judge(one).word for one in three} == {"reproduced"}
    (family,) = families(three)
    assert family.count == 3
    assert family.mean == pytest.approx(0.013)
    assert family.systematic
    level = [
        result(float(value) + gap, sigma=s)
        for (s, value), gap in zip(printed.items(), (0.013, -0.013, 0.0), strict=True)
    ]
    assert not families(level)[0].systematic


@pytest.mark.parametrize(
    ("protocol", "paper", "gap", "systematic"),
    [
        ("torch0", "P", 0.0008, False),  # the sums of another machine, all on one side
        ("torch0", "P", 0.005, True),
        ("standard", "DnCNN-PyTorch (SaoYan)", 0.016, True),
        ("seed0", "DnCNN-PyTorch (SaoYan)", 0.035, False),  # one field of ours for all noise levels is one accident
    ],
)
def test_what_moves_a_whole_family_at_once_is_no_proof(monkeypatch, protocol, paper, gap, systematic):
    printed = {15: "31.070", 25: "28.570", 50: "25.620"}
    source = replace(row(protocol="torch0" if protocol == "torch0" else "standard"), paper=paper)
    monkeypatch.setattr(
        ledger_module, "published",
        lambda names, degradation, **words: [replace(source, value=printed[int(degradation.partition(":")[2])])],
    )  # fmt: skip
    found = [result(float(value) + gap, sigma=sigma, protocol=protocol) for sigma, value in printed.items()]
    (family,) = families(found)
    assert family.mean == pytest.approx(gap, abs=1e-3)
    assert family.systematic == systematic


def test_seed0_and_standard_differ_by_their_draws_only(against):
    assert against(result(29.23, protocol="seed0"), row()).word == "reproduced"


def of_net(method, dataset, degradation, psnr, inference):
    """A result of twelve 256x256 images by a method's first net, with what its record says of net and dataset."""
    data = datasets.available()[dataset]
    about = {
        "identity": {"inference": inference} if inference else {},
        "label": method,
        "net": describe(methods.available()[method].nets[0]),
        "dataset": {"name": dataset, "colour": data.colour, "ledger": data.ledger},
        "degradation": degradation,
        "sigma": float(degradation.partition(":")[2]) if ":" in degradation else None,
        "random": ":" in degradation,
        "protocol": asdict(PROTOCOLS[data.protocol or "standard"]),
        "seed": 0,
    }
    images = [{"image": name, "height": 256, "width": 256, "psnr": psnr, "mse": 9.0} for name in "abcdefghijkl"]
    return gather([Record(images, about)])[0]


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
    assert (worse.published, worse.word) == (found.published, "below")


def test_a_self_ensemble_without_a_published_number_of_one_is_not_comparable():
    plain, ensembled = (judge(of_net("dncnn", "set12", "gaussian:25", 30.44, how)) for how in ({}, {"ensemble": 8}))
    assert plain.published == ensembled.published
    assert (plain.word, ensembled.word) == ("reproduced", "not comparable")
    assert "here with self-ensemble, there without" in ensembled.reason


@pytest.fixture
def written_ledger(tmp_path, monkeypatch):
    """Return a function that makes a text the ledger."""
    file = tmp_path / "published.csv"
    monkeypatch.setattr(ledger_module, "LEDGER", file)

    def write(*lines):
        file.write_text("\n".join([",".join(field.name for field in fields(Published)), *lines]) + "\n")
        ledger_module.ledger.cache_clear()
        ledger_module._means.cache_clear()

    yield write
    ledger_module.ledger.cache_clear()
    ledger_module._means.cache_clear()


def test_the_first_mean_of_a_key_is_the_reference(written_ledger):
    head, tail = "DnCNN,S,set12,gray,gaussian:25,standard,psnr", "P,2017,T,https://x,"
    written_ledger(
        f"{head},31.00,01,{tail}",
        f"{head},30.436,,{tail}",
        f"{head},30.44,,{tail}",
        f"DnCNN,B,set12,gray,gaussian:25,standard,psnr,30.36,,{tail}",
        f"DnCNN,S,set12,gray,gaussian:15,standard,psnr,32.86,,{tail}",
        f"DnCNN,S,set12,gray,gaussian:25,standard,ssim,0.8618,,{tail}",
    )
    where = {"dataset": "set12", "colour": "gray", "degradation": "gaussian:25"}
    assert [r.value for r in published(("DnCNN", "S"), metric="psnr", **where)] == ["30.436", "30.44"]
    assert [r.value for r in published(("DnCNN", "S"), metric="ssim", **where)] == ["0.8618"]
    assert published(("DnCNN", "S"), metric="psnr", **where | {"colour": "rgb"}) == []
    assert published(None, metric="psnr", **where) == []
    # What a measurement is held against: the first of its names that has a number, as of a self-ensemble or plain.
    cell = {"degradation": "gaussian:25", "metric": "psnr"}
    names = [("DnCNN", "x8"), None, ("DnCNN", "B"), ("DnCNN", "S")]
    assert reference(("set12", "gray"), names, **cell).value == "30.36"
    assert reference(("set12", "rgb"), names, **cell) is None
    assert reference(None, names, **cell) is None


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
    of_noise = {"psnr_noise_255": [printed]}
    monkeypatch.setattr(ledger_module, "published", lambda names, metric, **words: of_noise.get(metric, []))
    measured = result(21.5)
    for image in measured.records[0].images:
        image["noise_psnr"] = 21.69
    found = judge(measured)
    assert found.word == "not comparable"
    assert found.difference == pytest.approx(21.69 + 48.1308 - 69.814149, abs=1e-4)
    assert found.reason == (
        "69.814149 in P 2017, T (of the predicted noise with peak 255 for white 1; here 69.82 in that convention): "
        "published under another protocol (on training data)"
    )


DNCNN = "DnCNN: Beyond a Gaussian Denoiser (Zhang et al., TIP)"


@pytest.mark.parametrize(
    ("protocol", "entry"),
    [
        ("torch0", row(protocol="torch0")),
        ("matlab0", replace(row(), paper=DNCNN)),
        ("matlab0", replace(row(), paper="ADNet (Tian et al., Neural Networks)")),  # quoted from DnCNN's paper
        ("seed0", replace(row(), paper="DnCNN re-implementation by the author")),
    ],
)
def test_under_the_sources_own_draw_only_rounding_and_arithmetic_are_allowed(against, protocol, entry):
    same, other = result(29.2355, protocol=protocol), result(29.2355)
    assert against(same, entry).allowed == pytest.approx(0.006)
    assert against(same, entry).word == "reproduced"
    assert against(result(29.237, protocol=protocol), entry).word == "above"
    assert against(other, entry).allowed > 0.01
    assert against(result(29.2355, protocol="matlab0" if protocol == "seed0" else "seed0"), entry).allowed > 0.01


def test_every_source_of_noise_is_one_of_the_ledger_and_draws_in_a_known_way():
    with tolerance_module.SOURCES.open(newline="", encoding="utf-8") as table:
        sources = list(csv.DictReader(table))
    assert {source["draw"] for source in sources} <= set(CHOICES["noise_draw"])
    rows = {(entry.paper, method) for entry in ledger() for method in ("", entry.method)}
    for source in sources:
        assert (source["paper"], source["method"]) in rows
        assert source["address"].startswith("https://")
        assert source["evidence"]
