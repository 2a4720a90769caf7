"""`make conform`: what any method of any origin must do, checked one by one."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.common import devices
from bench.common.docstrings import docstring
from bench.common.errors import BenchError, one_line
from bench.plan.cell import Cell
from bench.run.isolated import foreign, process_for
from bench.run.settings import Settings
from bench.studies.conform.checks import CHECKS, Check, large_image
from bench.studies.conform.subject import cells_to_check, loaded

Call = Callable[..., Any]
"""Calls a check with the method and further arguments."""


def conform(
    method: str,
    weights: str = "",
    megapixels: float = 1.0,
    device: str = "cpu",
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> Iterator[tuple[str, Check]]:
    """Check a method for each colour it denoises.

    Parameters
    ----------
    method : str
        As on METHOD, one of them.
    weights : str
        As on WEIGHTS.
    megapixels : float
        Size of the large image.
    device : str
        As on DEVICE.
    settings : Settings
        The limits of a method of foreign origin: its time and its memory.

    Yields
    ------
    (str, Check)
        Colour and check, as each is done.

    Raises
    ------
    BenchError
        If the method cannot be found, or loaded for any colour.
    """
    device = devices.chosen(device)
    subjects: dict[str, Call] = {}
    causes: dict[str, str] = {}
    with ExitStack() as stack:
        for colour, cell in cells_to_check(method, weights).items():
            try:
                subjects[colour] = stack.enter_context(_caller(cell, 3 if colour == "rgb" else 1, device, settings))
            except (BenchError, ValueError) as error:  # a file that cannot be had, or own weights for the other colour
                causes[colour] = one_line(error)
        if not subjects:
            raise BenchError(next(iter(causes.values())))
        yield from ((colour, Check("Load", None, cause)) for colour, cause in causes.items())
        for colour, call in subjects.items():
            for check in CHECKS:
                name = docstring(check).splitlines()[0].rstrip(".")
                yield colour, _checked(name, lambda: Check(name, *call(check)))  # noqa: B023 - called at once
            name = f"Take a large image, {megapixels:g} megapixels"
            yield colour, _checked(name, lambda: call(large_image, megapixels))  # noqa: B023


def _checked(name: str, check: Callable[[], Check]) -> Check:
    """Return what a check gives; one that fails with an error has not passed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries warn about tiny images, which are asked for here
            return check()
    except Exception as error:  # noqa: BLE001 - whatever it is, the method does not conform
        return Check(name, False, one_line(error)[:200])


@contextmanager
def _caller(cell: Cell, channels: int, device: str, settings: Settings) -> Iterator[Call]:
    """Load a method, and give what calls a check with it.

    One of foreign origin is in a process of its own, and after a check that ended that, in another one.
    """
    if not foreign(cell):
        subject = loaded(cell, channels, device)
        yield lambda check, *given: check(subject, *given)
        return
    process = process_for(cell, settings, loaded, cell, channels, device)

    def call(check: Callable[..., Any], *given: Any) -> Any:
        nonlocal process
        if not process.alive:
            process = process_for(cell, settings, loaded, cell, channels, device)
        return process.call(check, *given)

    try:
        yield call
    finally:
        process.close()
