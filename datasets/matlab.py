"""Arrays in MATLAB files of version 5 and of version 7.3, which is HDF5."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import matlab5

if TYPE_CHECKING:
    import numpy as np

Index = tuple[int | slice, ...]

_AMPLIFIED = 4  # reading a part this many times dearer than it is large is not worth it
_WHOLE = 1 << 30  # bytes of an array that may be kept whole


@dataclass(frozen=True)
class Variable:
    """A variable that a file must have.

    Attributes
    ----------
    name : str
        Its name; ``info.boxes`` is the field ``boxes`` of the struct ``info``.
    shape : tuple of int
        Its shape in MATLAB; 0 stands for any length.
    kinds : tuple of str
        The kinds of numbers it may hold, as numpy names them.
    """

    name: str
    shape: tuple[int, ...]
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in a message."""
        return f"{self.name}, {_sides(self.shape)} {' or '.join(self.kinds)}"


def read(path: Path, variable: Variable, where: Index = ()) -> "np.ndarray":
    """Read a variable, or a part of it.

    Axes stand as in MATLAB. Of a version 7.3 file no more than the part is read where its layout allows; a
    version 5 file is read whole, once, and kept in memory with the one read before it.

    Parameters
    ----------
    path : Path
        The file.
    variable : Variable
        Which variable, and what it must be.
    where : tuple of int or slice
        The part: places along the first axes, counted from 0; slices have a start and a stop.

    Returns
    -------
    ndarray
        A copy, rows first in memory.

    Raises
    ------
    ValueError
        If the file is damaged, or the variable is not there or not what it must be.
    """
    import numpy as np

    if _is_hdf5(path):
        with _opened(path) as file:
            stored = _plain(path, file, variable)
            part = _part(path, stored, variable, where)
    else:
        _check(path, variable, *_described(path, variable))
        part = _whole(path, variable.name, *_state(path))[where]
    return np.array(part, order="C")


def element(path: Path, variable: Variable, place: int) -> "np.ndarray":
    """Read one array out of a cell array, or out of a field of a struct array, of a version 7.3 file.

    As `read`, except that `variable` is the cell array or field, and what each array in it must be; `place` is which
    one, counted from 0 in MATLAB's order.

    Raises
    ------
    ValueError
        If the file is of another version, or has no such array.
    """
    import h5py
    import numpy as np

    if not _is_hdf5(path):
        raise _unfit(path, variable, "it is a file of version 5, expected 7.3")
    with _opened(path) as file:
        cells = _plain(path, file, variable, cells=True)
        if place >= cells.size:
            raise _unfit(path, variable, f"it has {cells.size} arrays and number {place + 1} is wanted")
        stored = file[cells[()].ravel()[place]]
        if not isinstance(stored, h5py.Dataset):
            raise _unfit(path, variable, f"number {place + 1} of it is no array")
        _check(path, variable, stored.shape[::-1], _kind(stored))
        return np.array(stored[()].T, order="C")


def grey_levels(values: "np.ndarray", path: Path, variable: Variable) -> "np.ndarray":
    """Return pictures whose values are 0 to 1 as float32 grey levels, 255 = white.

    Raises
    ------
    ValueError
        If a value is not finite, or so far outside that another scale must be meant.
    """
    import numpy as np

    low, high = values.min(), values.max()
    if not (low >= -0.5 and high <= 1.5):
        raise _unfit(path, variable, f"its values go from {low:g} to {high:g}, expected 0 to 1")
    return (values * 255).astype(np.float32)


def _is_hdf5(path: Path) -> bool:
    with _damage(path), path.open("rb") as file:
        start = file.read(520)
    # A version 7.3 file is an HDF5 file behind 512 bytes of MATLAB's own; other programs leave these out.
    if b"\x89HDF" in (start[:4], start[512:516]):
        return True
    if not start.startswith(b"MATLAB 5.0"):
        raise _UnfitError(f"{path}: no whole MATLAB file of version 5 or 7.3; fetch it again")
    return False


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    # Without a lock, since mirrors may lie on disks that cannot be written, where locks fail.
    with _damage(path), h5py.File(path, "r", locking=False) as file:
        yield file


