import re

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr

import datasets
from bench.judge.ledger import ledger
from bench.judge.verdict import judge
from bench.run.images import pictures
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.results import Result
from datasets.from_path import from_path
from datasets.images import centre_crop, luma, read, to_gray

ALL = datasets.available()


COUNTS = {
    "builtin": ("gray", "test", 10),
    "set12": ("gray", "test", 12),
    "bsd68": ("gray", "test", 68),
    "cbsd68": ("rgb", "test", 68),
    "kodak24": ("rgb", "test", 24),
    "kodak24-500": ("rgb", "test", 24),
    "mcmaster": ("rgb", "test", 18),
    "set5": ("rgb", "test", 5),
    "set5-y": ("gray", "test", 5),
    "set14": ("rgb", "test", 14),
    "set14-y": ("gray", "test", 14),
    "classic5": ("gray", "test", 5),
    "live1": ("gray", "test", 29),
    "urban100": ("rgb", "test", 100),
    "urban100-first10": ("rgb", "test", 10),
    "train400": ("gray", "train", 400),
    "cbsd432": ("rgb", "train", 432),
    "polyu": ("rgb", "test", 100),
    "polyu-20": ("rgb", "test", 20),
    "polyu-80": ("rgb", "train", 80),
    "cc15": ("rgb", "test", 15),
    "sidd-pair": ("rgb", "test", 1),
    "rni6": ("gray", "test", 6),
    "bsd-patches32": ("rgb", "test", 1_000),
    "bsd-patches32-train": ("rgb", "train", 10_000),
}

# Height and width of the first and the last image, as the list of the files has them.
SIZES = {
    "set12": [(256, 256), (512, 512)],
    "bsd68": [(481, 321), (321, 481)],
    "cbsd68": [(481, 321), (321, 481)],
    "kodak24": [(512, 768), (512, 768)],
    "kodak24-500": [(500, 500), (500, 500)],
    "set5": [(512, 512), (344, 228)],
    "set5-y": [(512, 512), (344, 228)],
    "classic5": [(512, 512), (512, 512)],
    "live1": [(512, 768), (720, 480)],
    "train400": [(180, 180), (180, 180)],
    "cbsd432": [(321, 481), (321, 481)],
    "polyu": [(512, 512), (512, 512)],
    "polyu-20": [(512, 512), (512, 512)],
    "polyu-80": [(512, 512), (512, 512)],
    "cc15": [(512, 512), (512, 512)],
    "sidd-pair": [(256, 256), (256, 256)],
    "rni6": [(360, 360), (350, 350)],
    "bsd-patches32": [(32, 32), (32, 32)],
    "bsd-patches32-train": [(32, 32), (32, 32)],
}


def test_every_dataset_says_what_it_is():
    said = {name: (entry.colour, entry.role, len(entry.images)) for name, entry in ALL.items() if name in COUNTS}
    assert said == COUNTS
    for entry in ALL.values():
        assert entry.colour in ("gray", "rgb")
        assert entry.role in ("test", "train")
        assert entry.source
        assert entry.licence
        assert len(set(entry.image_names())) == len(entry.images)
        assert bool(entry.convert) <= bool(entry.conversion)


@pytest.mark.parametrize("name", ALL)
def test_every_file_can_be_told_from_others_and_had_from_somewhere(name):
    for file in ALL[name].files:
        assert not file.sha256 or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.checksum or file.pinned or file.page
        assert file.local or file.url or file.page


