"""What a Keras model computes, read from its configuration: its layers in a row, or a line that says why not."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MODELS = {"Functional", "Model", "Sequential"}
_IDLE = {"Dropout", "SpatialDropout2D", "GaussianDropout", "AlphaDropout", "GaussianNoise", "ActivityRegularization"}
"""Layers that do something in training alone."""


@dataclass(frozen=True)
class Step:
    """One operation of a chain, in the order in which the image passes it."""

    kind: str  # convolution, normalisation, relu or subtract
    name: str = ""
    # Where Keras 3 keeps its arrays: classes, counted within each model, as "functional_1/conv2d_2".
    path: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


def steps(model: Mapping[str, Any]) -> list[Step]:
    """Return the operations of a model, those of models within it too.

    Parameters
    ----------
    model : mapping
        ``config.json`` of Keras 3, or the attribute ``model_config`` of an HDF5 file of Keras 2 and 3.

    Raises
    ------
    ValueError
        If it is no chain of convolutions, each but the last one followed by a ReLU, batch normalisation between the
        two or none, whose result is the noise, or is subtracted from the image at the end.
    """
    found: list[Step] = []
    _walk(model, "", found)
    # A letter an operation: convolution, normalisation, relu, subtract.
    order = "".join(step.kind[0] for step in found)
    if not re.fullmatch("(cn?r+)+cn?s?", order):
        begins = re.match("(cn?r+)*(cn?s?)?", order)
        place = begins.end() if begins else 0
        names = ["its beginning", *(step.name for step in found), "its end"]
        raise ValueError(f"{names[place + 1]} stands behind {names[place]}")
    return found


def _walk(model: Mapping[str, Any], scope: str, found: list[Step]) -> None:
    content = model["config"]
    used: Counter[str] = Counter()
    image = before = ""
    begun = bool(found)
    for layer in content if isinstance(content, list) else content["layers"]:
        title, known = layer["class_name"], layer["config"]
        name = layer.get("name") or (known.get("name", "") if isinstance(known, Mapping) else "")
        word = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", title)).lower()  # as Keras does
        path = f"{scope}{word}_{used[word]}" if used[word] else f"{scope}{word}"
        used[word] += 1
        if title == "InputLayer":
            image = before = name
            continue
        if title == "TFOpLambda" and known.get("function") == "math.subtract":
            title = "Subtract"  # what `image - noise` was from TensorFlow 2.4 to 2.15
        operations = [] if title in MODELS else _operations(title, Step("", name, path, known))
        _check_place(layer, name, [image, before] if title == "Subtract" else [before])
        if title == "Subtract" and begun:
            raise ValueError(f"its layer {name} subtracts from the middle of the network")
        if title in MODELS:
            _walk(layer, f"{path}/", found)
        found += operations
        before = name


def _check_place(layer: Mapping[str, Any], name: str, expected: Sequence[str]) -> None:
    """Refuse a layer that is used twice, or takes something else than what comes before it."""
    nodes = layer.get("inbound_nodes") or []
    if len(nodes) > 1:
        raise ValueError(f"its layer {name} is used {len(nodes)} times")
    sources = _sources(nodes)
    if sources and sources != list(expected):
        raise ValueError(f"its layer {name} takes {' and '.join(sources)}, not {' and '.join(expected)}")


def _sources(part: Any) -> list[str]:
    """Return the layers whose outputs a node takes: ``["name", 0, 0, {}]`` in Keras 2, `keras_history` in Keras 3."""
    if isinstance(part, Mapping):
        history = part.get("keras_history")
        return [history[0]] if history else [name for value in part.values() for name in _sources(value)]
    if not isinstance(part, list):
        return []
    if len(part) >= 3 and isinstance(part[0], str) and isinstance(part[1], int):
        return [part[0], *_sources(part[3:])]
    return [name for value in part for name in _sources(value)]


def _operations(title: str, step: Step) -> list[Step]:
    known = step.config
    if title == "Conv2D":
        _check_convolution(known)
        activation = _activation(known, f"its convolution {step.name} has activation", f"the activation of {step.name}")
        return [Step("convolution", step.name, step.path, known), *activation]
    if title.startswith("BatchNormalization"):
        return [Step("normalisation", step.name, step.path, known)]
    if title == "Subtract":
        return [Step("subtract", step.name)]
    if title == "Activation":
        return _activation(known, "it has a layer Activation", step.name)
    odd = [f"{key} {known[key]}" for key in ("max_value", "negative_slope", "threshold") if known.get(key)]
    if title == "ReLU" and odd:
        raise ValueError(f"its layer {step.name} has {odd[0]}")
    if title == "ReLU":
        return [Step("relu", step.name)]
    if title not in _IDLE:
        raise ValueError(f"it has a layer {title}")
    return []


def _activation(known: Mapping[str, Any], where: str, name: str) -> list[Step]:
    said = known.get("activation", "linear")
    if said not in ("relu", "linear", None):
        raise ValueError(f"{where} {said}")
    return [Step("relu", name)] if said == "relu" else []


def _check_convolution(known: Mapping[str, Any]) -> None:
    usual = {"strides": [1, 1], "dilation_rate": [1, 1], "padding": "same", "groups": 1}
    for key, value in usual.items():
        said = known.get(key, value)
        if (list(said) if isinstance(said, Sequence) and not isinstance(said, str) else said) != value:
            raise ValueError(f"its convolution {known.get('name')} has {key} {said}")
