"""MATLAB files of version 5: arrays of numbers, texts, cells and structs, with no more read than is asked for.

Read here, and not through scipy, since scipy's reader ends the whole process on some damaged files: here every size
is compared with what there is before anything is made of it. Every function raises a `ValueError` of one line where the
file is damaged, or holds something else than what is asked for.
Source: MathWorks, MAT-File Format (R2019b), "Level 5 MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Bytes = bytes | memoryview

MOST_BYTES = 1 << 30
"""Of a variable of cells or structs, uncompressed: a small file that claims to hold more is damaged."""

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_START = 4096  # bytes of a variable in which its shape and name lie
_OPAQUE = 17
_CLASSES = ("", "cell", "struct", "object", "char", "sparse", "float64", "float32", "int8", "uint8", "int16",
            "uint16", "int32", "uint32", "int64", "uint64", "function_handle", "opaque")  # fmt: skip
_NUMBERS = frozenset((*_CLASSES[6:16], "bool"))
# MATLAB may store numbers in fewer bytes than they have in memory.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16-{}e", 16: "utf-8", 17: "utf-16-{}e", 18: "utf-32-{}e"}
_LOGICAL, _COMPLEX = 0x200, 0x800


@dataclass(frozen=True)
class Described:
    """A variable of a file: its shape, what it holds as numpy names it, and where it is."""

    shape: tuple[int, ...]
    kind: str
    offset: int
    size: int
    packed: bool


@dataclass(frozen=True)
class Array:
    """An array of any kind whose contents are still bytes: see `numbers`, `text`, `cells` and `fields`."""

    shape: tuple[int, ...]
    kind: str
    content: memoryview = field(repr=False)
    place: int
    order: str

    @property
    def count(self) -> int:
        """How many numbers, letters, cells or structs it has."""
        return math.prod(self.shape)


def describe(path: Path) -> dict[str, Described]:
    """Return the variables of a file, without reading what is in them.

    Raises
    ------
    ValueError
        If it is no file of version 5, or is damaged.
    """
    found = {}
    with path.open("rb") as file:
        order = _order(file)
        for kind, size, offset in _variables(file, order):
            file.seek(offset)
            content = file.read(min(size, _START))
            packed = kind == _COMPRESSED
            if packed:
                content = _inflated(content, _START)
                (kind,), content = _unpack(f"{order}I", content, 0), content[8:]
            if kind != _MATRIX:
                raise ValueError(f"an element of kind {kind}")
            name, array = _head(memoryview(content), order)
            found[name] = Described(array.shape, array.kind, offset, size, packed)
    return found


def load(path: Path, variable: Described) -> "np.ndarray":
    """Return the numbers of a variable."""
    return numbers(read(path, variable))


def read(path: Path, variable: Described) -> Array:
    """Return a variable with all that is in it, still as bytes.

    Raises
    ------
    ValueError
        If the variable is damaged, or the file has another one there now.
    """
    with path.open("rb") as file:
        order = _order(file)
        file.seek(variable.offset)
        content = file.read(variable.size)
    if variable.packed:
        kind, size = _unpack(f"{order}II", _inflated(content, 8), 0)
        # As many bytes as the numbers can have; what cells hold does not follow from their shape.
        most = _START + 8 * math.prod(variable.shape) if variable.kind in _NUMBERS else MOST_BYTES
        if kind != _MATRIX or size > most:
            raise ValueError(f"a compressed element of kind {kind} and {size} bytes")
        content = _inflated(content, 8 + size, whole=True)
    _, array = _head(memoryview(content)[8 if variable.packed else 0 :], order)  # no copy: it may be large
    if (array.shape, array.kind) != (variable.shape, variable.kind):
        raise ValueError(f"{array.kind} of shape {array.shape} where there was another")
    return array


def numbers(array: Array) -> "np.ndarray":
    """Return an array of numbers as numpy's, with the axes of MATLAB; it may be read-only.

    Raises
    ------
    ValueError
        If it holds something else than real numbers, or not as many as its shape says.
    """
    import numpy as np

    if array.kind not in _NUMBERS:
        raise ValueError(f"{array.kind}; expected real numbers")
    if array.count == 0:
        return np.empty(array.shape, array.kind)
    stored, content, _ = _element(array.content, array.place, array.order)
    if stored not in _STORED or len(content) != array.count * int(_STORED[stored][1]):
        raise ValueError(f"{len(content)} bytes of kind {stored} for {array.count} numbers")
    found = np.frombuffer(content, array.order + _STORED[stored])
    with np.errstate(invalid="ignore"):
        return found.astype(array.kind, copy=False).reshape(array.shape, order="F")


def text(array: Array) -> str:
    """Return a text of one line.

    Raises
    ------
    ValueError
        If it is no text, has several lines, or is stored in no encoding of MATLAB.
    """
    if array.kind != "char" or array.shape[:-1] not in ((0,), (1,)):
        raise ValueError(f"{array.kind} of shape {array.shape}; expected a text of one line")
    if array.count == 0:
        return ""
    stored, content, _ = _element(array.content, array.place, array.order)
    if stored not in _ENCODINGS:
        raise ValueError(f"a text stored as kind {stored}")
    return bytes(content).decode(_ENCODINGS[stored].format("l" if array.order == "<" else "b"))


def cells(array: Array) -> list[Array]:
    """Return what is in the cells of an array, in MATLAB's order.

    Raises
    ------
    ValueError
        If it is no array of cells, or is damaged.
    """
    if array.kind != "cell":
        raise ValueError(f"{array.kind}; expected cells")
    return [_inner(content, array.order) for content in _matrices(array, array.place, array.count)]


def fields(array: Array, name: str) -> list[Array]:
    """Return one field of all structs of an array, in MATLAB's order.

    Raises
    ------
    ValueError
        If it is no struct, has no such field, or is damaged.
    """
    if array.kind != "struct":
        raise ValueError(f"{array.kind}; expected a struct with {name}")
    _, width, place = _element(array.content, array.place, array.order)
    _, letters, place = _element(array.content, place, array.order)
    (length,) = _unpack(f"{array.order}i", width, 0)
    if length < 1 or len(letters) % length:
        raise ValueError(f"{len(letters)} letters of names of {length} each")
    names = [bytes(letters[at : at + length]).partition(b"\0")[0] for at in range(0, len(letters), length)]
    if name.encode() not in names:
        raise ValueError(f"a struct without {name}")
    contents = _matrices(array, place, array.count * len(names))
    return [_inner(content, array.order) for content in contents[names.index(name.encode()) :: len(names)]]


def _order(file: IO[bytes]) -> str:
    orders = {b"\0\1IM": "<", b"\1\0MI": ">"}
    mark = file.read(_HEADER)[124:]
    if mark not in orders:
        raise ValueError("its first 128 bytes are not those of MATLAB 5")
    return orders[mark]


def _variables(file: IO[bytes], order: str) -> Iterator[tuple[int, int, int]]:
    """Yield kind, size and place of the elements of a file."""
    end = file.seek(0, 2)
    place = _HEADER
    while place < end:
        file.seek(place)
        kind, size = _unpack(f"{order}II", file.read(8), 0)
        place += 8 + size
        if place > end:
            raise ValueError(f"it ends {place - end} bytes too early")
        yield kind, size, place - size


def _inflated(content: bytes, most: int, *, whole: bool = False) -> bytes:
    """Return the first bytes of what is compressed, at most so many; or, if asked, exactly so many and all."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(content, most + whole)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if whole and (len(found) != most or not inflater.eof):
        raise ValueError("its compressed bytes do not end where they should")
    return found