@pytest.mark.parametrize("name", COUNTS)
def test_files_from_github_name_a_commit(name):
    for file in ALL[name].files:
        assert file.local or re.match(r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/", file.url)


@pytest.mark.parametrize("name", SIZES)
def test_the_first_and_the_last_image_are_there(published_files, name):
    entry = ALL[name]
    ends = list(dict.fromkeys([entry.images[0].name, entry.images[-1].name]))
    found = list(pictures(entry, ends))
    assert [picture.name for picture in found] == ends
    for picture, size in zip(found, SIZES[name], strict=False):
        for image in (picture.clean, picture.noisy):
            assert image is None or image.shape == (*size, 1 if entry.colour == "gray" else 3)
            assert image is None or image.dtype == np.uint8
        assert (picture.clean is None, picture.noisy is None) == (not entry.has_clean, not entry.has_noisy)


def test_names_of_the_ledger_are_in_the_ledger():
    known = {(row.dataset, row.colour) for row in ledger()}
    named = {ALL[name].ledger for name in COUNTS if ALL[name].ledger != (name, ALL[name].colour)}
    assert named == {("set5", "Y"), ("set14", "Y"), ("classic5", "Y"), ("live1", "Y"), ("cc15", "sRGB")}
    assert named <= known
    assert ("urban100", "rgb") in known


@pytest.mark.parametrize(
    ("name", "noise", "protocol"),
    [
        ("set5-y", "downscale:3", "sr"),
        ("set14-y", "downscale:3", "sr"),
        ("classic5", "jpeg:10", "standard"),
        ("live1", "jpeg:10", "standard"),
        ("urban100", "25", "standard"),
        ("cc15", "pairs", "standard"),
        ("rni6", "pairs", "standard"),
        ("bsd-patches32", "rdn-grid", "standard"),
    ],
)
def test_what_stands_where_a_person_does_not_say(name, noise, protocol):
    assert (ALL[name].default_noise, ALL[name].protocol) == (noise, protocol)


def test_the_ten_of_urban100_are_its_first_and_no_table_holds_for_them():
    whole, ten = ALL["urban100"], ALL["urban100-first10"]
    assert whole.images[:10] == ten.images
    assert whole.image_names() == [f"img_{i:03d}" for i in range(1, 101)]
    assert [bool(file.sha256) for file in whole.files] == [True] * 10 + [False] * 90
    assert all(file.url.endswith(f"_{i:03d}_SRF_4_HR.png") for i, file in enumerate(whole.files, 1))
    assert ten.name not in {row.dataset for row in ledger()}
    assert ten.ledger == (ten.name, "rgb")


def test_builtin_is_eight_or_more_gray_photographs():
    for picture in pictures(ALL["builtin"]):
        assert picture.clean.shape == (256, 256, 1)
        assert picture.clean.std() > 10


def test_luma_is_matlabs_rgb2ycbcr():
    # Rec. ITU-R BT.601: Y of red, green, blue, white and black at 8 bits.
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], np.uint8)
    assert luma(image)[..., 0].tolist() == [[81, 145, 41, 235, 16]]
    assert luma(image).dtype == np.uint8
    assert np.array_equal(luma(image[..., :1]), image[..., :1])


@pytest.fixture(scope="module")
def colours():
    """Every 17th level of each channel, and a hundred thousand colours at random."""
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3), axis=-1).reshape(1, -1, 3)
    return np.concatenate([grid, np.random.default_rng(0).integers(0, 256, (1, 100_000, 3))], axis=1).astype(np.uint8)


def test_luma_of_every_colour_is_scikit_images(colours):
    error = luma(colours) - rgb2ycbcr(colours)[..., :1]
    assert np.abs(error).max() < 0.5 + 1e-9  # of rounding; a few colours lie half way, where both ways are right


def test_gray_of_every_colour_is_that_of_the_ntsc_matrix(colours):
    """MATLAB documents its weights as the first row of the inverse of the matrix from YIQ to RGB."""
    weights = np.linalg.inv([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.106, 1.703]])[0]
    assert np.abs(to_gray(colours)[..., 0] - colours @ weights).max() < 0.5 + 1e-9
    pillow = np.asarray(Image.fromarray(colours).convert("L"), int)  # weights of three digits, rounded otherwise
    assert np.abs(to_gray(colours)[..., 0] - pillow).max() <= 1


@pytest.mark.parametrize(("gray", "colour"), [("parrots", "kodim23"), ("caps", "kodim03")])
def test_live1_is_the_luma_of_the_photographs_it_shares_with_kodak24(published_files, gray, colour):
    (ours,), (theirs,) = pictures(ALL["kodak24"], [colour]), pictures(ALL["live1"], [gray])
    # The last row of LIVE1's version differs.
    assert np.array_equal(luma(ours.clean)[:-1], theirs.clean[:-1])


