"""Each choice of a protocol moves a number, and is in its hash."""

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.common.errors import BenchError
from bench.judge.verdict import judge
from bench.plan.protocol import CHOICES, PROTOCOLS, Protocol, protocol
from bench.plan.request import Request, plan, planned
from bench.report.leaderboard import leaderboards
from bench.report.page import pictures as report_pictures
from bench.report.page.html import html
from bench.run.images import degraded, pictures
from bench.run.one_cell import Settings, run_cell
from bench.store.records import Record, Store, described
from bench.store.results import Result
from datasets.gray import GRAYS

OTHER = {"noise_draw": "reset", "noisy": "uint8", "output": "float", "crop": 4, "channel": "y", "gray": "bt601"}
"""For each choice a value that is not that of `standard`."""


@pytest.fixture
def scores(one_cell, photographs):
    """Return a function that gives PSNR and SSIM of two images under a protocol."""

    def run(protocol: Protocol) -> list[float]:
        cell = replace(one_cell("wavelet", photographs, "50"), protocol=protocol)
        return [row[name] for row in run_cell(cell, Settings("cpu", jobs=1)).images for name in ("psnr", "ssim")]

    return run


@pytest.fixture
def colour(tmp_path):
    """Return a folder with a crop of a colour photograph."""
    folder = tmp_path / "colour"
    folder.mkdir()
    Image.fromarray(data.astronaut()[20:68, 180:244]).save(folder / "astronaut.png")
    return folder


@pytest.fixture
def ran(one_cell, colour):
    """Return a function that runs a method on the colour photograph: the row of the record, and the pixels."""

    def run(word, method="gaussian", noise="25"):
        cell = one_cell(method, colour, noise, protocol=word)
        (row,) = run_cell(cell, Settings("cpu", jobs=1)).images
        pixels = np.frombuffer(row["denoised"], np.uint8).reshape(row["height"], row["width"], -1)
        return row, pixels

    return run


def test_every_choice_has_a_test_here():
    assert {field.name for field in fields(Protocol)} == {"name", *OTHER}


@pytest.mark.parametrize("choice", [choice for choice in OTHER if choice not in ("channel", "gray")])
def test_each_choice_moves_the_numbers(choice, scores):
    standard = PROTOCOLS["standard"]
    changed = replace(standard, **{choice: OTHER[choice]})
    assert changed.digest != standard.digest
    assert all(a != b for a, b in zip(scores(changed), scores(standard), strict=True))


def test_a_name_moves_none(scores):
    standard = PROTOCOLS["standard"]
    renamed = replace(standard, name="mine")
    assert renamed.digest == standard.digest
    assert scores(renamed) == scores(standard)