def _unpack(form: str, content: Bytes, place: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, content, place)
    except struct.error:
        raise ValueError("it ends too early") from None


def _element(content: memoryview, place: int, order: str) -> tuple[int, memoryview, int]:
    """Return kind and bytes of the element at a place, and the place of the next one."""
    kind, size = _unpack(f"{order}II", content, place)
    start, after = place + 8, place + 8 + -(-size // 8) * 8
    if kind >> 16:  # up to four bytes stand in the place of the size
        kind, size, start, after = kind & 0xFFFF, kind >> 16, place + 4, place + 8
    if start + size > min(after, len(content)):
        raise ValueError(f"an element of {size} bytes where {len(content) - place} are left")
    return kind, content[start : start + size], after


def _matrices(array: Array, place: int, count: int) -> list[memoryview]:
    """Return the bytes of so many arrays, one after another."""
    if count > (len(array.content) - place) // 8:
        raise ValueError(f"{count} arrays in {len(array.content) - place} bytes")
    found = []
    for _ in range(count):
        kind, content, place = _element(array.content, place, array.order)
        if kind != _MATRIX:
            raise ValueError(f"an element of kind {kind} for an array")
        found.append(content)
    return found


def _inner(content: memoryview, order: str) -> Array:
    """Return an array within another; where nothing is written it is empty."""
    return _head(content, order)[1] if content else Array((0, 0), "float64", content, 0, order)


def _head(content: memoryview, order: str) -> tuple[str, Array]:
    """Return name and array of what stands in a matrix element."""
    _, flags, place = _element(content, 0, order)
    (flag,) = _unpack(f"{order}I", flags, 0)
    number = flag & 0xFF
    shape: tuple[int, ...] = ()
    if number != _OPAQUE:  # an object of a class, which has no shape
        _, sides, place = _element(content, place, order)
        shape = _unpack(f"{order}{len(sides) // 4}i", sides, 0)
    _, letters, place = _element(content, place, order)
    kind = _CLASSES[number] if number < len(_CLASSES) else f"class {number}"
    kind = "bool" if flag & _LOGICAL else f"complex {kind}" if flag & _COMPLEX else kind
    if any(side < 0 for side in shape):
        raise ValueError(f"the shape {shape}")
    return bytes(letters).decode("ascii"), Array(shape, kind, content, place, order)