def _plain(path: Path, file: Any, variable: Variable, *, cells: bool = False) -> Any:
    """Return the HDF5 dataset of a variable; one whose numbers lie in another file is refused."""
    import h5py

    stored: Any = file
    for name in variable.name.split("."):
        linked = isinstance(stored, h5py.Group) and isinstance(stored.get(name, getlink=True), h5py.HardLink)
        if not linked:
            raise _unfit(path, variable, f"the file has {_names(stored)}")
        stored = stored[name]
    if not isinstance(stored, h5py.Dataset) or stored.external or stored.is_virtual:
        raise _unfit(path, variable, "it is no array of this file")
    if cells != (h5py.check_ref_dtype(stored.dtype) is h5py.Reference):
        raise _unfit(path, variable, f"it is {_sides(stored.shape[::-1])} {_kind(stored)}")
    if not cells:
        _check(path, variable, stored.shape[::-1], _kind(stored))
    return stored


def _names(stored: Any) -> str:
    return ", ".join(sorted(name for name in getattr(stored, "keys", tuple)() if not name.startswith("#"))) or "nothing"


def _kind(stored: Any) -> str:
    """Return what a dataset holds: what MATLAB says, since it stores texts and truth values as numbers."""
    kind = stored.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if "MATLAB_empty" in stored.attrs:
        return "empty"
    return kind if kind in ("char", "cell", "struct", "logical", "function_handle") else stored.dtype.name


def _part(path: Path, stored: Any, variable: Variable, where: Index) -> "np.ndarray":
    full = (*where, *(slice(None),) * (len(stored.shape) - len(where)))
    # MATLAB's first axis is the last one of the file, so the axes that stay come out reversed.
    spans = [_span(place, side) for place, side in zip(full[::-1], stored.shape, strict=True)]
    wanted = math.prod(stop - start for start, stop in spans)
    if stored.chunks and stored.nbytes <= _WHOLE:
        touched = math.prod(
            (-(-stop // c) - start // c) * c for (start, stop), c in zip(spans, stored.chunks, strict=True)
        )
        if touched > _AMPLIFIED * wanted:
            return _whole(path, variable.name, *_state(path))[where]
    return stored[full[::-1]].T


def _span(place: int | slice, side: int) -> tuple[int, int]:
    if isinstance(place, slice):
        start, stop, _ = place.indices(side)
        return start, stop
    return place, place + 1


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=2)
def _whole(path: Path, name: str, size: int, changed: int) -> "np.ndarray":
    """Return a variable that was checked before; a changed file is another one."""
    if _is_hdf5(path):
        with _opened(path) as file:
            return file[name.replace(".", "/")][()].T
    with _damage(path):
        return matlab5.load(path, matlab5.describe(path)[name])


def _described(path: Path, variable: Variable) -> tuple[tuple[int, ...], str]:
    """Return shape and kind of a variable of a version 5 file, without reading it."""
    with _damage(path):
        known = matlab5.describe(path)
    if variable.name not in known:
        raise _unfit(path, variable, f"the file has {', '.join(sorted(known)) or 'nothing'}")
    return known[variable.name].shape, known[variable.name].kind


def _check(path: Path, variable: Variable, shape: tuple[int, ...], kind: str) -> None:
    fits = len(shape) == len(variable.shape) and all(
        side and side == (known or side) for side, known in zip(shape, variable.shape, strict=True)
    )
    if not fits or kind not in variable.kinds:
        raise _unfit(path, variable, f"it is {_sides(shape)} {kind}")


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(str(side or "any") for side in shape)


class _UnfitError(ValueError):
    """A file that is not what it must be, with the line for a person."""


def _unfit(path: Path, variable: Variable, what: str) -> _UnfitError:
    return _UnfitError(f"{path}: expected the variable {variable}; {what}: fetch the official file")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say in one line what the readers raise on damaged files."""
    try:
        yield
    except _UnfitError:
        raise
    except FileNotFoundError:
        raise _UnfitError(f"{path}: it is gone; put it back and run again") from None
    except (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())[:200]
        raise _UnfitError(f"{path}: cut or damaged ({what}); fetch it again") from None
