"""The figures of a report show the numbers that they say they show."""

import csv
import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.judge import verified
from bench.report.columns import published_value
from bench.report.figures import comparison, differences
from bench.report.figures.comparison import comparison_figure
from bench.report.figures.cost import cost_figure, pareto
from bench.report.figures.differences import differences_figure, of_run, of_table
from bench.report.figures.histograms import histograms, histograms_figure
from bench.report.figures.levels import Point, cut_at_range, levels_figure
from bench.report.figures.paired import paired_figure
from bench.report.figures.parts import VERDICTS
from bench.report.figures.styles import BACK, COLUMN, charts, styles
from tests.bench.report.synthetic import boards_of, record


@pytest.fixture(autouse=True)
def theme():
    import matplotlib.pyplot as plt

    with charts():
        yield
    plt.close("all")


def looks_of(boards):
    return styles(row.result.label for board in boards for row in board.entries)


def rows_of(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def marks(axes, marker):
    """Return x and y of the marks of one kind."""
    return [tuple(point) for line in axes.lines if line.get_marker() == marker for point in line.get_xydata()]


def published_record(label, variant, sigma, offset, **more):
    """Return a record of Set12 whose mean PSNR is the published one plus an offset."""
    printed = {15: {"S": 32.859, "B": 32.680}, 25: {"S": 30.436, "B": 30.362}}[sigma][variant]
    about = {
        "net": {"id": label, "label": label, "trained": None, "published": ["DnCNN", variant], "trained_on": []},
        "dataset": {"name": "set12", "title": "Set12", "colour": "gray", "source": "", "ledger": ["set12", "gray"]},
    }
    return record(label, sigma, [printed + offset] * 12, **about, **more)


# Measured minus published


def test_measured_minus_published_is_drawn_with_its_band_and_its_verdict():
    boards = boards_of(
        published_record("DnCNN-S", "S", 15, 0.0041),
        published_record("DnCNN-B", "B", 15, -0.5),
        published_record("DnCNN-S", "S", 25, 0.7),
        record("mine", 15, [30.0] * 12),
    )
    rows = of_run(boards, "psnr")
    assert [row.name for row in rows] == ["DnCNN-S, Set12, σ = 25", "DnCNN-S, Set12, σ = 15", "DnCNN-B, Set12, σ = 15"]
    assert [row.text for row in rows] == ["+0.700", "+0.004", "−0.500"]
    assert [row.numbers[0].word for row in rows] == ["above", "reproduced", "below"]
    (axes,) = differences_figure(rows, "psnr").axes
    assert rows_of(axes) == [row.name for row in rows]
    assert axes.yaxis_inverted()
    for place, (word, value) in enumerate((("above", 0.7), ("reproduced", 0.0041), ("below", -0.5))):
        (mark,) = [mark for mark in axes.lines if mark.get_marker() == VERDICTS[word].marker]
        assert mark.get_color() == VERDICTS[word].colour
        assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (pytest.approx(value), place)
    allowed = {row.result.label: row.verdicts["psnr"].allowed for row in boards[0].entries if "psnr" in row.verdicts}
    band = axes.patches[1]
    assert (band.get_x(), band.get_width()) == pytest.approx((-allowed["DnCNN-S"], 2 * allowed["DnCNN-S"]))
    assert len({look.colour for look in VERDICTS.values()}) == len(VERDICTS) - 1
    assert len({look.marker for look in VERDICTS.values()}) == len(VERDICTS)


def test_one_number_that_is_far_off_does_not_hide_the_others():
    numbers = [differences.Number(d, 0.02, "below") for d in (*np.linspace(-0.01, 0.01, 30), -6.0)]
    rows = [differences.Row(f"row {i}", (number,), "") for i, number in enumerate(numbers)]
    (axes,) = differences_figure(rows, "psnr").axes
    low, high = axes.get_xlim()
    assert high < 0.1
    assert min(x for x, _ in marks(axes, VERDICTS["below"].marker)) >= low
    assert len(marks(axes, "<")) == 1


def test_what_does_not_fit_is_counted_and_is_the_nearest_to_what_was_published():
    values = [*np.linspace(0.001, 0.9, 70)]
    rows = [differences.Row(f"row {v:.4f}", (differences.Number(v, 0.05, "above"),), "") for v in values]
    (axes,) = differences_figure(rows, "psnr", COLUMN).axes
    assert rows_of(axes) == [f"row {value:.4f}" for value in values[-differences.MOST :]]
    assert f"{70 - differences.MOST} more, nearer to what was published, are left out" in axes.get_xlabel()


def test_the_committed_table_has_a_row_a_method_and_set():
    with verified.TABLE.open(newline="", encoding="utf-8") as table:
        lines = [row for row in csv.DictReader(table) if row["metric"] == "psnr" and row["verdict"]]
    each = Counter((row["method"], row["variant"], row["dataset"]) for row in lines)
    rows = of_table(verified.committed())
    assert len(rows) == len(each)
    assert sum(len(row.numbers) for row in rows) == len(lines)
    of_it = [row for row in lines if (row["method"], row["variant"], row["dataset"]) == ("FFDNet", "", "set12")]
    (ffdnet,) = (row for row in rows if row.name == "FFDNet, set12")
    reproduced = sum(row["verdict"] == "reproduced" for row in of_it)
    assert ffdnet.text == f"{reproduced} of {len(of_it)}"
    assert sorted(n.difference for n in ffdnet.numbers) == sorted(float(row["difference"]) for row in of_it)
    (axes,) = differences_figure(rows, "psnr").axes
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == BACK]
    assert sum(len(line.get_xdata()) for line in hollow) == sum(
        bool(row["cause"]) and row["verdict"] != "reproduced" for row in lines
    )


