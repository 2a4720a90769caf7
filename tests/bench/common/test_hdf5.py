"""HDF5 files of a person lead nowhere else, and claim no more memory than there is."""

import os

import h5py
import numpy as np
import pytest

from bench.adapters.weights_file import with_weights
from bench.common.errors import BenchError
from bench.common.hdf5 import check
from methods import available

WRONG = "its arrays lie in other files, or claim more than 1 GiB"


def external(file, folder):
    os.mkfifo(folder / "pipe")  # which a reader would wait for
    file.create_dataset("w", (4,), "f4", external=[(str(folder / "pipe"), 0, 16)])


def virtual(file, folder):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[...] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape=(4,))
    file.create_virtual_dataset("w", layout)


def linked(file, folder):
    file.create_group("net")["layers"] = h5py.ExternalLink(str(folder / "other.h5"), "x")


def huge(file, folder):
    file.create_dataset("#refs#/w", (40_000, 30_000), "f4", chunks=(10, 10))


@pytest.mark.parametrize("make", [external, virtual, linked, huge])
def test_weights_that_lead_elsewhere_or_explode_are_refused(make, tmp_path):
    path = tmp_path / "net.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        make(file, tmp_path)
    with pytest.raises(BenchError, match=f"WEIGHTS={path}: {WRONG}"):
        with_weights(available()["dncnn"], path)


def test_what_is_whole_damaged_or_no_hdf5_is_left_to_its_reader(tmp_path):
    path = tmp_path / "net.mat"
    with h5py.File(path, "w") as file:
        file["w"] = np.zeros(4)
        file["again"] = h5py.SoftLink("/w")
    check(path, "")
    content = path.read_bytes()
    for bad in (content[:100], b"", b"no weights"):
        path.write_bytes(bad)
        check(path, "")
