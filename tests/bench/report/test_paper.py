"""What a paper takes: tables, paragraph and example, of records that are written here; LaTeX itself where it is."""

import re
import shutil
import subprocess
from dataclasses import asdict, replace
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from bench.judge.claims import claimed
from bench.judge.ledger import ledger
from bench.plan.protocol import PROTOCOLS
from bench.report.leaderboard import leaderboards
from bench.report.paper import paragraph, references, tables
from bench.report.paper.files import save, texts
from bench.store.records import Record
from bench.store.results import Result

HOSTILE = (
    "a$_{$b", "100 % of it", r"\input{x}", "^^41 #1 & ~", "[/b] [3]", "*", "{", "}", "x\ny", "σ × ± Ünal ğ",
    "木 🙂 \udcff",
    "verylongword" * 12, "many words of a folder " * 6, "=1+1", "<b>", "--- `` ''", "\x02\x03\x00", "\\", "%",
)  # fmt: skip

DNCNN = "https://arxiv.org/abs/1608.03981"

TWELVE = np.linspace(25, 35, 12)
STEP = np.linspace(0.11, 0.2, 12)


def result(
    label, values=TWELVE, *, noise="gaussian:25", protocol="standard", seeds=(0,), name="set12", title="Set12", **about
):
    """Return a result of a method: PSNR values, and SSIM in proportion; `about` changes what its records say."""
    kind, _, value = noise.partition(":")
    rows = [
        {"image": f"{i}", "height": 64, "width": 64, "psnr": float(v), "ssim": float(v) / 40, "mse": 20.0,
         "noisy_psnr": 20.0, "noisy_ssim": 0.5, "noisy_mse": 650.0, "seconds": 0.1, "told_sigma": None, "self_mse": 1.0}
        for i, v in enumerate(values)
    ]  # fmt: skip
    sigma = float(value) if kind == "gaussian" and value.isdecimal() else None
    said = {
        "label": label, "method": label.lower(), "paper": "", "own": {}, "degradation": noise, "kind": kind,
        "strength": sigma, "sigma": sigma, "random": kind not in ("jpeg", "pairs"), "told_sigma": "not told",
        "dataset": {"name": name, "title": title, "colour": "gray", "ledger": [name, "gray"], "notes": []},
        "protocol": asdict(PROTOCOLS[protocol]), "net": {"published": None, "trained_on": []},
        "identity": {"net": label, "dataset": name, "packages": {"numpy": "2.0"}}, "machine": "A, 2 cores",
        "device": "cpu", "runtime": "onnxruntime", "jobs": 1, "threads": 2, "commit": "0123456789", "fallback": "",
        "started": "2026-01-01",
    } | about  # fmt: skip
    return Result(tuple(Record(rows, said | {"seed": seed}) for seed in seeds))


def table_rows(text):
    """Return the cells of the lines of a table between its rules, without citations."""
    inside = re.sub(r"~\\cite\{[^}]*\}", "", text).partition("\\midrule\n")[2].partition("\n\\bottomrule")[0]
    return [[cell.strip() for cell in line.removesuffix(r"\\").split("&")] for line in inside.split("\n")]


def test_methods_are_rows_and_datasets_with_their_noise_are_columns():
    results = [
        *(result(label, TWELVE + i * STEP, noise=f"gaussian:{s}") for i, label in enumerate("abc") for s in (15, 25)),
        result("a", TWELVE[:7], name="bsd68", title="BSD68", noise="gaussian:50"),
    ]
    ((name, text),) = tables.tables(leaderboards(results)).items()
    assert name == "psnr-gray-gaussian-standard"
    assert r"\multicolumn{1}{c}{BSD68} & \multicolumn{2}{c}{Set12}" in text
    assert r"\cmidrule(lr){2-2}\cmidrule(lr){3-4}" in text
    assert r"Method, $\sigma$ & 50 & 15 & 25 \\" in text
    means = {label: f"{fmean(TWELVE + i * STEP):.2f}" for i, label in enumerate("abc")}
    rows = {row[0]: row[1:] for row in table_rows(text)}
    assert rows["Noisy image"] == ["20.00"] * 3
    assert rows["a"] == [f"{fmean(TWELVE[:7]):.2f}", means["a"], means["a"]]
    # Twelve of twelve images: each step is no accident. Of one method alone there is no best.
    assert rows["b"] == ["--", *[rf"\underline{{{means['b']}}}"] * 2]
    assert rows["c"] == ["--", *[rf"\textbf{{{means['c']}}}"] * 2]
    assert list(rows)[-1] == "c"
    assert "noise not clipped, one field an image; output clipped and rounded to 8 bit" in text
    assert "seed 0." in text
    assert "SSIM" not in text


