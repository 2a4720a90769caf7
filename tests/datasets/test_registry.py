import re

import numpy as np
import pytest
from PIL import Image

import datasets
from datasets.folder import from_path
from datasets.images import centre_crop, read, to_gray

ALL = datasets.available()


def test_every_dataset_says_what_it_is():
    counts = {"set12": 12, "bsd68": 68, "cbsd68": 68, "kodak24": 24, "kodak24-500": 24, "mcmaster": 18, "builtin": 10}
    assert {name: len(entry.files) for name, entry in ALL.items()} == counts
    for entry in ALL.values():
        assert entry.colour in ("gray", "rgb")
        assert entry.source
        assert entry.licence
        assert len(set(entry.image_names())) == len(entry.files)
        for file in entry.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.local or file.url.startswith("https://raw.githubusercontent.com/")


def test_builtin_is_eight_or_more_gray_photographs():
    from bench.files import fetch

    builtin = ALL["builtin"]
    for path in fetch("data", "builtin", builtin.files):
        image = builtin.read(path)
        assert image.shape == (256, 256, 1)
        assert image.std() > 10


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


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="the folder has no image"):
        from_path(tmp_path)
