import re

import pytest
import torch
from PIL import Image
from skimage import data as photographs

from bench.cli.app import main
from bench.common.errors import BenchError
from bench.train.data import read_training_data
from bench.train.overrides import recipe_for
from bench.train.trainer import train_and_store
from bench.train.validation import held_out_numbers

SMALL = "patch=16,batch=2,depth=3,features=4,held_out=1"


def test_held_out_images_of_a_range_have_a_level_each(crops):
    for i in range(2, 24):
        Image.open(crops["gray"] / "0.png").save(crops["gray"] / f"{i}.png")
    short = recipe_for("dncnn", str(crops["gray"]), "gaussian:0-55", f"{SMALL},held_out=6")
    first, again = (read_training_data(short, "cpu").held_out for _ in range(2))
    sigmas = [float((noisy - clean).std()) * 255 for clean, noisy in first]
    assert all(0 <= sigma <= 58 for sigma in sigmas)  # 55, and four standard errors of 2050 samples
    assert max(sigmas) - min(sigmas) > 5
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))


def test_align_and_mirror_reach_the_patches(crops):
    images = read_training_data(
        recipe_for("dncnn", str(crops["gray"]), "", f"{SMALL},align=2,mirror=true"), "cpu"
    ).images
    assert (images.align, images.mirror) == (2, True)


@pytest.mark.parametrize(
    ("name", "images", "said"),
    [
        ("dncnn-small", "rgb", "has colour images, which the network of recipe dncnn-small does not take"),
        ("cdncnn-b-small", "gray", "the recipe for gray, or CHANGE=channels=1"),
        ("dncnn-small", "gray,rgb", "has gray and colour images; train on one kind"),
    ],
)
def test_images_that_a_network_does_not_take(name, images, said, crops, tmp_path):
    folders = ",".join(str(crops[colour]) for colour in images.split(","))
    short = recipe_for(name, folders, "", "steps=2,batch=2,patch=16,held_out=1", "")
    with pytest.raises(BenchError, match=said) as caught:
        list(train_and_store(short, tmp_path / "out", to=tmp_path, device="cpu", threads=1))
    assert "\n" not in str(caught.value)


def saved(folder, *images):
    folder.mkdir()
    for i, image in enumerate(images):
        image.save(folder / f"{i}.png")
    return folder


GRAY, COLOUR = (Image.fromarray(image[:40, :50]) for image in (photographs.camera(), photographs.astronaut()))

GLASS = Image.merge("RGBA", [*COLOUR.split(), GRAY])


@pytest.mark.parametrize(
    ("images", "cause"),
    [
        ([], "the folder has no image; expected PNG, TIFF, JPEG, BMP"),
        ([GRAY], "has 1 image; expected two or more"),
        ([GLASS] * 2, r"0\.png: its alpha channel makes a part of it transparent"),
        ([COLOUR.convert("P")] * 2, "has colour images, which the network"),
        ([GRAY, COLOUR, GRAY], "put gray and colour images in two folders"),
        ([GRAY.resize((9, 9))] * 3, "no image is as large as a patch of 16x16 pixels; give CHANGE=patch="),
    ],
)
def test_a_folder_that_cannot_be_trained_on(images, cause, tmp_path, capsys):
    folder = saved(tmp_path / "images", *images)
    words = ["train", "--method", "dncnn-small", "--data", str(folder), "--set", "steps=1 patch=16", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "out"), "--to", str(tmp_path / "w")]) == 2
    error = capsys.readouterr().err
    assert re.search(cause, error)
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.safetensors"))


def test_held_out_images_smaller_than_what_the_network_takes(tmp_path):
    folder = saved(tmp_path / "images", COLOUR, COLOUR.resize((3, 3)), COLOUR)
    short = recipe_for("ding-liu-small", str(folder), "", "steps=1,batch=1,patch=16,features=2,held_out=1")
    with pytest.raises(BenchError, match=r"a held-out image of .* is smaller than 4 pixels"):
        list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))


