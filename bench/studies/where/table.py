"""The tables of `make where`: means over images with confidence intervals."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench.judge.paired import half_interval
from bench.studies.text_table import as_text, grid
from bench.studies.where.zones import NEAR

if TYPE_CHECKING:
    import pandas as pd

NOISY = "noisy input"
"""What stands in the column `method` for the noisy images themselves."""


def summary(parts: "pd.DataFrame") -> "pd.DataFrame":
    """Average what `by_part` returns over the images, with confidence intervals.

    Returns
    -------
    DataFrame
        One row a part and a method: `kind`, `part`, `method`, `images` (that have such pixels), the mean over them
        of `pixels_share`, `error_share`, `mse`, `psnr`, `activity` and `noisy_activity` (an image that lacks a part
        counts as share 0), `mse_low` and `mse_high`; and of the PSNR in the same part of the same images
        `psnr_difference` to the method `against`, `difference_low` and `difference_high`. Intervals are those of
        Student's t over images, at 95 %, each part by itself.
    """
    import pandas as pd

    first = next((method for method in parts["method"] if method != NOISY), NOISY)
    count = parts["image"].nunique()
    rows = []
    for (kind, part), there in parts.groupby(["kind", "part"], sort=False):
        of = {method: rows.set_index("image") for method, rows in there.groupby("method", sort=False)}
        for method, mine in of.items():
            row: dict[str, Any] = {"kind": kind, "part": part, "method": method, "images": len(mine)}
            for column in ("pixels_share", "error_share"):
                row[column] = mine[column].sum(skipna=False) / count
            row |= {column: mine[column].mean() for column in ("mse", "psnr", "activity", "noisy_activity")}
            row["mse_low"], row["mse_high"] = interval(mine["mse"].tolist())
            if method not in (first, NOISY):
                gained = (mine["psnr"] - of[first]["psnr"]).tolist()
                low, high = interval(gained)
                row |= {"against": first, "psnr_difference": sum(gained) / len(gained)}
                row |= {"difference_low": low, "difference_high": high}
            rows.append(row)
    order = list(dict.fromkeys(key for row in rows for key in row))
    return pd.DataFrame(rows, columns=order)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean, by Student's t; NaN for fewer than two values.

    Examples
    --------
    >>> interval([1.0, 2.0, 3.0])  # 2 ± 4.303 / sqrt(3), the t table at 2 degrees of freedom
    (-0.484..., 4.484...)
    """
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return math.nan, math.nan
    mean, reach = fmean(values), half_interval(values)
    return mean - reach, mean + reach


def median_image(parts: "pd.DataFrame") -> str:
    """Return the image in which the first method loses as much PSNR near boundaries as in the median image."""
    methods = [method for method in parts["method"].unique() if method != NOISY]
    mine = parts[(parts["kind"] == "zone") & (parts["method"] == methods[0])]
    psnr = mine.pivot(index="image", columns="part", values="psnr").reindex(columns=["near", "inside"])
    loss = (psnr["inside"] - psnr["near"]).dropna().sort_values(kind="stable")
    return str(loss.index[(len(loss) - 1) // 2] if len(loss) else parts["image"].iloc[0])


def printable(table: "pd.DataFrame") -> str:
    """Return a summary as a person sees it in the terminal: the named parts, and MSE against distance."""
    import pandas as pd

    named = grid(
        ("Part", "Method"), ("images", "pixels %", "error %", "MSE", "PSNR dB", "difference dB (95 % interval)")
    )
    for _, row in table[table["kind"] != "distance"].iterrows():
        against = "-"
        if pd.notna(row.get("psnr_difference")):
            against = f"{row['psnr_difference']:+.2f} ({row['difference_low']:+.2f}, {row['difference_high']:+.2f})"
        named.add_row(
            row["part"],
            row["method"],
            str(row["images"]),
            f"{100 * row['pixels_share']:.1f}",
            f"{100 * row['error_share']:.1f}",
            f"{row['mse']:.1f}",
            f"{row['psnr']:.2f}",
            against,
        )
    far = table[table["kind"] == "distance"]
    methods = list(far["method"].unique())
    apart = grid(("Distance px",), ("images", "pixels %", "gradient energy", *(f"MSE {method}" for method in methods)))
    for part, rows in far.groupby("part", sort=False):
        first = rows.iloc[0]
        mse = rows.set_index("method")["mse"]
        apart.add_row(
            str(part),
            str(first["images"]),
            f"{100 * first['pixels_share']:.1f}",
            f"{first['activity']:.0f}",
            *(f"{mse[method]:.1f}" for method in methods),
        )
    note = f"near: at least half of the annotators have a boundary within {NEAR} px; intervals: Student's t over images"
    if "against" in table:
        note += f"; differences to {table['against'].dropna().iloc[0]} in the same part of the same images"
    return f"{as_text(named, apart)}{note}"
