"""Weights of our own that come with the repository: whole, and recorded."""

import json
from pathlib import Path

from bench.train.record import recorded_recipe

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "methods" / "weights"

MISSION = {"dncnn", "dncnn-b", "bf-dncnn", "biased-dncnn", "msbf-resnet", "rdn-small", "dae", "dae-stacked", "cnn-dae",
           "mwrcanet", "mwresnet", "ding-liu"}  # fmt: skip


def test_every_learned_method_of_the_mission_has_weights_with_their_record():
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(WEIGHTS.glob("*.json"))]
    assert {record["method"] for record in records} >= MISSION
    for record in records:
        assert (WEIGHTS / record["weights"]).is_file()
        assert record["steps"] > 0
        assert record["seconds"] > 0
        assert record["device"]
        if "within" not in record:
            assert recorded_recipe(record).method == record["method"]
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 60e6
