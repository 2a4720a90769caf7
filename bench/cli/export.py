"""Write networks as ONNX or TensorFlow Lite files (make export)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "dncnn",
    data: Annotated[str, typer.Option(help="A dataset: its colour, and an image to try the file with.")] = "builtin",
    noise: Annotated[str, typer.Option(help="Sigmas, which choose the net.")] = "25",
    format: Annotated[str, typer.Option(help="onnx or tflite.")] = "onnx",
    to: Annotated[str, typer.Option(help="The file, or a folder; OUT/export otherwise.")] = "",
    weights: options.Weights = "",
    precision: Annotated[str, typer.Option(help="fp32, or fp16 (onnx).")] = "fp32",
    device: Annotated[str, typer.Option(help="Where the network runs that the file is compared with.")] = "cpu",
    out: options.Out = options.RESULTS,
) -> None:
    """Write a method's network to a file that runs without this benchmark, and compare the two (make export)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.export.study import build

    request = Request(method, data, noise, weights=weights, precision=precision)
    print_outcomes(build(request, format, to, out, device))
