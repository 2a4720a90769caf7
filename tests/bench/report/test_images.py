from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from skimage import data

from bench.common.errors import BenchError
from bench.plan.request import Request, plan
from bench.report.images import board_images, chosen
from bench.report.leaderboard import leaderboards
from bench.run.engine import run_all
from bench.run.settings import Settings
from bench.store.parquet import decoded, encoded, pixels
from bench.store.records import Store
from bench.store.results import gather


@pytest.fixture
def runs(tmp_path):
    """Return a store of two filters on four images of rising noise of their own, so that the last is the hardest."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, strength in enumerate((0, 10, 30, 60)):
        texture = np.random.default_rng(i).normal(data.camera()[100:120, 200 : 230 + i], strength)
        Image.fromarray(texture.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
    cells, _ = plan(Request("gaussian,median", str(folder), "25"))
    store = Store(tmp_path / "runs")
    for cell, record in run_all(cells, Settings("cpu", jobs=1)):
        store.put(cell, record)
    return store


def board_of(store):
    (board,) = leaderboards(gather(store.scores()))
    return board


def test_images_are_those_that_were_scored(runs, tmp_path):
    board = board_of(runs)
    shown = board_images(runs, [board], 0)[board.anchor]
    assert isinstance(shown, Iterator)
    shown = list(shown)
    assert [image.name for image in shown] == ["0", "1", "2", "3"]
    for image in shown:
        file = np.array(Image.open(tmp_path / "photographs" / f"{image.name}.png"))
        assert np.array_equal(image.clean[..., 0], file)
        # 600 pixels and more: the deviation of 25 is known to 2.9 %, twice over.
        assert np.std(image.noisy[..., 0] - file) == pytest.approx(25, rel=0.12)
        assert image.noisy.max() > 255 or image.noisy.min() < 0 or image.name != "3"  # not clipped
        for entry, output in zip(board.entries, image.outputs, strict=True):
            mse = np.mean((output.astype(float) - image.clean) ** 2)
            assert entry.result.images("mse")[image.name] == pytest.approx(mse, abs=1e-9)


def test_few_images_are_spread_from_the_hardest_to_the_easiest(runs):
    board = board_of(runs)
    assert chosen(board, 0) == ["3", "2", "1", "0"]
    assert chosen(board, 2) == ["3", "0"]
    assert chosen(board, 1) == ["3"]
    assert [image.name for image in board_images(runs, [board], 2)[board.anchor]] == ["0", "3"]


def test_a_record_of_another_order_has_the_same_pixels(runs):
    board = board_of(runs)
    before = [image.outputs for image in board_images(runs, [board], 0)[board.anchor]]
    path = runs.paths()[0]
    rows, about = decoded(path)
    path.write_bytes(encoded([rows[place] for place in (2, 0, 3, 1)], about))
    after = [image.outputs for image in board_images(runs, [board], 0)[board.anchor]]
    for ones, others in zip(before, after, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ones, others, strict=True))


def test_images_that_are_gone_are_left_out(runs, tmp_path):
    board = board_of(runs)
    (tmp_path / "photographs" / "2.png").unlink()
    assert list(board_images(runs, [board], 0)[board.anchor]) == []


def test_pixels_that_cannot_be_read_are_one_line(runs):
    board = board_of(runs)
    path = runs.paths()[1]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BenchError, match=r"record .*\.parquet: cannot be read .*; delete it and its cell runs again"):
        list(board_images(runs, [board], 0)[board.anchor])


def test_large_images_are_read_one_at_a_time(tmp_path):
    import pyarrow as pa

    path = tmp_path / "large.parquet"
    draw = np.random.default_rng(0)
    path.write_bytes(encoded([{"image": str(i), "denoised": draw.bytes(8_000_000)} for i in range(6)], {}))
    begin, most = pa.total_allocated_bytes(), 0
    for i, (name, content) in enumerate(pixels(path)):
        assert (name, len(content)) == (str(i), 8_000_000)
        most = max(most, pa.total_allocated_bytes() - begin)
    assert most < 3.5 * 8_000_000  # the image, its page and the one before
