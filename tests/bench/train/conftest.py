"""Fixtures: small photographs, and a training of a few steps."""

import json

import pytest
from PIL import Image
from skimage import data

from bench.train.trainer import train_and_store


@pytest.fixture
def crops(tmp_path):
    """Return folders of crops of photographs, gray and colour."""
    folders = {}
    for name, image in (("gray", data.camera()), ("rgb", data.astronaut())):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for i in range(2):
            Image.fromarray(image[100 * i : 100 * i + 41, 200:250]).save(folders[name] / f"{i}.png")
    return folders


@pytest.fixture
def built(tmp_path):
    """Return a function that trains, and returns the record and the lines that were said."""

    def build(recipe, **how):
        lines = list(train_and_store(recipe, tmp_path / "out", to=tmp_path / "w", device="cpu", threads=1, **how))
        return json.loads((tmp_path / "w" / lines[-2].rpartition("record: ")[2]).read_text()), lines

    return build
