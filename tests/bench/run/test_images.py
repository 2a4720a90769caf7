"""Pairs, images without a reference, mixtures and ranges, all the way through a cell."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Picture

import datasets
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.degradation import parse
from bench.judge.verdict import judge
from bench.plan import inference
from bench.plan.protocol import protocol
from bench.plan.request import Request, plan
from bench.report.build import build
from bench.run.images import degraded, pictures
from bench.run.noise_level import LEAST, estimate, estimated, from_patches, sigma_for
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import gather
from datasets.description import Dataset, File, Image, Part

SEEN = "SEEN = []\ndef denoise(noisy, sigma):\n    return noisy * 0 + (sigma if sigma is not None else 0.5)\n"
"""A method whose output is the sigma that it was told."""


@pytest.fixture
def files(tmp_path, gray):
    """Return a function that writes a picture and describes its file."""

    def write(name, pixels):
        path = tmp_path / f"{name}.png"
        Picture.fromarray(np.asarray(pixels, np.uint8).squeeze()).save(path)
        return Part(File(path.name, sha256=sha256(path), local=str(path)))

    return write


@pytest.fixture
def pairs(files, gray):
    """Two images with noisy versions of their own, of sigma 10 and 20."""
    rng = np.random.default_rng(0)
    images = []
    for name, level in (("first", 10), ("second", 20)):
        noisy = np.clip(np.rint(gray + level * rng.standard_normal(gray.shape)), 0, 255)
        images.append(Image(name, files(f"{name}-clean", gray), files(f"{name}-noisy", noisy)))
    return Dataset("tiny-pairs", "tiny pairs", "gray", tuple(images), "here", "ours")


@pytest.fixture
def known(monkeypatch):
    """Return a function that lets a dataset be named on DATA."""

    def register(dataset):
        registered = replace(dataset, ledger=(dataset.name, dataset.colour))
        monkeypatch.setattr(datasets, "available", lambda: {dataset.name: registered})
        return dataset.name

    return register


def one(method, data, **words):
    (cell,), failures = plan(Request(str(method), data, **words))
    assert not failures
    return cell, run_cell(cell, Settings("cpu", jobs=1))


def test_pairs_are_taken_as_they_are(pairs, known, gray, method_file):
    cell, record = one(method_file("def denoise(noisy, sigma):\n    return noisy\n"), known(pairs))
    assert (str(cell.degradation), cell.protocol.name) == ("pairs", "standard")
    for row, picture in zip(record.images, pictures(pairs), strict=True):
        assert row["denoised"] == picture.noisy.tobytes()
        error = np.mean((picture.noisy.astype(float) - gray) ** 2)
        assert (row["mse"], row["noisy_mse"]) == pytest.approx((error, error), rel=1e-6)


def test_noise_may_be_added_to_the_references_of_pairs(pairs, known):
    cell, record = one("median", known(pairs), noise="25")
    assert str(cell.degradation) == "gaussian:25"
    assert [row["noisy_psnr"] for row in record.images] == pytest.approx([20.17, 20.17], abs=0.3)


def test_seeds_change_nothing_where_nothing_is_drawn(pairs, known):
    cells, _ = plan(Request("median", known(pairs), seed="0,1,2"))
    assert len(cells) == 1
    cells, _ = plan(Request("median", "tiny-pairs", noise="jpeg:10,25", seed="0,1"))
    assert [(str(c.degradation), c.seed) for c in cells] == [("jpeg:10", 0), ("gaussian:25", 0), ("gaussian:25", 1)]


def test_without_references_there_are_no_scores_and_no_verdict(pairs, known):
    noisy_only = replace(pairs, images=tuple(replace(image, clean=None) for image in pairs.images))
    cell, record = one("nlm", known(noisy_only))
    assert all(math.isnan(row[name]) for row in record.images for name in ("psnr", "ssim", "mse", "noisy_psnr"))
    (result,) = gather([record])
    assert not result.has_reference
    assert judge(result) is None
    assert cell.told_sigma == "estimated"
    (failure,) = plan(Request("bm3d", noisy_only.name, noise="25"))[1]
    assert "has no clean images to add noise to; use NOISE=pairs" in failure.cause


def test_pairs_of_a_set_without_them():
    (failure,) = plan(Request("bm3d", "builtin", noise="pairs"))[1]
    assert "builtin has no noisy images of its own for NOISE=pairs; give NOISE=25" in failure.cause


def test_what_a_method_is_told(pairs, known, method_file):
    method = method_file(SEEN)
    data = known(pairs)
    for words, expected in [
        ({"noise": "25"}, [25, 25]),
        ({"noise": "gaussian:mean=0.1,std=0.2"}, [51, 51]),
        ({"sigma": "7"}, [7, 7]),
        ({"noise": "25", "sigma": "40"}, [40, 40]),
    ]:
        _, record = one(method, data, protocol="float", **words)
        assert [row["told_sigma"] for row in record.images] == pytest.approx(expected)
        outputs = [np.frombuffer(row["denoised"], np.uint8)[0] for row in record.images]
        assert outputs == [round(sigma) for sigma in expected]


def test_each_image_of_a_range_has_its_own_sigma_and_is_told_it(pairs, known, method_file):
    cell, record = one(method_file(SEEN), known(pairs), noise="gaussian:5-55", protocol="float")
    sigmas = [row["told_sigma"] for row in record.images]
    assert len(set(sigmas)) == 2
    for row, picture in zip(record.images, pictures(pairs), strict=True):
        image = degraded(cell, picture)
        assert row["told_sigma"] == pytest.approx(image.sigma)
        spread = np.std(image.noisy * 255 - picture.clean)
        assert spread == pytest.approx(image.sigma, rel=4 / math.sqrt(2 * picture.clean.size))


def test_the_estimate_of_sigma(gray):
    # Of pure noise the median of the diagonal coefficients is unbiased: 2 % at this size.
    noise = np.random.default_rng(0).standard_normal((512, 512, 1)) * 25 / 255
    assert estimated(noise.astype(np.float32)) * 255 == pytest.approx(25, rel=0.03)
    assert estimated(np.zeros((64, 64, 1), np.float32)) > 0


@pytest.mark.parametrize("shape", [(24, 32, 1), (25, 31, 3), (4, 5, 1), (2, 7, 1)])
def test_the_estimate_of_sigma_is_that_of_scikit_image(shape):
    from skimage.restoration import estimate_sigma

    noisy = np.random.default_rng(1).normal(0.5, 0.1, shape).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the size of its last axis
        expected = estimate_sigma(noisy, channel_axis=2, average_sigmas=True)
    assert estimated(noisy) == pytest.approx(expected, rel=1e-5)


def test_the_estimate_from_patches_is_that_of_the_definition():
    """Chen, Zhu, Heng 2015: of rising eigenvalues the largest go until as many are above their mean as below it."""
    (picture,) = [p for p in pictures(datasets.available()["builtin-rgb"]) if p.name == "astronaut"]
    image = picture.clean[:96, :120] / 255 + np.random.default_rng(0).normal(0, 15 / 255, (96, 120, 3))
    channels = []
    for channel in np.moveaxis(image.astype(np.float32).astype(np.float64), 2, 0):
        rows, columns = [*range(0, 88, 3), 88], [*range(0, 112, 3), 112]  # the last patches end with the image
        patches = np.array([channel[y : y + 8, x : x + 8].ravel() for y in rows for x in columns])
        values = np.linalg.svd(patches - patches.mean(axis=0), compute_uv=False) ** 2 / len(patches)  # falling
        kept = next(v for v in (values[i:] for i in range(64)) if (v > v.mean()).sum() == (v < v.mean()).sum())
        channels.append(kept.mean())
    found = from_patches(image.astype(np.float32))
    assert found == pytest.approx(math.sqrt(np.mean(channels)), rel=1e-6)
    assert found * 255 == pytest.approx(15, rel=0.05)
    assert estimate("patches:4", image.astype(np.float32)) == pytest.approx(4 * found)
    assert estimate("wavelet:0.5", image) == pytest.approx(estimated(image) / 2)
    assert from_patches(np.full((40, 40, 1), 0.3, np.float32)) == LEAST


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 300, 3)])
def test_an_image_of_too_few_patches_has_no_estimate_from_them(shape):
    with pytest.raises(BenchError, match=f"SIGMA=patches: an image of {shape[1]}x{shape[0]} has too few patches"):
        from_patches(np.zeros(shape, np.float32))


def test_an_estimate_is_told_in_the_place_of_what_is_known_or_estimated_otherwise(pairs, known, method_file):
    method = method_file(SEEN)
    cell, record = one(method, known(pairs), sigma="patches:2")
    assert (cell.told_sigma, cell.inference.sigma, cell.identity["inference"]) == (
        "estimated", "patches:2", {"sigma": "patches:2"},
    )  # fmt: skip
    assert cell.key != one(method, "tiny-pairs")[0].key
    for picture, row in zip(pictures(pairs), record.images, strict=True):
        seen = from_patches((picture.noisy / 255).astype(np.float32))
        assert row["told_sigma"] == pytest.approx(2 * 255 * seen, rel=1e-5)
    drawn, _ = one(method, "tiny-pairs", noise="25", sigma="wavelet")
    assert (drawn.told_sigma, drawn.label.endswith("told wavelet")) == ("estimated", True)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("patches:1", "patches"), ("patches:4.0", "patches:4"), ("wavelet:0.5", "wavelet:0.5"), ("25", 25.0), ("", None)],
)
def test_what_sigma_says(word, meaning):
    assert inference.sigma(word) == meaning


def test_blind_methods_are_told_nothing_where_nothing_is_known(pairs, known, method_file):
    cell, record = one(method_file("BLIND = True\n" + SEEN), known(pairs))
    assert cell.told_sigma == "not told"
    assert [row["told_sigma"] for row in record.images] == [None, None]
    (picture, _) = pictures(pairs)
    assert sigma_for(cell, degraded(cell, picture)) is None


@pytest.mark.parametrize(
    "word", ["0", "-1", "300", "much", "patches:", "patches:0", "patches:101", "patches:nan", "wavelets", "4:patches"]
)
def test_bad_sigma(word):
    with pytest.raises(BenchError, match=rf"SIGMA={word}: expected the number that methods are told"):
        plan(Request("bm3d", "builtin", sigma=word))


def test_a_method_told_another_sigma_is_not_held_against_the_paper(one_cell):
    cell = one_cell("bm3d", "builtin", sigma="30")
    assert cell.label == "BM3D told 30"
    assert cell.identity["inference"] == {"sigma": 30.0}
    assert cell.key != one_cell("bm3d", "builtin").key
    blind, told = plan(Request("dncnn-b,bm3d", "builtin", sigma="30"))[0]
    assert (blind.key, told.key) == (one_cell("dncnn-b", "builtin").key, cell.key)  # the first is told nothing


def test_the_psnr_of_the_noise_is_that_of_the_image_that_is_not_clipped(pairs, known, method_file):
    _, record = one(method_file("def denoise(noisy, sigma):\n    return noisy * 2 - 0.5\n"), known(pairs))
    for row, picture in zip(record.images, pictures(pairs), strict=True):
        output = picture.noisy * 2.0 - 127.5
        taken, there = picture.noisy - output, picture.noisy - picture.clean.astype(float)
        expected = 10 * math.log10(255**2 / np.mean((taken - there) ** 2))
        assert row["noise_psnr"] == pytest.approx(expected, abs=1e-3)
        assert row["noise_psnr"] < row["psnr"]
        assert row["noise_l1"] == pytest.approx(np.abs(taken - there).mean() / 255, abs=1e-6)


def test_a_border_as_wide_as_the_scale_is_left_out(pairs, known, method_file):
    # A method that is right everywhere but in a border of two pixels.
    body = (
        "def denoise(noisy, sigma):\n    out = noisy.clone()\n    out[..., :2, :] = 0\n    out[..., -2:, :] = 0\n"
        "    out[..., :, :2] = 0\n    out[..., :, -2:] = 0\n    return out\n"
    )
    cell, record = one(method_file(body), known(pairs), noise="downscale:2", protocol="sr")
    assert cell.crop == 2
    assert plan(Request("median", "tiny-pairs", "25", "sr"))[0][0].crop == 0
    row = record.images[0]
    assert row["psnr"] == pytest.approx(row["noisy_psnr"], abs=0.05)  # but for the rounding to 8 bit
    assert one(method_file(body), "tiny-pairs", noise="downscale:2")[1].images[0]["psnr"] < row["psnr"] - 3


def test_pairs_of_different_size_are_refused(files, gray, known):
    image = Image("odd", files("odd-clean", gray), files("odd-noisy", gray[:-1]))
    data = known(Dataset("odd-pairs", "odd", "gray", (image,), "here", "ours"))
    cells, _ = plan(Request("median", data))
    with pytest.raises(ValueError, match="the noisy image is 63x80 and its reference 64x80; expected one size"):
        run_cell(cells[0], Settings("cpu", jobs=1))


def test_a_network_that_is_told_each_images_sigma_runs_in_pytorch(pairs, known, method_file):
    body = (
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, noisy, sigma=None):\n"
        "        return noisy * 0 + sigma\ndenoise = Net()\n"
    )
    cell, record = one(method_file(body), known(pairs), protocol="float")
    assert record.provenance["runtime"] == "torch"
    for row, picture in zip(record.images, pictures(pairs), strict=True):
        assert row["told_sigma"] == pytest.approx(estimated((picture.noisy / 255).astype(np.float32)) * 255, rel=1e-5)
        assert np.frombuffer(row["denoised"], np.uint8)[0] == round(row["told_sigma"])
    with pytest.raises(BenchError, match="BACKEND=onnxruntime fixes sigma"):
        run_cell(cell, Settings("cpu", runtime="onnxruntime"))


def test_protocols_say_what_they_leave_out():
    assert "border of scale left out" in protocol("sr").summary()
    assert "noise" not in protocol("standard").summary(drawn=False)
    assert parse("downscale:3").multiple == 3


def test_a_persons_own_photographs_as_they_are(tmp_path, photographs):
    cell, record = one("median", str(photographs), noise="pairs")
    assert not cell.dataset.has_clean
    assert all(math.isnan(row["psnr"]) and row["self_mse"] > 0 and row["self_error"] > 0 for row in record.images)
    store = Store(tmp_path / "runs")
    store.put(cell, record)
    page = build(tmp_path).read_text()
    assert "self-score" in page
    assert 'alt="camera, noisy"' in page
    assert 'alt="camera, clean"' not in page


def test_a_persons_own_pairs(tmp_path, gray):
    for name, shift in (("clean", 0), ("noisy", 5)):
        (tmp_path / name).mkdir()
        Picture.fromarray(np.clip(gray.astype(int) + shift, 0, 255).astype(np.uint8)[..., 0]).save(
            tmp_path / name / "a.png"
        )
    cell, record = one("median", str(tmp_path))
    assert str(cell.degradation) == "pairs"
    shifted = np.clip(gray.astype(int) + 5, 0, 255)
    assert record.images[0]["noisy_mse"] == pytest.approx(np.mean((shifted - gray) ** 2.0))
    (tmp_path / "noisy" / "b.png").write_bytes((tmp_path / "noisy" / "a.png").read_bytes())
    (failure,) = plan(Request("median", str(tmp_path)))[1]
    assert "noisy/b.png: no clean image of that name; give each image its pair" in failure.cause