def test_the_gray_image_of_set14(gray):
    three = ALL["set14"].convert(gray)
    assert three.shape == (64, 80, 3)
    assert all(np.array_equal(three[..., i], gray[..., 0]) for i in range(3))
    assert np.array_equal(ALL["set14-y"].convert(gray), gray)
    assert np.array_equal(ALL["set14"].convert(three), three)


def test_gray_is_matlabs_rgb2gray():
    # MATLAB's rgb2gray of pure red, green, blue and white.
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert to_gray(image)[..., 0].tolist() == [[76, 150, 29, 255]]
    assert to_gray(image[..., :1]) is not None


def test_kodak_crops_are_ffdnets():
    landscape, portrait = np.zeros((512, 768, 3), np.uint8), np.zeros((768, 512, 3), np.uint8)
    landscape[6:506, 134:634] = 1
    portrait[134:634, 6:506] = 1
    for image in (landscape, portrait):
        crop = ALL["kodak24-500"].convert(image)
        assert crop.shape == (500, 500, 3)
        assert crop.all()


def test_the_middle_of_odd_sizes():
    assert centre_crop(np.arange(25).reshape(5, 5, 1), 3, 3)[0, 0, 0] == 6
    assert centre_crop(np.arange(6)[None, :, None], 1, 3).ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize("mode", ["gray", "rgb"])
@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_pixels_are_read_as_they_are(tmp_path, mode, ending):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 1 if mode == "gray" else 3), dtype=np.uint8)
    path = tmp_path / f"a.{ending}"
    Image.fromarray(pixels.squeeze()).save(path)
    assert np.array_equal(read(path), pixels)


def test_a_row_of_2160_bytes_is_not_taken_for_16_bits(tmp_path):
    Image.fromarray(np.zeros((4, 720, 3), np.uint8)).save(tmp_path / "a.bmp")
    assert read(tmp_path / "a.bmp").shape == (4, 720, 3)


def test_sixteen_bit_colour_is_refused_though_pillow_would_read_it(tmp_path):
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)  # 2x2, 16 bit, RGB
    rows = b"".join(b"\0" + bytes(12) for _ in range(2))
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    with pytest.raises(ValueError, match="more than 8 bits"):
        read(path)


def test_a_folder_or_a_file_is_a_dataset(photographs):
    folder = from_path(photographs)
    assert (folder.name, folder.colour, folder.image_names()) == ("folder photographs", "gray", ["camera", "coins"])
    single = from_path(photographs / "coins.png")
    assert (single.name, single.image_names()) == ("coins.png", ["coins"])
    (photographs / "camera.bmp").write_bytes(b"")
    with pytest.raises(ValueError, match="two images are named 'camera'"):
        from_path(photographs)


@pytest.fixture
def named_set12(photographs, tmp_path):
    """Return a person's own images of every kind, each named as a registered dataset is."""
    import zipfile

    folder = tmp_path / "set12"
    folder.mkdir()
    for path in photographs.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = (photographs / "camera.png").read_bytes()
    files = tmp_path / "files"
    files.mkdir()
    for name in ("set12", "set12.png", "bsd68"):
        (files / name).write_bytes(content)
    with zipfile.ZipFile(files / "bsd68.zip", "w") as archive:
        archive.writestr("a.png", content)
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)).save(files / "kodak24.png")
    return [folder, *sorted(files.iterdir())]


def test_own_images_are_in_no_ledger_whatever_they_are_named(named_set12):
    assert len(named_set12) == 6
    for path in named_set12:
        entry = from_path(path)
        assert entry.ledger is None
        assert entry.name not in ALL
        assert from_path(path, noisy=True).ledger is None
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in ALL)  # an own name has a dot or a space


def test_own_images_named_as_a_dataset_are_not_judged(named_set12, one_cell):
    for path in named_set12:
        record = run_cell(one_cell("bm3d", path), Settings("cpu", jobs=1))
        assert judge(Result((record,))) is None
    # Were it taken for Set12, there would be a verdict: BM3D has a published number there.
    record.provenance["dataset"]["ledger"] = ["set12", "gray"]
    assert judge(Result((record,))) is not None


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="the folder has no image"):
        from_path(tmp_path)
