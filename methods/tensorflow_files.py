"""Reading the weights that TensorFlow and Keras save, without either of them; nothing is executed."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipfile import ZipFile

    import numpy as np

MOST_BYTES = 1 << 30
"""Of one member of an archive, unpacked: a small file that claims to hold more is no denoiser."""

_MAGIC = bytes.fromhex("57fb808b247547db")  # the last eight bytes of a LevelDB table
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # TensorFlow's numbers for them
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def tensor_bundle(index: Path) -> "dict[str, np.ndarray]":
    """Read the variables of a TensorFlow checkpoint (format "V2"), as a SavedModel holds it.

    The index is a LevelDB table of protocol messages, which say where in the data file a tensor
    lies. The checksum of every block and of every tensor is compared.
    Formats: github.com/google/leveldb doc/table_format.md; tensorflow/core/protobuf
    tensor_bundle.proto and trackable_object_graph.proto.

    Parameters
    ----------
    index : Path
        ``variables.index``; ``variables.data-00000-of-00001`` (and further ones) must lie beside it.

    Returns
    -------
    dict of str to ndarray
        By the names that the object graph gives to variables (``"conv2d_3/kernel"``); by the key in
        the table where it gives none. Arrays have the shapes and types of the file: a kernel is
        (height, width, channels in, channels out). Texts and types that networks are not made of are left
        out.

    Raises
    ------
    ValueError
        If a file is missing, truncated, damaged, or in a variant of the format that is not read
        (compressed blocks, big-endian, partitioned variables).
    """
    try:
        table = dict(_table(index.read_bytes()))
        header = _fields(table.pop(b"", b""))
        if _one(header, 2, 0) != 0:
            raise ValueError("numbers are stored in big-endian order")
        parts = _Parts(index, _one(header, 1, 1))
        entries = {key.decode(): _entry(value) for key, value in table.items()}
        names = _names(parts.text(entries[_GRAPH])) if _GRAPH in entries else {}
        return {names.get(key, key): parts.array(entry) for key, entry in entries.items() if entry["type"] in _TYPES}
    except (OSError, ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError) as error:
        raise ValueError(
            f"weights {index}: no readable TensorFlow checkpoint ({_line(error)}); expected variables.index with "
            "variables.data-00000-of-00001 beside it; fetch both again"
        ) from None


def keras_archive(path: Path) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """Read the weights of a model that Keras 3 saved (`.keras`).

    The archive holds ``config.json`` (which layers; it is parsed and never turned into objects) and
    ``model.weights.h5``.

    Returns
    -------
    config : dict
        The parsed ``config.json``.
    weights : dict of str to ndarray
        By their path in the HDF5 file, without the repeated ``_layer_checkpoint_dependencies``:
        ``"functional_1/functional/conv2d_1/vars/0"``. The optimiser's state is left out.

    Raises
    ------
    ValueError
        If the file is no such archive, is damaged, or claims a member larger than `MOST_BYTES`.
    """
    import io
    import zipfile
    import zlib

    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(_member(archive, "config.json"))
            content = io.BytesIO(_member(archive, "model.weights.h5"))
        if not isinstance(config, dict):
            raise ValueError("config.json holds no layers")
        with h5py.File(content) as file:
            return config, dict(arrays_of(file))
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(
            f"weights {path}: no readable Keras 3 archive ({_line(error)}); expected config.json and "
            "model.weights.h5 in a zip file; fetch it again"
        ) from None


def crc32c(content: bytes, start: int = 0) -> int:
    """Return the CRC-32C (Castagnoli, RFC 3720 B.4) of some bytes, or continue one at `start`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = start ^ 0xFFFFFFFF
    table = _crc_table()
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Return a CRC as LevelDB and TensorFlow store it, so that data with CRCs inside have a good one.

    >>> hex(masked(0xE3069283))
    '0xc78ab0e5'
    """
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


class _Parts:
    """The data files of a checkpoint, each read once."""

    def __init__(self, index: Path, count: int) -> None:
        self.index, self.count = index, count
        self.read: dict[int, bytes] = {}

    def array(self, entry: dict[str, Any]) -> "np.ndarray":
        import numpy as np

        kind = _TYPES[entry["type"]]
        content = self._bytes(entry)
        if masked(crc32c(content)) != entry["crc"]:
            raise ValueError("the checksum of a tensor is wrong")
        count = int(np.prod(entry["shape"], dtype=object)) if entry["shape"] else 1
        if count * np.dtype(kind).itemsize != len(content):
            raise ValueError(f"a tensor of shape {tuple(entry['shape'])} has {len(content)} bytes")
        return np.frombuffer(content, kind).reshape(entry["shape"]).copy()

    def text(self, entry: dict[str, Any]) -> bytes:
        """Return a tensor of one text: its length, a checksum of that, its bytes."""
        content = self._bytes(entry)
        length, place = _varint(content, 0)
        sealed = content[place : place + 4]
        text = content[place + 4 :]
        crc = crc32c(length.to_bytes(4, "little"))
        if len(text) != length or masked(crc32c(text, crc32c(sealed, crc))) != entry["crc"]:
            raise ValueError("the checksum of the object graph is wrong")
        return text

    def _bytes(self, entry: dict[str, Any]) -> bytes:
        shard = entry["shard"]
        if shard not in self.read:
            name = f"{self.index.name.removesuffix('.index')}.data-{shard:05}-of-{self.count:05}"
            self.read[shard] = self.index.with_name(name).read_bytes()
        content = self.read[shard][entry["offset"] : entry["offset"] + entry["size"]]
        if len(content) != entry["size"]:
            raise ValueError("the data file is truncated")
        return content


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a LevelDB table: the footer points to an index, and that to the blocks."""
    if len(content) < 48 or content[-8:] != _MAGIC:
        raise ValueError("the index is truncated, or no LevelDB table")
    footer = content[-48:]
    (offset, size), place = _handle(footer, 0)
    list(_block(content, offset, size))  # filters, which are not used; but a damaged file is none to trust
    (offset, size), _ = _handle(footer, place)
    for _, value in _block(content, offset, size):
        (start, length), _ = _handle(value, 0)
        yield from _block(content, start, length)


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of a block: each key is stored as what differs from the one before."""
    block, kind, crc = content[offset : offset + size], content[offset + size], content[offset + size + 1 :][:4]
    if len(block) != size or masked(crc32c(content[offset : offset + size + 1])) != int.from_bytes(crc, "little"):
        raise ValueError("the checksum of the index is wrong")
    if kind != 0:
        raise ValueError("the index is compressed, which is not read")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        unshared, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + unshared]
        place += unshared
        yield key, block[place : place + length]
        place += length


def _handle(content: bytes, place: int) -> tuple[tuple[int, int], int]:
    offset, place = _varint(content, place)
    size, place = _varint(content, place)
    return (offset, size), place


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number, seven bits a byte with the lowest first, and the place after it."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _fields(message: bytes) -> dict[int, list[Any]]:
    """Split a protocol message into numbers and bytes, by field number (protobuf.dev encoding)."""
    fields: dict[int, list[Any]] = {}
    place = 0
    value: Any
    while place < len(message):
        tag, place = _varint(message, place)
        if tag & 7 == 0:
            value, place = _varint(message, place)
        elif tag & 7 in (1, 2, 5):
            length = {1: 8, 5: 4}.get(tag & 7)
            if length is None:
                length, place = _varint(message, place)
            value = message[place : place + length]
            if len(value) != length:
                raise ValueError("a protocol message is truncated")
            place += length
        else:
            raise ValueError("a protocol message is damaged")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _one(fields: dict[int, list[Any]], number: int, default: Any) -> Any:
    return fields.get(number, [default])[-1]


def _entry(message: bytes) -> dict[str, Any]:
    """Read a BundleEntryProto."""
    fields = _fields(message)
    if 7 in fields:
        raise ValueError("a variable is partitioned, which is not read")
    return {
        "type": _one(fields, 1, 0),
        "shape": [_one(_fields(axis), 1, 0) for axis in _fields(_one(fields, 2, b"")).get(2, [])],
        "shard": _one(fields, 3, 0),
        "offset": _one(fields, 4, 0),
        "size": _one(fields, 5, 0),
        "crc": int.from_bytes(_one(fields, 6, b""), "little"),
    }


def _names(graph: bytes) -> dict[str, str]:
    """Read a TrackableObjectGraph: the variable's name for each key of the table, where no two share it."""
    names: dict[str, str] = {}
    for node in _fields(graph).get(1, []):
        for attribute in _fields(node).get(2, []):
            fields = _fields(attribute)
            names[_one(fields, 3, b"").decode()] = _one(fields, 2, b"").decode()
    uses = Counter(names.values())
    return {key: name for key, name in names.items() if name and uses[name] == 1}


