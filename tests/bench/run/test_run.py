import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.plan.cell import Failure
from bench.run.engine import run_all
from bench.run.one_cell import run_cell
from bench.run.settings import Settings

CPU = Settings(device="cpu")


def rows(record, column="psnr"):
    return {row["image"]: row[column] for row in record.images}


def test_identity_scores_its_own_input(one_cell, photographs, method_file):
    path = method_file("def denoise(noisy, sigma):\n    return noisy\n")
    record = run_cell(one_cell(str(path), photographs, protocol="clipped"), CPU)
    assert rows(record) == pytest.approx(rows(record, "noisy_psnr"), abs=1e-5)
    assert rows(record, "ssim") == pytest.approx(rows(record, "noisy_ssim"), abs=1e-6)
    unclipped = run_cell(one_cell(str(path), photographs), CPU)
    for name, score in rows(unclipped, "noisy_psnr").items():
        assert score == pytest.approx(20 * np.log10(255 / 25), abs=0.5)
        assert rows(unclipped)[name] > score  # clipping the output to [0, 255] can only help


def test_what_a_record_holds(one_cell, photographs, method_file):
    path = method_file("def denoise(noisy, sigma):\n    return 0 * noisy + sigma\n")
    record = run_cell(one_cell(str(path), photographs), CPU)
    about = record.provenance
    assert list(rows(record)) == ["camera", "coins"]
    picture = np.frombuffer(record.images[0]["denoised"], np.uint8)
    assert picture.size == 48 * 64
    assert (picture == 25).all()  # sigma reaches the method on the unit scale
    assert set(about["versions"]) >= {"python", "torch", "numpy"}
    assert set(about["seconds"]) == {"load", "method", "score", "total"}
    for key in ("device", "runtime", "threads", "jobs", "commit", "machine", "peak_memory", "parameters", "identity"):
        assert key in about
    assert all(row["seconds"] > 0 for row in record.images)
    assert sum(row["seconds"] for row in record.images) == pytest.approx(about["seconds"]["method"], abs=1e-3)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("return noisy * float('nan')", "returned NaN or infinite values"),
        ("return noisy[..., 1:]", r"returned shape \(1, 1, 48, 63\); expected \(1, 1, 48, 64\)"),
        ("raise RuntimeError('out of ideas')", "raised RuntimeError: out of ideas"),
        ("return None", "returned a NoneType"),
    ],
)
def test_a_bad_method_fails_its_cell_only(one_cell, photographs, method_file, body, cause):
    bad = one_cell(str(method_file(f"def denoise(noisy, sigma):\n    {body}\n", "bad")), photographs)
    with pytest.raises(BenchError, match=cause):
        run_cell(bad, CPU)
    outcomes = [outcome for _, outcome in run_all([bad, one_cell("wavelet", photographs)], CPU)]
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [True, False]


def test_what_goes_wrong_is_said_of_the_image_and_not_of_the_corner_that_warms_up(one_cell, tmp_path, method_file):
    Image.fromarray(np.tile(np.arange(100, dtype=np.uint8), (90, 1))).save(tmp_path / "large.png")
    cut = method_file("def denoise(noisy, sigma):\n    return noisy[..., 2:-2, 2:-2]\n", "cut")
    with pytest.raises(BenchError, match=r"image large: returned shape \(1, 1, 86, 96\); expected \(1, 1, 90, 100\)"):
        run_cell(one_cell(str(cut), tmp_path / "large.png"), CPU)
    needs = "    if noisy.shape[-1] < 80:\n        raise ValueError('too small')\n    return noisy\n"
    whole = method_file(f"def denoise(noisy, sigma):\n{needs}", "whole")
    record = run_cell(one_cell(str(whole), tmp_path / "large.png", protocol="clipped"), CPU)
    assert rows(record) == pytest.approx(rows(record, "noisy_psnr"), abs=1e-5)


@pytest.mark.parametrize("case", ["truncated", "text", "alpha", "mixed"])
def test_a_bad_image_fails_alone_with_one_line(one_cell, photographs, method_file, case):
    path = photographs / "zebra.png"
    pixels = np.array(Image.open(photographs / "camera.png"))
    if case == "truncated":
        path.write_bytes((photographs / "camera.png").read_bytes()[:900])
    elif case == "text":
        path.write_text("no image")
    elif case == "alpha":
        Image.fromarray(np.dstack([pixels] * 4)).save(path)
    else:
        Image.fromarray(np.dstack([pixels] * 3)).save(path)
    cell = one_cell("wavelet", photographs)
    ((_, outcome),) = run_all([cell], CPU)
    assert [row["image"] for row in outcome.images] == ["camera", "coins"]
    ((name, cause),) = outcome.provenance["failed_images"].items()
    expected = {
        "truncated": "cannot be read to its end",
        "text": "no readable image",
        "alpha": "alpha channel",
        "mixed": "zebra.png is rgb and the images before it are gray",
    }
    assert name == "zebra"
    assert expected[case] in cause
    assert "zebra." in cause
    assert "\n" not in cause