def test_nothing_is_drawn_where_nothing_was_published():
    assert differences_figure(of_run(boards_of(record("mine", 15, [30.0, 31.0])), "psnr"), "psnr") is None


def test_only_what_was_published_in_the_unit_of_the_chart_is_a_ring():
    rows = {
        "psnr": SimpleNamespace(metric="psnr_noise_255", number=60.0),
        "ssim": SimpleNamespace(metric="ssim", number=0.91),
    }
    verdicts = {metric: SimpleNamespace(published=row, is_of_a_claim=False) for metric, row in rows.items()}
    entry = SimpleNamespace(verdicts=verdicts)
    assert published_value(entry, "psnr") is None
    rows["psnr"].metric = "psnr"
    assert [published_value(entry, metric) for metric in ("psnr", "ssim", "mse")] == [60.0, 0.91, None]


# PSNR against noise


def trained(label, span):
    return {"net": {"id": label, "label": label, "trained": span, "published": None, "trained_on": []}}


def levels(label, values, span=None, noisy=(24.6, 20.2, 14.2)):
    """Return the records of a method at sigma 15, 25 and 50."""
    return [
        record(label, sigma, [value - 1, value + 1], base, **trained(label, span))
        for sigma, value, base in zip((15, 25, 50), values, noisy, strict=False)
    ]


def test_psnr_against_noise_is_open_and_dashed_outside_the_range():
    boards = boards_of(*levels("Wavelet", (28.0, 25.0, 20.0), [0, 20]), *levels("Gaussian", (27.0, 24.0, 19.0)))
    looks = looks_of(boards)
    absolute, gain = levels_figure(boards, looks).axes
    colour = looks["Wavelet"].colour
    for axes, base in ((absolute, (0, 0, 0)), (gain, (24.6, 20.2, 14.2))):
        mine = [line for line in axes.lines if line.get_color() == colour]
        faces = {line.get_xdata()[0]: line.get_markerfacecolor() for line in mine if line.get_marker() != "None"}
        assert faces == {15: colour, 25: BACK, 50: BACK}
        pieces = {tuple(line.get_xdata()): line.get_linestyle() for line in mine if line.get_marker() == "None"}
        assert pieces == {(15, 20): "-", (20, 25): "--", (25, 50): "--"}
        heights = {line.get_xdata()[0]: line.get_ydata()[0] for line in mine if line.get_marker() != "None"}
        assert [heights[sigma] for sigma in (15, 25, 50)] == pytest.approx(np.subtract((28.0, 25.0, 20.0), base))
        others = [line for line in axes.lines if line.get_color() == looks["Gaussian"].colour]
        assert {line.get_linestyle() for line in others if line.get_marker() == "None"} == {"-"}
        assert [tuple(patch.get_x() + np.array([0, patch.get_width()])) for patch in axes.patches] == [
            (pytest.approx(max(0, axes.get_xlim()[0])), 20)
        ]
    (noisy,) = [line for line in absolute.lines if line.get_linestyle() == ":"]
    assert list(noisy.get_ydata()) == pytest.approx([24.6, 20.2, 14.2])