def test_each_protocol_says_what_it_fixes():
    assert PROTOCOLS["standard"].summary() == (
        "noise not clipped, one field an image; output clipped and rounded to 8 bit; "
        "mean of per-image PSNR, peak 255, at most 58.92 dB an image; SSIM Wang 2004"
    )
    assert PROTOCOLS["seed0"].summary().startswith("noise not clipped, RandomState reset for each image;")
    assert PROTOCOLS["clipped"].summary().startswith("noise clipped and rounded to 8 bit,")
    assert PROTOCOLS["float"].summary(drawn=False).startswith("output clipped, not rounded;")
    assert "a border of scale left out" in PROTOCOLS["sr"].summary()
    assert protocol("clipped+gray=mean+crop=4").summary(drawn=False) == (
        "made gray before noise is added: mean; output clipped and rounded to 8 bit; a border of 4 left out; "
        "mean of per-image PSNR, peak 255, at most 58.92 dB an image; SSIM Wang 2004"
    )
    assert len({protocol.digest for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_each_name_stands_for_these_choices_and_all_else_is_as_in_standard():
    assert PROTOCOLS["standard"] == Protocol("standard", "independent", "float", "uint8", 0, "rgb", "none")
    assert {name: known.changes for name, known in PROTOCOLS.items()} == {
        "standard": {},
        "seed0": {"noise_draw": "reset"},
        "matlab0": {"noise_draw": "matlab-0"},
        "clipped": {"noisy": "uint8"},
        "float": {"output": "float"},
        "sr": {"crop": "scale"},
        "sr-rgb": {"crop": "scale", "channel": "y", "output": "float"},
        "torch0": {"noise_draw": "torch-0", "output": "float"},
        "torch12": {"noise_draw": "torch-12", "output": "float"},
    }


def test_each_choice_that_can_be_typed_is_one_of_the_protocol():
    assert {field.name for field in fields(Protocol)} == {"name", *CHOICES}
    assert set(CHOICES["gray"]) == {"none", *GRAYS}
    for choice, values in CHOICES.items():
        usual = getattr(Protocol, choice)
        digests = {protocol(f"standard+{choice}={4 if value == 'N' else value}").digest for value in values}
        # Each value is another protocol; that of `standard` is `standard`. A border of N stands for 0 too.
        assert len(digests) == len(values)
        assert protocol(f"standard+{choice}={usual}").name == "standard"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("standard,channel=y,crop=4", "standard+channel=y+crop=4"),
        (" standard , crop=04, channel = y", "standard+channel=y+crop=4"),
        ("standard+crop=4+channel=y", "standard+channel=y+crop=4"),
        ("sr,crop=4,channel=y", "standard+channel=y+crop=4"),
        ("float,output=uint8,crop=4,crop=4,channel=y", "standard+channel=y+crop=4"),
        ("clipped,output=float", "standard+noisy=uint8+output=float"),
        ("standard,noisy=uint8", "clipped"),
        ("sr,crop=0", "standard"),
        ("float,crop=scale,output=uint8", "sr"),
        ("standard,noise_draw=reset", "seed0"),
    ],
)
def test_two_spellings_are_one_protocol(words, name, colour):
    (cell,), _ = plan(Request("nlm", str(colour), protocol=words))
    (same,), _ = plan(Request("nlm", str(colour), protocol=name))
    assert cell.protocol.name == name
    assert cell.key == same.key
    assert cell.protocol == protocol(name)
    if name in PROTOCOLS:
        assert cell.protocol is PROTOCOLS[name]


def test_a_list_holds_several_each_with_its_changes(colour):
    cells, failures = plan(Request("nlm", str(colour), protocol="standard,channel=y,crop=4,clipped,sr,output=float"))
    names = ["standard+channel=y+crop=4", "clipped", "standard+crop=scale+output=float"]
    assert [cell.protocol.name for cell in cells] == names
    assert not failures
    assert len({cell.key for cell in cells}) == 3


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("channel=y", "says what it changes, not of which protocol; as in PROTOCOL=standard,channel=y"),
        ("standart,channel=y", "unknown protocol 'standart': did you mean standard?"),
        ("standard,chanel=y", "unknown choice of PROTOCOL=standard+chanel=y 'chanel': did you mean channel?"),
        ("standard,channel=Y", "channel is Y; expected rgb, y, y-full"),
        ("standard,channel=", "channel is empty; expected rgb, y, y-full"),
        ("standard,crop=-4", "crop is -4; expected a whole number of pixels, scale"),
        ("standard,crop=N", "crop is N; expected a whole number of pixels, scale"),
        ("standard,crop=1.5", "crop is 1.5; expected a whole number of pixels, scale"),
        ("standard,crop=4,crop=5", "crop is both 4 and 5"),
        ("standard,gray=rgb2gray", "gray is rgb2gray; expected none, bt601, y-limited, mean, red, green, blue"),
        ("standard,channel=y=y", "channel is y=y; expected rgb, y, y-full"),
        (
            "standard,gray=mean,channel=y",
            "PROTOCOL=standard+gray=mean+channel=y: gray=mean leaves one channel, so that channel=y has none to choose"
            "; leave one of the two out",
        ),
        ("standard,name=x", "unknown choice of PROTOCOL=standard+name=x 'name'"),
        ("seed0,channel=y-full,noise_draw=independent,ssim=x", "; see make list WHAT=protocols"),
    ],
)
def test_a_protocol_that_is_none_says_so_in_one_line(words, cause, colour):
    cells, (failure,) = plan(Request("nlm", str(colour), protocol=words))
    assert not cells
    assert cause in failure.cause
    assert "\n" not in failure.cause


