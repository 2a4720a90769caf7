"""Weights of our own that come with the repository: whole, recorded, and as good as the committed tables say."""

import csv
import json
from pathlib import Path

import pytest

from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.results import gather
from bench.train.names import recipe_of

ROOT = Path(__file__).resolve().parents[2]
MEASURED, WEIGHTS = ROOT / "results" / "measured", ROOT / "methods" / "weights"

MISSION = {"dncnn", "dncnn-b", "bf-dncnn", "biased-dncnn", "msbf-resnet", "rdn-small", "dae", "dae-stacked", "cnn-dae",
           "mwrcanet", "mwresnet", "ding-liu"}  # fmt: skip


def table(name: str) -> dict[tuple[str, str, str], float]:
    with (MEASURED / name).open(encoding="utf-8") as file:
        return {(row["net"], row["dataset"], row["degradation"]): float(row["psnr"]) for row in csv.DictReader(file)}


def test_every_learned_method_of_the_mission_has_weights_with_their_record():
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(WEIGHTS.glob("*.json"))]
    assert {record["method"] for record in records} >= MISSION
    for record in records:
        assert (WEIGHTS / record["weights"]).is_file()
        assert record["steps"] > 0
        assert record["seconds"] > 0
        assert record["device"]
        if "within" not in record:
            assert recipe_of(record).method == record["method"]
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 60e6


def test_what_the_tables_say_of_the_small_nets():
    small, bm3d = table("own-small.csv"), table("bm3d-bsd68.csv")
    dncnn = small["dncnn@own-small-25", "bsd68", "gaussian:25"]
    assert dncnn > bm3d["bm3d", "bsd68", "gaussian:25"]
    for net, dataset in (
        ("dncnn@own-small-25", "set12"),
        ("dncnn-b@own-small-gaussian-0-55", "bsd68"),
        ("dncnn-b@own-colour-small-gaussian-0-55", "cbsd68"),
        ("msbf-resnet@own-short-gaussian-1-40", "cbsd68"),
    ):
        assert small[net, dataset, "gaussian:25"] > small["nlm", dataset, "gaussian:25"]


def test_without_biases_small_nets_go_on_beyond_their_range():
    found = table("bias-free-small-set12.csv")
    for top in (10, 30, 55):
        free, biased = (f"{kind}-dncnn@own-small-0-{top}-gaussian-0-{top}" for kind in ("bf", "biased"))
        inside = f"gaussian:{top}"
        assert abs(found[free, "set12", inside] - found[biased, "set12", inside]) < 0.2
        assert found[free, "set12", "gaussian:100"] > found[biased, "set12", "gaussian:100"] + 3


@pytest.mark.usefixtures("published_files")
@pytest.mark.parametrize(
    ("name", "method", "noise", "protocol"),
    [
        ("own-small.csv", "dncnn@own-small", "25", "standard"),
        ("bias-free-small-set12.csv", "bf-dncnn@own-small-0-10", "55", "float"),
        ("bias-free-small-set12.csv", "biased-dncnn@own-small-0-10", "55", "float"),
    ],
)
def test_the_tables_are_measured_again(name, method, noise, protocol):
    (cell,), failures = plan(Request(method, "set12", noise, protocol))
    assert not failures
    (result,) = gather([run_cell(cell, Settings())])
    assert result.mean("psnr") == pytest.approx(table(name)[cell.net.id, "set12", f"gaussian:{noise}"], abs=0.005)
