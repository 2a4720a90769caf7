"""`make conform`: what any method of any origin must do, checked one by one."""

import warnings
from collections.abc import Iterator

from bench.common import devices
from bench.common.errors import BenchError, one_line
from bench.studies.conform.checks import CHECKS, Check, large_image
from bench.studies.conform.subject import Subject, cells_to_check, loaded


def conform(
    method: str, weights: str = "", megapixels: float = 1.0, device: str = "cpu"
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
    subjects: dict[str, Subject] = {}
    causes: dict[str, str] = {}
    for colour, cell in cells_to_check(method, weights).items():
        try:
            subjects[colour] = loaded(cell, 3 if colour == "rgb" else 1, device)
        except (BenchError, ValueError) as error:  # a file that cannot be had, or own weights for the other colour
            causes[colour] = one_line(error)
    if not subjects:
        raise BenchError(next(iter(causes.values())))
    yield from ((colour, Check("Load", None, cause)) for colour, cause in causes.items())
    for colour, subject in subjects.items():
        for check in CHECKS:
            name = (check.__doc__ or "").splitlines()[0].rstrip(".")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # libraries warn about tiny images, which are asked for here
                    passed, remark = check(subject)
            except Exception as error:  # noqa: BLE001 - whatever it is, the method does not conform
                passed, remark = False, one_line(error)[:200]
            yield colour, Check(name, passed, remark)
        yield colour, large_image(subject, megapixels)
