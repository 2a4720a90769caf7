"""Who may import whom: read from the code, imports within functions and for types included."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    "common", "degradation", "adapters", "plan", "score", "store", "run", "judge", "report", "studies", "train", "cli",
)  # fmt: skip
"""Rooms of `bench/`, low to high: a room imports those before it and itself."""


def modules() -> dict[str, Path]:
    files = (path for package in ("bench", "methods", "datasets") for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the project that a file imports; `from package import name` may mean a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if (found := full if full in known else node.module) in known:
                    yield found


KNOWN = modules()
EDGES = sorted({(name, other) for name, path in KNOWN.items() for other in imports(path, KNOWN)})


def expect_none(wrong: Iterable[str]) -> None:
    if text := "\n".join(wrong):
        pytest.fail(f"imports that must go:\n{text}", pytrace=False)


def test_rooms_import_downwards():
    inside = [(a, b) for a, b in EDGES if a.startswith("bench.") and b.startswith("bench.") and a != "bench.__main__"]
    room = {name: ROOMS.index(name.split(".")[1]) for edge in inside for name in edge}
    expect_none(f"{a} -> {b}" for a, b in inside if room[b] > room[a])


def test_methods_and_datasets_know_nothing_of_others():
    across = [(a, b) for a, b in EDGES if not a.startswith("bench") and a.split(".")[0] != b.split(".")[0]]
    expect_none(f"{a} -> {b}" for a, b in across if b != "bench.common.matlab5")


def test_no_import_goes_round():
    groups = nx.strongly_connected_components(nx.DiGraph(EDGES))
    expect_none(" <-> ".join(sorted(group)) for group in groups if len(group) > 1)


def test_every_module_has_a_room():
    assert sorted(path.name for path in (ROOT / "bench").glob("*.py")) == ["__init__.py", "__main__.py"]
    assert {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")} == set(ROOMS)
