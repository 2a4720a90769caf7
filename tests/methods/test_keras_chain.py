"""DnCNN out of files as Keras saves them, built here layer by layer and compared with the layers in NumPy."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch

from methods import available

DEPTH, FEATURES = 4, 5
LOAD = available()["dncnn"].load
GRAY = next(net for net in available()["dncnn"].nets if net.colour == "gray")


def layers(*, biases: bool = True, norm: bool = True, names: str = "conv2d", scale: bool = True) -> list[dict]:
    """Describe a DnCNN as Keras' configuration does, with the arrays of each layer."""
    rng = np.random.default_rng(0)
    made: list[dict] = [{"class_name": "InputLayer", "config": {"name": "input_1"}, "arrays": {}}]
    widths = [1, *[FEATURES] * (DEPTH - 1), 1]
    for i in range(DEPTH):
        arrays = {"kernel": rng.normal(0, 0.2, (3, 3, widths[i], widths[i + 1]))}
        arrays |= {"bias": rng.normal(0, 0.1, widths[i + 1])} if biases else {}
        name = (f"conv2d_{i}" if i else "conv2d") if names == "conv2d" else f"conv{i + 1}"
        known = {"name": name, "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], "use_bias": biases,
                 "activation": "linear"}  # fmt: skip
        made.append({"class_name": "Conv2D", "config": known, "arrays": arrays})
        if norm and 0 < i < DEPTH - 1:
            arrays = {"gamma": rng.uniform(0.5, 2, FEATURES)} if scale else {}
            arrays |= {"beta": rng.normal(0, 0.1, FEATURES), "moving_mean": rng.normal(0, 0.1, FEATURES)}
            arrays |= {"moving_variance": rng.uniform(0.001, 0.02, FEATURES)}
            name = (
                (f"batch_normalization_{i - 1}" if i > 1 else "batch_normalization") if names == "conv2d" else f"bn{i}"
            )
            known = {"name": name, "epsilon": 1e-3, "scale": scale, "center": True}
            made.append({"class_name": "BatchNormalization", "config": known, "arrays": arrays})
        if i < DEPTH - 1:
            known = {"name": f"activation_{i}", "activation": "relu"}
            made.append({"class_name": "Activation", "config": known, "arrays": {}})
    return [*made, {"class_name": "Subtract", "config": {"name": "subtract"}, "arrays": {}}]


def denoised(made: list[dict], image: np.ndarray) -> np.ndarray:
    """Run the layers on an image (H, W), in double precision."""
    x = image[..., None]
    for layer in made:
        arrays, known = layer["arrays"], layer["config"]
        if layer["class_name"] == "Conv2D":
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
            x = np.einsum("hwiab,abio->hwo", windows, arrays["kernel"]) + arrays.get("bias", 0)
        elif layer["class_name"] == "BatchNormalization":
            gain = arrays.get("gamma", 1) / np.sqrt(arrays["moving_variance"] + known["epsilon"])
            x = (x - arrays["moving_mean"]) * gain + arrays["beta"]
        elif known.get("activation") == "relu":
            x = np.maximum(x, 0)
    return image - x[..., 0]


def config(made: list[dict]) -> str:
    named = [{key: value for key, value in layer.items() if key != "arrays"} for layer in made]
    return json.dumps({"class_name": "Functional", "config": {"name": "model", "layers": named}})


def archive(path, made):
    """Write as Keras 3 does: groups named after classes, arrays numbered."""
    content, numbers = io.BytesIO(), {}
    with h5py.File(content, "w") as file:
        for layer in made:
            kind = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization"}.get(layer["class_name"])
            if kind is None:
                continue
            number = numbers[kind] = numbers.get(kind, -1) + 1
            for i, array in enumerate(layer["arrays"].values()):
                file[f"layers/{kind}{f'_{number}' if number else ''}/vars/{i}"] = array.astype("float32")
        file["optimizer/vars/0"] = np.zeros(3, "float32")
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("metadata.json", "{}")
        zipped.writestr("config.json", config(made))
        zipped.writestr("model.weights.h5", content.getvalue())


