from dataclasses import replace

import pytest

import methods
from bench.common.errors import BenchError
from bench.degradation import parse
from bench.plan.choose_net import choose_net, problems
from methods.description import Weights


@pytest.mark.parametrize(
    ("method", "colour", "sigma", "net"),
    [
        ("dncnn", "gray", 25, "dncnn-s-25"),
        ("dncnn", "gray", 20, "dncnn-s-20"),
        ("dncnn", "gray", 17, "dncnn-b"),
        ("dncnn", "rgb", 25, "cdncnn-b"),
        ("dncnn-s", "rgb", 25, "cdncnn-s-25"),
        ("dncnn-b", "gray", 75, "dncnn-b"),
        ("fdncnn", "rgb", 33, "fdncnn-rgb"),
        ("dncnn-s@saoyan", "gray", 15, "dncnn-s-15@saoyan"),
        ("bm3d", "rgb", 25, "cbm3d"),
        ("nlm", "rgb", 25, "nlm"),
    ],
)
def test_the_net_for_a_colour_and_sigma(method, colour, sigma, net):
    assert choose_net(methods.available()[method], colour, sigma).id == net


def test_no_net_for_a_sigma_or_colour():
    with pytest.raises(BenchError, match=r"no gray net was trained for sigma 17; there are 10, 15, 20"):
        choose_net(methods.available()["dncnn-s"], "gray", 17)
    with pytest.raises(BenchError, match="no gray net was trained for sigma 80"):
        choose_net(methods.available()["dncnn"], "gray", 80)
    with pytest.raises(BenchError, match="dncnn-3 has gray nets only, and the images are rgb"):
        choose_net(methods.available()["dncnn-3"], "rgb", 25)


def test_the_net_for_a_very_noise():
    base = methods.available()["rdn-small"]
    words = ("gaussian:mean=0.01,std=0.255", "gaussian:mean=0.5,std=0.255")
    own = [
        replace(base.nets[0], id=word, noise=word, trained=(65.025, 65.025), weights=Weights("net", ""))
        for word in words
    ]
    method = replace(base, nets=tuple(own))
    for word in words:
        assert choose_net(method, "rgb", 65.025, parse(word)).id == word
    assert choose_net(method, "rgb", 65.025, parse("gaussian:std=0.255,mean=0.5")).id == words[1]
    assert choose_net(method, "rgb", 25, parse("25")).id == words[0]


def test_a_net_whose_noise_cannot_be_read_is_named_and_chosen_by_sigma():
    base = methods.available()["rdn-small"]
    weights = Weights("net", "")
    nets = tuple(
        replace(base.nets[0], id=noise, noise=noise, trained=(25, 25), weights=weights) for noise in ("x:", "25")
    )
    method = replace(base, nets=nets)
    assert choose_net(method, "rgb", 25, parse("25")).id == "25"
    assert choose_net(method, "rgb", 25, parse("gaussian:mean=0.5,std=0.1")).id == "x:"
    (line,) = problems([method, method])
    assert line.startswith("net x:: its noise 'x:' cannot be read (")
    assert not list(problems(methods.available().values()))


def test_the_net_where_sigma_is_not_known():
    assert choose_net(methods.available()["dncnn-b"], "gray", None).id == "dncnn-b"
    assert choose_net(methods.available()["dncnn"], "gray", None).id == "dncnn-b"  # its specific nets are for one sigma
    assert choose_net(methods.available()["ffdnet"], "gray", None).id == "ffdnet"  # told an estimate
    assert choose_net(methods.available()["bm3d"], "rgb", None).id == "cbm3d"
    with pytest.raises(BenchError, match=r"method dncnn-s: its nets are each for one sigma .*SIGMA"):
        choose_net(methods.available()["dncnn-s"], "gray", None)
