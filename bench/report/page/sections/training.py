"""The section of trainings: loss and score of held-out images by steps and minutes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import BenchError, one_line
from bench.report.figures.styles import styles
from bench.report.leaderboard import Leaderboard
from bench.report.page.sections.content import Figure, Part, Section, Table
from bench.report.page.sections.files import StudyFiles
from bench.report.page.sections.plot import Axis, Series, plot
from bench.report.page.sections.studies import number
from bench.store.study_files import json_of
from methods import trained_here


@dataclass(frozen=True)
class Curve:
    """How a network was trained: a row a validation, of one or several stages after one another."""

    label: str
    unit: str  # of its scores
    images: str
    noise: str
    # Step and seconds since the beginning, loss, score; a list a stage.
    stages: tuple[tuple[tuple[float, float, float, float], ...], ...]
    # What was reached, and what it took.
    score: float
    steps: int
    seconds: float
    command: str


def training(files: StudyFiles, boards: Sequence[Leaderboard]) -> Section | None:
    """Return the section of how networks were trained: those of the leaderboards, and those of the output folder."""
    curves = list(dict.fromkeys((*_of_boards(boards), *_of_folder(files))))
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in sorted(curves, key=lambda c: (c.images, c.unit, c.label, c.noise)):
        groups.setdefault((curve.images, curve.unit), []).append(curve)
    sentence = "Loss and the score of held-out images while networks were trained, by steps and by minutes."
    parts = [_curves(files, images, unit, members) for (images, unit), members in groups.items()]
    return Section("training", "Training", sentence, parts) if parts else None


def _of_boards(boards: Sequence[Leaderboard]) -> Iterator[Curve]:
    """Give the curves of the networks on leaderboards that this project has trained."""
    weights = [e.result.about.get("weights") for board in boards for e in board.entries]
    used = {str(one["sha256"]) for one in weights if one and one.get("record")}
    if used:
        known, _ = trained_here.records()
        for content in known.values():
            if content.get("sha256") in used:
                try:
                    yield curve_of(content)
                except (KeyError, TypeError, ValueError, AttributeError):
                    continue  # make list names a record that cannot be used


def _of_folder(files: StudyFiles) -> Iterator[Curve]:
    for path in files.of("training"):
        if path.suffix == ".json":
            try:
                yield curve_of(json_of(path))
            except (BenchError, KeyError, TypeError, ValueError, AttributeError) as error:
                files.leave_out(path, f"it is no training record ({one_line(error)})")
        elif path.suffix != ".ckpt":
            files.leave_out(path, "it is nothing that make train writes")


def curve_of(record: Mapping[str, Any]) -> Curve:
    """Return the curve that a training record tells of; stages whose score is no PSNR are left to their own network.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is no training record.
    """
    recipe = record["recipe"]
    stages, scores = [], []
    step = seconds = 0.0
    unit = "% mean IoU" if "held_out_mean_iou" in record else "dB"
    for stage in record.get("stages") or _stages(record["history"]):
        rows = stage["history"]
        if stage.get("unit", unit) == unit and rows:
            stages.append(tuple(
                (step + float(r["step"]), seconds + float(r["seconds"]), float(r["loss"]), float(r["psnr"]))
                for r in rows
            ))  # fmt: skip
            scores.append(float(rows[-1]["psnr"]))
        step += float(stage.get("steps", rows[-1]["step"] if rows else 0))
        seconds += float(stage.get("seconds", rows[-1]["seconds"] if rows else 0))
    if not stages:
        raise ValueError("it has no validation")
    return Curve(
        str(record["label"]), unit, str(recipe["images"]), str(recipe["noise"]), tuple(stages),
        float(record.get("held_out_psnr", record.get("held_out_mean_iou", scores[-1]))), int(record["steps"]),
        float(record["seconds"]), f"make train RECORD={Path(str(record['weights'])).stem}.json NAME=again",
    )  # fmt: skip


def _stages(history: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the stages of one history: steps and seconds of its rows go on from stage to stage."""
    rows: dict[Any, list[Mapping[str, Any]]] = {}
    for row in history:
        rows.setdefault(row.get("stage"), []).append(row)
    return [{"history": of_it, "steps": 0, "seconds": 0} for of_it in rows.values()]


def _curves(files: StudyFiles, images: str, unit: str, curves: Sequence[Curve]) -> Part:
    names = [f"{curve.label}, {curve.noise}" if len({c.label for c in curves}) < len(curves) else curve.label
             for curve in curves]  # fmt: skip
    looks = styles(names)
    score = Axis(f"held-out {'PSNR (dB)' if unit == 'dB' else unit}")
    figures = []
    for y, axis in ((3, score), (2, Axis("loss", log=True))):
        for x, along, divided in ((0, "steps", 1.0), (1, "minutes", 60.0)):
            series = [
                Series(name, looks[name], [(r[x] / divided, r[y], f"{name}: {r[y]:.4g} after {r[0]:.0f} steps")
                                           for r in stage], marks=len(stage) == 1)
                for name, curve in zip(names, curves, strict=True)
                for stage in curve.stages
            ]  # fmt: skip
            svg = plot(f"{axis.title} against {along}", Axis(along), axis, series)
            legend = {one.key: None for one in series} if (x, y) == (0, 3) else {}
            if svg:
                figures.append(Figure(f"{axis.title} against {along}.", svg, legend=tuple(legend)))
    heads = ("Network", "Noise", "steps", "minutes", f"held-out {unit}", "Trained again by")
    rows = tuple(
        (curve.label, curve.noise, str(curve.steps), number(curve.seconds / 60, ".1f"), number(curve.score, ".2f"),
         curve.command)
        for curve in curves
    )  # fmt: skip
    table = files.shown(Table(heads, rows, words=2), f"training-{images}-{unit}")
    return Part(f"Trained on {images}", tables=(table,), figures=tuple(figures))
