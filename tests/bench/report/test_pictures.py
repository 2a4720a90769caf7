import base64
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.report.leaderboard import leaderboards
from bench.report.page import html
from bench.report.page.picture_files import file_names
from bench.report.page.pictures import COLOURS, pictures, viewer_data
from bench.run.engine import run_all
from bench.run.settings import Settings
from bench.score import metrics
from bench.score.scorer import LUMA
from bench.store.records import Store, read
from bench.store.results import gather

ASSETS = Path(html.__file__).parent / "assets"


def measured(folder, images, noise="25", methods="gaussian,median"):
    """Run filters on images (name -> pixels) and return the store and its leaderboards."""
    sets = folder / "some photographs"
    for name, pixels in images.items():
        sets.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(sets / f"{name}.png")
    cells, failures = plan(Request(methods, str(sets), noise))
    assert not failures
    store = Store(folder / "runs")
    for cell, record in run_all(cells, Settings("cpu", jobs=1)):
        store.put(cell, record)
    return store, leaderboards(gather(store.scores()))


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """Return store and leaderboards of two colour images, one larger than what the page shows of it."""
    images = {"a b": data.astronaut()[:200, :210], "a-b": data.astronaut()[150:190, 100:140]}
    return measured(tmp_path_factory.mktemp("colour"), images)


@pytest.fixture(scope="module")
def gray(tmp_path_factory):
    return measured(tmp_path_factory.mktemp("gray"), {str(i): data.camera()[i : i + 20, 200:240] for i in range(5)})


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def opened(path):
    return np.array(Image.open(path))


def test_files_are_the_pixels_of_the_record(colour, tmp_path):
    store, (board,) = colour
    made = pictures(store, [board], 0, tmp_path)[board.anchor]
    records = {record.provenance["label"]: record for record in map(read, store.paths())}
    assert {strip.image for strip in made.strips} == {"a b", "a-b"}
    for strip in made.strips:
        _, _, *outputs = strip.panels
        assert [panel.title for panel in outputs] == [entry.result.label for entry in board.entries]
        for panel in outputs:
            (row,) = (row for row in records[panel.title].images if row["image"] == strip.image)
            pixels = np.frombuffer(row["denoised"], np.uint8).reshape(strip.height, strip.width, 3)
            assert np.array_equal(opened(tmp_path / panel.source), pixels)
            assert panel.caption == f"{row['psnr']:.2f} dB"


def test_scripts_hold_the_bytes_of_the_files(colour, tmp_path):
    store, (board,) = colour
    made = pictures(store, [board], 0, tmp_path)
    images = viewer_data([board], made)["boards"][board.anchor]["images"]
    for of_image, strip in zip(images, made[board.anchor].strips, strict=True):
        assert len(of_image["files"]) == len(strip.panels) == 4
        for name, panel in zip(of_image["files"], strip.panels, strict=True):
            called = re.fullmatch(r'report\.put\((".*?"),(".*?")\);\n', (tmp_path / f"{name}.js").read_text())
            assert json.loads(called[1]) == name
            assert base64.b64decode(json.loads(called[2])) == (tmp_path / panel.source).read_bytes()


def test_errors_have_sign_one_scale_and_luminance(colour, tmp_path):
    store, (board,) = colour
    made = pictures(store, [board], 0, tmp_path)[board.anchor]
    (strip,) = (strip for strip in made.strips if strip.image == "a b")
    clean, output = (opened(tmp_path / strip.panels[i].source).astype(float) for i in (0, 2))
    shown = opened(tmp_path / strip.panels[2].error)  # the place in the scale, 0 ... 254
    assert shown.shape == (192, 192)
    # scikit-image's luma of YPbPr has the weights of BT.601; the middle of 200x210 begins at row 4, column 9.
    error = (color.rgb2ypbpr(output) - color.rgb2ypbpr(clean))[4:196, 9:201, 0]
    assert np.abs((shown / 127.0 - 1) * made.scale - np.clip(error, -made.scale, made.scale)).max() <= made.scale / 127
    palette = np.reshape(Image.open(tmp_path / strip.panels[2].error).getpalette()[: 3 * 255], (255, 3))
    assert [bytes(list(palette[i])).hex() for i in (0, 127, 254)] == [COLOURS[0], COLOURS[3], COLOURS[-1]]


