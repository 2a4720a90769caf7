import pytest

from bench.common.errors import BenchError
from bench.common.parsing import name_and_options, split, unknown


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


def test_unknown_names_the_nearest():
    assert "did you mean dncnn?" in str(unknown("method", "dncn", ["dncnn", "bm3d"]))
    assert "known: bm3d, dncnn" in str(unknown("method", "zzzzz", ["dncnn", "bm3d"]))