def test_ranges_that_differ_are_bars_at_the_foot_and_nothing_is_shaded():
    boards = boards_of(*levels("a", (28.0, 25.0, 20.0), [0, 20]), *levels("b", (27.0, 24.0, 19.0), [10, 60]))
    looks = looks_of(boards)
    absolute, gain = levels_figure(boards, looks, COLUMN).axes
    assert not absolute.patches
    low, high = gain.get_xlim()
    for label, span in (("a", (max(0, low), 20)), ("b", (max(10, low), high))):
        bars = [
            line for line in absolute.lines
            if line.get_color() == looks[label].colour and line.get_transform() == absolute.get_xaxis_transform()
        ]  # fmt: skip
        assert [tuple(bar.get_xdata()) for bar in bars] == [pytest.approx(span)]


def test_a_published_psnr_is_a_ring():
    boards = boards_of(published_record("DnCNN-S", "S", 15, 0.1), published_record("DnCNN-S", "S", 25, 0.1))
    absolute, gain = levels_figure(boards, looks_of(boards)).axes
    for axes, base in ((absolute, 0), (gain, 20.0)):
        rings = [line for line in axes.lines if line.get_markersize() == 8]
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in rings] == [
            (15, pytest.approx(32.859 - base)), (25, pytest.approx(30.436 - base)),
        ]  # fmt: skip


def test_one_noise_level_is_no_curve_and_many_methods_are_capped():
    assert levels_figure(boards_of(*levels("a", (28.0,))), styles("a")) is None
    records = [record for i in range(20) for record in levels(f"net {i:02}", np.array([28.0, 25.0, 20.0]) - i / 10)]
    figure = levels_figure(boards_of(*records), styles(f"net {i:02}" for i in range(20)))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:12] == [f"net {i:02}" for i in range(12)]
    assert "8 more are left out" in names


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Point(5, 30, (10, 20)), Point(15, 20, (10, 20)), [((5, 10), (30, 25), False), ((10, 15), (25, 20), True)]),
        (Point(25, 30, (25, 25)), Point(50, 20, (50, 50)), [((25, 50), (30, 20), True)]),  # a net for each sigma
        (Point(10, 30, (0, 10)), Point(50, 20, (0, 10)), [((10, 50), (30, 20), False)]),  # the range ends at the point
        (Point(10, 30, None), Point(50, 20, None), [((10, 50), (30, 20), True)]),
    ],
)
def test_lines_are_cut_where_the_range_ends(first, second, expected):
    assert cut_at_range(first, second) == expected


# Paired differences


def test_paired_differences_are_to_the_best_on_the_same_images():
    best, other = [30.0, 35.0], [29.0, 34.6]
    boards = boards_of(record("a", 25, other), record("b", 25, best), record("c", 25, [30.5, 33.0]))
    (axes,) = paired_figure(boards, looks_of(boards)).axes
    assert rows_of(axes) == ["b", "a", "c"]
    means = [-0.7, -0.75]
    assert [text.get_text() for text in axes.texts] == ["best", "−0.700", "−0.750"]
    strokes = [line for line in axes.lines if line.get_alpha()]
    assert [list(line.get_xdata()[::3]) for line in strokes] == [pytest.approx([-1, -0.4]), pytest.approx([-2, 0.5])]
    assert all(np.nanmax(abs(line.get_ydata() - place)) < 0.5 for place, line in enumerate(strokes, 1))
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 1 and len(line.get_xdata()) == 2]
    low, high = axes.get_xlim()
    for mean, deviation, (start, end) in zip(means, (0.6, 2.5), bars[1:], strict=True):
        # Two images: t = 12.7062 for one degree of freedom, and the deviation of the mean is half their distance.
        half = 12.7062 * deviation / 2
        assert (start, end) == pytest.approx((max(low, mean - half), min(high, mean + half)), rel=1e-4)


