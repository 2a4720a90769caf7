"""`make export`: a method's network as an ONNX or TensorFlow Lite file that runs without this benchmark.

The file is tried against the network before it gets its name, and it runs again here as
METHOD=path/to/it, with the same padding, trained range and receptive field.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.common import devices
from bench.common.atomic import whole, write_whole
from bench.common.errors import BenchError, one_line
from bench.common.float32 import exact
from bench.common.parsing import unknown
from bench.plan.cell import Cell, Failure
from bench.plan.request import Request, planned
from bench.run.isolated import apart
from bench.store.records import slug
from bench.studies.explain.pixels import window_of
from bench.studies.export.files import add_metadata, rounded_up, write_onnx, write_tflite
from bench.studies.naming import method_identity, stem
from bench.studies.network import level, load, one_image

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from bench.studies.export.files import Run

FORMATS = ("onnx", "tflite")
TOLERANCE = {"fp32": 1e-4, "fp16": 1 / 255}
"""Largest difference from the network in PyTorch that is let pass, 1.0 = white."""
TFLITE_SIDE = 256
"""Side in pixels, before it is rounded, of the images that a TensorFlow Lite file takes."""
ODD = ((71, 101), (98, 67))
"""Heights and widths that a file is tried with besides the image's own."""


def build(request: Request, kind: str, to: str, out: Path, device: str = "cpu") -> Iterator[str | Failure]:
    """Write a file for every network that a request asks for.

    Parameters
    ----------
    request : Request
        Methods, noise levels, and datasets for their colour and an image to try the file with;
        `precision` is ``"fp32"`` or ``"fp16"``.
    to : str
        The file, or a folder if there are several; empty for ``out/export/``.
    device : str
        As on DEVICE: where the network runs that the file is compared with.

    Raises
    ------
    BenchError
        If the format or the precision is none of these, or several networks are to go into one file.
    """
    if kind.lower().replace("_", "") in ("savedmodel", "tensorflow", "keras"):
        raise BenchError(
            f"FORMAT={kind}: not written here; write FORMAT=onnx and convert that file: pip install onnx2tf "
            "tensorflow-cpu, then onnx2tf -i FILE.onnx -o FOLDER (docs/seeds.md has the versions that were tried)"
        )
    if kind not in FORMATS:
        raise unknown("format", kind, FORMATS)
    if request.precision not in TOLERANCE or (kind, request.precision) == ("tflite", "fp16"):
        raise BenchError(f"PRECISION={request.precision}: expected fp32, or fp16 with FORMAT=onnx")
    other = Path(to).suffix.removeprefix(".")
    if other in FORMATS and other != kind:
        raise BenchError(
            f"TO={to}: FORMAT={kind} writes files that end in .{kind}; give FORMAT={other} or another name"
        )
    if to and (Path(to).is_dir() if to.endswith(f".{kind}") else Path(to).is_file()):
        raise BenchError(f"TO={to}: expected a folder, or a file that ends in .{kind}")
    precision, place = request.precision, devices.chosen(device)
    plan = planned(Request(request.method, request.data, request.noise, weights=request.weights))
    yield from plan.remarks
    yield from plan.failures
    targets = {_target(cell, kind, precision, to, out): cell for cell in plan.cells}
    if len(plan.cells) > 1 and to.endswith(f".{kind}"):
        raise BenchError(f"TO={to}: {len(plan.cells)} networks cannot go into one file; give a folder")
    for path, cell in targets.items():
        try:
            yield apart(cell, export, cell, kind, path, precision, place)
        except (BenchError, ValueError, OSError) as error:
            yield Failure(cell.request, one_line(error))


def _target(cell: Cell, kind: str, precision: str, to: str, out: Path) -> Path:
    if to.endswith(f".{kind}"):
        return Path(to)
    sigma = "" if cell.degradation.sigma is None else f"sigma{cell.degradation.sigma:g}"
    title = (cell.net.id, sigma, "fp16" if precision == "fp16" else "")
    folder = Path(to) if to else out / "export"
    name = slug("-".join(filter(None, title)))
    if dict(cell.options) != dict(cell.method.options) or getattr(cell.method.load, "code", None):
        # The net's name says all but its options, and what a person's own file does.
        name = stem(folder, title, (), method=method_identity(cell)).name
    return folder / f"{name}.{kind}"