def test_the_same_records_give_the_same_files(gray, tmp_path):
    for folder in ("one", "two"):
        pictures(*gray, 0, tmp_path / folder)
    once = files_of(tmp_path / "one")
    assert len(once) == 5 * (2 * 4 + 2) + 1
    pictures(*gray, 0, tmp_path / "one")
    assert files_of(tmp_path / "one") == once == files_of(tmp_path / "two")


def test_what_an_earlier_report_left_goes_and_what_a_person_put_there_stays(gray, colour, tmp_path):
    pictures(*colour, 0, tmp_path)
    before = {name for name in files_of(tmp_path) if name != "pictures/files.txt"}
    kept = [tmp_path / "pictures" / "mine.png", tmp_path / Path(sorted(before)[0]).parent / "notes.txt"]
    for path in kept:
        path.write_text("mine")
    (tmp_path / "pictures" / "files.txt").open("a").write("pictures/../kept.txt\nkept.txt\n")
    (tmp_path / "kept.txt").write_text("mine")
    pictures(*gray, 1, tmp_path)
    now = files_of(tmp_path)
    assert not before & now.keys()
    assert len(now) == (2 * 4 + 2) + 1 + 3
    assert [path.read_text() for path in (*kept, tmp_path / "kept.txt")] == ["mine"] * 3
    folders = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert len(folders) == 5  # the page's, pictures, the leaderboard's, that of its image, and that of the notes


def test_one_file_holds_few_pictures_and_removes_the_files(gray, tmp_path):
    store, boards = gray
    pictures(store, boards, 0, tmp_path)
    made = pictures(store, boards, 0, tmp_path, one_file=True)
    assert files_of(tmp_path) == {}
    (of_board,) = made.values()
    assert len(of_board.strips) == of_board.on_page == 3
    page = html.html(boards, [], made, [])
    codes = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(codes) == 3 * (4 + 2)
    assert not re.search(r'(src|href)="pictures', page)


def test_a_large_report_shows_fewer_pictures_on_the_page(gray, tmp_path, monkeypatch):
    from bench.report.page import pictures as module

    monkeypatch.setattr(module, "THUMBNAILS", 13)  # of 4 pictures and 2 errors an image
    store, boards = gray
    made = pictures(store, boards, 0, tmp_path)
    page = html.html(boards, [], made, [])
    assert page.count("<img") == 2 * 6
    assert "2 images (all 5 in the viewer)" in page
    (board,) = viewer_data(boards, made)["boards"].values()
    assert len(board["images"]) == 5


def test_a_full_disk_is_one_line(gray, tmp_path):
    (tmp_path / "pictures").write_text("a file where the folder would be")
    with pytest.raises(BenchError, match=r"cannot write .*pictures.*; make room"):
        pictures(*gray, 1, tmp_path)


def test_images_that_are_gone_are_said(tmp_path):
    images = {name: data.camera()[:20, 200:240] for name in "ab"}
    store, boards = measured(tmp_path, images)
    (tmp_path / "some photographs" / "b.png").unlink()
    made = pictures(store, boards, 0, tmp_path)
    page = html.html(boards, [], made, [])
    assert "The images are not to be had any more, or are others now" in page
    assert page.count("<img") == 0


