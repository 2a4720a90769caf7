"""Pages of the documentation: links, what of them is made from the code, and what stands in one place."""

import doctest
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from bench.cli.make import variables
from bench.common.paths import ROOT

_spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pages)

ALL = sorted({
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", *pages.linked(),
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
})  # fmt: skip


def anchors(path):
    """Return the anchors of the headings of a page, as code hosts and mkdocs make them."""
    text = pages.CODE.sub(lambda match: match[0].strip("`") if "\n" not in match[0] else "", (ROOT / path).read_text())
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {"#" + re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", [path for path in ALL if path.endswith(".md")])
def test_every_link_leads_somewhere(page):
    for target, anchor in pages.targets(page):
        assert (ROOT / target).exists(), target
        assert not anchor or anchor in anchors(target), (target, anchor)
    for anchor in re.findall(r"\]\((#[^)]+)\)", (ROOT / page).read_text()):
        assert anchor in anchors(page), anchor


@pytest.mark.parametrize("page", [path for path in ALL if path.endswith(".md")])
def test_a_page_has_one_title(page):
    text = pages.CODE.sub("", (ROOT / page).read_text())
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert text.startswith("# ")


def test_the_site_has_every_page_once_and_what_pages_link_to():
    config = SimpleNamespace(nav=_navigation())
    named = re.findall(r"[\w/-]+\.md", str(pages.on_config(config).nav))
    assert len(set(named)) == len(named)
    made = {f"commands/{name}.md" for name, _ in pages.commands()} | {"commands/index.md"}
    assert set(named) == {pages.place(path) for path in ALL if path.endswith(".md")} | made
    assert [len({pages.place(path) for path in ALL})] == [len(ALL)]


def _navigation():
    """Read the navigation, which has lists in lists, without a package for YAML."""
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = re.findall(r"(?:[\w/-]+/)?[\w-]+\.md", text)
    return [
        {"All": [name for name in named if name != "commands/index.md"]},
        {"Commands": "commands/index.md"},
        {"More": []},
    ]


def test_a_page_of_a_command_says_what_the_program_says():
    named = {name for name, _ in pages.commands()}
    assert {path.stem for path in (ROOT / "docs" / "commands").glob("*.md")} <= named
    for name in named - {"setup"}:
        does, table = pages.command_page(name)
        assert does.endswith(".")
        assert f"make {name}" not in does
        for variable, parameter in variables(name).items():
            assert f"| `{variable}` | {parameter.help or ''} |" in table
    assert "| `METHOD` |" in pages.command_page("bench")[1]
    assert str(ROOT) not in str([pages.command_page(name) for name in named])


def test_the_page_of_variables_has_those_of_bench_and_report():
    text = (ROOT / "docs" / "reference" / "variables.md").read_text()
    for name in variables("bench").keys() | variables("report").keys():
        assert name in re.findall(r"`([A-Z_]+)(?:=[^`]*)?`", text), name


def test_weights_of_our_own_stand_in_the_row_of_their_method():
    text = (ROOT / "docs" / "reference" / "methods.md").read_text()
    rows = [row.split("|") for row in text.splitlines() if "@own-" in row and row.startswith("|")]
    assert rows
    for row in rows:
        for name in re.findall(r"`([\w-]+)@own-", row[3]):
            assert f"`{name}`" in row[1], (name, row[1])


@pytest.mark.parametrize("mark", sorted(pages.TABLES))
def test_a_table_of_the_site_is_used_and_well_formed(mark):
    (page,) = [path for path in ALL if path.endswith(".md") and f"<!-- {mark} -->" in (ROOT / path).read_text()]
    file = SimpleNamespace(file=SimpleNamespace(src_uri=pages.place(page)))
    text = pages.on_page_markdown((ROOT / page).read_text(), file, None, None)
    assert f"<!-- {mark} -->" not in text
    lines = pages.TABLES[mark]().split("\n\n")[0].splitlines()
    assert len(lines) > 4
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_addresses_in_tables_are_links_that_a_narrow_column_may_break():
    for made in (pages.datasets_table(), pages.methods_table()):
        assert "<https://" in made
        assert not re.findall(r"(?<!<)https?://", made)


def test_tables_of_the_same_columns_share_a_row():
    rows = pages.committed_table().splitlines()[2:]
    columns = [row.split(" | ")[1] for row in rows]
    assert len(set(columns)) == len(columns)
    names = [name for row in rows for name in re.findall(r"`([\w/-]+\.csv)`", row.split(" | ")[0])]
    results = ROOT / "results"
    assert sorted(names) == sorted(
        path.relative_to(results).as_posix() for path in (*results.glob("*.csv"), *results.glob("measured/*.csv"))
    )


def test_every_column_of_a_committed_table_is_explained():
    from bench.report.columns import FILE, columns

    text = (ROOT / "docs" / "reference" / "columns.md").read_text() + (ROOT / "results" / "README.md").read_text()
    rows = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    known = {name for row in rows for name in re.findall(r"`([\w ]+)`", row)} | {one.name for one in columns(FILE, [])}
    known |= {f"{kind}_{decimals}_decimals" for kind in ("named", "explanations") for decimals in (2, 5)}
    results = ROOT / "results"
    for path in (*results.glob("*.csv"), *results.glob("measured/*.csv")):
        header = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
        unknown = {name for name in header if not name.startswith("iou ")} - known
        assert unknown <= {"seed", "image", "height", "width"}, path.name  # said above, of `images.csv`


def test_links_of_the_site_are_those_of_the_repository():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="concepts/verdict.md"))
    text = "[a](../../results/README.md#verdicts) [b](protocol.md) [c](../../README.md) ![e](../images/f.png)"
    turned = pages.on_page_markdown(text, page, None, None)
    assert turned == "[a](../results/README.md#verdicts) [b](protocol.md) [c](../index.md) ![e](../images/f.png)"
    assert pages.on_page_markdown("[d](https://x.y/z.md)", page, None, None) == "[d](https://x.y/z.md)"
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    assert pages.on_page_markdown("[a](docs/start.md)", page, None, None) == "[a](start.md)"


