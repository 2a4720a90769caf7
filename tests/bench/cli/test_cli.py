"""The program as a person runs it."""

import csv
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datasets
import methods
from bench.cli import make, options
from bench.cli.app import main
from bench.degradation import degrade, parse
from bench.plan.request import Request, plan
from bench.run.forecast import forecasts
from bench.run.settings import Settings
from bench.store.records import Store, read
from methods import trained_here

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ran:
    """What a run of the program left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def bench(capsys):
    """Return a function that runs the program in this process."""

    def run(*words, out=None):
        status = main([*map(str, words), *(["--out", str(out)] if out else [])])
        return Ran(status, *capsys.readouterr())

    return run


def test_run_report_and_run_again(bench, tmp_path, photographs):
    words = ("run", "--method", "wavelet,nlm", "--data", photographs, "--noise", "15,25", "--table", tmp_path / "t.csv")
    first = bench(*words, out=tmp_path)
    assert first.returncode == 0, first.stderr
    assert re.search(r"Wavelet\s+folder photographs\s+25\s+2\d\.\d\d", first.stdout)
    assert "protocol standard" in first.stdout
    again = bench(*words, out=tmp_path)
    assert "4 of 4 cells are finished already" in again.stdout
    assert first.stdout[first.stdout.index("Method") :] == again.stdout[again.stdout.index("Method") :]
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [row["method"] for row in rows[:2]] == ["NLM", "Wavelet"]
    assert 20 < float(rows[0]["psnr"]) < 40

    page = bench("report", out=tmp_path)
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "report" / "index.html").exists()


def test_tables_never_mix_protocols(bench, tmp_path, photographs):
    done = bench("run", "--method", "wavelet", "--data", photographs, "--protocol", "standard,clipped", out=tmp_path)
    first, second = done.stdout.split("Method ")[1:]
    assert "protocol standard;" in first
    assert "protocol clipped;" in second
    assert first.count("Wavelet  folder") == second.count("Wavelet  folder") == 1


def test_a_finished_run_imports_nothing_heavy(bench, tmp_path, photographs):
    words = ["run", "--method", "wavelet", "--data", str(photographs), "--jobs", "1", "--out", str(tmp_path)]
    assert bench(*words).returncode == 0
    heavy = ("torch", "matplotlib", "seaborn", "scipy", "skimage", "bm3d", "pandas", "onnxruntime")
    script = (
        f"import sys\nfrom bench.cli.app import main\nmain({words!r})\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_ends_with_the_status_of_the_program(tmp_path):
    command = [sys.executable, "-m", "bench", "report", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_what_options_leave_unsaid_is_what_a_request_leaves_unsaid():
    assert Request() == Request(method=options.METHODS, data="builtin", seed="0", ensemble="1", precision="fp32")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run", "--method", "dncnnn"), "unknown method 'dncnnn': did you mean dncnn"),
        (("run", "--data", "no-such"), "unknown dataset 'no-such'"),
        (("run", "--engine", "slurm"), "unknown engine 'slurm': known: dask, loky, serial"),
        (("run", "--backend", "onnx"), "unknown backend 'onnx': did you mean onnxruntime"),
        (("run", "--device", "gpu"), "DEVICE=gpu: expected auto, cpu, cuda or cuda:N"),
        (("run", "--method", "median", "--data", "builtin", "--output", "residual"), "OUTPUT=residual says what"),
        (("run", "--method", "wavelet,median", "--data", "builtin", "--output", "255"), "of METHOD=wavelet,median is"),
        (("run", "--method", "dncnn", "--data", "builtin", "--sigma", "30"), "none of METHOD=dncnn is told sigma"),
        (("list", "method"), "unknown list 'method': did you mean methods"),
        (("report",), "no finished cell; run make bench first"),
        (("run", "--tile", "x"), "TILE=x: expected a whole number"),
        (("run", "--jobs", "-1"), "JOBS: Input should be greater than or equal to 0"),
        (("run", "--noize", "25"), "No such option: --noize"),
        (("runn",), "No such command 'runn'"),
        (("conform", "--weights", "x.pth"), "WEIGHTS=x.pth: expected METHOD too"),
        (("run", "--out", ROOT / "Makefile"), "OUT:"),
        (("run", "--table", ROOT / "results"), "TABLE:"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(bench, tmp_path, words, line):
    done = bench(*words, out=tmp_path if words[0] in ("run", "report") and "--out" not in words else None)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_failed_cell_is_recorded_and_the_others_go_on(bench, tmp_path, photographs, method_file):
    bad = method_file("def denoise(noisy, sigma):\n    raise ValueError('no')\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = bench("run", "--method", f"{bad},wavelet", "--data", f"{photographs},{empty}", out=tmp_path)
    assert done.returncode == 1
    assert "raised ValueError: no" in done.stderr
    assert "the folder has no image" in done.stderr
    assert "Wavelet" in done.stdout
    causes = [path.read_text() for path in (tmp_path / "runs" / "failed").glob("*.json")]
    assert len(causes) == 2
    page = bench("report", out=tmp_path)
    assert page.returncode == 0
    assert "raised ValueError: no" in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("command", "place", "line"),
    [
        (
            "conform",
            "bench.studies.conform.study.conform",
            "interrupted: nothing is kept; the same command begins anew",
        ),
        ("run", "bench.plan.request.planned", "interrupted: what is finished is kept, and the same command goes on"),
    ],
)
def test_an_interruption_says_what_is_kept(bench, monkeypatch, command, place, line):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    done = bench(command, "--method", "median")
    assert done.returncode == 130
    assert done.stderr.startswith(line)


def test_names_that_are_no_utf8_go_all_the_way(bench, tmp_path, photographs):
    """The bytes of another system's names: in records, tables, labels, saved files, the page; told apart by them."""
    folder, odd = tmp_path / os.fsdecode(b"b\xfcro"), os.fsdecode(b"caf\xe9")
    try:
        photographs.rename(folder)
        (folder / "coins.png").rename(folder / f"{odd}.png")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    method = tmp_path / f"{odd}.py"
    method.write_text("def denoise(noisy, sigma):\n    return noisy\n")
    save, table = tmp_path / "saved", tmp_path / "t.csv"
    words = ("run", "--data", folder, "--method", method, "--protocol", "clipped", "--table", table)
    done = bench(*words, "--save", save, out=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(table.open(encoding="utf-8"))
    assert (row["method"], row["dataset"]) == ("caf\\xe9", "folder b\\xfcro")
    # What returns its input has the PSNR of the noisy image, whose noise has the name of its image.
    clean = {"camera": "camera", "caf\\xe9": odd}
    errors = []
    for name, file in clean.items():
        pixels = np.asarray(Image.open(folder / f"{file}.png"))[..., None]
        noisy = degrade(pixels, parse("25"), dataset="folder b\\xfcro", image=name, seed=0, noisy="uint8").noisy
        errors.append(10 * math.log10(1 / np.mean((noisy - pixels / 255.0) ** 2)))
    assert float(row["psnr"]) == pytest.approx(sum(errors) / 2, abs=1e-3)
    read_back = re.search('METHOD="(.*)"', done.stdout)[1]
    again = bench(
        "run", "--data", folder, "--method", read_back, "--protocol", "clipped", "--table", table, out=tmp_path
    )
    assert again.returncode == 0, again.stderr
    assert next(csv.DictReader(table.open(encoding="utf-8")))["psnr"] == row["psnr"]
    given = tmp_path / "given"
    given.mkdir()
    for file in clean.values():
        (given / f"{file}.png").write_bytes((folder / f"{file}.png").read_bytes())
    assert bench("run", "--data", folder, "--method", f"outputs:{given}", out=tmp_path).returncode == 0
    assert bench("report", out=tmp_path).returncode == 0
    assert "caf\\xe9" in (tmp_path / "report" / "leaderboard.csv").read_text()


def test_offline_without_mirror_says_what_to_do(bench, tmp_path, monkeypatch):
    nowhere = "http://127.0.0.1:9"  # a proxy that is not there: offline on any machine
    monkeypatch.setenv("HTTPS_PROXY", nowhere)
    done = bench("run", "--method", "wavelet", "--data", "mcmaster", out=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    for part in ("dataset mcmaster", "McMaster", "https://", "BENCH_MIRROR", "DATA=builtin"):
        assert part in line


def test_a_bad_training_record_is_one_line_of_warning(bench, tmp_path, photographs, monkeypatch):
    (tmp_path / "bad.json").write_text("{")
    monkeypatch.setattr(trained_here, "FOLDER", tmp_path)
    methods.read.cache_clear()
    try:
        run = ["run", "--method", "wavelet", "--data", str(photographs), "--out", str(tmp_path / "out")]
        for words in (["list", "methods"], run):
            done = bench(*words)
            assert done.returncode == 0
            (line,) = done.stderr.splitlines()
            assert line.startswith(f"warning: training record {tmp_path / 'bad.json'}: ")
    finally:
        monkeypatch.undo()
        methods.read.cache_clear()


def test_list_names_everything(bench):
    done = bench("list")
    assert done.returncode == 0
    for name in (
        "bm3d",
        "nlm",
        "wavelet",
        "dncnn",
        "fdncnn",
        "dncnn-s",
        "@saoyan",
        "set12",
        "kodak24-500",
        "seed0",
        "builtin",
    ):
        assert name in done.stdout


def test_lists_fit_eighty_columns_and_keep_names_whole(bench):
    whole = bench("list").stdout
    for name in (*(m.name for m in methods.available().values() if not m.of_a_series), *datasets.available()):
        family, _, weights = name.partition("@")
        assert re.search(rf"^{re.escape(family)}\s", whole, re.M), name
        assert not weights or f"@{weights}" in whole.split(), name
    details = bench("list", "--method", "dncnn,bm3d,ffdnet,rdn", "--data", "camvid,dnd,chest-xray")
    for part in ("555,137", "profile=np|lc|high|vn|vn_old", "CC BY-NC 4.0", "yours, with WEIGHTS=file", "by hand"):
        assert part in f"{details.stdout} {whole}"
    assert max(map(len, f"{whole}{details.stdout}".splitlines())) <= 80


def test_a_list_of_methods_is_filtered(bench):
    """The registry's own fields say which ones, net by net."""

    def listed(words):
        done = bench("list", "--method", words)
        assert done.returncode == 0, done.stderr
        head = done.stdout.splitlines()[0]
        assert head.split() == ["METHOD", "what", "it", "is", "colour", "sigma"]
        return {line.split()[0] for line in done.stdout.splitlines()[1:] if line and not line.startswith((" ", "@"))}

    nets = [(method, net) for method in methods.available().values() for net in method.nets]

    def family(pairs):
        return {method.name.partition("@")[0] for method, _ in pairs}

    trained = [(method, net) for method, net in nets if net.weights]
    assert listed("classical") == {"bm3d", "bm3d-2007", "nlm", "wavelet", "tv", "gaussian", "median", "bilateral"}
    assert {name.partition("@")[0] for name in listed("colour,blind,ready")} == family(
        (method, net) for method, net in trained if net.colour != "gray" and not net.given_sigma
    )
    assert listed("learned,given,gray") == family(
        (m, n) for m, n in nets if (m.learned or n.weights) and n.given_sigma and n.colour != "rgb"
    )
    assert "dncnn-3" in listed("gray")
    assert "dncnn-3" not in listed("colour")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("classical,learned", "METHOD=classical,learned: no method is all of these at once"),
        ("color", "unknown list 'color': did you mean colour"),
        ("blnd", "unknown list 'blnd': did you mean blind"),
    ],
)
def test_a_filter_that_finds_nothing_says_so(bench, words, line):
    done = bench("list", "--method", words)
    assert done.returncode == 2
    assert line in done.stderr


