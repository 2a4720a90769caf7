"""Arrays of numbers in MATLAB files of version 5.

Read here, and not through scipy, since scipy's reader ends the whole process on some damaged files.
Source: MathWorks, MAT-File Format (R2019b), "Level 5 MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Bytes = bytes | memoryview

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_START = 4096  # bytes of a variable in which its shape and name lie
_CLASSES = ("", "cell", "struct", "object", "char", "sparse", "float64", "float32", "int8", "uint8", "int16",
            "uint16", "int32", "uint32", "int64", "uint64")  # fmt: skip
# MATLAB may store numbers in fewer bytes than they have in memory.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_LOGICAL, _COMPLEX = 0x200, 0x800


@dataclass(frozen=True)
class Described:
    """A variable of a file: its shape, what it holds as numpy names it, and where it is."""

    shape: tuple[int, ...]
    kind: str
    offset: int
    size: int
    packed: bool


def describe(path: Path) -> dict[str, Described]:
    """Return the variables of a file, without reading their numbers.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    found = {}
    with path.open("rb") as file:
        order = _order(file)
        for kind, size, offset in _elements(file, order):
            file.seek(offset)
            content: Bytes = file.read(min(size, _START))
            if kind == _COMPRESSED:
                content = _body(zlib.decompressobj().decompress(content, _START), order)
            elif kind != _MATRIX:
                raise ValueError(f"an element of kind {kind}")
            shape, holds, name, _ = _head(content, order)
            found[name] = Described(shape, holds, offset, size, kind == _COMPRESSED)
    return found


def load(path: Path, variable: Described) -> "np.ndarray":
    """Return the numbers of a variable.

    Raises
    ------
    ValueError
        If it holds none, or is damaged.
    """
    import numpy as np

    with path.open("rb") as file:
        order = _order(file)
        file.seek(variable.offset)
        content: Bytes = file.read(variable.size)
    if variable.packed:
        # As many bytes as the numbers can have, and one more to see that there are none.
        most = _START + 8 * math.prod(variable.shape)
        inflater = zlib.decompressobj()
        content = inflater.decompress(content, most + 1)
        if len(content) > most or not inflater.eof:
            raise ValueError("its compressed numbers do not end where they should")
        content = _body(content, order)
    shape, kind, _, place = _head(content, order)
    stored, size, start, _ = _element(content, place, order)
    if (shape, kind) != (variable.shape, variable.kind) or stored not in _STORED:
        raise ValueError(f"{kind} numbers stored as kind {stored}")
    numbers = np.frombuffer(content, np.dtype(order + _STORED[stored]), size // int(_STORED[stored][1]), start)
    if numbers.size != math.prod(shape):
        raise ValueError(f"{numbers.size} numbers, expected {math.prod(shape)}")
    return numbers.astype(kind, copy=False).reshape(shape, order="F")


def _order(file: IO[bytes]) -> str:
    marks = {b"IM": "<", b"MI": ">"}
    mark = file.read(_HEADER)[126:]
    if mark not in marks:
        raise ValueError("its first 128 bytes")
    return marks[mark]


def _elements(file: IO[bytes], order: str) -> Iterator[tuple[int, int, int]]:
    end = file.seek(0, 2)
    place = _HEADER
    while place < end:
        file.seek(place)
        kind, size = struct.unpack(f"{order}II", file.read(8))
        place += 8 + size
        if place > end:
            raise ValueError(f"it ends {place - end} bytes too early")
        yield kind, size, place - size


def _body(content: Bytes, order: str) -> Bytes:
    """Return what is in the one element that is compressed."""
    (kind,) = struct.unpack_from(f"{order}I", content)
    if kind != _MATRIX:
        raise ValueError(f"a compressed element of kind {kind}")
    return memoryview(content)[8:]  # no copy: it may be hundreds of megabytes


def _element(content: Bytes, place: int, order: str) -> tuple[int, int, int, int]:
    """Return kind, size and start of the element at a place, and the place of the next one."""
    kind, size = struct.unpack_from(f"{order}II", content, place)
    if kind >> 16:  # up to four bytes stand in the place of the size
        return kind & 0xFFFF, min(kind >> 16, 4), place + 4, place + 8
    return kind, size, place + 8, place + 8 + -(-size // 8) * 8


def _head(content: Bytes, order: str) -> tuple[tuple[int, ...], str, str, int]:
    """Return shape, kind and name of a matrix, and the place of its numbers."""
    _, _, start, place = _element(content, 0, order)
    (flags,) = struct.unpack_from(f"{order}I", content, start)
    _, size, start, place = _element(content, place, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", content, start)
    _, size, start, place = _element(content, place, order)
    name = bytes(content[start : start + size]).decode("ascii")
    number = flags & 0xFF
    kind = _CLASSES[number] if number < len(_CLASSES) else f"class {number}"
    kind = "bool" if flags & _LOGICAL else f"complex {kind}" if flags & _COMPLEX else kind
    if any(side < 0 for side in shape) or size > len(content):
        raise ValueError(f"the shape {shape}")
    return shape, kind, name, place
