"""A person's own method as an ONNX model, run in onnxruntime."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.adapters import arrays, description, onnx_graph
from bench.adapters.arrays import OPTIONS
from bench.common.errors import BenchError, one_line
from bench.common.files import sha256
from bench.common.text_files import file_there
from methods import Method
from methods.checkpoints import what_else

if TYPE_CHECKING:
    import numpy as np

_FLOATS = {1: "float32", 10: "float16", 11: "float64"}
"""Numbers of `onnx.TensorProto.DataType`."""


def method_from_onnx(path: Path, options: Mapping[str, str]) -> Method:
    """Make a method of an ONNX model from images to images, with inputs as `bench.adapters.arrays` says.

    `options` may have any of `bench.adapters.arrays.OPTIONS`; they go before the model's metadata of the same names.

    Raises
    ------
    BenchError
        If there is no such file, it is no such model, or keeps data outside its folder.
    """
    where = f"METHOD={path}"
    file_there(where, path, "an ONNX model")
    description.known_keys(where, options, OPTIONS)
    model = _model(where, path)
    beside = _external_files(where, path, model)
    metadata = {p.key: p.value for p in model.metadata_props if p.key in OPTIONS} | dict(options)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    image, level = arrays.image_and_level(where, inputs, [value.name for value in inputs])
    output = model.graph.output[0]
    usual, shape = onnx_graph.layout_and_shape(model.graph, image.name, _shape(image))
    takes = arrays.interface(
        where, shape, _shape(output), _shape(level) if level is not None else None, metadata, usual
    )
    net = arrays.net(where, f"{path.stem}.onnx", path.stem, takes, metadata)
    digests = {file.name: sha256(file) for file in (path, *beside)}
    code = description.code_of(digests, takes, net.size_multiple, net.padding, net.receptive_field)
    load = Load(
        str(path.resolve()),
        code,
        digests[path.name],
        takes,
        net.receptive_field,
        (image.name, _dtype(where, image)),
        (level.name, _dtype(where, level)) if level is not None else None,
    )
    return Method(path.stem, "your own ONNX model", str(path), (net,), load)


@dataclass(frozen=True)
class Load(arrays.Load):
    """A model in onnxruntime.

    Attributes
    ----------
    image, level : (str, str)
        Name and type of its inputs; `level` is None where it has one only.
    """

    image: tuple[str, str]
    level: tuple[str, str] | None
    runtime: ClassVar[str] = "onnxruntime"

    def open(self, where: str, path: Path) -> arrays.Call:
        """Return what runs the model; one that cannot be run fails here, before the images."""
        import torch

        session, found = _session(where, path, "cpu", torch.get_num_threads())
        sessions, notes = {"cpu": session}, [*found, *onnx_graph.subnormal_weights(path)]

        def call(image: "np.ndarray", level: "np.ndarray | None", device: str) -> "list[np.ndarray]":
            if device not in sessions:
                sessions[device], _ = _session(where, path, device, torch.get_num_threads())
                if _GPU not in sessions[device].get_providers():
                    notes.append(f"{device}: {ON_CPU}")
            feeds = {self.image[0]: image.astype(self.image[1])}
            if self.level is not None and level is not None:
                feeds[self.level[0]] = level.astype(self.level[1])
            return sessions[device].run(None, feeds)

        call.notes = notes  # type: ignore[attr-defined]
        return call


_GPU = "CUDAExecutionProvider"
ON_CPU = "the model runs on the CPU, since this onnxruntime has no CUDA (pip install onnxruntime-gpu)"


def _session(where: str, path: Path, device: str, threads: int) -> tuple[Any, tuple[str, ...]]:
    """Return a session, and a line where the model runs in it in another version of its operators."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.use_deterministic_compute = True
    settings.log_severity_level = 4
    # Its threads would go on spinning after a run and take the cores from the metrics.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and _GPU in onnxruntime.get_available_providers():
        providers.insert(0, (_GPU, {"use_tf32": "0", "device_id": device.partition(":")[2]}))
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        return onnxruntime.InferenceSession(str(path), settings, providers=providers), ()
    except Exception as error:  # noqa: BLE001 - onnxruntime has a type of its own for each failure
        converted = onnx_graph.converted(path)
        if converted is not None:
            with suppress(Exception):  # what is wrong with the file itself says more
                session = onnxruntime.InferenceSession(converted, settings, providers=providers)
                note = f"converted to opset {onnx_graph.OPSET}: onnxruntime lacks operators of the opset that it has"
                return session, (note,)
        raise BenchError(f"{where}: onnxruntime cannot run it: {one_line(error)[:240]}") from None


def _model(where: str, path: Path) -> Any:
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # noqa: BLE001 - protobuf's errors are no subclass of anything
        what = what_else(path)
        if not what or "give it as METHOD=" in what:  # which its name alone has said
            what = f"is no ONNX model ({one_line(error)})"
        raise BenchError(f"{where}: {what}") from None
    if not model.graph.output or not model.graph.input:
        raise BenchError(f"{where}: is no ONNX model from images to images: it has no input or no output")
    return model


def _shape(value: Any) -> list[int | None]:
    dimensions = value.type.tensor_type.shape.dim
    return [d.dim_value if d.WhichOneof("value") == "dim_value" and d.dim_value > 0 else None for d in dimensions]


def _dtype(where: str, value: Any) -> str:
    number = value.type.tensor_type.elem_type
    if number not in _FLOATS:
        raise BenchError(f"{where}: its input {value.name} is not of float numbers; export it with float32 inputs")
    return _FLOATS[number]


def _external_files(where: str, path: Path, model: Any) -> list[Path]:
    """Return the files that hold tensors of the model, refusing any outside its folder."""
    folders = {path.parent.resolve(), path.resolve().parent}
    files: dict[str, Path] = {}
    for tensor in _tensors(model):
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), None)
        if location is None or location in files:
            continue
        file = path.parent / location
        inside = any(file.resolve().is_relative_to(folder) for folder in folders)
        if Path(location).is_absolute() or ".." in Path(location).parts or not inside:
            raise BenchError(f"{where}: keeps data in {location!r}, outside its folder; refused")
        file_there(f"{where}: keeps data in {location!r}", file, f"it in {path.parent}")
        files[location] = file
    return list(files.values())


def _tensors(message: Any) -> Iterator[Any]:
    """Give every tensor of a model, in whatever graph, function or attribute it stands."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if not hasattr(value, "ListFields") else (value,):
            if part.DESCRIPTOR.name == "TensorProto":
                yield part
            else:
                yield from _tensors(part)