def test_mixed_sizes_run(one_cell, photographs):
    pixels = np.array(Image.open(photographs / "camera.png"))
    Image.fromarray(pixels[:40, :50]).save(photographs / "small.png")
    record = run_cell(one_cell("wavelet", photographs), CPU)
    assert [(row["height"], row["width"]) for row in record.images] == [(48, 64), (48, 64), (40, 50)]


def test_backends_engines_and_processes_agree(one_cell, photographs, tiny_net):
    cell = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    plain = run_cell(cell, Settings("cpu", "torch"))
    assert run_cell(cell, CPU).provenance["runtime"] == "onnxruntime"
    for backend in ("torch", "onnxruntime"):
        record = run_cell(cell, Settings("cpu", backend))
        assert record.provenance["runtime"] == backend
        assert rows(record) == pytest.approx(rows(plain), abs=1e-4)
    ((_, pooled),) = run_all([cell], Settings("cpu", "torch", jobs=2, engine="loky"))
    assert rows(pooled) == pytest.approx(rows(plain), abs=1e-4)
    classical = one_cell("wavelet", photographs)
    assert rows(run_cell(classical, Settings("cpu", jobs=1))) == rows(run_cell(classical, Settings("cpu", jobs=2)))


def test_the_result_does_not_depend_on_the_batch(one_cell, photographs, tiny_net, monkeypatch):
    from bench.run import batches

    cell = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    batched = {b: rows(run_cell(cell, Settings("cpu", b, threads=2))) for b in ("torch", "onnxruntime")}
    monkeypatch.setattr(batches, "_same_shape", lambda images, *limits, **_: ([image] for image in images))
    for backend, scores in batched.items():
        assert scores == pytest.approx(rows(run_cell(cell, Settings("cpu", backend, threads=2))), abs=1e-4)