def test_of_many_images_some_are_drawn_from_the_lowest_to_the_highest():
    gains = np.random.default_rng(0).normal(-1, 0.2, 500)
    boards = boards_of(record("a", 25, np.full(500, 30.0)), record("b", 25, 30.0 + gains))
    (axes,) = paired_figure(boards, looks_of(boards)).axes
    (strokes,) = [line.get_xdata()[::3] for line in axes.lines if line.get_alpha()]
    assert len(strokes) == 60
    assert np.quantile(strokes, (0, 0.5, 1)) == pytest.approx(np.quantile(gains, (0, 0.5, 1)), abs=0.02)


def test_an_image_that_one_lacks_and_a_seed_that_one_lacks_are_no_difference():
    first = [record("a", 25, [30.0, 31.0, 32.0], seed=seed) for seed in (0, 1)]
    other = record("b", 25, [29.0, 30.5, 31.0])
    other.images.pop()
    first[1].images[0]["psnr"] = 80.0  # of a seed that the other has not
    boards = boards_of(*first, other)
    (axes,) = paired_figure(boards, looks_of(boards)).axes
    assert [text.get_text() for text in axes.texts] == ["best", "−0.750"]


def test_one_method_has_no_paired_difference():
    assert paired_figure(boards_of(record("a", 25, [30.0])), styles("a")) is None


# Every metric


def test_the_comparison_shows_means_and_paired_intervals_and_the_noisy_input():
    scores = {"b": [30.0, 35.0], "a": [29.0, 34.6]}
    records = {label: record(label, 25, values) for label, values in scores.items()}
    boards = boards_of(*records.values())
    figure = comparison_figure(boards, looks_of(boards))
    for axes, metric, form in zip(figure.axes, ("psnr", "ssim", "mse"), (".2f", ".4f", ".1f"), strict=True):
        rows = {label: [image[metric] for image in of_it.images] for label, of_it in records.items()}
        means = [np.mean(rows[label]) for label in scores]
        noisy = np.mean([image[f"noisy_{metric}"] for image in records["a"].images])
        assert [text.get_text() for text in axes.texts] == [format(value, form) for value in (*means, noisy)]
        points = [container.lines[0].get_xydata()[0] for container in axes.containers]
        assert [x for x, _ in points] == pytest.approx(means)
        reaches = []
        for container in axes.containers:
            (low, _), (high, _) = container.lines[2][0].get_segments()[0]
            reaches.append((high - low) / 2)
        gained = np.subtract(rows["a"], rows["b"])
        # The interval is of what the images have in common taken away: t = 12.7062 for one degree of freedom.
        assert reaches == pytest.approx([0, 12.7062 * abs(gained[1] - gained[0]) / 2], rel=1e-4)
    assert rows_of(figure.axes[0]) == ["b", "a", "noisy input"]


def test_the_noisy_input_is_a_line_where_it_is_near():
    import matplotlib.pyplot as plt

    for noisy, inside in ((29.0, True), (20.0, False), (float("nan"), False)):
        _, axes = plt.subplots()
        comparison._limits(axes, [30.0, 34.0], noisy, 1.0, logarithmic=False)
        low, high = axes.get_xlim()
        assert (low < noisy < high) == inside
        assert any(line.get_linestyle() == "--" for line in axes.lines) == inside
        assert (high - low) < 1.6 * 4


def test_the_arrow_to_a_noisy_input_far_away_is_clear_of_its_value():
    boards = boards_of(*(record(label, 25, [30.0, 35.0]) for label in "ab"))
    figure = comparison_figure(boards, looks_of(boards))
    figure.canvas.draw()
    axes = figure.axes[2]
    (arrow,) = [line for line in axes.lines if line.get_marker() == ">"]
    assert axes.texts[-1].get_window_extent().x0 - arrow.get_window_extent().x1 > 0.06 * figure.dpi  # inches


# Cost


@pytest.mark.parametrize("seed", range(5))
def test_no_point_of_the_front_is_dominated_and_every_other_is(seed):
    rng = np.random.default_rng(seed)
    found = [(int(cost), float(quality)) for cost, quality in rng.integers(1, 12, (30, 2))]
    front = pareto(found)
    for cost, quality in found:
        better = [(c, q) for c, q in found if c <= cost and q >= quality and (c, q) != (cost, quality)]
        assert ((cost, quality) in front) == (not better)
    assert front == sorted(set(front))


