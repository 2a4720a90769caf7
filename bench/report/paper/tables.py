"""LaTeX tables (package booktabs) in the manner of papers: methods down, datasets and noise across."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from bench.common.latex import LONGEST, latex_breakable, latex_escaped
from bench.degradation import PAIRS
from bench.judge.footnotes import averaged
from bench.judge.ledger import Published
from bench.judge.paired import LEVEL
from bench.report.columns import Entry
from bench.report.leaderboard import Leaderboard
from bench.report.paper.references import cited, of_method, of_published, others_held_to
from bench.report.ranking import Mark, marks
from bench.score.metrics import shown
from bench.store.records import slug

ONE_COLUMN, TWO_COLUMNS = 234.0, 496.0
"""Widths in points that CVPR and IEEE have both; a table of one column is `table`, one of two `table*`."""

LABELS_OF_ONE, LABELS_OF_TWO = 105.0, 150.0
"""Points that names of methods have at most, in lines of their own where they are longer."""

_LETTER, _GAP = 4.4, 6.0
"""Points of a letter at 8 pt, a wide one, and between two columns."""

_VERDICTS = {"reproduced": "=", "above": "+", "below": "-", "undecided": "?"}
"""Signs behind published numbers: what the measured number is, by `bench.judge.verdict`."""


@dataclass(frozen=True)
class _Layout:
    """The columns of one table, and how wide that of the methods is."""

    boards: Sequence[Leaderboard]
    methods: float
    width: float


def to_latex(boards: Sequence[Leaderboard], metrics: Sequence[str] = ("psnr",)) -> str:
    """Return the tables of leaderboards, one after another; parameters as of `tables`."""
    return "\n".join(["% needs \\usepackage{booktabs}", *tables(boards, metrics).values()])


def tables(boards: Sequence[Leaderboard], metrics: Sequence[str] = ("psnr",)) -> dict[str, str]:
    """Return LaTeX tables by name: one for each protocol, kind of noise and gray or colour; wide ones are split.

    Best and second are marked as in `bench.report.ranking`. A row of published numbers follows a method that has some
    under comparable rules; it names whose they are where that is no method of this name, as a person's own held against
    DnCNN. Images without a reference have no table.

    Parameters
    ----------
    boards : sequence of Leaderboard
        Whose columns they are.
    metrics : sequence of str
        What a cell holds, as ``("psnr", "ssim")``.
    """
    made = {}
    for (protocol, colour, kind), group in _groups(boards).items():
        parts = list(_layouts(group, metrics))
        for number, layout in enumerate(parts, 1):
            words = ["-".join(metrics), colour, kind, protocol, str(number) if len(parts) > 1 else ""]
            name = slug("-".join(filter(None, words))).replace("=", "-").replace(".", "-")
            made[name] = _table(layout, group, metrics, name, continued=number > 1)
    return made


def _groups(boards: Sequence[Leaderboard]) -> dict[tuple[str, str, str], list[Leaderboard]]:
    groups: dict[tuple[str, str, str], list[Leaderboard]] = {}
    for board in boards:
        if board.has_reference:
            groups.setdefault((board.protocol, _colour(board), board.kind), []).append(board)
    return groups


def _colour(board: Leaderboard) -> str:
    result = board.entries[0].result
    return "colour" if result.about["dataset"]["colour"] == "rgb" and result.rules.gray == "none" else "gray"


def _layouts(boards: Sequence[Leaderboard], metrics: Sequence[str]) -> Iterator[_Layout]:
    """Split columns into tables that are as wide as two columns of a page at most, between datasets where they can."""
    natural = max(_label_width(row) for board in boards for row in board.entries)
    if _width(boards, metrics) <= ONE_COLUMN - min(natural, LABELS_OF_ONE):
        yield _Layout(boards, min(natural, LABELS_OF_ONE), ONE_COLUMN)
        return
    methods = min(natural, LABELS_OF_TWO)
    room, part = TWO_COLUMNS - methods, list[Leaderboard]()
    for _, group in groupby(boards, lambda board: board.dataset):
        columns = list(group)
        for piece in [columns] if _width(columns, metrics) <= room else [[column] for column in columns]:
            if part and _width([*part, *piece], metrics) > room:
                yield _Layout(part, methods, TWO_COLUMNS)
                part = []
            part = [*part, *piece]
    yield _Layout(part, methods, TWO_COLUMNS)


def _width(boards: Sequence[Leaderboard], metrics: Sequence[str]) -> float:
    groups = (list(group) for _, group in groupby(boards, lambda board: board.dataset))
    return sum(_group_width(group, metrics) for group in groups)


def _group_width(boards: Sequence[Leaderboard], metrics: Sequence[str]) -> float:
    """Return the points of the columns of one dataset, which are as wide as the words of its name at least."""
    return max(sum(_column_width(board, metrics) for board in boards), _word_width(boards[0].title) + _GAP)


def _word_width(text: str) -> float:
    """Return the points of the longest word of a text, as far as it is not broken."""
    return min(max(map(len, text.split()), default=0), LONGEST) * _LETTER


def _column_width(board: Leaderboard, metrics: Sequence[str]) -> float:
    digits = sum(6 if metric != "psnr" else 5 for metric in metrics) + len(metrics) - 1
    digits += len(metrics) * any(_published(row, metrics) for row in board.entries)  # the sign of a verdict
    return max(digits, min(len(_level(board)), LONGEST)) * _LETTER + _GAP


def _label_width(row: Entry) -> float:
    """Return the points of a method's name and citation, or of whose the published numbers below are."""
    longest = len(row.result.label) + 5 * len(of_method(row.result))
    for one in others_held_to(row):
        longest = max(longest, len(f"{_name(one)}, published") + 5 * len(of_published(one)) + 3)
    return longest * _LETTER + _GAP


