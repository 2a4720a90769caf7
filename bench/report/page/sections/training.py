"""The section of trainings: loss and score of held-out images by steps and minutes."""

import shlex
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
from bench.store.study_files import json_of, without_machine
from methods import trained_here
from methods.sealed_json import changed_by_hand

MARKS = 8
"""Of a curve, at most: they tell the networks of one method apart."""


@dataclass(frozen=True)
class Curve:
    """How a network was trained: a row a validation, of one or several stages after one another."""

    weights: str  # their digest
    label: str
    unit: str  # of its scores
    images: str
    noise: str
    # Step and seconds since the beginning, loss, score; a list a stage.
    stages: tuple[tuple[tuple[float, ...], ...], ...]
    # What was reached, and what it took.
    score: float
    steps: int
    seconds: float
    record: str  # where its training record lies; empty while there is none


def training(files: StudyFiles, boards: Sequence[Leaderboard]) -> Section | None:
    """Return the section of how networks were trained: those of the leaderboards, and those of the output folder."""
    curves = {curve.weights: curve for curve in (*_of_folder(files), *_of_boards(boards))}.values()
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
        for path, content in known.items():
            if content.get("sha256") in used:
                try:
                    yield curve_of(content, f"methods/weights/{path.relative_to(trained_here.FOLDER).as_posix()}")
                except (KeyError, TypeError, ValueError, AttributeError):
                    continue  # make list names a record that cannot be used


def _of_folder(files: StudyFiles) -> Iterator[Curve]:
    there = files.of("training")
    finished = tuple(f"{path.stem}." for path in there if path.suffix == ".json")
    for path in there:
        try:
            if path.suffix == ".json":
                yield curve_of(json_of(path, sealed=True), f"results/training/{path.name}")
            elif path.suffix == ".ckpt" and not path.name.startswith(finished):
                yield from unfinished(path)
            elif path.suffix not in (".ckpt", ".sealed"):
                files.leave_out(path, "it is nothing that make train writes")
        except (BenchError, KeyError, TypeError, ValueError, AttributeError) as error:
            files.leave_out(path, f"it tells of no training ({one_line(error)})")


def unfinished(path: Path) -> Iterator[Curve]:
    """Give the curve of a training that goes on from a checkpoint; none where nothing was validated yet.

    Raises
    ------
    BenchError, KeyError, TypeError, ValueError
        If it is no checkpoint.
    """
    import pickle
    import zipfile

    import torch

    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums that it writes
            for name in archive.namelist():
                if name.endswith("data.pkl"):
                    archive.read(name)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        raise BenchError(f"it cannot be read: {type(error).__name__}") from None
    rows = [tuple(float(row[name]) for name in ("step", "seconds", "loss", "psnr")) for row in state["history"]]
    if rows:
        yield Curve(
            weights=path.name,
            label=f"{path.stem}, {state['step']} of {state['steps']} steps",
            unit="dB",
            images="images that the checkpoint does not name",
            noise="–",
            stages=(tuple(rows),),
            score=float(state["best_score"]),
            steps=int(state["step"]),
            seconds=float(state["seconds"]),
            record="",
        )


def curve_of(record: Mapping[str, Any], path: str) -> Curve:
    """Return the curve that a training record tells of; stages that have another score than the whole are left out.

    Parameters
    ----------
    record : mapping
        What `make train` leaves.
    path : str
        Where it lies, as a person types it.

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError
        If it is no training record.
    """
    recipe = record["recipe"]
    stages = []
    step = seconds = 0.0
    score, unit = ("held_out_mean_iou", "% mean IoU") if "held_out_mean_iou" in record else ("held_out_psnr", "dB")
    for stage in record.get("stages") or _stages(record["history"]):
        rows = stage["history"]
        if stage.get("unit", unit) == unit and rows:
            stages.append(tuple(
                (step + float(r["step"]), seconds + float(r["seconds"]), float(r["loss"]), float(r["psnr"]))
                for r in rows
            ))  # fmt: skip
        step += float(stage.get("steps", rows[-1]["step"] if rows else 0))
        seconds += float(stage.get("seconds", rows[-1]["seconds"] if rows else 0))
    if not stages:
        raise ValueError("it has no validation")
    return Curve(
        weights=str(record["sha256"]),
        label=str(record["label"]) + ", by a record changed by hand" * changed_by_hand(record),
        unit=unit,
        images=without_machine(str(recipe["images"])),
        noise=str(recipe["noise"]),
        stages=tuple(stages),
        score=float(record[score]),
        steps=int(record["steps"]),
        seconds=float(record["seconds"]),
        record=path,
    )


def _stages(history: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the stages of one history, as older records have them: each begins with its rows from 0."""
    rows: dict[Any, list[Mapping[str, Any]]] = {}
    for row in history:
        rows.setdefault(row.get("stage"), []).append(row)
    return [{"history": of_it} for of_it in rows.values()]


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
                                           for r in stage], marks=MARKS)
                for name, curve in zip(names, curves, strict=True)
                for stage in curve.stages
            ]  # fmt: skip
            svg = plot(f"{axis.title} against {along}", Axis(along), axis, series)
            legend = {one.key: None for one in series} if (x, y) == (0, 3) else {}
            if svg:
                figures.append(Figure(f"{axis.title} against {along}.", svg, legend=tuple(legend)))
    heads = ("Network", "Noise", "steps", "minutes", f"held-out {unit}", "Record")
    rows = tuple(
        (curve.label, curve.noise, str(curve.steps), number(curve.seconds / 60, ".1f"), number(curve.score, ".2f"),
         curve.record)
        for curve in curves
    )  # fmt: skip
    table = files.shown(Table(heads, rows, words=2), f"training-{images}-{unit}")
    records = [curve.record for curve in curves if curve.record]
    again = f"make train RECORD={shlex.quote(records[0])} NAME=again" if records else ""
    return Part(f"Trained on {images}", tables=(table,), figures=tuple(figures), command=again)