def test_cost_is_of_one_machine_and_names_what_has_no_count():
    counted = {"parameters": 500_000, "macs_per_megapixel": 5e11}
    boards = boards_of(
        record("small", 25, [30.0], seconds=0.1, **counted),
        record("large", 25, [31.0], seconds=1.0, parameters=2_000_000, macs_per_megapixel=2e12),
        record("filter", 25, [28.0], seconds=3.0, runtime="Python"),
        record("elsewhere", 25, [29.0], seconds=0.001, device="cuda:0 (NVIDIA H100)", **counted),
    )
    figure = cost_figure(boards, looks_of(boards))
    seconds, macs, parameters = figure.axes

    def of(axes):
        return sorted(line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 1)

    assert of(seconds) == [0.1, 1.0, 3.0]
    assert seconds.get_xlabel().splitlines() == ["seconds an image", "elsewhere: elsewhere"]
    assert of(macs) == pytest.approx([5e5, 5e5, 2e6])
    assert "no count: filter" in macs.get_xlabel()
    assert of(parameters) == [500_000, 500_000, 2_000_000]
    (front,) = [line for line in seconds.lines if line.get_linestyle() == "--"]
    assert list(zip(*front.get_data(), strict=True)) == [(0.1, 30.0), (1.0, 31.0)]
    names = [" ".join(text.get_text().split()) for text in figure.legends[0].get_texts()]
    assert "filter, Python ×2" in names
    assert "small, torch ×2" in names


def test_seconds_that_are_not_known_are_none():
    boards = boards_of(*(record(label, 25, [30.0], seconds=math.nan) for label in "ab"))
    assert cost_figure(boards, looks_of(boards)) is None


# Histograms


def images_of(clean, noise, errors):
    """Return an image whose methods leave these errors."""
    outputs = tuple((clean + error).astype(np.uint8) for error in errors)
    return SimpleNamespace(clean=clean.astype(np.uint8), noisy=(clean + noise).astype(np.float32), outputs=outputs)


def test_histograms_are_densities_of_noise_residual_and_error():
    rng = np.random.default_rng(1)
    clean = rng.integers(60, 180, (400, 500, 1)).astype(float)
    errors = [rng.integers(-3, 4, clean.shape), rng.integers(-30, 31, clean.shape)]
    noise = rng.normal(0, 20, clean.shape)
    found = histograms([images_of(clean, noise, errors)] * 2, 20.0)
    width = found.edges[1] - found.edges[0]
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    assert (found.edges[0], found.edges[-1], width) == (-80.5, 80.5, 1)
    # Of 200,000 samples the highest bin has 4,000: three deviations are 5 % of it.
    normal = np.exp(-(middles**2) / 800) / (20 * np.sqrt(2 * np.pi))
    assert found.noise == pytest.approx(normal, abs=0.05 * normal.max())
    assert [density.sum() * width for density in found.errors] == pytest.approx([1, 1])
    assert found.errors[0][abs(middles) < 5].sum() * width == pytest.approx(1)
    assert (found.errors[1] @ middles**2) * width == pytest.approx((61**2 - 1) / 12, rel=0.01)  # even over -30 to 30
    residual = noise - errors[1]
    assert (found.residuals[1] @ middles**2) * width == pytest.approx((residual**2).mean(), rel=0.02)
    assert not np.allclose(found.residuals[0], found.residuals[1], rtol=0.1)


def test_histograms_need_noise_and_clean_images():
    clean = np.full((8, 8, 1), 99.0)
    assert histograms([], 25.0) is None
    assert histograms([images_of(clean, 0, [])], 0.0) is None
    assert histograms([SimpleNamespace(clean=None)], 25.0) is None


def test_the_normal_curve_is_that_of_gaussian_noise_only():
    rng = np.random.default_rng(1)
    clean = np.full((64, 64, 1), 99.0)
    found = histograms([images_of(clean, rng.normal(0, 25, clean.shape), [rng.integers(-3, 4, clean.shape)])], 25.0)
    boards = boards_of(record("a", 25, [30.0]))
    for kind, peaks in (("gaussian", [1 / (25 * np.sqrt(2 * np.pi))]), ("poisson", [])):
        left, right = histograms_figure(replace(boards[0], kind=kind), found, looks_of(boards)).axes
        curves = [line for line in left.lines if line.get_linestyle() == "--"]
        assert [max(line.get_ydata()) for line in curves] == pytest.approx(peaks)
        assert [line.get_color() for line in right.lines] == [styles("a")["a"].colour]
