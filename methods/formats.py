"""Reading files of weights, by what is in them; nothing that is read is ever executed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

HDF5_DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What reading damaged HDF5 files raises."""

Layer = tuple[Any, Any]
"""Weight (O, I, H, W) and bias (O,) or None, as float32 tensors."""


def matconvnet_layers(path: Path) -> list[Layer]:
    """Read the convolutions of a MatConvNet network saved as MATLAB 7.3 (HDF5).

    Parameters
    ----------
    path : Path
        A `.mat` file with `net.layers`, as cszn publishes them (batch norm merged).

    Returns
    -------
    list of (Tensor (O, I, H, W), Tensor (O,))
        In the order of the layers. MATLAB's axes come reversed from HDF5, so a filter is stored as
        (O, I, W, H), and as (I, W, H) where O is 1.

    Raises
    ------
    ValueError
        If the file is no such network.
    """
    return matconvnet_networks(path, "")[0]


def matconvnet_networks(path: Path, cell: str) -> list[list[Layer]]:
    """Read the convolutions of several MatConvNet networks, the entries of one MATLAB cell.

    Parameters
    ----------
    path : Path
        A `.mat` file as for `matconvnet_layers`.
    cell : str
        Name of the cell, whose entries are cells of layers; where the file has none of that name,
        its one network `net.layers` is read.

    Returns
    -------
    list of list of (Tensor (O, I, H, W), Tensor (O,))

    Raises
    ------
    ValueError
        If the file holds no such networks.
    """
    import h5py
    import torch

    def convolutions(file: Any, layers: Any) -> Iterator[Layer]:
        for reference in layers[()].ravel():
            layer = file[reference]
            if _text(layer["type"][()]) != "conv":  # other layers may hold empty weights
                continue
            weight, bias = (file[r][()] for r in layer["weights"][()].ravel()[:2])
            weight = weight if weight.ndim == 4 else weight[None]
            tensor = torch.from_numpy(weight.transpose(0, 1, 3, 2).astype("float32"))
            yield tensor, torch.from_numpy(bias.astype("float32").ravel())

    try:
        with h5py.File(path, "r", locking=False) as file:
            several = [file[entry] for entry in file[cell][()].ravel()] if cell in file else [file["net/layers"]]
            return [list(convolutions(file, layers)) for layers in several]
    except HDF5_DAMAGE as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"weights {path}: no readable MatConvNet network in MATLAB 7.3 format ({reason}); expected "
            f"{f'a cell {cell} or ' if cell else ''}net.layers"
        ) from None


def fill(network: "nn.Module", tensors: "Mapping[str, Tensor]", path: Path, what: str) -> None:
    """Copy named tensors into a network of the same names and shapes.

    Parameters
    ----------
    network : Module
        Its state dict says what is expected. `num_batches_tracked`, which evaluation does not use,
        may be missing.
    tensors : mapping
        Of the file.
    path : Path
        The file, for the message.
    what : str
        What the file should hold, for the message: ``"a DnCNN"``.

    Raises
    ------
    ValueError
        If a tensor is missing, of another shape, or too many, with the first three of each kind.
    """
    expected = network.state_dict()
    optional = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = [key for key in expected if key not in tensors and key not in optional]
    extra = [key for key in tensors if key not in expected]
    unequal = [key for key in expected if key in tensors and tensors[key].shape != expected[key].shape]
    if missing or extra or unequal:
        faults = [f"{len(missing)} tensors are missing, as {', '.join(missing[:3])}"] if missing else []
        faults += [f"{len(extra)} do not belong to it, as {', '.join(extra[:3])}"] if extra else []
        faults += [
            f"{key} has shape {tuple(tensors[key].shape)}, expected {tuple(expected[key].shape)}" for key in unequal[:3]
        ]
        raise ValueError(f"weights {path}: not {what}: {'; '.join(faults)}")
    network.load_state_dict({**{key: expected[key] for key in optional}, **tensors})


def check_colour(colour: str, channels: int, path: Path) -> None:
    """Raise `ValueError` if a file holds a net of so many colour channels for images of another colour.

    `colour` is that of `methods.Net`, ``"gray"`` or ``"rgb"``.
    """
    holds = {1: "gray", 3: "rgb"}.get(channels, f"{channels}-channel")
    if holds != colour:
        raise ValueError(f"weights {path}: hold a {holds} net, and the images are {colour}")


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, with or without the 512-byte header that MATLAB writes before it."""
    with path.open("rb") as file:
        head = file.read(520)
    return b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:520])


def _text(codes: Any) -> str:
    return "".join(chr(int(code)) for code in codes.ravel())
