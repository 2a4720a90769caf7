"""Pairs as they lie about: each layout gives the clean and the noisy image of each scene, or one line."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from bench.plan.resolve import dataset_words, known_dataset
from bench.run.images import pictures
from datasets.from_path import from_path, from_word

RNG = np.random.default_rng(0)
CLEAN = {name: np.kron(RNG.integers(40, 200, (4, 5, 3)), np.ones((5, 5, 1))).astype(np.uint8) for name in ("1", "2")}
NOISY = {name: (image + RNG.integers(-30, 30, image.shape)).astype(np.uint8) for name, image in CLEAN.items()}


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.squeeze()).save(path)


def layout(folder, clean, noisy):
    """Write both scenes by two patterns, in which {0} is the number of the scene."""
    for name in CLEAN:
        put(folder / clean.format(name), CLEAN[name])
        put(folder / noisy.format(name), NOISY[name])
    return folder


def are_pairs(dataset, names=None):
    """Assert that a dataset has the two scenes, each with its own noisy image."""
    assert names is None or dataset.image_names() == names
    assert dataset.default_noise == "pairs"
    found = list(pictures(dataset))
    assert len(found) == 2
    for number, picture in zip(CLEAN, found, strict=True):
        assert np.array_equal(picture.clean, CLEAN[number])
        assert np.array_equal(picture.noisy, NOISY[number])


LAYOUTS = {
    "clean/{0}.png noisy/{0}.png": ["1", "2"],
    "GT/{0}.png Noisy/{0}.bmp": ["1", "2"],
    "groundtruth/{0}.png input/{0}.png": ["1", "2"],
    "ground_truth/{0}.png Input/{0}.png": ["1", "2"],
    "target/{0}.png input/{0}.png": ["1", "2"],
    "hq/{0}.png lq/{0}.png": ["1", "2"],
    "reference/{0}.png noisy/{0}.png": ["1", "2"],
    "original/{0}.png noisy25/{0}.png": ["1", "2"],
    "noise-free/{0}.png noise/{0}.png": ["1", "2"],
    "clean/{0}_GT_SRGB.PNG noisy/{0}_NOISY_SRGB.PNG": ["1_SRGB", "2_SRGB"],
    "clean/made-in-italy{0}.png noisy/made-in-italy{0}.png": ["made-in-italy1", "made-in-italy2"],
    "gt/original_{0}.png lq/original_{0}.png": ["original_1", "original_2"],
    "{0}_mean.png {0}_real.png": ["1", "2"],
    "{0}_GT.png {0}_NOISY.png": ["1", "2"],
    "{0}_gt.png {0}_in.png": ["1", "2"],
    "{0}-Clean.png {0}-Noisy.png": ["1", "2"],
    "GT_SRGB_01{0}.png NOISY_SRGB_01{0}.png": ["SRGB_011", "SRGB_012"],
    "scene{0}GT.png scene{0}Noisy.png": ["scene1", "scene2"],
    "CleanImages/scene{0}.png NoisyImages/scene{0}.png": ["Images/scene1", "Images/scene2"],
    "{0}.png {0}_noisy.png": ["1", "2"],
    "{0}_clean.png {0}.png": ["1", "2"],
    "real/{0}_mean.png real/{0}_real.png": ["1", "2"],
    "{0}_N/GT.png {0}_N/NOISY.png": ["1_N", "2_N"],
    "Data/000{0}_N/000{0}_GT_SRGB_010.PNG Data/000{0}_N/000{0}_NOISY_SRGB_010.PNG": None,
    "test/clean/{0}.png test/noisy/{0}.png": ["test/1", "test/2"],
    "clean_images/{0}.png noisy_images/{0}.png": ["images/1", "images/2"],
    "Batch_{0}/IMG_49{0}Reference.bmp Batch_{0}/IMG_77{0}Noisy.bmp": ["Batch_1", "Batch_2"],
}


@pytest.mark.parametrize("patterns", LAYOUTS)
def test_layouts(tmp_path, patterns):
    dataset = from_path(layout(tmp_path / "set", *patterns.split()))
    are_pairs(dataset, LAYOUTS[patterns])
    assert any("read as 2 pairs" in line for line in dataset.notes)
    assert not dataset.warnings


@pytest.mark.parametrize("patterns", ["clean/{0}.png noisy/{0}.png", "x/{0}_mean.png x/{0}_real.png"])
def test_layouts_in_an_archive(tmp_path, patterns):
    folder = layout(tmp_path / "set", *patterns.split())
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(tmp_path))
    are_pairs(from_path(tmp_path / "set.zip"), ["1", "2"])


def test_a_third_folder_is_left_out_and_named(tmp_path):
    folder = layout(tmp_path, "clean/{0}.png", "noisy/{0}.png")
    put(folder / "other" / "1.png", NOISY["1"])
    dataset = from_path(folder)
    are_pairs(dataset, ["1", "2"])
    assert any("left out 1 image of no pair (other/1.png)" in line for line in dataset.notes)


@pytest.mark.parametrize("pattern", ["noisy/{0}.png", "{0}_noisy.png", "scene{0}Noisy.png", "LQ/x/{0}.png"])
def test_noisy_images_alone_are_warned_of_as_clean_ones(tmp_path, pattern):
    for name, image in NOISY.items():
        put(tmp_path / "set" / pattern.format(name), image)
    (warning,) = from_path(tmp_path / "set").warnings
    assert warning.startswith("the names of all images say noisy, and each counts as a clean one")
    if "/" in pattern:
        assert from_word(f"{tmp_path}/set/{pattern.split('/')[0]}").warnings == (warning,)
    assert from_path(tmp_path / "set", noisy=True).warnings == ()
    assert from_word(f"images:{tmp_path}/set").warnings == ()
    put(tmp_path / "set" / "3.png", CLEAN["1"])
    assert from_path(tmp_path / "set").warnings == ()


def test_sides_that_are_swapped_are_warned_of(tmp_path):
    (warning,) = from_path(layout(tmp_path, "noisy/{0}.png", "clean/{0}.png")).warnings
    assert "are the two swapped?" in warning


@pytest.mark.parametrize(
    ("patterns", "more", "message"),
    [
        ("clean/{0}.png noisy/{0}.png", "noisy/3.png", "noisy/3.png: no clean image of that name; give each image its"),
        ("{0}_mean.png {0}_real.png", "3_mean.png", "3_mean.png: no noisy image of that name; give each image its"),
        ("clean/{0}.png noisy/x{0}.png", "", "clean/1.png, clean/2.png, noisy/x1.png and 1 more: no clean or noisy"),
        ("original/{0}.png noisy15/{0}.png", "noisy25/1.png", "noisy15/1.png, noisy25/1.png are 2 noisy images of one"),
        ("clean/{0}.png noisy/{0}.png", "noisy/1.bmp", "noisy/1.bmp, noisy/1.png are 2 noisy images of one scene"),
        ("A/{0}.png B/{0}.png", "", "folders A, B have images of the same names and sizes"),
        ("{0}_GT.png {0}_N.png", "", "all names end in _GT or _N"),
        ("{0}_a.png {0}_b.png", "", "all names end in _a or _b"),
    ],
)
def test_what_could_be_pairs_and_is_not_plainly_so(tmp_path, patterns, more, message):
    folder = layout(tmp_path, *patterns.split())
    if more:
        put(folder / more, NOISY["1"])
    with pytest.raises(ValueError, match=message) as caught:
        from_path(folder)
    assert "\n" not in str(caught.value)
    assert f'DATA="images:{folder}" takes each as a clean image' in str(caught.value)
    single = from_word(f"images:{folder}") if more != "noisy/1.bmp" else None
    assert single is None or (len(single.images) == 4 + bool(more) and not single.has_noisy)


@pytest.mark.parametrize(
    "names",
    [
        ["beach.png", "made-in-italy.png"],
        ["scene1_1.png", "scene1_2.png", "scene2_1.png", "scene2_2.png"],
        ["one/a.png", "two/b.png"],
        ["real_madrid.png", "barcelona.png"],
        ["noisy/1.png", "noisy/2.png"],
    ],
)
def test_names_that_are_no_pairs(tmp_path, names):
    for name in names:
        put(tmp_path / name, CLEAN["1"])
    dataset = from_path(tmp_path)
    assert not dataset.has_noisy
    assert dataset.image_names() == sorted(name.removesuffix(".png") for name in names)


def test_folders_of_one_naming_and_different_sizes_are_no_pairs(tmp_path):
    put(tmp_path / "cats" / "1.png", CLEAN["1"])
    put(tmp_path / "dogs" / "1.png", CLEAN["1"][:-1])
    assert from_path(tmp_path).image_names() == ["cats/1", "dogs/1"]


@pytest.mark.parametrize(
    ("patterns", "typed"),
    [
        ("{0}_GT.png {0}_N.png", "{folder}/{{name}}_GT.png,{folder}/{{name}}_N.png"),
        ("a/{0}.png b/{0}.bmp", "{folder}/a/{{name}}.png,{folder}/b/{{name}}.bmp"),
        ("a/{0}.png b/{0}.bmp", "{folder}/a/{{name}}, {folder}/b/{{name}}"),
        ("a, b/{0}.png c/{0}-x.png", "{folder}/a, b/{{name}}.png,{folder}/c/{{name}}-x.png"),
        ("s{0}/out/s{0}.png s{0}/s{0}x.png", "{folder}/{{name}}/out/{{name}}.png,{folder}/{{name}}/{{name}}x.png"),
    ],
)
def test_pairs_by_two_patterns(tmp_path, patterns, typed):
    folder = tmp_path / "my set"
    clean, noisy = patterns.rsplit(" ", 1)
    layout(folder, clean, noisy)
    are_pairs(from_word(f"pairs:{typed.format(folder=folder)}"))


def test_pairs_of_two_folders_or_images(tmp_path):
    layout(tmp_path, "a/x,y/{0}.png", "b/{0}.bmp")
    word = f"pairs:{tmp_path}/a/x,y,{tmp_path}/b"
    assert dataset_words(f"{word},set12") == [word, "set12"]
    are_pairs(known_dataset(word), ["1", "2"])
    assert known_dataset(f"{word}:2").image_names() == ["2"]
    single = known_dataset(f"pairs:{tmp_path}/a/x,y/1.png,{tmp_path}/b/2.bmp")
    (picture,) = pictures(single)
    assert np.array_equal(picture.clean, CLEAN["1"])
    assert np.array_equal(picture.noisy, NOISY["2"])
    with pytest.raises(ValueError, match="expected two folders, or two images"):
        known_dataset(f"pairs:{tmp_path}/a,{tmp_path}/b/2.bmp")
    put(tmp_path / "b" / "3.png", NOISY["1"])
    with pytest.raises(ValueError, match=r"b/3\.png: no partner"):
        known_dataset(word)


def test_a_pair_of_one_file_twice_is_warned_of(tmp_path):
    layout(tmp_path, "clean/{0}.png", "noisy/{0}.png")
    assert from_path(tmp_path).warnings == ()
    put(tmp_path / "noisy" / "2.png", CLEAN["2"])
    assert from_path(tmp_path).warnings == ("the clean and the noisy file of 2 (1 in all) are the same",)


def test_patterns_that_do_not_match(tmp_path):
    layout(tmp_path, "{0}_GT.png", "{0}_N.png")
    put(tmp_path / "3_N.png", NOISY["1"])
    for typed, message in (
        (f"{tmp_path}/{{name}}_GT.png,{tmp_path}/{{name}}_N.png", r"3_N\.png: no partner"),
        (f"{tmp_path}/{{name}}_GT.png,{tmp_path}/{{name}}_M.png", "matches no image file"),
        (f"{tmp_path}/{{name}}_GT.png", "expected two patterns"),
        (str(tmp_path / "gone"), "gone: nothing lies there"),
    ):
        with pytest.raises(ValueError, match=message):
            from_word(f"pairs:{typed}")


@pytest.mark.parametrize("heading", ["", "clean,noisy\n", "Noisy;GT\n"])
def test_pairs_by_a_table(tmp_path, heading):
    layout(tmp_path / "x", "{0}a.png", "far/{0}b.png")
    rows = [("x/1a.png", "x/far/1b.png"), ("x/2a.png", str(tmp_path / "x/far/2b.png"))]
    sign, turn = (";", -1) if ";" in heading else (",", 1)
    (tmp_path / "list.csv").write_text(heading + "".join(f"{sign.join(row[::turn])}\n" for row in rows))
    for word in (str(tmp_path / "list.csv"), f"pairs:{tmp_path / 'list.csv'}"):
        are_pairs(from_word(word), ["1a", "2a"])


def test_several_noisy_images_of_one_clean_one_in_a_table(tmp_path):
    layout(tmp_path, "{0}a.png", "{0}b.png")
    (tmp_path / "list.csv").write_text("1a.png,1b.png\n1a.png,2b.png\n")
    dataset = from_path(tmp_path / "list.csv")
    assert dataset.image_names() == ["1b", "2b"]
    for picture, noisy in zip(pictures(dataset), ("1", "2"), strict=True):
        assert np.array_equal(picture.clean, CLEAN["1"])
        assert np.array_equal(picture.noisy, NOISY[noisy])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1a.png,1b.png,3\n", "line 1 has 3 columns"),
        ("a,b\n1a.png,1b.png\n", "its heading is a, b; expected clean,noisy"),
        ("1a.png,9.png\n", r"there is no '9\.png'"),
        ("1a.png,1b.png\n" * 2, r"two images are named '1b' \(\S*/1b\.png and \S*/1b\.png\)"),
        ("", "the table has no pair"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    layout(tmp_path, "{0}a.png", "{0}b.png")
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        from_path(tmp_path / "list.csv")


def test_stacks_are_paired_page_by_page(tmp_path):
    for side, images in (("clean", CLEAN), ("noisy", NOISY)):
        (tmp_path / side).mkdir()
        first, second = (Image.fromarray(images[name]) for name in "12")
        first.save(tmp_path / side / "s.tif", save_all=True, append_images=[second])
    are_pairs(from_path(tmp_path), ["s-0", "s-1"])
    Image.fromarray(NOISY["1"]).save(tmp_path / "noisy" / "s.tif")
    with pytest.raises(ValueError, match="clean and its noisy file have 1 and 2 pages; expected as many in both"):
        from_path(tmp_path)