def hdf5(path, made, *, whole=True, inner=""):
    """Write as Keras 2 does: `whole` with the configuration and an optimiser, else as save_weights."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["model_config"] = config(made)
            file["optimizer_weights/Adam/conv2d/kernel/m:0"] = np.zeros((3, 3, 1, FEATURES), "float32")
        root.attrs["layer_names"] = [layer["config"]["name"].encode() for layer in made]
        for layer in made:
            name = layer["config"]["name"]
            group = root.create_group(name)
            for part, array in layer["arrays"].items():
                group[f"{inner}{name}/{part}{':0' if not inner else ''}"] = array.astype("float32")


def numbered(path, made):
    """Write as save_weights of Keras 3 does (`.weights.h5`): no configuration, groups named after classes."""
    archive(path.with_suffix(".zip"), made)
    with zipfile.ZipFile(path.with_suffix(".zip")) as zipped:
        path.write_bytes(zipped.read("model.weights.h5"))


WRITERS = {
    "model.keras": archive,
    "model.h5": hdf5,
    "keras3.h5": lambda path, made: hdf5(path, made, inner="functional/"),
    "old_weights.h5": lambda path, made: hdf5(path, made, whole=False),
    "model.weights.h5": numbered,
}


@pytest.mark.parametrize("words", [{}, {"biases": False}, {"norm": False}, {"names": "conv"}], ids=str)
@pytest.mark.parametrize("name", WRITERS)
def test_a_dncnn_of_keras_is_read(tmp_path, name, words):
    made = layers(**words)
    WRITERS[name](tmp_path / name, made)
    image = np.random.default_rng(1).random((9, 11))
    with torch.inference_mode():
        got = LOAD(GRAY, tmp_path / name, {})(torch.from_numpy(image).float()[None, None])[0, 0]
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_epsilon_and_missing_scales_are_what_the_file_says(tmp_path, name):
    made = layers(scale=False)
    for layer in made:
        if layer["class_name"] == "BatchNormalization":
            layer["config"]["epsilon"] = 0.02  # as large as the variances
    WRITERS[name](tmp_path / name, made)
    image = np.random.default_rng(1).random((9, 11))
    with torch.inference_mode():
        got = LOAD(GRAY, tmp_path / name, {})(torch.from_numpy(image).float()[None, None])[0, 0]
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("class_name", "change", "message"),
    [
        ("Conv2D", {"strides": [2, 2]}, r"has strides \[2, 2\]"),
        ("Conv2D", {"padding": "valid"}, "has padding valid"),
        ("Conv2D", {"dilation_rate": [2, 2]}, "has dilation_rate"),
        ("Conv2D", {"activation": "sigmoid"}, "has activation sigmoid"),
        ("Activation", {"activation": "tanh"}, "it has a layer Activation tanh"),
        ("Subtract", "MaxPooling2D", "it has a layer MaxPooling2D"),
        ("Subtract", "Add", "it has a layer Add"),
    ],
)
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_other_nets_are_refused_in_a_line(tmp_path, name, class_name, change, message):
    made = layers()
    layer = next(layer for layer in made if layer["class_name"] == class_name)
    if isinstance(change, str):
        layer["class_name"] = change
    else:
        layer["config"] |= change
    WRITERS[name](tmp_path / name, made)
    with pytest.raises(ValueError, match=f"^weights .*{name}: not a DnCNN as Keras saves it .*{message}") as caught:
        LOAD(GRAY, tmp_path / name, {})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_damaged_files_are_refused_in_a_line(tmp_path, name, part):
    path = tmp_path / name
    WRITERS[name](path, layers())
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"^weights ") as caught:
        LOAD(GRAY, path, {})
    assert len(str(caught.value).splitlines()) == 1


def test_layers_that_lack_arrays_are_named(tmp_path):
    made = layers()
    made[1]["arrays"] = {}
    hdf5(tmp_path / "model.h5", made)
    with pytest.raises(ValueError, match="it has 4 layers of convolution and the arrays of 3"):
        LOAD(GRAY, tmp_path / "model.h5", {})


def test_layers_of_a_second_model_of_a_session(tmp_path):
    """Their names go on counting, and groups of Keras 3 begin again: conv2d_2 is another layer there."""
    made = layers()
    convolutions = [layer for layer in made if layer["class_name"] == "Conv2D"]
    for number, layer in enumerate(convolutions):
        layer["config"]["name"] = f"conv2d_{number + 2}"
    archive(tmp_path / "model.keras", made)
    image = np.random.default_rng(1).random((9, 11))
    with torch.inference_mode():
        got = LOAD(GRAY, tmp_path / "model.keras", {})(torch.from_numpy(image).float()[None, None])[0, 0]
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)
