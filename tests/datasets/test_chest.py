import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from skimage.measure import block_reduce

from bench.common.files import fetch
from bench.run.images import pictures
from datasets import available
from datasets.chest import LICENCES, lung, radiograph, reduced, reduced_lung, reduction, tiny

ALL = available()
HALVES = ALL["chest-xray"], ALL["chest-xray-train"]


def arrays(name):
    return [picture.clean for picture in pictures(ALL[name])]


def saved(path, **content):
    np.savez_compressed(path, **content)
    return path


def coloured(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_eight_radiographs_are_tested_and_24_trained_on_and_no_source_is_on_both_sides():
    tested, trained = (set(half.image_names()) for half in HALVES)
    assert (len(tested), len(trained), len(tested & trained)) == (8, 24, 0)
    sources = [{LICENCES[name][1] for name in half} for half in (tested, trained)]
    assert not sources[0] & sources[1]
    assert len(sources[0]) == 8
    for half in HALVES:
        small = ALL[half.name.replace("xray", "xray-256")]
        assert (small.image_names(), small.role) == (half.image_names(), half.role)


def test_each_image_has_its_own_licence():
    assert Counter(licence for licence, _ in LICENCES.values()) == {"CC BY-NC-SA": 29, "CC BY": 2, "CC BY-SA": 1}
    assert all(source.startswith("https://") for _, source in LICENCES.values())
    assert LICENCES["pneumocystis-pneumonia-1"][0] == "CC BY"
    assert "6 CC BY-NC-SA, 1 CC BY-SA, 1 CC BY; lung masks CC BY 4.0" in ALL["chest-xray"].licence


def test_the_facts_file_agrees_with_the_files(published_files):
    widths = []
    for half in HALVES:
        for image in half.images:
            (path,) = fetch("data", half.name, [image.clean.file])
            masks = fetch("data", half.name, [part.file for part in image.label_parts])
            with Image.open(path) as opened:
                size = opened.size
            widths.append(size[0])
            assert len(masks) == 2
            for part, mask in zip(image.label_parts, masks, strict=True):
                assert part.at[3:] == size
                with Image.open(mask) as cut:
                    assert part.at[1] + cut.width <= size[0]
                    assert part.at[2] + cut.height <= size[1]
    assert (len(widths), min(widths), max(widths)) == (32, 298, 2828)


def test_equal_channels_stay_and_coloured_ones_become_matlabs_gray(published_files):
    parts = {image.name: image.clean for image in HALVES[0].images}
    for name, marked in [("klebsiella-pneumonia-1", False), ("pneumocystis-carinii-pneumonia-1-PA", True)]:
        (path,) = fetch("data", "chest-xray", [parts[name].file])
        stored, read = np.array(Image.open(path)).astype(float), radiograph(path)
        red, green, blue = np.moveaxis(stored, 2, 0)
        assert (np.ptp(stored, axis=2).max() > 50) == marked
        assert marked or np.array_equal(read[..., 0], red)
        assert read.shape == (*stored.shape[:2], 1)
        # MATLAB's rgb2gray, with the four digits that its help prints.
        assert np.abs(read[..., 0] - (0.2989 * red + 0.5870 * green + 0.1140 * blue)).max() < 0.55


def test_a_transparent_frame_is_allowed_and_a_transparent_middle_is_not(tmp_path, published_files):
    parts = {image.name: image.clean for image in HALVES[0].images}
    (path,) = fetch("data", "chest-xray", [parts["pneumocystis-pneumonia-2-PA"].file])
    stored = np.array(Image.open(path))
    assert (stored[..., 3] != 255).sum() == 5718
    assert np.array_equal(radiograph(path)[..., 0], stored[..., 0])
    stored[10, 10, 3] = 254
    with pytest.raises(ValueError, match=r"a\.png: it is transparent at 1 pixels inside; expected an opaque picture"):
        radiograph(coloured(tmp_path / "a.png", stored[:20, :20]))


def test_other_formats_and_cut_off_files_are_refused(tmp_path):
    deep = coloured(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(ValueError, match="it is I;16; expected 8-bit gray, RGB or RGBA"):
        radiograph(deep)
    whole = coloured(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"a\.png: cannot be read to its end"):
        radiograph(whole)


def test_lungs_are_where_they_were_drawn(published_files):
    for image, picture in zip(HALVES[0].images, pictures(HALVES[0], labels=True), strict=True):
        assert picture.labels.shape == (1, *picture.clean.shape[:2])
        assert set(np.unique(picture.labels)) == {0, 1, 2}
        for part in image.label_parts:
            (mask,) = fetch("data", "chest-xray", [part.file])
            assert (picture.labels == part.at[0]).sum() == (np.array(Image.open(mask))[..., 0] > 0).sum()
        # The picture shows a patient face to face: the left lung is on the right.
        columns = [np.nonzero(picture.labels[0] == label)[1].mean() for label in (1, 2)]
        assert columns[0] > columns[1]


def test_a_mask_may_not_reach_outside_its_image(tmp_path):
    mask = coloured(tmp_path / "mask.png", np.full((3, 4, 4), 255, np.uint8))
    assert lung(mask, (2, 1, 0, 5, 3))[0].tolist() == [[0, 2, 2, 2, 2]] * 3
    for at in [(1, 2, 0, 5, 3), (1, 0, 1, 5, 3), (1, -1, 0, 5, 3)]:
        with pytest.raises(ValueError, match=r"lung mask .*mask\.png: rows .* reach outside its image of 3x5"):
            lung(mask, at)
    with pytest.raises(ValueError, match="it is L; expected an RGBA cut-out"):
        lung(coloured(tmp_path / "gray.png", np.zeros((3, 4), np.uint8)), (1, 0, 0, 5, 3))


def test_reduced_images_are_means_of_squares(published_files):
    names = [name for name in HALVES[0].image_names() if name.startswith(("ARDS", "cavitating", "pneumocystis-car"))]
    full = {p.name: p.clean for p in pictures(HALVES[0], names)}
    for picture in pictures(ALL["chest-xray-256"], names):
        height, width = full[picture.name].shape[:2]
        factor = {631: 2, 1270: 4, 600: 1}[height]
        assert reduction(height, width) == factor
        top, left = (height % factor) // 2, (width % factor) // 2
        middle = full[picture.name][top : top + height // factor * factor, left : left + width // factor * factor, 0]
        means = block_reduce(middle.astype(float), (factor, factor), np.mean)
        assert np.abs(picture.clean[..., 0] - means).max() <= 0.5


def test_halves_are_rounded_up_and_a_square_is_lung_when_most_of_it_is(tmp_path):
    image = np.zeros((512, 513, 1), np.uint8)
    image[0, 0], image[0, 1] = 1, 1  # mean 0.5
    image[0, 2] = 1  # mean 0.25
    assert reduced(image)[0, :2, 0].tolist() == [1, 0]
    assert reduced(image).shape == (256, 256, 1)
    mask = np.zeros((2, 4, 4), np.uint8)
    mask[0, :2, 0] = 255  # half of the first square
    mask[:, 2, 0] = mask[0, 3, 0] = 255  # three quarters of the second
    drawn = reduced_lung(coloured(tmp_path / "mask.png", mask), (2, 0, 0, 513, 512))
    assert drawn.shape == (1, 256, 256)
    assert drawn[0, 0, :3].tolist() == [0, 2, 0]


def test_reduced_images_keep_their_lungs(published_files):
    (large,) = pictures(HALVES[0], ["ARDSSevere"], labels=True)
    (small,) = pictures(ALL["chest-xray-256"], ["ARDSSevere"], labels=True)
    for label in (1, 2):
        assert (small.labels == label).mean() == pytest.approx((large.labels == label).mean(), rel=0.01)


def test_pneumonia_mnist_has_the_sizes_and_the_overlap_that_its_source_states(published_files):
    parts = {part: arrays(f"pneumonia-mnist{part}") for part in ("", "-val", "-train")}
    assert {part: len(images) for part, images in parts.items()} == {"": 624, "-val": 524, "-train": 3882}
    assert all(image.shape == (28, 28, 1) and image.dtype == np.uint8 for images in parts.values() for image in images)
    pixels = {part: {image.tobytes() for image in images} for part, images in parts.items()}
    assert not pixels[""] & pixels["-train"]
    assert not pixels[""] & pixels["-val"]
    assert len(pixels["-val"] & pixels["-train"]) == 8
    assert "8 images are in both train and val" in ALL["pneumonia-mnist"].source
    (path,) = fetch("data", "pneumonia-mnist", ALL["pneumonia-mnist"].files)
    with np.load(path) as archive:
        assert np.array_equal(parts[""][17][..., 0], archive["test_images"][17])
    assert ALL["pneumonia-mnist"].image_names()[:2] == ["0000", "0001"]


def test_a_wrong_archive_is_one_line(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    good = saved(tmp_path / "good.npz", test_images=images)
    assert np.array_equal(tiny(good, ("test_images", 3))[..., 0], images[3])
    bad = {
        "cut": (good.read_bytes()[:5000], "cut or damaged"),
        "middle": (good.read_bytes()[:3000] + bytes(500) + good.read_bytes()[3500:], "cut or damaged"),
        "text": (b"not an archive", "no archive that can be read"),
        "key": (
            saved(tmp_path / "b.npz", train_images=images).read_bytes(),
            "there is no 'test_images.npy' in it",
        ),
        "size": (
            saved(tmp_path / "c.npz", test_images=images[:, :20]).read_bytes(),
            "20x20x28 of uint8; expected Nx28",
        ),
        "few": (saved(tmp_path / "d.npz", test_images=images[:2]).read_bytes(), "has 2 images and number 3"),
    }
    objects = io.BytesIO()
    np.savez(objects, test_images=np.array([{}], object), allow_pickle=True)
    bad["pickle"] = (objects.getvalue(), "no array of numbers")
    for name, (content, message) in bad.items():
        path = tmp_path / f"{name}-bad.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"archive .*{name}-bad.npz: .*({message})") as caught:
            tiny(path, ("test_images", 3))
        assert "\n" not in str(caught.value)