def test_ties_are_not_marked_and_the_two_metrics_are_marked_apart():
    rng = np.random.default_rng(0)
    tied = [result("a", TWELVE + rng.normal(0, 0.1, 12)), result("b", TWELVE + rng.normal(0, 0.1, 12))]
    text = tables.to_latex(leaderboards(tied), ("psnr", "ssim"))
    assert r"\textbf" not in text
    assert "Bold" not in text
    better = result("b", TWELVE + STEP)
    for row in better.records[0].images:  # another order by SSIM
        row["ssim"] -= 0.1
    text = tables.to_latex(leaderboards([result("a"), better]), ("psnr", "ssim"))
    psnr, ssim = fmean(TWELVE), fmean(TWELVE / 40)
    assert f"a & {psnr:.2f}/\\textbf{{{ssim:.4f}}}" in text
    assert f"b & \\textbf{{{fmean(TWELVE + STEP):.2f}}}/" in text
    assert "SSIM Wang 2004" in text


def test_published_numbers_stand_under_what_was_measured_where_they_are_comparable():
    net = {"published": ["DnCNN", "S"], "trained_on": []}
    (text,) = tables.tables(leaderboards([result("DnCNN-S", net=net), result("other")])).values()
    lines = table_rows(text)
    assert lines[[row[0] for row in lines].index("DnCNN-S") + 1] == [
        r"\quad published$^{\dagger}$",
        "30.436$^{-}$",
    ]  # of its author's own code
    assert "as published, under comparable rules; the measured number is below ($^{-}$)." in text
    as_printed = TWELVE + 30.436 - fmean(TWELVE)
    for values, side, sign, word in (
        (as_printed, 512, "=", "reproduced"), (as_printed, 64, "?", "undecided"), (as_printed + 0.5, 64, "+", "above"),
    ):  # fmt: skip
        measured = result("DnCNN-S", values, net=net)
        for row in measured.records[0].images:
            row["height"] = row["width"] = side
        (text,) = tables.tables(leaderboards([measured])).values()
        assert f"& 30.436$^{{{sign}}}$" in text
        assert f"the measured number is {word} ($^{{{sign}}}$)." in text
    (text,) = tables.tables(leaderboards([result("DnCNN-S", protocol="clipped", net=net)])).values()
    assert "dagger" not in text
    own = {"dataset": result("x").about["dataset"] | {"ledger": None}}
    claim = {"method": "mine", "metric": "psnr", "value": "31", "protocol": "as run", "origin": "CLAIM=31"}
    of_a_claim = result("mine", claims=[dict.fromkeys(ledger()[0].__dict__, "") | claim], **own)
    assert claimed(of_a_claim, "psnr")
    assert "dagger" not in tables.to_latex(leaderboards([of_a_claim]))


def test_published_numbers_of_another_method_say_whose_they_are():
    """A person's own net that is held against DnCNN has published nothing."""
    net = {"published": ["DnCNN", "S"], "trained_on": []}
    boards = leaderboards([result("mine", net=net, method="mine", paper=""), result("other")])
    (text,) = tables.tables(boards).values()
    assert r"DnCNN S, published~\cite{zhang2017dncnn}" in text
    assert not [row for row in table_rows(text) if row[0].startswith(r"\quad published")]
    assert "@article{zhang2017dncnn," in references.to_bibtex(boards)


def test_a_person_s_own_file_is_not_cited():
    """Its `paper` is a path of that person's disk; nor is a file that is named as a method of the bibliography is."""
    own = {"code": "f4e0", "method": "//home/me/bm3d.py", "command": "", "dataset": ""}
    boards = leaderboards([result("mine", method="bm3d", paper="/home/me/bm3d.py", own=own)])
    (text,) = tables.tables(boards).values()
    assert "cite" not in text
    assert "/home/me" not in references.to_bibtex(boards)
    assert references.of_method(result("mine", method="bm3d", paper="/home/me/bm3d.py", own=own)) == ()


def test_what_is_not_comparable_has_tables_of_its_own():
    gray = result("a")
    rgb = {"dataset": gray.about["dataset"] | {"name": "cbsd68", "colour": "rgb"}}
    results = [
        gray, result("a", protocol="clipped"), result("a", noise="jpeg:10"), result("a", **rgb),
        result("a", name="unreferenced", values=[np.nan] * 3),
    ]  # fmt: skip
    made = tables.tables(leaderboards(results))
    assert sorted(made) == [
        "psnr-colour-gaussian-standard", "psnr-gray-gaussian-clipped", "psnr-gray-gaussian-standard",
        "psnr-gray-jpeg-standard",
    ]  # fmt: skip
    assert "Gaussian" not in made["psnr-gray-jpeg-standard"]
    assert "Method, jpeg & 10" in made["psnr-gray-jpeg-standard"]
    assert "on colour images" in made["psnr-colour-gaussian-standard"]
    assert "clipped and rounded to 8 bit, one field" in made["psnr-gray-gaussian-clipped"]


