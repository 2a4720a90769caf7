"""A person's own images: which files count, and what their pixels are."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from bench.run.images import pictures
from datasets import images, walking
from datasets.from_path import from_path, from_word
from datasets.gray import as_gray

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (12, 17, 1), dtype=np.uint8)
RGB = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)
for image in (GRAY, RGB):
    image[0, 0], image[0, 1] = 0, 255  # the whole range


def save(path, pixels, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze() if pixels.shape[-1] == 1 else pixels).save(path, **how)
    return path


def test_what_is_no_picture_of_these_formats_starts_no_program(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(program))
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\nshowpage\n"
    folder = tmp_path / "images"
    save(folder / "good.png", GRAY)
    for name in ("a.png", "b.tif", "c.jpg"):
        (folder / name).write_bytes(page)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("d.png", page)
        archive.write(folder / "good.png", "good.png")
    for path, names in ((folder, "abc"), (tmp_path / "images.zip", "d")):
        dataset = from_path(path)
        for image in dataset.images:
            if image.name in names:
                with pytest.raises(ValueError, match=rf"{image.name}\.\w+: no readable image; expected PNG"):
                    list(pictures(dataset, (image.name,)))
    for read in (images.read, images.picture):  # those of registered sets, of label maps and of radiographs
        with pytest.raises(ValueError, match=r"a\.png: no readable image"):
            read(folder / "a.png")
    assert not (tmp_path / "ran").exists()


def clean(dataset):
    return [picture.clean for picture in pictures(dataset)]


def said(dataset, text):
    return any(text in line for line in dataset.notes)


def deep_png(path, pixels):
    """Write a PNG file of 16 bits with any number of channels, by the definition of the format."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


# Which files count.


