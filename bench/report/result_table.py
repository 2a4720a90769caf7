"""Results in the terminal, beside the published numbers: best first, in a table that fits."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.common.errors import visible
from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, averaged, footnotes
from bench.report.columns import TERMINAL, Column, Entry, columns, heading, text
from bench.report.console import plain
from bench.report.leaderboard import Leaderboard, leaderboards
from bench.report.ranking import marks
from bench.store.results import Result

SPARED = (("seconds", "runtime"), ("noisy_psnr",), ("mse",), ("ssim", "ssim_published"), ("psnr_deviation",))
"""Columns that a narrow terminal does without, first those at the front; seconds never stand without their runtime."""

WORDS, GAP = 24, 2
"""Letters of a name that stands on one line, and columns between two of the table."""

OF_GROUP = ("dataset", "noise")
"""Columns that a narrow terminal has as a line above their rows."""

SIGNS = {"best": "*", "tied": "="}
MEANING = {"*": "* best", "=": "= not told from the best by these images (make compare)"}
"""Behind the PSNR of a row."""

_STYLE = {"reproduced": "green", "above": "cyan", "below": "yellow", "undecided": "magenta", "not comparable": "dim"}


def print_results(out: Console, results: Sequence[Result]) -> None:
    """Print results beside the published numbers, one table a protocol: the numbers of two never mix.

    They stand by dataset, as they come, and noise, best first. Images without a reference have a table of their own.
    """
    protocols = list(dict.fromkeys(result.protocol for result in results))
    sets = list(dict.fromkeys(result.dataset for result in results))
    boards = sorted(leaderboards(results), key=lambda b: (protocols.index(b.protocol), sets.index(b.dataset)))
    for _, group in groupby(boards, key=lambda board: (board.protocol, board.has_reference)):
        out.print()
        _Sheet(out, list(group)).print()
    for line in footnotes(results):
        out.print(visible(f"note: {line}"), style="dim", markup=False)


class _Sheet:
    """Leaderboards of one protocol as one table."""

    def __init__(self, out: Console, boards: Sequence[Leaderboard]) -> None:
        self.out, self.boards = out, boards
        self.rows = [row for board in boards for row in board.entries]
        self.signs = _signs(boards)
        self.columns, self.left_out = columns(TERMINAL, self.rows), list[str]()
        self.widths = {column.name: self._width(column) for column in self.columns}
        if out.is_terminal:
            self._fit(out.width)

    def print(self) -> None:
        """Print the table, and under it the reasons of the verdicts."""
        headed = not {column.name for column in self.columns}.issuperset(OF_GROUP)
        # Where no terminal wraps lines, the table has the width that it needs.
        wide = max(self.out.width, self._total() + GAP)
        lines = self.out if self.out.is_terminal else plain(file=self.out.file, width=wide)
        for number, board in enumerate(self.boards):
            grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1), show_header=number == 0)
            for column in self.columns:
                width, side = self.widths[column.name], "right" if column.form else "left"
                grid.add_column(heading(column, TERMINAL), justify=side, no_wrap=True, width=width)  # type: ignore[arg-type]
            if headed and number == 0:
                lines.print(grid)
                grid.show_header = False
            if headed:
                lines.print(visible(f"{board.dataset}, {board.entries[0].result.noise}"), style="bold", markup=False)
            for row in board.entries:
                grid.add_row(*self._texts(row))
            lines.print(grid)
        for line in self._remarks():
            self.out.print(visible(line), style="dim", markup=False)

    def _texts(self, row: Entry) -> Iterator[Text]:
        sign = self.signs.get(id(row), "")
        for column in self.columns:
            shown, style = self._text(column, row), ""
            if column.name == "verdict":
                style = _STYLE.get(row.verdict.word if row.verdict else "", "dim")
            elif column.name == "psnr" and sign == SIGNS["best"]:
                style = "bold"
            elif _is_name(column):
                shown = two_lines(shown, self.widths[column.name])
            yield Text(shown, style)

    def _text(self, column: Column, row: Entry) -> str:
        shown = visible(text(column, row, "-"))
        return f"{shown} {self.signs.get(id(row), ' ')}" if column.name == "psnr" and self.signs else shown

    def _fit(self, room: int) -> None:
        """Leave out columns, have what a group shares above it, and cut names, until the table has the room."""
        for names in SPARED:
            if self._total() <= room:
                return
            self.left_out += [heading(column, TERMINAL) for column in self.columns if column.name in names]
            self._without(names)
        if self._total() > room:
            self._without(OF_GROUP)
        self.widths["method"] = max(self.widths["method"] - max(self._total() - room, 0), len("Method"))

    def _without(self, names: Sequence[str]) -> None:
        self.columns = [column for column in self.columns if column.name not in names]

    def _total(self) -> int:
        return sum(self.widths[column.name] + GAP for column in self.columns) - GAP

    def _width(self, column: Column) -> int:
        """Return the width of a column; on a terminal half of a long name, which has two lines."""
        texts = [heading(column, TERMINAL), *(self._text(column, row) for row in self.rows)]
        width = max(map(cell_len, texts))
        return max(WORDS, (width + 1) // 2) if self.out.is_terminal and _is_name(column) and width > WORDS else width

    def _remarks(self) -> list[str]:
        first = self.rows[0].result
        scored = first.has_reference
        remark = averaged([row.result for row in self.rows]) if scored else f"no reference; {SELF_SCORE}"
        meaning = [meant for sign, meant in MEANING.items() if sign in self.signs.values()]
        lines = ["; ".join([f"protocol {first.protocol}", *meaning, remark])]
        if self.left_out:
            lines.append(f"too narrow for {', '.join(self.left_out)}; a wider terminal or TABLE=file.csv shows all")
        lines += [PREDICTED_NOISE] if any(row.result.predicts_noise for row in self.rows) and scored else []
        return lines + [
            f"{row.result.label}, {row.result.dataset}, {row.result.degradation}: {verdict.title}: {verdict.reason}"
            for row in self.rows
            for verdict in row.explained
        ]


def two_lines(name: str, width: int) -> str:
    r"""Return a name on at most two lines of a width; what has no room there is left out of its middle.

    Examples
    --------
    >>> two_lines("photographs of the trip", 15), two_lines("a" * 9, 5), two_lines("0123456789abcdef", 5)
    ('photographs of\nthe trip', 'aaaaa\naaaa', '01234\n…cdef')
    """
    if cell_len(name) <= width:
        return name
    if cell_len(name) > 2 * width:
        return f"{_head(name, width)}\n…{_head(name[::-1], width - 1)[::-1]}"
    first = _head(name, width)
    for place in range(len(first), 0, -1):  # between words, where both lines have room so
        if not name[place].isalnum() and cell_len(name[place:].strip()) <= width:
            place += name[place] in "-_,/@" and place < len(first)
            return f"{name[:place].rstrip()}\n{name[place:].lstrip()}"
    return f"{first}\n{name[len(first) :]}"


def _head(name: str, width: int) -> str:
    while cell_len(name) > width:
        name = name[:-1]
    return name


def _is_name(column: Column) -> bool:
    return not column.form and column.name != "verdict"


def _signs(boards: Sequence[Leaderboard]) -> dict[int, str]:
    """Return the signs of the best rows, by their identity."""
    found: dict[int, str] = {}
    for board in boards:
        of_board: Mapping[str, str] = marks(board) if board.has_reference else {}
        found |= {id(row): SIGNS[m] for row in board.entries if (m := of_board.get(row.result.label)) in SIGNS}
    return found
