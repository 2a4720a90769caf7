"""Plain chains of convolutions (DnCNN) in the files that Keras saves, read without TensorFlow.

Three kinds: `model.save` of Keras 3 (`.keras`), `model.save` of Keras 2 and of Keras 3 with an `.h5` name, and
`save_weights` (`.h5`, `.weights.h5`), which says neither the order of the layers nor their epsilon.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.formats import HDF5_DAMAGE, Layer, is_hdf5
from methods.keras_graph import Step, steps
from methods.keras_layers import kernel
from methods.tensorflow_files import arrays_of, keras_archive

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, "np.ndarray"]

EPSILON = 1e-3
"""What batch normalisation of Keras adds to the variance where a file does not say it: its default, and DnCNN's."""

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


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
        If the file is damaged, or holds something else than 3x3 convolutions of stride 1 with "same" padding, ReLU
        behind each but the last, and batch normalisation between the two or none.
    """
    is_archive = not is_hdf5(path)
    config, arrays, ordered = (*keras_archive(path), False) if is_archive else _hdf5(path)
    try:
        layers = _with_config(config, arrays) if config else _without_config(arrays, ordered=ordered)
        return list(_folded(layers))
    except (KeyError, IndexError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError | IndexError) else str(error)
        raise ValueError(
            f"weights {path}: not a DnCNN as Keras saves it ({' '.join(reason.split())}); expected 3x3 convolutions in "
            "a row, with batch normalisation behind them or none, and ReLU"
        ) from None


def _hdf5(path: Path) -> "tuple[dict[str, Any], Arrays, bool]":
    """Return configuration and arrays, and whether these stand in the order of the layers."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            said = file.attrs.get("model_config", "{}")
            config = json.loads(said if isinstance(said, str) else bytes(said))
            if not isinstance(config, dict):
                raise ValueError("model_config holds no layers")
            root = file.get("model_weights", file)
            return config, *_in_noted_order(root, dict(arrays_of(root)))
    except HDF5_DAMAGE as error:
        raise ValueError(
            f"weights {path}: no readable HDF5 file of Keras ({' '.join(str(error).split())}); fetch it again"
        ) from None


def _in_noted_order(root: Any, arrays: "Arrays") -> "tuple[Arrays, bool]":
    """Sort arrays as Keras 2 notes them, and Keras 3 with an `.h5` name; say whether they are noted."""
    layers = [_text(name) for name in root.attrs.get("layer_names", ())]
    groups = {layer: root[layer] for layer in layers if layer in root}
    parts = [f"{layer}/{_text(name)}" for layer in groups for name in groups[layer].attrs.get("weight_names", ())]
    if not {name.split("/")[0] for name in arrays} <= set(layers):
        return arrays, False
    place = {name: number for number, name in enumerate(parts)}
    names = sorted(arrays, key=lambda name: (layers.index(name.split("/")[0]), place.get(name, len(place))))
    return {name: arrays[name] for name in names}, True


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _with_config(config: Mapping[str, Any], arrays: "Arrays") -> "Iterator[tuple[str, float, Arrays]]":
    """Give kind, epsilon and arrays of each layer with weights, in the order of the network."""
    stored = _by_layer(arrays)
    wanted = [step for step in steps(config) if step.path]
    for kind in ("convolution", "normalisation"):
        said = sum(step.kind == kind for step in wanted)
        there = sum(_kind(parts) == kind for parts in stored.values())
        if said != there:
            raise ValueError(f"it has {said} layers of {kind} and the arrays of {there}")
    # Keras 3 names groups after classes and counts in each model, whatever the layers are called; HDF5 has their names.
    by_class = all(_kind(stored.get(step.path, {})) == step.kind for step in wanted)
    for step in wanted:
        parts = stored[step.path if by_class else _place(step, stored)]
        yield step.kind, float(step.config.get("epsilon", EPSILON)), _named(step.kind, step.config, parts)


def _place(step: Step, stored: "Mapping[str, Arrays]") -> str:
    places = [place for place in stored if step.name in place.split("/") and _kind(stored[place]) == step.kind]
    if len(places) != 1:
        raise ValueError(f"it has {len(places) or 'no'} arrays for its layer {step.name}")
    return places[0]


def _without_config(arrays: "Arrays", *, ordered: bool) -> "Iterator[tuple[str, float, Arrays]]":
    """Give the layers as they are noted; else by their numbers, batch normalisation from the second convolution on."""
    stored = _by_layer(arrays)
    convolutions = [place for place in stored if _kind(stored[place]) == "convolution"]
    norms = [place for place in stored if _kind(stored[place]) == "normalisation"]
    order = [*convolutions, *norms]
    if ordered:
        order = [place for place in stored if place in order]
    elif len({place.rpartition("/")[0] for place in order}) > 1:
        raise ValueError("its layers are of several models, whose order it does not say: save the whole model")
    elif norms and len(norms) != len(convolutions) - 2:
        raise ValueError(f"{len(norms)} batch normalisations for {len(convolutions)} convolutions, and no model_config")
    else:
        behind = iter(_sorted(norms))
        order = [_sorted(convolutions)[0]]
        for place in _sorted(convolutions)[1:]:
            order += [place, *([] if place == _sorted(convolutions)[-1] else [*islice(behind, 1)])]
    for place in order:
        kind = _kind(stored[place])
        yield kind, EPSILON, _named(kind, {}, stored[place])


def _by_layer(arrays: "Arrays") -> "dict[str, Arrays]":
    """Gather arrays by layer: ``layers/conv2d_1/vars/0``, or ``conv2d_1/.../conv2d_1/kernel:0``."""
    stored: dict[str, Arrays] = {}
    for path, array in arrays.items():
        *groups, part = path.split("/")
        place = "/".join(group for group in groups if group not in ("vars", "layers"))
        if place:
            stored.setdefault(place, {})[part.partition(":")[0]] = array
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
