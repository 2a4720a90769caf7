"""Plain chains of convolutions (DnCNN) in the files that Keras saves, read without TensorFlow.

Three kinds: `model.save` of Keras 3 (`.keras`), `model.save` of Keras 2 and of Keras 3 with an `.h5` name, and
`save_weights` (`.h5`, `.weights.h5`), which says neither the order of the layers nor their epsilon.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.formats import HDF5_DAMAGE, Layer, is_hdf5
from methods.keras_layers import kernel
from methods.tensorflow_files import arrays_of, keras_archive

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, "np.ndarray"]

EPSILON = 1e-3
"""What batch normalisation of Keras adds to the variance where a file does not say it: its default, and DnCNN's."""

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_CLASSES = {"Conv2D": "convolution", "BatchNormalization": "normalisation"}
_PASSED_OVER = {"InputLayer", "ReLU", "Subtract"}


def is_keras(path: Path) -> bool:
    """Whether a file is one of the three kinds; a MATLAB file is HDF5 too."""
    import zipfile

    if is_hdf5(path):
        import h5py

        try:
            with h5py.File(path, "r", locking=False) as file:
                return "#refs#" not in file and "net" not in file
        except HDF5_DAMAGE:
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def chain(path: Path) -> list[Layer]:
    """Return the convolutions of a chain that Keras saved, batch normalisation merged into them.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else than 3x3 convolutions of stride 1 with "same" padding, ReLU and
        batch normalisation behind convolutions.
    """
    config, arrays = keras_archive(path) if not is_hdf5(path) else _hdf5(path)
    try:
        layers = list(_with_config(config, arrays) if config else _without_config(arrays))
        return list(_folded(layers))
    except (KeyError, IndexError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError | IndexError) else str(error)
        raise ValueError(
            f"weights {path}: not a DnCNN as Keras saves it ({' '.join(reason.split())}); expected 3x3 convolutions in "
            "a row, with batch normalisation behind them or none"
        ) from None


def _hdf5(path: Path) -> "tuple[dict[str, Any], Arrays]":
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            said = file.attrs.get("model_config", "{}")
            config = json.loads(said if isinstance(said, str) else bytes(said))
            if not isinstance(config, dict):
                raise ValueError("model_config holds no layers")
            return config, dict(arrays_of(file.get("model_weights", file)))
    except HDF5_DAMAGE as error:
        raise ValueError(
            f"weights {path}: no readable HDF5 file of Keras ({' '.join(str(error).split())}); fetch it again"
        ) from None


def _with_config(config: Mapping[str, Any], arrays: "Arrays") -> "Iterator[tuple[str, float, Arrays]]":
    """Give kind, epsilon and arrays of each layer with weights, in the order of the network."""
    stored = _by_layer(arrays)
    layers = [(_CLASSES.get(layer["class_name"], ""), layer["class_name"], layer["config"])
              for layer in config["config"]["layers"]]  # fmt: skip
    wanted = {kind: [known["name"] for one, _, known in layers if one == kind] for kind in _CLASSES.values()}
    there = {kind: _sorted(name for name in stored if _kind(stored[name]) == kind) for kind in wanted}
    for kind, names in wanted.items():
        if len(names) != len(there[kind]):
            raise ValueError(f"it has {len(names)} layers of {kind} and the arrays of {len(there[kind])}")
    # Keras 3 names groups after classes, whatever the layers are called.
    named = {kind: names if set(names) == set(there[kind]) else there[kind] for kind, names in wanted.items()}
    queues = {kind: iter(names) for kind, names in named.items()}
    for kind, title, known in layers:
        if kind:
            if kind == "convolution":
                _check_convolution(known)
            yield kind, float(known.get("epsilon", EPSILON)), _named(kind, known, stored[next(queues[kind])])
            continue
        activation = known.get("activation", "") if title == "Activation" else "relu"
        if title not in {*_PASSED_OVER, "Activation"} or activation not in ("relu", "linear"):
            raise ValueError(f"it has a layer {title} {activation if title == 'Activation' else ''}".strip())


def _check_convolution(known: Mapping[str, Any]) -> None:
    usual = {"strides": [1, 1], "dilation_rate": [1, 1], "padding": "same", "groups": 1}
    for key, value in usual.items():
        said = known.get(key, value)
        if (list(said) if isinstance(said, Sequence) and not isinstance(said, str) else said) != value:
            raise ValueError(f"its convolution {known.get('name')} has {key} {said}")
    if known.get("activation", "linear") not in ("relu", "linear"):
        raise ValueError(f"its convolution {known.get('name')} has activation {known['activation']}")


def _without_config(arrays: "Arrays") -> "Iterator[tuple[str, float, Arrays]]":
    """Put batch normalisations behind the convolutions, from the second on, as DnCNN has them."""
    stored = _by_layer(arrays)
    convolutions = _sorted(name for name in stored if _kind(stored[name]) == "convolution")
    norms = _sorted(name for name in stored if _kind(stored[name]) == "normalisation")
    if norms and len(norms) != len(convolutions) - 2:
        raise ValueError(f"{len(norms)} batch normalisations for {len(convolutions)} convolutions, and no model_config")
    for index, name in enumerate(convolutions):
        yield "convolution", EPSILON, _named("convolution", {}, stored[name])
        if norms and 0 < index < len(convolutions) - 1:
            yield "normalisation", EPSILON, _named("normalisation", {}, stored[norms[index - 1]])


def _by_layer(arrays: "Arrays") -> "dict[str, Arrays]":
    """Gather arrays by layer: ``layers/conv2d_1/vars/0``, or ``conv2d_1/.../conv2d_1/kernel:0``."""
    stored: dict[str, Arrays] = {}
    for path, array in arrays.items():
        *groups, part = path.split("/")
        groups = [group for group in groups if group != "vars"]
        if groups:
            stored.setdefault(groups[-1], {})[part.partition(":")[0]] = array
    return stored


def _kind(parts: "Arrays") -> str:
    dimensions = [array.ndim for array in parts.values()]
    return "convolution" if 4 in dimensions else "normalisation" if dimensions and set(dimensions) == {1} else ""


def _named(kind: str, known: Mapping[str, Any], parts: "Arrays") -> "Arrays":
    """Name the arrays of a layer that Keras 3 only numbers."""
    if not all(part.isdecimal() for part in parts):
        return parts
    names = ["kernel", "bias"]
    if kind == "normalisation":
        names = [name for name, has in zip(_NORM, ("scale", "center", "", ""), strict=True) if known.get(has, True)]
    return {name: parts[str(number)] for number, name in enumerate(names) if str(number) in parts}


def _sorted(names: Iterable[str]) -> list[str]:
    """Sort layers by the numbers in their names: ``conv2d``, ``conv2d_2``, ``conv2d_10``; ``conv1``, ``conv10``."""
    return sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+(?=$)", name)])


def _folded(layers: "Iterable[tuple[str, float, Arrays]]") -> Iterator[Layer]:
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    before: Layer | None = None
    for kind, epsilon, parts in layers:
        tensors = {name: kernel(array) for name, array in parts.items()}
        if kind == "convolution":
            if before is not None:
                yield before
            weight = tensors["kernel"]
            before = weight, tensors.get("bias", weight.new_zeros(len(weight)))
            continue
        if before is None:
            raise ValueError("it begins with batch normalisation")
        mean, variance = tensors["moving_mean"], tensors["moving_variance"]
        before = fuse_conv_bn_weights(*before, mean, variance, epsilon, tensors.get("gamma"), tensors.get("beta"))
    if before is None:
        raise ValueError("it has no convolution")
    yield before