def test_wide_tables_are_split_between_datasets():
    results = [
        result("a", noise=f"gaussian:{sigma}", name=f"set{n}", title=f"Set {n}")
        for n in range(6)
        for sigma in range(10, 50, 10)
    ]
    made = tables.tables(leaderboards(results), ("psnr", "ssim"))
    assert list(made) == [f"psnr-ssim-gray-gaussian-standard-{part}" for part in range(1, len(made) + 1)]
    assert len(made) > 1
    assert all(text.count(r"\begin{table*}") == 1 for text in made.values())
    heads = [re.findall(r"multicolumn\{(\d)\}\{c\}\{(Set \d)\}", text) for text in made.values()]
    assert sorted(title for head in heads for _, title in head) == [f"Set {n}" for n in range(6)]
    assert {count for head in heads for count, _ in head} == {"4"}
    assert all(len(head) * 4 * 50 < 500 for head in heads)  # points of 0.0000/00.00 at 8 pt


def test_images_that_failed_are_said():
    lacking = result("a", TWELVE[:11], failed_images={"11": "crashed"})
    text = tables.to_latex(leaderboards([lacking, result("b"), result("c", TWELVE + STEP)]))
    assert rf"a & {fmean(TWELVE[:11]):.2f}$^{{*}}$" in text
    assert "without images that failed" in text
    assert "11 of" not in paragraph.to_text(leaderboards([result("a")]))
    assert "the mean of a is of 11 of 12 images" in paragraph.to_text(leaderboards([lacking]))


def test_the_paragraph_states_the_protocol_of_one_request():
    results = [
        result("DnCNN-S", method="dncnn-s", paper=DNCNN, noise=f"gaussian:{sigma}", seeds=(0, 1)) for sigma in (15, 50)
    ]
    said = paragraph.to_text(leaderboards(results)).splitlines()
    assert said[0] == (
        "We measure DnCNN-S [zhang2017dncnn] on Set12 [zhang2017dncnn] (12 images) with "
        "denoising-bench [denoisingbench]."
    )
    assert "Additive white Gaussian noise of standard deviation σ = 15 and 50 is added, images from 0 to 255." in said
    assert "Noisy images are neither clipped nor quantised." in said
    assert "Outputs are clipped to [0, 255] and rounded to 8 bit before they are scored." in said
    assert "Numbers are means over the seeds 0 and 1." in said
    assert "Methods ran on A, 2 cores." in said
    assert not any(line.startswith("For ") for line in said)
    in_latex = paragraph.to_latex(leaderboards(results))
    assert r"$\sigma$ = 15 and 50" in in_latex
    assert r"DnCNN-S~\cite{zhang2017dncnn} on Set12~\cite{zhang2017dncnn}" in in_latex


def test_a_part_of_a_set_is_cited_as_the_whole_and_own_images_are_not():
    part = {"name": "set5:baby", "title": "Set5, 1 of 5 images", "noise_name": "set5", "ledger": ["set5:baby", "rgb"]}
    own = {"name": "folder set5", "title": "folder set5", "noise_name": "", "ledger": None}
    about = result("a").about["dataset"]
    boards = leaderboards([result("a", TWELVE[:1], dataset=about | part), result("a", dataset=about | own)])
    assert "We measure a on folder set5 (12 images) and Set5, 1 of 5 images [bevilacqua2012set5] with" in (
        paragraph.to_text(boards)
    )


def test_what_differs_between_results_is_said_of_each_alone():
    own = {"name": "bsd68", "title": "BSD68"}
    results = [
        result("a"), result("b", told_sigma="known"), result("a", protocol="clipped", seeds=(0, 1), **own),
        result("b", protocol="clipped", device="Tesla", noise="jpeg:10", **own),
        result("c", protocol="matlab0", identity={"packages": {"numpy": "1.26"}}),
    ]  # fmt: skip
    said = paragraph.to_text(leaderboards(results)).splitlines()
    for line in (
        "For the protocol matlab0, the generator of noise is reset (MATLAB's randn('seed', 0) before each image).",
        "For BSD68, noisy images are clipped to [0, 255] and rounded to 8 bit.",
        "For Set12, noisy images are neither clipped nor quantised.",
        "For BSD68, numbers are means over the seeds 0 and 1.",
        "For Set12, numbers are of seed 0.",
        "The true σ is told to b (b on Set12 with gaussian:25, protocol standard).",
        "For b on BSD68 with jpeg:10, protocol clipped, methods ran on Tesla (A, 2 cores).",
        "Versions are numpy 1.26 and 2.0, at commit 0123456 of the benchmark.",
    ):
        assert line in said, said
    assert any(
        line.startswith("For b on BSD68 with jpeg:10, protocol clipped, images are degraded by jpeg:10")
        for line in said
    )
    # Two datasets whose levels differ: no sentence says of one what is of the other.
    two = [result("a", noise="gaussian:15"), result("a", **own), result("a", noise="gaussian:50", **own)]
    said = paragraph.to_text(leaderboards(two)).splitlines()
    noise = "additive white Gaussian noise of standard deviation σ"
    assert f"For Set12, {noise} = 15 is added, images from 0 to 255." in said
    assert f"For BSD68, {noise} = 25 and 50 is added, images from 0 to 255." in said