def test_without_a_reference_pictures_show_the_change(tmp_path):
    rows = np.clip(data.camera()[:40, 200:240] + np.random.default_rng(0).normal(0, 20, (40, 40)), 0, 255)
    store, boards = measured(tmp_path, {"x": rows.astype(np.uint8)}, "pairs", "median")
    made = pictures(store, boards, 0, tmp_path)
    ((strip,),) = (of_board.strips for of_board in made.values())
    assert [panel.title for panel in strip.panels] == ["noisy", "Median"]
    noisy, output = (opened(tmp_path / panel.source).astype(float) for panel in strip.panels)
    scale = next(iter(made.values())).scale
    shown = (opened(tmp_path / strip.panels[1].error) / 127.0 - 1) * scale
    assert np.abs(shown - np.clip(output - noisy, -scale, scale)).max() <= scale / 127
    page = html.html(boards, [], made, [])
    assert "change of the noisy image" in page
    (board,) = viewer_data(boards, made)["boards"].values()
    assert not board["reference"]


@pytest.mark.parametrize(
    "texts",
    [
        ["DnCNN", "dncnn", "DNCNN"],
        ["a b", "a-b", "a:b", "a  b"],
        ["..", ".", "", "/", "../../etc/passwd", ".hidden", "x.", "C:\\x"],
        ["x" * 300, "x" * 301, "x" * 80],
        ["<script>alert(1)</script>", "木", "火", "\ud800", "\ud801", "a\nb", "a\0b"],
        ["_clean", "clean", "noisy", "_noisy", "clean_error"],
        ["same", "same"],
    ],
)
def test_file_names_are_safe_and_their_own(texts):
    names = file_names(texts)
    assert (
        len({name.lower() for name in names} | {"_clean", "_noisy", *(f"{name}_error" for name in names)})
        == 2 * len(texts) + 2
    )
    for name in names:
        assert re.fullmatch(r"[a-z0-9@=_.-]+", name)
        assert name[0] not in "._-" or name[0] == "-"
        assert not name.endswith(".")
        assert len(f"{name}_error.png") < 120
    assert file_names(texts) == names


def node(script, argument):
    """Run a script that gets `argument` after modules of the page, and return what it prints as JSON."""
    program = shutil.which("node")
    if not program:
        pytest.skip("node is not installed, which runs the page's JavaScript here")
    modules = "".join((ASSETS / name).read_text() for name in ("crop_scores.js", "pixels.js", "pan_zoom.js"))
    text = f"globalThis.report = {{}};\n{modules}\nconst given = {json.dumps(argument)};\n{script}"
    run = subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(run.stdout)


SCORE = """
const picture = ([height, width, channels, data]) => ({ height, width, channels, data: Uint8Array.from(data) });
const crops = given.crops.map((crop) => given.channels.map((channel) =>
  report.cropScores(picture(given.reference), picture(given.image), crop, channel)));
console.log(JSON.stringify(crops));
"""


def test_scores_of_crops_are_those_of_the_benchmark_and_of_scikit_image():
    draw = np.random.default_rng(3)
    reference = draw.integers(0, 256, (33, 41, 3))
    image = np.clip(np.rint(reference + draw.normal(0, 25, reference.shape)), 0, 255).astype(int)
    crops = [(0, 0, 41, 33), (5, 7, 20, 11), (30, 20, 11, 13)]
    channels = [None, *([*weights, black] for weights, black in LUMA.values())]
    plain = [[*pixels.shape, pixels.ravel().tolist()] for pixels in (reference, image)]
    named = [dict(zip(("x", "y", "width", "height"), crop, strict=True)) for crop in crops]
    given = {"reference": plain[0], "image": plain[1], "crops": named, "channels": channels}
    for (x, y, width, height), of_crop in zip(crops, node(SCORE, given), strict=True):
        for channel, found in zip(channels, of_crop, strict=True):
            a, b = (pixels[y : y + height, x : x + width].astype(float) for pixels in (reference, image))
            if channel:
                a, b = (pixels @ np.array(channel[:3])[:, None] + channel[3] for pixels in (a, b))
            as_tensors = [torch.from_numpy(pixels).permute(2, 0, 1)[None] for pixels in (a, b)]
            assert found["psnr"] == pytest.approx(metrics.psnr(*as_tensors).item(), abs=1e-9)
            assert found["ssim"] == pytest.approx(metrics.ssim(*as_tensors).item(), abs=1e-9)
            assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-6)
            wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
            if min(width, height) > 11:  # scikit-image pads the border, and leaves it out of the mean
                assert found["ssim"] == pytest.approx(structural_similarity(a, b, channel_axis=2, **wang), abs=1e-6)


