import math

import numpy as np
import pytest
import torch

from bench.train.patches import on_device


def test_patches_begin_at_multiples():
    # Each pixel is its own number, so that a patch says where it began.
    image = np.arange(30 * 43, dtype=np.float32).reshape(30, 43, 1)
    clean = on_device([image], 8, "cpu", align=2).patches(4000, torch.Generator().manual_seed(0), augment=False)
    corner = (clean[:, 0, 0, 0] * 255).round().long()
    rows, columns = corner // 43, corner % 43
    # As many as fit: rows 0 to 22, columns 0 to 35.
    assert rows.unique().tolist() == list(range(0, 23, 2))
    assert columns.unique().tolist() == list(range(0, 36, 2))
    expected = np.arange(0, 36, 2)
    assert float(columns.double().mean()) == pytest.approx(expected.mean(), abs=4 * expected.std() / math.sqrt(4000))


def test_upright_patches_are_mirrored():
    image = (
        np.tile(np.arange(16, dtype=np.uint8), (16, 1))[:, :, None] + 16 * np.arange(16, dtype=np.uint8)[:, None, None]
    )
    stock = on_device([image], 4, "cpu", mirror=True)
    drawn = (stock.patches(400, torch.Generator().manual_seed(0), augment=False) * 255).round()
    steps = (drawn[:, 0, 0, 1] - drawn[:, 0, 0, 0]).tolist()
    assert set(steps) == {1.0, -1.0}
    assert 150 < steps.count(1.0) < 250
    assert set((drawn[:, 0, 1, 0] - drawn[:, 0, 0, 0]).tolist()) == {16.0}  # never upside down
