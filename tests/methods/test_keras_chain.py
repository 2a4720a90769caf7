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


def taken(names: list[str], keras: int) -> list:
    """Write what a layer takes as Keras 2 and Keras 3 do."""
    tensors = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in names]
    return [[[name, 0, 0, {}] for name in names]] if keras == 2 else [{"args": [tensors], "kwargs": {"mask": None}}]


def wired(made: list[dict], keras: int) -> list[dict]:
    names = [layer["config"]["name"] for layer in made]
    for before, layer in zip(names, made[1:], strict=False):
        layer["inbound_nodes"] = taken([names[0], before] if layer["class_name"] == "Subtract" else [before], keras)
    return made


def read(path):
    image = np.random.default_rng(1).random((9, 11))
    with torch.inference_mode():
        return image, LOAD(GRAY, path, {})(torch.from_numpy(image).float()[None, None])[0, 0]


def inner_model(made: list[dict], class_name: str) -> str:
    """Put all but the subtraction into a model within the model."""
    inside = [{key: value for key, value in layer.items() if key != "arrays"} for layer in made[:-1]]
    model = {"class_name": class_name, "config": {"name": "net", "layers": inside}}
    image = {"class_name": "InputLayer", "config": {"name": "image"}}
    outside = wired([image, model, {"class_name": "Subtract", "config": {"name": "difference"}}], keras=2)
    return json.dumps({"class_name": "Functional", "config": {"name": "model", "layers": outside}})


@pytest.mark.parametrize("class_name", ["Functional", "Model", "Sequential"])
def test_a_model_within_a_model_is_read_from_hdf5(tmp_path, class_name):
    made = wired(layers(), keras=2)
    hdf5(tmp_path / "model.h5", made)
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        file.attrs["model_config"] = inner_model(made, class_name)
        group = file["model_weights"]
        group.create_group("net")
        for layer in made:
            name = layer["config"]["name"]
            if layer["arrays"]:
                group.move(f"{name}/{name}", f"net/{name}")
            del group[name]
        group.attrs["layer_names"] = [b"image", b"net", b"difference"]
    image, got = read(tmp_path / "model.h5")
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)


def test_a_model_within_a_model_is_read_from_an_archive(tmp_path):
    """Keras 3 counts classes anew in each model; names of layers are others."""
    made = wired(layers(names="conv"), keras=3)
    archive(tmp_path / "plain.keras", made)
    with zipfile.ZipFile(tmp_path / "plain.keras") as plain, zipfile.ZipFile(tmp_path / "model.keras", "w") as zipped:
        content = io.BytesIO(plain.read("model.weights.h5"))
        with h5py.File(content, "r+") as file:
            file.create_group("layers/functional")
            file.move("layers/conv2d", "layers/functional/layers/conv2d")
            for name in [name for name in file["layers"] if name != "functional"]:
                file.move(f"layers/{name}", f"layers/functional/layers/{name}")
        zipped.writestr("config.json", inner_model(made, "Functional"))
        zipped.writestr("model.weights.h5", content.getvalue())
    image, got = read(tmp_path / "model.keras")
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)


def swap(made, one, other):
    made[one], made[other] = made[other], made[one]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: swap(made, 4, 5), "batch_normalization stands behind activation_1"),
        (lambda made: made[3]["config"].update(activation="relu"), "stands behind the activation of conv2d_1"),
        (lambda made: made.pop(5), "conv2d_2 stands behind batch_normalization"),
        (lambda made: made.pop(-2), "subtract stands behind activation_2"),
        (lambda made: made[2].update(class_name="ReLU", config={"name": "r", "max_value": 6}), "r has max_value 6"),
        (lambda made: made[2].update(class_name="ReLU", config={"name": "r", "negative_slope": 0.1}), "r has negative"),
    ],
)
def test_layers_in_another_order_or_with_another_relu_are_refused(tmp_path, change, message):
    """The arrays are a DnCNN's; only the configuration says that the network is another one."""
    made = layers()
    change(made)
    hdf5(tmp_path / "model.h5", made)
    with pytest.raises(ValueError, match=message):
        LOAD(GRAY, tmp_path / "model.h5", {})


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize(
    ("layer", "sources", "message"),
    [
        (-1, ["conv2d_3", "input_1"], "subtract takes conv2d_3 and input_1, not input_1 and conv2d_3"),
        (-1, ["activation_1", "conv2d_3"], "subtract takes activation_1"),
        (6, ["activation_0"], "conv2d_2 takes activation_0, not activation_1"),
    ],
)
def test_what_is_no_chain_is_refused(tmp_path, keras, layer, sources, message):
    made = wired(layers(), keras)
    made[layer]["inbound_nodes"] = taken(sources, keras)
    hdf5(tmp_path / "model.h5", made)
    with pytest.raises(ValueError, match=message):
        LOAD(GRAY, tmp_path / "model.h5", {})


def test_a_layer_that_is_used_twice_is_refused(tmp_path):
    made = wired(layers(norm=False), keras=2)
    made[3]["inbound_nodes"] *= 2
    hdf5(tmp_path / "model.h5", made)
    with pytest.raises(ValueError, match="its layer conv2d_1 is used 2 times"):
        LOAD(GRAY, tmp_path / "model.h5", {})


def test_weights_alone_stand_in_the_order_that_the_file_notes(tmp_path):
    """Neither the alphabet nor a number at the end of the names says it."""
    made = layers()
    for layer, letter in zip(made, "hgfedcbaz", strict=False):
        layer["config"]["name"] = f"block_{letter}_layer"
    for layer in made[8:]:
        layer["config"]["name"] = f"a_{layer['config']['name']}"
    hdf5(tmp_path / "old_weights.h5", made, whole=False)
    image, got = read(tmp_path / "old_weights.h5")
    np.testing.assert_allclose(got, denoised(made, image), atol=2e-5, rtol=1e-5)


def test_half_precision_is_read(tmp_path):
    made = layers()
    for layer in made:
        layer["arrays"] = {part: array.astype("float16") for part, array in layer["arrays"].items()}
    hdf5(tmp_path / "model.h5", made)
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        for path in [f"{name}/{name}/{part}:0" for name in file["model_weights"] for part in _parts(made, name)]:
            array = file[f"model_weights/{path}"][()].astype("float16")
            del file[f"model_weights/{path}"]
            file[f"model_weights/{path}"] = array
    image, got = read(tmp_path / "model.h5")
    wide = [
        layer | {"arrays": {part: array.astype(float) for part, array in layer["arrays"].items()}} for layer in made
    ]
    np.testing.assert_allclose(got, denoised(wide, image), atol=2e-5, rtol=1e-5)


def _parts(made, name):
    return next(layer["arrays"] for layer in made if layer["config"]["name"] == name)
