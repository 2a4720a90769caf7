"""The bibliography: who is cited for what, by hand from the papers themselves, and that each entry is one."""

import re

import pytest

import methods
from bench.common.paths import ROOT
from bench.report.paper.references import BENCHMARK, HOLM, SSIM, WILCOXON, listed, method_references, of
from datasets import available

NEEDED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "book": {"author", "title", "publisher", "year"},
    "techreport": {"author", "title", "institution", "year"},
    "misc": {"author", "title"},
}
"""By kind: what BibTeX's standard styles require."""

OF_METHODS = {
    "dncnn": "zhang2017dncnn", "dncnn-s@kair": "zhang2017dncnn", "ffdnet": "zhang2018ffdnet", "ircnn": "zhang2017ircnn",
    "nlm": "buades2005nlm", "bm3d": "dabov2007bm3d", "median": "tukey1977eda", "bf-unet@0-10": "mohan2020biasfree",
    "mwcnn": "liu2018mwcnn", "mwcnn-v2": "liu2019mwcnn", "rdn": "zhang2021rdn", "adnet-b": "tian2020adnet",
    "dncnn-b@buifd": "elhelou2020buifd", "wavelet": "chang2000bayesshrink", "dncnn@own-small": "zhang2017dncnn",
}  # fmt: skip

OF_DATASETS = {
    "set12": "zhang2017dncnn", "bsd68": "martin2001bsds", "kodak24-500": "franzen1999kodak",
    "set5-y": "bevilacqua2012set5",
    "urban100-first10": "huang2015urban100", "sidd-valid-raw": "abdelhamed2018sidd",
    "siddplus-valid": "abdelhamed2020ntire",
    "dnd": "plotz2017dnd", "mcmaster": "zhang2011mcmaster", "live1": "sheikh2006live", "polyu-20": "xu2018polyu",
}  # fmt: skip


def fields(text):
    return dict(re.findall(r"^  (\w+) = \{(.*)\},?$", text, re.M))


def test_every_method_and_dataset_has_a_source():
    bare = [name for name, method in methods.available().items() if not method_references(name, method.paper)]
    bare += [name for name in available() if not of(f"dataset {name}")]
    assert not bare, "add an entry to bench/report/paper/references.bib"
    assert all(len(of(what)) == 1 for what in (BENCHMARK, SSIM, WILCOXON, HOLM))


@pytest.mark.parametrize(("name", "key"), OF_METHODS.items())
def test_methods_are_cited_by_their_papers(name, key):
    assert key in [one.key for one in method_references(name, methods.available()[name].paper)]


@pytest.mark.parametrize(("name", "key"), OF_DATASETS.items())
def test_datasets_are_cited_by_their_papers(name, key):
    assert key in [one.key for one in of(f"dataset {name}")]


def test_each_entry_has_what_its_kind_requires():
    source = (ROOT / "bench" / "report" / "paper" / "references.bib").read_text()
    assert len({one.key for one in listed()}) == len(listed()) == source.count("@")
    for one in listed():
        kind = re.match(r"@(\w+)", one.text)[1]
        there = fields(one.text)
        assert NEEDED[kind] <= there.keys(), one.key
        assert one.text.count("{") == one.text.count("}")
        assert one.text.count("\n") == len(there) + 1, f"{one.key}: a field that is none"
        assert one.text.isascii()


def test_each_entry_is_the_source_of_something():
    used = {one.key for name, m in methods.available().items() for one in method_references(name, m.paper)}
    used |= {one.key for name in available() for one in of(f"dataset {name}")}
    used |= {one.key for what in (BENCHMARK, SSIM, WILCOXON, HOLM) for one in of(what)}
    assert used == {one.key for one in listed()}


def test_the_benchmark_is_cited_as_its_own_file_says():
    said = dict(re.findall(r'^(title|version|date-released): "?([^"\n]+)', (ROOT / "CITATION.cff").read_text(), re.M))
    there = fields(of(BENCHMARK)[0].text)
    assert there["title"] == said["title"]
    assert there["year"] == said["date-released"][:4]
    assert there["note"] == f"Version {said['version']}"


def test_a_method_of_ones_own_is_cited_by_what_it_says():
    (made,) = method_references("mine", "Ünal {et al.} & co: 50 % less, https://x.y/a_b, 2026.")
    assert made.text.splitlines() == [
        "@misc{method-mine,",
        r"  title = {{\"{U}nal \textbraceleft{}et al.\textbraceright{} \& co: 50 \% less, 2026}},",
        r"  howpublished = {https://x.y/a\_b}",
        "}",
    ]
    assert method_references("mine", "") == ()
    assert len({method_references(name, "a paper")[0].key for name in ("木", "火", "./a.py", "a-py")}) == 4
    # An address that another one begins with is another paper.
    assert method_references("mine", "https://doi.org/10.1109/TIP.2017.26622061")[0].key == "method-mine"
    assert method_references("mine", "after https://arxiv.org/abs/1608.03981.")[0].key == "zhang2017dncnn"