@pytest.mark.parametrize(
    ("name", "colour", "cause"),
    [
        ("ding-liu-small", "rgb", "patch is 18; the network takes multiples of 4, as CHANGE=patch=20"),
        ("mwrcanet-raw-small", "rgb", "patch is 18; the network takes multiples of 8, as CHANGE=patch=24"),
        ("cnn-dae", "gray", "patch is 18; the network takes multiples of 4, as CHANGE=patch=20"),
    ],
)
def test_patches_that_the_network_does_not_take(name, colour, cause, crops, tmp_path):
    short = recipe_for(name, str(crops[colour]), "", "patch=18,steps=1,batch=1")
    with pytest.raises(BenchError, match=cause):
        list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))


def test_a_method_that_is_not_registered(crops, tmp_path):
    short = recipe_for("dncnn", str(crops["gray"]), "", f"{SMALL},steps=1,method=dncn")
    with pytest.raises(BenchError, match="unknown method in recipe dncnn-s: 'dncn': did you mean dncnn"):
        list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        # It was measured under the name of the network that was trained for it.
        ("dncnn", f"{SMALL},method=bm3d", "METHOD=bm3d would not load what is trained .*takes no weights"),
        ("dncnn", f"{SMALL},method=rdn", "METHOD=rdn would not load what is trained .*not an RDN"),
        ("dncnn", f"{SMALL},method=dncnn@own-small", "unknown method"),
        ("msbf-resnet-small", "block=gated,patch=16", "its blocks are gated: use METHOD=msbf-gated"),
    ],
)
def test_a_method_that_would_not_load_what_is_trained(name, change, cause, crops, tmp_path):
    """The training ended, and then its weights were of no use."""
    colour = "rgb" if "msbf" in name else "gray"
    short = recipe_for(name, str(crops[colour]), "", f"{change},steps=1,batch=1")
    with pytest.raises(BenchError, match=cause):
        list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))
    assert not list((tmp_path / "w").glob("*"))


def test_a_method_without_a_recipe_of_its_own_takes_what_it_loads(crops, tmp_path):
    """Its shipped weights were made so, and their records could not be made again."""
    short = recipe_for(
        "msbf-resnet-small", str(crops["rgb"]), "", "block=gated,method=msbf-gated,steps=1,batch=1,patch=16"
    )
    list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))
    assert [path.name.partition("@")[0] for path in (tmp_path / "w").glob("*.json")] == ["msbf-gated"]


@pytest.mark.parametrize("name", ["../x", "a/b", "a,b", "a b", "a@b", "a;b", "\u202ea", "a\n", "a\x00"])
def test_a_name_that_method_could_not_take(crops, tmp_path, name):
    short = recipe_for("dncnn", str(crops["gray"]), "", f"{SMALL},steps=1", variant=name)
    with pytest.raises(BenchError, match="expected letters, digits and"):
        list(train_and_store(short, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1))
    assert not (tmp_path / "w").exists()


def test_more_held_out_than_there_are(crops):
    with pytest.raises(BenchError, match=r"CHANGE=held_out=2: folder gray has 2 images; expected fewer"):
        recipe_for("dncnn-small", str(crops["gray"]), "", "held_out=2")


def test_few_images(crops, tmp_path):
    assert [len(held_out_numbers(8, of)) for of in (2, 7, 8, 31, 32, 400)] == [1, 1, 2, 7, 8, 8]
    short = recipe_for(
        "dncnn-small", str(crops["gray"]), "", "steps=2,batch=2,patch=16", ""
    )  # two images, 8 to hold out
    assert list(train_and_store(short, tmp_path / "out", to=tmp_path, device="cpu", threads=1))
    (crops["gray"] / "0.png").unlink()
    with pytest.raises(BenchError, match="has 1 image; expected two or more"):
        list(train_and_store(short, tmp_path / "out", to=tmp_path, device="cpu", threads=1))
