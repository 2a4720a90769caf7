"""The committed tables of results, and pages as text: what tests hold pages to."""

import csv
import re

from bench.common.paths import ROOT

MEASURED = ROOT / "results" / "measured"


def rows(name, folder=MEASURED):
    """Return the rows of a table."""
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(table, column, **fields):
    """Return the number in a column of the one row that has these fields."""
    (row,) = [row for row in rows(table) if fields.items() <= row.items()]
    return float(row[column])


def text(page):
    """Return a page on one line, with the signs of ASCII."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").replace("−", "-").split())


def lines(page):
    """Return the cells of every line of a table of a page, without bold."""
    found = re.findall(r"^\|(.*)\|$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [[cell.strip().replace("**", "").replace("−", "-") for cell in line.split("|")] for line in found]