def luma(image, word):
    """Y of 8-bit RGB by other code: scikit-image's for the studio range, Pillow's matrix of JPEG written out."""
    if word == "y":
        return color.rgb2ycbcr(image / 255)[..., 0]
    return image @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize(("word", "crop"), [("y", 0), ("y", 5), ("y-full", 0), ("y-full", 3)])
def test_the_score_of_y_is_that_of_another_library(ran, word, crop):
    row, pixels = ran(f"standard,channel={word},crop={crop}")
    inside = (slice(crop, 48 - crop), slice(crop, 64 - crop))
    clean = data.astronaut()[20:68, 180:244]
    a, b = luma(clean, word)[inside], luma(pixels, word)[inside]
    assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-3)
    assert row["mse"] == pytest.approx(np.mean((a - b) ** 2), rel=1e-4)
    theirs = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1][5:-5, 5:-5].mean()
    assert row["ssim"] == pytest.approx(theirs, abs=1e-4)
    rgb, same = ran("standard")
    assert (same == pixels).all()  # what is scored changes no pixel
    assert abs(rgb["psnr"] - row["psnr"]) > 0.5
    # Colour noise of 25 on each channel is 25 |weights| on Y.
    weights = np.array([65.481, 128.553, 24.966]) / 255 if word == "y" else np.array([0.299, 0.587, 0.114])
    assert row["noisy_mse"] == pytest.approx(625 * (weights**2).sum(), rel=0.1)


def test_an_output_that_is_not_rounded_has_its_y_unrounded_too(one_cell, colour):
    cells, _ = plan(Request("gaussian", str(colour), protocol="float,channel=y,standard,channel=y"))
    (first,), (second,) = (run_cell(cell, Settings("cpu", jobs=1)).images for cell in cells)
    assert first["psnr"] != second["psnr"]
    assert first["psnr"] == pytest.approx(second["psnr"], abs=0.05)


@pytest.mark.parametrize(
    ("formula", "theirs"),
    [
        # Pillow rounds the weights of BT.601 to 16 bits, MATLAB's to 15 digits: a level apart at most.
        ("bt601", lambda rgb: np.array(Image.fromarray(rgb).convert("L"))),
        ("y-limited", lambda rgb: np.round(color.rgb2ycbcr(rgb)[..., 0])),
        ("mean", lambda rgb: np.round(rgb.mean(axis=2))),
        ("red", lambda rgb: rgb[..., 0]),
        ("green", lambda rgb: rgb[..., 1]),
        ("blue", lambda rgb: rgb[..., 2]),
    ],
)
def test_gray_images_are_those_of_the_formula(one_cell, ran, colour, formula, theirs):
    cell = one_cell("gaussian", colour, protocol=f"standard,gray={formula}")
    assert cell.dataset.colour == "gray"
    (picture,) = pictures(cell.dataset)
    rgb = data.astronaut()[20:68, 180:244]
    apart = np.abs(picture.clean[..., 0].astype(float) - theirs(rgb))
    assert picture.clean.dtype == np.uint8
    assert apart.max() <= (1 if formula == "bt601" else 0)
    assert (apart > 0).mean() < 0.01
    noise = degraded(cell, picture).noisy[..., 0] * 255 - picture.clean[..., 0]
    assert np.std(noise) == pytest.approx(25, rel=0.05)  # the noise came after
    row, pixels = ran(f"standard,gray={formula}")
    clean = picture.clean.astype(float)
    assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(clean, pixels.astype(float), data_range=255), abs=1e-3)


