import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import methods
from bench.common.errors import BenchError
from bench.plan.cell import Cell
from bench.plan.protocol import PROTOCOLS
from bench.plan.request import Request, plan, planned


def causes(**words) -> list[str]:
    return [failure.cause for failure in plan(Request(**words))[1]]


def test_every_combination_is_planned_or_failed(photographs):
    cells, failures = plan(Request("nlm,wavelet", f"{photographs},builtin", "15,25", "standard,clipped", "0,1"))
    assert (len(cells), failures) == (2**5, [])
    assert len({cell.key for cell in cells}) == 2**5


def test_all_means_all():
    cells, failures = plan(Request("nlm", "builtin", "all", "all", "0"))
    assert {str(c.degradation) for c in cells} == {"gaussian:15", "gaussian:25", "gaussian:50"}
    assert {c.protocol.name for c in cells} == PROTOCOLS.keys() - {"sr-rgb"}  # which is for colour images
    assert not failures


def test_seed0_has_one_seed():
    (cause,) = causes(protocol="seed0", seed="1")
    assert "seed 0 only" in cause


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ({"method": "dncnnn"}, r"unknown method 'dncnnn': did you mean dncnn"),
        ({"method": "output:results/x"}, r"unknown method 'output': did you mean outputs:"),
        ({"data": "bds68"}, r"unknown dataset 'bds68': did you mean bsd68"),
        ({"protocol": "standart"}, r"unknown protocol 'standart': did you mean standard"),
        ({"noise": "gausian:25"}, r"unknown degradation 'gausian': did you mean gaussian"),
        ({"noise": "-3"}, "expected a number above 0"),
        ({"seed": "one"}, "expected a whole number"),
        ({"method": "bm3d:speed=high"}, "has no option 'speed'; it has profile"),
        ({"method": "bm3d:profile=fast"}, "expected one of np, lc"),
        ({"method": "no/such.py"}, "no such file"),
    ],
)
def test_bad_words_fail_once_and_the_rest_goes_on(words, cause):
    found = causes(**words)
    assert any(re.search(cause, text) for text in found), found
    assert all("\n" not in text for text in found)
    name = next(iter(words))
    good = {"noise": "25", "protocol": "standard"}.get(name) or getattr(Request(), name).split(",")[0]
    cells, failures = plan(replace(Request("nlm"), **{name: f"{words[name]},{good}"}))
    assert cells
    assert failures


@pytest.mark.parametrize("word", ["method", "data", "noise", "protocol", "seed", "ensemble", "precision"])
def test_an_empty_list_is_an_error(word):
    for text in (",", " , "):
        with pytest.raises(BenchError, match=f"^{word.upper()}={text}: an empty list"):
            plan(Request(**{word: text}))


def test_an_empty_seed_or_method_is_an_error():
    with pytest.raises(BenchError, match=r"^SEED=: an empty list"):
        plan(Request(seed=""))
    with pytest.raises(BenchError, match=r"^METHOD= : an empty list"):
        plan(Request(method=" "))


