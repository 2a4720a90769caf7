"""A method, a dataset, a metric, a noise and a protocol are added to a copy by the very lines of the documentation."""

import ast
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "contributing.md"


def put(root: Path, text: str) -> None:
    """Put a block where its first line says."""
    head, _, body = text.partition("\n")
    if found := re.fullmatch(r"# (methods/\w+\.py)", head):
        (root / found[1]).write_text(body)
        return
    where, name, file = re.fullmatch(r"# (at the end of|before|in)(?: (\w+) in)? (\S+)", head).groups()
    path = root / file
    old = path.read_text()
    if where == "at the end of":
        path.write_text(f"{old}\n\n{body}")
        return
    node = next(
        node for node in ast.parse(old).body if isinstance(node, ast.Assign | ast.AnnAssign)
        and ast.unparse(getattr(node, "target", None) or node.targets[0]) == name
    )  # fmt: skip
    lines = old.splitlines(keepends=True)
    before, own, after = (
        "".join(part)
        for part in (lines[: node.lineno - 1], lines[node.lineno - 1 : node.end_lineno], lines[node.end_lineno :])
    )
    if where == "in":
        entries = re.sub(r"[\s)}\]]*$", "", own)
        own = f"{entries}{'' if entries.endswith(',') else ','}\n{body.rstrip()},{own[len(entries) :]}"
    path.write_text(before + ("" if where == "in" else f"{body}\n\n") + own + after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of the project to which all was added, and a mirror with the images of the dataset."""
    folder = tmp_path_factory.mktemp("joined")
    leave = shutil.ignore_patterns("__pycache__", "weights", "runs", "measured")
    for name in ("bench", "methods", "datasets", "results"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    (folder / "methods" / "weights").mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        if text.startswith("# "):
            put(folder, text)
        else:
            assert language == "python"
            listing = text
    images = folder / "mirror" / "data" / "Pond"
    images.mkdir(parents=True)
    for name in ("a", "b"):
        Image.fromarray(np.random.default_rng(0).integers(60, 190, (32, 40), np.uint8)).save(images / f"{name}.png")
    (folder / "Pond").symlink_to(images)
    exec(
        compile(
            listing.replace('"datasets/', f'"{folder}/datasets/').replace('Path("Pond")', f'Path("{folder}/Pond")'),
            "listing",
            "exec",
        ),
        {},
    )
    return folder


def test_all_that_the_page_adds_is_measured_and_judged_as_all_else(copy):
    command = [
        sys.executable, "-m", "bench", "bench", "METHOD=box,gaussian", "DATA=pond", "NOISE=laplace:25", "JOBS=1",
        "PROTOCOL=unrounded", "TABLE=table.csv", "OUT=out", "BACKEND=torch",
    ]  # fmt: skip
    environment = os.environ | {"BENCH_MIRROR": str(copy / "mirror"), "BENCH_CACHE": str(copy / "cache")}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (copy / "table.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    row = rows["Box 3x3"]
    assert (row["dataset"], row["degradation"], row["protocol"]) == ("pond", "laplace:25", "unrounded")
    # Laplace noise of deviation s has a mean absolute value of s / sqrt(2); clipping takes hardly anything here.
    assert float(row["noisy_mse"]) == pytest.approx(25**2, rel=0.15)
    assert float(row["noisy_mae"]) == pytest.approx(25 / 2**0.5, rel=0.1)
    assert 0 < float(row["mae"]) < float(row["mse"]) ** 0.5
    assert row["mae_deviation"] == ""
    assert "MAE" in done.stdout