def test_what_systems_put_beside_images_is_passed_over_and_named(tmp_path):
    save(tmp_path / "a.png", GRAY)
    for name in ("Thumbs.db", "._a.png", ".DS_Store", "notes.txt", ".git/x.png", "__MACOSX/._a.png", "@eaDir/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    dataset = from_path(tmp_path)
    assert dataset.image_names() == ["a"]
    assert said(dataset, "passed over 7 files that are no image (.DS_Store, ._a.png, .git and 4 more)")
    assert not said(from_path(save(tmp_path / "b" / "a.png", GRAY).parent), "passed over")


def test_images_of_subfolders_are_named_by_their_path(tmp_path):
    for name in ("b.png", "x/a.png", "x/y/a.png", "x/y.png"):
        save(tmp_path / name, GRAY)
    dataset = from_path(tmp_path)
    assert dataset.image_names() == ["b", "x/a", "x/y/a", "x/y"]
    assert said(dataset, "3 images of 4 from subfolders")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_go_round_are_followed_once(tmp_path):
    save(tmp_path / "x" / "a.png", GRAY)
    (tmp_path / "x" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert from_path(tmp_path).image_names() == ["x/a"]


def test_patterns(tmp_path):
    for name in ("a1.png", "a2.png", "b1.png", "x/a3.png", "a4.txt"):
        save(tmp_path / name, GRAY, format="PNG")
    some = from_word(f"{tmp_path}/a*")
    assert (some.image_names(), some.ledger) == (["a1", "a2"], None)
    assert from_word(f"{tmp_path}/**/a?.png").image_names() == ["a1", "a2", "x/a3"]
    assert some.noise_name == from_path(tmp_path).name  # each image has the noise that it has in the whole folder
    with pytest.raises(ValueError, match="the pattern matches no image"):
        from_word(f"{tmp_path}/c*.png")
    with pytest.raises(ValueError, match=r"the pattern matches no image.*there is x"):
        from_word(f"{tmp_path}/x*")
    for name in ("c_a.png", "c_b.png", "d_a.png", "d_b.png"):
        save(tmp_path / name, GRAY)
    with pytest.raises(ValueError, match=r'two of one size each.*images:.*_\?.png" takes each as a clean image'):
        from_word(f"{tmp_path}/?_?.png")
    assert len(from_word(f"images:{tmp_path}/?_?.png").images) == 4


def test_an_archive_has_names_of_paths_below_the_folder_of_all(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("set/x/a.png", "set/y/b.png"):
            archive.write(save(tmp_path / "f.png", GRAY), name)
    assert from_path(tmp_path / "a.zip").image_names() == ["x/a", "y/b"]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_images_that_cannot_be_read_do_not_hide_the_others(tmp_path, content):
    whole = save(tmp_path / "b.png", RGB).read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    dataset = from_path(tmp_path)
    assert (dataset.image_names(), dataset.colour) == (["a", "b"], "rgb")
    (tmp_path / "b.png").unlink()
    with pytest.raises(ValueError, match=r"a\.png: (no readable image|cannot be read to its end)"):
        from_path(tmp_path)


# What their pixels are.


def test_plain_conversions(tmp_path):
    opaque = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    save(tmp_path / "alpha" / "a.png", opaque)
    save(tmp_path / "gray alpha" / "a.png", opaque[..., 2:])
    (tmp_path / "palette").mkdir()
    few = RGB // 64 * 64
    Image.fromarray(few).quantize(256).save(tmp_path / "palette" / "a.png")
    (tmp_path / "gray palette").mkdir()
    Image.fromarray(GRAY[..., 0]).convert("P").save(tmp_path / "gray palette" / "a.gif")
    (tmp_path / "bit").mkdir()
    Image.fromarray(GRAY[..., 0] > 100).save(tmp_path / "bit" / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to view"
    save(tmp_path / "exif" / "a.png", RGB, exif=exif)
    for name, expected, note in (
        ("alpha", RGB, "alpha channel left out: a.png"),
        ("gray alpha", RGB[..., 2:], "alpha channel left out: a.png"),
        ("palette", few, "colours of its palette taken: a.png"),
        ("gray palette", GRAY, "colours of its palette taken: a.gif"),
        ("bit", (GRAY > 100) * np.uint8(255), "1 bit turned into 0 and 255: a.png"),
        ("exif", np.rot90(RGB, -1), "turned as its EXIF entry says: a.png"),
    ):
        dataset = from_path(tmp_path / name)
        assert np.array_equal(clean(dataset)[0], expected), name
        assert clean(dataset)[0].dtype == np.uint8
        assert said(dataset, note), dataset.notes
        assert dataset.protocol == "standard"


@pytest.mark.parametrize(
    ("mode", "ending", "message"),
    [("CMYK", "jpg", "it is CMYK, whose colours need a profile"), ("LAB", "tif", "it is LAB, whose colours need")],
)
def test_what_is_not_plain_is_refused(tmp_path, mode, ending, message):
    save(tmp_path / "b.png", RGB)
    Image.new(mode, (20, 20)).save(tmp_path / f"a.{ending}")
    dataset = from_path(tmp_path)
    with pytest.raises(ValueError, match=message):
        dataset.picture(dataset.images[0].clean, tmp_path / f"a.{ending}")


def test_a_transparent_part_is_refused(tmp_path):
    glass = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    glass[3, 3, 3] = 254
    save(tmp_path / "a.png", glass)
    deep_png(tmp_path / "b.png", glass.astype(np.uint16) * 257)
    dataset = from_path(save(tmp_path / "c.png", RGB).parent)
    for name in "ab":
        with pytest.raises(ValueError, match="makes a part of it transparent"):
            dataset.reader(tmp_path / f"{name}.png", ("", 0, "65535"))


def test_a_transparent_value_of_a_deep_gray_image(tmp_path):
    deep = GRAY.astype(np.uint16) * 257
    path = deep_png(tmp_path / "a.png", deep)
    header, data = path.read_bytes()[:33], path.read_bytes()[33:]
    for value in (3, 257):
        body = b"tRNS" + struct.pack(">H", value)
        path.write_bytes(header + struct.pack(">I", 2) + body + struct.pack(">I", zlib.crc32(body)) + data)
        if (deep == value).any():
            with pytest.raises(ValueError, match="its alpha channel makes a part of it transparent"):
                from_path(tmp_path)
        else:
            assert np.array_equal(clean(from_path(tmp_path))[0], GRAY)
    assert 257 in deep


def test_every_page_is_an_image(tmp_path):
    pages = [Image.fromarray(one[..., 0]) for one in (GRAY, GRAY[::-1], GRAY[:, ::-1])]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    np.save(tmp_path / "more.npy", np.stack([GRAY, GRAY[::-1]]))
    dataset = from_path(tmp_path)
    assert dataset.image_names() == ["more-0", "more-1", "stack-0", "stack-1", "stack-2"]
    for found, expected in zip(clean(dataset), [*pages[:2], *pages], strict=True):
        assert np.array_equal(found[..., 0], np.asarray(expected))
    assert said(dataset, "each page is an image: more (2 pages), stack (3 pages)")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
            "is a Git LFS pointer, not the image",
        ),
        (b"\n<!DOCTYPE html><html>Too many requests</html>", "is an HTML page, not the image itself"),
        (b"<HTML><body>404", "is an HTML page, not the image itself"),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.tif"])
def test_what_a_download_left_in_place_of_an_image_is_said(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=what):
        from_path(tmp_path)
    save(tmp_path / "b.png", GRAY)
    dataset = from_path(tmp_path)  # the others are measured
    failed = {}
    assert [one.name for one in pictures(dataset, failed=failed)] == ["b"]
    assert what in str(failed["a"])


def test_gray_images_in_a_stack(tmp_path):
    """(N, H, W) where that is plain; colours and bands are no images, and (H, W, bands) is no stack of lines."""
    several = [np.roll(GRAY[..., 0], step, 0) for step in range(6)]
    np.save(tmp_path / "six.npy", np.stack(several))
    dataset = from_path(tmp_path)
    assert dataset.image_names() == [f"six-{step}" for step in range(6)]
    assert all(np.array_equal(one[..., 0], expected) for one, expected in zip(clean(dataset), several, strict=True))
    assert said(dataset, "each page is an image: six (6 pages)")
    np.save(tmp_path / "six.npy", np.zeros((40, 12, 12), np.uint8))
    assert len(from_path(tmp_path).images) == 40
    for unclear in ((40, 30, 7), (40, 40, 31), (4, 20, 30), (20, 30, 4), (2, 20, 30), (2, 3, 20, 30)):
        np.save(tmp_path / "six.npy", np.zeros(unclear, np.uint8))
        with pytest.raises(ValueError, match="expected \\(H, W\\)"):
            from_path(tmp_path)


# Depth: 16 bits, 12 bits in 16, floating-point numbers.

DEEP = GRAY.astype(np.uint16) * 257


TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
"""What the values of the orientation tag mean (TIFF 6.0, page 36)."""


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("pixels", [GRAY, RGB], ids=["gray", "colour"])
@pytest.mark.parametrize("deep", [1, 257])
def test_what_the_orientation_tag_turns(tmp_path, pixels, turn, deep):
    stored = (pixels * np.uint16(deep)).squeeze() if deep > 1 else pixels.squeeze()
    tifffile.imwrite(tmp_path / "a.tif", stored, extratags=[(274, "H", 1, turn, True)])
    (image,) = clean(from_path(tmp_path))
    assert np.array_equal(image, TURNS[turn](pixels))


@pytest.mark.parametrize(
    ("values", "tags", "message"),
    [
        (GRAY * np.uint16(257), {"photometric": "miniswhite"}, "zero is white in it"),
        (GRAY / 255, {"photometric": "miniswhite"}, "zero is white in it"),
        (GRAY / 255, {"extratags": [(274, "H", 1, 6, True)]}, "its orientation tag turns it"),
    ],
)
def test_deep_tiff_files_that_would_be_read_wrongly_are_refused(tmp_path, values, tags, message):
    tifffile.imwrite(tmp_path / "a.tif", values[..., 0], **tags)
    with pytest.raises(ValueError, match=rf"a\.tif: .*{message}"):
        from_path(tmp_path)


def test_whole_numbers_of_32_bits_have_no_sign(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY[..., 0] * np.uint32(2**24 + 2**16 + 2**8 + 1))
    (image,) = clean(from_path(tmp_path, white=2**32 - 1))
    np.testing.assert_allclose(image, GRAY, atol=1e-4)


def test_gray_images_in_three_channels_are_warned_of_where_they_are_measured_in_colour(tmp_path):
    save(tmp_path / "a.png", np.repeat(GRAY, 3, axis=2))
    dataset = from_path(tmp_path)
    assert "the three channels of the first image are equal" in dataset.warnings[0]
    assert as_gray(dataset, "bt601").warnings == ()
    save(tmp_path / "a.png", RGB)
    assert from_path(tmp_path).warnings == ()


def test_a_file_under_several_names_is_warned_of(tmp_path):
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.png", GRAY if name != "b" else 255 - GRAY)
    assert from_path(tmp_path).warnings == ("a, c (2 in all) are one file under several names, and count so often",)
    save(tmp_path / "c.png", GRAY // 2)
    assert from_path(tmp_path).warnings == ()


def test_zeros_and_ones_in_8_bits_are_warned_of(tmp_path):
    save(tmp_path / "a.png", GRAY // 128)
    assert "no value of the first image is above 1" in from_path(tmp_path).warnings[0]
    save(tmp_path / "0.png", np.zeros_like(GRAY))  # a black image is one
    assert from_path(tmp_path).warnings == ()
    save(tmp_path / "a.png", GRAY // 100)
    assert from_path(tmp_path).warnings == ()


def test_every_picture_of_a_gray_gif_is_gray(tmp_path):
    first, second = (Image.fromarray(pixels[..., 0]) for pixels in (GRAY, GRAY[::-1]))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert np.array_equal(clean(from_path(tmp_path)), [GRAY, GRAY[::-1]])


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "npy", "lzw.tif"])
def test_sixteen_bits_of_every_format(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(path, DEEP[..., 0])
    elif ending == "pgm":
        path.write_bytes(b"P5\n17 12\n65535\n" + DEEP.astype(">u2").tobytes())
    else:
        save(path, DEEP, **({"compression": "tiff_lzw"} if "lzw" in ending else {}))
    dataset = from_path(tmp_path)
    (found,) = clean(dataset)
    assert (found.dtype, dataset.protocol) == (np.float32, "float")
    assert np.array_equal(found, GRAY)  # 257 to a level


@pytest.mark.parametrize("kind", ["png", "alpha png", "tif", "planes.tif", "ppm", "npy", "first.npy"])
def test_sixteen_bits_of_colour(tmp_path, kind):
    path, deep = tmp_path / f"a.{kind.split()[-1]}", RGB.astype(np.uint16) * 257
    if kind.endswith("png"):
        alpha = [np.full(RGB.shape[:2], 65535, np.uint16)] * ("alpha" in kind)
        deep_png(path, np.dstack([deep, *alpha]))
    elif kind == "tif":
        tifffile.imwrite(path, deep, photometric="rgb")
    elif kind == "planes.tif":
        tifffile.imwrite(path, np.moveaxis(deep, -1, 0), photometric="rgb", planarconfig="separate")
    elif kind == "ppm":
        path.write_bytes(b"P6\n17 12\n65535\n" + deep.astype(">u2").tobytes())
    else:
        np.save(path, np.moveaxis(deep, -1, 0) if "first" in kind else deep)
    dataset = from_path(tmp_path)
    assert dataset.colour == "rgb"
    assert np.array_equal(clean(dataset)[0], RGB)


@pytest.mark.parametrize(("bits", "highest"), [(10, 1023), (12, 4095), (12, 4000), (14, 9000), (8, 255)])
def test_fewer_bits_in_sixteen_are_recognised_from_the_whole_set(tmp_path, bits, highest):
    values = (np.arange(12 * 17).reshape(12, 17) * 1.0 / (12 * 17 - 1) * highest).astype(np.uint16)
    save(tmp_path / "a.png", values[..., None])
    save(tmp_path / "b.png", values[..., None] // 8)  # a dark one of the same camera
    dataset, white = from_path(tmp_path), 2**bits - 1
    assert said(dataset, f"read as {bits}-bit images in 16 bits: white is {white}")
    assert np.allclose(clean(dataset)[0][..., 0], values / white * 255, atol=1e-4)
    assert np.allclose(clean(dataset)[1][..., 0], values // 8 / white * 255, atol=1e-4)
    kept = from_path(tmp_path, white=65535.0)
    assert np.allclose(clean(kept)[0][..., 0], values / 65535 * 255, atol=1e-4)
    assert said(kept, "white is 65535, as RANGE says")
    assert said(kept, f"; no value is above {highest}, and noise is of the whole range")
    assert not said(from_path(tmp_path, white=float(white)), "no value is above")


def test_a_dark_image_of_a_sixteen_bit_set_stays_dark_and_is_named(tmp_path):
    save(tmp_path / "a.png", DEEP)
    save(tmp_path / "b.png", DEEP // 32)
    dataset = from_path(tmp_path)
    assert np.allclose(clean(dataset)[1], DEEP // 32 / 257, atol=1e-4)
    assert said(dataset, "no value of 1 image is above 4095")


def test_the_range_that_a_file_states_counts(tmp_path):
    values = (np.arange(12 * 17).reshape(12, 17) * 5).astype(np.uint16)
    (tmp_path / "a.pgm").write_bytes(b"P5\n17 12\n4095\n" + values.astype(">u2").tobytes())
    tifffile.imwrite(tmp_path / "b.tif", values, extratags=[(281, "H", 1, 4095, True)])
    dataset = from_path(tmp_path)
    assert said(dataset, "white is 4095, as the files state")
    assert all(np.allclose(found[..., 0], values / 4095 * 255, atol=1e-4) for found in clean(dataset))


FLOATS = ("float32.tif", "float64.tif", "float16.npy", "float32.npy", "float64.npy", "rgb.tif", "lzw rgb.tif")


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("white", [1, 255])
def test_floating_point_numbers(tmp_path, kind, white):
    expected = RGB if "rgb" in kind else GRAY
    numbers = (expected / 255 * white).astype(kind.split(".")[0] if kind[0] == "f" else np.float32)
    numbers = numbers.squeeze()
    if kind.endswith("npy"):
        np.save(tmp_path / "a.npy", numbers)
    elif "lzw" in kind:
        import cv2

        lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
        assert cv2.imwrite(str(tmp_path / "a.tif"), numbers[..., ::-1], lzw)
    else:
        tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="rgb" if kind == "rgb.tif" else "minisblack")
    dataset = from_path(tmp_path)
    assert said(dataset, f"read as numbers from 0 to {white}")
    assert np.allclose(clean(dataset)[0], expected, atol=0.1 if "16" in kind else 1e-4)
    assert dataset.protocol == "float"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([GRAY / 127.5 - 1], "from -1 to 1"),
        ([GRAY / 255 * 4095], "neither 0 to 1 nor 0 to 255; say which value is white: RANGE=4095"),
        ([GRAY / 255 * 3.0], "neither 0 to 1 nor 0 to 255"),
        ([GRAY / 255, GRAY.astype(float)], "expected one range: put them into two folders"),
        ([GRAY.astype(np.int64) * 1000], "beyond 16 bits; say which value is white"),
        ([np.array([[object()]])], "it holds Python objects"),
        ([np.zeros((5, 6, 7))], "it is an array of 5x6x7; expected"),
        ([np.zeros((3, 3), complex)], "numbers of type complex128"),
    ],
)
def test_ranges_that_nothing_settles_are_refused(tmp_path, arrays, message):
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array.squeeze() if array.ndim == 3 and array.shape[2] == 1 else array)
    with pytest.raises(ValueError, match=message) as caught:
        from_path(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_range_says_counts_for_float_too(tmp_path):
    np.save(tmp_path / "a.npy", GRAY / 255 * 4095)
    assert np.allclose(clean(from_path(tmp_path, white=4095))[0], GRAY, atol=1e-3)


def test_range_is_for_deep_files_alone(tmp_path):
    save(tmp_path / "a.png", GRAY)
    with pytest.raises(ValueError, match="RANGE=4095: the files have 8 bits, whose white is 255"):
        from_path(tmp_path, white=4095)


def test_values_that_are_no_numbers_fail_alone(tmp_path):
    bad = GRAY[..., 0] / 255
    np.save(tmp_path / "a.npy", bad)
    bad[2, 2] = np.nan
    np.save(tmp_path / "b.npy", bad)
    dataset = from_path(tmp_path)
    assert np.allclose(dataset.picture(dataset.images[0].clean, tmp_path / "a.npy"), GRAY, atol=1e-4)
    with pytest.raises(ValueError, match="values that are no numbers"):
        dataset.picture(dataset.images[1].clean, tmp_path / "b.npy")


def test_a_cut_file_of_16_bits_is_not_read_in_part(tmp_path):
    whole = deep_png(tmp_path / "a.png", RNG.integers(0, 65536, (64, 64, 3), dtype=np.uint16)).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    dataset = from_path(tmp_path)
    with pytest.raises(ValueError, match="cannot be read to its end"):
        dataset.picture(dataset.images[1].clean, tmp_path / "b.png")


# Depth of pairs.


def pairs(folder, clean_pixels, noisy_pixels):
    for side, pixels in (("clean", clean_pixels), ("noisy", noisy_pixels)):
        (folder / side).mkdir(parents=True)
        np.save(folder / side / "a.npy", pixels.squeeze())
    return from_path(folder)


BRIGHT = np.clip(GRAY.astype(float) + RNG.normal(0, 20, GRAY.shape), 0, 255).round()


@pytest.mark.parametrize(
    ("clean_pixels", "noisy_pixels"),
    [
        (DEEP, (BRIGHT * 257).astype(np.uint16)),
        (GRAY, (BRIGHT * 257).astype(np.uint16)),
        (DEEP, BRIGHT / 255),
        (GRAY / 255, BRIGHT / 255),
        (GRAY.astype(float), BRIGHT.astype(np.uint8)),
        ((GRAY / 255 * 4095).round().astype(np.uint16), (BRIGHT * 257).astype(np.uint16)),
    ],
)
def test_sides_of_different_depth(tmp_path, clean_pixels, noisy_pixels):
    (picture,) = pictures(pairs(tmp_path, clean_pixels, noisy_pixels))
    assert np.allclose(picture.clean, GRAY, atol=0.04)  # rounding to 12 bits
    assert np.allclose(picture.noisy, BRIGHT, atol=0.04)


def test_noise_that_passes_the_bits_of_the_clean_side(tmp_path):
    values = (GRAY / 255 * 4000).astype(np.uint16)
    noisy = np.clip(values + RNG.normal(0, 300, values.shape), 0, 65535).astype(np.uint16)
    assert noisy.max() > 4095
    dataset = pairs(tmp_path, values, noisy)
    (picture,) = pictures(dataset)
    # Both on one scale; which of the two it is nothing says, and a person can.
    assert picture.noisy.mean() / picture.clean.mean() == pytest.approx(noisy.mean() / values.mean())
    assert said(dataset, "white is 16383")
    assert said(dataset, "RANGE=4095 is what the clean side alone says")
    (picture,) = pictures(from_path(tmp_path, white=4095))
    assert np.allclose(picture.noisy, noisy / 4095 * 255, atol=1e-3)


def test_float_noise_leaves_the_range(tmp_path):
    noisy = GRAY / 255 + RNG.normal(0, 50 / 255, GRAY.shape)
    assert noisy.max() > 1.1
    (picture,) = pictures(pairs(tmp_path, GRAY / 255, noisy))
    assert np.allclose(picture.noisy, noisy * 255, atol=1e-3)


def test_deep_members_of_an_archive(tmp_path):
    out = io.BytesIO()
    Image.fromarray(DEEP[..., 0]).save(out, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", out.getvalue())
    assert np.array_equal(clean(from_path(tmp_path / "a.zip"))[0], GRAY)


# A word that means far more than a person's images.


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a system without /proc")
@pytest.mark.parametrize(
    "word",
    ["/", "/../", "/proc", "/proc/self", "/proc/self/task/../environ", "/sys", "/**/*.png", "/proc/**/*.png",
     "pairs:/{name}_GT.png,/{name}_N.png", "pairs:/,/proc", "pairs:/proc/kmsg,/proc/kmsg", "images:/proc/version"],
)  # fmt: skip
def test_the_system_s_own_is_refused_at_once(word):
    with pytest.raises(ValueError, match=r"^DATA=.* is the system's own; expected the folder that holds your images$"):
        from_word(word)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a system without /proc")
def test_a_link_into_the_system_is_not_followed_and_is_named(tmp_path):
    save(tmp_path / "a.png", GRAY)
    (tmp_path / "b").symlink_to("/proc/self")
    (tmp_path / "c").symlink_to("/sys/kernel")
    dataset = from_path(tmp_path)
    assert [image.name for image in dataset.images] == ["a"]
    assert said(dataset, "passed over 2 files that are no image (b, c)")


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 5), ("MOST_SECONDS", -1.0)])
def test_a_folder_without_end_is_said(tmp_path, monkeypatch, limit, value):
    for number in range(6):
        save(tmp_path / str(number) / f"{number}a.png", GRAY)
    assert len(from_path(tmp_path).images) == 6
    monkeypatch.setattr(walking, limit, value)
    for word in (tmp_path, f"{tmp_path}/**/*.png", f"pairs:{tmp_path}/{{name}}/a.png,{tmp_path}/{{name}}/b.png"):
        with pytest.raises(ValueError, match=r"^DATA=.*expected the folder that holds your images, and little else$"):
            from_word(str(word))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("**/*.png", {"a", "b/a", "b/c/a"}), ("b/**/a.png", {"b/a", "b/c/a"}), ("**/c/*", {"b/c/a"}),
     ("b/**", {"b/a", "b/c/a"}), ("**/**/a.*", {"a", "b/a", "b/c/a"}), ("*/*.png", {"b/a"})],
)  # fmt: skip
def test_two_stars_stand_for_any_number_of_folders(tmp_path, pattern, names):
    for name in ("a", "b/a", "b/c/a", ".d/a"):
        save(tmp_path / f"{name}.png", GRAY)
    found = from_word(f"{tmp_path}/{pattern}")
    below = tmp_path / "b" if pattern.startswith("b/") else tmp_path
    assert {(below / name).relative_to(tmp_path).as_posix() for name in found.image_names()} == names
