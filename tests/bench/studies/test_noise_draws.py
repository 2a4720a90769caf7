import math

import numpy as np
import pytest
from PIL import Image

from bench.plan.request import Request, plan
from bench.run.settings import Settings
from bench.studies.noise_draws import measure
from datasets.choosing import middle


@pytest.fixture
def flat(tmp_path):
    """Return a folder of two flat images of one size."""
    folder = tmp_path / "flat"
    folder.mkdir()
    for name, level in (("dark", 100), ("light", 150)):
        Image.fromarray(np.full((72, 68), level, np.uint8)).save(folder / f"{name}.png")
    return str(folder)


def test_a_gaussian_filter_has_the_spread_that_theory_gives_it(flat, tmp_path):
    (row,) = measure(Request("gaussian:std=2", flat, "5", "float"), 10, Settings(), tmp_path / "out", side=64)
    # Errors k pixels apart have the correlation exp(-k^2 / (4 std^2)), whose squares add up to 2 pi std^2: as if the
    # image had so many times fewer samples. Ten draws give the root of a variance to 24 %.
    assert row["psnr_ratio"] == pytest.approx(math.sqrt(2 * math.pi) * 2, rel=0.6)
    assert row["psnr_correlation"] == pytest.approx(1, abs=0.001)  # both images have one field
    assert (row["side"], row["images"], row["draws"], row["sigma"], row["channels"]) == (64, 2, 10, 5, 1)
    assert row["protocol"] == "standard+noise_draw=reset+output=float"


def test_the_middle_of_images_is_another_dataset_with_no_published_numbers(flat):
    ((cell,), _) = plan(Request("median", "set12", "25"))
    part = middle(cell.dataset, 64)
    assert (part.ledger, part.noise_name) == (None, "set12")
    assert part.conversion != cell.dataset.conversion
    image = np.arange(70 * 60).reshape(70, 60, 1)
    np.testing.assert_array_equal(part.convert(image), image[3:67])  # of a side of 60 there are 60
