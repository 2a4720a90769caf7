"""The section of filters: what a network is equivalent to at pixels of an image."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.common.errors import one_line
from bench.report.page.sections.content import Section, Table
from bench.report.page.sections.files import Answer, StudyFiles
from bench.report.page.sections.studies import number
from bench.store.records import distinct_slug


def explain(files: StudyFiles) -> Section | None:
    """Return the section of what `make explain` left: the figures, and filters that a click on the image shows."""
    words = ("method", "dataset", "image", "degradation", "kind", "locally_linear")
    numbers = ("y", "x", "sum_of_weights", "effective_radius", "filter_norm", "net_bias_to_residual")
    heads = ("Noise", "Pixel", "row", "column", "sum of weights", "radius px", "norm", "net bias of residual")
    groups: dict[tuple[str, ...], list[Answer]] = {}
    for answer in files.answers("explain", words, numbers):
        first = answer.rows[0]
        groups.setdefault((first["method"], first["dataset"], first["image"], str(first.get("crop"))), []).append(
            answer
        )
    parts = []
    for answers in groups.values():
        shown = _filters(files, answers)
        name = shown and files.put(f"data/filters-{distinct_slug(answers[0].path.stem)}", shown)
        for place, answer in enumerate(answers):
            rows = tuple(
                (row["degradation"], row["kind"], number(row["y"], ".0f"), number(row["x"], ".0f"),
                 number(row["sum_of_weights"], ".3f"), number(row["effective_radius"], ".2f"),
                 number(row["filter_norm"], ".3f"), number(row["net_bias_to_residual"], ".2g"))
                for row in answer.rows
            )  # fmt: skip
            table = files.shown(Table(heads, rows, words=2), f"explain-{answer.path.stem}")
            parts.append(
                files.part(
                    answer, "Filters and net bias.", tables=(table,), filters=name if name and place == 0 else ""
                )
            )
    sentence = (
        "The linear filters that a network is equivalent to at a pixel of a noisy image; those of one row have one "
        "scale of colours."
    )
    return Section("explain", "Filters at a pixel", sentence, parts) if parts else None


def _filters(files: StudyFiles, answers: Sequence[Answer]) -> dict[str, Any] | None:
    """Return the filters of one image and network of all answers, a row a noise, as the page loads them."""
    rows: dict[str, dict[str, Any]] = {}
    shown: dict[str, Any] = {}
    for answer in answers:
        content = answer.about.content.get("filters")
        if not content:
            continue
        try:
            checked, window = list(_checked(content)), [int(value) for value in content["window"]]
            if len(window) != 4:
                raise ValueError("its window is no rectangle")
            shown = {"ask": str(content["ask"]), "image": str(content["image"]), "window": window}
        except (KeyError, TypeError, ValueError) as error:
            cause = f"it holds no filters that can be shown ({one_line(error)})"
            files.leave_out(answer.path.with_suffix(".json"), cause)
            continue
        for row in checked:
            known = rows.setdefault(row["noise"], {**row, "filters": []})
            places = {(one["y"], one["x"]) for one in known["filters"]}
            known["filters"] += [one for one in row["filters"] if (one["y"], one["x"]) not in places]
    return shown | {"rows": list(rows.values())} if rows else None


def _checked(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the rows of what `make explain` left for the page, nothing else in them; raise where they are none."""
    for row in content["rows"]:
        pictures = {name: str(row[name]) for name in ("noisy", "denoised")}
        for name, code in pictures.items():
            if not re.fullmatch(r"[A-Za-z0-9+/=]+", code):
                raise ValueError(f"{name} is no picture in base64")
        filters: list[dict[str, Any]] = [
            {"kind": str(one["kind"]), "y": int(one["y"]), "x": int(one["x"]), "sum": _finite(one["sum"]),
             "radius": _finite(one["radius"]), "weights": [_finite(weight) for weight in one["weights"]]}
            for one in row["filters"]
        ]  # fmt: skip
        counts = {len(one["weights"]) for one in filters}
        if any(count == 0 or math.isqrt(count) ** 2 != count for count in counts):
            raise ValueError("weights are no square")
        psnr = None if row["psnr"] is None else _finite(row["psnr"])
        yield {"noise": str(row["noise"]), "psnr": psnr, "filters": filters, **pictures}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return number
