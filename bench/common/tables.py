"""Tables as files: CSV, Markdown, LaTeX or JSON, by the ending of their name."""

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.common.atomic import ADVICE, write_whole
from bench.common.errors import BenchError, visible, visible_json
from bench.common.latex import latex_escaped
from bench.common.text_files import read_text
from datasets.listing import some

ENDINGS = (".csv", ".md", ".tex", ".json")
"""Of the names of tables; each is a format."""


def csv_text(rows: Iterable[Any], *, columns: Sequence[str] = (), digits: int | None = None) -> str:
    r"""Return rows as CSV, the names of the columns first.

    Parameters
    ----------
    rows : iterable of mapping or dataclass
        A column is there if one row has it, in order of first appearance. NaN and None are empty fields. A text that
        a spreadsheet would take for a formula has a `'` before it, and no letter moves the cursor of a terminal.
    columns : sequence of str
        Columns that come first, and are there without a row that has them.
    digits : int, optional
        Significant digits of floats; all that tell a float apart otherwise.

    Examples
    --------
    >>> csv_text([{"a": 1, "b": float("nan")}, {"a": 0.1234567, "c": "x, y"}], digits=3)
    'a,b,c\n1,,\n0.123,,"x, y"\n'
    >>> csv_text([{"a": "=1+2", "b": "-0.5", "c": "-residual"}])
    "a,b,c\n'=1+2,-0.5,'-residual\n"
    >>> csv_text([{"a": "\x1b[2Jx"}])
    'a\n\\x1b[2Jx\n'
    """
    flat = [_mapping(row) for row in rows]
    names = list(dict.fromkeys([*columns, *(name for row in flat for name in row)]))
    return csv_lines(names, ([row.get(name) for name in names] for row in flat), digits)


def csv_lines(names: Sequence[str], rows: Iterable[Iterable[Any]], digits: int | None = None) -> str:
    """Return rows of values as CSV, as `csv_text` does of mappings; one row is in memory at a time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(as_field, names))
    writer.writerows([_field(value, digits) for value in row] for row in rows)
    return text.getvalue()


def write_csv(
    path: Path, rows: Iterable[Any], *, columns: Sequence[str] = (), digits: int | None = None, advice: str = ADVICE
) -> None:
    """Write rows as a CSV file, which appears whole; parameters as of `csv_text` and `bench.common.atomic.write_whole`.

    Raises
    ------
    BenchError
        If it cannot be written.
    """
    write_whole(path, csv_text(rows, columns=columns, digits=digits), advice=advice)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Read a CSV file, a row as its fields by the names of the columns; no rows where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file))


def numbered_rows(path: Path, columns: Sequence[str], needed: Sequence[str] = ()) -> dict[int, dict[str, str]]:
    """Read a CSV file of known columns, each row by the number of its last line in the file.

    Parameters
    ----------
    path : Path
        A CSV file.
    columns : sequence of str
        Those that it may have.
    needed : sequence of str
        Those that it must have; empty: all. Of the others the fields are empty.

    Raises
    ------
    BenchError
        If it is none, lacks a column or has another one.
    """
    numbered = _fields(path)
    there = [name.strip() for name in next(numbered, (0, []))[1]]
    if len(there) == 1 and ";" in there[0]:
        raise BenchError(
            f"{path}: its columns are told apart by semicolons; save it with commas, and 30.58 with a point"
        )
    _columns_known(path, there, columns, needed or columns)
    rows: dict[int, dict[str, str]] = {}
    for line, texts in numbered:
        if len(texts) != len(there):
            raise BenchError(f"{path}, line {line}: has {len(texts)} fields, and there are {len(there)} columns")
        rows[line] = dict.fromkeys(columns, "") | dict(zip(there, texts, strict=True))
    return rows


def _fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give the fields of each line of a CSV file, with its number; lines without any are left out."""
    line = 0
    try:
        table = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        for texts in table:
            line = table.line_num
            if texts:
                yield line, texts
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; expected a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}, line {line + 1}: is no line of a CSV file in UTF-8 ({error})") from None


def _columns_known(path: Path, there: Sequence[str], columns: Sequence[str], needed: Sequence[str]) -> None:
    """Raise `BenchError` where columns are missing, unknown or twice there."""
    count = Counter(there)
    parts = {
        "lacks": [name for name in needed if name not in count],
        "has unknown": [name for name in count if name not in columns],
        "has twice": sorted(name for name in count if count[name] > 1),
    }
    said = [f"{verb} {some([repr(name[:40]) for name in names])}" for verb, names in parts.items() if names]
    if said:
        raise BenchError(f"{path}: {' and '.join(said)}; the columns are {', '.join(columns)}")


