"""The score without reference: what it promises by its formula, and where it fails as it says."""

import csv
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, pad

from bench.common.errors import BenchError
from bench.degradation import parse
from bench.plan.request import Request
from bench.score.self_score import difference, held_out, masked_error, reach, score
from bench.studies.selfscore.agreement import agreement
from bench.studies.selfscore.study import build

CROSS = torch.tensor([[[[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]]]])


def photograph(side=192):
    from skimage import data

    return torch.from_numpy(data.camera()[100 : 100 + side, 150 : 150 + side] / 255).float()[None, None]


def noise(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


def neighbours(noisy, sigma=None):
    """Return the mean of the four neighbours: a filter that does not look at the pixel itself."""
    return conv2d(pad(noisy, (1, 1, 1, 1), mode="reflect"), CROSS)


def blur(noisy, sigma=None):
    """Return half the pixel and half its neighbours' mean."""
    return 0.5 * noisy + 0.5 * neighbours(noisy)


def true_error(run, noisy, clean):
    return float((run(noisy, None).clamp(0, 1) - clean).square().mean()) * 255**2


@pytest.mark.parametrize(("measure", "grids"), [(masked_error, 25), (lambda *a, **how: score(*a, **how).error, 1)])
def test_a_filter_blind_to_its_centre_scores_its_error_plus_the_noise_variance(measure, grids):
    # Noise2Self, proposition 1. Held-out pixels that are replaced do not change this filter there.
    clean, sigma = photograph(128), 25.0
    excess = []
    for seed in range(8):
        noisy = clean + sigma / 255 * noise(clean.shape, seed)
        excess.append(measure(neighbours, noisy, None, grids=grids) - true_error(neighbours, noisy, clean) - sigma**2)
    assert abs(np.mean(excess)) < 4 * np.std(excess, ddof=1) / math.sqrt(len(excess))
    assert np.std(excess) < 0.05 * sigma**2


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_output_at_a_held_out_pixel_does_not_depend_on_its_noisy_value(radius):
    noisy = photograph(64) + 0.1 * noise((1, 1, 64, 64))
    held = held_out(noisy, radius=radius)
    other = noisy.clone()
    other[held.hidden[0]] += 0.5
    changed = held_out(other, radius=radius)
    assert torch.equal(held.filled[0], changed.filled[0])
    # Blocks are squares around the centres, and none touches another.
    inside = held.centres[0][..., radius : 64 - radius, radius : 64 - radius].sum()
    assert held.hidden[0].sum() >= inside * (2 * radius + 1) ** 2
    assert not (held.hidden[0] & ~held.centres[0]).any() or radius


def test_every_grid_of_a_stride_holds_out_every_pixel_once():
    held = held_out(photograph(32), stride=5, grids=25)
    assert torch.equal(sum(centre.int() for centre in held.centres), torch.ones(1, 1, 32, 32, dtype=torch.int32))


def test_the_score_keeps_the_true_order_where_the_masked_error_turns_it_round():
    # At sigma 5 the noisy image (MSE 25) is better than the mean of neighbours on this photograph.
    clean = photograph()
    noisy = clean + 5 / 255 * noise(clean.shape)

    def as_it_is(image, sigma):
        return image

    assert true_error(as_it_is, noisy, clean) < true_error(neighbours, noisy, clean)
    # Without its pixel, doing nothing IS the mean of the neighbours: the masked error sees no difference.
    assert masked_error(as_it_is, noisy, None) == pytest.approx(masked_error(neighbours, noisy, None), rel=1e-3)
    more, standard_error = difference(score(neighbours, noisy, None), score(as_it_is, noisy, None))
    assert more > 2 * standard_error


@pytest.mark.parametrize("sigma", [15.0, 25.0])
def test_what_the_guess_misses_is_told_from_noise(sigma):
    noisy = photograph() + sigma / 255 * noise((1, 1, 192, 192))
    held = held_out(noisy)
    squares = [
        (guess - noisy).double().square()[centre] * 255**2
        for guess, centre in zip(held.guess, held.centres, strict=True)
    ]
    noise_alone = torch.cat([square * share for square, share in zip(squares, held.share, strict=True)]).mean()
    assert torch.cat(squares).mean() > 1.15 * sigma**2
    assert float(noise_alone) == pytest.approx(sigma**2, rel=0.15)


def test_the_best_weight_of_a_filter_is_found():
    clean = photograph()
    noisy = clean + 20 / 255 * noise(clean.shape)
    held = held_out(noisy)
    weights = np.linspace(0, 1, 6)
    runs = [lambda image, sigma, w=w: (1 - w) * image + w * neighbours(image) for w in weights]
    true = [true_error(run, noisy, clean) for run in runs]
    scores = [score(run, noisy, None, held=held).error for run in runs]
    assert abs(int(np.argmin(scores)) - int(np.argmin(true))) <= 1


def test_correlated_noise_favours_doing_nothing_and_a_radius_mends_that():
    clean = photograph()
    smooth = conv2d(pad(noise(clean.shape), (1, 1, 1, 1), mode="reflect"), torch.ones(1, 1, 3, 3) / 3)
    noisy = clean + 40 / 255 * smooth / smooth.std()

    def wide(image, sigma):
        return conv2d(pad(image, (2, 2, 2, 2), mode="reflect"), torch.ones(1, 1, 5, 5) / 25)

    assert true_error(wide, noisy, clean) < true_error(blur, noisy, clean)
    assert score(wide, noisy, None, radius=0).error > score(blur, noisy, None, radius=0).error
    assert score(wide, noisy, None, radius=2).error < score(blur, noisy, None, radius=2).error


def test_noise_of_a_camera_or_jpeg_is_held_out_with_its_neighbours():
    assert [reach(parse(word)) for word in ("25", "poisson:30", "pairs", "25+jpeg:50")] == [0, 0, 1, 1]


def test_an_image_smaller_than_the_stride_is_one_line():
    with pytest.raises(BenchError, match=r"image is 4x9 pixels; expected at least 5x5"):
        score(neighbours, torch.zeros(1, 1, 4, 9), None)
    with pytest.raises(BenchError, match="radius 2 with stride 5"):
        held_out(torch.zeros(1, 1, 40, 40), stride=5, radius=2)
    with pytest.raises(BenchError, match="26 grids; expected 1 to 25"):
        held_out(torch.zeros(1, 1, 40, 40), stride=5, grids=26)


@pytest.mark.parametrize("shape", [(5, 5), (5, 40), (30, 31)])
def test_the_smallest_images_have_a_score(shape):
    noisy = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    assert math.isfinite(score(lambda image, sigma: 0.9 * image, noisy, None).error)


def test_agreement_is_what_one_counts_by_hand():
    # Means: a 30, b 29, c 28.95, d 20. By score: a, c, b, d: one pair of six is turned, none of the five clear ones.
    true = {"a": [31, 29], "b": [28, 30], "c": [28.9, 29], "d": [20, 20]}
    found = agreement(true, {"a": [1, 1], "b": [3, 3], "c": [2, 2], "d": [9, 9]})
    assert found.kendall == pytest.approx((5 - 1) / 6)
    assert found.spearman == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert (found.alike, found.clear_alike, found.regret) == (pytest.approx(5 / 6), 1.0, 0.0)
    # Image 1 is in order; in image 2, b is first and the rest a = c > d: pairs ab, bc turned, ac tied.
    second = (3 - 2) / math.sqrt(6 * 5)
    assert found.image_kendall == pytest.approx((1 + second) / 2)
    assert found.image_regret == pytest.approx((0 + 1) / 2)


def test_agreement_of_other_methods_or_images_is_one_line():
    with pytest.raises(BenchError, match="two or more methods"):
        agreement({"a": [1.0], "b": [2.0]}, {"a": [1.0], "c": [2.0]})


def rows_of(folder):
    (table,) = (folder / "selfscore").glob("*.csv")
    return list(csv.DictReader(table.open()))


def test_ffdnet_scores_best_when_told_about_the_truth(published_files, tmp_path):
    text, path = build(Request("ffdnet", "set12", "25", sigma="15,35,50"), tmp_path, images=1, side=128)
    assert "agreement" in text
    assert path.startswith(str(tmp_path / "selfscore" / "set12-gaussian-25-standard-0-"))
    *rows, last = rows_of(tmp_path)
    told = {row["method"]: row for row in rows}
    assert min(told, key=lambda name: float(told[name]["self_score"])) == "FFDNet (IPOL)"
    far = told["FFDNet (IPOL) told 15"]
    assert float(far["behind"]) > 2 * float(far["behind_error"])
    assert last["method"] == "agreement"
    assert float(last["kendall"]) > 0.8


def test_psnr_is_that_of_the_records_and_what_cannot_run_is_named(tmp_path, photographs, one_cell, reported):
    from bench.run.one_cell import run_cell

    request = Request("median,no-such", str(photographs), "25", seed="0,1")
    failure, *texts = build(request, tmp_path, table=tmp_path / "all.csv")
    assert "unknown method 'no-such'" in failure.cause
    assert len(texts) == 4
    rows = [row for row in csv.DictReader((tmp_path / "all.csv").open()) if row["method"] == "Median"]
    for seed, row in zip("01", rows, strict=True):
        record = run_cell(one_cell("median", photographs, seed=seed))
        assert float(row["psnr"]) == pytest.approx(record.mean("psnr"), abs=6e-4)
        assert row["seed"] == seed
    parts = reported(tmp_path, "selfscore").parts
    assert [part.command.endswith("SEED=1") for part in parts] == [False, True]
    assert [fields[0] for fields in parts[0].tables[0].rows] == [
        row["method"]
        for row in csv.DictReader((tmp_path / "all.csv").open())
        if row["seed"] == "0" and row["self_rank"]
    ]
