"""One row of the conformance tables, and how implementations are measured for it."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.common.errors import one_line
from bench.common.provenance import version


@dataclass(frozen=True)
class Row:
    """What one implementation gives, and what it should give.

    Attributes
    ----------
    what : str
        What is measured, and its unit.
    images : str
        On which images.
    implementation, version : str
        Whose code, and the version of its package.
    value, reference, difference : float
        What it gives, what is right, and the first less the second; NaN where it could not run.
    seconds : float
        For an image.
    remark : str
        What explains the difference, or why there is no value.
    """

    what: str
    images: str
    implementation: str
    version: str
    value: float
    reference: float
    difference: float
    seconds: float
    remark: str = ""


@dataclass(frozen=True)
class Way:
    """One implementation.

    Attributes
    ----------
    name : str
        As it stands in tables.
    package : str
        Which package it is of; empty for code of this repository.
    load : callable
        Imports it, and returns the function to call for each image.
    remark : str
        What is special in it.
    """

    name: str
    package: str
    load: Callable[[], Callable[..., float]]
    remark: str = ""


def rows(
    what: str, images: str, reference: float, ways: Sequence[Way], inputs: Sequence[Sequence[Any]]
) -> Iterator[Row]:
    """Measure implementations: the mean of each over the inputs. One that is not installed says so.

    Parameters
    ----------
    what, images : str
        As in `Row`.
    reference : float
        What is right; NaN where it is not known.
    ways : sequence of Way
        What is measured.
    inputs : sequence of sequence
        The arguments of each call, one an image.
    """
    for way in ways:
        number = version(way.package) if way.package else ""
        value, seconds, remark = math.nan, math.nan, way.remark
        try:
            call = way.load()
            start = time.perf_counter()
            value = fmean(call(*arguments) for arguments in inputs)
            seconds = (time.perf_counter() - start) / len(inputs)
        except ImportError as error:
            needs = "" if number == "not installed" else f" ({one_line(error)})"
            remark = f"cannot be imported: pip install {way.package}{needs}"
        except Exception as error:  # noqa: BLE001 - of another's package; it is said, and the others go on
            remark = f"failed: {one_line(error).rpartition('error: ')[2][:150]}"
        yield Row(what, images, way.name, number, value, reference, value - reference, seconds, remark)
