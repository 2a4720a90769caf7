"""Saved images: what is written, and that outputs: reads the same numbers from them."""

import csv
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.run.campaign import run_campaign
from bench.run.forecast import forecasts
from bench.run.progress import Progress
from bench.run.saving import Saver, noisy_images, place
from bench.run.settings import Settings
from bench.score.metrics import METRICS
from bench.store.records import Store
from bench.store.results import gather


class Noted(Progress):
    def __init__(self):
        self.notes, self.finished = [], 0

    def note(self, line):
        self.notes.append(line)

    def planned(self, total, finished):
        self.finished = finished


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a request, and gives its results and what was noted."""

    def one(request, save=None):
        cells, failures = plan(request)
        noted = Noted()
        settings = Settings("auto", jobs=1, save=save)
        done = run_campaign(cells, Store(tmp_path / "runs"), settings, noted, failures)
        assert not done.failures, done.failures
        return gather(done.records()), noted

    return one


@pytest.fixture
def colour_photographs(tmp_path):
    from skimage import data

    folder = tmp_path / "colour"
    folder.mkdir()
    Image.fromarray(data.astronaut()[20:52, 160:200]).save(folder / "x:y, 1.png")
    Image.fromarray(data.coffee()[100:140, 200:232]).save(folder / "b.png")
    return folder


def method_in(note):
    return note.partition('METHOD="')[2].removesuffix('"')


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_outputs_read_back_what_was_saved(tmp_path, run, photographs, colour_photographs, colour):
    data = str(photographs if colour == "gray" else colour_photographs)
    words = {"noise": "25,poisson:30", "seed": "0,1", "protocol": "standard,clipped,float"}
    results, noted = run(Request("gaussian,median", data, **words), tmp_path / "saved, all")
    again, _ = run(Request(method_in(noted.notes[-1]), data, **words))

    def scores(results):
        return {
            (r.label.removesuffix(" outputs"), r.noise, r.protocol, record.provenance["seed"], row["image"]): [
                row[name] for name in METRICS
            ]
            for r in results
            for record in r.records
            for row in record.images
        }

    assert len(scores(results)) == 2 * 2 * 3 * 2 * 2
    assert scores(again) == scores(results)
    assert {r.runtime for r in again} == {""}


def test_noise_with_a_mean_is_saved_as_numbers(tmp_path, run, photographs):
    words = {"noise": "gaussian:mean=0.1,std=0.05"}
    (result,), noted = run(Request("gaussian", str(photographs), **words), tmp_path / "saved")
    (again,), _ = run(Request(method_in(noted.notes[-1]), str(photographs), **words))
    assert again.mean("noise_psnr") == result.mean("noise_psnr")


def test_what_is_saved(tmp_path, run, photographs):
    run(Request("median", str(photographs), "25", protocol="standard,clipped,float"), tmp_path / "saved")
    files = {path.relative_to(tmp_path / "saved/folder photographs/25").as_posix() for path in tmp_path.rglob("*.*")
             if path.is_relative_to(tmp_path / "saved")}  # fmt: skip
    noisy = {"standard": "npy", "clipped": "png", "float": "npy"}
    denoised = {"standard": "png", "clipped": "png", "float": "npy"}
    assert files == {
        f"{protocol}/seed0/{folder}/{name}.{endings[protocol]}"
        for folder, endings in (("noisy", noisy), ("Median", denoised))
        for protocol in noisy
        for name in ("camera", "coins")
    } | {f"{protocol}/seed0/{table}.csv" for protocol in noisy for table in ("noisy/noisy", "Median/saved")}
    clean = np.asarray(Image.open(photographs / "coins.png"))[..., None]
    expected = degrade(clean, parse("25"), dataset="folder photographs", image="coins", seed=0).noisy
    saved = tmp_path / "saved/folder photographs/25"
    assert np.array_equal(np.load(saved / "float/seed0/noisy/coins.npy"), expected)
    levels = np.clip(np.rint(expected * 255), 0, 255)
    assert np.array_equal(np.asarray(Image.open(saved / "clipped/seed0/noisy/coins.png"))[..., None], levels)


def test_finished_cells_are_saved_from_their_records_unless_these_hold_less(tmp_path, run, photographs):
    request = Request("median", str(photographs), "25", protocol="standard,float")
    results, _ = run(request)
    for save, done in ((None, [True, True]), (tmp_path / "saved", [True, False])):
        told = forecasts(plan(request)[0], Store(tmp_path / "runs"), Settings("auto", jobs=1, save=save))
        assert [one.finished for one in told] == done
    _, noted = run(request, tmp_path / "saved")
    assert noted.finished == 1
    assert "1 finished cells run again" in noted.notes[0]
    again, _ = run(Request(method_in(noted.notes[-1]), str(photographs), "25", protocol="standard,float"))
    assert [r.mean("psnr") for r in again] == [r.mean("psnr") for r in results]


@pytest.mark.parametrize("other", [{"code": "another file of that name"}, {"data": "another folder of that name"}])
def test_two_things_of_one_name_are_not_saved_over_each_other(tmp_path, photographs, one_cell, other):
    cell = one_cell("median", photographs)
    with pytest.raises(BenchError, match="have one name"):
        Saver(tmp_path / "saved", [cell, replace(cell, **other)])
    Saver(tmp_path / "saved", [cell, replace(cell, seed=1, **other)])


@pytest.mark.parametrize("ending", ["npy", "tiff"])
def test_noisy_images_for_another_program(tmp_path, photographs, ending):
    lines = list(noisy_images(Request(data=str(photographs), noise="25", seed="3"), tmp_path / "n", ending))
    (folder,) = {path.parent for path in tmp_path.glob("n/**/noisy.csv")}
    assert lines == [f"2 noisy images in {folder}"]
    rows = list(csv.DictReader((folder / "noisy.csv").open()))
    assert [(row["image"], row["file"], row["sigma"], row["seed"]) for row in rows] == [
        (name, f"{name}.{ending}", "25.0", "3") for name in ("camera", "coins")
    ]
    clean = np.asarray(Image.open(photographs / "camera.png"))[..., None]
    expected = degrade(clean, parse("25"), dataset="folder photographs", image="camera", seed=3).noisy
    from skimage.io import imread

    image = np.load(folder / "camera.npy") if ending == "npy" else imread(folder / "camera.tiff")[..., None]
    assert np.array_equal(image, expected)


def test_a_format_that_would_change_the_images_is_refused(tmp_path, photographs):
    (failure,) = noisy_images(Request(data=str(photographs), noise="25"), tmp_path / "n", "png")
    assert "give PROTOCOL=clipped, or FORMAT=npy or tiff" in failure.cause
    (line,) = noisy_images(Request(data=str(photographs), noise="25", protocol="clipped"), tmp_path / "n", "png")
    assert line.startswith("2 noisy images in ")
    assert not list((tmp_path / "n").glob("*/*/standard/*/noisy/*"))


def test_odd_names_of_images_and_words_become_names_of_files(tmp_path, one_cell, photographs):
    cell = one_cell("median", photographs, "gaussian:25+jpeg:50")
    assert place(tmp_path, cell) == tmp_path / "folder photographs/25-jpeg-50/standard/seed0"


def test_an_image_that_cannot_be_read_is_left_out_alone(tmp_path, run, photographs):
    (photographs / "broken.png").write_bytes((photographs / "coins.png").read_bytes()[:300])
    made, failure = noisy_images(Request(data=str(photographs), noise="25"), tmp_path / "n")
    assert made.startswith("2 noisy images in")
    assert failure.cause.startswith("image broken: ")
    run(Request("median", str(photographs), "25"), tmp_path / "saved")
    assert sorted(path.stem for path in tmp_path.glob("saved/*/*/*/*/Median/*.png")) == ["camera", "coins"]


@pytest.mark.parametrize("protocol", ["standard", "float"])
def test_of_a_set_with_images_that_fail_the_others_are_read_back(tmp_path, run, photographs, protocol):
    (photographs / "=broken.png").write_bytes((photographs / "coins.png").read_bytes()[:300])
    Image.fromarray(np.zeros((7, 7), np.uint8)).save(photographs / "tiny.png")
    words = {"data": str(photographs), "noise": "25", "protocol": protocol}
    (result,), noted = run(Request("median", **words), tmp_path / "saved")
    (again,), _ = run(Request(method_in(noted.notes[-1]), **words))
    assert again.counted == result.counted == "2 of 4"
    assert again.images("psnr") == result.images("psnr")
    (line,) = again.about["warnings"]
    assert line.startswith("2 of 4 images; failed: =broken: ")
    assert "tiny: image tiny has no output, since it failed there: " in line
    next(tmp_path.glob("saved/*/*/*/*/Median/coins.*")).unlink()  # this one did not fail
    (failure,) = plan(Request(method_in(noted.notes[-1]), **words))[1]
    assert "image coins has no output" in failure.cause


def test_the_line_that_reads_back_is_what_a_shell_takes_as_it_stands(tmp_path, run, photographs, method_file):
    method = method_file("LABEL = 'x$HOME `y` it\\'s'\ndef denoise(noisy, sigma):\n    return noisy\n")
    words = {"data": str(photographs), "noise": "25"}
    (result,), noted = run(Request(str(method), **words), tmp_path / "saved")
    (typed,) = (word for word in shlex.split(noted.notes[-1].partition("read back with ")[2]))
    (again,), _ = run(Request(typed.removeprefix("METHOD="), **words))
    assert again.images("psnr") == result.images("psnr")


def test_what_another_run_saved_is_not_written_over_by_things_of_the_same_names(tmp_path, run, photographs):
    other = tmp_path / "b" / "photographs"
    shutil.copytree(photographs, other)
    Image.fromarray(np.full((48, 64), 90, np.uint8)).save(other / "coins.png")
    run(Request("median", str(photographs), "25"), tmp_path / "saved")
    before = {path: path.read_bytes() for path in (tmp_path / "saved").rglob("*.*")}
    cells, _ = plan(Request("gaussian", str(other), "25"))
    with pytest.raises(BenchError, match="holds noisy images of another folder photographs"):
        Saver(tmp_path / "saved", cells)
    (failure,) = noisy_images(Request(data=str(other), noise="25"), tmp_path / "saved")
    assert "holds noisy images of another folder photographs" in failure.cause
    assert {path: path.read_bytes() for path in (tmp_path / "saved").rglob("*.*")} == before
    run(Request("median", str(photographs), "25"), tmp_path / "saved")  # the same once more
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text("def denoise(noisy, sigma):\n    return noisy\n")
    run(Request(str(tmp_path / "one/model.py"), str(photographs), "25"), tmp_path / "saved")
    cells, _ = plan(Request(str(tmp_path / "two/model.py"), str(photographs), "25"))
    with pytest.raises(BenchError, match=r"holds the images of another method of that name, .*one/model\.py"):
        Saver(tmp_path / "saved", cells)
