"""Outputs of another program: which file belongs to which image, how it is read, and what it is scored as."""

import math
import shutil

import numpy as np
import pytest
import scipy.io
import scipy.ndimage
import tifffile
from PIL import Image
from skimage import data

from bench.adapters import output_names
from bench.adapters.output_files import Outputs
from bench.adapters.output_names import assigned
from bench.adapters.outputs import method_from_outputs
from bench.common.errors import BenchError
from bench.common.files import sha256
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.score import metrics
from bench.store.records import Store
from bench.store.results import current, gather


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes a folder with empty files of some names."""

    def make(*names):
        for name in names:
            path = tmp_path / "out" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "out"

    return make


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["01", "02"], ["01.png", "02.png"]),
        (["01", "02"], ["01_out.png", "02_out.png"]),
        (["01", "02"], ["denoised_01.npy", "denoised_02.npy"]),
        (["01", "02"], ["img-01_dncnn_s25.tif", "img-02_dncnn_s25.tif"]),
        (["1", "11", "111"], ["1x.png", "11x.png", "111x.png"]),
        (["1", "12"], ["1_out12.png", "12_out12.png"]),  # the name of one stands in the file of the other too
        (["Lena", "boat"], ["lena.PNG", "BOAT.PNG"]),
        (["Lena", "boat"], ["LENA_out.png", "BOAT_out.png"]),
        (["a", "b"], ["a_25.31dB.png", "b_27.02dB.png"]),
        (["a.b", "a"], ["a.b.png", "a.png"]),
        (["s1/x", "s2/x"], ["s1/x.png", "s2/x.png"]),
        (["s1/x", "s2/x"], ["s1/x_out.png", "s2/x_out.png"]),
        (["x:y", "100%", "..", "a."], ["x%3Ay.png", "100%25.png", "%2E..png", "a%2E.png"]),
        (["x:y"], ["x:y.png"]),
        (["caf\u00e9", "\u00e9t\u00e9"], ["cafe\u0301.png", "e\u0301te\u0301.png"]),  # as macOS writes accents
        (["01", "02"], ["01.npy.png", "02.npy.png"]),
    ],
)
def test_files_are_found_by_name(folder, names, files):
    chosen, _ = assigned("METHOD=x", names, folder(*reversed(files)))
    assert [chosen[name].relative_to(folder()).as_posix() for name in names] == files


def test_only_equal_names_count_where_they_are_there(folder):
    chosen, lines = assigned("METHOD=x", ["a", "b"], folder("a.png", "b.png", "a_noisy.png", "notes.txt", ".a.png"))
    assert {name: path.name for name, path in chosen.items()} == {"a": "a.png", "b": "b.png"}
    assert [line.partition(" also holds ")[2] for line in lines] == [
        "a_noisy.png, which belong to no image and do not count"
    ]


@pytest.mark.parametrize(
    ("names", "files", "words"),
    [
        (["a", "b", "c"], ["a.png"], ["2 of 3 images have no file", "b, c"]),
        (["a", "b"], ["a_out.png", "c_out.png"], ["1 of 2 images have no file", ": b;", "c_out.png"]),
        (["1", "2"], ["3.png", "4.png"], ["2 of 2 images have no file", "1, 2", "3.png, 4.png"]),
        (["01", "02"], ["x.png", "y.png"], ["2 of 2 images"]),  # as many files as images, and order never decides
        (["a", "b"], ["a.png", "a.npy", "b.png"], ["image a has a.npy, a.png"]),
        (["a", "b"], ["a_x.png", "b_x.png", "a_y.png", "b_y.png"], ["a_x, a_y", "/out/{name}_x.png"]),
        (["a"], ["notes.txt"], ["holds no image"]),
        (["a"], ["set12/a.png", "bsd68/b.png"], ["holds no image", "its folders do: bsd68, set12"]),
    ],
)
def test_missing_and_ambiguous_files_are_named(folder, names, files, words):
    with pytest.raises(BenchError) as error:
        assigned("METHOD=x", names, folder(*files))
    assert [word for word in words if word not in str(error.value)] == []


def test_many_files_with_a_beginning_in_common_are_found_quickly(folder, monkeypatch):
    names = [f"{i:04d}" for i in range(300)]
    monkeypatch.setattr(output_names, "_MOST_PAIRS", 0)
    chosen, _ = assigned("METHOD=x", names, folder(*(f"out_{name}_25.png" for name in names)))
    assert all(chosen[name].name == f"out_{name}_25.png" for name in names)


@pytest.fixture
def photograph():
    """Return a gray and a colour photograph (H, W, C), uint8."""
    from skimage import data

    return {1: data.camera()[100:132, 200:240, None], 3: data.astronaut()[20:52, 160:200]}


def write(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {"denoised": array, "sigma": 25.0})
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    elif array.dtype == np.uint16 and array.ndim == 3:
        import cv2

        cv2.imwrite(str(path), array[..., ::-1])
    else:
        Image.fromarray(array).save(path)
    return path


def read(path, clean, white=0.0, variable=""):
    outputs = Outputs({"x": (path, sha256(path))}, white, variable, ())
    return outputs.output_of("x", clean), outputs.notes


def opaque(array):
    return np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ("channels", "ending", "change", "note"),
    [
        (1, ".png", lambda a: a[..., 0], ""),
        (1, ".png", lambda a: np.dstack([a] * 3), "saved as RGB"),
        (1, ".png", lambda a: opaque(np.dstack([a] * 3)), "alpha"),
        (1, ".png", lambda a: a[..., 0].astype(np.uint16) * 257, ""),
        (1, ".png", lambda a: a[..., 0].astype(np.uint16), "with 255 as white"),
        (1, ".png", lambda a: a[..., 0].astype(np.uint16) * 256, "with 65280 as white"),
        (1, ".tif", lambda a: a[..., 0].astype(np.float32) / 255, ""),
        (1, ".tif", lambda a: a[..., 0].astype(np.float32), "with 255 as white"),
        (1, ".mat", lambda a: a[..., 0].astype(np.float64), "with 255 as white"),
        (1, ".mat", lambda a: a[..., 0], ""),
        (1, ".npy", lambda a: a[None] / 255, ""),
        (1, ".npy", lambda a: a[None, ..., 0] / 255, ""),
        (1, ".npy", lambda a: a.astype(np.int64), "with 255 as white"),
        (1, ".npy", lambda a: a / 255 * 65535, "with 65535 as white"),
        (3, ".png", lambda a: a, ""),
        (3, ".png", opaque, "alpha"),
        (3, ".png", lambda a: a.astype(np.uint16) * 257, ""),
        (3, ".tif", lambda a: a.astype(np.uint16) * 257, ""),
        (3, ".npy", lambda a: np.moveaxis(a, 2, 0)[None] / 255, "channels first"),
        (3, ".mat", lambda a: a / 255, ""),
    ],
)
def test_every_format_gives_the_same_pixels(tmp_path, photograph, channels, ending, change, note):
    clean = photograph[channels]
    pixels, notes = read(write(tmp_path / f"x{ending}", change(clean)), clean)
    assert np.abs(pixels * 255 - clean).max() < 1e-4
    assert note in "; ".join(notes) if note else notes == []


@pytest.mark.parametrize(("dtype", "white"), [(np.uint16, 65535), (np.float32, 1), (np.uint8, 255)])
@pytest.mark.parametrize("channels", [1, 3])
def test_compressed_tiff_files(tmp_path, photograph, dtype, white, channels):
    import cv2

    clean = photograph[channels]
    array = np.rint(clean / 255 * white).astype(dtype) if white > 1 else (clean / 255).astype(dtype)
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    assert cv2.imwrite(str(tmp_path / "x.tiff"), array[..., ::-1], lzw)
    assert np.abs(read(tmp_path / "x.tiff", clean)[0] * 255 - clean).max() < 1e-4


@pytest.mark.parametrize(
    ("names", "files", "found"),
    [
        (["5"], ["1_25"], False),
        (["05"], ["img_105"], False),
        (["a"], ["cat"], False),
        (["a"], ["a_out"], True),
        (["lena"], ["lenadenoised"], False),
        (["1", "2"], ["11", "12"], False),
        (["1", "2"], ["001", "002"], True),
        (["1", "2"], ["x1y", "x2y"], True),
        (["1", "2"], ["1_25", "2_25"], True),
    ],
)
def test_a_name_within_another_is_no_name(folder, names, files, found):
    where = folder(*(f"{file}.png" for file in files))
    if found:
        assert [path.stem for path in assigned("x", names, where)[0].values()] == files
    else:
        with pytest.raises(BenchError, match="have no file in"):
            assigned("x", names, where)


def test_a_tiff_file_that_is_turned_by_its_tag(tmp_path, photograph):
    clean = photograph[1]
    tifffile.imwrite(tmp_path / "x.tif", np.rot90(clean[..., 0]), extratags=[(274, "H", 1, 6, True)])
    assert np.abs(read(tmp_path / "x.tif", clean)[0] * 255 - clean).max() < 1e-9


def test_deep_colour_that_pillow_would_cut_to_8_bits(tmp_path, photograph):
    import cv2

    deep = np.rint(photograph[3] / 255 * 65535).astype(np.uint16) - np.uint16(3) * (photograph[3] > 9)
    assert cv2.imwrite(str(tmp_path / "x.ppm"), deep[..., ::-1])
    planes = np.moveaxis(deep, 2, 0)
    tifffile.imwrite(tmp_path / "x.tif", planes, photometric="rgb", planarconfig="separate")
    for name in ("x.ppm", "x.tif"):
        assert np.array_equal(read(tmp_path / name, photograph[3])[0], deep / 65535)


def test_an_output_lies_as_its_exif_entry_says(tmp_path, photograph):
    clean = photograph[1][..., 0]
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn to the right is still to be made
    Image.fromarray(np.rot90(clean)).save(tmp_path / "x.png", exif=exif)
    pixels, notes = read(tmp_path / "x.png", photograph[1])
    assert np.array_equal(pixels[..., 0], clean / 255)
    assert notes == ["outputs: turned as its EXIF entry says"]


def test_twelve_bits_in_sixteen_are_recognised(tmp_path, photograph):
    deep = np.rint(photograph[1][..., 0] / 255 * 4095).astype(np.uint16)
    pixels, notes = read(write(tmp_path / "x.png", deep), photograph[1])
    assert np.abs(pixels[..., 0] - deep / 4095).max() < 1e-12
    assert "4095 as white" in notes[0]
    said, notes = read(tmp_path / "x.png", photograph[1], white=65535)
    assert np.abs(said[..., 0] - deep / 65535).max() < 1e-12
    assert notes == []


def test_two_scales_in_one_folder_are_an_error(tmp_path, photograph):
    clean = photograph[1]
    files = {name: write(tmp_path / f"{name}.npy", clean / white) for name, white in (("a", 255), ("b", 1))}
    outputs = Outputs({name: (path, sha256(path)) for name, path in files.items()}, 0.0, "", ())
    outputs.output_of("a", clean)
    with pytest.raises(BenchError, match="its white seems to be 255 and that of the files before it 1"):
        outputs.output_of("b", clean)


def test_a_dark_image_is_read_on_the_scale_of_the_others(tmp_path, photograph):
    dark = photograph[1] // 64
    files = {"a": (photograph[1] / 1.0, 1), "b": (dark / 1.0, 1)}
    paths = {name: write(tmp_path / f"{name}.npy", array) for name, (array, _) in files.items()}
    outputs = Outputs({name: (path, sha256(path)) for name, path in paths.items()}, 0.0, "", ())
    outputs.output_of("a", photograph[1])
    assert np.abs(outputs.output_of("b", dark) * 255 - dark).max() < 1e-9


@pytest.mark.parametrize(
    ("ending", "change", "words"),
    [
        (".png", lambda a: a[:, :-3, 0], "32x37 pixels and the image 32x40"),
        (".png", lambda a: a[4:-4, 4:-4, 0], "border of 4 cropped"),
        (".png", lambda a: a[..., 0].T, "rows and columns are exchanged"),
        (".png", lambda a: np.pad(a[..., 0], ((0, 32), (0, 24))), "padded"),
        (".png", lambda a: np.dstack([a, a, a // 2]), "colour image and the reference is gray"),
        (".png", lambda a: np.dstack([a, a, a, a]), "transparent"),
        (".npy", lambda a: np.where(a > 100, np.nan, a / 255), "no finite numbers"),
        (".npy", lambda a: a > 100, "numbers of type bool"),
        (".npy", lambda a: a * 1j, "numbers of type complex"),
        (".npy", lambda a: np.stack([a, a]), "shape (2, 32, 40, 1)"),
        (".tif", lambda a: np.stack([a[..., 0]] * 2), "2 pages"),
    ],
)
def test_what_is_no_output_for_the_image_is_said(tmp_path, photograph, ending, change, words):
    path = write(tmp_path / f"x{ending}", change(photograph[1]))
    with pytest.raises(BenchError) as error:
        read(path, photograph[1])
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_variables_of_matlab_files(tmp_path, photograph):
    clean = photograph[1]
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"noisy": clean[..., 0] * 0.0, "out": clean[..., 0] / 255.0})
    assert np.abs(read(path, clean, variable="out")[0] * 255 - clean).max() < 1e-9
    with pytest.raises(BenchError, match=r"2 arrays \(noisy, out\); say which one"):
        read(path, clean)
    with pytest.raises(BenchError, match="no variable 'o'; it has noisy, out"):
        read(path, clean, variable="o")
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512))
    with pytest.raises(BenchError, match="'-v7'"):
        read(path, clean)


@pytest.fixture
def outputs(tmp_path, photographs):
    """Return a folder of outputs for the photographs: these themselves, brighter by 3 and 5."""
    folder = tmp_path / "my net"
    folder.mkdir()
    for path, more in zip(sorted(photographs.iterdir()), (3, 5), strict=True):
        image = np.minimum(np.asarray(Image.open(path)).astype(int) + more, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{path.stem}_out.png")
    return folder


def test_outputs_are_scored_as_they_are(outputs, photographs, one_cell):
    record = run_cell(one_cell(f"outputs:{outputs}", photographs))
    for row in record.images:
        clean = np.asarray(Image.open(photographs / f"{row['image']}.png")).astype(float)
        output = np.asarray(Image.open(outputs / f"{row['image']}_out.png")).astype(float)
        assert row["mse"] == pytest.approx(np.mean((clean - output) ** 2), abs=1e-9)
        assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / np.mean((clean - output) ** 2)), abs=1e-9)
        assert math.isnan(row["seconds"])
    assert record.provenance["label"] == "my net"
    assert "an output is named NAME_out" in record.provenance["notes"][0]
    assert metrics.METRICS.keys() <= record.images[0].keys()


def test_folders_of_one_name_and_a_folder_that_changed_stay_apart(tmp_path, outputs, photographs, one_cell):
    other = tmp_path / "other" / outputs.name
    shutil.copytree(outputs, other)
    store = Store(tmp_path / "runs")

    def measured(folder):
        cell = one_cell(f"outputs:{folder}", photographs)
        if not store.has(cell):
            store.put(cell, run_cell(cell))
        return cell.key

    assert len({measured(outputs), measured(outputs), measured(other)}) == 2
    Image.new("L", (64, 48), 9).save(outputs / "coins_out.png")
    measured(outputs)
    for results in (gather(store.scores()), current(gather(store.scores()))):
        assert len({result.label for result in results}) == len(results) == 3
        assert len({result.mean("mse") for result in results}) == 2
    cells, _ = plan(Request(f"outputs:{outputs},outputs:{other}", str(photographs), "25"))
    assert [cell.label for cell in cells] == [f"my net ({tmp_path.name}/my net)", "my net (other/my net)"]


def test_a_file_that_changes_while_it_is_scored_is_an_error(outputs, photographs, one_cell):
    cell = one_cell(f"outputs:{outputs}", photographs)
    Image.new("L", (64, 48), 9).save(outputs / "coins_out.png")
    with pytest.raises(BenchError, match=r"coins_out\.png: has changed"):
        run_cell(cell)


def test_one_output_is_never_that_of_two_noisy_images(outputs, photographs):
    for words, name in (
        ({"noise": "25,50"}, "noise"), ({"seed": "0,1"}, "seed"), ({"protocol": "standard,clipped"}, "protocol"),
    ):  # fmt: skip
        cells, failures = plan(Request(f"outputs:{outputs}", str(photographs), **({"noise": "25"} | words)))
        assert cells == []
        (failure,) = failures
        assert f"more than one {name}" in failure.cause
        assert f"{{{name}}}/{{name}}.png" in failure.cause
    cells, failures = plan(Request(f"outputs:{outputs}", str(photographs), "25", protocol="standard,float"))
    assert (len(cells), failures) == (2, [])  # one noisy image, scored in two ways
    cells, failures = plan(Request(f"outputs:{outputs}", f"{photographs},{photographs}:camera", "25"))
    assert (len(cells), failures) == (2, [])  # a part has the noise of the whole


def test_a_pattern_tells_noise_and_seeds_apart(tmp_path, photographs):
    for noise in (15, 25):
        for seed in (0, 1):
            folder = tmp_path / f"s{noise}" / f"run{seed}"
            folder.mkdir(parents=True)
            for path in photographs.iterdir():
                image = np.minimum(np.asarray(Image.open(path)).astype(int) + noise + seed, 255)
                Image.fromarray(image.astype(np.uint8)).save(folder / f"{path.stem}_{noise}.png")
    word = f"outputs:{tmp_path}/s{{noise}}/run{{seed}}/{{name}}_*.png:label=Mine"
    cells, failures = plan(Request(word, str(photographs), "15,25", seed="0,1"))
    assert failures == []
    store = Store(tmp_path / "runs")
    for cell in cells:
        store.put(cell, run_cell(cell))
    results = gather(store.scores())
    assert [(r.label, r.noise, r.seeds) for r in results] == [("Mine", "15", [0, 1]), ("Mine", "25", [0, 1])]
    # Seed 1 of noise 25 is 26 levels too bright, less where white cuts it off.
    assert results[1].records[1].mean("mse") == pytest.approx(26**2, rel=0.05)


@pytest.mark.parametrize(
    ("word", "words", "cause"),
    [
        ("outputs:", {}, "names no folder"),
        ("outputs:nowhere", {}, "there is no folder nowhere"),
        ("outputs:nowhere/{name}.png", {}, "image camera has no output: there is no file nowhere/camera.png"),
        ("outputs:x/*_out.png", {}, "{name} must stand in it"),
        ("outputs:x/{nmae}.png", {}, "{nmae} means nothing"),
        ("outputs:{folder}:wihte=1", {}, "has no option 'wihte'; it has label, as, white, variable"),
        ("outputs:{folder}:white=no", {}, "white is 'no'"),
        ("outputs:{folder}:as=DnCNM S", {}, "did you mean"),
        ("outputs:{folder}", {"ensemble": "8"}, "ENSEMBLE=8 changes how a method runs"),
        ("outputs:{folder}", {"precision": "bf16"}, "PRECISION=bf16 changes how a method runs"),
        ("outputs:{folder}", {"tile": 32}, "TILE=32 changes how a method runs"),
        ("outputs:{folder}", {"noise": "pairs"}, "has no references"),
        ("outputs:{folder}", {"output": "255"}, "say white=255 behind the path"),
    ],
)
def test_what_cannot_be_is_one_line(outputs, photographs, word, words, cause):
    word = word.replace("{folder}", str(outputs))
    cells, failures = plan(Request(word, str(photographs), **({"noise": "25"} | words)))
    assert cells == []
    assert cause in failures[0].cause
    assert "\n" not in failures[0].cause


@pytest.mark.parametrize(
    ("name", "colour", "published"),
    [
        ("dncnn-s", "gray", ("DnCNN", "S")),
        ("bm3d", "rgb", ("CBM3D", "")),
        ("dncnn b", "any", ("DnCNN", "B")),
        ("Restormer", "any", ("Restormer", "")),
    ],
)
def test_outputs_are_judged_as_a_published_method(name, colour, published):
    nets = method_from_outputs(f"x:label=Mine,as={name}").nets
    assert {net.published for net in nets if net.colour == colour} == {published}
    assert {net.label for net in nets} == {"Mine"}


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("results/mynet", "mynet"),
        ("results/mynet/{noise}", "mynet"),
        ("mynet/{dataset}/{noise}/{name}_out.png", "mynet"),
        ("saved/{dataset}/{noise}/seed{seed}/net a/{name}.png", "net a"),
        ("{dataset}/{name}.png", "outputs"),
        ("runs/net b/{name}/out.png", "net b"),
        ("runs/net b/*/{name}_*.png", "net b"),
        ("saved/{dataset}/DnCNN-S/{name}", "DnCNN-S outputs"),
        ("saved/mine (a%2Fmine.py)", "mine (a/mine.py)"),
        ("x/y:label=My Net", "My Net"),
    ],
)
def test_labels(path, label):
    assert method_from_outputs(path).nets[0].label == label


def test_what_outputs_are_judged_as_belongs_to_their_identity(outputs, photographs, one_cell):
    words = (f"outputs:{outputs}", f"outputs:{outputs}:as=dncnn-s", f"outputs:{outputs}:as=bm3d")
    assert len({one_cell(word, photographs).key for word in words}) == 3


def test_outputs_cannot_be_checked_as_a_method(outputs):
    from bench.studies.conform.study import conform

    with pytest.raises(BenchError, match="outputs are finished; this needs a method that runs"):
        list(conform(f"outputs:{outputs}"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda clean, noisy: clean, "returns the clean image itself"),
        (lambda clean, noisy: noisy, "returns its input unchanged"),
        (lambda clean, noisy: np.roll(clean, (2, -1), (0, 1)), "shifts the image (2 down and 1 to the left"),
        (lambda clean, noisy: noisy - clean, "returns the noise"),
        (lambda clean, noisy: clean[:, ::-1], "mirrors the image"),
        (lambda clean, noisy: clean + 0.2 * (noisy - clean), None),
    ],
)
def test_outputs_that_cannot_be_those_of_a_denoiser_are_warned_of(tmp_path, photographs, one_cell, change, cause):
    folder = tmp_path / "x"
    folder.mkdir()
    for path in photographs.iterdir():
        clean = np.asarray(Image.open(path))[..., None]
        noisy = degrade(clean, parse("25"), dataset="folder photographs", image=path.stem, seed=0).noisy
        np.save(folder / f"{path.stem}.npy", change(clean / 255, noisy))
    warnings = run_cell(one_cell(f"outputs:{folder}:white=1", photographs)).provenance["warnings"]
    assert cause in warnings[0] if cause else warnings == []
    assert "2 of 2 images" in warnings[0] if cause else True


def test_outputs_that_were_made_from_other_noise_are_warned_of(tmp_path, one_cell):
    """Of another seed, or of another sigma: a number of sigma 25 under the name of 50 would be the better by 4 dB."""
    images = tmp_path / "images"
    images.mkdir()
    clean = data.camera()[:256, :256]
    Image.fromarray(clean).save(images / "x.png")
    for noise, seed, fits in (("50", 0, True), ("50", 1, False), ("25", 0, False)):
        noisy = degrade(clean[..., None], parse(noise), dataset="folder images", image="x", seed=seed).noisy
        folder = tmp_path / f"{noise}-{seed}"
        folder.mkdir()
        np.save(folder / "x.npy", scipy.ndimage.uniform_filter(noisy, (3, 3, 1)))
        warnings = run_cell(one_cell(f"outputs:{folder}", images, "50")).provenance["warnings"]
        assert fits is (warnings == [])
        assert fits or "another draw, sigma or protocol" in warnings[0]


@pytest.mark.parametrize(
    ("output", "convert"),
    [
        ("-1..1", lambda image, noisy: image * 2 - 1),
        ("residual", lambda image, noisy: noisy - image),
        ("-residual", lambda image, noisy: image - noisy),
    ],
)
def test_outputs_may_be_noise_or_on_the_scale_that_output_says(tmp_path, photographs, one_cell, output, convert):
    expected = {}
    for path in photographs.iterdir():
        clean = np.asarray(Image.open(path))[..., None].astype(np.float64)
        noisy = degrade(
            clean.astype(np.uint8), parse("25"), dataset="folder photographs", image=path.stem, seed=0
        ).noisy
        image = clean * 0.96 + 4
        np.save(tmp_path / f"{path.stem}.npy", convert(image / 255, noisy))
        expected[path.stem] = np.mean((np.rint(image) - clean) ** 2)
    record = run_cell(one_cell(f"outputs:{tmp_path}", photographs, output=output))
    assert {row["image"]: row["mse"] for row in record.images} == pytest.approx(expected, rel=1e-3)
    assert record.provenance["warnings"] == []


def test_the_output_for_a_single_image_may_be_a_file(outputs, photographs, one_cell):
    record = run_cell(one_cell(f"outputs:{outputs}/camera_out.png", photographs / "camera.png"))
    assert record.images[0]["mse"] == pytest.approx(9, abs=0.5)
    _, (failure,) = plan(Request(f"outputs:{outputs}/camera_out.png", str(photographs), "25"))
    assert "is one file, and there are 2 images" in failure.cause


def test_the_one_output_that_is_shifted_is_named(tmp_path, photographs, one_cell):
    for path in photographs.iterdir():
        clean = Image.open(path)
        shifted = clean.transform(clean.size, Image.Transform.AFFINE, (1, 0, 3, 0, 1, 0))
        (tmp_path / "x").mkdir(exist_ok=True)
        (shifted if path.stem == "coins" else clean.point(lambda value: value + 2)).save(tmp_path / "x" / path.name)
    (warning,) = run_cell(one_cell(f"outputs:{tmp_path}/x", photographs)).provenance["warnings"]
    assert "on 1 of 2 images (coins): shifts the image (3 to the left" in warning


def test_a_folder_with_a_colon_in_its_name(tmp_path):
    (tmp_path / "a:b=c").mkdir()
    assert method_from_outputs(f"{tmp_path}/a:b=c").nets[0].label == "a:b=c"


def test_sets_without_outputs_are_left_out_of_all(folder):
    with pytest.raises(BenchError, match=r"nothing fits: .*outputs of other images"):
        plan(Request(f"outputs:{folder('no such image.png')}", "all", "25"))
