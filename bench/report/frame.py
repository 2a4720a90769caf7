"""Results as a table of pandas, with the names and values of the files that `make report` writes."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report.leaderboard import leaderboards, rows_of_images, rows_of_results
from bench.store.records import store_of
from bench.store.results import current, gather

if TYPE_CHECKING:
    import pandas as pd


def load_results(folder: Path, *, images: bool = False) -> "pd.DataFrame":
    """Return `bench.load_results`."""
    import pandas as pd

    store = store_of(folder)
    results = current(gather(store.finished()))
    for line in store.lines_left_out:
        warnings.warn(line, stacklevel=3)
    frame = pd.DataFrame(rows_of_images(results) if images else rows_of_results(leaderboards(results)))
    for name in frame.columns[frame.columns.str.endswith(("_published", "_claimed"))]:
        frame[name] = pd.to_numeric(frame[name])  # as printed in files: 32.680
    empty = frame.columns[frame.isna().all()]
    return frame.astype(dict.fromkeys(empty, float))