def test_every_formula_and_channel_gives_another_number(ran):
    words = [
        "standard",
        *(f"standard,gray={name}" for name in GRAYS),
        *(f"standard,channel={c}" for c in ("y", "y-full")),
    ]
    assert len({round(ran(word)[0]["psnr"], 6) for word in words}) == len(words)


def test_gray_images_choose_gray_nets(colour):
    assert "gray nets only" in plan(Request("dncnn-3", str(colour)))[1][0].cause
    ((cell,), failures) = plan(Request("dncnn-3", str(colour), protocol="standard,gray=bt601"))
    assert cell.net.colour == "gray"
    assert not failures


def test_choices_for_colour_are_not_for_gray_images(photographs):
    for word in ("channel=y", "channel=y-full", "gray=mean"):
        cells, (failure,) = plan(Request("nlm", str(photographs), protocol=f"standard,{word}"))
        assert not cells
        assert f"are gray, and {word} is for colour images" in failure.cause
    whole = planned(Request("nlm", "all", "25", "standard,channel=y"))
    assert {cell.dataset.colour for cell in whole.cells} == {"rgb"}
    assert "gray images under a protocol for colour images" in whole.remarks[0]


def test_a_border_that_leaves_too_little_is_one_line(ran):
    with pytest.raises(BenchError, match=r"standard\+crop=19: a border of 19 leaves less than 11x11 of 48x64 pixels"):
        ran("standard,crop=19")
    assert ran("standard,crop=18")[0]["psnr"] > 20


def test_tables_never_mix_a_protocol_of_one_s_own(tmp_path, colour, photographs):
    words = ["standard", "standard,channel=y", "standard,channel=y,crop=4", "standard,gray=bt601", "clipped,crop=4"]
    store = Store(tmp_path / "runs")
    for word, method in itertools.product(words, ("gaussian", "median")):
        for cell in plan(Request(method, str(colour), protocol=word))[0]:
            store.put(cell, run_cell(cell, Settings("cpu", jobs=1)))
    boards = leaderboards([Result((record,)) for record in store.scores()])
    assert {board.protocol: len(board.entries) for board in boards} == {
        "standard": 2,
        "standard+channel=y": 2,
        "standard+channel=y+crop=4": 2,
        "standard+gray=bt601": 2,
        "standard+crop=4+noisy=uint8": 2,
    }
    shown = report_pictures.pictures(store, boards, 1, tmp_path)
    text = html(boards, [], shown, [])
    for board in boards:
        assert f"protocol {board.protocol}</h3>" in text
        assert text.count(f'id="{board.anchor}"') == 1
    assert "scored on Y of BT.601 from 16 to 235" in text
    for board in boards:
        (strip,) = shown[board.anchor].strips
        assert [panel.title for panel in strip.panels][:2] == ["clean", "noisy"]
        assert len(strip.panels) == 4
        mode = "L" if "gray" in board.protocol else "RGB"
        assert {Image.open(tmp_path / panel.source).mode for panel in strip.panels} == {mode}


def test_no_published_number_is_of_a_protocol_of_one_s_own(one_cell):
    """Numbers as the paper's, so that only the protocol can keep them apart."""
    cell = one_cell("dncnn-s", "bsd68", "25")

    def verdict(word):
        changed = replace(cell, protocol=protocol(word))
        about = described(changed)
        row = {"image": "a", "height": 321, "width": 481, "psnr": 29.23, "mse": 80.0, "noise_psnr": 29.23}
        return judge(Result((Record([row], about),)))

    assert verdict("standard").word == verdict("standard+noisy=float").word == "reproduced"
    for word in ("standard+crop=4", "float+crop=1"):
        own = verdict(word)
        assert own.word == "not comparable"
        assert f"here {word.partition('+')[2]}, as no published number" in own.reason
    assert verdict("clipped").word == "not comparable"
    assert verdict("clipped+output=float").word == "not comparable"
    assert verdict("standard+output=float").word == verdict("float").word