def _table(layout: _Layout, group: Sequence[Leaderboard], metrics: Sequence[str], name: str, *, continued: bool) -> str:
    boards = layout.boards
    rows = [_noisy(boards, metrics), r"\addlinespace"]
    marked = [{metric: marks(board, metric) for metric in metrics} for board in boards]
    for label in _rising(group):
        rows += _rows(label, layout, marked, metrics)
    body = "\n".join(rows)
    star = "*" if layout.width == TWO_COLUMNS else ""
    return "\n".join(
        [
            *(f"% Note: {line}" for line in _remarks(boards)),
            rf"\begin{{table{star}}}[t]",
            r"\centering",
            r"\setlength{\belowcaptionskip}{4pt}",  # article has none over a table
            rf"\caption{{{_caption(boards, metrics, body, continued=continued)}}}",
            rf"\label{{tab:{name}}}",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\begin{{tabular}}{{@{{}}l{'c' * len(boards)}@{{}}}}",
            r"\toprule",
            *_head(layout, metrics),
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{table{star}}}",
            "",
        ]
    )


def _head(layout: _Layout, metrics: Sequence[str]) -> list[str]:
    """Return the two lines over the columns: datasets, and noise."""
    names, rules, column = [], [], 2
    for _, group in groupby(layout.boards, lambda board: board.dataset):
        columns = list(group)
        title = _wrapped(columns[0].title, _group_width(columns, metrics) - _GAP, r"\centering")
        names.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{title}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + len(columns) - 1}}}")
        column += len(columns)
    kind = layout.boards[0].kind
    noise = {"gaussian": r", $\sigma$", PAIRS: ""}.get(kind, ", " + latex_escaped(kind))
    levels = [_wrapped(_level(board), _column_width(board, metrics) - _GAP, r"\centering") for board in layout.boards]
    return [f" & {' & '.join(names)} \\\\", "".join(rules), f"Method{noise} & {' & '.join(levels)} \\\\"]


def _level(board: Leaderboard) -> str:
    """Return how strong the noise of a column is, where the table says its kind."""
    if board.degradation == PAIRS:
        return "own noise"
    return board.degradation.removeprefix(f"{board.kind}:")


def _rising(boards: Sequence[Leaderboard]) -> list[str]:
    """Return the methods in the order of their mean place, the best last, as in papers."""
    places: dict[str, list[float]] = {}
    for board in boards:
        for place, row in enumerate(board.entries):
            places.setdefault(row.result.label, []).append(place / len(board.entries))
    return sorted(places, key=lambda label: (-fmean(places[label]), label))


def _noisy(boards: Sequence[Leaderboard], metrics: Sequence[str]) -> str:
    results = [board.entries[0].result for board in boards]
    cells = ["/".join(format(one.mean(f"noisy_{m}"), shown()[m].form) for m in metrics) for one in results]
    return f"Noisy image & {' & '.join(cells)} \\\\"


def _rows(
    label: str, layout: _Layout, marked: Sequence[dict[str, Mapping[str, Mark]]], metrics: Sequence[str]
) -> Iterator[str]:
    """Yield the row of a method, and that of its published numbers, where there are any."""
    there = [next((row for row in board.entries if row.result.label == label), None) for board in layout.boards]
    first = next((row for row in there if row), None)
    if first is None:
        return
    cells = [_cell(row, of_it, metrics) if row else "--" for row, of_it in zip(there, marked, strict=True)]
    keys = cited(of_method(first.result))
    name = _wrapped(label, layout.methods - _GAP, r"\raggedright", keys)
    yield f"{name} & {' & '.join(cells)} \\\\"
    printed = [_published(row, metrics) if row else "" for row in there]
    if any(printed):
        others = [one for row, text in zip(there, printed, strict=True) if row and text for one in others_held_to(row)]
        names = "/".join(dict.fromkeys(map(_name, others)))
        keys = cited(list(dict.fromkeys(entry for one in others for entry in of_published(one))))
        width = layout.methods - 2 * _GAP
        words = _wrapped(f"{names}, published", width, r"\raggedright", keys) if names else "published"
        yield rf"\quad {words}$^{{\dagger}}$ & {' & '.join(text or '--' for text in printed)} \\"