def test_crops_that_are_equal_or_too_small_have_scores_that_say_so():
    pixels = [12, 12, 1, list(range(144))]
    crops = [{"x": 0, "y": 0, "width": 12, "height": 12}, {"x": 0, "y": 0, "width": 10, "height": 12}]
    given = {"reference": pixels, "image": pixels, "crops": crops, "channels": [None]}
    (whole,), (small,) = node(SCORE, given)
    assert whole == {"psnr": pytest.approx(metrics.decibels(0)), "ssim": pytest.approx(1)}
    assert small == {"psnr": pytest.approx(metrics.decibels(0)), "ssim": None}


def test_script_and_files_have_the_same_colours_of_errors(gray, tmp_path):
    made = pictures(*gray, 1, tmp_path)
    ((strip,),) = (of_board.strips for of_board in made.values())
    palette = np.reshape(Image.open(tmp_path / strip.panels[2].error).getpalette()[: 3 * 255], (255, 3))
    script = """console.log(JSON.stringify(Array.from({ length: 255 }, (_, i) =>
      report.pixels.colour(given, (i - 127) / 127))));"""
    assert np.abs(np.array(node(script, COLOURS)) - palette).max() <= 1


ZOOM = """
globalThis.devicePixelRatio = given.dots;
const pane = (width, height) => ({ width, height, getBoundingClientRect: () => ({ left: 0, top: 0 }) });
const canvas = pane(...given.pane), view = report.panZoom(() => {}), said = [];
const at = () => view.point(canvas, { clientX: given.mouse[0], clientY: given.mouse[1] });
const say = () => {
  const place = view.place(canvas), { x, y } = at();
  said.push({ ...place, scale: view.scale(canvas), mouse: [x, y] });
};
view.show(...given.image);
say();
view.zoom(1, canvas, at());
for (let i = 0; i < 9; i++) { view.step(1, canvas, at()); say(); }
view.pan(1e6, -1e6, canvas);
say();
for (let i = 0; i < 9; i++) view.step(-1, canvas);
say();
console.log(JSON.stringify(said));
"""


@pytest.mark.parametrize("dots", [1, 1.5, 2])
def test_zoom_goes_in_whole_pixels_about_the_pointer_and_stays_in_the_image(dots):
    image, pane, mouse = (600, 400), (1000, 500), (300, 120)
    whole, *zoomed, corner, again = node(ZOOM, {"dots": dots, "image": image, "pane": pane, "mouse": mouse})
    unit = round(dots + 0.01)  # dots of the screen that a pixel has at 1:1: 1, 2, 2
    fits = min(pane[0] / image[0], pane[1] / image[1])
    assert whole["k"] == pytest.approx(fits if fits < 1 or unit == 2 else 1)
    assert (whole["x"] + image[0] * whole["k"] / 2) == pytest.approx(pane[0] / 2, abs=1)
    assert [step["scale"] for step in zoomed] == [2, 3, 4, 5, 6, 7, 8, 8, 8]
    for before, after in itertools.pairwise(zoomed):
        assert after["k"] == after["scale"] * unit
        assert (after["x"], after["y"]) == (round(after["x"]), round(after["y"]))
        # The pixel below the pointer stays there, to a dot of rounding.
        assert after["mouse"] == pytest.approx(before["mouse"], abs=1.01 / before["k"] + 1.01 / after["k"])
    # Far to the right and up: the image's upper right corner is that of the pane.
    assert (corner["x"] + image[0] * corner["k"], corner["y"]) == (pane[0], 0)
    assert again == whole