def ending(path: Path) -> str:
    """Return which of `ENDINGS` a file has; a pipe or a device, as ``/dev/stdout``, gets CSV.

    Raises
    ------
    BenchError
        If it has another one.
    """
    found = ".csv" if path.exists() and not path.is_file() else path.suffix.lower()
    if found not in ENDINGS:
        raise BenchError(f"TABLE={path}: expected a name that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    return found


def write_table(path: Path, rows: Iterable[Any], *, columns: Sequence[str] = (), digits: int | None = None) -> None:
    """Write rows in the format that the name of the file ends in; parameters as of `write_csv`."""
    flat = [_mapping(row) for row in rows]
    names = list(dict.fromkeys([*columns, *(name for row in flat for name in row)]))
    form = ending(path)
    if form == ".csv":
        text = csv_text(flat, columns=columns, digits=digits)
    elif form == ".json":
        text = json_text(flat, digits=digits)
    else:
        cells = [[str(_field(row.get(name), digits)) for name in names] for row in flat]
        right = [all(isinstance(row.get(name), (int, float, type(None))) for row in flat) for name in names]
        text = (markdown_text if form == ".md" else latex_text)(names, cells, right)
    write_whole(path, text)


def json_text(rows: Iterable[Mapping[str, Any]], *, digits: int | None = None) -> str:
    r"""Return rows as a JSON list of objects; what is no finite number is null.

    Examples
    --------
    >>> json_text([{"a": 1, "b": float("nan")}, {"a": 0.1234567}], digits=3)
    '[\n {\n  "a": 1,\n  "b": null\n },\n {\n  "a": 0.123\n }\n]\n'
    """

    def plain(value: Any) -> Any:
        value = value.item() if hasattr(value, "item") else value
        if not isinstance(value, float):
            return value
        return float(_field(value, digits)) if math.isfinite(value) else None

    flat = [{name: plain(value) for name, value in row.items()} for row in rows]
    return visible_json(json.dumps(flat, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def markdown_text(names: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool]) -> str:
    r"""Return a table in Markdown.

    Parameters
    ----------
    names : sequence of str
        Headings.
    rows : iterable of sequence of str
        What stands under them.
    right : sequence of bool
        Which columns are aligned to the right.

    Examples
    --------
    >>> markdown_text(["a|b", "c"], [["x", "1"]], [False, True])
    '| a\\|b | c |\n|---|---:|\n| x | 1 |\n'
    """
    lines = [[markdown_escaped(text) for text in line] for line in (names, *rows)]
    texts = [f"| {' | '.join(line)} |" for line in lines]
    texts.insert(1, f"|{'|'.join('---:' if one else '---' for one in right)}|")
    return "\n".join(texts) + "\n"


def markdown_escaped(text: str) -> str:
    r"""Return a text as Markdown shows it letter by letter, on one line.

    Examples
    --------
    >>> markdown_escaped("<b>*a*</b> my_net _x_ $y$"), markdown_escaped("# [a](b)"), markdown_escaped("-0.5")
    ('\\<b\\>\\*a\\*\\</b\\> my_net \\_x\\_ \\$y\\$', '\\# \\[a\\](b)', '-0.5')
    """
    escaped = _MARKDOWN.sub(r"\\\g<0>", " ".join(visible(part) for part in text.splitlines()))
    return escaped.replace("$", r"\$") if escaped.count("$") > 1 else escaped  # two would be a formula


_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|^[-+#](?=[-+#\s]|$)|(?<=^\d)[.)](?=\s)")


def latex_text(names: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[bool]) -> str:
    r"""Return a table in LaTeX (package booktabs), every letter as it stands; parameters as of `markdown_text`.

    Examples
    --------
    >>> print(latex_text(["a_b", "c"], [["5 %", "1"]], [False, True]))
    \begin{tabular}{lr}
    \toprule
    a\_b & c \\
    \midrule
    5 \% & 1 \\
    \bottomrule
    \end{tabular}
    <BLANKLINE>
    """
    lines = [" & ".join(map(latex_escaped, line)) + r" \\" for line in (names, *rows)]
    aligned = "".join("r" if one else "l" for one in right)
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{aligned}}}", *body, r"\end{tabular}"]) + "\n"


def _mapping(row: Any) -> Mapping[str, Any]:
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else row


def _field(value: Any, digits: int | None) -> Any:
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return value if digits is None else f"{value:.{digits}g}"
    return as_field(value) if isinstance(value, str) else value


@lru_cache(maxsize=10_000)
def as_field(text: str) -> str:
    r"""Return a text as it stands in a table: no spreadsheet runs it, no terminal obeys it, readers take it for one.

    Examples
    --------
    >>> as_field("=1+2"), as_field("a\x1b[2J")
    ("'=1+2", 'a\\x1b[2J')
    """
    text = visible(text, keep="\t\n")  # of "\r" readers take what follows for another line
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠].|[\t\n]", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
