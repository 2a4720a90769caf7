"""The method run over the images of a cell under many choices, each different input once; only scores are kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import methods
from bench.common import devices, files
from bench.common.errors import BenchError, one_line
from bench.plan.cell import Cell
from bench.run.images import Picture, pictures, spread
from bench.run.one_cell import run_method
from bench.run.settings import Settings
from bench.studies.why.choices import Choices, base_of
from bench.studies.why.inputs import Trial, told_sigma, trials
from bench.studies.why.pace import Pace
from bench.studies.why.scores import Scored, Sums
from methods import Method, Net

SIDE, MOST = 112, 12
"""Crops on which choices are tried first: their side, and how many of a set."""


@dataclass(frozen=True)
class Place:
    """Where choices are measured.

    Attributes
    ----------
    cell : Cell
        The cell.
    settings : Settings
        Where and how it runs.
    held : list of Picture, optional
        The pictures that are measured, or crops of them; None: the whole set.
    cropped : bool
        Whether it is the crops.
    """

    cell: Cell
    settings: Settings
    held: list[Picture] | None = None
    cropped: bool = False

    @property
    def count(self) -> int:
        """How many images are measured."""
        return len(self.cell.dataset.images if self.held is None else self.held)

    def crops(self) -> "Place":
        """Return the place for trials: the middle of some images, spread over the set."""
        runtime = "torch" if self.settings.runtime == "auto" else self.settings.runtime  # quicker to load
        return replace(self.some(MOST), cropped=True, settings=replace(self.settings, runtime=runtime))

    def some(self, count: int) -> "Place":
        """Return the place of some whole images, spread over the set."""
        names = self.cell.dataset.image_names()
        held = list(pictures(self.cell.dataset, [names[i] for i in spread(count, len(names))]))
        return replace(self, held=held)


def measured(
    place: Place, asked: Mapping[Choices, Sequence[Choices]], metrics: Sequence[str], pace: Pace | None = None
) -> tuple[dict[Choices, Sums], list[str]]:
    """Run the method once for each input, and score what it gives.

    Parameters
    ----------
    place : Place
        On which images.
    asked : mapping
        By the choices before the method, all choices that are scored on what it gives.
    metrics : sequence of str
        ``"psnr"``, ``"ssim"``.
    pace : Pace, optional
        Ends it: inputs that there is no time for are left out, and named there.

    Returns
    -------
    tuple
        The scores of each input that was run, and a line on each method that could not.

    Raises
    ------
    BenchError
        If the cell's own method cannot be run.
    """
    pace = pace or Pace()
    own = base_of(place.cell)
    sums = {before: Sums(metrics, of_it) for before, of_it in asked.items()}
    failures: list[str] = []
    pace.begin(len(asked) * place.count)
    groups: dict[tuple[str, str, str], list[Choices]] = {}
    for before in asked:
        groups.setdefault(before.method(), []).append(before)
    for members in groups.values():
        if pace.over and own not in members:
            continue
        for before, error in _run_all(place, members, sums, pace).items():
            if before == own:
                raise error
            failures.append(str(error))
            sums.pop(before)
    left = [before for before, of_it in sums.items() if len(of_it) < place.count]
    pace.left |= dict.fromkeys(left)
    return {before: of_it for before, of_it in sums.items() if before not in left}, failures


def _run_all(
    place: Place, members: Sequence[Choices], sums: Mapping[Choices, Sums], pace: Pace
) -> dict[Choices, BenchError | ValueError]:
    """Run one method over all inputs of it; where one of them fails, over each by itself. Returns what failed."""
    try:
        _run(place, variant(place.cell, members[0]), members, sums, pace)
    except (BenchError, ValueError) as error:
        if len(members) == 1:
            return {members[0]: error}
        return {before: error for one in members for before, error in _run_all(place, [one], sums, pace).items()}
    return {}


def _run(place: Place, cell: Cell, members: Sequence[Choices], sums: Mapping[Choices, Sums], pace: Pace) -> None:
    """Run one method over all inputs of it."""
    failed: dict[str, Exception] = {}
    how: dict[str, Any] = {}
    device = devices.chosen(place.settings.device)
    with closing(run_method(cell, _samples(place, members, pace), place.settings, device, how, failed)) as outputs:
        for output in outputs:
            denoised = output.denoised.permute(0, 2, 3, 1).cpu().double().numpy()
            for sample, image in zip(output.samples, denoised, strict=True):
                if sample.clean is None or not isinstance(sample, Trial):
                    raise BenchError(f"image {sample.name} has no reference, and so no score")
                clean, noisy = (part.astype("float64") for part in (sample.clean, sample.noisy))
                sums[sample.choices].add(sample.name, Scored(clean, noisy * 255, image * 255))
            pace.step(len(output.samples))
    if failed:
        raise BenchError(one_line(next(iter(failed.values()))))


def _samples(place: Place, members: Sequence[Choices], pace: Pace) -> Iterator[Trial]:
    own = base_of(place.cell)
    for before in members:
        for trial in trials(place.cell, before, place.held):
            if pace.over and before != own:
                return
            yield _middle(trial) if place.cropped else trial


def _middle(trial: Trial) -> Trial:
    """Return the middle of a trial's image; its noise is that which it has in the whole one."""
    height, width = trial.noisy.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    window = (slice(top, top + SIDE), slice(left, left + SIDE))
    clean = None if trial.clean is None else trial.clean[window]
    return replace(trial, clean=clean, noisy=trial.noisy[window])


def variant(cell: Cell, choices: Choices) -> Cell:
    """Return the cell with the net, the told sigma and the inference of choices."""
    if choices.net != "own":
        method, net = relatives(cell)[choices.net]
        options = method.options if method.name != cell.method.name else cell.options
        cell = replace(cell, method=method, net=net, options=options)
    told = told_sigma(cell, choices)
    inference = cell.inference if told is None else replace(cell.inference, sigma=told)
    if choices.inference == "x8":
        inference = replace(inference, ensemble=8)
    elif choices.inference != "own":
        inference = replace(inference, precision=choices.inference)
    return replace(cell, inference=inference)


def relatives(cell: Cell) -> dict[str, tuple[Method, Net]]:
    """Return the other nets of a method's family whose weights are at hand, by name and net.

    The family is all registered methods whose names begin alike: ``dncnn``, ``dncnn-b``, ``dncnn-b@saoyan``.
    """
    if cell.net.weights is None:
        return {}
    family = _family(cell.method.name)
    found: dict[str, tuple[Method, Net]] = {}
    for name, method in methods.available().items():
        for net in method.nets if _family(name) == family else ():
            weights = net.weights
            same = net.id == cell.net.id or net.colour not in (cell.dataset.colour, "any")
            if same or weights is None or net.label.count("@own") or "@own" in name:
                continue
            if not files.missing("weights", (weights, *weights.beside)):
                found.setdefault(net.id, (method, net))
    return found


def _family(name: str) -> str:
    return name.split("@")[0].split("-")[0].removeprefix("f").removeprefix("c")