def test_seeds_may_be_ranges_and_run_once():
    cells, failures = plan(Request("nlm", seed="0-3,2,7,7,07"))
    assert [cell.seed for cell in cells] == [0, 1, 2, 3, 7]
    assert not failures
    assert [cell.seed for cell in plan(Request("nlm", seed=f"{2**32 - 1},all"))[0]] == [2**32 - 1, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", [str(2**32), str(2**70), "-1", "3-1", "0-1000", "1.5", "0-", "-", "1e3", "0x1"])
def test_a_seed_that_is_none_says_which_there_are(seed):
    (cause,) = causes(method="nlm", seed=seed)
    assert cause == (
        f"SEED={seed}: expected a whole number from 0 to 4294967295 (2^32 - 1), or a range of up to 1000 as 0-9"
    )


def test_what_is_said_twice_runs_once():
    cells, _ = plan(Request("nlm,nlm,all", "builtin,builtin", "25,25.0,gaussian:25", "standard,standard"))
    assert [cell.label for cell in cells].count("NLM") == 1
    assert len(cells) == len({cell.key for cell in cells})


def test_weights_only_for_what_takes_them(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"x")
    assert "no such file" in causes(method="dncnn", weights="no/such.pth")[0]
    assert "method nlm takes no weights" in causes(method="nlm", weights=str(path))[0]
    cells, _ = plan(Request("dncnn", "builtin", "25,80", weights=str(path)))
    assert [cell.label for cell in cells] == ["dncnn (net.pth)"] * 2
    assert cells[0].net.published is None


def test_the_key_knows_what_determines_a_result(one_cell, photographs, method_file):
    base = one_cell("nlm", photographs)
    assert base.key == one_cell("nlm", photographs).key
    changed = [
        one_cell("wavelet", photographs),
        one_cell("nlm", "builtin"),
        one_cell("nlm", photographs, "15"),
        one_cell("nlm", photographs, protocol="float"),
        one_cell("nlm", photographs, seed="1"),
        replace(base, code="other"),
    ]
    pixels = np.array(Image.open(photographs / "camera.png"))
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(photographs / "camera.png")
    changed.append(one_cell("nlm", photographs))
    assert len({base.key, *(cell.key for cell in changed)}) == 8


def test_one_net_is_one_cell_whatever_it_was_called():
    cells, failures = plan(Request("dncnn,dncnn-s", "builtin"))
    assert not failures
    assert len(cells) == 1


def test_own_method_files(method_file, one_cell):
    body = "LABEL = 'Mine'\nCOLOUR = 'gray'\nTRAINED = (0, 30)\ndef denoise(noisy, sigma):\n    return noisy\n"
    cell = one_cell(str(method_file(body)), "builtin")
    assert (cell.label, cell.net.trained) == ("Mine", (0, 30))
    assert cell.key == one_cell(str(method_file(f"# a comment\n{body}")), "builtin").key
    assert cell.key != one_cell(str(method_file(body.replace("return noisy", "return noisy * 1"))), "builtin").key
    for bad, cause in [
        ("def other(x): pass\n", "has no function denoise"),
        ("def denoise(:\n", "is not Python"),
        (body.replace("'gray'", "'grey'"), "COLOUR is 'grey'"),
        (body.replace("(0, 30)", "30"), "TRAINED is 30"),
    ]:
        assert cause in causes(method=str(method_file(bad)))[0]


def test_all_leaves_out_what_has_no_weights():
    cells, failures = plan(Request("all", "builtin"))
    assert {"bf-dncnn@0-55", "bm3d", "ffdnet"} <= {cell.net.id for cell in cells}
    assert not [failure for failure in failures if "trained weights" in failure.cause]
    (failure,) = plan(Request("rdn", "builtin"))[1]
    assert failure.cause.endswith("no trained gray weights of it can be had; give a file of yours with WEIGHTS=path")
    (failure,) = plan(Request("rdn", "cbsd68"))[1]
    assert failure.cause.endswith(
        "no trained rgb weights of it can be had; give a file of yours with WEIGHTS=path, "
        "or take METHOD=rdn@own-colour-small or rdn@own-fast, which this project trained"
    )


def test_all_leaves_out_what_does_not_fit_and_counts_it():
    """Counted by hand from what the registry says of each method."""
    known = [method for method in methods.available().values() if not method.of_a_series]
    ready = [m for m in known if not m.learned or any(net.weights for net in m.nets)]
    colours = [{net.colour for net in method.nets} for method in ready]
    whole = planned(Request("all", "kodak24,builtin", "25"))
    gray, colour = colours.count({"gray"}), colours.count({"rgb"})
    assert gray > 10
    assert colour > 5
    assert f"gray nets on colour images ({gray})" in whole.remarks[0]
    assert f"colour nets on gray images ({colour})" in whole.remarks[0]
    assert whole.remarks[0].startswith(f"{len(whole.left_out)} of {2 * len(ready)} combinations left out: ")
    assert whole.failures == []
    assert {type(net) for net in whole.cells} == {Cell}


def test_a_dataset_of_all_that_does_not_fit_a_method_is_left_out_too():
    whole = planned(Request("dncnn-3", "all", "25"))
    assert {cell.dataset.colour for cell in whole.cells} == {"gray"}
    assert whole.failures == []
    assert "gray nets on colour images" in whole.remarks[0]
    assert "datasets without clean images" in whole.remarks[0]


def test_what_is_named_and_does_not_fit_fails():
    whole = planned(Request("dncnn-3,all", "kodak24"))
    assert [failure.request["method"] for failure in whole.failures] == ["dncnn-3"]
    assert "has gray nets only, and the images are rgb" in whole.failures[0].cause
    assert whole.remarks
    for words in ({"method": "dncnn-3", "data": "kodak24"}, {"method": "nlm", "data": "rni6", "noise": "25"}):
        named = planned(Request(**words))
        assert (named.cells, named.left_out, len(named.failures)) == ([], [], 1)
    assert len(planned(Request("nlm", protocol="seed0", seed="1,all")).failures) == 1


def test_protocols_of_all_that_do_not_fit_a_seed_are_left_out():
    whole = planned(Request("nlm", protocol="all", seed="1"))
    assert [cell.protocol.name for cell in whole.cells] == ["standard", "clipped", "float", "sr"]
    assert "seeds other than 0 under seed0 (1)" in whole.remarks[0]


def test_where_nothing_of_all_fits_it_is_an_error():
    with pytest.raises(BenchError, match=r"^nothing fits: \d+ of \d+ combinations left out: "):
        planned(Request("all", "rni6", "25"))


@pytest.mark.parametrize(
    ("noise", "sigma", "said"),
    [
        ("0.1", "", ["NOISE=0.1: sigma is on the 0-255 scale, and less than one level of 8 bit; 0.1 of images from 0 "
                     "to 1 is NOISE=25.5"]),
        ("25", "0.0980", ["SIGMA=0.098: sigma is on the 0-255 scale, and less than one level of 8 bit; 0.098 of images "
                          "from 0 to 1 is SIGMA=24.99"]),
        ("1,25", "1", []),
        ("poisson:0.5", "", []),
    ],
)  # fmt: skip
def test_a_sigma_of_images_from_0_to_1_is_said(noise, sigma, said):
    assert planned(Request("tv", "builtin", noise, sigma=sigma)).remarks == said