def test_images_without_a_reference_have_a_paragraph_alone(tmp_path):
    save(leaderboards([result("a", [np.nan] * 3, noise="pairs", name="rni6", title="RNI6")]), tmp_path)
    assert not list(tmp_path.glob("tables/*"))
    assert "ref{" not in (tmp_path / "example.tex").read_text()
    said = (tmp_path / "method.txt").read_text()
    assert "The noisy images are those of the dataset." in said
    assert not any(word in said for word in ("PSNR", "Outputs", "Wilcoxon", "seed"))


@pytest.fixture
def hostile():
    """Return leaderboards whose methods, datasets and papers are named as badly as can be."""
    named = [
        result(label, TWELVE + i * STEP, title=HOSTILE[-1], method=label, paper=f"{label}, https://x.y/{i}_%")
        for i, label in enumerate(HOSTILE)
    ]
    named += [replace(named[0], dataset_name=f"folder {text}") for text in HOSTILE[::3]]
    return leaderboards(named)


def test_hostile_names_are_letters(hostile, tmp_path):
    save(hostile, tmp_path)
    for path in [*sorted(tmp_path.rglob("*.tex")), tmp_path / "references.bib"]:
        text = path.read_text(encoding="ascii")
        assert "\\input{x}" not in text
        assert "^^" not in text
        bare = text.replace(r"\{", "").replace(r"\}", "") if path.suffix == ".tex" else text
        depth = 0
        for letter in re.sub(r"(?m)(?<!\\)%.*", "", bare):
            depth += (letter == "{") - (letter == "}")
            assert depth >= 0
        assert depth == 0, path


def test_the_folder_is_a_function_of_the_records(hostile, tmp_path):
    (tmp_path / "a" / "tables").mkdir(parents=True)
    (tmp_path / "a" / "tables" / "psnr-of-another-report.tex").write_text("old")
    for folder in ("a", "b"):
        save(hostile, tmp_path / folder)
    files = [sorted(p.relative_to(tmp_path / f) for p in (tmp_path / f).rglob("*.*")) for f in "ab"]
    assert files[0] == files[1]
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files[0])


def test_texts_to_copy_are_those_of_the_files(tmp_path):
    boards = leaderboards([result("a"), result("b")])
    save(boards, tmp_path)
    copied = texts(boards)
    assert (tmp_path / "tables" / "psnr-gray-gaussian-standard.tex").read_text() in copied["LaTeX"]
    assert (tmp_path / "references.bib").read_text() == copied["BibTeX"]
    assert (tmp_path / "method.txt").read_text() == copied["Protocol"]
    assert copied["CSV"].startswith("method,")
    assert "| method |" in copied["Markdown"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("names", ["plain", "hostile"])
def test_the_example_compiles(names, hostile, tmp_path):
    net = {"published": ["DnCNN", "S"], "trained_on": []}
    plain = [
        *(result("DnCNN-S", noise=f"gaussian:{sigma}", paper=DNCNN, net=net) for sigma in (15, 25, 50)),
        *(result("of my own", noise=f"gaussian:{sigma}", net=net, method="mine") for sigma in (15, 25, 50)),
        *(result(f"method {i}", TWELVE + i, name=f"set{n}", title=f"Set {n}") for i in range(3) for n in range(14)),
    ]
    (tmp_path / "figures").mkdir()
    Image.new("L", (64, 48)).save(tmp_path / "figures" / "psnr.pdf")
    save(leaderboards(plain) if names == "plain" else hostile, tmp_path)
    for command in ("pdflatex", "bibtex", "pdflatex", "pdflatex"):
        options = ["-interaction=nonstopmode", "-halt-on-error"] if command == "pdflatex" else []
        done = subprocess.run(
            [command, *options, "example"], cwd=tmp_path, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "example.log").read_text(errors="replace")
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", log)]
    assert not [points for points in wide if points > 2]
    assert "undefined" not in log
    assert "figures/psnr.pdf" in log
    assert "Warning--" not in done.stdout
    assert (tmp_path / "example.pdf").stat().st_size > 20_000
