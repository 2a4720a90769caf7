"""An image that cannot be read or is too small fails alone, is named, and is missed in no table."""

import numpy as np
import pytest
from PIL import Image

from bench.common.errors import BenchError
from bench.judge.verdict import judge
from bench.plan.request import Request, plan
from bench.report.columns import FILE, TERMINAL, columns, entry
from bench.report.leaderboard import leaderboards, to_markdown
from bench.report.page.html import html
from bench.report.page.pictures import pictures
from bench.run.campaign import run_campaign
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.results import Result, gather

CPU = Settings("cpu", jobs=1)


def add(folder, name, pixels):
    Image.fromarray(pixels.squeeze()).save(folder / f"{name}.png")


@pytest.fixture
def damaged(photographs):
    """The two photographs, and four images of which each fails in its own way."""
    content = (photographs / "coins.png").read_bytes()
    (photographs / "a-cut.png").write_bytes(content[: len(content) // 2])
    (photographs / "b-empty.png").write_bytes(b"")
    add(photographs, "c-tiny", np.full((7, 5), 90, np.uint8))
    add(photographs, "d-colour", np.zeros((20, 20, 3), np.uint8))
    return photographs


@pytest.mark.parametrize("method", ["median", "dncnn-like"])
def test_images_that_fail_alone(damaged, one_cell, method_file, method, tmp_path):
    if method == "dncnn-like":
        method = method_file("from torch.nn.functional import avg_pool2d\ndef denoise(noisy, sigma):\n"
                             "    return avg_pool2d(noisy, 9, stride=1)[..., :1, :1] + noisy\n")  # fmt: skip
    record = run_cell(one_cell(str(method), damaged), CPU)
    assert [row["image"] for row in record.images] == ["camera", "coins"]
    for row in record.images:
        assert row["noisy_psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.3)
    failed = record.provenance["failed_images"]
    assert {name: cause.split(":")[0] for name, cause in failed.items()}.keys() == {
        "a-cut", "b-empty", "c-tiny", "d-colour",
    }  # fmt: skip
    for name, text in (
        ("a-cut", "cannot be read to its end"),
        ("b-empty", "no readable image"),
        ("d-colour", "d-colour.png is rgb and the images before it are gray"),
    ):
        assert text in failed[name]
        assert "\n" not in failed[name]
    assert ("11x11 pixels, got 7x5" if method == "median" else "image c-tiny: raised RuntimeError") in failed["c-tiny"]
    (warning,) = (line for line in record.provenance["warnings"] if "images; failed" in line)
    assert warning.startswith("2 of 6 images; failed: ")


def test_tables_say_of_how_many_images_a_mean_is(damaged, one_cell):
    cell = one_cell("median", damaged)
    result = Result((run_cell(cell, CPU),))
    row = entry(result)
    for output in (FILE, TERMINAL):
        (column,) = (c for c in columns(output, [row]) if c.name == "images")
        assert column.value(row) == "2 of 6"
    assert "| 2 of 6 |" in to_markdown(leaderboards([result]))
    assert result.images("psnr").keys() == {"camera", "coins"}
    whole = Result((run_cell(one_cell("median", f"{damaged}:coins,camera"), CPU),))
    assert whole.counted == 2
    assert "images" not in {c.name for c in columns(TERMINAL, [entry(whole)])}
    assert whole.mean("psnr") == result.mean("psnr")


def test_some_images_are_not_compared_with_all(damaged, one_cell):
    record = run_cell(one_cell("median", f"{damaged}:coins,a-cut"), CPU)
    record.provenance["net"]["published"] = one_cell("bm3d", "builtin").net.published
    record.provenance["dataset"]["ledger"] = ["set12", "gray"]
    verdict = judge(Result((record,)))
    assert verdict.word == "not comparable"
    assert "1 of 2 images" in verdict.reason


def test_all_images_failing_is_a_failed_cell(photographs, one_cell):
    for path in photographs.iterdir():
        path.unlink()
    for name in "ab":
        add(photographs, name, np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match="SSIM needs images of at least 11x11 pixels, got 3x3"):
        run_cell(one_cell("median", photographs), CPU)


def test_what_fails_with_large_images_is_the_methods_fault(photographs, one_cell, method_file):
    add(photographs, "large", np.zeros((64, 64), np.uint8))
    broken = method_file("def denoise(noisy, sigma):\n    if noisy.shape[-2] > 60:\n        raise ValueError('no')\n"
                         "    return noisy\n")  # fmt: skip
    with pytest.raises(BenchError, match="large"):
        run_cell(one_cell(str(broken), photographs), CPU)


def test_a_mended_image_is_measured(damaged, tmp_path):
    def run():
        cells, failures = plan(Request("median", str(damaged)))
        return run_campaign(cells, Store(tmp_path / "runs"), CPU, failures=failures)

    first = run()
    assert not first.failures
    add(damaged, "a-cut", np.full((20, 20), 90, np.uint8))
    assert len(run().records()[0].images) == 3
    cells, _ = plan(Request("nlm", str(damaged)))
    again = run_campaign(cells, Store(tmp_path / "runs"), CPU)
    assert len(gather(again.records())[0].records) == 1
    boards = leaderboards(gather(again.records()))
    assert "3 of 6" in html(boards, (), pictures(Store(tmp_path / "runs"), boards, 0, tmp_path), ())