@exact()
def export(cell: Cell, kind: str, path: Path, precision: str = "fp32", device: str = "cpu") -> str:
    """Write a cell's network to a file, and return a line that says how far it is from the network.

    Parameters
    ----------
    cell : Cell
        Method, noise, and the dataset whose first image the file is tried with.
    kind : str
        One of `FORMATS`. ONNX takes images of any height and width (multiples of `size_multiple`),
        input ``noisy``, output ``denoised``, (1, C, H, W), 1.0 = white; a network that is told sigma
        has a second input ``sigma`` (a number, 1.0 = white). TensorFlow Lite takes one size and one sigma.
    path : Path
        The file; it is there only if it agrees with the network.
    precision : str
        ``"fp16"``: weights and sums inside are half-precision; input and output stay float32.
    device : str
        ``"cpu"`` or ``"cuda:N"``: where the network runs that the file is compared with.

    Raises
    ------
    BenchError
        If the method is no network, cannot be exported, or the file differs from it.
    """
    name, _, noisy = one_image(cell)
    network, field, multiple, notes = load(cell, noisy)
    window = window_of(noisy.shape, ())
    noisy = noisy[window.rows, window.columns]
    note = "".join(f"; the network {line}" for line in notes)
    with whole(path) as part:
        if kind == "tflite":
            side = rounded_up(TFLITE_SIDE, multiple)
            given = "fixed" if cell.net.given_sigma else "blind"
            images = [_fit(picture, side, side) for picture in (noisy, noisy[::-1, ::-1])]
            run = write_tflite(network, images[0], level(cell), part)
        else:
            images = [_fit(noisy, *(rounded_up(n, multiple) for n in size)) for size in (noisy.shape[:2], *ODD)]
            given = "input" if cell.net.given_sigma else "blind"
            if given == "input" and not _takes_sigma(network, images[-1], cell, part, multiple, precision):
                given, note = (
                    "fixed",
                    f"{note}; sigma is fixed at {cell.degradation.sigma:g}, since it cannot be an input",
                )
            run = write_onnx(network, noisy.shape[2], level(cell), part, multiple, precision, given=given == "input")
        worst = _difference(network, run, images, [level(cell)], device)
        if not worst <= TOLERANCE[precision]:
            raise BenchError(
                f"net {cell.net.id}: the {kind} file differs from the network by {worst:.2g} (1.0 = white), more than "
                f"{TOLERANCE[precision]:.2g}; nothing was written to {path}"
            )
        about = _about(cell, field, multiple, given, noisy.shape[2], kind)
        if kind == "onnx":
            add_metadata(part, about)
        else:
            write_whole(path.with_suffix(".json"), json.dumps(about, indent=1) + "\n")
    sizes = ", ".join(f"{image.shape[0]}x{image.shape[1]}" for image in images)
    again = _again(path, about)
    return (
        f"{path}: differs by at most {worst:.1e} on {cell.dataset.name} {name} ({sizes}){note}; runs as METHOD={again}"
    )


def _takes_sigma(
    network: "nn.Module", image: "np.ndarray", cell: Cell, path: Path, multiple: int, precision: str
) -> bool:
    """Whether sigma can be an input: whether the file follows it, and not the one it was traced with."""
    sigma = level(cell)
    assert sigma is not None
    try:
        run = write_onnx(network, image.shape[2], sigma, path, multiple, precision, given=True)
        return _difference(network, run, [image], [sigma / 2, 1.5 * sigma]) <= TOLERANCE[precision]
    except BenchError:
        return False


def _difference(
    network: "nn.Module",
    run: "Run",
    images: "Sequence[np.ndarray]",
    levels: Sequence[float | None],
    device: str = "cpu",
) -> float:
    """Return the largest difference of a file from its network; infinite where the file fails."""
    import numpy as np
    import torch

    worst, network = 0.0, network.to(device)
    for image in images:
        for sigma in levels:
            with torch.no_grad():
                noisy = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(device)
                expected = network(noisy, sigma)[0].permute(1, 2, 0).cpu()
            try:
                got = run(image, sigma)
            except Exception:  # noqa: BLE001 - each runtime has errors of its own; a file that fails is of no use
                return float("inf")
            if got.shape != tuple(expected.shape):
                return float("inf")
            worst = float(np.maximum(worst, np.abs(got - expected.numpy()).max()))  # a NaN stays
    return worst


def _about(cell: Cell, field: int | None, multiple: int, given: str, channels: int, kind: str) -> dict[str, str]:
    """Return what a file says of itself, in the words that METHOD=file reads.

    `given` is ``"blind"``, ``"input"`` or ``"fixed"``: how the file comes to know sigma.
    """
    net, weights = cell.net, cell.net.weights
    title = {"onnx": "ONNX", "tflite": "TFLite"}[kind]
    source = [f"method {cell.method.name}", f"net {net.id}", cell.method.paper]
    if weights:
        source += [f"weights {weights.path}", f"sha256 {weights.sha256}", f"licence of the weights: {weights.licence}"]
    said = {
        "label": f"{cell.label} ({title})",
        "colour": "rgb" if channels == 3 else "gray",
        "trained": f"{net.trained[0]:g}-{net.trained[1]:g}" if net.trained else "",
        "receptive_field": str(field or ""),
        "size_multiple": str(multiple),
        "padding": net.padding,
        "sigma": f"{cell.degradation.sigma:g}" if given == "fixed" else given,
        "source": "; ".join(source),
    }
    return {key: value for key, value in said.items() if value}


def _again(path: Path, about: dict[str, str]) -> str:
    """Return how the file is named on METHOD; TensorFlow Lite has no place for what it says of itself."""
    if path.suffix == ".onnx":
        return str(path)
    keys = [k for k in ("trained", "receptive_field", "size_multiple", "padding", "sigma") if k in about]
    return f"'{path}:{','.join(f'{key}={about[key]}' for key in keys)}'"


def _fit(image: "np.ndarray", height: int, width: int) -> "np.ndarray":
    """Return an image cut, or reflected on the right and at the bottom, to a size."""
    import numpy as np

    cut = image[:height, :width]
    return np.pad(cut, [(0, height - cut.shape[0]), (0, width - cut.shape[1]), (0, 0)], mode="symmetric")
