"""A small report, and Chromium that opens it: both are made once for all tests of this folder."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.plan.request import Request, plan
from bench.report import build
from bench.report.figures import charts
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.records import Store
from bench.store.study_files import write_about

HOSTILE = '<b onclick="x">a$_{$b`[/b]</script>'
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TOOLBOX = Path(__file__).parent / "axe" / "axe.min.js"

READ_BACK = "Canvas2D: Multiple readback"
"""The browser's advice when a test reads what the viewer drew."""

FILTER = {"kind": "flat", "y": 3, "x": 4, "sum": 1.0, "radius": 1.0, "weights": [0, 0, 0, 0, 1, 0, 0, 0, 0]}


def _images(folder: Path, names: tuple[str, ...]) -> Path:
    from skimage import data

    folder.mkdir(parents=True)
    for name in names:
        Image.fromarray(getattr(data, name)()[100:148, 100:164]).save(folder / f"{name}.png")
    return folder


def _records(out: Path) -> None:
    """Measure two sets, of which one passes for BSD68, so that there are published numbers; one label is hostile."""
    store = Store(out / "runs")
    photographs = _images(out.parent / "photographs", ("camera", "coins", "moon", "brick"))
    for folder, noises in (
        (photographs, "25,50"),
        (_images(out.parent / "others", ("grass", "gravel", "clock")), "25"),
    ):
        cells, failures = plan(Request("gaussian,median,wavelet", str(folder), noises))
        assert not failures
        for cell in cells:
            record = run_cell(cell, Settings("cpu", jobs=1))
            about = dict(record.provenance)
            if about["label"] == "Median":
                about["label"] = HOSTILE
            if folder != photographs:
                about["dataset"] = about["dataset"] | {"name": "bsd68", "ledger": ["bsd68", "gray"], "title": "BSD68"}
                if cell.method.name == "gaussian":
                    # Of a registered method the registry says what was published.
                    about |= {"method": "", "net": about["net"] | {"published": ["BM3D", ""]}}
            store.put(cell, replace(record, provenance=about))


def _study(out: Path) -> None:
    """Leave what `make explain` leaves: a table, and a filter that a click on the image shows."""
    row = {
        "method": "BF", "dataset": "set", "image": "camera", "degradation": "gaussian:25", "kind": "flat", "y": "3",
        "locally_linear": "yes", "x": "4", "sum_of_weights": "1", "effective_radius": "1", "filter_norm": "1",
        "net_bias_to_residual": "0",
    }  # fmt: skip
    (out / "explain").mkdir()
    (out / "explain" / "one.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
    rows = [{"noise": "gaussian:25", "psnr": 30.0, "noisy": png, "denoised": png, "filters": [FILTER]}]
    filters = {"ask": "make explain METHOD=bf", "image": "camera", "window": [0, 0, 8, 8], "rows": rows}
    write_about(out / "explain" / "one", "Filters", "make explain METHOD=bf-dncnn@0-10", filters=filters)


@pytest.fixture(scope="session")
def build_once() -> Callable[..., Path]:
    """Return `build` with the charts that its first call drew and no figures for papers, which take most of the time.

    They are put in place for the building alone, so that no other test has them.
    """
    draw, kept = charts.make_charts, []

    def drawn(*words):
        kept.extend(() if kept else draw(*words))
        return kept

    def made(out: Path, **how: bool) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(charts, "make_charts", drawn)
            patch.setattr(charts, "paper_figures", lambda *_, **__: [])
            return build.build(out, **how)

    return made


@pytest.fixture(scope="session")
def out(tmp_path_factory, build_once) -> Path:
    """Return an output folder with a report, as `make report` writes it."""
    made = tmp_path_factory.mktemp("a person's") / "results"
    _records(made)
    _study(made)
    build_once(made)
    return made


@pytest.fixture(scope="session")
def alone(out, tmp_path_factory, build_once) -> Path:
    """Return the page of `ONE_FILE=1` in a folder where nothing else is."""
    shutil.copytree(out / "runs", (folder := tmp_path_factory.mktemp("one")) / "runs")
    shutil.copytree(out / "explain", folder / "explain")
    page = build_once(folder, one_file=True)
    return page.rename(tmp_path_factory.mktemp("alone") / "index.html")


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """Return the system's Chromium, headless; it ends with the module, and its event loop with it."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements.txt for playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no browser: apt-get install chromium (one of " + ", ".join(BROWSERS) + ")")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, out):
    """Return a function that opens a page; it fails the test where the page reports an error or asks the network."""
    contexts, faults = [], []

    def open_page(file: Path | None = None, width: int = 1280, theme: str = "light", wait: str = "#theme[data-value]"):
        size = {"width": width, "height": 900}
        context = chromium.new_context(viewport=size, color_scheme=theme, accept_downloads=False)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on(
            "console",
            lambda said: (
                faults.append(said.text)
                if said.type in ("error", "warning") and not said.text.startswith(READ_BACK)
                else None
            ),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda asked: faults.append(f"not there: {asked.url}"))
        page.on(
            "request",
            lambda asked: faults.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None,
        )
        page.on("dialog", lambda asked: faults.append(f"dialog {asked.message}"))
        # What is copied is kept, since a headless browser has no clipboard that a page from disk may read.
        page.add_init_script(
            "window.copied = []; Object.defineProperty(navigator, 'clipboard', "
            "{value: {writeText: async (text) => { window.copied.push(text); }, write: async () => {}}})"
        )
        page.goto((file or out / "report" / "index.html").as_uri())
        page.wait_for_selector(wait)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def until():
    """Return a function that waits until an expression is true; the page's own policy lets nothing else ask twice."""

    def wait(page, expression: str) -> None:
        for _ in range(400):
            if page.evaluate(expression):
                return
            page.wait_for_timeout(25)
        pytest.fail(f"never true: {expression}")

    return wait


@pytest.fixture
def findings():
    """Return a function that gives the serious findings of axe-core on what a page shows now."""

    def of(page, within: str = "") -> list[str]:
        page.evaluate(TOOLBOX.read_text(encoding="utf-8"))
        found = page.evaluate(
            "async (within) => (await window.axe.run(within || document, {resultTypes: ['violations'], "
            "runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})).violations",
            within,
        )
        return [
            f"{one['impact']} {one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    return of


@pytest.fixture
def numbers(out):
    """Return a function: the scores of each image of a method, read from the table `images.csv`, by noise."""
    import pandas as pd

    table = pd.read_csv(out / "report" / "images.csv")

    def of(label: str, noise: str, metric: str = "psnr") -> dict[str, float]:
        rows = table[(table.method == label) & (table.degradation == noise) & (table.dataset != "bsd68")]
        return dict(zip(rows.image, np.asarray(rows[metric], float), strict=True))

    return of