def _name(published: Published) -> str:
    return f"{published.method} {published.variant}".strip()


def _cell(row: Entry, marked: dict[str, Mapping[str, Mark]], metrics: Sequence[str]) -> str:
    texts = []
    for metric in metrics:
        text = format(row.result.mean(metric), shown()[metric].form)
        command = {"best": r"\textbf", "second": r"\underline"}.get(marked[metric].get(row.result.label, ""))
        texts.append(f"{command}{{{text}}}" if command else text)
    return "/".join(texts) + ("$^{*}$" if row.result.failed_images else "")


def _published(row: Entry, metrics: Sequence[str]) -> str:
    """Return the published numbers of a row that were made under comparable rules, each with the sign of its verdict.

    Empty where there are none.
    """
    numbers = []
    for metric in metrics:
        verdict = row.verdicts.get(metric)
        sign = _VERDICTS.get(verdict.word, "") if verdict and not verdict.is_of_a_claim else ""
        printed = verdict and sign and verdict.published.metric == metric
        numbers.append(f"{verdict.published.value}$^{{{sign}}}$" if verdict and printed else "")
    return "/".join(text or "--" for text in numbers) if any(numbers) else ""


def _caption(boards: Sequence[Leaderboard], metrics: Sequence[str], body: str, *, continued: bool) -> str:
    """Return what a table shows and by which rules; what of its signs is explained are those that it has."""
    units = [f"{shown()[m].title} ({shown()[m].unit})" if shown()[m].unit else shown()[m].title for m in metrics]
    gaussian = all(board.degradation == f"gaussian:{board.strength:g}" for board in boards if board.strength)
    noise = r"additive white Gaussian noise of standard deviation $\sigma$ (images from 0 to 255)"
    kind = noise if boards[0].kind == "gaussian" and gaussian else latex_escaped(_kind(boards[0]))
    several = rf"the images tell it from all others (Wilcoxon's signed-rank test, Holm's correction, $p<{LEVEL:g}$)"
    signs = {
        r"\textbf{": f"Bold: the best, where {several}.",
        r"\underline{": "Underlined: the second, likewise.",
        r"\dagger": rf"$\dagger$: as published, under comparable rules; the measured number is {_verdicts(body)}.",
        "--": "--: not measured, or not published under comparable rules.",
        "{*}": "*: without images that failed.",
    }
    rules = [rule for rule in boards[0].choices.split("; ") if "ssim" in metrics or not rule.startswith("SSIM")]
    return " ".join(
        [
            f"{'Continued: mean' if continued else 'Mean'} {'/'.join(units)} on {_colour(boards[0])} images, {kind}.",
            *(text for sign, text in signs.items() if sign in body),
            latex_escaped(f"Protocol {boards[0].protocol}: {'; '.join(rules)}; {_seeds(boards)}."),
        ]
    )


def _verdicts(body: str) -> str:
    """Say what those signs of verdicts mean that a table has."""
    there = {word: sign for word, sign in _VERDICTS.items() if f"$^{{{sign}}}$" in body}
    return ", ".join(f"{word} ($^{{{sign}}}$)" for word, sign in there.items())


def _seeds(boards: Sequence[Leaderboard]) -> str:
    """Say over which seeds the numbers are means."""
    results = [row.result for board in boards for row in board.entries]
    counts = {len(result.seeds) for result in results}
    if len({tuple(result.seeds) for result in results}) > 1:
        few, many = min(counts), max(counts)
        return f"each number of {few} to {many} seeds" if few < many else "seeds differ between numbers"
    return averaged(results).partition(";")[0] if counts != {1} else f"seed {results[0].seeds[0]}"


def _kind(board: Leaderboard) -> str:
    return "the images' own noise" if board.degradation == PAIRS else f"degradation {board.kind}"


def _remarks(boards: Sequence[Leaderboard]) -> list[str]:
    """Return the footnotes of leaderboards, as comments that a writer reads."""
    lines = dict.fromkeys(line for board in boards for line in board.footnotes)
    return [" ".join(latex_escaped(line).split()) for line in lines]


def _wrapped(text: str, points: float, alignment: str, after: str = "") -> str:
    """Return a text as LaTeX, in lines of a width where it has no room in one."""
    escaped = latex_breakable(text) + after
    if len(text) * _LETTER <= points:
        return escaped
    return rf"\parbox[t]{{{max(points, _word_width(text)):.0f}pt}}{{{alignment}\strut {escaped}\strut}}"