def _member(archive: "ZipFile", name: str) -> bytes:
    """Unpack a member, and never more of it than it may hold."""
    claimed = archive.getinfo(name).file_size
    if claimed > MOST_BYTES:
        raise ValueError(f"{name} claims to be {claimed} bytes, more than {MOST_BYTES}")
    with archive.open(name) as member:
        return member.read(claimed)


def arrays_of(file: Any) -> "Iterator[tuple[str, np.ndarray]]":
    """Yield the arrays of numbers of an HDF5 file or group; links to other files are not followed.

    Raises
    ------
    ValueError
        If arrays lie in other files, or claim more than `MOST_BYTES`.
    """
    import h5py

    datasets: list[tuple[str, Any]] = []
    file.visititems(lambda path, item: datasets.append((path, item)) if isinstance(item, h5py.Dataset) else None)
    arrays = [(path, item) for path, item in datasets if item.dtype.kind in "fi" and not path.startswith("optimizer")]
    if any(item.external for _, item in arrays) or sum(item.nbytes for _, item in arrays) > MOST_BYTES:
        raise ValueError(f"its arrays lie in other files, or claim more than {MOST_BYTES} bytes")
    for path, item in arrays:
        yield "/".join(part for part in path.split("/") if part != "_layer_checkpoint_dependencies"), item[()]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