def test_examples_of_the_code_of_pages_hold():
    assert doctest.testmod(pages) == (0, 2)


def test_the_readme_is_short():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120


def test_the_site_asks_nothing_of_the_network():
    script = '<script src="https://unpkg.com/iframe-worker/shim"></script>'
    for uri, path in (("index.html", "vendor"), ("results/measured/index.html", "../../vendor")):
        page = SimpleNamespace(file=SimpleNamespace(dest_uri=uri))
        assert pages.on_post_page(script, page, None) == f'<script src="{path}/iframe-worker.js"></script>'
    (said,) = re.findall(r"sha256 (\w+)", (ROOT / "docs" / "vendor" / "README.txt").read_text())
    assert hashlib.sha256((ROOT / "docs" / "vendor" / "iframe-worker.js").read_bytes()).hexdigest() == said


def test_a_click_sorts_a_table_by_what_stands_in_a_column(tmp_path):
    """The script of the site, in Node with a table that has what it asks of one."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    cells = [
        ["BM3D", "27.77"],
        ["DnCNN", "**1,029.01**, 3"],
        ["mean", "-"],
        ["NLM", "−3"],
        ["a2", "5"],
        ["a10", "28.8 dB"],
    ]
    stage = tmp_path / "stage.js"
    stage.write_text(
        f"""
        const made = (text) => ({{ textContent: text }});
        const rows = {json.dumps(cells)}.map((texts) => ({{ cells: texts.map((t) => made(t.replaceAll("*", ""))) }}));
        const body = {{ rows, append: (...all) => {{ body.rows = all; }} }};
        const heads = ["method", "PSNR"].map((text) => ({{
          ...made(text), on: {{}}, classList: {{ add() {{}} }}, sorted: null,
          getAttribute() {{ return this.sorted; }}, setAttribute(_, how) {{ this.sorted = how; }},
          removeAttribute() {{ this.sorted = null; }}, addEventListener(kind, act) {{ this.on[kind] = act; }},
        }}));
        const row = {{ cells: heads }};
        for (const head of heads) head.parentElement = row;
        const table = {{ tBodies: [body], tHead: {{ rows: [row] }} }};
        let start;
        globalThis.document = {{ addEventListener: (_, act) => (start = act), querySelectorAll: () => [table] }};
        {(ROOT / "docs" / "sort.js").read_text(encoding="utf-8")}
        start();
        const first = () => body.rows.map((one) => one.cells[0].textContent);
        const seen = [];
        for (const column of [1, 1, 0]) {{
          heads[column].on.click();
          seen.push([first(), heads.map((head) => head.sorted)]);
        }}
        console.log(JSON.stringify(seen));
        """,
        encoding="utf-8",
    )
    down, up, names = json.loads(subprocess.run([node, stage], capture_output=True, check=True, text=True).stdout)
    assert down == [["DnCNN", "a10", "BM3D", "a2", "NLM", "mean"], [None, "descending"]]
    assert up == [["NLM", "a2", "BM3D", "a10", "DnCNN", "mean"], [None, "ascending"]]
    assert names == [["a2", "a10", "BM3D", "DnCNN", "mean", "NLM"], ["ascending", None]]