def test_a_dry_run_says_what_would_run_and_changes_nothing(bench, tmp_path, photographs):
    words = ("run", "--method", "gaussian,median", "--data", photographs, "--out", tmp_path / "out")
    assert bench(*words, "--noise", "25").returncode == 0
    twice = tmp_path / "twice"
    twice.mkdir()
    for path in photographs.iterdir():
        with Image.open(path) as image:
            image.resize((64, 96)).save(twice / path.name)
    took = {}
    for path in (tmp_path / "out" / "runs").rglob("*.parquet"):
        about = read(path, ("image",)).provenance
        took[about["label"]] = about["seconds"]["total"]
    before = sorted(tmp_path.rglob("*"))
    asked = plan(Request("gaussian,median,nlm", f"{photographs},{twice}", "25,15"))[0]
    found = forecasts(asked, Store(tmp_path / "out" / "runs"), Settings())
    by_cell = {(one.cell.label, one.cell.dataset.name, str(one.cell.degradation)): one for one in found}
    for label in ("Gaussian", "Median"):
        assert by_cell[label, "folder photographs", "gaussian:25"].finished
        # The same pixels take the same time, twice as many twice as long.
        assert by_cell[label, "folder photographs", "gaussian:15"].seconds == pytest.approx(took[label], rel=0.01)
        assert by_cell[label, "folder twice", "gaussian:25"].seconds == pytest.approx(2 * took[label], rel=0.01)
    assert math.isnan(by_cell["NLM", "folder twice", "gaussian:25"].seconds)
    words = ("run", "--method", "gaussian,median,nlm,dncnn-3", "--data", f"{photographs},set5", "--noise", "25")
    done = bench(*words, "--dry-run", out=tmp_path / "out")
    assert done.returncode == 1
    assert "failed  dncnn-3, set5, 25, standard, 0: method dncnn-3 has gray nets only" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "finished   Gaussian on folder photographs, gaussian:25, standard, seed 0"
    size = sum(file.bytes for file in datasets.available()["set5"].files) / 1e6
    (new,) = (line for line in lines if "NLM on set5" in line)
    assert new == (f"would run  NLM on set5, gaussian:25, standard, seed 0: time unknown; {size:.1f} MB to download")
    assert (
        lines[-1] == f"5 of 7 cells would run; 5 of unknown time; {size:.1f} MB and 1 file of unknown size to download"
    )
    assert sorted(tmp_path.rglob("*")) == before
    assert bench("run", "--method", "gaussian", "--dry-run", out=tmp_path / "new").returncode == 0
    assert not (tmp_path / "new").exists()
    assert make.arguments("bench", {"DRY_RUN": "1", "METHOD": "nlm"}) == ["run", "--dry-run", "--method=nlm"]
