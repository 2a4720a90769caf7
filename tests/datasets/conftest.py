"""Fixtures: MATLAB files of version 7.3 in MATLAB's own layout."""

import h5py
import numpy as np
import pytest

NAMES = {"float32": "single", "float64": "double", "uint8": "uint8", "uint16": "uint16"}


@pytest.fixture
def save_73():
    """Return a function that writes a version 7.3 file.

    What a name stands for is an array, a text, a list (a cell array, or the fields of a struct array), a dict
    (a struct), or (shape, {place: block}): an array stored block by block, of which only these are written.
    """

    def save(path, variables):
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, value in variables.items():
                _put(file, file, name, value)
        head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon May  1 12:00:00 2017 HDF5 schema 1.00 ."
        with path.open("r+b") as file:
            file.write(head.ljust(116) + bytes(8) + b"\x00\x02IM")
        return path

    return save


def _put(file, group, name, value):
    # The axes of the file are those of MATLAB in reverse.
    if isinstance(value, dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, inside in value.items():
            _put(file, made, field, inside)
        return
    if isinstance(value, list):
        hidden = file.require_group("#refs#")
        made = group.create_dataset(name, (1, len(value)), h5py.ref_dtype)
        for i, inside in enumerate(value):
            key = f"{name}{i}"
            _put(file, hidden, key, inside)
            made[0, i] = hidden[key].ref
        return
    if isinstance(value, str):
        made = group.create_dataset(name, data=np.array([[ord(letter)] for letter in value], np.uint16))
        made.attrs["MATLAB_class"] = np.bytes_("char")
        return
    if isinstance(value, tuple):
        shape, blocks = value
        first = next(iter(blocks.values()))
        chunks = (*first.shape[::-1], *(1,) * (len(shape) - first.ndim))
        made = group.create_dataset(name, shape[::-1], first.dtype, chunks=chunks, compression="gzip")
        for place, block in blocks.items():
            made[(..., *place[::-1])] = block.T
    else:
        made = group.create_dataset(name, data=value.T)
    made.attrs["MATLAB_class"] = np.bytes_(NAMES[made.dtype.name])