def test_protocol_float_keeps_the_output_unrounded(one_cell, photographs, method_file):
    path = method_file("def denoise(noisy, sigma):\n    return 0 * noisy + 100.4 / 255\n")
    mse = {
        name: rows(run_cell(one_cell(str(path), photographs, protocol=name), CPU), "mse")
        for name in ("standard", "float")
    }
    clean = np.array(Image.open(photographs / "camera.png")).astype(float)
    assert mse["standard"]["camera"] == pytest.approx(((clean - 100) ** 2).mean())
    assert mse["float"]["camera"] == pytest.approx(((clean - 100.4) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("rules", "noise", "body", "noted"),
    [
        ("float", "25", "(noisy.clamp(0, 1) * 255).round() / 255", True),
        ("float", "25", "noisy.clamp(0, 1)", False),
        ("standard", "25", "(noisy.clamp(0, 1) * 255).round() / 255", False),  # it rounds them itself
        ("float", "jpeg:10", "noisy", False),  # as whole as what it gets
    ],
)
def test_outputs_that_were_rounded_before_are_noted_where_the_protocol_does_not_round(
    one_cell, photographs, method_file, rules, noise, body, noted
):
    path = method_file(f"def denoise(noisy, sigma):\n    return {body}\n")
    notes = run_cell(one_cell(str(path), photographs, noise, protocol=rules), CPU).provenance["notes"]
    assert any(note.startswith("outputs are whole grey levels") for note in notes) == noted


def test_one_picture_in_two_files_is_said(one_cell, photographs):
    Image.open(photographs / "coins.png").save(photographs / "again.bmp")
    (line,) = run_cell(one_cell("median", photographs), CPU).provenance["warnings"]
    assert line == "again, coins (2 in all) have the same pixels in other files, and count so often"
    (photographs / "again.bmp").unlink()
    shutil.copy(photographs / "coins.png", photographs / "again.png")
    (line,) = run_cell(one_cell("median", photographs), CPU).provenance["warnings"]
    assert "one file under several names" in line


def test_gray_images_among_colour_ones_are_said(one_cell, tmp_path):
    from skimage import data

    colour = data.astronaut()[:64, 150:214]
    for name, pixels in {"a": colour, "b": np.repeat(colour[..., 1:2], 3, axis=2), "c": colour[::-1]}.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (line,) = run_cell(one_cell("median", tmp_path), CPU).provenance["warnings"]
    assert line.startswith("b are gray among colour images (1 of 3: three equal channels), and are measured in colour")
    (tmp_path / "b.png").unlink()
    assert run_cell(one_cell("median", tmp_path), CPU).provenance["warnings"] == []


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:x"])
def test_a_device_that_is_not_there(one_cell, photographs, device):
    with pytest.raises(BenchError, match=f"DEVICE={device}"):
        run_cell(one_cell("wavelet", photographs), Settings(device=device))


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu(one_cell, photographs, tiny_net):
    cell = one_cell("dncnn-b", photographs, weights=str(tiny_net))
    assert rows(run_cell(cell, Settings("cuda"))) == pytest.approx(rows(run_cell(cell, CPU)), abs=1e-4)


def test_own_weights_for_the_wrong_colour(one_cell, photographs, tiny_net, tmp_path):
    folder = tmp_path / "colour"
    folder.mkdir()
    pixels = np.array(Image.open(photographs / "camera.png"))
    Image.fromarray(np.dstack([pixels] * 3)).save(folder / "a.png")
    with pytest.raises(ValueError, match="hold a gray net, and the images are rgb"):
        run_cell(one_cell("dncnn-b", folder, weights=str(tiny_net)), CPU)


def test_a_worker_that_dies_loses_its_own_cell_only(one_cell, photographs):
    deadly = one_cell("wavelet", photographs, "5")
    deadly = replace(deadly, method=replace(deadly.method, load=lambda *given: os._exit(3)))
    cells = [deadly, one_cell("wavelet", photographs, "10"), one_cell("wavelet", photographs, "20")]
    outcomes = {cell.key: outcome for cell, outcome in run_all(cells, Settings("cpu", jobs=2, engine="loky"))}
    assert [isinstance(outcomes[cell.key], Failure) for cell in cells] == [True, False, False]
    assert "its worker process died" in outcomes[deadly.key].cause


IN_PLACE = "def denoise(noisy, sigma):\n    noisy -= 0.25 * (noisy - noisy.mean())\n    return noisy\n"
ON_A_COPY = IN_PLACE.replace("noisy -= 0.25 * (noisy - noisy.mean())", "noisy = noisy - 0.25 * (noisy - noisy.mean())")


@pytest.mark.parametrize("words", [{}, {"ensemble": "8"}, {"tile": 16}])
def test_a_method_that_works_in_place_changes_no_result(one_cell, photographs, method_file, words):
    """Images of 64x64 and less went to the warm-up call as they are, and came back changed."""
    scores = [
        rows(run_cell(one_cell(str(method_file(body, name)), photographs, **words), CPU))
        for name, body in (("in_place", IN_PLACE), ("on_a_copy", ON_A_COPY))
    ]
    assert scores[0] == scores[1]


def test_a_method_that_works_in_place_has_the_score_without_a_reference_of_another(one_cell, photographs, method_file):
    found = []
    for name, body in (("in_place", IN_PLACE), ("on_a_copy", ON_A_COPY)):
        record = run_cell(one_cell(str(method_file(body, name)), photographs, "pairs"), CPU)
        found.append(rows(record, "self_mse"))
    assert found[0] == found[1]
    assert all(np.isfinite(score) for score in found[0].values())


@pytest.mark.parametrize(
    ("body", "warning"),
    [
        ("return 0 * noisy + 0.4", "on 2 of 2 images: returns a constant image; "),
        ("return noisy.flip(-1)", "on 2 of 2 images: mirrors the image left to right; "),
        ("return noisy", "on 2 of 2 images: returns its input unchanged"),
        ("return 0.8 * noisy + 0.1", ""),
    ],
)
def test_what_is_likely_false_stands_in_the_record(one_cell, photographs, method_file, body, warning):
    record = run_cell(one_cell(str(method_file(f"def denoise(noisy, sigma):\n    {body}\n")), photographs), CPU)
    lines = record.provenance["warnings"]
    assert len(lines) == bool(warning)
    assert all(line.startswith(warning) for line in lines)


def test_a_method_of_ones_own_that_lets_tf32_in_runs_in_exact_float32(one_cell, photographs, method_file):
    path = method_file(
        "import torch\n"
        "torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True\n"
        "def denoise(noisy, sigma):\n"
        "    on = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32\n"
        "    return noisy * (0.5 if on else 1.0)\n"
    )
    record = run_cell(one_cell(str(path), photographs, protocol="clipped"), CPU)
    assert rows(record) == pytest.approx(rows(record, "noisy_psnr"), abs=1e-5)
