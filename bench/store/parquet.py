"""One record as a Parquet file with checksums of all it holds: what was damaged is told from what was measured."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError, one_line

if TYPE_CHECKING:
    from pyarrow import DataType, Table
    from pyarrow.parquet import ParquetFile

METADATA = b"bench"
"""Where a Parquet file's metadata holds the provenance."""

SEAL = b"bench-sha256"
"""Where it holds the SHA-256 of the footer, in which this digest is 64 zeros; the pages before it have a CRC each."""

SEALED = b"bench-sealed"
"""Where the metadata says that there is such a digest: another program that writes the table again keeps this alone."""

AT_A_TIME = 4_000_000
"""Bytes of images that are read at a time."""

_SEALED = re.compile(SEAL + rb"..([0-9a-f]{64})", re.DOTALL)


def encoded(rows: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]) -> bytes:
    """Return the rows of a record and its provenance as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([dict(row) for row in rows])
    table = table.replace_schema_metadata({METADATA: json.dumps(provenance), SEALED: "1"})
    sink = pa.BufferOutputStream()
    # A page ends after the image that fills it, not after 1024 of them: who reads large images needs the memory of one.
    how: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True, "write_batch_size": 1}
    with pq.ParquetWriter(sink, table.schema, **how) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: b"0" * 64})
    content = sink.getvalue().to_pybytes()
    start = len(content) - _footer_size(content)
    place = next(_SEALED.finditer(content, start)).start(1)
    digest = hashlib.sha256(content[start:]).hexdigest().encode()
    return content[:place] + digest + content[place + 64 :]


def decoded(
    path: Path, columns: Iterable[str] | None = None, *, whole: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read a record; those from before there were checksums are read without.

    Parameters
    ----------
    path : Path
        The file.
    columns : iterable of str, optional
        Leaves out what is not needed, as the images.
    whole : bool
        Whether what is left out is checked too; a few rows at a time, since images are large.

    Returns
    -------
    rows, provenance

    Raises
    ------
    BenchError
        If it is no record, or damaged: the cause, without the path.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        sealed = _check_footer(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            metadata = file.schema_arrow.metadata or {}
            if METADATA not in metadata:
                raise BenchError("a Parquet file of another program")
            if SEALED in metadata and not sealed:
                raise BenchError("another program has written it again, and its numbers may be others")
            rows = _rows(file.read(columns=None if columns is None else list(columns)))
            for _ in file.iter_batches(batch_size=_few(file)) if whole else ():
                pass
        about = json.loads(metadata[METADATA])
        return rows, _spelled(about) if rb"\ud" in metadata[METADATA] else about
    except (BenchError, pa.ArrowException, OSError, ValueError) as error:
        raise BenchError(_printable(one_line(error))) from None


def pixels(path: Path) -> Iterator[tuple[str, memoryview]]:
    """Read name and pixels of a record's images one after another, a few in memory: one, where they are large.

    Raises
    ------
    BenchError
        If the record cannot be read, as `decoded`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_footer(path)
        with pq.ParquetFile(path, memory_map=True, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=_few(file), columns=["image", "denoised"]):
                names, denoised = batch.column("image").to_pylist(), batch.column("denoised")
                yield from ((name, memoryview(denoised[i].as_buffer())) for i, name in enumerate(names))
    except (BenchError, pa.ArrowException, OSError, ValueError) as error:
        raise BenchError(_printable(one_line(error))) from None


def _few(file: "ParquetFile") -> int:
    """Return how many rows of a record are in memory at a time."""
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    size = sum(group.total_byte_size for group in groups) / max(1, file.metadata.num_rows)
    return max(1, int(AT_A_TIME / max(1, size)))


def _rows(table: "Table") -> list[dict[str, Any]]:
    """Return a table as its method `to_pylist` does, which takes ten times as long for numbers."""
    import numpy as np

    columns = [
        [number for chunk in column.chunks for number in np.from_dlpack(chunk).tolist()]
        if _is_number(column.type) and not column.null_count
        else column.to_pylist()
        for column in table.columns
    ]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _is_number(kind: "DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _spelled(value: Any) -> Any:
    """Return what JSON holds with letters in it that are no UTF-8, as no table, page or figure could write, spelled."""
    if isinstance(value, dict):
        return {_spelled(name): _spelled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_spelled(one) for one in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _check_footer(path: Path) -> bool:
    """Raise `BenchError` where the end of a file is not what was written; return whether its digest says so."""
    if not path.is_file():
        raise BenchError("it is no file" if path.exists() else "there is no such file")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        length = _footer_size(file.read())
        if not 0 < length <= size:
            raise BenchError("it is no whole Parquet file" if size else "it is empty")
        file.seek(size - length)
        footer = file.read()
    seal = _SEALED.search(footer)
    if seal and seal[1] != hashlib.sha256(footer.replace(seal[1], b"0" * 64)).hexdigest().encode():
        raise BenchError("its checksum does not match: it is damaged")
    return seal is not None


def _printable(text: str) -> str:
    """Return what a library says of damaged bytes, without those of them that it repeats."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _footer_size(end: bytes) -> int:
    """Return the bytes of a Parquet file's footer with its length and sign; 0 where there is none."""
    return int.from_bytes(end[-8:-4], "little") + 8 if end[-4:] == b"PAR1" and len(end) >= 8 else 0
