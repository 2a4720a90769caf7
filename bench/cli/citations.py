"""Published numbers that later papers print otherwise (make citations)."""

from bench.cli import options
from bench.cli.printing import say


def command(table: options.Table = None) -> None:
    """List the numbers of the ledger that are printed in two ways, with the likeliest cause (make citations)."""
    from collections import Counter

    from bench.cli.printing import print_rows
    from bench.common.tables import write_table
    from bench.studies.citations import SHOWN, citations

    found = citations()
    if table is not None:
        write_table(table, found)
    print_rows({name: getattr(one, name) for name in SHOWN} for one in found)
    counts = Counter(one.finding for one in found)
    say("; ".join(f"{finding}: {count}" for finding, count in counts.items()))
