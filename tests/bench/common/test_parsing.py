import pytest

from bench.cli import make
from bench.common.errors import BenchError
from bench.common.parsing import name_and_options, number, split, unknown, whole
from bench.plan.resolve import known_method


def test_lists_keep_options_together():
    assert split("bm3d:profile=vn,nlm, 25,") == ["bm3d:profile=vn", "nlm", "25"]
    assert split("gaussian:mean=0.255,std=0.5,25") == ["gaussian:mean=0.255,std=0.5", "25"]
    assert split("15,25,15") == ["15", "25"]


@pytest.mark.parametrize("text", [",", " , ,", ",,,"])
def test_a_list_of_commas_alone_is_an_error(text):
    with pytest.raises(BenchError, match=f"^METHOD={text}: an empty list; name at least one"):
        split(text, "METHOD")
    assert split("") == split("  ") == []


def test_options_need_key_and_value():
    assert name_and_options("bm3d") == ("bm3d", {})
    with pytest.raises(BenchError, match=r"'fast'.*key=value"):
        name_and_options("bm3d:fast")
    with pytest.raises(BenchError, match=r"option size of 'median:size=3,size=5' is given twice"):
        name_and_options("median:size=3,size=5")


def test_unknown_names_the_nearest():
    assert "did you mean dncnn?" in str(unknown("method", "dncn", ["dncnn", "bm3d"]))
    assert "known: bm3d, dncnn" in str(unknown("method", "zzzzz", ["dncnn", "bm3d"]))


ODD = ["1_0", "nan", "-nan", "inf", "Infinity", "1e999", "\u0662", "\u0661\u0660", "1\u06600", "1 0", "0x10", "1e", "."]
"""What is no number as people write them; Python's `float` or `int` reads most of them."""


@pytest.mark.parametrize("text", ODD)
def test_a_number_is_one_as_people_write_it(text):
    assert number(text) is None
    assert whole(text) is None


def test_numbers_are_read():
    assert [number(text) for text in ("25", " 2.5 ", "-.5", "1E3", "7.", "+2")] == [25, 2.5, -0.5, 1000, 7, 2]
    assert [whole(text) for text in ("0", "007", "1.0", "-1", "9" * 5000)] == [0, 7, None, None, None]


def test_a_word_that_looks_like_a_number_is_a_word_where_words_are_expected(method_file):
    own = method_file("def denoise(noisy, sigma, mode='a', strength=0.5):\n    return noisy\n")
    assert known_method(f"{own}:mode=1_0", "").options["mode"] == "1_0"
    for odd in ("strength=1_0", "strength=nan"):
        with pytest.raises(BenchError, match=f"{odd}; expected a number"):
            known_method(f"{own}:{odd}", "")
    for name in ("bm3d:mu2=nan", "gaussian:std=\u0661"):
        with pytest.raises(BenchError, match="expected a number"):
            known_method(name, "")


@pytest.mark.parametrize("text", ["1_0", "nan", "1e999", "\u0661\u0660"])
def test_no_variable_takes_an_odd_number(text, tmp_path, capfd):
    """In a process, before anything runs; each is one line that says what was typed."""
    words = {
        "noisy": ["NOISE={}", "NOISE=poisson:{}", "NOISE=gaussian:0-{}", "SEED={}", "SEED=0-{}",
                  "PROTOCOL=standard,crop={}", "DATA=builtin:{}"],
        "bench": ["TILE={}", "MEMORY={}", "TIMEOUT={}", "JOBS={}", "SIGMA={}", "RANGE={}", "CLAIM={}", "DEVICE=cuda:{}",
                  "METHOD=nlm:strength={}", "METHOD=outputs:{folder},white={}"],
        "train": ["BUDGET={}"],
        "explain": ["PIXEL={},1"],
        "why": ["TARGET={}"],
    }  # fmt: skip
    usual = {"METHOD": "nlm", "DATA": "builtin:0", "NOISE": "25", "OUT": tmp_path, "TO": tmp_path / "to"}
    for command, typed in words.items():
        for word in typed:
            name, _, value = word.replace("{}", text).replace("{folder}", str(tmp_path)).partition("=")
            given = {key: one for key, one in (usual | {name: value}).items() if key in make.variables(command)}
            assert make.run_words([command, *(f"{key}={one}" for key, one in given.items())]) == 2, word
            said = capfd.readouterr().err.strip().splitlines()
            assert len(said) == 1, (word, said)
            assert text.strip() in said[0], (word, said)
